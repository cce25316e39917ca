"""Measures: a measured number together with what one must know to read it; and how sets of samples compare with data.

Drawn and real images are compared as a classifier sees them: by its features (N, D) and its probabilities (N, K). The
numbers depend on the classifier, on N and on the real images they are held against, so they mean something only beside
the same numbers for real images: those of the training set against those of the test set, as many of each, are the
floor that a perfect model would reach. judges.py prints both.

Points and images as they are can be compared too, by the energy distance; and where the modes of the data are known,
they can be counted: samples that are all perfect copies of one mode are all good, and a wide cloud covers every mode,
so only both numbers together say that a generator works.

Sources: Heusel et al. 2017 (Frechet distance), Gretton et al. 2012 and Binkowski et al. 2018 (kernel distance),
Kynkaanniemi et al. 2019 (precision and recall), Naeem et al. 2020 (density and coverage), Szekely & Rizzo 2013 (energy
distance).
Symbols: N samples, M examples, D features or dimensions, K classes or modes. Read before this: nothing. Used by: every
model's `measure`, and judges.py.
"""
import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from autograd import Tensor, as_tensor, trace
from autograd.backend import to_numpy


@dataclass(frozen=True)
class Measure:
    """One result. half_width: half of its 95 % confidence interval, None where the value is exact.

    unit: "nats" or "bits/dim" (per example and per dimension), "" for a pure number. detail: whatever else
    decides the value, e.g. "k = 500" or "exact".
    """

    name: str
    value: float
    half_width: float | None = None
    unit: str = ""
    detail: str = ""

    def __str__(self):
        """For instance `-ELBO  96.71 ± 0.83 nats  (10 draws of z)`."""
        return f"{self.name}  {self.number()}" + (f"  ({self.detail})" if self.detail else "")

    def number(self) -> str:
        """Value, interval and unit, rounded to two significant digits of the interval."""
        if self.half_width is None:
            number = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.5g}"
        elif self.half_width > 0 and math.isfinite(self.half_width):
            decimals = max(0, 1 - math.floor(math.log10(self.half_width)))
            number = f"{self.value:.{decimals}f} ± {self.half_width:.{decimals}f}"
        else:
            number = f"{self.value:.5g} ± {self.half_width:g}"
        return f"{number} {self.unit}".rstrip()


def mean_interval(values) -> tuple[float, float]:
    """The mean of independent measurements and the half width of its 95 % interval, 1.96 s / sqrt(n).

    By the central limit theorem; s is the unbiased standard deviation. Raises ValueError for fewer than two
    values.
    """
    values = np.asarray(to_numpy(values.data if isinstance(values, Tensor) else values), dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"mean_interval: values has shape {values.shape}, expected (n,) with n >= 2")
    return float(values.mean()), float(1.96 * values.std(ddof=1) / math.sqrt(len(values)))


def ratio_interval(a, b) -> tuple[float, float]:
    """mean(a) / mean(b) of pairs of measurements a, b (n,), and the half width of its 95 % interval: that of the mean
    of a - ratio b, in units of mean(b) (the delta method). ValueError for fewer than two pairs."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    ratio = float(a.mean() / b.mean())
    _, half_width = mean_interval(a - ratio * b)
    return ratio, half_width / abs(float(b.mean()))


# Drawn images against real ones, by their features


def frechet_distance(a, b) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)): between Gaussians with the moments of features a and b.

    a (N, D), b (M, D). It falls with N for equal distributions, about as D^2 / N: compare at equal N only.
    """
    a, b = _features(a, b, "frechet_distance")
    mean, (C_a, C_b) = a.mean(axis=0) - b.mean(axis=0), (np.cov(x, rowvar=False) for x in (a, b))
    values, vectors = np.linalg.eigh(C_a)
    root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    # C_a C_b has the eigenvalues of root C_b root, which is symmetric
    product = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ C_b @ root), 0.0)).sum()
    # but for rounding it is never negative
    return max(0.0, float(mean @ mean + np.trace(C_a) + np.trace(C_b) - 2.0 * product))  # course 11.2


