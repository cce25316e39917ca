"""RNADE: its density integrates to one, its gradients are those of the paper, and integers are not for it."""
import math

import numpy as np
import pytest
import scipy.stats

import minigen.models.autoregressive.rnade as file
from autograd import Tensor, grad, no_grad, parameter
from autograd.backend import asarray, to_numpy, xp
from minigen import data
from minigen.data import Space
from minigen.models.autoregressive import RNADE
from minigen.optim import Adam, cosine_decay
from tests.minigen.models.test_nade import assert_autoregressive, jacobian

PLANE, PAIR = Space((2,)), Space((1, 1, 2), 4)


def rng(seed=0):
    return np.random.default_rng(seed)


def double(model):
    """In float64, gradients as well."""
    for name, p in list(model.named_parameters()):
        setattr(model, name, parameter(p, np.float64))
    return model


def tiny(space=Space((5,)), hidden=30, components=3, seed=0, made=RNADE):
    model = double(made(space, hidden, components, rng=rng(seed)))
    model.mean, model.std = asarray(rng(5).standard_normal(model.D)), asarray(rng(6).uniform(0.5, 2, model.D))
    model.rho.assign(asarray(rng(7).uniform(0.5, 2, model.D)))
    return model


def by_hand(model, v):
    """log p(v_d | v_<d) of one v (D,), a number at a time, on standardized numbers."""
    W, c, rho, V, b, mean, std = (np.float64(to_numpy(getattr(p, "data", p))) for p in (
        model.W, model.c, model.rho, model.V, model.b, model.mean, model.std))
    a, log_p = c.copy(), []
    for d, y in enumerate((v - mean) / std):
        z = np.maximum(rho[d] * a, 0) @ V[d] + b[d, 0]
        log_alpha, mu, log_sigma = np.split(z, 3)
        alpha = np.exp(log_alpha) / np.exp(log_alpha).sum()
        log_p.append(np.log((alpha * scipy.stats.norm(mu, np.exp(log_sigma)).pdf(y)).sum() / std[d]))
        a = a + y * W[d]
    return log_p


# The density


def test_it_is_the_loop_over_the_numbers():
    model, v = tiny(), rng(1).standard_normal((6, 5))
    expected = [by_hand(model, row) for row in v]
    np.testing.assert_allclose(model.log_conditionals(asarray(v)).numpy(), expected, rtol=1e-9)


def grid(edge, cells):
    at = edge * (2 * (np.arange(cells) + 0.5) / cells - 1)
    return np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2), (2 * edge / cells) ** 2


def trained(points, steps, **settings):
    noise = rng()
    model = RNADE(PLANE, **settings, rng=noise).standardize(points["x"], noise)
    optimizer, batches = Adam(model.parameters(), cosine_decay(1e-2)), points.batches(256, noise)
    for step in range(steps):
        optimizer.step(grad(model.loss(next(batches), noise)["NLL"], optimizer.params), done=step / steps)
    return model


@pytest.fixture(scope="module")
def moons():
    return trained(data.load("two_moons"), 500)


def test_the_density_integrates_to_one(moons):
    x, area = grid(6, 200)
    with no_grad():
        assert np.exp(moons.log_prob(np.float32(x)).numpy()).sum() * area == pytest.approx(1, abs=1e-3)
        x, area = grid(12, 240)
        assert np.exp(tiny(PLANE).log_prob(x).numpy()).sum() * area == pytest.approx(1, abs=1e-3)


def test_training_comes_near_the_entropy(moons):
    test = data.load("two_moons", "test")
    nll, = moons.measure(test.columns, rng())
    entropy = -data.log_density("two_moons")(test["x"]).mean()
    assert entropy < nll.value < entropy + 0.15 and nll.detail == "exact"  # the best Gaussian is 0.9 nats away


def test_draws_follow_the_density(moons):
    """E[log p] over draws is minus the entropy, which a grid gives too."""
    x, area = grid(6, 200)
    drawn = moons.sample(4000, rng(1))
    with no_grad():
        log_p, of_drawn = moons.log_prob(np.float32(x)).numpy(), moons.log_prob(drawn).numpy()
    assert drawn.shape == (4000, 2)
    error = of_drawn.std() / math.sqrt(len(drawn))
    assert abs(of_drawn.mean() - (np.exp(log_p) * log_p).sum() * area) < 4 * error


