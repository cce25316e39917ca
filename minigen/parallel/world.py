"""World: several workers that compute one run together, each with its rows of every batch.

    world = ...                                    # size workers; this one's number is rank
    rng = world.rng(seed)                          # all workers draw the same, and keep what is for their rows
    with world.share(batch) as mine:
        loss = player.loss(mine, rng)              # a mean over n of the N rows
        gradients = grad(world.part(loss), ...)    # n/N times it
    gradients, terms = world.add(gradients, terms) # of the mean over all N: the same arrays in every worker

Then each worker clips by the norm of the sum, and makes the same step of the optimizer, so that the weights stay equal
without being sent. What must be so for that to be the run that one worker makes, up to rounding:

    rows           each example of the batch is some worker's, once
    draws          noise belongs to an example, whoever computes it           draws.py
    statistics     what examples tell each other goes through all workers     autograd/batch.py
    weights        a worker's mean counts n/N, also where N does not divide
    clipping       the norm is that of the sum

Read before this: draws.py. Read next: shared_memory.py, train.py.
"""
import contextlib
import itertools

import numpy as np

from autograd import Tensor
from autograd.backend import asarray, to_numpy
from autograd.batch import Share, sharing

from .draws import Draws


class WorkerLost(RuntimeError):
    """A worker has ended before the run did."""


class World:
    """The world of one worker. Others define `add_flat`, `broadcast` and `gather`, and set size and rank."""

    size, rank = 1, 0
    draws = None
    current = None  # the Share of the batch at hand

    def add_flat(self, parts, lasting=True):
        """The sum over all workers of parts, 1-D NumPy arrays of one dtype, end to end as one array: added in the order
        of ranks, equal in all workers bit for bit. lasting: whether the caller needs it for longer than until the next
        sum."""
        return np.concatenate(parts)

    def broadcast(self, value=None):
        """Worker 0's value, in every worker: anything that can be pickled."""
        return value

    def gather(self, value) -> list:
        """The value of each worker, in worker 0; the others get []."""
        return [value]

    # A batch, and who has which rows of it

    def rng(self, seed):
        """The generator that all randomness of a run is drawn from."""
        self.draws = Draws(seed)
        return self.draws

    def rows(self, total) -> slice:
        """This worker's rows of so many. ValueError if there are fewer rows than workers."""
        if total < self.size:
            raise ValueError(f"a batch of {total} has too few rows for {self.size} workers; give --workers {total} "
                             "at most")
        return slice(total * self.rank // self.size, total * (self.rank + 1) // self.size)

    @contextlib.contextmanager
    def share(self, batch):
        """Context in which this worker computes with its rows of the batch, which it is given: a dict of columns, or a
        number of examples."""
        if self.size == 1:
            yield batch
            return
        total = batch if isinstance(batch, int) else len(next(iter(batch.values())))
        rows = self.rows(total)
        self.current = Share(rows, total, lambda array: self.all_reduce([array])[0])
        with sharing(self.current):
            yield self.current.count if isinstance(batch, int) else {name: each[rows] for name, each in batch.items()}

    def part(self, loss):
        """This worker's part of a mean over the batch: its own mean, times n/N."""
        return loss if self.size == 1 else loss * (self.current.count / self.current.total)

    def add(self, gradients, terms: dict):
        """(gradients, terms) of the whole batch: the sums of the gradients, and the means of the terms, numbers.

        RuntimeError if the workers have not drawn the same random numbers, or have gradients of other sizes: from there
        on they would be different runs.
        """
        if self.size == 1:
            return gradients, terms
        share, arrays = self.current.count / self.current.total, [g for g in gradients if g is not None]
        same = np.array([self.draws.mark(), sum(g.size for g in arrays)])
        told = self.add_flat([same, np.array([share * number for number in terms.values()])])
        if (told[:2] != self.size * same).any():
            raise RuntimeError(
                "the workers' runs have parted: their losses drew other random numbers, or have other gradients. A "
                "loss must draw for the batch along the first axis, and for nothing else there: see "
                "minigen/parallel/draws.py; --workers 1 trains it")
        sums = iter(self.all_reduce([g.data for g in arrays], lasting=False))  # the optimizer has them at once
        return ([None if g is None else Tensor(next(sums)) for g in gradients],
                dict(zip(terms, told[2:].tolist())))

    def all_reduce(self, arrays, lasting=True) -> list:
        """The sum of each array over all workers. They travel as one flat buffer for each dtype. lasting: as in
        add_flat."""
        if self.size == 1:
            return arrays
        sums = [None] * len(arrays)
        kinds = lambda i: arrays[i].dtype.str
        for _, group in itertools.groupby(sorted(range(len(arrays)), key=kinds), kinds):
            group = list(group)
            flat = self.add_flat([to_numpy(arrays[i]).reshape(-1) for i in group], lasting)
            ends = np.cumsum([arrays[i].size for i in group])
            for i, each in zip(group, np.split(flat, ends[:-1])):
                sums[i] = asarray(each.reshape(arrays[i].shape))
        return sums

    # Names for what goes wrong

    def where(self) -> str:
        """", worker 1", for a message; nothing where there is one."""
        return f", worker {self.rank}" if self.size > 1 else ""

    def those(self, guilty: bool) -> str:
        """The same for all workers of whom something is so. All must ask."""
        if self.size == 1:
            return ""
        flags = np.zeros(self.size)
        flags[self.rank] = guilty
        return ", worker " + " and ".join(str(rank) for rank in np.flatnonzero(self.add_flat([flags])))