def kernel_distance(a, b, block=None) -> tuple[float, float]:
    """The squared maximum mean discrepancy of features a (N, D), b (M, D) with k(x, y) = (x.y / D + 1)^3.

    Unbiased: 0 on average for equal distributions, at any N. It is the mean over blocks of so many features each (a
    tenth of them, at least 50), and comes with half of the 95 % interval of that mean (nan for a single block).
    """
    a, b = _features(a, b, "kernel_distance")
    n, D = min(block or max(50, len(a) // 10), len(a), len(b)), a.shape[1]
    kernel = lambda x, y: (x @ y.T / D + 1.0) ** 3
    distances = []
    for start in range(0, min(len(a), len(b)) - n + 1, n):
        x, y = a[start : start + n], b[start : start + n]
        distances.append(mmd(kernel(x, x), kernel(y, y), kernel(x, y)).item())
    return mean_interval(distances) if len(distances) > 1 else (distances[0], math.nan)


def mmd(k_xx, k_yy, k_xy):
    """The squared maximum mean discrepancy of x and y, from what a kernel says of all pairs: a scalar Tensor.

    E k(x, x') + E k(y, y') - 2 E k(x, y), x and x' independent draws of one distribution, y and y' of the other: 0 if
    the two are the same, for many kernels only then. k_xx (N, N), k_yy (M, M), k_xy (N, M): arrays, or Tensors through
    which gradients flow. Unbiased, as pairs of an x with itself are left out: around 0 it can be negative. Gretton et
    al. 2012, eq. 3. ValueError for fewer than two of either.
    """
    k_xx, k_yy, k_xy = (as_tensor(k) for k in (k_xx, k_yy, k_xy))
    N, M = k_xy.shape
    if k_xx.shape != (N, N) or k_yy.shape != (M, M) or min(N, M) < 2:
        raise ValueError(f"mmd: kernels have shapes {k_xx.shape}, {k_yy.shape}, {k_xy.shape}, expected (N, N), (M, M), "
                         "(N, M) with N and M at least 2")
    within = lambda k: (k.sum() - trace(k)) / (len(k) * (len(k) - 1))
    return within(k_xx) + within(k_yy) - 2.0 * k_xy.mean()


def precision_recall(real, drawn, k=3) -> tuple[float, float]:
    """(the share of drawn that lie among the real ones, the share of real that lie among the drawn): features (N, D).

    A point lies among a set if it is within a ball around some point of the set that reaches that point's k-th nearest
    neighbour in the set. Low precision: bad images. Low recall: kinds of images that are missing.
    """
    real, drawn = _features(real, drawn, "precision_recall")
    return _share_inside(drawn, real, k), _share_inside(real, drawn, k)


def _share_inside(points, reference, k):
    radius = _radius(reference, k)
    return float(np.mean(np.concatenate([(d <= radius).any(axis=1) for d in _distances(points, reference)])))


def _radius(points, k):
    """The squared distance from each of the points to its k-th neighbour among them, (N,)."""
    k = min(k, len(points) - 1)
    return np.concatenate([np.partition(d, k, axis=1)[:, k] for d in _distances(points, points)])  # number 0 is itself


def _distances(a, b, rows=1000):
    """Squared distances of a (N, D) to b (M, D), so many rows at a time: the whole table of N M would be large."""
    for start in range(0, len(a), rows):
        x = a[start : start + rows]
        yield np.maximum((x * x).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * x @ b.T, 0.0)


def density_coverage(real, drawn, k=5) -> tuple[float, float]:
    """How densely the drawn lie where the real ones do, 1 for equal sets; and the share of real ones that have a drawn
    one near: features (N, D).

    Near is within the ball around a real one that reaches its k-th real neighbour. Unlike precision, density is not
    fooled by one far outlier whose ball is large; unlike recall, coverage is 0 for a generator that collapsed.
    """
    real, drawn = _features(real, drawn, "density_coverage")
    radius = _radius(real, k)
    near = np.concatenate([d <= radius for d in _distances(drawn, real)])  # (drawn, real)
    return float(near.sum() / (k * len(drawn))), float(near.any(axis=0).mean())


def legible(probabilities, threshold=0.9):
    """Whether each image is given at least so much to one class, (N,) booleans. probabilities (N, K)."""
    return np.asarray(probabilities).max(axis=1) >= threshold


def class_histogram(probabilities):
    """How many images are given to each class, (K,) integers. probabilities (N, K)."""
    probabilities = np.asarray(probabilities)
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])


