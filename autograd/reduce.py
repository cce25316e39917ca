"""Ops along an axis: sums, moments, products, norms, extremes, sums of exponentials, sorting.

`axis` is None (all), an int or a tuple; `keepdims` leaves the reduced axes in place with size 1. Names and arguments
are NumPy's; topk is PyTorch's. A pullback first puts the reduced axes of g back with `_restored`, so that g broadcasts
against x.

Symbols: x input, y output, g = dL/dy, n number of elements combined. Read before this: ops.py, shape.py.
"""
import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from . import gpu
from .activations import sigmoid
from .backend import by_device, xp
from .mode import recording
from .ops import abs, exp, floating, power, sqrt, where
from .shape import expand_dims, flip, moveaxis, named, reshape, take_along_axis, triu
from .sweep import broadcast_to, elementwise, sum_array
from .tensor import Tensor, as_tensor, operands, record


def _restored(y, ndim, axis, keepdims):
    """y, reduced over axis from ndim axes, with the reduced axes put back as size 1."""
    if keepdims or y.ndim == ndim:
        return y
    return reshape(y, (1,) * ndim) if axis is None else expand_dims(y, axis)


def _axes(name, x, axis):
    """axis as a tuple of different numbers from 0 to x.ndim - 1; the error for any other names the op. As with NumPy a
    scalar has an axis 0, or -1, when it is reduced."""
    if axis is None or x.ndim == 0 and axis in (0, -1):
        return tuple(range(x.ndim))
    return normalize_axis_tuple(axis, x.ndim, name)


def _count(name, x, axis):
    """How many elements are combined into one."""
    return math.prod(x.shape[i] for i in _axes(name, x, axis))


# Sums and moments


def sum(x, axis=None, keepdims=False):
    """Sum over axis."""
    x = as_tensor(x)
    shape = x.shape
    spread = lambda g: broadcast_to(_restored(g, len(shape), axis, keepdims), shape)
    return record(named("sum", x, sum_array, axis, keepdims), (x, spread))


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
    return _sqrt_or_zero(var(x, axis, ddof, keepdims))


def _sqrt_or_zero(x):
    """sqrt(x), whose derivative at 0 is taken as 0 instead of infinity."""
    positive = x.data != 0
    return where(positive, sqrt(where(positive, x, 1.0)), 0.0)


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
        g, y = _restored(g, x.ndim, axis, keepdims), _restored(y, x.ndim, axis, keepdims)
        if xp.all(x.data != 0):
            return g * (y / x)
        itself = xp.eye(n, dtype=bool).reshape((n, n) + (1,) * (x.ndim - axis - 1))
        others = where(itself, 1.0, expand_dims(x, axis))  # one row per element, in which that element is 1
        return g * _prod_along(others, axis + 1, False)

    return record(x.data.prod(axis=axis, keepdims=keepdims), (x, pullback), keep_output=True)


def vector_norm(x, axis=None, keepdims=False, ord=2):
    """(sum |x|^ord)^(1/ord) over axis, or the largest |x| for ord = inf. Where it is 0 its gradient is taken as 0."""
    x, ord = floating(x), float(ord)
    if not ord > 0:
        raise ValueError(f"vector_norm: ord is {ord}, expected a positive number or inf")
    _axes("vector_norm", x, axis)
    if ord == 1:
        return sum(abs(x), axis, keepdims)
    if ord == math.inf:
        return max(abs(x), axis, keepdims)
    total = sum(power(x, 2) if ord == 2 else _positive_power(abs(x), ord), axis, keepdims)
    return _sqrt_or_zero(total) if ord == 2 else _positive_power(total, 1.0 / ord)


def _positive_power(x, p):
    positive = x.data != 0
    return where(positive, power(where(positive, x, 1.0), p), 0.0)


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
        hit = x.data == _restored(y, x.ndim, axis, keepdims).data
        return _restored(g, x.ndim, axis, keepdims) * (hit / hit.sum(axis=axis, keepdims=True)).astype(x.dtype)

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
    x = floating(x)
    top = _top("logsumexp", x, axis)
    top = xp.where(xp.isfinite(top), top, 0)  # all -inf, +inf among them, or empty: exp needs no shift there
    with np.errstate(divide="ignore"):
        value = xp.log(sum_array(xp.exp(x.data - top), axis, keepdims=True)) + top
    value = value if keepdims else value.reshape(x.data.sum(axis=axis).shape)
    weight = lambda y: exp(x - _restored(y, x.ndim, axis, keepdims))  # softmax(x)
    return record(value, (x, lambda g, y: _restored(g, x.ndim, axis, keepdims) * weight(y)), keep_output=True)


