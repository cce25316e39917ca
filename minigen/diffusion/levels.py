"""Levels: what x_t is, for every noise process at once.

    x_t = a x_0 + s eps,   eps ~ N(0, I)

A level is the two numbers a (signal) and s (noise), and the t that the network is told. A way down is a list of levels,
from the noisiest to (a, s) = (1, 0), the image without noise; samplers know nothing else of a process.

    variance preserving     a^2 + s^2 = 1          schedule.py: DDPM, and what came of it
    variance exploding      a = 1                  karras_levels: Karras et al. 2022 (EDM), eq. 5;
                                                   geometric_levels: Song & Ermon 2019 (NCSN)
    straight lines          a = 1 - t, s = t       straight_levels: flow matching, Lipman et al. 2023

Source of this view: Karras et al. 2022, appendix B. Symbols: x_0 image, eps noise, sigma = s / a.
Read before this: nothing. Read next: schedule.py.
"""
from typing import NamedTuple

import numpy as np

from autograd.backend import asarray


class Level(NamedTuple):
    """a, s and t: numbers, or NumPy arrays (N,), one for each example."""

    a: float
    s: float
    t: float

    def __str__(self):
        return f"t = {self.t:.4g}: {self.a:.4g} x_0 + {self.s:.4g} eps"


CLEAN = Level(1.0, 0.0, 0)


def signal_and_noise(level, x):
    """a and s as arrays of x's dtype that broadcast against x (N, ...). TypeError if x is not of real numbers."""
    if x.dtype.kind != "f":
        raise TypeError(f"diffusion needs floating point images, got dtype {x.dtype}; scale them: Space.signed")
    per_example = (-1,) + (1,) * (x.ndim - 1)
    return [asarray(np.asarray(number).reshape(per_example), x.dtype) for number in (level.a, level.s)]


def noised(x_0, eps, level):
    """x_t = a x_0 + s eps. x_0, eps: arrays or Tensors (N, ...).

    >>> noised(np.float32([[1.0]]), np.float32([[-2.0]]), Level(a=0.8, s=0.6, t=400)).round(6)
    array([[-0.4]], dtype=float32)
    """
    if x_0.shape != eps.shape:
        raise ValueError(f"noised: x_0 has shape {x_0.shape}, eps {eps.shape}; pass noise of x_0's shape")
    a, s = signal_and_noise(level, x_0)
    return a * x_0 + s * eps  # course 9.1


def posterior(t, s):
    """(c_0, c_t, variance, variance of x_t given x_s), with q(x_s | x_t, x_0) = N(c_0 x_0 + c_t x_t, variance I).

    t, s: Levels, s below t, of numbers or arrays; the four are what theirs are. From s to t the process multiplies by
    t.a / s.a and adds noise; for neighbours among DDPM's levels these are its eqs. 6 and 7.
    """
    ratio = t.a / s.a
    added = t.s**2 - (ratio * s.s) ** 2
    return s.a * added / t.s**2, ratio * (s.s / t.s) ** 2, added * (s.s / t.s) ** 2, added  # course 9.3


def straight_levels(steps):
    """t from 1, noise alone, to 0 in even steps: `steps` + 1 levels."""
    _check(steps, "straight_levels")
    return [*(Level(1.0 - t, t, t) for t in np.linspace(1.0, 0.0, steps + 1)[:-1].tolist()), CLEAN]


def karras_levels(steps, sigma_min=0.002, sigma_max=80.0, rho=7.0):
    """sigma from sigma_max to sigma_min, denser where it is small, and then 0: `steps` + 1 levels with t = sigma. EDM,
    eq. 5 and table 1."""
    _check(steps, "karras_levels")
    if not 0.0 < sigma_min < sigma_max:
        raise ValueError(f"karras_levels: sigma runs from {sigma_max} down to {sigma_min}, expected above 0, and down")
    roots = np.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), steps)
    return [*(Level(1.0, sigma, sigma) for sigma in (roots**rho).tolist()), CLEAN]


def geometric_levels(L, sigma_min=0.01, sigma_max=1.0):
    """sigma_L .. sigma_1, each the same share of the one before, and then 0: L + 1 levels with t = L, ..., 1, 0. The
    largest has t = L, as a schedule's. NCSN, section 3.1, whose sigma_1 is the largest.

    >>> [round(level.s, 3) for level in geometric_levels(3, 0.01, 1.0)]
    [1.0, 0.1, 0.01, 0.0]
    """
    _check(L, "geometric_levels")
    if not 0.0 < sigma_min < sigma_max:
        raise ValueError(f"geometric_levels: sigma runs from {sigma_max} down to {sigma_min}, expected above 0, and "
                         "down")
    sigmas = np.geomspace(sigma_max, sigma_min, L)
    return [*(Level(1.0, sigma, L - i) for i, sigma in enumerate(sigmas.tolist())), CLEAN]


def _check(steps, caller):
    if steps < 1:
        raise ValueError(f"{caller}: steps is {steps}, expected at least 1")
