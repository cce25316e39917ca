"""What is measured of an autoencoder with discrete codes: its error beside that of as many bits without a network, what
is left of edges, and the use of its codes over all the examples at once.

Symbols: N images, K codes. Read before this: usage.py, floor.py, metrics.py. Used by: the models in models/codes/.
"""
import numpy as np

from autograd.backend import to_numpy

from ..metrics import Measure, gradient_energy, mean_interval, ratio_interval
from .usage import code_counts, perplexity, used


def reconstruction_error(space, x, x_hat, bits, floor=None):
    """The Measure of the squared error per pixel of x_hat, images as drawn, for images x in their own units.

    bits: that x_hat was made from. floor: a QuantizedPCA of as many.
    """
    rows = to_numpy(space.rows(x))
    error = lambda of: ((rows - of.reshape(rows.shape)) ** 2).mean(axis=1)
    beside = f"; PCA in as many {error(floor.reconstruct(rows)).mean():.5f}" if floor else ""
    mean = error(rows.mean(axis=0, keepdims=True).repeat(len(rows), axis=0)).mean()
    return Measure("MSE", *mean_interval(error(x_hat)), "",
                   f"per pixel on [0, 1], {bits:.0f} bits{beside}; the mean image {mean:.4f}")


def sharpness_measures(space, x, x_hat):
    """The Measures of what is left of edges in x_hat, images as drawn, for images x in their own units: a blurred image
    has a small squared error and weak gradients."""
    images = space.drawn(x)
    absolute = lambda of: np.abs(images - of).mean(axis=(1, 2, 3))
    median = np.median(images, axis=0, keepdims=True)
    return [Measure("L1", *mean_interval(absolute(x_hat)), "",
                    f"per pixel on [0, 1]; the median image {absolute(median).mean():.4f}"),
            Measure("gradient energy", *ratio_interval(gradient_energy(x_hat), gradient_energy(images)), "",
                    "squared differences of neighbouring pixels, those of the images being 1")]


def usage_measures(codes, K, name=""):
    """The Measures of how many of K codes are used, and how evenly, by the grids of N images."""
    counts = code_counts(codes, K)
    return [Measure(f"used codes{name}", used(counts), None, "", f"of {K}, by {len(codes):,} images"),
            Measure(f"perplexity{name}", perplexity(counts), None, "", f"over {len(codes):,} images; {K} at most")]
