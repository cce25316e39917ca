"""Convolution by filters of 1 x 1: the image is its own columns, and nothing is copied.

Channels-last, a batch is one matrix of N*H*W pixels times C channels; in NCHW, one such for each image, transposed.
Either is multiplied as it lies in memory.

Symbols: x (N, C, H, W), w (O, C, 1, 1), y (N, O, H, W). Read before this: columns.py.
"""
from .channels import add_bias
from .threads import shared_matmul


def fits(geometry, groups):
    """Whether a convolution is of this kind: one tap, which looks at each pixel once."""
    return (groups == 1 and geometry.kernel == geometry.stride == (1, 1) and geometry.padding == (0, 0)
            and geometry.image == geometry.output)


def convolve(x, w, bias, geometry, groups):
    """y = conv(x, w) + bias; bias may be None."""
    y = shared_matmul(_pixels(x), w.reshape(w.shape[:2]).T).reshape(len(x), *geometry.output, len(w))
    add_bias(y, bias)
    return y.transpose(0, 3, 1, 2)


def filter_gradient(x, y, geometry, groups):
    """w[o,c] = sum_npq y[n,o,p,q] x[n,c,p,q]."""
    C, O, seen, g = x.shape[1], y.shape[1], _pixels(x), _pixels(y)
    if seen.ndim != g.ndim:  # one is channels-last and one NCHW: both image by image
        seen, g = seen.reshape(len(x), -1, C), g.reshape(len(x), -1, O)
    return shared_matmul(g.swapaxes(-1, -2), seen).reshape(-1, O, C).sum(axis=0).reshape(O, C, 1, 1)


def _pixels(x):
    """x without a copy, as the matrix of all pixels (N H W, C) if channels-last, else as one for each image."""
    N, C, H, W = x.shape
    last = x.transpose(0, 2, 3, 1)
    if last.flags.c_contiguous:
        return last.reshape(N * H * W, C)
    return x.reshape(N, C, H * W).swapaxes(1, 2)
