"""Checks a gradient against central differences, in random directions, to first and second order.

For y = f(x) with Jacobian J, and random u (a cotangent, of y's shape) and v (a tangent, of x's shape),

    <u, J v>    is the derivative of <u, f(x + t v)> at t = 0: central differences, in float64
    <J^T u, v>  is what the reverse sweep gives with grad_outputs = u

and the two are the same number. A u of ones, the usual choice, hides errors: the gradient of a sum of softmax, or of
a normalized output, is zero whatever the backward does. A second-order check is the first-order check of the map
(x, u) -> J^T u, which the sweep computes under create_graph=True.

    gradcheck(lambda a, b: ag.exp(a) @ b, [a, b], rng=rng)     # raises GradcheckError, or returns the largest error

What cannot be checked, such as a function with booleans for values, is an error and not a success.

Each output and each input is checked on its own, so that a large one does not hide a small one, with steps in
proportion to the input and tolerances in proportion to the gradient: units make no difference.

Read before this: tensor.py. Read next: cases.py, one row of it.
"""
import itertools

import numpy as np

from . import backend
from .backend import xp
from .sweep import grad
from .tensor import Tensor, parameter

STEP = 6e-6  # near the cube root of float64's rounding, where the error of central differences is least
EPS = np.finfo(np.float64).eps


class GradcheckError(AssertionError):
    """A gradient differs from central differences; says for which input and element, with both values."""


def gradcheck(f, inputs, rng=None, eps=STEP, rtol=1e-6, atol=0.0, directions=2):
    """Checks the first derivatives of f, a function of Tensors that returns a Tensor or several.

    inputs: arrays, Tensors or numbers; floating ones are checked (as float64), the others handed through. The
    elements of one input should be of one order of magnitude. rng: the generator of the directions. With
    a = <u, J v> and b = <J^T u, v> the check passes if |a - b| <= atol + rtol * scale + noise, where scale is the
    larger of |a|, |b| and the norms' product |J^T u| |v| / sqrt(n) that they fluctuate with, and noise what the
    central difference itself may be wrong by.

    Returns the largest error, |a - b| / (scale + noise / rtol). Raises GradcheckError; or ValueError if f is not a
    function: two calls gave two values; or if there is nothing to check: no output or no input is floating point.

    >>> import autograd as ag
    >>> x = np.linspace(-1.0, 1.0, 5)
    >>> gradcheck(ag.tanh, [x]) < 1e-8
    True
    >>> tanh = lambda x: ag.record(np.tanh(x.data), (x, lambda g: g * 0.9))  # 0.9 is not its derivative
    >>> gradcheck(tanh, [x])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autograd.gradcheck.GradcheckError: gradcheck: the gradient of input 0, shape (5,), for output 0 is wrong; worst ...
    """
    rng = backend.rng(0) if rng is None else rng
    inputs = [_float64(x) for x in inputs]
    errors = []
    for k, _ in itertools.product(range(_count(f, inputs)), range(directions)):
        y, again, xs = _output(f, inputs, k), _output(f, inputs, k), _leaves(inputs)
        if not xp.array_equal(y.data, again.data, equal_nan=True):
            raise ValueError("gradcheck: f gave two values for the same inputs; if it draws random numbers, make "
                             "their generator inside f")
        if y.dtype.kind != "f":
            continue
        u = _draw(rng, y.shape)
        active = [i for i, x in enumerate(xs) if _is_float(x)]
        gradients = _pull(_listed(f(*xs))[k], [xs[i] for i in active], Tensor(u))
        for i, g in zip(active, (g.data for g in gradients)):
            if not g.size:
                continue
            step = eps * _spread(inputs[i])
            v = _draw(rng, g.shape)
            with np.errstate(invalid="ignore"):  # what is not finite fails below
                a, noise = _slope(f, inputs, i, k, v, u, step, y.data)
                b = float((g * v).sum())
                scale = max(abs(a), abs(b), float(xp.sqrt((g * g).sum() * (v * v).sum() / g.size)))
            if not abs(a - b) <= atol + rtol * scale + noise:
                raise GradcheckError(_first_wrong_element(f, inputs, i, k, u, step, y.data, g, a, b))
            errors.append(abs(a - b) / (scale + noise / max(rtol, EPS)) if a != b else 0.0)
    return _largest("gradcheck", errors)


