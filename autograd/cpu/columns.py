"""Convolution as matrix products that stay in the cache: im2col, a block of images at a time.

For one window the sum over c, r, s is a vector times a matrix: the column of the C*R*S numbers of x that the filters
see there, times the filters as a (C*R*S, O) matrix. Writing all columns down (im2col) makes convolution one big
product. Here a few images at a time are unfolded into one small buffer (windows.py), which is multiplied while it is
still in the processor's cache, and then overwritten. That is several times faster than one big im2col, np.tensordot on
windows, or np.einsum; and it fits every geometry, where the other ways are for those that allow more.

Any layout may come in; what goes out is channels-last, so that a product gives whole pixels, and elementwise ufuncs
keep it so.

Symbols: x (N, C, H, W), w (O, C/G, R, S), y (N, O, P, Q), G groups; columns are (G, windows, R*S*C/G).
Source: Chellapilla, Puri & Simard, "High performance convolutional neural networks for document
processing", 2006 (im2col). Read before this: einsum.py, windows.py. Read next: pointwise.py, winograd.py.
"""
import functools
import math
import operator

from ..backend import xp
from .channels import add_bias
from .threads import even_part, parallel_for
from .windows import by_group, column_blocks, columns_size, pixels_by_group, window_views

BLOCK = 1 << 19  # numbers in the buffer of columns: 2 MiB in float32, about a core's second-level cache


def convolve(x, w, bias, geometry, groups):
    """y = conv(x, w) + bias: columns times filters; bias may be None."""
    N, C, O, G = *x.shape[:2], len(w), groups
    y = xp.empty((N, *geometry.output, O), x.dtype)
    matrix = by_group(w, G).transpose(0, 3, 4, 2, 1).reshape(G, -1, O // G)  # (G, R*S*C/G, O/G)

    def work(part):
        for images, rows, columns in column_blocks(x[part], geometry, G, BLOCK):
            block = y[part][images, rows]
            xp.matmul(columns, matrix, out=pixels_by_group(block, G))
            add_bias(block, bias)

    parallel_for(work, N, N * columns_size(C, geometry))
    return y.transpose(0, 3, 1, 2)


def filter_gradient(x, y, geometry, groups):
    """w[o,c,r,s] = sum_npq y[n,o,p,q] x[n, c, stride p + dilation r - padding, ...]: columns^T times y."""
    C, O, G, (R, S) = x.shape[1], y.shape[1], groups, geometry.kernel
    y = y.transpose(0, 2, 3, 1)

    def work(part):
        total = xp.zeros((G, R * S * C // G, O // G), x.dtype)
        term = xp.empty_like(total)
        for images, rows, columns in column_blocks(x[part], geometry, G, BLOCK):
            xp.matmul(columns.swapaxes(1, 2), pixels_by_group(y[part][images, rows], G), out=term)
            total += term
        return total

    total = functools.reduce(operator.iadd, parallel_for(work, len(x), len(x) * columns_size(C, geometry)))
    return total.reshape(G, R, S, C // G, O // G).transpose(0, 4, 3, 1, 2).reshape(O, C // G, R, S)


def conv_transpose(y, w, bias, geometry, groups):
    """x = conv^T(y, w) + bias: y times the filters' transpose makes the columns that y's pixels send, which are added
    up where they were taken from, a few images at a time; bias may be None."""
    G, (P, Q), (R, S) = groups, geometry.output, geometry.kernel
    N, O, C = *y.shape[:2], w.shape[1] * groups
    x = xp.empty((N, *geometry.image, C), y.dtype).transpose(0, 3, 1, 2)
    matrix = by_group(w, G).transpose(0, 1, 3, 4, 2).reshape(G, O // G, -1)  # (G, O/G, R*S*C/G)
    images = even_part(N, BLOCK // max(1, columns_size(C, geometry)))

    def work(part):
        for n in range(part.start, part.stop, images):
            block = slice(n, min(n + images, part.stop))
            pixels = pixels_by_group(y[block].transpose(0, 2, 3, 1), G)
            sent = xp.matmul(pixels, matrix).reshape(G, -1, P, Q, R * S, C // G)
            sent = sent.transpose(4, 1, 0, 5, 2, 3).reshape(R * S, -1, C, P, Q)
            x[block] = _add_up(sent, geometry)

    parallel_for(work, N, N * columns_size(C, geometry))
    add_bias(x.transpose(0, 2, 3, 1), bias)
    return x


def _add_up(sent, geometry):
    """Images (n, C, H, W) with sent[t] (n, C, P, Q) added where tap t looks."""
    n, C = sent.shape[1:3]
    height, width = geometry.frame
    frame = xp.zeros((n, height, width, C), sent.dtype).transpose(0, 3, 1, 2)
    for seen, value in zip(geometry.taps(frame), sent):
        seen += value
    return geometry.unframed(frame)


# All columns of a batch at once


def unfold(x, geometry):
    """All columns written down: (N, C*R*S, P*Q)."""
    seen = window_views(geometry.framed(x), geometry, 1)[0]  # (N, P, Q, R, S, C)
    N, P, Q, R, S, C = seen.shape
    return seen.transpose(0, 5, 3, 4, 1, 2).reshape(N, C * R * S, P * Q)


def fold(columns, geometry):
    """All columns (N, C*R*S, P*Q) added up, each where unfold takes it from: (N, C, H, W)."""
    taps = math.prod(geometry.kernel)
    sent = columns.reshape(len(columns), columns.shape[1] // taps, taps, *geometry.output)
    return _add_up(sent.transpose(2, 0, 1, 3, 4), geometry)
