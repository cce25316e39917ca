"""Lists every op of a computation as it runs: what it is, who called it, what came out, how long it took, both ways.

    with listing() as ops:
        loss = model.loss(batch, rng)
        ops.sweep_begins()                          # from here on: the backward pass
        grad(loss, params)
    ops.ops[0].name, ops.ops[0].seconds             # ("linear", 1.2e-05)

The time of an op is that since the one before it was done, so Python between the two is in it; that of its pullbacks is
in `back_seconds`, that of looking at its numbers in neither. An op that was made by a sweep within the loss, as those
of a gradient penalty are, is an op like all others, `in_sweep`. Where nobody lists this costs nothing: `record` and the
sweep look for a watcher in any case, for anomaly.py.

It belongs to the thread. Read before this: sweep.py, anomaly.py. Read next: minigen/step/.
"""
import contextlib
import os
import sys
import time
from dataclasses import dataclass, field

from .backend import device, xp
from .mode import watched_by
from .sweep import _named

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


@dataclass
class Op:
    """One op. name: of the function that was called; file, line: from where. owners: `self` in the frames of the
    callers, the innermost first. size: bytes of the result, 0 for a view of an input; kept: of what its pullbacks keep
    alive that no op before it has kept. gradient: |dL/dy|, None if there is none."""

    name: str
    file: str
    line: int
    owners: tuple
    shape: tuple
    mean: float
    deviation: float
    seconds: float
    size: int
    kept: int = 0
    in_sweep: bool = False
    recorded: bool = True
    gradient: float | None = None
    back_seconds: float = 0.0
    back_size: int = 0

    def owner(self, names, other=""):
        """The name of the innermost caller that has one. names: id of an object -> its name."""
        return next((names[id(x)] for x in self.owners if id(x) in names), other)


@dataclass
class Listing:
    """The ops so far, in order. look(op, array): called for each; its time is not counted."""

    ops: list = field(default_factory=list)
    look: object = None
    sweeping: bool = False
    _of_node: dict = field(default_factory=dict)
    _kept: dict = field(default_factory=dict)  # id -> array: held, so that no other array gets its id
    _clock: float = field(default_factory=time.perf_counter)

    def sweep_begins(self):
        """From here on what runs is the backward pass: ops in it are pullbacks' work."""
        self.sweeping = True
        self._clock = time.perf_counter()

    def forward(self, y, edges):
        seconds = self._passed()
        if self.sweeping and y.node is None:
            return  # a part of a pullback, whose time `backward` takes whole
        name, file, line, owners, in_sweep = _caller(sys._getframe(2))
        op = Op(name, file, line, owners, y.data.shape, *_moments(y.data), seconds,
                0 if any(_whole(x.data) is _whole(y.data) for x, _ in edges) else y.data.nbytes, in_sweep=in_sweep,
                recorded=y.node is not None)
        if y.node is not None:
            self._of_node[y.node.number] = op
            for array in _named([pullback for _, pullback in edges], set()):
                whole = _whole(array)
                if id(whole) not in self._kept:
                    self._kept[id(whole)] = whole
                    op.kept += whole.nbytes
        self.ops.append(op)
        if self.look:
            self.look(op, y.data)
        self._clock = time.perf_counter()

    def backward(self, node, pullback, g, g_parent):
        seconds = self._passed()
        op = self._of_node.get(node.number)
        if self.sweeping and op:
            op.back_seconds += seconds
            op.back_size += g_parent.data.nbytes
            if op.gradient is None:
                op.gradient = float(xp.linalg.norm(g.data))
        self._clock = time.perf_counter()

    def _passed(self):
        """Seconds since the last op; a GPU is waited for."""
        if device() == "cuda":
            xp.cuda.Device().synchronize()
        return time.perf_counter() - self._clock

    def ignore(self, arrays):
        """Does not count these as kept: parameters, which are there anyway."""
        self._kept |= {id(array): array for array in arrays}


@contextlib.contextmanager
def listing(look=None):
    """Context in which the ops of this thread are listed."""
    seen = Listing(look=look)
    with watched_by(seen):
        seen._clock = time.perf_counter()
        yield seen


def _moments(array):
    """Mean and standard deviation of its finite numbers; masks of attention hold -inf."""
    finite = xp.isfinite(array)
    numbers = array if finite.all() else array[finite]
    return (float(numbers.mean()), float(numbers.std())) if numbers.size else (0.0, 0.0)


def _whole(array):
    """The array in whose memory this one is: itself, or what it is a view of."""
    base = getattr(array, "base", None)
    return base if isinstance(base, xp.ndarray) else array


def _caller(frame):
    """(name, file, line, owners, whether a sweep made it) of the op that is being recorded in this frame."""
    names, in_sweep = [], False
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        name = frame.f_code.co_name
        if name == "_sweep":  # what it runs is named by what the pullback calls
            names, in_sweep = names[-1:] if not in_sweep else names, True
        elif not in_sweep and not name.startswith("<"):
            names.append(name)
        frame = frame.f_back
    if frame is None:
        return names[-1] if names else "an op", "", 0, (), in_sweep
    file, line, owners = frame.f_code.co_filename, frame.f_lineno, []
    while frame is not None:
        if "self" in frame.f_code.co_varnames[:1]:
            owners.append(frame.f_locals["self"])
        frame = frame.f_back
    return names[-1] if names else "an op", file, line, tuple(owners), in_sweep
