"""Independent pixels: each pixel has a distribution of its own over the gray levels, and none looks at
another.

    p(x) = prod_d p_d(x_d)
    p_d(k) = (n_d(k) + 1/2) / (N + K/2)

with n_d(k) the number of training images whose pixel d has level k. The fractions n_d(k) / N maximize the
likelihood of the training images, but forbid every level not seen there; half a count each is Jeffreys' prior
on p_d. Fitting is one pass of counting, so the model has no players and no training loop.

A table of all images would take K^D - 1 numbers, on 8x8 digits 10^78. Independence brings that down to D (K -
1) = 1,024; the price is seen in the samples, whose pixels agree on nothing.

Symbols: N images, D pixels, K gray levels. Read before this: data/dataset.py. Read next: markov_chain.py.
Course: 1.2, 1.3.
"""
import math

from autograd.backend import asarray, to_numpy, uniform, xp

from ...metrics import Measure, mean_interval
from ...nn import Module


class IndependentPixels(Module):
    """space: of an image. Uniform over all images until it is fitted."""

    def __init__(self, space):
        if space.levels is None:
            raise ValueError("IndependentPixels: counts gray levels, and points of shape "
                             f"{space.shape} have none; choose images, e.g. digits")
        self.space, self.D, self.K = space, space.size, space.levels
        self.register_buffer("log_p", xp.full((self.D, self.K), -math.log(self.K)))

    def num_parameters(self):
        return self.D * (self.K - 1)  # each p_d sums to one; course 1.3

    def players(self):
        return []

    def fit(self, x):
        """Counts the levels of images x (N, C, H, W), integers 0..K-1."""
        x = self._pixels(x)  # (N, D)
        counts = xp.stack([(x == k).sum(axis=0) for k in range(self.K)], axis=1) + 0.5  # (D, K)
        self.log_p[...] = xp.log(counts / counts.sum(axis=1, keepdims=True))

    def log_prob(self, x):
        """log p(x) in nats of images x (N, C, H, W): exact, a float64 array (N,)."""
        x = self._pixels(x)
        return self.log_p[xp.arange(self.D), x].sum(axis=1)

    def sample(self, n, rng):
        u = uniform(rng, (n, self.D, 1))
        x = (u > xp.exp(self.log_p).cumsum(axis=1)[:, :-1]).sum(axis=2)  # (n, D): the inverse of the cdf at u
        return self.space.drawn(to_numpy(x).reshape(n, *self.space.shape))

    def measure(self, batch, rng):
        nll = mean_interval(-self.log_prob(batch["x"]))
        return [Measure("NLL", *nll, "nats", "exact; interval over the images"),
                Measure("parameters", self.num_parameters())]

    def _pixels(self, x):
        self.space.check(x)
        return asarray(x).reshape(len(x), self.D)
