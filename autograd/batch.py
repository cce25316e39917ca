"""The whole batch, where several workers have some of its rows each: what one example tells another goes through here.

Most of a loss is a sum over examples, and each worker computes the summands of its own. What is not, such as the mean
that batch normalization subtracts, is written with these functions, which return what one worker with all of the rows
would have, and are differentiable as often as one likes:

    batch_sum(x)    sum_w x_w over the workers w          dL/dx_w = sum_v dL_v/dy = batch_sum(g): its own transpose
    batch_mean(x)   the mean over axis 0 of all rows; mean_of_means, of what each has the mean of already; denominator,
                    where a mean has weights
    whole(x)        all rows, in their order              dL/dx_w = own rows of batch_sum(g)

Here L = sum_w L_w is what all of them minimize together. Every worker must come by the same calls in the same order, in
the sweep backward too: they do, as they have the same graph. Where there is one worker, each returns what it is given,
or its mean. x is a Tensor, or an array. Read before this: tensor.py, shape.py. Read next: minigen/parallel/world.py.
"""
import contextlib
import contextvars
from collections.abc import Callable
from dataclasses import dataclass

from .backend import xp
from .tensor import Tensor, record


@dataclass(frozen=True)
class Share:
    """Which rows of a batch of `total` are this worker's. add: array -> its sum over all workers, a new array."""

    rows: slice
    total: int
    add: Callable

    @property
    def count(self) -> int:
        return self.rows.stop - self.rows.start


_share = contextvars.ContextVar("share", default=None)


def current_share() -> Share | None:
    """None where the rows at hand are all that there are."""
    return _share.get()


@contextlib.contextmanager
def sharing(share):
    """Context in which a batch is divided so. It belongs to the thread, as no_grad does."""
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


def batch_sum(x):
    """The sum of the workers' x, which have one shape."""
    share = _share.get()
    if share is None:
        return x
    return record(share.add(x.data), (x, batch_sum)) if isinstance(x, Tensor) else share.add(x)


def batch_mean(x, keepdims=False):
    """The mean of x (n, ...) over axis 0, of the rows of all workers."""
    if _share.get() is None:
        return x.mean(axis=0, keepdims=keepdims)
    return batch_sum(x.sum(axis=0, keepdims=keepdims)) * (1.0 / whole_length(len(x)))


def mean_of_means(x):
    """The mean over all examples of what is, in each worker, the mean over its own: the gradient of a loss, say."""
    share = _share.get()
    return x if share is None else batch_sum(x * (share.count / share.total))


def denominator(x):
    """What a worker divides its own sum a by, if sum a / sum x over the batch is wanted and x is its own: a sum of
    weights, or of lengths."""
    share = _share.get()
    return x if share is None else batch_sum(x) * (share.count / share.total)


def whole(x):
    """The rows of all workers, for a worker's own x (n, ...): (N, ...)."""
    share = _share.get()
    if share is None:
        return x
    array = x.data if isinstance(x, Tensor) else xp.asarray(x)
    placed = xp.zeros((whole_length(len(x)), *x.shape[1:]), array.dtype)
    placed[_own_rows(len(placed), share)] = array
    value = share.add(placed)
    return record(value, (x, lambda g: own(batch_sum(g)))) if isinstance(x, Tensor) else value


def own(x):
    """A worker's own rows of x (N, ...), which has those of all: whole's inverse."""
    share = _share.get()
    return x if share is None else x[_own_rows(len(x), share)]


def whole_length(n: int) -> int:
    """How many rows all workers have together, if this one has n: an equal number for each of its examples."""
    share = _share.get()
    return n if share is None else _each(n, share.count, share) * share.total


def _own_rows(n, share):
    each = _each(n, share.total, share)
    return slice(each * share.rows.start, each * share.rows.stop)


def _each(n, examples, share):
    each, rest = divmod(n, examples)
    if rest:
        raise ValueError(f"{n} rows do not divide among {examples} examples: this worker has rows {share.rows.start} "
                         f"to {share.rows.stop - 1} of a batch of {share.total}")
    return each
