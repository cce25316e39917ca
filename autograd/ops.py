"""Elementwise ops and matrix multiplication.

Each op is one function: the forward line, and under it one pullback per input, which maps g = dL/dy to dL/d(input)
(`record` in tensor.py). Pullbacks are written with these same ops, so every derivative has a derivative. Broadcasting
is not mentioned anywhere: the sweep undoes it. Where an op has a kink the subgradient is PyTorch's, and said.

Symbols: x, a, b inputs; y output; g = dL/dy. Read before this: tensor.py, sweep.py. Read next: activations.py,
shape.py, reduce.py.
"""
import math

import numpy as np

from . import gpu
from .backend import by_device, special, xp
from .cpu.threads import shared_matmul
from .mode import recording
from .sweep import add, astype, elementwise
from .tensor import Tensor, as_tensor, is_parameter, operands, record

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


def floating(x):
    """x as a Tensor of floats. Integers become as wide as with NumPy, except that those of 8 bits become float32: in
    float16, which NumPy takes for them, e^12 is infinite."""
    if not isinstance(x, Tensor):
        x = Tensor(x)
    dtype = x.data.dtype
    return x if dtype is _FLOAT32 or dtype.kind == "f" else astype(x, np.result_type(dtype, _FLOAT32))


_FLOAT32 = np.dtype(np.float32)


def exp(x):
    """e ** x."""
    x = floating(x)
    return record(xp.exp(x.data), (x, lambda g, y: g * y), keep_output=True)  # dy/dx is y itself


def expm1(x):
    """e ** x - 1, exact for small x."""
    x = floating(x)
    return record(xp.expm1(x.data), (x, lambda g, y: g * (y + 1.0)), keep_output=True)


def log(x):
    """Natural logarithm."""
    x = floating(x)
    return record(xp.log(x.data), (x, lambda g: g / x))


def log2(x):
    """Logarithm to base 2."""
    x = floating(x)
    return record(xp.log2(x.data), (x, lambda g: g / (x * math.log(2.0))))


def log10(x):
    """Logarithm to base 10."""
    x = floating(x)
    return record(xp.log10(x.data), (x, lambda g: g / (x * math.log(10.0))))


def log1p(x):
    """log(1 + x), exact for small x."""
    x = floating(x)
    return record(xp.log1p(x.data), (x, lambda g: g / (1.0 + x)))


def sqrt(x):
    """Square root."""
    x = floating(x)
    return record(xp.sqrt(x.data), (x, lambda g, y: g / (2.0 * y)), keep_output=True)


def sin(x):
    """Sine of x in radians."""
    x = floating(x)
    return record(xp.sin(x.data), (x, lambda g: g * cos(x)))


def cos(x):
    """Cosine of x in radians."""
    x = floating(x)
    return record(xp.cos(x.data), (x, lambda g: -g * sin(x)))


def tanh(x):
    """Hyperbolic tangent."""
    x = floating(x)
    return record(xp.tanh(x.data), (x, lambda g, y: g * (1.0 - y * y)), keep_output=True)


def arctan(x):
    """The angle in (-pi/2, pi/2) whose tangent is x, in radians."""
    x = floating(x)
    return record(xp.arctan(x.data), (x, lambda g: g / (1.0 + x * x)))


# Special functions


def erf(x):
    """The error function, 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x."""
    x = floating(x)
    return record(special.erf(x.data), (x, lambda g: g * (2.0 / math.sqrt(math.pi) * exp(-x * x))))


def lgamma(x):
    """log |Gamma(x)|."""
    x = floating(x)
    return record(special.gammaln(x.data), (x, lambda g: g * polygamma(0, x)))


def polygamma(n, x):
    """The (n+1)-th derivative of log Gamma(x); n = 0 is digamma, n = 1 trigamma. For n >= 2, x must be positive."""
    x = floating(x)
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


def sign(x):
    """-1, 0 or 1: a constant, as its derivative is 0 between the jumps. So are floor and round."""
    return Tensor(xp.sign(as_tensor(x).data))


def floor(x):
    """The largest integer that is at most x, as a float: a constant."""
    return Tensor(xp.floor(as_tensor(x).data))


def round(x, decimals=0):
    """x to so many decimals, halves to the even neighbour: a constant. x + (round(x) - x).detach() has x's gradient."""
    return Tensor(xp.round(as_tensor(x).data, decimals))


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
        try:
            a, b = operands(a, b)
        except TypeError:  # None or a text, which Python then compares by identity: x == None is False
            return NotImplemented
        return Tensor(elementwise(getattr(xp, name), a, b))

    return compare


# The operators of Tensor


def _augmented(symbol, op):
    def in_place(x, other):
        if not recording() and is_parameter(x):
            raise RuntimeError(f"w {symbol}= x under no_grad() would give a new tensor the name w, and leave the "
                               f"parameter as it is: write w.assign(w {symbol} x)")
        return op(x, other)

    return in_place


Tensor.__add__ = Tensor.__radd__ = add
Tensor.__mul__ = Tensor.__rmul__ = mul
Tensor.__sub__, Tensor.__rsub__ = sub, lambda b, a: sub(a, b)
Tensor.__truediv__, Tensor.__rtruediv__ = div, lambda b, a: div(a, b)
Tensor.__pow__, Tensor.__rpow__ = power, lambda p, x: power(x, p)
Tensor.__matmul__, Tensor.__rmatmul__ = matmul, lambda b, a: matmul(a, b)
Tensor.__iadd__, Tensor.__isub__, Tensor.__imul__ = _augmented("+", add), _augmented("-", sub), _augmented("*", mul)
Tensor.__itruediv__, Tensor.__ipow__ = _augmented("/", div), _augmented("**", power)
Tensor.__imatmul__ = _augmented("@", matmul)
Tensor.__neg__, Tensor.__abs__ = neg, abs
Tensor.__lt__, Tensor.__le__ = _compare("less"), _compare("less_equal")
Tensor.__gt__, Tensor.__ge__ = _compare("greater"), _compare("greater_equal")
Tensor.__eq__, Tensor.__ne__ = _compare("equal"), _compare("not_equal")
Tensor.__hash__ = object.__hash__  # a Tensor is its own key, as a parameter is in a dict

for _op in (exp, log, sqrt, sin, cos, tanh, abs, clip, square):
    setattr(Tensor, _op.__name__, _op)
