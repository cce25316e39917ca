"""Whether ops leave a graph behind, and who watches them: the state of the engine, which belongs to the thread.

`no_grad` and `detect_anomaly` in one thread change nothing in another, and two contexts that are left in another order
than they were entered leave nothing behind: what counts is how many are open.

Read before this: nothing. Read next: tensor.py.
"""
import contextlib
import contextvars
import functools
import inspect


class Mode:
    """How many no_grad are open, and what watches the ops, the latest last. Never changed: replaced."""

    __slots__ = ("off", "watches")  # faster to read than a tuple's fields

    def __init__(self, off=0, watches=()):
        self.off, self.watches = off, watches


mode = contextvars.ContextVar("mode", default=None)  # a Mode, or None while nothing is open, as every op looks here


def recording() -> bool:
    """Whether ops leave a graph behind. In a pullback: whether it is itself to be differentiable."""
    now = mode.get()
    return now is None or not now.off


class no_grad:
    """No graph is recorded: for sampling, evaluation and optimizer steps. A context, which may be entered again
    within itself; or a decorator, `@no_grad()`, of a function, or of a generator function, whose steps then run so."""

    def __enter__(self):
        _add(1)
        return self

    def __exit__(self, *error):
        if recording():
            raise RuntimeError("no_grad: it is left in another thread than it was entered in; enter it in each")
        _add(-1)

    def __call__(self, function):
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"no_grad: {function.__name__} is asynchronous; write `with no_grad():` in it")

        @functools.wraps(function)
        def call(*args, **kwargs):
            with self:
                return function(*args, **kwargs)

        @functools.wraps(function)
        def steps(*args, **kwargs):
            generator = function(*args, **kwargs)
            resume, sent = generator.send, None
            while True:
                try:
                    with self:
                        value = resume(sent)
                except StopIteration as stop:
                    return stop.value
                try:
                    resume, sent = generator.send, (yield value)
                except GeneratorExit:
                    with self:
                        generator.close()
                    raise
                except BaseException as error:
                    resume, sent = generator.throw, error

        return steps if inspect.isgeneratorfunction(function) else call


@contextlib.contextmanager
def set_recording(on: bool):
    """Context in which ops leave a graph behind, or none, whatever no_grad is around it."""
    before = mode.get()
    watches = before.watches if before else ()
    mode.set(None if on and not watches else Mode(0 if on else 1, watches))
    try:
        yield
    finally:
        mode.set(before)


@contextlib.contextmanager
def watched_by(watch):
    """Context in which watch.forward(y, edges) is called for each op, and in a sweep watch.backward(node, pullback, g,
    g_parent) for each edge: see anomaly.py."""
    _add(0, (watch,))
    try:
        yield
    finally:
        now = mode.get()
        _set(now.off, tuple(w for w in now.watches if w is not watch))


def _add(off, watches=()):
    now = mode.get() or Mode()
    _set(now.off + off, now.watches + watches)


def _set(off, watches):
    mode.set(Mode(off, watches) if off or watches else None)
