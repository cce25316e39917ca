"""Markov chain over the pixels: each looks at the one before it in raster order, and at nothing else.

    p(x) = p_1(x_1) prod_{d=2..D} P_d(x_d | x_{d-1})
    P_d(k | j) = (n_d(j, k) + 1/2) / (n_d(j) + K/2)

with n_d(j, k) the number of training images where level j at pixel d - 1 is followed by level k at pixel d.
It is the chain rule of probability with every condition cut down to one neighbour. Two forms:

    own transitions      a table P_d for every place:   (K - 1) + (D - 1) K (K - 1) parameters
    shared transitions   one table P for all of them:   (K - 1) + K (K - 1) parameters, any size of image

On 8x8 digits that is 17,152 and 288. The shared chain is a text model that reads pixels for letters; it knows
how gray follows gray, but not where in the image it is, and does worse than independent pixels. Neither sees
the row above.

Symbols: N images, D pixels, K gray levels. Read before this: independent_pixels.py. Read next:
autoencoders/linear_ae.py.
Course: 1.3, 1.4.
"""
import math

from autograd.backend import asarray, to_numpy, uniform, xp

from ...metrics import Measure, mean_interval
from ...nn import Module


class MarkovChain(Module):
    """space: of an image. shared: one transition table for all places. Uniform until fitted."""

    def __init__(self, space, shared=False):
        if space.levels is None:
            raise ValueError("MarkovChain: counts gray levels, and points of shape "
                             f"{space.shape} have none; choose images, e.g. digits")
        self.space, self.D, self.K = space, space.size, space.levels
        self.tables = 1 if shared else self.D - 1
        log_uniform = -math.log(self.K)
        self.register_buffer("log_first", xp.full(self.K, log_uniform))  # [k]
        self.register_buffer("log_next", xp.full((self.tables, self.K, self.K), log_uniform))  # [d, j, k]

    def num_parameters(self):
        return (self.K - 1) * (1 + self.tables * self.K)  # each distribution sums to one; course 1.3

    def players(self):
        return []

    def fit(self, x):
        """Counts the pairs of neighbours in images x (N, C, H, W), integers 0..K-1."""
        x = self._pixels(x)  # (N, D)
        first = xp.bincount(x[:, 0], minlength=self.K) + 0.5
        entry = (self._table() * self.K + x[:, :-1]) * self.K + x[:, 1:]  # (N, D - 1): places in log_next
        pairs = xp.bincount(entry.ravel(), minlength=self.log_next.size).reshape(self.log_next.shape) + 0.5
        self.log_first[...] = xp.log(first / first.sum())
        self.log_next[...] = xp.log(pairs / pairs.sum(axis=2, keepdims=True))

    def log_prob(self, x):
        """log p(x) in nats of images x (N, C, H, W): exact, a float64 array (N,)."""
        x = self._pixels(x)
        return self.log_first[x[:, 0]] + self.log_next[self._table(), x[:, :-1], x[:, 1:]].sum(axis=1)  # course 1.4

    def sample(self, n, rng):
        u = uniform(rng, (n, self.D, 1))
        table = to_numpy(self._table())
        pixels = [_draw(self.log_first, u[:, 0])]
        for d in range(1, self.D):
            pixels.append(_draw(self.log_next[table[d - 1], pixels[-1]], u[:, d]))
        return self.space.drawn(to_numpy(xp.stack(pixels, axis=1)).reshape(n, *self.space.shape))

    def measure(self, batch, rng):
        nll = mean_interval(-self.log_prob(batch["x"]))
        return [Measure("NLL", *nll, "nats", "exact; interval over the images"),
                Measure("parameters", self.num_parameters())]

    def _table(self):
        """Which table each step of the chain uses, (D - 1,)."""
        return xp.arange(self.D - 1) % self.tables

    def _pixels(self, x):
        self.space.check(x)
        return asarray(x).reshape(len(x), self.D).astype(int)


def _draw(log_p, u):
    """One level per image: the inverse of the cdf of log_p (..., K) at u (n, 1)."""
    return (u > xp.exp(log_p).cumsum(axis=-1)[..., :-1]).sum(axis=-1)
