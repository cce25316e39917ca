"""Elementwise ops and matrix multiplication.

Each op is one function: the forward line, and under it one pullback per input, which maps g = dL/dy to dL/d(input)
(`record` in tensor.py). Pullbacks are written with these same ops, so every derivative has a derivative. Broadcasting
is not mentioned anywhere: the sweep undoes it. Where an op has a kink the subgradient is PyTorch's, and said.

Symbols: x, a, b inputs; y output; g = dL/dy. Read before this: tensor.py. Read next: shape.py and reduce.py.
"""
import math

import numpy as np

from . import gpu
from .backend import by_device, special, xp
from .tensor import Tensor, add, as_tensor, elementwise, operands, record, recording
from .cpu.threads import map_chunks, shared_matmul

# Arithmetic


def sub(a, b):
    """a - b."""
    a, b = operands(a, b)
    return record(elementwise(xp.subtract, a, b), (a, lambda g: g), (b, neg))


def mul(a, b):
    """a * b."""
    a, b = operands(a, b)
    return record(elementwise(xp.multiply, a, b), (a, lambda g: g * b), (b, lambda g: g * a))


def div(a, b):
    """a / b."""
    a, b = operands(a, b)
    return record(elementwise(xp.true_divide, a, b), (a, lambda g: g / b), (b, lambda g: -g * ((a / b) / b)))


def neg(x):
    """-x."""
    x = as_tensor(x)
    return record(-x.data, (x, neg))


def power(x, p):
    """x ** p. As in PyTorch, d/dx is 0 where p = 0, and d/dp is 0 where x = 0 and p >= 0."""
    x, p = operands(x, p)
    if not p.requires_grad and xp.ndim(p.data) == 0:
        return _power_of_constant(x, p.data if isinstance(p.data, (int, float)) else p.data.item())
    return record(
        elementwise(xp.power, x, p),
        (x, lambda g, y: where(p.data == 0, 0.0, g * p * power(x, where(p.data == 0, 1.0, p - 1.0)))),
        (p, lambda g, y: g * y * log(where((x.data == 0) & (p.data >= 0), 1.0, x))),
        keep_output=True,
    )


def _power_of_constant(x, p):
    value = x.data * x.data if p == 2 else x.data**p
    return record(value, (x, lambda g: g * (p * _power_of_constant(x, p - 1)) if p != 0 else g * 0.0))


def square(x):
    """x * x."""
    return power(x, 2)


# Exponentials, logarithms, roots, trigonometry


def exp(x):
    """e ** x."""
    x = as_tensor(x)
    return record(xp.exp(x.data), (x, lambda g, y: g * y), keep_output=True)  # dy/dx is y itself


def expm1(x):
    """e ** x - 1, exact for small x."""
    x = as_tensor(x)
    return record(xp.expm1(x.data), (x, lambda g, y: g * (y + 1.0)), keep_output=True)


def log(x):
    """Natural logarithm."""
    x = as_tensor(x)
    return record(xp.log(x.data), (x, lambda g: g / x))


def log1p(x):
    """log(1 + x), exact for small x."""
    x = as_tensor(x)
    return record(xp.log1p(x.data), (x, lambda g: g / (1.0 + x)))


def sqrt(x):
    """Square root."""
    x = as_tensor(x)
    return record(xp.sqrt(x.data), (x, lambda g, y: g / (2.0 * y)), keep_output=True)


def sin(x):
    """Sine of x in radians."""
    x = as_tensor(x)
    return record(xp.sin(x.data), (x, lambda g: g * cos(x)))


def cos(x):
    """Cosine of x in radians."""
    x = as_tensor(x)
    return record(xp.cos(x.data), (x, lambda g: -g * sin(x)))


def tanh(x):
    """Hyperbolic tangent."""
    x = as_tensor(x)
    return record(xp.tanh(x.data), (x, lambda g, y: g * (1.0 - y * y)), keep_output=True)


# Special functions


def erf(x):
    """The error function, 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x."""
    x = as_tensor(x)
    return record(special.erf(x.data), (x, lambda g: g * (2.0 / math.sqrt(math.pi) * exp(-x * x))))


