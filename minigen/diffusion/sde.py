"""Diffusion in continuous time: a stochastic differential equation takes the data apart, another puts them together.

    dx = f(t) x dt + g(t) dw                                     t from 0, data, to 1, noise                   (eq. 5)
    dx = [f(t) x - g(t)^2 score(x, t)] dt + g(t) dw              the same process, backwards: t from 1 to 0    (eq. 6)
    dx = [f(t) x - g(t)^2 score(x, t) / 2] dt                    no noise, but the same densities of x_t       (eq. 13)

All three of the paper are linear in x, so that x_t = a x_0 + s eps, a level as any other, and what f and g say of a and
s is a' = f a and (s^2)' = 2 f s^2 + g^2:

    VE        f = 0            g = sigma^t               a = 1             s^2 = (sigma^2t - 1) / (2 log sigma)
    VP        f = -beta / 2    g^2 = beta                a = e^(-B / 2)    s^2 = 1 - e^-B
    sub-VP    f = -beta / 2    g^2 = beta (1 - e^-2B)    a = e^(-B / 2)    s = 1 - e^-B

with beta(t) = beta_0 + t (beta_1 - beta_0) and B(t) its integral from 0. VE explodes: where NCSN's steps go; VP keeps
the variance: where DDPM's go, with more and more steps; sub-VP has less variance than VP everywhere.

The third equation is the one that samplers.py solves, written in a and s: dx = x_0 da + eps ds. Its likelihood is in
ode_likelihood.py. The second needs f and g, and is solved here, by Euler and Maruyama's method.

Source: Song et al. 2021, "Score-based generative modeling through stochastic differential equations"; VE's g is that of
its tutorial, with sigma = 25: sd(1) = 9.845. Symbols: w Wiener process, t time. Read before this: levels.py,
samplers.py. Read next: ode_likelihood.py, models/diffusion/score_sde.py.
"""
import math

import numpy as np

from autograd.backend import normal, xp

from ..energy.langevin import langevin
from .annealed import score_at
from .levels import CLEAN, Level
from .samplers import descent


class SDE:
    """f(t), g2(t) = g(t)^2, and a(t), s(t): NumPy functions of t in [0, 1], a number or an array."""

    def level(self, t):
        return Level(self.a(t), self.s(t), t)

    def levels(self, steps, end=1e-3, power=1.0):
        """t from 1 to `end` in even steps of t^(1 / power), and 0: `steps` + 1 levels. With power 2 the steps near the
        data are short, where s goes with sqrt(t)."""
        if steps < 2 or not 0.0 < end < 1.0:
            raise ValueError(f"{type(self).__name__}: steps is {steps}, end is {end}; expected at least 2 steps, to an "
                             "end between 0 and 1")
        times = np.linspace(1.0, end ** (1.0 / power), steps) ** power
        return [*(Level(float(self.a(t)), float(self.s(t)), t) for t in times.tolist()), CLEAN]


class VE(SDE):
    """Variance exploding."""

    def __init__(self, sigma=25.0):
        if not sigma > 1.0:
            raise ValueError(f"VE: sigma is {sigma}, expected above 1: g = sigma^t")
        self.sigma = sigma

    def f(self, t):
        return 0.0 * t

    def g2(self, t):
        return self.sigma ** (2.0 * t)

    def a(self, t):
        return 1.0 + 0.0 * t

    def s(self, t):
        return np.sqrt(np.expm1(2.0 * math.log(self.sigma) * t) / (2.0 * math.log(self.sigma)))  # course 9.7


class VP(SDE):
    """Variance preserving."""

    def __init__(self, beta_0=0.1, beta_1=20.0):
        if not 0.0 < beta_0 <= beta_1:
            raise ValueError(f"{type(self).__name__}: beta runs from {beta_0} to {beta_1}, expected above 0, and up")
        self.beta_0, self.beta_1 = beta_0, beta_1

    def beta(self, t):
        return self.beta_0 + t * (self.beta_1 - self.beta_0)

    def B(self, t):
        return self.beta_0 * t + 0.5 * t * t * (self.beta_1 - self.beta_0)

    def f(self, t):
        return -0.5 * self.beta(t)

    def g2(self, t):
        return self.beta(t)

    def a(self, t):
        return np.exp(-0.5 * self.B(t))

    def s(self, t):
        return np.sqrt(-np.expm1(-self.B(t)))


class SubVP(VP):
    """VP with less noise: s is the square of VP's."""

    def g2(self, t):
        return self.beta(t) * -np.expm1(-2.0 * self.B(t))

    def s(self, t):
        return -np.expm1(-self.B(t))


def euler_maruyama(denoise, x, levels, *, rng, sde):
    """A sampler as in samplers.py, for the levels of this SDE: eq. 6 backwards. The last step, to t = 0, adds no noise,
    which would stay in the picture."""
    for t, s in descent(levels):
        dt = t.t - s.t
        x = x - (sde.f(t.t) * x - sde.g2(t.t) * score_at(denoise, t)(x)) * dt  # course 9.6
        if s.s > 0:
            x = x + math.sqrt(sde.g2(t.t) * dt) * normal(rng, x.shape, x.dtype)
    return x


def predictor_corrector(denoise, x, levels, *, rng, predictor, snr=0.16):
    """A sampler that takes each step by another one, the predictor, and mends x by a step of Langevin's walk where it
    led to: algorithm 1, with the corrector of algorithms 4 and 5.

    snr: r of the paper, how long the walk's step along the score is beside its noise: epsilon = 2 (r |z| / |score|)^2.
    """
    if not snr > 0.0:
        raise ValueError(f"predictor_corrector: snr is {snr}, expected above 0")
    for t, s in descent(levels):
        x = predictor(denoise, x, [t, s], rng=rng)
        if s.s > 0:
            score = score_at(denoise, s)(x)
            length = float(xp.sqrt((score**2).reshape(len(x), -1).sum(axis=1)).mean()) if len(x) else 1.0
            epsilon = 2.0 * (snr * math.sqrt(x[:1].size) / length) ** 2
            x = langevin(lambda _, score=score: score, x, 1, 2.0 * epsilon, rng=rng)
    return x
