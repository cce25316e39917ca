"""Activations: sigmoid, softplus, and relu with its relatives.

Names, arguments and values are torch.nn.functional's. Where several ufuncs make one op they run in parts that stay in
the cache (`map_chunks`). At a kink the subgradient is PyTorch's, and said.

Symbols: x input, y output, g = dL/dy. Read before this: ops.py. Read next: shape.py.
"""
import math

import numpy as np

from . import gpu
from .backend import by_device, special, xp
from .cpu.threads import map_chunks
from .mode import recording
from .ops import erf, exp, floating, tanh, where
from .tensor import Tensor, as_tensor, record


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


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + e^(beta x)) / beta, for any x without overflow: [max(z, 0) + log1p(e^-|z|)] / beta with z = beta x.

    Where z > threshold it is x, as in PyTorch; from 20 on, the default, the two differ by 2e-9 at most, and the first
    is computed everywhere."""
    x, beta = floating(input), float(beta)
    if beta == 0.0:
        raise ValueError("softplus: beta is 0, which would divide by it")
    z = x.data if beta == 1.0 else x.data * beta
    value = xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))
    value = value if beta == 1.0 else value / beta
    slope = lambda: sigmoid(x if beta == 1.0 else x * beta)
    if threshold >= 20:
        return record(value, (x, lambda g: g * slope()))
    straight = z > threshold
    return record(xp.where(straight, x.data, value), (x, lambda g: where(straight, g, g * slope())))


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
    x = floating(x)
    return _scaled_where(x, x.data > 0, float(negative_slope))


def _scaled_where(x, kept, slope):
    """x where kept, else slope * x; linear in x."""

    def value(x, kept):
        factor = kept.astype(x.dtype)  # arithmetic, as where() is slow: see _zero_where
        factor *= 1.0 - slope
        factor += slope  # 1 or slope
        factor *= x
        return factor

    return record(map_chunks(value, x.data, kept), (x, lambda g: _scaled_where(g, kept, slope)))


def elu(x, alpha=1.0):
    """x where x > 0, else alpha * (e^x - 1); the derivative at 0 is alpha."""
    x, alpha = floating(x), float(alpha)
    value = xp.where(x.data > 0, x.data, alpha * xp.expm1(xp.minimum(x.data, 0)))
    slope = lambda: alpha * exp(where(x.data < 0, x, 0.0))
    return record(value, (x, lambda g: where(x.data <= 0, g * slope(), g)))


def gelu(x, approximate="none"):
    """x Phi(x), with Phi the standard normal cdf; approximate="tanh" is its tanh fit (Hendrycks & Gimpel 2016)."""
    x = floating(x)
    if approximate == "tanh":
        return _gelu_tanh(x)
    if approximate != "none":
        raise ValueError(f"gelu: approximate is {approximate!r}, expected 'none' or 'tanh'")
    cdf = lambda: 0.5 * (1.0 + erf(x * math.sqrt(0.5)))
    pdf = lambda: exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi))
    value = x.data * (0.5 * (1.0 + special.erf(x.data * math.sqrt(0.5))))
    return record(value, (x, lambda g: g * (cdf() + x * pdf())))


def _gelu_tanh(x):
    """x/2 (1 + tanh u), u = c (x + a x^3), in few passes over memory."""
    c, a = math.sqrt(2.0 / math.pi), 0.044715

    def tanh_u(x):
        u = xp.asarray(x * x)  # also where x is one number
        u *= c * a
        u += c
        u *= x
        return xp.tanh(u, out=u)

    def value(x):
        y = tanh_u(x)
        y += 1.0
        y *= x
        y *= 0.5
        return y

    def gradient(x, g):
        """g/2 (1 + t + x (1 - t^2) du/dx), t = tanh u, which is not kept: it costs less than its memory."""
        t, slope = tanh_u(x), xp.asarray(x * x)
        slope *= 3.0 * c * a
        slope += c
        slope *= x
        slope *= 1.0 - t * t
        slope += t
        slope += 1.0
        slope *= g
        slope *= 0.5
        return slope

    def pullback(g):
        if recording():
            t = tanh(c * (x + a * (x * x * x)))
            return 0.5 * g * (1.0 + t + x * (1.0 - t * t) * (c + 3.0 * c * a * (x * x)))
        return Tensor(map_chunks(gradient, x.data, g.data))

    return record(map_chunks(value, x.data), (x, pullback))


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

# Methods of Tensor

Tensor.sigmoid, Tensor.relu = sigmoid, relu
