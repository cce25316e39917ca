"""Tables of interpolation: which pixels of the input an output pixel is made of, and with what weights.

    y[p] = sum_k weight[p,k] x[index[p,k]]         along one axis, from n pixels to p

A table is (index (p, K), weight (p, K)), NumPy arrays. Its transpose, which gradients take, is such a table again, from
p pixels to n (`transposed`). TABLES[mode](n, p, step, align_corners): `step` is the distance of output pixels in units
of input pixels, a NumPy scalar, in whose precision positions are computed, as PyTorch does.

Source of the cubic kernel: Keys, "Cubic convolution interpolation for digital image processing", 1981. Read before
this: nothing. Read next: resample.py.
"""
import functools

import numpy as np


def adaptive_windows(size, count):
    """The elements of each window, (count, K); a shorter one repeats its last."""
    p = np.arange(count)
    start, end = p * size // max(1, count), -(-(p + 1) * size // max(1, count))
    longest = int((end - start).max(initial=1))
    return np.minimum(start[:, None] + np.arange(longest), end[:, None] - 1)


def average_table(size, count):
    """Each of `count` output pixels is the mean of its window."""
    index = adaptive_windows(size, count)
    new = np.diff(index, axis=1, prepend=-1) > 0  # not a repetition
    return index, new / new.sum(axis=1, keepdims=True)


def _nearest_table(n, p, step, _, shift=0.0):
    index = np.floor(((np.arange(p, dtype=step.dtype) + shift) * step).astype(np.float32))
    return np.minimum(index.astype(int), n - 1)[:, None], np.ones((p, 1))


def _area_table(n, p, step, _):
    return average_table(n, p)


def _linear_table(n, p, step, align_corners):
    position = np.maximum(_positions_along(n, p, step, align_corners), 0)
    low = np.minimum(np.floor(position).astype(int), n - 1)
    t = np.clip(position - low, 0, 1)
    return np.stack([low, np.minimum(low + 1, n - 1)], 1), np.stack([1 - t, t], 1)


def _cubic_table(n, p, step, align_corners):
    """Keys' kernel with a = -3/4 (Keys 1981, eq. 4), on the four nearest pixels; the border pixel repeats."""
    a = -0.75
    position = _positions_along(n, p, step, align_corners)
    low = np.floor(position).astype(int)
    t = (position - low)[:, None]
    d = np.concatenate([t + 1, t, 1 - t, 2 - t], 1)  # distances
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.clip(low[:, None] + np.arange(-1, 3), 0, n - 1), np.where(d <= 1, near, far)


def _positions_along(n, p, step, align_corners):
    """Where the p output pixels lie on the axis of the n input pixels, whose centres are 0 .. n - 1."""
    output = np.arange(p, dtype=step.dtype)
    if align_corners:
        return output * step.dtype.type((n - 1) / (p - 1) if p > 1 else 0)
    return (output + 0.5) * step - 0.5


def transposed(index, weight, n):
    """The table of the transposed map: for each of n inputs the outputs that use it; weight 0 fills it up."""
    p, k = np.nonzero(weight)
    i, w = index[p, k], weight[p, k]
    order = np.argsort(i, kind="stable")
    p, i, w = p[order], i[order], w[order]
    uses = np.bincount(i, minlength=n)
    column = np.arange(len(i)) - (np.cumsum(uses) - uses)[i]  # which of the uses of i
    new_index, new_weight = np.zeros((n, uses.max(initial=0)), int), np.zeros((n, uses.max(initial=0)))
    new_index[i, column], new_weight[i, column] = p, w
    return new_index, new_weight


TABLES = {
    "nearest": _nearest_table,
    "nearest-exact": functools.partial(_nearest_table, shift=0.5),
    "area": _area_table,
    "linear": _linear_table,
    "bilinear": _linear_table,
    "trilinear": _linear_table,
    "bicubic": _cubic_table,
}