def lgamma(x):
    """log |Gamma(x)|."""
    x = as_tensor(x)
    return record(special.gammaln(x.data), (x, lambda g: g * polygamma(0, x)))


def polygamma(n, x):
    """The (n+1)-th derivative of log Gamma(x); n = 0 is digamma, n = 1 trigamma. For n >= 2, x must be positive."""
    x = as_tensor(x)
    if n == 0:
        value = special.digamma(x.data)
    elif n == 1:  # psi_1 = zeta(2, x); reflection: psi_1(x) + psi_1(1 - x) = (pi / sin(pi x))^2
        reflect = x.data < 0.5
        value = special.zeta(2.0, xp.where(reflect, 1.0 - x.data, x.data))
        with_sine = xp.where(reflect, x.data, 0.5)
        value = xp.where(reflect, (math.pi / xp.sin(math.pi * with_sine)) ** 2 - value, value)
    else:  # psi_n(x) = (-1)^(n+1) n! zeta(n + 1, x)
        value = (-1.0) ** (n + 1) * math.factorial(n) * special.zeta(n + 1.0, x.data)
    return record(value.astype(x.dtype, copy=False), (x, lambda g: g * polygamma(n + 1, x)))


# Choices and kinks


def where(condition, a, b):
    """a where condition holds, else b. condition: booleans, an array or a Tensor without gradient."""
    condition = condition.data if isinstance(condition, Tensor) else xp.asarray(condition)
    a, b = operands(a, b)
    try:
        value = xp.where(condition, a.data, b.data)
    except ValueError as error:
        shapes = xp.shape(condition), xp.shape(a.data), xp.shape(b.data)
        raise ValueError(f"where: shapes of condition, a and b do not broadcast: {shapes}") from error
    return record(value, (a, lambda g: where(condition, g, 0.0)), (b, lambda g: where(condition, 0.0, g)))


def abs(x):
    """|x|; the derivative at 0 is 0."""
    x = as_tensor(x)
    return record(xp.abs(x.data), (x, lambda g: g * xp.sign(x.data)))


def maximum(a, b):
    """The larger of a and b; where they are equal each gets half the gradient."""
    a, b = operands(a, b)
    return record(
        elementwise(xp.maximum, a, b),
        (a, lambda g: _share(g, a.data < b.data, a.data == b.data)),
        (b, lambda g: _share(g, b.data < a.data, a.data == b.data)),
    )


def minimum(a, b):
    """The smaller of a and b; where they are equal each gets half the gradient."""
    a, b = operands(a, b)
    return record(
        elementwise(xp.minimum, a, b),
        (a, lambda g: _share(g, a.data > b.data, a.data == b.data)),
        (b, lambda g: _share(g, b.data > a.data, a.data == b.data)),
    )


def _share(g, loses, ties):
    return where(loses, 0.0, where(ties, 0.5 * g, g))


def clip(x, min=None, max=None):
    """x limited to [min, max], numbers or arrays without gradient; the derivative at the limits is 1."""
    x = as_tensor(x)
    if min is None and max is None:
        raise ValueError("clip: min and max are both None; pass at least one")
    min, max = (limit if limit is None else operands(x, limit)[1].data for limit in (min, max))
    try:
        value = xp.clip(x.data, min, max)
    except ValueError as error:
        shapes = x.shape, xp.shape(min), xp.shape(max)
        raise ValueError(f"clip: shapes of x, min and max do not broadcast: {shapes}") from error
    inside = lambda: (True if min is None else x.data >= min) & (True if max is None else x.data <= max)
    return record(value, (x, lambda g: where(inside(), g, 0.0)))


# Activations


def sigmoid(x):
    """1 / (1 + e^-x)."""
    x = as_tensor(x)
    return record(_logistic(x.data), (x, lambda g, y: g * (y * (1.0 - y))), keep_output=True)


def _logistic(x):
    """1 / (1 + e^-x) of an array. NumPy's float32 exp is five times as fast as scipy.special.expit."""
    y = xp.asarray(x * -1.0)
    with np.errstate(over="ignore"):  # e^-x = inf gives the 0 that it should
        xp.exp(y, out=y)
    y += 1.0
    return xp.divide(1.0, y, out=y)


