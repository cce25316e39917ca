"""Initial weights: arrays of a given shape, drawn so that signals keep their size from layer to layer.

A layer y = W x with independent weights of variance s^2 has E[y^2] = fan_in s^2 E[x^2]; on the way back the
squared gradient is multiplied by fan_out s^2. To keep the first, s^2 = 1 / fan_in (Kaiming); to keep both
roughly, s^2 = 2 / (fan_in + fan_out) (Xavier). What a nonlinearity takes away is given back by a factor
`gain` on s: sqrt(2) for relu, which halves E[x^2].

Names, arguments and layouts are torch.nn.init's; a shape is (out, in, *kernel). Each function but `zeroed`
draws from `rng` and returns an array of the default dtype, for `parameter(...)`.

Sources: Glorot & Bengio 2010 (Xavier), He et al. 2015 (Kaiming), Saxe et al. 2014 (orthogonal).
Read before this: module.py. Read next: layers.py.
"""
import math

import numpy as np

from autograd import backend


def uniform(shape, a=0.0, b=1.0, *, rng):
    """U(a, b)."""
    return a + (b - a) * backend.uniform(rng, shape)


def normal(shape, mean=0.0, std=1.0, *, rng):
    """N(mean, std^2)."""
    return mean + std * backend.normal(rng, shape)


def xavier_uniform(shape, gain=1.0, *, rng):
    """U(-b, b) with variance b^2 / 3 = 2 gain^2 / (fan_in + fan_out)."""
    b = gain * math.sqrt(6.0 / sum(fans(shape)))
    return uniform(shape, -b, b, rng=rng)


def xavier_normal(shape, gain=1.0, *, rng):
    """N(0, 2 gain^2 / (fan_in + fan_out))."""
    return normal(shape, 0.0, gain * math.sqrt(2.0 / sum(fans(shape))), rng=rng)


def kaiming_uniform(shape, a=0.0, mode="fan_in", nonlinearity="leaky_relu", *, rng):
    """U(-b, b) with variance b^2 / 3 = gain^2 / fan. a: leaky_relu's slope; mode: "fan_in" or "fan_out"."""
    b = math.sqrt(3.0) * _kaiming_std(shape, a, mode, nonlinearity)
    return uniform(shape, -b, b, rng=rng)


def kaiming_normal(shape, a=0.0, mode="fan_in", nonlinearity="leaky_relu", *, rng):
    """N(0, gain^2 / fan). a: leaky_relu's slope; mode: "fan_in" or "fan_out"."""
    return normal(shape, 0.0, _kaiming_std(shape, a, mode, nonlinearity), rng=rng)


def _kaiming_std(shape, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode is {mode!r}, expected 'fan_in' or 'fan_out'")
    fan_in, fan_out = fans(shape)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def orthogonal(shape, gain=1.0, *, rng):
    """gain times a random (shape[0], rest) matrix with orthonormal rows, or columns if there are more rows.

    It is Q of the QR decomposition of a normal matrix, multiplied by the signs of R's diagonal: without them
    the decomposition prefers some matrices, with them all are equally likely (Mezzadri 2007).
    """
    _check_axes(shape, "orthogonal")
    rows, columns = shape[0], math.prod(shape[1:])
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))
    matrix = gain * (q if rows >= columns else q.T)
    return backend.asarray(np.array(matrix.reshape(shape), backend.default_dtype, order="C"))


def zeroed(layer):
    """The layer, a Module, with weight and bias set to 0: the last of a branch that is to begin by doing nothing."""
    for p in layer.parameters():
        p.assign(0.0)
    return layer


def calculate_gain(nonlinearity, param=None) -> float:
    """The gain that torch.nn.init recommends for a nonlinearity. param: leaky_relu's slope, 0.01 if None."""
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 0.75}
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in gains:
        expected = ", ".join([*gains, "leaky_relu"])
        raise ValueError(f"calculate_gain: nonlinearity is {nonlinearity!r}, expected one of {expected}")
    return gains[nonlinearity]


def fans(shape):
    """(fan_in, fan_out) of a weight (out, in, *kernel): how many inputs an output sees, and the reverse."""
    _check_axes(shape, "fans")
    kernel_size = math.prod(shape[2:])
    return shape[1] * kernel_size, shape[0] * kernel_size


def _check_axes(shape, caller):
    if len(shape) < 2:
        raise ValueError(f"{caller}: shape is {tuple(shape)}, expected at least two axes: (out, in, ...)")
