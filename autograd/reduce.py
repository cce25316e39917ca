"""Ops that combine the elements along an axis: sum, mean, var, prod, max, logsumexp, softmax, cumsum.

`axis` is None (all), an int or a tuple; `keepdims` leaves the reduced axes in place with size 1. Names and arguments
are NumPy's. A pullback first puts the reduced axes of g back with `_restored`, so that g broadcasts against x.

Symbols: x input, y output, g = dL/dy, n number of elements combined. Read before this: ops.py, shape.py.
"""
import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from . import gpu
from .backend import by_device, xp
from .ops import exp, power, sqrt, where
from .shape import expand_dims, flip, named, reshape
from .tensor import Tensor, as_tensor, broadcast_to, record, recording


def _restored(y, x, axis, keepdims):
    """y, reduced from x over axis, with the reduced axes put back as size 1."""
    if keepdims or axis is None and y.ndim == x.ndim:
        return y
    return reshape(y, (1,) * x.ndim) if axis is None else expand_dims(y, axis)


def _axes(name, x, axis):
    """axis as a tuple of different numbers from 0 to x.ndim - 1; the error for any other names the op."""
    return tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim, name)


def _count(name, x, axis):
    """How many elements are combined into one."""
    return math.prod(x.shape[i] for i in _axes(name, x, axis))


# Sums and moments


def sum(x, axis=None, keepdims=False):
    """Sum over axis."""
    x = as_tensor(x)
    spread = lambda g: broadcast_to(_restored(g, x, axis, keepdims), x.shape)
    return record(named("sum", x, xp.ndarray.sum, axis=axis, keepdims=keepdims), (x, spread))


def mean(x, axis=None, keepdims=False):
    """Arithmetic mean over axis; NaN where the axis is empty."""
    x = as_tensor(x)
    n = _count("mean", x, axis)
    return sum(x, axis, keepdims) / n if n else sum(x, axis, keepdims) + float("nan")


def var(x, axis=None, ddof=0, keepdims=False):
    """Variance over axis, sum (x - mean)^2 / (n - ddof): ddof = 0 as in NumPy; PyTorch's default is ddof = 1."""
    x = as_tensor(x)
    freedom = _count("var", x, axis) - ddof
    return sum(power(x - mean(x, axis, keepdims=True), 2), axis, keepdims) / (freedom if freedom > 0 else 0.0)


def std(x, axis=None, ddof=0, keepdims=False):
    """Standard deviation over axis. Where it is 0 its gradient is taken as 0, as in PyTorch."""
    _axes("std", as_tensor(x), axis)
    variance = var(x, axis, ddof, keepdims)
    positive = variance.data != 0
    return where(positive, sqrt(where(positive, variance, 1.0)), 0.0)


def prod(x, axis=None, keepdims=False):
    """Product over axis. The gradient is the product of the other elements, zeros among them included."""
    x = as_tensor(x)
    if axis is None:
        y = prod(reshape(x, -1), 0)
        return reshape(y, (1,) * x.ndim) if keepdims else y
    for i in sorted(_axes("prod", x, axis), reverse=True):
        x = _prod_along(x, i, keepdims)
    return x


def _prod_along(x, axis, keepdims):
    n = x.shape[axis]

    def pullback(g, y):
        g, y = _restored(g, x, axis, keepdims), _restored(y, x, axis, keepdims)
        if xp.all(x.data != 0):
            return g * (y / x)
        itself = xp.eye(n, dtype=bool).reshape((n, n) + (1,) * (x.ndim - axis - 1))
        others = where(itself, 1.0, expand_dims(x, axis))  # one row per element, in which that element is 1
        return g * _prod_along(others, axis + 1, False)

    return record(x.data.prod(axis=axis, keepdims=keepdims), (x, pullback), keep_output=True)


# Extremes


def max(x, axis=None, keepdims=False):
    """Largest element over axis; equal ones share the gradient evenly (torch.amax)."""
    return _extreme("max", x, axis, keepdims)


