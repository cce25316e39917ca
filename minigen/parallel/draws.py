"""Draws: a generator of which several workers have copies, so that together they draw what one would draw alone.

All copies are in the same state and stay so: what is drawn for a worker's n rows of the batch is drawn for all N, and
the worker keeps its own. What is not drawn for the rows (the order of an epoch, one number for all of the batch) is the
same for all workers anyhow. So the noise that an example gets does not depend on who computes it, and a checkpoint has
one state, with which any number of workers can go on.

How it is told: an array whose first axis has as many entries as the worker has rows is of these rows. Hence the rule
for losses: draw for the batch along the first axis, and nothing else there. The order of a `permutation(n)` is one of
the whole batch: it tells own rows where to look in autograd.batch.whole(x).

Source of the numbers: NumPy's Generator; alone this is that of numpy.random.default_rng(seed), number by number.
Read before this: autograd/batch.py. Read next: world.py.
"""
import functools

import numpy as np

from autograd.batch import current_share

# method -> which argument says how many
SIZES = {"random": 0, "standard_normal": 0, "standard_exponential": 0, "normal": 2, "uniform": 2, "integers": 2,
         "choice": 1, "gumbel": 2, "laplace": 2, "logistic": 2, "exponential": 1, "poisson": 1, "binomial": 2,
         "beta": 2, "gamma": 2, "standard_gamma": 1, "geometric": 1, "multivariate_normal": 2, "standard_t": 1,
         "standard_cauchy": 0, "dirichlet": 1, "chisquare": 1, "permutation": 0}


class Draws(np.random.Generator):
    """The generator of a seed, as numpy.random.default_rng(seed)."""

    def __init__(self, seed):
        super().__init__(np.random.PCG64(seed))

    def mark(self) -> float:
        """A number that tells two states apart, exact as a float64 in sums over thousands of workers."""
        state = self.bit_generator.state
        return float((state["state"]["state"] + state["has_uint32"]) % 2**40)


def _of_all_rows(name, place):
    method = getattr(np.random.Generator, name)

    @functools.wraps(method)
    def draw(self, *args, **kwargs):
        share = current_share()
        if share is None:
            return method(self, *args, **kwargs)
        size = args[place] if len(args) > place else kwargs.get("size")
        shape = (int(size),) if isinstance(size, (int, np.integer)) else tuple(size) if isinstance(size, tuple) else ()
        if shape[:1] != (share.count,):
            return method(self, *args, **kwargs)
        size = (share.total, *shape[1:]) if isinstance(size, tuple) else share.total
        if len(args) > place:
            return method(self, *args[:place], size, *args[place + 1:], **kwargs)[share.rows]
        return method(self, *args, **{**kwargs, "size": size})[share.rows]

    return draw


for _name, _place in SIZES.items():
    setattr(Draws, _name, _of_all_rows(_name, _place))
