"""Samplers: from noise back to an image, by a denoiser, down a list of levels. All have one signature,

    sampler(denoise, x, levels, *, rng) -> x_0

for every noise process: denoise(x_t, level) -> x_0 as in predict.py; x an array (N, ...), distributed as x_t is at
levels[0]; levels as in levels.py, from there down to (a, s) = (1, 0), e.g. schedule.levels(50).

Three of them are linear but for the denoiser. They differ in one line, the *move*: given x_t and the denoiser's x_0,
what x_s is, at the next level s.

    ancestral        q(x_s | x_t, x_0), with the variance of q(x_t | x_s) for that of the posterior
    ancestral_tilde  q(x_s | x_t, x_0) itself
    ddim             x_0 and eps put together anew with the noise of level s, a share eta of it fresh

DDPM (Ho et al. 2020), section 3.2: the first variance is right if x_0 is itself N(0, I), the second if it is one point;
they agree over many steps. Over few, the first is much too large, and leaves its noise in the picture.

Without fresh noise, eta = 0, x_0 is a function of x: ddim follows an ordinary differential equation, whose solution has
at each level the distribution of x_t. As x = a x_0 + s eps, it is simply

    dx = x_0 da + eps ds,   x_0 = denoise(x, level),   eps = (x - a x_0) / s

and ddim is Euler's method for it. So are these, with smaller errors for as many steps:

    euler            ddim with eta = 0, by its other name
    heun             the mean of the slopes at both ends of a step: two calls of the denoiser
    dpm_pp           x_0, not the slope, goes on as it went in the last step: one call a step

The error at the end falls as 1 / steps with euler, as 1 / steps^2 with the other two (tests/minigen/diffusion/
test_orders.py measures it). And where x_0 is no mean, but the end of the path, as in models distilled from a diffusion:

    renoise          x_0 with all of the noise of level s, fresh

Sources: DDPM, algorithm 2; DDIM (Song, Meng & Ermon 2021), eqs. 12 and 16; EDM (Karras et al. 2022), algorithm 1;
DPM-Solver++ (Lu et al. 2022), algorithm 2 (2M). Read before this: predict.py.
"""
import math
from itertools import pairwise

from autograd.backend import normal

from .levels import posterior


def ancestral(denoise, x, levels, *, rng):
    """Algorithm 2 of DDPM with sigma_t^2 = beta_t: x_s = mu_tilde(x_t, x_0) + sqrt(beta) z."""
    return _descend(move_ancestral, denoise, x, levels, rng)


def ancestral_tilde(denoise, x, levels, *, rng):
    """Algorithm 2 of DDPM with sigma_t^2 = beta_tilde_t: x_s ~ q(x_s | x_t, x_0)."""
    return _descend(move_ancestral_tilde, denoise, x, levels, rng)


def ddim(denoise, x, levels, *, rng=None, eta=0.0):
    """DDIM, eqs. 12 and 16. eta = 0 adds no noise: x_0 is a function of x. eta = 1 is ancestral_tilde."""
    return _descend(move_ddim(eta), denoise, x, levels, rng)


euler = ddim


def heun(denoise, x, levels, *, rng=None):
    """Algorithm 1 of EDM, for any a: Euler's step, and then a better one with the mean of the slopes at its two ends.

    To the image itself, s = 0, there is no slope, and Euler's step stays.
    """
    for t, s in descent(levels):
        x = heun_step(denoise, x, t, s) if s.s > 0 else s.a * denoise(x, t)
    return x


def heun_step(denoise, x, t, s):
    """x_s from x_t = x. t, s: levels of numbers, or of arrays that broadcast against x; s.s above 0."""
    x_0 = denoise(x, t)
    eps = (x - t.a * x_0) / t.s
    x_s = s.a * x_0 + s.s * eps
    x_0_s = denoise(x_s, s)
    eps_s = (x_s - s.a * x_0_s) / s.s
    return x + (s.a - t.a) * 0.5 * (x_0 + x_0_s) + (s.s - t.s) * 0.5 * (eps + eps_s)


