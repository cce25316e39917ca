"""ReplayBuffer: where chains of earlier steps of training are kept, so that they go on and need not begin anew.

A chain that starts from noise needs many steps to reach the model's density. But from one step of training to the next
that density hardly changes: so chains start where earlier ones ended, and a few from noise, so that modes are found
which no chain has visited yet (Tieleman 2008, persistent contrastive divergence; Du & Mordatch 2019, section 3.2).

The states are a buffer of the module: they are saved with the weights, as a run that goes on without them would be
another run. Symbols: N chains that are moved at a time. Read before this: langevin.py, nn/module.py.
"""
import numpy as np

from autograd.backend import asarray, xp
from autograd.batch import own, whole, whole_length

from ..nn.module import Module


class ReplayBuffer(Module):
    """states: the first states of all chains, an array (capacity, ...). restarts: the share that begins anew."""

    def __init__(self, states, restarts=0.05):
        if not 0.0 <= restarts <= 1.0:
            raise ValueError(f"ReplayBuffer: restarts is {restarts}, expected a share from 0 to 1")
        self.register_buffer("states", states)
        self.restarts = restarts

    def __len__(self):
        return len(self.states)

    def draw(self, fresh, rng):
        """(rows, x): the places of N different chains and where they start: where they were, or with probability
        `restarts` as in fresh (N, ...). ValueError if there are fewer chains than that."""
        n, N = len(fresh), whole_length(len(fresh))
        if N > len(self):
            raise ValueError(f"ReplayBuffer: {N} chains are to be moved at a time, and it holds {len(self)}; give it a "
                             "larger capacity, or training a smaller batch")
        rows = own(rng.permutation(len(self))[:N])
        anew = asarray(rng.random(n) < self.restarts).reshape(n, *[1] * (self.states.ndim - 1))
        return rows, xp.where(anew, fresh, self.states[rows])

    def put(self, rows, x) -> None:
        """Keeps the states x (N, ...) that the chains of these places have come to."""
        self.states[whole(np.asarray(rows))] = whole(x)
