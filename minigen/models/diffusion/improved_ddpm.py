"""Improved DDPM: the variance of each step back is learned too, for each pixel, between the two that are known.

    Sigma_theta(x_t, t) = exp(v log beta_t + (1 - v) log beta_tilde_t)                                       (eq. 15)
    L_hybrid            = L_simple + lambda L_vlb,   lambda = 0.001                                          (eq. 16)
    L_vlb               = E_{t ~ p_t}[L_t / p_t],    p_t ~ sqrt(E[L_t^2])                                    (eq. 18)

beta_t is right for data of variance 1 and beta_tilde_t for one point (DDPM, section 3.2): what data need is in between,
and the network says where, by v, which is a second image that it returns beside eps. L_simple knows no variance. L_vlb
does, and is the bound itself; of it only v learns here: the mean within it is a constant, as its own gradient is far
noisier than that of L_simple.

Over many steps the two are alike, but in the first few; there most of the bound is. And over few steps, S of T, they
are not, and fixed ones are wrong by much, while v means the same: eq. 15 with the betas of the S steps.

L_vlb is a sum of T terms and one of them is drawn, so it is T times that term, on average; t = 1 is not a KL but the
probability of the pixels. Its unit here is bits per dimension, as in the authors' code, and L_simple is a mean over
dimensions: with lambda the first is a small share of the loss. Drawn by eq. 18, terms that are large are drawn often,
and count less each: L_vlb is the same, its gradient less noisy. As the paper says, L_hybrid needs it not, and
takes t ~ U{1, .., T}.

Source: Nichol & Dhariwal 2021, "Improved denoising diffusion probabilistic models". Symbols: N images, T steps, v on
[0, 1] where the network says [-1, 1]. Read before this: ddpm.py, diffusion/bound.py.
Course: 9.8.
"""
import math

import numpy as np

from autograd import Tensor, no_grad, where
from autograd.backend import asarray, normal, to_numpy, xp
from autograd.batch import whole

from ...diffusion import bits_per_dim, clipped, convert, denoiser
from ...diffusion.bound import log_discretized_normal, step_divergence
from ...diffusion.levels import posterior
from ...diffusion.samplers import descent
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 250  # images that are drawn or measured at a time
STRATA = 20  # terms of the bound that are measured, of T
HISTORY = 10  # losses of each t that eq. 18 remembers


