"""Checks a gradient against central differences, in random directions, to first and second order.

For y = f(x) with Jacobian J, and random u (a cotangent, of y's shape) and v (a tangent, of x's shape),

    <u, J v>    is the derivative of <u, f(x + t v)> at t = 0: central differences, in float64
    <J^T u, v>  is what the reverse sweep gives with grad_outputs = u

and the two are the same number. A u of ones, the usual choice, hides errors: the gradient of a sum of softmax, or of
a normalized output, is zero whatever the backward does. A second-order check is the first-order check of the map
(x, u) -> J^T u, which the sweep computes under create_graph=True.

    gradcheck(lambda a, b: ag.exp(a) @ b, [a, b], rng=rng)     # raises GradcheckError, or returns the largest error

Read before this: tensor.py. Read next: cases.py, one row of it.
"""
import numpy as np

from . import backend
from .backend import xp
from .tensor import Tensor, grad, no_grad, parameter

STEP = 6e-6  # near the cube root of float64's rounding, where the error of central differences is least


class GradcheckError(AssertionError):
    """A gradient differs from central differences; says for which input and element, with both values."""


def gradcheck(f, inputs, rng=None, eps=STEP, rtol=1e-6, atol=1e-8, directions=2):
    """Checks the first derivatives of f, a function of Tensors that returns a Tensor or several.

    inputs: arrays, Tensors or numbers; floating ones are checked (as float64), the others handed through. rng: the
    generator of the directions. The check passes if |a - b| <= atol + rtol * scale, with a = <u, J v>, b = <J^T u, v>
    and scale = the larger of |a|, |b| and the norms' product |J^T u| |v| / sqrt(n) that they fluctuate with.

    Returns the largest |a - b| / scale. Raises GradcheckError.
    """
    rng = backend.rng(0) if rng is None else rng
    inputs = [_float64(x) for x in inputs]
    worst = 0.0
    for _ in range(directions):
        xs = [parameter(x) if _is_float(x) else x for x in inputs]
        outputs = _outputs(f(*xs))
        us = [_draw(rng, y.shape) for y in outputs]
        active = [i for i, x in enumerate(xs) if _is_float(x)]
        gradients = _grad([y for y in outputs], [xs[i] for i in active], us)
        for i, g in zip(active, gradients):
            if not xs[i].size:
                continue
            v = _draw(rng, xs[i].shape)
            a = _slope(f, inputs, i, v, us, eps)
            b = float((g * v).sum())
            scale = max(abs(a), abs(b), float(xp.sqrt((g * g).sum() * (v * v).sum() / g.size)))
            if not abs(a - b) <= atol + rtol * scale:
                raise GradcheckError(_first_wrong_element(f, inputs, i, us, g, eps, a, b))
            worst = max(worst, abs(a - b) / scale if scale else 0.0)
    return worst


def gradgradcheck(f, inputs, rng=None, eps=STEP, rtol=1e-6, atol=1e-8, directions=2):
    """Checks the second derivatives of f: gradcheck of (x, u) -> J^T u, which is what create_graph=True records."""
    rng = backend.rng(0) if rng is None else rng
    inputs = [_float64(x) for x in inputs]
    active = [i for i, x in enumerate(inputs) if _is_float(x)]
    with no_grad():
        us = [_draw(rng, y.shape) for y in _outputs(f(*[Tensor(x) if _is_float(x) else x for x in inputs]))]

    def vector_jacobian_product(*args):
        xs, cotangents = list(args[: len(inputs)]), args[len(inputs) :]
        for i in active:
            if not xs[i].requires_grad:  # evaluated for a difference: the inner gradient still needs leaves
                xs[i] = parameter(xs[i])
        outputs = _outputs(f(*xs))
        return _grad(outputs, [xs[i] for i in active], list(cotangents), create_graph=True)

    return gradcheck(vector_jacobian_product, inputs + us, rng, eps, rtol, atol, directions)


def _grad(outputs, xs, us, create_graph=False):
    """J^T u per x; zeros where nothing depends on x. Arrays, or Tensors under create_graph."""
    pairs = [(y, u) for y, u in zip(outputs, us) if y.requires_grad]
    if not pairs:
        return [Tensor(xp.zeros(x.shape)) if create_graph else xp.zeros(x.shape) for x in xs]
    ys, us = zip(*pairs)
    us = [u if isinstance(u, Tensor) else Tensor(u) for u in us]
    gradients = grad(list(ys), xs, us, create_graph=create_graph, allow_unused=True)
    zeros = [xp.zeros(x.shape) for x in xs]
    if create_graph:
        return [Tensor(z) if g is None else g for g, z in zip(gradients, zeros)]
    return [z if g is None else g.data for g, z in zip(gradients, zeros)]


def _slope(f, inputs, i, v, us, eps):
    """<u, (f(x + eps v) - f(x - eps v)) / (2 eps)>, with v added to input i."""
    above, below = _evaluate(f, inputs, i, eps * v), _evaluate(f, inputs, i, -eps * v)
    return sum(float((u * (p - m)).sum()) for u, p, m in zip(us, above, below)) / (2.0 * eps)


def _evaluate(f, inputs, i, change):
    xs = [Tensor(x + change if j == i else x) if _is_float(x) else x for j, x in enumerate(inputs)]
    return [y.data for y in _outputs(f(*xs))]


def _first_wrong_element(f, inputs, i, us, g, eps, a, b):
    """The message: input i failed in a random direction; now each element on its own, to name the worst."""
    worst, report = -1.0, ""
    for index in np.ndindex(g.shape):
        v = xp.zeros(g.shape)
        v[index] = 1.0
        numeric, analytic = _slope(f, inputs, i, v, us, eps), float(g[index])
        error = abs(numeric - analytic)
        if error > worst or error != error:
            worst = error
            report = f"worst at element {index}: analytic {analytic:.9g}, numeric {numeric:.9g}"
    return (f"gradcheck: the gradient of input {i}, shape {g.shape}, is wrong; {report} "
            f"(random direction: analytic {b:.9g}, numeric {a:.9g})")


def _outputs(y):
    return list(y) if isinstance(y, (list, tuple)) else [y]


def _draw(rng, shape):
    return backend.normal(rng, shape, np.float64)


def _is_float(x):
    return getattr(x, "dtype", None) is not None and x.dtype.kind == "f"


def _float64(x):
    """Floating inputs as float64 arrays; integers, booleans and everything else as they are."""
    if isinstance(x, Tensor):
        x = x.data
    if isinstance(x, (float, list)):
        x = xp.asarray(x, dtype=np.float64)
    return x.astype(np.float64) if _is_float(x) else x
