"""Samplers: from noise x_T back to an image x_0, by a denoiser.

All have one signature,

    sampler(denoise, x_T, schedule, steps=None, *, rng) -> x_0

denoise(x_t, t) -> x_0 as in predict.py; x_T ~ N(0, I), an array (N, ...); steps: how many of the schedule's T steps to
take, evenly spaced, all of them for None. They differ in one line: given x_t and the denoiser's x_0, the mean and the
deviation of x_s, the next one on the way down (s = t - 1 if no step is left out).

    ancestral        q(x_s | x_t, x_0), with the variance beta of q(x_t | x_s) for that of the posterior
    ancestral_tilde  q(x_s | x_t, x_0) itself: its variance is beta_tilde
    ddim             x_0 and eps put together anew with the noise of level s, a share eta of it fresh

DDPM (Ho et al. 2020), section 3.2: beta is the right variance if x_0 is itself N(0, I), beta_tilde if it is one point;
they agree over many steps. Over few, beta is much too large, and leaves its noise in the picture.

Sources: DDPM, algorithm 2; DDIM (Song, Meng & Ermon 2021), eqs. 12 and 16. Read before this: predict.py.
"""
import math

import numpy as np

from autograd.backend import normal


def ancestral(denoise, x_T, schedule, steps=None, *, rng):
    """Algorithm 2 of DDPM with sigma_t^2 = beta_t: x_s = mu_tilde(x_t, x_0) + sqrt(beta) z."""
    return _descend(move_ancestral, denoise, x_T, schedule, steps, rng)


def ancestral_tilde(denoise, x_T, schedule, steps=None, *, rng):
    """Algorithm 2 of DDPM with sigma_t^2 = beta_tilde_t: x_s ~ q(x_s | x_t, x_0)."""
    return _descend(move_ancestral_tilde, denoise, x_T, schedule, steps, rng)


def ddim(denoise, x_T, schedule, steps=None, *, rng=None, eta=0.0):
    """DDIM, eqs. 12 and 16. eta = 0 adds no noise: x_0 is a function of x_T. eta = 1 is ancestral_tilde."""
    return _descend(move_ddim(eta), denoise, x_T, schedule, steps, rng)


# Moves: (schedule, t, s) -> (k_0, k_t, sigma), with x_s = k_0 x_0 + k_t x_t + sigma z


def move_ancestral(schedule, t, s):
    c_0, c_t, _ = schedule.posterior(t, s)
    beta = 1.0 - schedule.alpha_bar[t] / schedule.alpha_bar[s]  # of the steps from s to t as one
    return float(c_0), float(c_t), math.sqrt(beta) if s > 0 else 0.0  # z = 0 in the last step


def move_ancestral_tilde(schedule, t, s):
    c_0, c_t, variance = schedule.posterior(t, s)
    return float(c_0), float(c_t), math.sqrt(variance)


def move_ddim(eta=0.0):
    """The move for this eta."""
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"ddim: eta is {eta}, expected 0 (no fresh noise) to 1 (as much as the ancestral sampler)")

    def move(schedule, t, s):
        alpha_bar_t, alpha_bar_s = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[s])
        sigma = eta * math.sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) * math.sqrt(1 - alpha_bar_t / alpha_bar_s)
        direction = math.sqrt(max(0.0, 1 - alpha_bar_s - sigma**2))  # "pointing to x_t": times eps, which is
        k_t = direction / math.sqrt(1 - alpha_bar_t)  # (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t)
        return math.sqrt(alpha_bar_s) - k_t * math.sqrt(alpha_bar_t), k_t, sigma

    return move


def descent(schedule, steps=None):
    """The pairs (t, s) on the way down: T first, s = 0 last."""
    times = [0, *schedule.subsequence(steps).tolist()]
    return list(zip(times[:0:-1], times[-2::-1]))


def _descend(move, denoise, x_T, schedule, steps, rng):
    """x_T -> ... -> x_t -> x_s -> ... -> x_0."""
    x_t = x_T
    for t, s in descent(schedule, steps):
        x_0 = denoise(x_t, np.full(len(x_t), t))
        k_0, k_t, sigma = move(schedule, t, s)
        x_t = k_0 * x_0 + k_t * x_t
        if sigma > 0.0:
            if rng is None:
                raise ValueError("this sampler adds noise in every step; pass rng=")
            x_t = x_t + sigma * normal(rng, x_t.shape, x_t.dtype)
    return x_t