class ImprovedDDPM(Module):
    """network(x_t, t) -> (N, 2 C, H, W): eps and v, of images of this space, scaled to [-1, 1]. steps: in how
    many `sample` draws. times: what draws t in training, UniformTimes(T) or ImportantTimes(T). weight: lambda."""

    judged = 1000  # samples for the judges, and images whose bound is measured

    def __init__(self, network, schedule, space, steps=50, times=None, weight=0.001):
        if not space.is_image or space.levels is None:
            raise ValueError(f"ImprovedDDPM: shape {space.shape} is that of points; this model takes images")
        self.network, self.schedule, self.space, self.weight = network, schedule, space, weight
        self.times = times or UniformTimes(schedule.T)
        self.levels = schedule.levels(steps)

    def players(self):
        return [Player("ddpm", self.network.parameters(), self.loss)]

    def said(self, x_t, t):
        """eps (N, C, H, W) and v on [0, 1], Tensors."""
        said, C = self.network(x_t, t), self.space.shape[0]
        return said[:, :C], (said[:, C:] + 1) * 0.5

    def loss(self, batch, rng):
        x_0 = self.space.signed(batch["x"])
        t, weights = self.times.draw(len(x_0), rng)
        eps = normal(rng, x_0.shape)
        simple, vlb = self.terms(x_0, t, eps)
        if self.training:
            self.times.note(whole(t), whole(to_numpy(vlb.data)))
        simple, vlb = (asarray(weights) * simple).mean(), (asarray(weights) * vlb).mean()
        return {"L_hybrid": simple + self.weight * vlb, "L_simple": simple, "L_vlb": vlb}

    def terms(self, x_0, t, eps):
        """For each image |eps - eps_theta|^2, a mean over pixels, and T L_t in bits per dimension, Tensors (N,)."""
        x_t, level = self.schedule.q_sample(x_0, t, eps), self.schedule.level(t)
        eps_theta, v = self.said(Tensor(x_t), level.t)
        guess = xp.clip(convert(eps_theta.data, "eps", "x0", x_t, level), -1, 1)  # a constant: L_vlb does not move it
        log_sigma2 = self.log_sigma2(v, t)
        later = step_divergence(x_0, guess, log_sigma2, np.maximum(t, 2), self.schedule)
        first = -log_discretized_normal(x_0, guess, (0.5 * log_sigma2).exp(), self.space.levels)
        one = asarray(t == 1).reshape(-1, *[1] * (x_0.ndim - 1))
        over_pixels = lambda y: y.reshape(len(x_0), -1).mean(axis=1)
        vlb = over_pixels(where(one, first, later)) * (self.schedule.T / math.log(2.0))
        return over_pixels((eps_theta - eps) ** 2), vlb

    def log_sigma2(self, v, t, schedule=None):
        """Eq. 15, of v (N, ...), a Tensor or an array; t (N,) steps of the model's schedule, or of another."""
        schedule = schedule or self.schedule
        return between(v, schedule.beta[t], lower_variance(schedule)[t])

    # Drawing and measuring

    @property
    def denoise(self):
        """The eps half as samplers take it: (x_t, level) -> x_0, kept within [-1, 1]."""
        return clipped(denoiser(self._eps, "eps"))

    def _eps(self, x_t, t):
        return self.said(x_t, t)[0]

    def draw(self, x, levels, rng):
        """Down these levels by N(mu, Sigma_theta): a sampler as in diffusion/samplers.py, but for the network's v."""
        for t, s in descent(levels):
            with no_grad():
                eps, v = (y.data for y in self.said(Tensor(x), np.full(len(x), t.t)))
            x_0 = xp.clip(convert(eps, "eps", "x0", x, t), -1.0, 1.0)
            c_0, c_t, beta_tilde, beta = posterior(t, s)
            x = c_0 * x_0 + c_t * x
            if s.s > 0:
                sigma = xp.exp(0.5 * between(v, beta, beta_tilde))
                x = x + sigma * normal(rng, x.shape, x.dtype)
        return x

    def sample(self, n, rng):
        draw = lambda part: self.draw(normal(rng, (len(part), *self.space.shape)), self.levels, rng)
        return in_chunks(lambda part: self.space.from_signed(draw(part)), range(n), CHUNK)

    def bound(self, x, rng, steps=None, variance="learned", strata=STRATA):
        """Of integer images x, in bits per dimension, NumPy (N,), of the process in so many steps, all for None.
        variance: learned, or one of the tables of the schedule, beta and beta_tilde."""
        schedule = self.schedule if steps is None else self.schedule.respaced(steps)

        def learned(x_t, t):
            with no_grad():
                return xp.exp(self.log_sigma2(self.said(Tensor(x_t), schedule.told[t])[1].data, t, schedule))

        known = {"learned": learned, "beta": schedule.beta, "beta_tilde": lower_variance(schedule)}
        if variance not in known:
            raise ValueError(f"bound: variance is {variance!r}, expected one of {', '.join(known)}")
        measured = lambda x: bits_per_dim(self.denoise, self.space.signed(x), schedule, self.space.levels, rng, strata,
                                          known[variance])
        return in_chunks(measured, x, CHUNK)

    def measure(self, batch, rng):
        x = batch["x"][:self.judged]
        bits = self.bound(x, rng)
        nats = self.space.size * math.log(2.0)
        mean, half_width = mean_interval(bits)
        detail = f"variational bound, N = {len(x):,}, T = {self.schedule.T}, {STRATA + 1} of its terms drawn per image"
        return [Measure("NLL", mean, half_width, "bits/dim", detail),
                Measure("NLL", mean * nats, half_width * nats, "nats", "the same per image")]


def lower_variance(schedule):
    """beta_tilde, T + 1 entries; for beta_tilde_1, which is 0, stands beta_tilde_2, as in the authors' code."""
    table = schedule.beta_tilde.copy()
    table[:2] = table[2] if schedule.T > 1 else schedule.beta[1]
    return table


def between(v, beta, beta_tilde):
    """v log beta + (1 - v) log beta_tilde, for v (N, ...) and numbers, or NumPy arrays (N,), one for each example."""
    per_example = (-1, *[1] * (v.ndim - 1))
    high, low = (asarray(np.log(np.reshape(number, per_example)), v.dtype) for number in (beta, beta_tilde))
    return v * high + (1.0 - v) * low  # course 9.8


class UniformTimes(Module):
    """t ~ U{1, ..., T}; each counts the same."""

    def __init__(self, T):
        self.T = T

    def draw(self, n, rng):
        """t (n,) and the weights 1 / (T p_t) of what is measured at each."""
        return rng.integers(1, self.T + 1, size=n), np.ones(n, np.float32)

    def note(self, t, losses):
        pass


class ImportantTimes(Module):
    """p_t ~ sqrt(E[L_t^2]), over the last HISTORY losses of each t; uniform until all have so many: eq. 18."""

    def __init__(self, T):
        self.T = T
        self.register_buffer("losses", np.zeros((T, HISTORY), np.float32))
        self.register_buffer("counts", np.zeros(T, np.int64))

    def p(self):
        """p_t (T,), of t = 1..T."""
        if self.counts.min() < HISTORY:
            return np.full(self.T, 1.0 / self.T)
        p = np.sqrt((np.float64(self.losses) ** 2).mean(axis=1))
        return p / p.sum()

    def draw(self, n, rng):
        p = self.p()
        t = rng.choice(self.T, size=n, p=p)
        return t + 1, np.float32(1.0 / (self.T * p[t]))

    def note(self, t, losses):
        """Losses (n,) of times t (n,): each takes the place of the oldest of its t."""
        for row, loss in zip(t - 1, losses):
            self.losses[row, self.counts[row] % HISTORY] = loss
            self.counts[row] += 1