def test_each_output_depends_on_the_numbers_before_it():
    def mixtures(made):
        model = tiny(made=made)
        z = lambda v: model.logits(v)  # (N, D, 3 M), mixed by random numbers that do not change
        mix = rng(8).standard_normal((5, 9))
        return lambda v: (z(v) * asarray(mix)).sum(axis=-1)

    class Leaking(RNADE):
        """v_d is added before its mixture is made: as if every number were that after it."""

        def logits(self, v):
            ahead = xp.eye(self.D, k=-1)  # moves numbers one place forward
            return super().logits(v @ Tensor(ahead))

    v = rng(1).standard_normal((20, 5))
    assert_autoregressive(jacobian(mixtures(RNADE), v, rng(2)))
    with pytest.raises(AssertionError):
        assert_autoregressive(jacobian(mixtures(Leaking), v, rng(2)))


@pytest.mark.parametrize("space", [Space((5,)), Space((2, 2, 2), 17)])
def test_the_predictor_is_its_slow_twin(space):
    model = tiny(space)
    v = asarray(rng(3).standard_normal((7, model.D)))
    fast, slow = model.predictor(7), model.recompute()
    with no_grad():
        for d in range(model.D):
            np.testing.assert_allclose(to_numpy(fast(d, v)), to_numpy(slow(d, v)), atol=1e-12)


# Its gradient, algorithm 1


def of_the_paper(log_alpha, mu, log_sigma, x):
    """d log p / d(log_alpha, mu, log_sigma), mu's multiplied by sigma; (M,) each, of one number x."""
    alpha, sigma = np.exp(log_alpha) / np.exp(log_alpha).sum(), np.exp(log_sigma)
    pi = alpha * scipy.stats.norm(mu, sigma).pdf(x)
    pi /= pi.sum()
    return [pi - alpha, pi * (x - mu) / sigma**2 * sigma, pi * (((x - mu) / sigma) ** 2 - 1)]


def gradient_of_biases(model, v):
    """The gradient of log p(v_1) in b_1, which is where the mixture's parameters come in."""
    log_p = model.log_conditionals(v)[:, 0].sum()
    return np.split(grad(log_p, model.b).numpy()[0, 0], 3)


def test_gradients_are_the_papers(monkeypatch):
    model, v = tiny(Space((1,))), asarray(np.float64([[0.7]]))
    z = model.logits(v).numpy()[0, 0]
    mean, std = float(model.mean[0]), float(model.std[0])
    log_alpha, mu, log_sigma = np.split(z, 3)
    expected = of_the_paper(log_alpha, (mu - mean) / std, log_sigma - np.log(std), (0.7 - mean) / std)
    for found, wanted in zip(gradient_of_biases(model, v), expected):
        np.testing.assert_allclose(found, wanted, rtol=1e-8)
    monkeypatch.setattr(file, "slower", lambda mu, sigma: mu)
    alpha, plain, sigma = gradient_of_biases(model, v)
    np.testing.assert_allclose(plain * np.exp(log_sigma) / std, expected[1], rtol=1e-8)
    assert not np.allclose(plain, expected[1], rtol=0.05)  # without it the check would have failed
    np.testing.assert_allclose(alpha, expected[0], rtol=1e-8)
    np.testing.assert_allclose(sigma, expected[2], rtol=1e-8)


def test_a_slower_mean_is_the_same_mean():
    model, v = tiny(), asarray(rng(1).standard_normal((4, 5)))
    slow = model.log_prob(v).numpy()
    np.testing.assert_array_equal(file.slower(Tensor([1.0, 2.0]), 3.0).numpy(), [1.0, 2.0])
    np.testing.assert_allclose(slow, [sum(by_hand(model, to_numpy(row))) for row in v], rtol=1e-9)


# Images


def bound(model, x, draws=2000):
    with no_grad():
        bounds = model.bound(np.broadcast_to(np.array(x, np.uint8), (draws, 1, 1, 2)), rng(1)).numpy()
    return bounds.mean(), 4 * bounds.std() / math.sqrt(draws)