def gradgradcheck(f, inputs, rng=None, eps=STEP, rtol=1e-6, atol=0.0, directions=2):
    """Checks the second derivatives of f: gradcheck of (x, u) -> J^T u, which is what create_graph=True records.

    Also that J^T u is the same with and without create_graph=True: a fused op may compute the two differently.
    """
    rng = backend.rng(0) if rng is None else rng
    inputs = [_float64(x) for x in inputs]
    active = [i for i, x in enumerate(inputs) if _is_float(x)]
    errors = []
    for k in range(_count(f, inputs)):
        y = _output(f, inputs, k)
        if y.dtype.kind != "f":
            continue

        def vector_jacobian_product(*args, k=k):
            xs, u = args[:-1], args[-1]
            return _pull(_listed(f(*xs))[k], [xs[i] for i in active], u, create_graph=True)

        u = _draw(rng, y.shape)
        xs = _leaves(inputs)
        plain, recorded = (_pull(_listed(f(*xs))[k], [xs[i] for i in active], Tensor(u), create_graph)
                           for create_graph in (False, True))
        for i, g, h in zip(active, plain, recorded):
            if g.size and not xp.allclose(g.data, h.data, rtol=rtol, atol=atol + rtol * float(abs(g.data).max())):
                difference = float(abs(h.data - g.data).max())
                raise GradcheckError(f"gradgradcheck: the gradient of input {i}, shape {g.shape}, for output {k} is "
                                     f"another one under create_graph=True, by up to {difference:.3g}")
        if any(inputs[i].size for i in active):
            errors.append(gradcheck(vector_jacobian_product, [*inputs, u], rng, eps, rtol, atol, directions))
    return _largest("gradgradcheck", errors)


def _largest(check, errors):
    if not errors:
        raise ValueError(f"{check}: there is nothing to check: f needs an input and an output that are floating point, "
                         "and elements in them")
    return float(max(errors))


def _pull(y, xs, u, create_graph=False):
    """J^T u per x, for one output y; zeros where it does not depend on x."""
    gradients = grad(y, xs, u, create_graph=create_graph, allow_unused=True) if y.requires_grad else [None] * len(xs)
    return [Tensor(xp.zeros(x.shape)) if g is None else g for g, x in zip(gradients, xs)]


def _slope(f, inputs, i, k, v, u, step, y):
    """<u, (f(x + step v) - f(x - step v)) / (2 step)> with v added to input i; and how far it may be off.

    Rounding: the last digits of y; and, since f may cancel within, how far a fourth point lies off the parabola
    through the three (unless that is so far that f has a kink there). Truncation: the next term of Taylor's series,
    third derivative times step^2 / 6, is all there is where the first derivative is zero; there the third is taken
    to be at most ten times the second over the input's spread.
    """
    moved = lambda h: _output(f, [x + h * v if j == i else x for j, x in enumerate(inputs)], k).data
    below, above, between = moved(-step), moved(step), moved(0.4 * step)
    odd, even = (above - below) / 2.0, (above + below) / 2.0 - y
    norm = lambda z: float(xp.sqrt(xp.square(u * z).sum()))
    off = norm(between - (y + 0.4 * odd + 0.16 * even))
    if off > 1e-3 * norm(odd) > 1e-15 * norm(1.0):
        off = 0.0
    noise = 8.0 * (EPS * norm(y) + off) + 10.0 * step / _spread(inputs[i]) * norm(even)
    return float((u * odd).sum()) / step, noise / step


def _first_wrong_element(f, inputs, i, k, u, step, y, g, a, b):
    """The message: input i failed in a random direction; now each element on its own, to name the worst."""
    worst, report = -1.0, ""
    for index in np.ndindex(g.shape):
        v = xp.zeros(g.shape)
        v[index] = 1.0
        (numeric, _), analytic = _slope(f, inputs, i, k, v, u, step, y), float(g[index])
        error = abs(numeric - analytic)
        if error > worst or error != error:
            worst = error
            report = f"worst at element {index}: analytic {analytic:.9g}, numeric {numeric:.9g}"
    return (f"gradcheck: the gradient of input {i}, shape {g.shape}, for output {k} is wrong; {report} "
            f"(random direction: analytic {b:.9g}, numeric {a:.9g})")


def _output(f, inputs, k):
    return _listed(f(*_leaves(inputs)))[k]


def _count(f, inputs):
    return len(_listed(f(*_leaves(inputs))))


def _leaves(inputs):
    """Floating inputs as parameters, so that f may itself take gradients; the others as they are."""
    return [parameter(x) if _is_float(x) else x for x in inputs]


def _listed(y):
    ys = list(y) if isinstance(y, (list, tuple)) else [y]
    for y in ys:
        if not isinstance(y, Tensor):
            raise TypeError(f"gradcheck: f returned a {type(y).__name__}, expected a Tensor or several")
    return ys


def _draw(rng, shape):
    return backend.normal(rng, shape, np.float64)


def _spread(x):
    """How far apart the elements of an input are, which is how far it can be moved; for equal ones their size."""
    return float(x.std()) or float(abs(x).max()) or 1.0


def _is_float(x):
    return getattr(x, "dtype", None) is not None and x.dtype.kind == "f"


def _float64(x):
    """Floating inputs as float64 arrays; integers, booleans and everything else as they are."""
    if isinstance(x, Tensor):
        x = x.data
    if isinstance(x, (float, list)):
        x = xp.asarray(x, dtype=np.float64)
    return xp.asarray(x, dtype=np.float64) if _is_float(x) else x
