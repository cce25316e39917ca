"""Inversion against an exact solution: for data N(0, sigma^2) what DDIM follows is linear, and its end is known."""
import math

import numpy as np
import pytest

from autograd import backend
from autograd.backend import normal
from minigen.diffusion import CLEAN, cosine_schedule, ddim, inverted, karras_levels

SIGMA, SCHEDULE = 0.4, cosine_schedule(1000)


def denoise(x_t, level):
    """E[x_0 | x_t] for x_0 ~ N(0, SIGMA^2)."""
    return level.a * SIGMA**2 / ((level.a * SIGMA) ** 2 + level.s**2) * x_t


def errors(steps, levels=None):
    """(of the noise that is found, of the image that is made of it again), relative."""
    levels = levels or SCHEDULE.levels(steps)
    x = SIGMA * np.float64(normal(backend.rng(0), (50, 6)))
    found = inverted(denoise, x, levels)
    deviation = math.sqrt((levels[0].a * SIGMA) ** 2 + levels[0].s ** 2)  # of x_T: each x stays as far out as it was
    again = ddim(denoise, found, levels)
    return [float(abs(guess - right).max() / abs(right).max()) for guess, right in (
        (found, deviation / SIGMA * x), (again, x))]


def test_the_noise_of_a_gaussian_image_is_found():
    """And the image in it again, by Euler's steps: a quarter of the length, a quarter of the error."""
    coarse, fine = errors(100), errors(400)
    assert fine[0] < 0.006 and fine[1] < 0.012, fine
    np.testing.assert_allclose(np.divide(coarse, fine), 4, rtol=0.1)
    of_noise, of_image = errors(None, karras_levels(400, 0.002, 5.0))  # and where variance explodes
    assert of_noise < 0.006 and of_image < 0.012


def test_with_fresh_noise_there_is_no_way_back():
    x = SIGMA * np.float64(normal(backend.rng(1), (50, 6)))
    levels = SCHEDULE.levels(400)
    found = inverted(denoise, x, levels)
    assert abs(ddim(denoise, found, levels) - x).mean() < 0.02 * SIGMA
    assert abs(ddim(denoise, found, levels, rng=backend.rng(2), eta=1.0) - x).mean() > 0.5 * SIGMA


def test_levels_that_do_not_end_with_the_image_are_refused():
    with pytest.raises(ValueError, match="expected the image itself"):
        inverted(denoise, np.zeros((2, 6)), SCHEDULE.levels(10)[:-1])
    assert SCHEDULE.levels(10)[-1] == CLEAN