def test_the_bound_is_below_the_log_probability():
    """On images of two pixels the density can be integrated over each cell."""
    model = RNADE(PAIR, 20, 3, rng=rng())
    model.mean[...], model.std[...] = 0.5, 0.3
    cells = 50
    at = (np.arange(4 * cells) + 0.5) / (4 * cells)
    v = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 1, 1, 2)
    with no_grad():
        p = np.exp(model.log_prob(v).numpy()).reshape(4, cells, 4, cells).sum(axis=(1, 3)) / (4 * cells) ** 2
    assert p.sum() <= 1 + 1e-3  # the density lives on more than the cells
    for x in (0, 0), (1, 3), (2, 2):
        value, error = bound(model, x)
        assert value < np.log(p[x]) + error


def test_without_noise_the_density_grows_without_bound(monkeypatch):
    """Two fair bits, one after the other: no model of them can have less than 2 log 2 nats, nor any bound."""
    space = Space((1, 1, 2), 2)
    x = np.uint8(rng(1).integers(0, 2, (400, 1, 1, 2)))

    def nats():
        noise = rng()
        model = RNADE(space, 10, 4, rng=noise).standardize(x, noise)
        optimizer = Adam(model.parameters(), 0.03)
        for _ in range(300):
            optimizer.step(grad(model.loss({"x": x}, noise)["nats"], optimizer.params))
        return model.measure({"x": x}, noise)[0].value

    assert nats() > 2 * math.log(2) - 0.02
    monkeypatch.setattr(file, "dequantize", lambda x, levels, rng: (np.float32(x) + np.float32(0.5)) / levels)
    assert nats() < -1  # "more probable than 1"


def test_integers_are_refused():
    model, x = RNADE(PAIR, 5, 2, rng=rng()), np.zeros((3, 1, 1, 2), np.uint8)
    with pytest.raises(ValueError, match="v has .* dtype uint8, .*integers have no density: pass observe"):
        model.log_prob(x)
    assert model.log_prob(model.observe(x, rng())).shape == (3,)


def test_every_number_is_standardized():
    digits = data.load("digits")
    model = RNADE(digits.spaces["x"], rng=rng()).standardize(digits["x"], rng(1))
    v = to_numpy(model.observe(digits["x"], rng(2))).reshape(len(digits), 64)
    y = (v - to_numpy(model.mean)) / to_numpy(model.std)
    assert np.abs(y.mean(axis=0)).max() < 0.2 and np.abs(y.std(axis=0) - 1).max() < 0.1
    assert "mean" in model.state_dict() and 0 <= v.min() and v.max() < 1


def test_images_are_drawn_with_the_datas_gray_levels():
    digits = data.load("digits")
    model = RNADE(digits.spaces["x"], rng=rng()).standardize(digits["x"], rng(1))
    samples = model.sample(6, rng())
    assert samples.shape == (6, 1, 8, 8) and 0 <= samples.min() <= samples.max() <= 1
    np.testing.assert_allclose(samples * 16, np.round(samples * 16), atol=1e-4)
    assert model.sample(0, rng()).shape == (0, 1, 8, 8)
    completed = model.complete(digits["x"][:4], 32, rng())
    np.testing.assert_allclose(completed[:, :, :4], digits["x"][:4, :, :4] / 16, atol=1e-6)
    assert (completed[:, :, 4:] != digits["x"][:4, :, 4:] / 16).any()


def test_evaluation_does_not_depend_on_the_size_of_its_chunks(monkeypatch):
    points = data.load("two_moons", "test")["x"][:50]
    model = RNADE(PLANE, rng=rng())
    whole = model.measure({"x": points}, rng())[0].value
    monkeypatch.setattr(file, "HELD", 1)
    assert model.measure({"x": points}, rng())[0].value == pytest.approx(whole)


def test_bad_input():
    with pytest.raises(ValueError, match="RNADE: hidden is 0, components 3, expected at least 1 each"):
        RNADE(PLANE, 0, 3, rng=rng())
    model = RNADE(PLANE, rng=rng())
    with pytest.raises(ValueError, match=r"x has shape \(3, 4\), expected \(N, 2\)"):
        model.loss({"x": np.zeros((3, 4))}, rng())
    with pytest.raises(ValueError, match=r"RNADE: v has shape \(3, 4\)"):
        model.log_prob(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="standardize: number 1 of 2 is the same in all 9 examples"):
        model.standardize(np.float32(np.stack([np.arange(9), np.ones(9)], axis=1)), rng())
    with pytest.raises(ValueError, match="known is 3, expected at most D = 2"):
        model.complete(np.zeros((3, 2)), 3, rng())