def renoise(denoise, x, levels, *, rng=None):
    """x_0 under the noise of the next level, all of it fresh: for a denoiser whose one step is as good as many, a
    consistency model's (Song et al. 2023, algorithm 1, where x_0 has the least noise in it; here none)."""
    return _descend(move_renoise, denoise, x, levels, rng)


def dpm_pp(denoise, x, levels, *, rng=None):
    """DPM-Solver++(2M): ddim's move with D, the x_0 half way, in the place of x_0.

    D = x_0 + (x_0 - x_0 of the step before) / (2 r),   r = h before / h,   h the step in lambda = log(a / s)
    The first step is ddim's. So are the last two on the way to s = 0: that level is infinitely far in lambda, and the
    one before it often so much farther than those before, that x_0 would overshoot.
    """
    steps, before = descent(levels), None  # (x_0, h) of the step before
    last = len(steps) - 2 if levels[-1].s == 0 else len(steps)
    for i, (t, s) in enumerate(steps):
        x_0 = D = denoise(x, t)
        h = _log_snr(s) - _log_snr(t)
        if i < last and before and math.isfinite(before[1]):
            D = x_0 + (x_0 - before[0]) * (0.5 * h / before[1])
        k_0, k_t, _ = move_ddim()(t, s)
        x, before = k_0 * D + k_t * x, (x_0, h)
    return x


def descent(levels):
    """The steps down, pairs (level t, level s below it). ValueError if there is none, or one does not lead down."""
    steps = list(pairwise(levels))
    if not steps:
        raise ValueError(f"a sampler needs two levels or more, got {len(levels)}; for instance schedule.levels(50)")
    for t, s in steps:
        if s.s * t.a >= t.s * s.a:
            raise ValueError(f"levels go from ({t}) to ({s}), whose noise s / a is no lower; pass them from the "
                             "noisiest down, for instance schedule.levels(50)")
    return steps


def _log_snr(level):
    return math.log(level.a / level.s) if level.a > 0 and level.s > 0 else math.inf if level.a > 0 else -math.inf


# Moves: (level t, level s below it) -> (k_0, k_t, sigma), with x_s = k_0 x_0 + k_t x_t + sigma z


def move_ancestral(t, s):
    c_0, c_t, _, added = posterior(t, s)
    return c_0, c_t, math.sqrt(max(0.0, added)) if s.s > 0 else 0.0  # z = 0 in the last step


def move_ancestral_tilde(t, s):
    c_0, c_t, variance, _ = posterior(t, s)
    return c_0, c_t, math.sqrt(max(0.0, variance))


def move_ddim(eta=0.0):
    """The move for this eta."""
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"ddim: eta is {eta}, expected 0 (no fresh noise) to 1 (as much as the ancestral sampler)")

    def move(t, s):
        sigma = eta * math.sqrt(max(0.0, posterior(t, s)[2])) if eta else 0.0
        direction = math.sqrt(max(0.0, s.s**2 - sigma**2))  # "pointing to x_t": times eps, which is (x_t - a x_0) / s
        k_t = direction / t.s
        return s.a - k_t * t.a, k_t, sigma  # course 9.8

    return move


def move_renoise(t, s):
    return s.a, 0.0, s.s


MOVES = {ancestral: move_ancestral, ancestral_tilde: move_ancestral_tilde, ddim: move_ddim()}


def _descend(move, denoise, x, levels, rng):
    """x -> ... -> x_t -> x_s -> ... -> x_0."""
    for t, s in descent(levels):
        k_0, k_t, sigma = move(t, s)
        x = k_0 * denoise(x, t) + k_t * x
        if sigma > 0.0:
            if rng is None:
                raise ValueError("this sampler adds noise in every step; pass rng=")
            x = x + sigma * normal(rng, x.shape, x.dtype)
    return x
