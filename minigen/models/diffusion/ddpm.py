"""DDPM: noise is added to an image in T small steps, and a network learns to take it out again.

    q(x_t | x_0)           = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I)                               (eq. 4)
    p_theta(x_{t-1} | x_t) = N(mu_theta(x_t, t), sigma_t^2 I),   sigma_t^2 = beta_t                      (section 3.2)
    mu_theta(x_t, t)       = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_theta(x_t, t)) / sqrt(alpha_t)    (eq. 11)
    L_simple               = E |eps - eps_theta(sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, t)|^2 (eq. 14)

The network eps_theta sees a noisy image and the time t, and says what in it is noise. To draw an image, start from
noise alone and do a T-th of what it says, T times, each time with a little fresh noise. L_simple is the variational
bound on -log p(x_0) with its terms weighted equally; `evaluate` reports the bound itself.

Source: Ho, Jain & Abbeel 2020, "Denoising diffusion probabilistic models".
Symbols: N images, T diffusion steps, t = 1..T, eps noise. Read before this: diffusion/schedule.py, nn/unet.py. Read
next: diffusion/predict.py and diffusion/samplers.py, which draw with fewer steps.
"""
import math

import numpy as np

from autograd import Tensor, mse_loss, no_grad
from autograd.backend import asarray, normal, to_numpy

from ...data import to_signed, to_unit
from ...diffusion import bits_per_dim, clipped, denoiser
from ...metrics import Figure, mean_interval
from ...nn import Module
from ...player import Player

CHUNK = 250  # images that are drawn or evaluated at a time
EVALUATED = 1000  # images at most
STRATA = 20  # terms of the bound that are evaluated, of T


class DDPM(Module):
    """network(x_t, t) -> eps, on images of so many gray levels and this shape, (C, H, W), scaled to [-1, 1].

    sampler: how `sample` draws: None for algorithm 2, or one of diffusion/samplers.py, to take fewer steps or others.
    judge: a function of samples and real images, both on [0, 1], that returns Figures; None for none.
    """

    def __init__(self, network, schedule, shape, levels, sampler=None, judge=None):
        if levels is None:
            raise ValueError(f"DDPM: shape {tuple(shape)} is that of points; this model takes images, e.g. digits")
        self.network, self.schedule, self.shape, self.levels = network, schedule, tuple(shape), levels
        self.sampler, self.judge = sampler, judge

    def players(self):
        return [Player("ddpm", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        """Algorithm 1: the loss that one step of training descends."""
        x_0 = self.signed(batch[0])  # 2: x_0 ~ q(x_0)
        t = rng.integers(1, self.schedule.T + 1, size=len(x_0))  # 3: t ~ Uniform({1, ..., T})
        eps = normal(rng, x_0.shape)  # 4: eps ~ N(0, I)
        x_t = self.schedule.q_sample(x_0, t, eps)
        return {"L_simple": mse_loss(self.network(x_t, t), Tensor(eps))}  # 5

    def generate(self, n, rng):
        """Algorithm 2: n images from noise in T steps, on [-1, 1]."""
        alpha, alpha_bar, beta = (table.tolist() for table in
                                  (self.schedule.alpha, self.schedule.alpha_bar, self.schedule.beta))
        x = normal(rng, (n, *self.shape))  # 1: x_T ~ N(0, I)
        for t in range(self.schedule.T, 0, -1):  # 2
            z = normal(rng, x.shape) if t > 1 else 0.0  # 3
            with no_grad():
                eps = self.network(x, np.full(n, t)).data
            mu = (x - beta[t] / math.sqrt(1.0 - alpha_bar[t]) * eps) / math.sqrt(alpha[t])  # eq. 11
            x = mu + math.sqrt(beta[t]) * z  # 4
        return x  # 6

    @property
    def denoise(self):
        """The network as the samplers of minigen.diffusion take it: (x_t, t) -> x_0, kept within [-1, 1]."""
        return clipped(denoiser(self.network, self.schedule, "eps"))

    def sample(self, n, rng):
        parts = []
        for size in [min(CHUNK, n - done) for done in range(0, n, CHUNK)]:
            if self.sampler is None:
                x = self.generate(size, rng)
            else:
                x = self.sampler(self.denoise, normal(rng, (size, *self.shape)), self.schedule, rng=rng)
            parts.append(to_numpy(x))
        return np.clip((np.concatenate(parts) + 1.0) / 2.0, 0.0, 1.0)

    def evaluate(self, x, y, rng):
        x = x[:EVALUATED]
        chunks = [self.signed(x[start : start + CHUNK]) for start in range(0, len(x), CHUNK)]
        bits = np.concatenate([bits_per_dim(self.denoise, x_0, self.schedule, self.levels, rng, STRATA)
                               for x_0 in chunks])
        mean, half_width = mean_interval(bits)
        nats = math.prod(self.shape) * math.log(2.0)
        note = f"variational bound, N = {len(x):,}, T = {self.schedule.T}, {STRATA + 1} of its terms drawn per image"
        figures = [Figure("NLL", mean, half_width, "bits/dim", note),
                   Figure("NLL", mean * nats, half_width * nats, "nats", "the same per image")]
        return figures + (self.judge(self.sample(len(x), rng), to_unit(x, self.levels)) if self.judge else [])

    def signed(self, x):
        """Images x (N, C, H, W) in 0..levels-1, scaled to [-1, 1]."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"DDPM: x has shape {x.shape}, expected {('N', *self.shape)}")
        return asarray(to_signed(x, self.levels))