def softplus(x):
    """log(1 + e^x), for any x without overflow: max(x, 0) + log1p(e^-|x|)."""
    x = as_tensor(x)
    return record(xp.maximum(x.data, 0) + xp.log1p(xp.exp(-xp.abs(x.data))), (x, lambda g: g * sigmoid(x)))


def relu(x):
    """max(x, 0); the derivative at 0 is 0."""
    x = as_tensor(x)
    value = map_chunks(lambda x: xp.maximum(x, 0), x.data)
    return record(value, (x, lambda g, y: _zero_where(y.data <= 0, g)), keep_output=True)


def _zero_where(drop, g):
    """where(drop, 0, g), linear in g. The bits of g are masked: where() branches at each element, and the processor
    cannot predict which way, so that it takes ten times as long."""

    def masked(g, drop):
        bits = f"i{g.dtype.itemsize}"
        mask = drop.view("i1") - xp.int8(1)  # 0 to drop, -1, all bits set, to keep
        kept = mask.astype(bits)
        kept &= g.view(bits)
        return kept.view(g.dtype)

    return record(map_chunks(masked, g.data, drop), (g, lambda h: _zero_where(drop, h)))


def leaky_relu(x, negative_slope=0.01):
    """x where x > 0, else negative_slope * x."""
    x, slope = as_tensor(x), float(negative_slope)
    positive = x.data > 0

    def value(z, positive):
        factor = positive.astype(xp.result_type(z.dtype, xp.float16))  # arithmetic, as where() is slow: see _zero_where
        factor *= 1.0 - slope
        factor += slope  # 1 or slope
        factor *= z
        return factor

    def scaled(z):
        return record(map_chunks(value, z.data, positive), (z, scaled))

    return scaled(x)


def elu(x, alpha=1.0):
    """x where x > 0, else alpha * (e^x - 1); the derivative at 0 is alpha."""
    x, alpha = as_tensor(x), float(alpha)
    value = xp.where(x.data > 0, x.data, alpha * xp.expm1(xp.minimum(x.data, 0)))
    slope = lambda: alpha * exp(where(x.data < 0, x, 0.0))
    return record(value, (x, lambda g: where(x.data <= 0, g * slope(), g)))


def gelu(x, approximate="none"):
    """x Phi(x), with Phi the standard normal cdf; approximate="tanh" is its tanh fit (Hendrycks & Gimpel 2016)."""
    x = as_tensor(x)
    if approximate == "tanh":
        return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * power(x, 3))))
    if approximate != "none":
        raise ValueError(f"gelu: approximate is {approximate!r}, expected 'none' or 'tanh'")
    cdf = lambda: 0.5 * (1.0 + erf(x * math.sqrt(0.5)))
    pdf = lambda: exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi))
    value = x.data * (0.5 * (1.0 + special.erf(x.data * math.sqrt(0.5))))
    return record(value, (x, lambda g: g * (cdf() + x * pdf())))


def silu(x):
    """x sigmoid(x), also called swish."""
    x = as_tensor(x)

    def pullback(g):
        if recording():
            s = sigmoid(x)
            return g * (s * (1.0 + x * (1.0 - s)))
        return Tensor(_silu_gradient(x.data, g.data))

    return record(_silu(x.data), (x, pullback))


def _silu_composed(x):
    def value(x):
        y = _logistic(x)
        y *= x
        return y

    return map_chunks(value, x)


def _silu_gradient_composed(x, g):
    """g s (1 + x (1 - s)) with s = sigmoid(x), which is not kept: it costs less than its memory."""

    def gradient(x, g):
        s = _logistic(x)
        y = 1.0 - s
        y *= x
        y += 1.0
        y *= s
        y *= g
        return y

    return map_chunks(gradient, x, g)


def _where_real(kernel, composed):
    """The kernel for arrays of the dtypes that it is written for, composed for others."""
    return lambda x, *g: (kernel if x.dtype in gpu.REALS else composed)(x, *g)


