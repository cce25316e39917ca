"""Finds the op that first makes a NaN or an Inf, forward or backward.

    with autograd.detect_anomaly():
        loss = model(x)
        grad(loss, params)

Every op's value, and every gradient, is examined as it is made; the first that is not finite although all that it
was made from is, raises AnomalyError with the op's name, the ranges of its inputs and the line of the user's source
that called it. Slower: for debugging only.

It belongs to the thread: what another computes meanwhile is not examined. Read before this: sweep.py.
"""
import contextlib
import os
import traceback

import numpy as np

from .backend import xp
from .mode import watched_by
from .sweep import op_of

_HERE = os.path.dirname(os.path.abspath(__file__))


class AnomalyError(FloatingPointError):
    """An op made a NaN or an Inf out of finite inputs."""


@contextlib.contextmanager
def detect_anomaly():
    """Context in which the first non-finite value that this thread makes raises AnomalyError."""
    with watched_by(_Watch()), np.errstate(all="ignore"):  # NumPy's warnings would only say less
        yield


class _Watch:
    def __init__(self):
        self.origins = {}  # number of a node -> (op, line of the user's source that called it)

    def forward(self, y, edges):
        if y.node is not None:
            self.origins[y.node.number] = _call(traceback.extract_stack())
        inputs = [x.data for x, _ in edges if not _is_bare_nan(x.data)]
        if not _finite(y.data) and all(_finite(x) for x in inputs):
            stack = traceback.extract_stack()
            if not any(frame.name == "_sweep" and _is_ours(frame) for frame in stack):  # those are seen in backward
                op, line = _call(stack)
                raise AnomalyError(f"{op} made {_range(y.data)} out of {_ranges(inputs)}, at {line}")

    def backward(self, node, pullback, g, g_parent):
        if not _finite(g_parent.data) and _finite(g.data):
            op, line = self.origins.get(node.number, (op_of(pullback), "a line before detect_anomaly()"))
            raise AnomalyError(f"the gradient of {op} became {_range(g_parent.data)} from dL/dy of {_range(g.data)}; "
                               f"{op} was called at {line}")


def _call(stack):
    """(op, line): the function of this package that the user's code called last, and from where."""
    last = max((i for i, frame in enumerate(stack) if not _is_ours(frame)), default=0)
    op = next((frame.name for frame in stack[last + 1 :] if not frame.name.startswith("<")), "an op")
    return op, f"{stack[last].filename}:{stack[last].lineno}: {stack[last].line}"


def _is_ours(frame):
    return os.path.dirname(os.path.abspath(frame.filename)) == _HERE


def _is_bare_nan(data):
    """A Python NaN, which an op puts where there is no value, as for the mean of nothing: that is the anomaly."""
    return isinstance(data, float) and data != data


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
