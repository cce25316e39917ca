"""Kernel density: the data themselves as a model, each example a small Gaussian. It learns everything by heart.

    p(x) = 1/N sum_i N(x; x_i, h^2 I)              Rosenblatt 1956, Parzen 1962
    h -> 0: the empirical distribution, 1/N sum_i delta(x - x_i), of which every draw is an example of the training set

Of all densities the empirical one has the largest likelihood on its own data, without bound: -log p(x_i) falls with h
for ever. On other data it is worth nothing. So what is to be made small is not the loss of the training set, and here,
with one number to choose, one sees it. `leave_one_out` is that choice from the training set alone: each example under
the density of the others.

    log p_{-i}(x_i) = log 1/(N - 1) sum_{j != i} N(x_i; x_j, h^2 I)         Habbema et al. 1974, Duin 1976

It works in the plane, and hardly in 64 dimensions, where all examples are far from each other.

Symbols: N examples of the training set, D numbers of an example, h the bandwidth. Read before this: densities.py.
Read next: divergences.py, examples/2_autoencoders/19_learning_signals.py.
Course: 1.5, 1.6.
"""
import math

import numpy as np

from autograd.backend import asarray, normal, to_numpy, xp

from ...densities import LOG_2PI
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks

TABLE = 2**24  # distances that are held at a time
LOOKED_AT = 300  # examples that the bandwidth is chosen by
BANDWIDTHS = np.geomspace(0.01, 1, 17)  # in units of the data's standard deviation


class KernelDensity(Module):
    """space: of points or images, which are seen on [0, 1]. x: the training set, (N, *shape). bandwidth: h; left out,
    the one of BANDWIDTHS that is best at leaving one out."""

    def __init__(self, space, x, bandwidth=None):
        self.space = space
        self.register_buffer("centres", space.rows(x))  # (N, D)
        if len(x) < 2:
            raise ValueError(f"KernelDensity: x has {len(x)} examples, expected at least 2")
        self.register_buffer("bandwidth", np.float64(1 if bandwidth is None else bandwidth))
        if bandwidth is None:
            candidates = BANDWIDTHS * float(self.centres.std())
            self.bandwidth[...] = max(candidates, key=lambda h: self.leave_one_out(h, LOOKED_AT).mean())
        if not self.bandwidth > 0:
            raise ValueError(f"KernelDensity: bandwidth is {bandwidth}, expected above 0")

    def num_parameters(self):
        return self.centres.size + 1

    def players(self):
        return []

    def log_prob(self, x, h=None):
        """log p(x) in nats of x (N, *shape) as data sets have them, a NumPy array (N,). h: another bandwidth."""
        return self._log_sum(self.space.rows(x), h) - math.log(len(self.centres))  # course 1.6

    def leave_one_out(self, h=None, examples=None):
        """log p_{-i}(x_i) of the first so many examples of the training set, a NumPy array."""
        return self._log_sum(self.centres[:examples], h, left_out=True) - math.log(len(self.centres) - 1)

    def _log_sum(self, rows, h, left_out=False):
        """log sum_j N(row; x_j, h^2 I) of rows (N, D); with left_out, without the j that is the row's own number."""
        N, D = self.centres.shape
        h = float(self.bandwidth if h is None else h)
        centres, squares = self.centres, (self.centres**2).sum(axis=1)

        def some(numbers):
            x = rows[numbers]
            apart = (x**2).sum(axis=1)[:, None] - 2 * x @ centres.T + squares  # (n, N)
            exponents = -xp.maximum(apart, 0).astype(np.float64) / (2 * h**2)
            if left_out:
                exponents[xp.arange(len(x)), numbers] = -math.inf
            top = exponents.max(axis=1, keepdims=True)
            return top[:, 0] + xp.log(xp.exp(exponents - top).sum(axis=1))

        return in_chunks(some, xp.arange(len(rows)), TABLE // N) - D * (0.5 * LOG_2PI + math.log(h))

    def sample(self, n, rng):
        centres = self.centres[asarray(rng.integers(len(self.centres), size=n))]
        return self.space.from_unit(centres + float(self.bandwidth) * normal(rng, centres.shape))

    def measure(self, batch, rng):
        what = "density of points" if self.space.levels is None else "density of gray / (levels - 1)"
        of_training = -self._log_sum(self.centres[:LOOKED_AT], None).mean() + math.log(len(self.centres))
        return [Measure("NLL", *mean_interval(-self.log_prob(batch["x"])), "nats",
                        f"{what}; of the training set itself {of_training:.4g}"),
                Measure("bandwidth", float(to_numpy(self.bandwidth)))]
