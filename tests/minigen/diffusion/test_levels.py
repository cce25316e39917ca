"""Levels of every noise process against the formulas of their papers."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend
from autograd.backend import asarray, to_numpy
from minigen.diffusion import CLEAN, Level, cosine_schedule, karras_levels, linear_schedule, noised, straight_levels

WAYS = {
    "linear schedule": lambda steps: linear_schedule(1000).levels(steps),
    "cosine schedule": lambda steps: cosine_schedule(1000).levels(steps),
    "Karras": karras_levels,
    "straight": straight_levels,
}


@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
@pytest.mark.parametrize("name", WAYS)
def test_every_way_down_ends_at_the_image(name, steps):
    levels = WAYS[name](steps)
    assert len(levels) == steps + 1 and levels[-1] == CLEAN == (1.0, 0.0, 0)
    share = [level.s / (level.a + level.s) for level in levels]  # of noise, from 1 to 0 whatever the process
    assert share[0] > 0.97 and share == sorted(set(share), reverse=True)
    assert all(type(number) in (int, float) for level in levels for number in level)  # NumPy's would widen float32


@pytest.mark.parametrize("schedule", [linear_schedule(1000), cosine_schedule(50)], ids=repr)
def test_a_schedules_levels_preserve_the_variance(schedule):
    levels = schedule.levels()
    assert [level.t for level in levels] == list(range(schedule.T, -1, -1))
    a, s, _ = np.array(levels).T
    np.testing.assert_allclose(a**2 + s**2, 1.0, rtol=1e-14)
    np.testing.assert_allclose(a**2, [np.prod(schedule.alpha[1 : t + 1]) for t in range(schedule.T, -1, -1)], rtol=1e-9)
    for t, level in zip(range(schedule.T, 0, -1), levels):
        assert schedule.level(t) == level
    together = schedule.level(np.array([1, schedule.T]))
    np.testing.assert_array_equal(together.a, [levels[-2].a, levels[0].a])
    np.testing.assert_array_equal(together.s, [levels[-2].s, levels[0].s])


def test_straight_levels():
    a, s, t = np.array(straight_levels(8)).T
    np.testing.assert_allclose(t, np.arange(8, -1, -1) / 8, atol=1e-15)
    np.testing.assert_allclose((a, s), (1 - t, t), atol=1e-15)


@pytest.mark.parametrize("settings", [{}, {"sigma_min": 0.01, "sigma_max": 5.0, "rho": 3.0}], ids=str)
def test_karras_levels_are_eq_5(settings):
    low, high, rho = ({"sigma_min": 0.002, "sigma_max": 80.0, "rho": 7.0} | settings).values()  # table 1
    N = 18
    a, s, t = np.array(karras_levels(N, **settings)).T
    sigma = [(high ** (1 / rho) + i / (N - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho for i in range(N)]
    np.testing.assert_allclose(s, [*sigma, 0.0], rtol=1e-12)
    assert (a == 1).all() and (t == s).all() and s[0] == pytest.approx(high) and s[-2] == pytest.approx(low)


def test_noised_has_the_moments_that_a_level_says():
    rng, n = backend.rng(0), 200_000
    x_0 = asarray(0.5 + 2.0 * rng.standard_normal((n, 1)))
    for levels in WAYS.values():
        a, s, _ = level = levels(9)[4]
        x_t = to_numpy(noised(x_0, asarray(rng.standard_normal((n, 1))), level))
        variance = 4 * a * a + s * s
        assert abs(x_t.mean() - 0.5 * a) < 4 * math.sqrt(variance / n)
        assert abs(x_t.var() - variance) < 4 * variance * math.sqrt(2 / n)


def test_noised_takes_a_level_per_example_and_tensors():
    rng = backend.rng(1)
    x_0, eps = (asarray(rng.standard_normal((3, 1, 2, 2)), np.float32) for _ in range(2))
    levels = karras_levels(3)[:3]
    together = noised(x_0, eps, Level(*map(np.array, zip(*levels))))
    assert together.dtype == np.float32
    for i, level in enumerate(levels):
        np.testing.assert_array_equal(to_numpy(together[i]), to_numpy(noised(x_0[i : i + 1], eps[i : i + 1], level)[0]))
    np.testing.assert_array_equal(noised(Tensor(x_0), eps, levels[0]).numpy(), to_numpy(noised(x_0, eps, levels[0])))


@pytest.mark.parametrize("call, message", [
    (lambda: straight_levels(0), "straight_levels: steps is 0, expected at least 1"),
    (lambda: karras_levels(0), "karras_levels: steps is 0, expected at least 1"),
    (lambda: karras_levels(5, sigma_min=0.0), "karras_levels: sigma runs from 80.0 down to 0.0"),
    (lambda: karras_levels(5, sigma_min=2.0, sigma_max=1.0), "karras_levels: sigma runs from 1.0 down to 2.0"),
    (lambda: noised(np.zeros((2, 3)), np.zeros((2, 4)), CLEAN), "x_0 has shape (2, 3), eps (2, 4)"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
