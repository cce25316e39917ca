"""Kernel densities against SciPy's, and what they are there to show: the training set says nothing of the bandwidth."""
import numpy as np
import pytest
import scipy.stats

from minigen import data
from minigen.data import Space
from minigen.models.basics import KernelDensity

POINTS = Space((2,))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_density_is_that_of_scipy(monkeypatch):
    x, at = np.float32(rng().standard_normal((60, 2))), np.float32(rng(1).standard_normal((25, 2)))
    model = KernelDensity(POINTS, x, bandwidth=0.3)
    whitened = scipy.stats.multivariate_normal([0, 0], 0.3**2)
    known = np.log(whitened.pdf((at[:, None] - x)).mean(axis=1))
    np.testing.assert_allclose(model.log_prob(at), known, rtol=1e-4)
    others = [whitened.pdf(x[i] - np.delete(x, i, axis=0)).mean() for i in range(60)]
    np.testing.assert_allclose(model.leave_one_out(), np.log(others), rtol=1e-4)
    monkeypatch.setattr("minigen.models.basics.kernel_density.TABLE", 60 * 7)
    np.testing.assert_allclose(model.leave_one_out(), np.log(others), rtol=1e-4)  # whatever the chunks


def test_the_training_set_wants_no_bandwidth_and_other_data_do():
    x, test = (data.load("two_moons", split)["x"][:500] for split in ("train", "test"))
    model, bandwidths = KernelDensity(POINTS, x, 1.0), np.geomspace(0.01, 2, 12)
    on_train, left_out, on_test = ([-f(h).mean() for h in bandwidths] for f in (
        lambda h: model.log_prob(x, h), lambda h: model.leave_one_out(h), lambda h: model.log_prob(test, h)))
    assert np.all(np.diff(on_train) > 0)  # the smaller the better
    best = np.argmin(on_test)
    assert 0 < best < 11 and on_test[0] > on_test[best] + 1
    assert abs(np.argmin(left_out) - best) <= 1 and KernelDensity(POINTS, x).bandwidth < bandwidths[best + 1]
    assert np.argmin(on_train) == 0  # so a choice by the training set would be the smallest


def test_samples_are_examples_and_noise():
    x = data.load("digits")["x"][:50]
    model = KernelDensity(Space((1, 8, 8), 17), x, bandwidth=1e-4)
    samples = model.sample(20, rng())
    apart = np.abs(samples.reshape(20, 1, 64) - x.reshape(1, 50, 64) / 16).max(axis=2).min(axis=1)
    assert apart.max() < 1e-3 and 0 <= samples.min() and samples.max() <= 1
    points = KernelDensity(POINTS, np.float32([[0, 0], [10, 10]]), bandwidth=0.5)
    drawn = points.sample(4000, rng())
    near = drawn[np.abs(drawn).max(axis=1) < 5]
    assert len(near) == pytest.approx(2000, abs=130) and near.std() == pytest.approx(0.5, abs=0.02)


def test_refuses():
    with pytest.raises(ValueError, match="bandwidth is -1, expected above 0"):
        KernelDensity(POINTS, np.zeros((3, 2), np.float32), bandwidth=-1)
    with pytest.raises(ValueError, match="x has 1 examples, expected at least 2"):
        KernelDensity(POINTS, np.zeros((1, 2), np.float32), bandwidth=1)
    with pytest.raises(ValueError, match=r"x has shape \(3, 5\), expected \(N, 2\)"):
        KernelDensity(POINTS, np.zeros((3, 5), np.float32))
