"""Annealed Langevin dynamics: a walk at each level in turn, from the noisiest down. A sampler like samplers.py's.

    alpha_i = rate sigma_i^2                                         the step's length, algorithm 1 of NCSN
    x <- x + alpha_i / 2 score(x, sigma_i) + sqrt(alpha_i) z         T times, then the next level

A walk along the score of the data alone stays in the mode where it began: between modes far apart there is no data, so
no slope that was learnt, and even with the exact score it takes exponentially long to get across. So modes are hit as
often as their basins are wide, whatever their weights. Where there is much noise the modes run into one another, and
the walk gets around; on the way down each level only has to sharpen what the one before has left.

The score's length goes with 1 / sigma_i, so steps that go with sigma_i^2 move by the same share of sigma_i at each
level. (The paper writes epsilon sigma_i^2 / sigma_L^2; rate is its epsilon / sigma_L^2, 0.2.)

Each level is left with more noise than it has, some of that which x came with, some since steps are long; after few
steps it is much, and the network, which is told sigma_i, takes out too little. `rate_for` chooses the rate that leaves
least: Song & Ermon 2020, "Improved techniques", technique 4. Of data in one point the variance, over sigma_i^2, is

    v <- (1 - rate / 2)^2 v + rate           from v = gamma^2, where gamma = sigma_{i-1} / sigma_i

Source: Song & Ermon 2019, algorithm 1; the last step, to the denoiser's x_0, from Jolicoeur-Martineau et al. 2021: what
the walk ends with still has noise sigma_L in it. Read before this: samplers.py, energy/langevin.py.
"""
import numpy as np

from ..energy.langevin import langevin
from .predict import convert
from .samplers import descent


def annealed_langevin(denoise, x, levels, *, rng, steps=100, rate=0.2):
    """steps: T, at each level. rate: a step's variance over that of the level's noise; unstable beyond 4.

    ValueError for a rate that is not above 0 and below 4, or levels that do not lead down.
    """
    if not 0.0 < rate < 4.0:
        raise ValueError(f"annealed_langevin: rate is {rate}, expected above 0 and below 4, where the walk flies off")
    for level, _ in descent(levels):
        x = _walk(denoise, x, level, steps, rate, rng)
    last = levels[-1]
    return _walk(denoise, x, last, steps, rate, rng) if last.s > 0 else denoise(x, levels[-2])


def _walk(denoise, x, level, steps, rate, rng):
    return langevin(score_at(denoise, level), x, steps, rate * level.s**2, rng=rng)


def score_at(denoise, level):
    """The denoiser's score at this level, as a function of states x alone."""
    return lambda x: convert(denoise(x, level), "x0", "score", x, level)


def rate_for(levels, steps):
    """The rate at which so many steps leave a level's variance nearest to what it is, for geometric_levels."""
    gamma = levels[0].s / levels[1].s
    rates = np.linspace(0.01, 2.0, 200)
    return float(rates[np.argmin(np.abs(variance_left(gamma, rates, steps) - 1.0))])


def variance_left(gamma, rate, steps):
    """v after so many steps."""
    v = gamma**2
    for _ in range(steps):
        v = (1.0 - rate / 2.0) ** 2 * v + rate
    return v
