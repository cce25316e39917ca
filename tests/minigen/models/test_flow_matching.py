"""Flow matching: its loss, the marginal velocity that the loss finds, and samples and likelihoods by that of a Gaussian."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend, grad
from autograd.backend import asarray, to_numpy
from minigen.data import Space
from minigen.diffusion import Mixture, denoiser, euler, straight_levels
from minigen.models.diffusion import FlowMatching
from minigen.nn import Module, TimedMLP, UNet
from minigen.optim import Adam, cosine_decay

PLANE, C = Space((2,)), 0.5
GAUSSIAN = Mixture([1.0], [[0.4, -0.3]], C)
MEAN = GAUSSIAN.means


class Exact(Module):
    """E[eps - x_0 | x_t] of N(mean, C^2), with a graph."""

    def forward(self, x, t):
        t = asarray(np.asarray(t)[:, None] / 1000.0, x.dtype)
        a, mean = 1.0 - t, asarray(MEAN, x.dtype)
        away, V = x - a * mean, a**2 * C**2 + t**2
        return away * ((t - a * C**2) / V) - mean


def test_the_loss_line_by_line():
    model, x = FlowMatching(TimedMLP(2, (16, 16), rng=backend.rng(0)), PLANE), np.float32(GAUSSIAN.draw(5, backend.rng(1))[0])
    for p in model.parameters():
        p.data = p.data + asarray(0.1 * backend.rng(2).standard_normal(p.shape), p.dtype)
    rng = backend.rng(3)
    t = rng.random(5)
    eps = rng.standard_normal(x.shape, dtype=np.float32)
    x_t = np.float32((1 - t)[:, None]) * x + np.float32(t)[:, None] * eps
    expected = ((model.network(Tensor(asarray(x_t)), 1000 * t).numpy() - (eps - x)) ** 2).mean()
    assert model.loss({"x": x}, backend.rng(3))["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_the_marginal_velocity_is_the_best_there_is():
    """Of the conditional loss: any field near it has a larger one; and it is the denoiser's."""
    model, rng = FlowMatching(Exact(), PLANE), backend.rng(4)
    x = asarray(rng.standard_normal((30, 2)))
    for level in straight_levels(5)[1:-1]:
        np.testing.assert_allclose(to_numpy(model.denoise(x, level)), to_numpy(GAUSSIAN.denoise(x, level)), rtol=1e-9,
                                   atol=1e-12)
    batch = {"x": GAUSSIAN.draw(50_000, rng)[0].astype(np.float32)}

    class Moved(Exact):
        def forward(self, x, t):
            return super().forward(x, t) * self.factor + self.shift

    losses = {}
    for factor, shift in ((1.0, 0.0), (0.9, 0.0), (1.1, 0.0), (1.0, 0.1), (1.0, -0.1)):
        Moved.factor, Moved.shift = factor, shift
        losses[factor, shift] = FlowMatching(Moved(), PLANE).loss(batch, backend.rng(5))["loss"].item()
    assert min(losses, key=losses.get) == (1.0, 0.0)


def test_it_draws_the_gaussian_and_knows_its_density():
    model = FlowMatching(Exact(), PLANE)
    x = model.sample(4000, backend.rng(6))
    assert np.abs(x.mean(axis=0) - MEAN).max() < 4 * C / math.sqrt(4000) and x.std(axis=0) == pytest.approx(C, rel=0.05)
    points = asarray(GAUSSIAN.draw(50, backend.rng(7))[0])
    found = model.log_likelihood(points, backend.rng(8), steps=200)
    np.testing.assert_allclose(found, GAUSSIAN.log_p(points).numpy(), atol=0.02)


def test_time_that_runs_the_other_way_is_noticed():
    """The network told 1 - t, as it would be in the paper's time."""

    class Backwards(Exact):
        def forward(self, x, t):
            return super().forward(x, 1000.0 - np.asarray(t))

    x, level = asarray(backend.rng(9).standard_normal((20, 2))), straight_levels(5)[1]
    wrong = FlowMatching(Backwards(), PLANE).denoise(x, level)
    assert np.abs(to_numpy(wrong - GAUSSIAN.denoise(x, level))).max() > 0.2


def test_an_eps_for_a_velocity_is_noticed():
    x, level = asarray(backend.rng(9).standard_normal((20, 2))), straight_levels(4)[2]
    wrong = denoiser(FlowMatching(Exact(), PLANE), "eps")(x, level)
    assert np.abs(to_numpy(wrong - GAUSSIAN.denoise(x, level))).max() > 0.2


def test_training_learns():
    rng, model = backend.rng(10), FlowMatching(TimedMLP(2, (32, 32), rng=backend.rng(0)), PLANE, steps=20, sampler=euler)
    optimizer = Adam(model.parameters(), cosine_decay(1e-2))
    for step in range(200):
        batch = {"x": np.float32(GAUSSIAN.draw(128, rng)[0])}
        optimizer.step(grad(model.loss(batch, rng)["loss"], optimizer.params), done=step / 200)
    x = model.sample(2000, rng)
    assert np.abs(x.mean(axis=0) - MEAN).max() < 0.1 and x.std(axis=0) == pytest.approx(C, rel=0.15)
    (nll,) = model.measure({"x": np.float32(GAUSSIAN.draw(300, rng)[0])}, rng)
    assert nll.value == pytest.approx(math.log(2 * math.pi * math.e * C**2), abs=0.2)


def test_images():
    model = FlowMatching(UNet(1, width=8, multipliers=(1,), blocks=1, groups=4, rng=backend.rng(0)), Space((1, 8, 8), 17),
                         steps=2)
    x = backend.rng(1).integers(0, 17, (6, 1, 8, 8)).astype(np.uint8)
    (measure,) = model.measure({"x": x}, backend.rng(2))
    assert measure.value == pytest.approx(1 + ((x / 8 - 1) ** 2).mean(), rel=0.1) and measure.half_width > 0
    assert model.sample(3, backend.rng(3)).shape == (3, 1, 8, 8)


def test_mistakes_are_named():
    model = FlowMatching(Exact(), PLANE)
    with pytest.raises(ValueError, match=r"x has shape \(4, 3\), expected \(N, 2\)"):
        model.loss({"x": np.zeros((4, 3), np.float32)}, backend.rng(0))
    with pytest.raises(ValueError, match="straight_levels: steps is 0, expected at least 1"):
        FlowMatching(Exact(), PLANE, steps=0)
