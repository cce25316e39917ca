"""Annealed Langevin dynamics with exact scores: the weights of modes far apart, and what each part of it is for."""
import functools

import numpy as np
import pytest

from autograd import backend
from autograd.backend import asarray, normal, to_numpy
from minigen.diffusion import Mixture, annealed, annealed_langevin, geometric_levels, karras_levels, rate_for
from minigen.energy.langevin import langevin

FAR = Mixture([0.8, 0.2], [[5.0, 5.0], [-5.0, -5.0]], 1.0)  # that of the paper's figure 3
LEVELS = geometric_levels(10, 0.1, 10.0)
N = 2000
ERROR = 3 * np.sqrt(0.8 * 0.2 / N)  # 0.027


def heavier(x):
    """The share of points that are in the mode of weight 0.8."""
    return float((to_numpy(x).sum(axis=1) > 0).mean())


def start(rng, n=N):
    return LEVELS[0].s * normal(rng, (n, 2), np.float64)


@functools.cache
def drawn():
    rng = backend.rng(0)
    return to_numpy(annealed_langevin(FAR.denoise, start(rng), LEVELS, rng=rng, steps=40))


def test_annealed_gets_the_weights_right_plain_does_not():
    """Figure 3 of the paper: from a uniform square a plain walk ends as half and half, with the exact score."""
    rng = backend.rng(1)
    square = asarray(rng.uniform(-8, 8, (N, 2)))
    assert heavier(langevin(FAR.score, square, 400, 0.1, rng=rng)) == pytest.approx(0.5, abs=0.06)
    assert heavier(drawn()) == pytest.approx(0.8, abs=ERROR)


def test_modes_have_their_places_and_widths():
    x = drawn()
    for mean in FAR.means:
        mode = x[((x - mean) ** 2).sum(axis=1) < 50]
        assert np.abs(mode.mean(axis=0) - mean).max() < 4 / np.sqrt(len(mode)) + 0.02
        assert np.abs(mode.std(axis=0) - 1).max() < 4 / np.sqrt(2 * len(mode)) + 0.04


def test_steps_must_shrink_with_the_noise(monkeypatch):
    """With the same step at every level, fit for the least noise, the walk gets nowhere: far from data it began, far
    from data it ends."""
    fixed = lambda score, x, steps, step, *, rng: langevin(score, x, steps, 0.2 * LEVELS[-2].s ** 2, rng=rng)
    monkeypatch.setattr(annealed, "langevin", fixed)
    rng = backend.rng(0)
    x = to_numpy(annealed_langevin(FAR.denoise, start(rng), LEVELS, rng=rng, steps=40))
    near = ((x[:, None] - FAR.means) ** 2).sum(axis=2).min(axis=1) < 16
    assert near.mean() < 0.8
    right = ((drawn()[:, None] - FAR.means) ** 2).sum(axis=2).min(axis=1) < 16
    assert right.mean() > 0.99


def test_the_last_noise_is_taken_out():
    """Of data in one point nothing may be left but that point; without the last step, its noise sigma_L is."""
    point, levels, rng = Mixture([1.0], [[0.5, -0.5]], 1e-6), geometric_levels(6, 0.05, 2.0), backend.rng(2)
    x_T = 2.0 * normal(rng, (500, 2), np.float64)
    x = to_numpy(annealed_langevin(point.denoise, x_T, levels, rng=rng, steps=40))
    assert np.abs(x - point.means).max() < 1e-6
    left = to_numpy(annealed_langevin(point.denoise, x_T, levels[:-1], rng=rng, steps=40))
    assert (left - point.means).std() == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("levels", [karras_levels(12, 0.05, 10.0), geometric_levels(12, 0.05, 10.0)],
                         ids=["Karras", "geometric"])
def test_any_exploding_levels_will_do(levels):
    rng = backend.rng(3)
    x = annealed_langevin(FAR.denoise, levels[0].s * normal(rng, (1000, 2), np.float64), levels, rng=rng, steps=40)
    assert heavier(x) == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / 1000))


def test_levels_are_geometric():
    s = [level.s for level in geometric_levels(10, 0.01, 1.0)]
    assert s[0] == 1.0 and s[-2] == pytest.approx(0.01) and s[-1] == 0
    assert np.ptp(np.divide(s[1:-1], s[:-2])) < 1e-12
    assert [level.t for level in geometric_levels(4)] == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("call, message", [
    (lambda x, rng: annealed_langevin(FAR.denoise, x, LEVELS, rng=rng, rate=4.0), "rate is 4.0, expected above 0 and"),
    (lambda x, rng: annealed_langevin(FAR.denoise, x, LEVELS[::-1], rng=rng), "is no lower"),
    (lambda x, rng: geometric_levels(5, 1.0, 1.0), "geometric_levels: sigma runs from 1.0 down to 1.0"),
    (lambda x, rng: geometric_levels(0), "geometric_levels: steps is 0"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call(asarray(np.ones((3, 2))), backend.rng(0))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_few_steps_leave_more_noise_than_there_is():
    """Technique 4 of "Improved techniques": of data in one point the variance is as predicted, and at rate_for's rate
    nearest to the level's. At 0.2 five steps a level leave a third more, which adds up."""
    levels, at_0, rng = geometric_levels(20, 0.03, 8.0), Mixture([1.0], [[0.0, 0.0]], 1e-6), backend.rng(11)
    gamma, best, left = levels[0].s / levels[1].s, rate_for(levels, 5), {}
    for rate in (0.2, best - 0.1, best, best + 0.1):
        x = annealed_langevin(at_0.denoise, levels[3].s * normal(rng, (5000, 2), np.float64), [levels[4], levels[5]],
                              rng=rng, steps=5, rate=rate)  # ends with a walk at level 5, after that at level 4
        expected = gamma**2 * annealed.variance_left(gamma, rate, 5)
        for _ in range(5):
            expected = (1 - rate / 2) ** 2 * expected + rate
        left[rate] = to_numpy(x).var() / levels[5].s ** 2
        assert left[rate] == pytest.approx(expected, rel=0.05)
    predicted = {rate: annealed.variance_left(gamma, rate, 5) for rate in left}
    assert min(predicted, key=predicted.get) == best
    assert left[best] < 1.3 < 1.4 < left[0.2]
    assert rate_for(levels, 100) < 0.1  # many steps may be short
