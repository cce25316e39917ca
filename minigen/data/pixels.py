"""Random ways from pixels, the integers 0..levels-1, to what a likelihood wants. Those without chance are in space.py.

All take x, integers of any shape, and return float32 NumPy arrays of the same shape.

Dequantization: Theis, van den Oord & Bethge 2016, section 3.1: the log-density fitted to x + u, u ~ U[0, 1), bounds the
log-probability of the integers x from below. Read before this: space.py.
"""
import numpy as np


def dequantize(x, levels, rng):
    """(x + u) / levels in [0, 1), u ~ U[0, 1); floor(result * levels) gives x back, always.

    u is the middle of one of 2^14 equal steps: float32 then holds x + u exactly for levels <= 256, and no value is
    rounded into another level, or to 1. ValueError for levels > 256.
    """
    if levels > 256:
        raise ValueError(f"dequantize: levels={levels}; float32 keeps the noise exact up to 256 levels")
    u = (rng.integers(2**14, size=np.shape(x), dtype=np.uint16) + np.float32(0.5)) / np.float32(2**14)
    return (np.float32(x) + u) / np.float32(levels)


def binarize(x, levels, rng):
    """A draw of Bernoulli(x / (levels - 1)) per pixel, as 0. or 1.

    Drawn anew at every call this is 'dynamic binarization' (Salakhutdinov & Murray 2008); its likelihoods are not
    comparable with those on the fixed files of `binarized_mnist`.
    """
    return (rng.random(np.shape(x), dtype=np.float32) < np.float32(x) / np.float32(levels - 1)).astype(np.float32)


def threshold(x, levels):
    """1. where x is above the middle of its range, (levels - 1) / 2, else 0."""
    return (x > (levels - 1) / 2).astype(np.float32)
