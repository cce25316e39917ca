"""Scalings of pixels: from the integers 0..levels-1 to what a likelihood or a network wants.

All take x, integers of any shape, and return float32 of the same shape. Those that draw take `rng`.

Dequantization: Theis, van den Oord & Bethge 2016, section 3.1: the log-density fitted to x + u,
u ~ U[0, 1), bounds the log-probability of the integers x from below.
"""

import numpy as np


def dequantize(x, levels, rng):
    """(x + u) / levels in [0, 1), u ~ U[0, 1); floor(result * levels) gives x back, always.

    u is the middle of one of 2^14 equal steps: float32 then holds x + u exactly for levels <= 256, and no
    value is rounded into another level, or to 1. Raises ValueError for levels > 256.
    """
    if levels > 256:
        raise ValueError(f"dequantize: levels={levels}; float32 keeps the noise exact up to 256 levels")
    u = (rng.integers(2**14, size=np.shape(x), dtype=np.uint16) + np.float32(0.5)) / np.float32(2**14)
    return (np.float32(x) + u) / np.float32(levels)


def to_unit(x, levels):
    """x / (levels - 1) in [0, 1], both ends reached."""
    return np.float32(x) / np.float32(levels - 1)


def to_signed(x, levels):
    """2 x / (levels - 1) - 1 in [-1, 1], both ends reached."""
    return to_unit(x, levels) * np.float32(2) - np.float32(1)


def binarize(x, levels, rng):
    """A draw of Bernoulli(x / (levels - 1)) per pixel, as 0. or 1.

    Drawn anew at every call this is 'dynamic binarization' (Salakhutdinov & Murray 2008); its
    likelihoods are not comparable with those on the fixed files of `binarized_mnist`.
    """
    return (rng.random(np.shape(x), dtype=np.float32) < to_unit(x, levels)).astype(np.float32)


def threshold(x, levels):
    """1. where x is above the middle of its range, (levels - 1) / 2, else 0."""
    return (x > (levels - 1) / 2).astype(np.float32)