def logaddexp(a, b):
    """log(e^a + e^b), without overflow."""
    a, b = (floating(x) if isinstance(x.data, xp.ndarray) else x for x in operands(a, b))
    even = lambda: (a.data == b.data) & xp.isinf(b.data)  # two equal infinities share evenly
    share = lambda: sigmoid(where(even(), 0.0, a - b))  # e^a / (e^a + e^b)
    return record(elementwise(xp.logaddexp, a, b), (a, lambda g: g * share()), (b, lambda g: g * (1.0 - share())))


def softmax(x, axis=-1):
    """e^x / sum e^x over axis. Its Jacobian is diag(y) - y y^T."""
    return _softmax(floating(x), axis)


def _softmax_composed(x, axis):
    value = xp.exp(x.data - _top("softmax", x, axis))
    value /= sum_array(value, axis, keepdims=True)
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
    x = floating(x)
    value = x.data - _top("log_softmax", x, axis)
    with np.errstate(divide="ignore"):  # where the axis is empty
        value -= xp.log(sum_array(xp.exp(value), axis, keepdims=True))
    return record(value, (x, lambda g, y: g - exp(y) * sum(g, axis, keepdims=True)), keep_output=True)


# Along one axis


def cumsum(x, axis=None):
    """Running sum along axis; over the flattened elements if axis is None."""
    x = as_tensor(x)
    if axis is None or x.ndim == 0:
        return cumsum(reshape(x, -1), axis or 0)
    value = named("cumsum", x, xp.ndarray.cumsum, axis=axis)
    return record(value, (x, lambda g: flip(cumsum(flip(g, axis), axis), axis)))


def cumprod(x, axis=None):
    """Running product along axis; over the flattened elements if axis is None. y_j = x_0 x_1 ... x_j.

    dL/dx_i = sum over j >= i of g_j times the product of the others up to j, which is y_j / x_i where no x is 0.
    """
    x = as_tensor(x)
    if axis is None or x.ndim == 0:
        return cumprod(reshape(x, -1), axis or 0)
    value = named("cumprod", x, xp.ndarray.cumprod, axis=axis)
    return record(value, (x, lambda g, y: _cumprod_gradient(x, g, y, axis % x.ndim)), keep_output=True)


def _cumprod_gradient(x, g, y, axis):
    if xp.all(x.data != 0):
        return flip(cumsum(flip(g * y, axis), axis), axis) / x
    x, g = moveaxis(x, axis, -1), moveaxis(g, axis, -1)
    itself = xp.eye(x.shape[-1], dtype=bool)
    others = cumprod(where(itself, 1.0, expand_dims(x, -2)), -1)  # (..., i, j): the product up to j without x_i
    return moveaxis(sum(triu(others) * expand_dims(g, -2), -1), -1, axis)


def sort(x, axis=-1):
    """x in ascending order along axis, NaN last; of the flattened elements if axis is None."""
    x = as_tensor(x)
    if axis is None:
        return sort(reshape(x, -1), 0)
    axis = normalize_axis_index(axis, x.ndim, "sort")
    return take_along_axis(x, xp.argsort(x.data, axis=axis, kind="stable"), axis)


def topk(input, k, dim=-1, largest=True):
    """(values, indices) of the k largest elements along dim, or of the smallest, the first of them first, as
    torch.topk. NaN counts as the largest; equal ones come in their order. The indices are constants."""
    x = as_tensor(input)
    if x.ndim == 0:
        return tuple(reshape(y, ()) for y in topk(reshape(x, 1), k, dim, largest))
    dim = normalize_axis_index(dim, x.ndim, "topk")
    n = x.shape[dim]
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 0 <= k <= n:
        raise ValueError(f"topk: k is {k!r}, expected an integer from 0 to {n}, the size of axis {dim} of {x.shape}")
    if largest:  # read backwards twice, so that of equal ones the first comes first
        order = n - 1 - xp.flip(xp.argsort(xp.flip(x.data, dim), axis=dim, kind="stable"), dim)
    else:
        order = xp.argsort(x.data, axis=dim, kind="stable")
    order = order[(slice(None),) * dim + (slice(0, k),)]
    return take_along_axis(x, order, dim), Tensor(order)


# The methods of Tensor

for _op in (sum, mean, var, std, prod, max, min, argmax, cumsum):
    setattr(Tensor, _op.__name__, _op)