def min(x, axis=None, keepdims=False):
    """Smallest element over axis; equal ones share the gradient evenly (torch.amin)."""
    return _extreme("min", x, axis, keepdims)


def _extreme(name, x, axis, keepdims):
    x = as_tensor(x)
    if _count(name, x, axis) == 0:
        raise ValueError(f"{name}: axis {axis} of shape {x.shape} is empty and has no {name}imum")

    def pullback(g, y):
        hit = x.data == _restored(y, x, axis, keepdims).data
        return _restored(g, x, axis, keepdims) * (hit / hit.sum(axis=axis, keepdims=True)).astype(x.dtype)

    return record(getattr(x.data, name)(axis=axis, keepdims=keepdims), (x, pullback), keep_output=True)


def argmax(x, axis=None):
    """Index of the first largest element: a constant Tensor of integers."""
    return Tensor(named("argmax", as_tensor(x), xp.ndarray.argmax, axis=axis))


# Sums of exponentials


def _top(name, x, axis):
    """The array of largest elements over axis, which stays with size 1; -inf where the axis is empty."""
    if x.size:
        return named(name, x, xp.ndarray.max, axis=axis, keepdims=True)
    return xp.full_like(named(name, x, xp.ndarray.sum, axis=axis, keepdims=True), -xp.inf)


def logsumexp(x, axis=None, keepdims=False):
    """log sum e^x over axis, shifted by the maximum so that nothing overflows; -inf where the axis is empty."""
    x = as_tensor(x)
    top = _top("logsumexp", x, axis)
    top = xp.where(xp.isfinite(top), top, 0)  # all -inf, +inf among them, or empty: exp needs no shift there
    with np.errstate(divide="ignore"):
        value = xp.log(xp.exp(x.data - top).sum(axis=axis, keepdims=True)) + top
    value = value if keepdims else value.reshape(x.data.sum(axis=axis).shape)
    weight = lambda y: exp(x - _restored(y, x, axis, keepdims))  # softmax(x)
    return record(value, (x, lambda g, y: _restored(g, x, axis, keepdims) * weight(y)), keep_output=True)


def softmax(x, axis=-1):
    """e^x / sum e^x over axis. Its Jacobian is diag(y) - y y^T."""
    return _softmax(as_tensor(x), axis)


def _softmax_composed(x, axis):
    value = xp.exp(x.data - _top("softmax", x, axis))
    value /= value.sum(axis=axis, keepdims=True)
    return record(value, (x, lambda g, y: y * (g - sum(g * y, axis, keepdims=True))), keep_output=True)


def _softmax_by_kernel(x, axis):
    if axis not in (-1, x.ndim - 1) or x.size == 0 or x.dtype not in gpu.REALS:
        return _softmax_composed(x, axis)

    def pullback(g, y):
        if recording():
            return y * (g - sum(g * y, -1, keepdims=True))
        return Tensor(gpu.softmax.softmax_gradient(y.data, g.data))

    return record(gpu.softmax.softmax(x.data), (x, pullback), keep_output=True)


_softmax = by_device(_softmax_composed, _softmax_by_kernel)


def log_softmax(x, axis=-1):
    """x - logsumexp(x) over axis."""
    x = as_tensor(x)
    value = x.data - _top("log_softmax", x, axis)
    with np.errstate(divide="ignore"):  # where the axis is empty
        value -= xp.log(xp.exp(value).sum(axis=axis, keepdims=True))
    return record(value, (x, lambda g, y: g - exp(y) * sum(g, axis, keepdims=True)), keep_output=True)


def cumsum(x, axis=None):
    """Running sum along axis; over the flattened elements if axis is None."""
    x = as_tensor(x)
    if axis is None:
        return cumsum(reshape(x, -1), 0)
    value = named("cumsum", x, xp.ndarray.cumsum, axis=axis)
    return record(value, (x, lambda g: flip(cumsum(flip(g, axis), axis), axis)))


# The methods of Tensor

for _op in (sum, mean, var, std, prod, max, min, argmax, cumsum):
    setattr(Tensor, _op.__name__, _op)
