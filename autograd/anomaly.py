"""Finds the op that first makes a NaN or an Inf, forward or backward.

    with autograd.detect_anomaly():
        loss = model(x)
        grad(loss, params)

Every op's value, and every gradient, is examined as it is made; the first that is not finite although all that it
was made from is, raises AnomalyError with the op's name, the ranges of its inputs and the line of the user's source
that called it. Slower: for debugging only.

Read before this: tensor.py.
"""
import contextlib
import os
import traceback

from . import tensor as _tensor
from .backend import xp

_HERE = os.path.dirname(os.path.abspath(__file__))


class AnomalyError(FloatingPointError):
    """An op made a NaN or an Inf out of finite inputs."""


@contextlib.contextmanager
def detect_anomaly():
    """Context in which the first non-finite value raises AnomalyError."""
    before = _tensor.set_watch(_Watch())
    try:
        yield
    finally:
        _tensor.set_watch(before)


class _Watch:
    def forward(self, y, edges):
        if y.node is not None:
            y.node.origin = _user_line()
        inputs = [x.data for x, _ in edges]
        if not _finite(y.data) and all(_finite(x) for x in inputs):
            raise AnomalyError(f"{_name(edges)} made {_range(y.data)} out of {_ranges(inputs)}, at {_user_line()}")

    def backward(self, node, pullback, g, g_parent):
        if not _finite(g_parent.data) and _finite(g.data):
            raise AnomalyError(f"the gradient of {_name([(None, pullback)])} became {_range(g_parent.data)} from "
                               f"dL/dy with {_range(g.data)}; the op was called at {node.origin or 'an unknown line'}")


def _name(edges):
    """The op's name: that of the function that the pullback was defined in."""
    return edges[0][1].__qualname__.split(".")[0].lstrip("_") if edges else "an op"


def _finite(array):
    return bool(xp.all(xp.isfinite(array)))


def _ranges(arrays):
    return ", ".join(_range(a) for a in arrays) or "constants"


def _range(array):
    array = xp.asarray(array)
    bad = [f"{int(n)} {what}" for what, n in (("NaN", xp.isnan(array).sum()), ("Inf", xp.isinf(array).sum())) if n]
    finite = array[xp.isfinite(array)]
    span = f"values {float(finite.min()):.4g} to {float(finite.max()):.4g}" if finite.size else "no finite value"
    return f"{array.shape} with " + " and ".join(bad + [span])


def _user_line():
    """The innermost line outside this package."""
    for frame in reversed(traceback.extract_stack()):
        if os.path.dirname(os.path.abspath(frame.filename)) != _HERE:
            return f"{frame.filename}:{frame.lineno}: {frame.line}"
    return "an unknown line"
