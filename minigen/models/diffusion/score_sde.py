"""Score-based generative modelling through stochastic differential equations: one network for the scores of all times.

    x_t = a(t) x_0 + s(t) eps,   t ~ U[1e-5, 1]                              an SDE of diffusion/sde.py
    loss = E lambda(t) |s_theta(x_t, t) + eps / s(t)|^2,   lambda = s(t)^2                          (eq. 7)

It is NCSN with levels so many that they are a continuum, or DDPM with steps so many; with VE in sde.py the one, with VP
the other. s_theta is divided by s(t) inside the model, so that the network's numbers are of one size, and says -eps:

    s_theta(x, t) = network(x / sqrt(a^2 + s^2), 1000 t) / s(t)

So lambda's loss begins at D, that of a network that says 0. (The tutorial hands x to the network as it is, up to ten
times as large.) Everything that is known of SDEs can now be done with the network in the place of the score: samples by
the equation that runs backwards, from N(0, s(1)^2 I), not N(0, I); and, by the equation without noise, likelihoods. For
these, images are given noise as wide as a gray level, as flows are.

Source: Song et al. 2021, and its tutorial (VE, sigma = 25; 500 steps of Euler and Maruyama). Symbols: N examples, D
numbers in each. Read before this: ncsn.py, diffusion/sde.py. Read next: diffusion/ode_likelihood.py.
Course: 9.6, 9.7.
"""
import math
from functools import partial

from autograd.backend import asarray, default_dtype, normal, xp

from ...data import dequantize
from ...diffusion import denoiser, differentiable, directions, euler_maruyama, ode_log_likelihood
from ...diffusion.score_matching import denoising
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 250  # examples that are drawn or measured at a time
EARLIEST = 1e-5  # t: at 0 there is no noise, and no score of it


class ScoreSDE(Module):
    """network: (Tensor (N, *shape), t (N,)) -> Tensor (N, *shape). sde: one of diffusion/sde.py. space: of images, or
    of points. steps: of the sampler; sampler: one of the family's, Euler and Maruyama's if left out."""

    judged = 200  # samples for the judges, and examples whose likelihood is measured: each takes hundreds of passes

    def __init__(self, network, sde, space, steps=500, sampler=None):
        self.network, self.sde, self.space, self.steps = network, sde, space, steps
        self.sampler = sampler or partial(euler_maruyama, sde=sde)
        self.levels = sde.levels(steps)

    def players(self):
        return [Player("score", self.network.parameters(), self.loss)]

    def forward(self, x, t):
        """s_theta(x, t), Tensor of x's shape; t (N,) in (0, 1]."""
        a, s = self._signal_and_noise(t, x)
        return self.network(x * (1 / xp.sqrt(a**2 + s**2)), 1000 * t) / s

    def loss(self, batch, rng):
        x = self.observe(batch["x"], rng)
        t = rng.uniform(EARLIEST, 1.0, size=len(x))
        return {"loss": self.weighted(x, t, normal(rng, x.shape)).mean()}

    def weighted(self, x, t, eps):
        """lambda(t) |s_theta + eps / s|^2 of each example, Tensor (N,)."""
        a, s = self._signal_and_noise(t, x)
        return 2 * s.reshape(len(x)) ** 2 * denoising(partial(self, t=t), a * x, eps, s)  # course 9.7

    def observe(self, x, rng):
        """Data as the density is of: points as they are, integer images with noise as wide as a gray level, on
        [-1, 1]."""
        if self.space.levels is None:
            return self.space.signed(x)
        self.space.check(x)
        return asarray(2 * dequantize(x, self.space.levels, rng) - 1, default_dtype)

    def _signal_and_noise(self, t, x):
        shape = (-1, *[1] * (x.ndim - 1))
        return (xp.asarray(number, x.dtype).reshape(shape) for number in self.sde.level(t)[:2])

    @property
    def denoise(self):
        """The network as samplers take it: (x_t, level) -> x_0."""
        return denoiser(self, "score")

    def sample(self, n, rng):
        def draw(part):
            x = self.levels[0].s * normal(rng, (len(part), *self.space.shape))
            return self._drawn(self.sampler(self.denoise, x, self.levels, rng=rng))

        return in_chunks(draw, range(n), CHUNK)

    def _drawn(self, x):
        """What `observe` makes of data, back as data are drawn."""
        if self.space.levels is None:
            return self.space.from_signed(x)
        levels = self.space.levels
        return self.space.from_unit(xp.floor((x + 1) / 2 * levels).clip(0, levels - 1) / (levels - 1))

    def log_likelihood(self, x, rng, steps=100):
        """log p of what `observe` returns, NumPy (N,), nats: in so many of Heun's steps, with one random direction for
        the trace of each example, or exact in few dimensions."""
        levels = self.sde.levels(steps, EARLIEST, power=2.0)
        return ode_log_likelihood(differentiable(self, "score"), x, levels, directions(x, rng))[0]

    def measure(self, batch, rng):
        """-log p, by the equation without noise; of images, where x stands for its cell, a bound of -log P."""
        x = self.observe(batch["x"][:self.judged], rng)
        steps = 100 if self.space.levels is None else 25
        nats = -in_chunks(lambda x: self.log_likelihood(x, rng, steps), x, CHUNK)
        detail = f"probability flow, N = {len(x)}, {steps} steps"
        if self.space.levels is None:
            return [Measure("NLL", *mean_interval(nats), "nats", detail)]
        nats = nats + self.space.size * math.log(self.space.levels / 2)  # cells are 2 / levels wide
        bits = nats / (self.space.size * math.log(2.0))
        detail += ", a random direction, uniform dequantization"
        return [Measure("-bound", *mean_interval(nats), "nats", detail),
                Measure("-bound", *mean_interval(bits), "bits/dim", detail)]
