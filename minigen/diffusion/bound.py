"""The variational bound of a diffusion on -log p(x_0), in bits per dimension, for any denoiser.

    -log p(x_0) <= L_T + L_{T-1} + ... + L_1 + L_0                                                       (eq. 5)

    L_T     = KL(q(x_T | x_0) || N(0, I))                           what the noise at T still knows of x_0
    L_{t-1} = E KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))       t = 2..T, x_t ~ q(x_t | x_0)
    L_0     = E -log p(x_0 | x_1)                                   t = 1: x_0 are pixels of so many levels

p(x_{t-1} | x_t) is q's posterior with the denoiser's x_0 in place of the true one and sigma_t^2 in place of
beta_tilde_t: a Gaussian, whose KL from q's is in closed form. p(x_0 | x_1) is the mass of that Gaussian on the interval
of pixel values that are rounded to x_0 (eq. 13).

Each image costs one call of the denoiser per term. Drawing some of the terms at random, one from every stretch of
neighbours, gives an estimate that is right on average: see bits_per_dim. What is one number for each pixel here is made
of ops, so that a learned variance can descend it: models/diffusion/improved_ddpm.py.

Source: Ho et al. 2020, sections 3.1 to 3.3. Units: nats, but bits per dimension where the name says so.
Read before this: schedule.py, predict.py.
"""
import math

import numpy as np

from autograd import as_tensor, exp, expm1, log, record, where
from autograd.backend import asarray, normal, special, to_numpy, xp

from ..densities import LOG_2PI, kl_normal

FAR = 1e6  # standard deviations: as good as infinitely many, but that its density's logarithm is a number


def prior_term(x_0, schedule):
    """L_T, (N,): sum over dimensions of KL(N(sqrt(alpha_bar_T) x_0, 1 - alpha_bar_T) || N(0, 1))."""
    alpha_bar = float(schedule.alpha_bar[-1])
    return _per_image(0.5 * (alpha_bar * x_0 * x_0 - alpha_bar - math.log1p(-alpha_bar)))


def step_term(denoise, x_0, t, schedule, rng, variance=None):
    """L_{t-1} of each image for its own t, (N,), with one draw of x_t for the expectation.

    x_0: images (N, ...). t: (N,) integers in 2..T. variance: sigma_t^2, T + 1 entries as in a Schedule, or a function
    of (x_t, t) that gives one for each number of x_t; schedule.beta if left out.
    """
    if np.min(t) < 2:
        raise ValueError(f"step_term: t runs from {np.min(t)}, expected 2 to T = {schedule.T}; for t = 1: decoder_term")
    x_t, guess = _guess(denoise, x_0, t, schedule, rng)
    sigma2 = _sigma2(variance, x_t, t, schedule)
    return _per_image(step_divergence(x_0, guess, xp.log(sigma2), t, schedule).data)


def decoder_term(denoise, x_0, schedule, levels, rng, variance=None):
    """L_0 of each image, (N,), with one draw of x_1. x_0: (N, ...) on [-1, 1], of so many levels."""
    one = np.ones(len(x_0), int)
    x_1, guess = _guess(denoise, x_0, one, schedule, rng)  # the mean of p(x_0 | x_1): eq. 7 at t = 1
    sigma = xp.sqrt(_sigma2(variance, x_1, one, schedule))
    return -_per_image(log_discretized_normal(x_0, guess, sigma, levels).data)


def step_divergence(x_0, guess, log_sigma2, t, schedule):
    """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) of every number of x_0, a Tensor (N, ...): of two Gaussians whose
    means differ by c_0 (x_0 - guess), as the term with x_t cancels. guess, log_sigma2: arrays or Tensors."""
    c_0, _, beta_tilde = (asarray(np.reshape(number, (-1, *[1] * (x_0.ndim - 1))), x_0.dtype)
                          for number in schedule.posterior(t))
    return kl_normal(c_0 * x_0, xp.log(beta_tilde) + 0.0 * x_0, c_0 * as_tensor(guess), log_sigma2)  # course 9.3


def _guess(denoise, x_0, t, schedule, rng):
    """A draw of q(x_t | x_0), and the denoiser's x_0 from it."""
    x_t = schedule.q_sample(x_0, t, normal(rng, x_0.shape, x_0.dtype))
    return x_t, denoise(x_t, schedule.level(t))


def _sigma2(variance, x_t, t, schedule):
    """As an array that broadcasts against x_t."""
    if callable(variance):
        return variance(x_t, t)
    table = schedule.beta if variance is None else variance
    return asarray(table[t].reshape(-1, *[1] * (x_t.ndim - 1)), x_t.dtype)


def bits_per_dim(denoise, x_0, schedule, levels, rng, strata=None, variance=None):
    """The bound for each image, (N,), in bits per dimension.

    strata: t = 2..T is cut into so many stretches, and in each, one t per image is drawn for all of it: an unbiased
    estimate, exact in t (though not in x_t) for None, which calls the denoiser T times. variance: as in step_term.
    """
    strata = schedule.T - 1 if strata is None else min(strata, schedule.T - 1)
    N, dims = len(x_0), x_0[0].size
    edges = np.linspace(2, schedule.T + 1, strata + 1).astype(int)
    nats = prior_term(x_0, schedule) + decoder_term(denoise, x_0, schedule, levels, rng, variance)
    for low, high in zip(edges, edges[1:]):
        t = rng.integers(low, high, size=N)
        nats += (high - low) * step_term(denoise, x_0, t, schedule, rng, variance)
    return nats / (dims * math.log(2.0))


def log_discretized_normal(x, mean, sigma, levels):
    """log of the mass of N(mean, sigma^2) on the interval of x, one of so many levels on [-1, 1], a Tensor: eq. 13.

    The intervals are x +- 1 / (levels - 1); the lowest and the highest reach to infinity. mean, sigma: numbers, arrays
    or Tensors.
    """
    h = 1.0 / (levels - 1)
    scale = 1.0 / as_tensor(sigma)
    upper = where(x > 1.0 - h, FAR, (x + h - as_tensor(mean)) * scale)
    lower = where(x < -1.0 + h, -FAR, (x - h - as_tensor(mean)) * scale)
    flip = lower.data > 0  # the tail above: Phi(upper) - Phi(lower) = Phi(-lower) - Phi(-upper), and that is exact
    log_upper, log_lower = _log_ndtr(where(flip, -lower, upper)), _log_ndtr(where(flip, -upper, lower))
    return log_upper + log(-expm1(log_lower - log_upper))


def _log_ndtr(x):
    """log Phi(x), an op: its derivative is phi(x) / Phi(x)."""
    return record(special.log_ndtr(x.data), (x, lambda g, y: g * exp(-0.5 * x * x - 0.5 * LOG_2PI - y)),
                  keep_output=True)


def _per_image(values):
    """Sum over all axes but the first, as float64 NumPy: T such sums are added up."""
    return to_numpy(values.reshape(len(values), -1).sum(axis=1)).astype(np.float64)
