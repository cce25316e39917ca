"""Flow matching: its loss, the marginal velocity that the loss finds, and samples and likelihoods by that of a Gaussian."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend, grad
from autograd.backend import asarray, to_numpy
from minigen.data import Space
from minigen.diffusion import CLEAN, Level, Mixture, denoiser, dpm_pp, euler, straight_levels
from minigen.models.diffusion import FlowMatching, Rectified, straightness
from minigen.nn import Frozen, Module, TimedMLP, UNet
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


# Rectified flow, on a line, where the pairs' lines do not cross

P, LINE, STRAIGHT = Mixture([0.3, 0.7], [[-1.5], [1.0]], 0.3), Space((1,)), straight_levels(100)


class ExactFlow(Module):
    space = LINE

    def denoise(self, x_t, level):
        return P.denoise(x_t, level)


class AlongThePairs(Module):
    """The velocity eps - x_0 of the one pair of the exact flow whose line passes x at t."""

    def __init__(self):
        self.eps = np.linspace(-7, 7, 4001)
        self.x_0 = to_numpy(P.flow(asarray(self.eps[:, None]), STRAIGHT[0], CLEAN))[:, 0]

    def forward(self, x, t):
        at = to_numpy(x.data)[:, 0]
        t = np.asarray(t) / 1000.0
        eps = np.array([np.interp(a, (1 - s) * self.x_0 + s * self.eps, self.eps) for a, s in zip(at, t)])
        eps = asarray(eps[:, None])
        return Tensor(asarray(eps - P.flow(eps, STRAIGHT[0], CLEAN), x.dtype))


def rectified(model=Rectified, **arguments):
    return model(AlongThePairs(), Frozen(ExactFlow()), straight_levels(60), **arguments)


class Uncoupled(Rectified):
    """The same points and the same noise, but not in pairs."""

    def coupled(self, n, rng):
        x_0, eps = super().coupled(n, rng)
        return x_0, eps[::-1]


def test_pairs_on_a_line_leave_no_doubt():
    """Their velocity is known everywhere: its loss is 0, but for the steps by which pairs are made. Without pairs it is
    the variance of the velocity, however good the field."""
    loss = lambda model: model.loss(500, backend.rng(1))["loss"].item()
    assert loss(rectified()) < 1e-3 and loss(rectified(Uncoupled)) > 1.0


def test_one_step_of_a_rectified_flow_is_the_flow():
    """And of the first flow is the mean of the data, wherever it starts."""
    eps = asarray(backend.rng(2).standard_normal((400, 1)))
    truth, once = P.flow(eps, STRAIGHT[0], CLEAN), straight_levels(1)
    np.testing.assert_allclose(to_numpy(euler(rectified().denoise, eps, once)), to_numpy(truth), atol=1e-5)
    assert to_numpy(euler(P.denoise, eps, once)).std() < 0.01 < 0.5 < to_numpy(truth).std()
    x = rectified(steps=1).sample(2000, backend.rng(3))
    u = np.sort(P.share_below(x))
    assert np.abs(u - np.arange(2000) / 2000).max() < 1.95 / math.sqrt(2000)


def test_straightness():
    """0 for straight paths at one speed; more for the first flow, more for a variance preserving one, whose circle from
    noise to one point at 0 has S = eps^2 int_0^1 (pi / 2 cos(pi t / 2) - 1)^2 dt = eps^2 (pi^2 / 8 - 1)."""
    eps = asarray(backend.rng(2).standard_normal((50, 1)))
    assert straightness(rectified().denoise, eps, STRAIGHT) < 1e-4
    assert straightness(P.denoise, eps, STRAIGHT) > 0.1
    circle = [*(Level(math.cos(u), math.sin(u), u) for u in np.linspace(math.pi / 2, 0, 201)[:-1]), CLEAN]
    at_0 = Mixture([1.0], [[0.0]], 1e-6)
    expected = (math.pi**2 / 8 - 1) * float((eps**2).mean())
    assert straightness(at_0.denoise, eps, circle) == pytest.approx(expected, rel=1e-2)
    assert straightness(at_0.denoise, eps, STRAIGHT) < 1e-6


def test_a_player_without_data_draws_its_own_pairs():
    model = rectified(solver=dpm_pp)
    (player,) = model.players()
    x_0, eps = model.coupled(300, backend.rng(4))
    assert not player.data and x_0.shape == eps.shape == (300, 1)
    np.testing.assert_allclose(to_numpy(x_0), to_numpy(P.flow(eps, STRAIGHT[0], CLEAN)), atol=0.1)
    with pytest.raises(ValueError, match="Rectified: the way begins with t = 0.75.*expected noise alone"):
        Rectified(AlongThePairs(), Frozen(ExactFlow()), straight_levels(4)[1:])
