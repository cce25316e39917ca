"""Figures: a measured number together with what one must know to read it; and how drawn images compare with real ones.

Drawn and real images are compared as a classifier sees them: by its features (N, D) and its probabilities (N, K). The
numbers depend on the classifier, on N and on the real images they are held against, so they mean something only beside
the same numbers for real images: those of the training set against those of the test set, as many of each, are the
floor that a perfect model would reach. `sample_figures` prints both.

Sources: Heusel et al. 2017 (Frechet distance), Binkowski et al. 2018 (kernel distance), Kynkaanniemi et al. 2019
(precision and recall). Symbols: N images, D features, K classes.
Read before this: nothing. Used by: every model's `evaluate`, and the command line, which prints them.
"""
import math
from dataclasses import dataclass

import numpy as np

from autograd import Tensor
from autograd.backend import to_numpy


@dataclass(frozen=True)
class Figure:
    """One result. half_width: half of its 95 % confidence interval, None where the value is exact.

    unit: "nats" or "bits/dim" (per example and per dimension), "" for a pure number. note: whatever else
    decides the value, e.g. "k = 500" or "exact".
    """

    name: str
    value: float
    half_width: float | None = None
    unit: str = ""
    note: str = ""

    def __str__(self):
        """For instance `-ELBO  96.71 ± 0.83 nats  (10 draws of z)`."""
        return f"{self.name}  {self.measure()}" + (f"  ({self.note})" if self.note else "")

    def measure(self) -> str:
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


# Drawn images against real ones


def sample_figures(judge, samples, train, test) -> list:
    """Figures of drawn images beside those of real ones, all from the same number of images.

    judge(images) -> (features (N, D), probabilities (N, K)), for instance a classifier's. samples, train, test: images
    on [0, 1], (N, C, H, W); only the first n of each are used, n the number of the fewest.
    """
    n = min(len(samples), len(train), len(test))
    (drawn, p), (seen, p_seen), (held, _) = (judge(images[:n]) for images in (samples, train, test))
    about = lambda floor: f"N = {n:,} against the test set; the training set: {floor}"
    frechet, frechet_floor = frechet_distance(drawn, held), frechet_distance(seen, held)
    kernel, (kernel_floor, half_width) = kernel_distance(drawn, held), kernel_distance(seen, held)
    (precision, recall), (precision_floor, recall_floor) = precision_recall(held, drawn), precision_recall(held, seen)
    counts = class_histogram(p)
    return [
        Figure("Frechet distance", frechet, None, "", about(f"{frechet_floor:.4g}")),
        Figure("kernel distance", *kernel, "", about(f"{kernel_floor:.2g} ± {half_width:.2g}")),
        Figure("precision", precision, None, "", about(f"{precision_floor:.3f}")),
        Figure("recall", recall, None, "", about(f"{recall_floor:.3f}")),
        Figure("legibility", *mean_interval(legible(p)), "",
               f"share given >= 0.9 to one class, N = {n:,}; the training set: {legible(p_seen).mean():.3f}"),
        Figure("classes", int((counts > 0).sum()), None, "",
               f"of {len(counts)}; counts {' '.join(map(str, counts))}; the training set: "
               f"{' '.join(map(str, class_histogram(p_seen)))}"),
    ]


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
    return float(mean @ mean + np.trace(C_a) + np.trace(C_b) - 2.0 * product)


def kernel_distance(a, b, block=None) -> tuple[float, float]:
    """The squared maximum mean discrepancy of features a (N, D), b (M, D) with k(x, y) = (x.y / D + 1)^3.

    Unbiased: 0 on average for equal distributions, at any N. It is the mean over blocks of so many features each (a
    tenth of them, at least 50), and comes with half of the 95 % interval of that mean (nan for a single block).
    """
    a, b = _features(a, b, "kernel_distance")
    n, D = min(block or max(50, len(a) // 10), len(a), len(b)), a.shape[1]
    kernel = lambda x, y: (x @ y.T / D + 1.0) ** 3
    off_diagonal = lambda k: (k.sum() - np.trace(k)) / (n * (n - 1))
    distances = []
    for start in range(0, min(len(a), len(b)) - n + 1, n):
        x, y = a[start : start + n], b[start : start + n]
        distances.append(off_diagonal(kernel(x, x)) + off_diagonal(kernel(y, y)) - 2.0 * kernel(x, y).mean())
    return mean_interval(distances) if len(distances) > 1 else (float(distances[0]), math.nan)


def precision_recall(real, drawn, k=3) -> tuple[float, float]:
    """(the share of drawn that lie among the real ones, the share of real that lie among the drawn): features (N, D).

    A point lies among a set if it is within a ball around some point of the set that reaches that point's k-th nearest
    neighbour in the set. Low precision: bad images. Low recall: kinds of images that are missing.
    """
    real, drawn = _features(real, drawn, "precision_recall")
    return _share_inside(drawn, real, k), _share_inside(real, drawn, k)


def _share_inside(points, reference, k):
    radius = np.concatenate([np.partition(d, k, axis=1)[:, k] for d in _distances(reference, reference)])  # 0 is itself
    return float(np.mean(np.concatenate([(d <= radius).any(axis=1) for d in _distances(points, reference)])))


def _distances(a, b, rows=1000):
    """Squared distances of a (N, D) to b (M, D), so many rows at a time: the whole table of N M would be large."""
    for start in range(0, len(a), rows):
        x = a[start : start + rows]
        yield np.maximum((x * x).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * x @ b.T, 0.0)


def legible(probabilities, threshold=0.9):
    """Whether each image is given at least so much to one class, (N,) booleans. probabilities (N, K)."""
    return np.asarray(probabilities).max(axis=1) >= threshold


def class_histogram(probabilities):
    """How many images are given to each class, (K,) integers. probabilities (N, K)."""
    probabilities = np.asarray(probabilities)
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])


def _features(a, b, caller):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 4:
        raise ValueError(f"{caller}: features have shapes {a.shape} and {b.shape}, expected (N, D) and (M, D) with at "
                         "least 4 of each")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(f"{caller}: features are not finite; are the images?")
    return a, b
