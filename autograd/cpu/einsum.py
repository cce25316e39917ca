"""Convolution as it is written, one sum over windows: slow, six lines, and what all faster ways are held against.

    y[n,o,p,q] = sum_crs w[o,c,r,s] x[n, c, stride p + dilation r - padding, stride q + dilation s - padding]

A window is what the filters see at one (p, q). A view shows all of them without a copy (windows.py), and in the names
of its axes each of the three maps of conv.py is one line. NumPy's einsum multiplies and adds number by number, so it
is dozens of times slower than a product of matrices. Nothing computes with this file but the tests, and
docs/convolution.md, where it is rung 1.

Symbols: x (N, C, H, W), w (O, C/G, R, S), y (N, O, P, Q), G groups; in the letters of einsum, c and o count within a
group g. Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016, chapters 2 and 4. Read
before this: geometry.py. Read next: convolution.py.
"""
from ..backend import xp
from .windows import by_group, window_views


def convolve(x, w, bias, geometry, groups):
    """y = conv(x, w) + bias; bias may be None."""
    windows = window_views(geometry.framed(x), geometry, groups)  # (G, N, P, Q, R, S, C/G)
    y = xp.einsum("gnpqrsc,gocrs->ngopq", windows, by_group(w, groups))  # course 2.1
    return y.reshape(len(x), -1, *geometry.output) + (0 if bias is None else bias[:, None, None])


def filter_gradient(x, y, geometry, groups):
    """w[o,c,r,s] = sum_npq y[n,o,p,q] x[n, c, stride p + dilation r - padding, ...]."""
    windows = window_views(geometry.framed(x), geometry, groups)
    y = y.reshape(len(y), groups, -1, *geometry.output)  # (N, G, O/G, P, Q)
    w = xp.einsum("gnpqrsc,ngopq->gocrs", windows, y)
    return w.reshape(-1, *w.shape[2:])


def conv_transpose(y, w, bias, geometry, groups):
    """x[n,c,i,j] = bias[c] + the sum of w[o,c,r,s] y[n,o,p,q] over all windows and taps that see pixel i, j."""
    y = y.reshape(len(y), groups, -1, *geometry.output)  # (N, G, O/G, P, Q)
    sent = xp.einsum("ngopq,gocrs->rsngcpq", y, by_group(w, groups))  # course 2.2
    frame = xp.zeros((len(y), w.shape[1] * groups, *geometry.frame), y.dtype)
    for seen, value in zip(geometry.taps(frame), sent.reshape(-1, *frame.shape[:2], *geometry.output)):
        seen += value
    return geometry.unframed(frame) + (0 if bias is None else bias[:, None, None])
