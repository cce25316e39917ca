"""Judges of samples, for models that have no likelihood: they compare samples with examples, and make Figures of it.

    distance_figure   are the two alike? By the energy distance; for points, and for images as vectors of pixels
    mode_judge        for a mixture of Gaussians: how many modes are covered, how many samples are good

Samples that are all perfect copies of one mode are all good, and a wide cloud covers every mode: only both numbers
together say that a generator works. Samples and examples are points (N, D), or images in [0, 1].

Symbols: N samples, M examples, D dimensions, K modes. Read before this: metrics.py.
"""
import numpy as np
from scipy.spatial.distance import cdist

from ..metrics import Figure, mean_interval

PARTS = 10  # that samples and examples are cut into: the spread of the parts' distances gives the interval


def energy_distance(x, y):
    """2 E|x - y| - E|x - x'| - E|y - y'|, x and x' independent draws of one distribution, y and y' of the other.

    It is 0 if the two are the same, and only then. Unbiased: around 0 it can be negative. x (N, ...) and y (M, ...),
    two or more of each. Székely & Rizzo, "Energy statistics", 2013.
    """
    x, y = (np.float64(a).reshape(len(a), -1) for a in (x, y))
    within = lambda a: cdist(a, a).sum() / (len(a) * (len(a) - 1))  # pairs of different ones
    return 2 * cdist(x, y).mean() - within(x) - within(y)


def distance_figure(samples, x):
    """The energy distance; its interval comes from disjoint parts, and holds 0 where the two cannot be told apart."""
    n = min(len(samples), len(x))
    parts = max(1, min(PARTS, n // 2))
    pairs = zip(np.array_split(samples[:n], parts), np.array_split(x[:n], parts))
    values = [energy_distance(a, b) for a, b in pairs]
    value, half_width = mean_interval(values) if parts > 1 else (values[0], None)
    return Figure("energy distance", value, half_width, "", f"{n:,} samples and examples; 0 if they are alike")


def modes(samples, centres, sigma, radius=3.0):
    """(good, covered) of points (N, D) for a mixture of K equal Gaussians, centres (K, D), standard deviation sigma.

    good (N,): whether a sample is within `radius` sigma of a centre; of the mixture itself, 98.9 % are for D = 2 and
    radius 3. covered (K,): whether a mode has at least a tenth of its fair share, N / K, in good samples.
    """
    distance = cdist(samples, centres)  # (N, K)
    near = distance <= radius * sigma
    nearest = near & (distance == distance.min(axis=1, keepdims=True))
    return near.any(axis=1), nearest.sum(axis=0) >= 0.1 * len(samples) / len(centres)


def mode_judge(centres, sigma):
    """The judge of samples from a mixture of K equal Gaussians, as in `modes`."""

    def judge(samples, x):
        good, covered = modes(samples, centres, sigma)
        of_data = modes(x, centres, sigma)[0].mean()
        note = f"share within 3 sigma of a centre; of the data {of_data:.3f}"
        return [Figure("modes covered", int(covered.sum()), None, "", f"of {len(covered)}"),
                Figure("good samples", *mean_interval(good), "", note)]

    return judge