_silu = by_device(_silu_composed, _where_real(gpu.silu.silu, _silu_composed))
_silu_gradient = by_device(_silu_gradient_composed, _where_real(gpu.silu.silu_gradient, _silu_gradient_composed))


# Matrix multiplication

_product = by_device(shared_matmul, gpu.gemm.matmul)


def matmul(a, b):
    """a @ b by NumPy's rules: the last two axes multiply, the others broadcast, a vector is a row or a column.

    (..., M, K) @ (..., K, N) -> (..., M, N). dL/da = g b^T, dL/db = a^T g.
    """
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: a scalar has no axis to multiply over: {a.shape} @ {b.shape}; use *")
    if a.ndim == 1 or b.ndim == 1:
        return _matmul_with_vector(a, b)
    try:
        value = _product(a.data, b.data)
    except ValueError as error:
        raise ValueError(f"matmul: {a.shape} @ {b.shape}: the last axis of the first must equal the second last of "
                         "the second, and the axes before them must broadcast") from error
    if b.ndim == 2 and a.ndim > 2:  # one matrix for a whole batch: its gradient is one product over all rows
        return record(value, (a, lambda g: g @ b.T), (b, lambda g: _rows(a).T @ _rows(g)))
    return record(value, (a, lambda g: g @ b.swapaxes(-1, -2)), (b, lambda g: a.swapaxes(-1, -2) @ g))


def _matmul_with_vector(a, b):
    rows = a.reshape(1, -1) if a.ndim == 1 else a
    columns = b.reshape(-1, 1) if b.ndim == 1 else b
    y = matmul(rows, columns)
    shape = y.shape[:-2] + (() if a.ndim == 1 else y.shape[-2:-1]) + (() if b.ndim == 1 else y.shape[-1:])
    return y.reshape(shape)


def linear(input, weight, bias=None):
    """input weight^T + bias: input (..., D_in), weight (D_out, D_in), bias (D_out,) -> (..., D_out)."""
    x, W = as_tensor(input), as_tensor(weight)
    if W.ndim != 2 or x.ndim == 0 or x.shape[-1] != W.shape[1]:
        raise ValueError(f"linear: input {x.shape} and weight {W.shape} do not fit; weight is (D_out, D_in), and the "
                         "last axis of input is D_in")
    edges = [(x, lambda g: g @ W), (W, lambda g: _rows(g).T @ _rows(x))]
    value = _product(x.data, W.data.T)
    if bias is not None:
        b = as_tensor(bias)
        if b.shape != W.shape[:1]:
            raise ValueError(f"linear: bias has shape {b.shape}, expected {W.shape[:1]} for weight {W.shape}")
        value += b.data
        edges.append((b, lambda g: g))
    return record(value, *edges)


def _rows(x):
    """x as one matrix, its axes before the last merged."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


# Comparisons give constants: booleans without a gradient.


def _compare(name):
    def compare(a, b):
        a, b = operands(a, b)
        return Tensor(elementwise(getattr(xp, name), a, b))

    return compare


# The operators of Tensor

Tensor.__add__ = Tensor.__radd__ = add
Tensor.__mul__ = Tensor.__rmul__ = mul
Tensor.__sub__, Tensor.__rsub__ = sub, lambda b, a: sub(a, b)
Tensor.__truediv__, Tensor.__rtruediv__ = div, lambda b, a: div(a, b)
Tensor.__pow__, Tensor.__rpow__ = power, lambda p, x: power(x, p)
Tensor.__matmul__, Tensor.__rmatmul__ = matmul, lambda b, a: matmul(a, b)
Tensor.__neg__, Tensor.__abs__ = neg, abs
Tensor.__lt__, Tensor.__le__ = _compare("less"), _compare("less_equal")
Tensor.__gt__, Tensor.__ge__ = _compare("greater"), _compare("greater_equal")
Tensor.__eq__, Tensor.__ne__ = _compare("equal"), _compare("not_equal")
Tensor.__hash__ = object.__hash__  # a Tensor is its own key, as a parameter is in a dict

for _op in (exp, log, sqrt, sin, cos, tanh, abs, clip, sigmoid, relu, square):
    setattr(Tensor, _op.__name__, _op)