def spread_within(drawn, real, y) -> tuple[float, float]:
    """(ratio, half width): the mean squared distance of drawn images (N, ...) from the mean of their class, over that
    of real ones of the same classes y (N,). 1 for the real distribution, less where each class is drawn alike."""
    distances = [np.zeros(len(y)), np.zeros(len(y))]
    for distance, x in zip(distances, (drawn, real)):
        rows = np.asarray(x, np.float64).reshape(len(y), -1)
        for k in np.unique(y):
            distance[y == k] = ((rows[y == k] - rows[y == k].mean(axis=0)) ** 2).sum(axis=1)
    return ratio_interval(*distances)


def purity(clusters, y):
    """Whether each example is of the commonest class in its cluster, (N,) booleans. clusters, y: integers (N,)."""
    clusters, y = np.asarray(clusters), np.asarray(y)
    right = np.zeros(len(y), bool)
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        right[inside] = y[inside] == np.bincount(y[inside]).argmax()
    return right


def nearest_is_own(drawn, true):
    """Whether each drawn image (N, ...) is nearer to its own true one (N, ...) than to all others, (N,) booleans."""
    drawn, true = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (drawn, true))
    return cdist(drawn, true, "sqeuclidean").argmin(axis=1) == np.arange(len(drawn))


# Images by themselves


def saturation(images):
    """The mean difference of the largest and the smallest channel of each image (N, 3, H, W): (N,). Grays have 0."""
    images = np.asarray(images, np.float64)
    return (images.max(axis=1) - images.min(axis=1)).mean(axis=(1, 2))


def gradient_energy(images):
    """The mean squared difference of neighbouring pixels of each image (N, C, H, W): (N,). Blurring lowers it, noise
    and hard edges raise it."""
    x = np.asarray(images, np.float64)
    down, right = np.diff(x, axis=2) ** 2, np.diff(x, axis=3) ** 2
    return down.mean(axis=(1, 2, 3)) + right.mean(axis=(1, 2, 3))


# Points, and images as vectors of pixels


def energy_distance(x, y):
    """2 E|x - y| - E|x - x'| - E|y - y'|, x and x' independent draws of one distribution, y and y' of the other.

    It is 0 if the two are the same, and only then. Unbiased: around 0 it can be negative. x (N, ...) and y (M, ...),
    two or more of each.
    """
    x, y = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (x, y))
    within = lambda a: cdist(a, a).sum() / (len(a) * (len(a) - 1))  # pairs of different ones
    return 2 * cdist(x, y).mean() - within(x) - within(y)


def modes(samples, centres, sigma, radius=3.0):
    """(good, covered) of points (N, D) for a mixture of K equal Gaussians, centres (K, D), standard deviation sigma.

    good (N,): whether a sample is within `radius` sigma of a centre; of the mixture itself, 98.9 % are for D = 2 and
    radius 3. covered (K,): whether a mode has at least a tenth of its fair share, N / K, in good samples.
    """
    distance = cdist(samples, centres)  # (N, K)
    near = distance <= radius * sigma
    nearest = near & (distance == distance.min(axis=1, keepdims=True))
    return near.any(axis=1), nearest.sum(axis=0) >= 0.1 * len(samples) / len(centres)


def auroc(positive, negative) -> float:
    """The probability that a score of the first kind (N,) is above one of the second (M,), ties counted as half: the
    area under the curve of true against false alarms. 1 if a threshold tells the two apart, 0.5 by chance.

    It is the statistic of Mann & Whitney 1947, divided by N M.
    """
    positive, negative = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    if positive.ndim != 1 or negative.ndim != 1 or not min(len(positive), len(negative)):
        raise ValueError(f"auroc: scores have shapes {positive.shape} and {negative.shape}, expected (N,) and (M,), at "
                         "least one of each")
    negative = np.sort(negative)
    below, not_above = (np.searchsorted(negative, positive, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * len(negative)))


def _features(a, b, caller):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 4:
        raise ValueError(f"{caller}: features have shapes {a.shape} and {b.shape}, expected (N, D) and (M, D) with at "
                         "least 4 of each")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(f"{caller}: features are not finite; are the images?")
    return a, b
