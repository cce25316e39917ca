"""ScoreSDE: its loss line by line, where it starts, how numbers are scaled for each process, and its likelihood."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend, grad
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Space
from minigen.diffusion import VE, VP, Mixture, SubVP, heun
from minigen.models.diffusion import ScoreSDE
from minigen.nn import Module, TimedMLP, UNet
from minigen.optim import Adam, cosine_decay

P = Mixture([0.8, 0.2], [[0.3, 0.3], [-1.2, -1.2]], 0.3)
PLANE, DIGITS = Space((2,)), Space((1, 8, 8), 17)
each = pytest.mark.parametrize("sde", [VE(), VP(), SubVP()], ids=["VE", "VP", "sub-VP"])


class Exact(Module):
    """The network that the mixture's score asks for, at any times: -eps as it is known from x_t. With a graph."""

    def __init__(self, sde, c=P.sigma):
        self.sde, self.c = sde, c

    def forward(self, x, t):
        a, s = (asarray(np.reshape(number, (-1, 1)), x.dtype) for number in self.sde.level(np.asarray(t) / 1000)[:2])
        x_t = x * np.sqrt(a**2 + s**2)
        return -s * x_t / (a**2 * self.c**2 + s**2)  # of N(0, c^2 I)


def build(sde=None, seed=0, **arguments):
    return ScoreSDE(TimedMLP(2, (32, 32), rng=backend.rng(seed)), sde or VE(), PLANE, **arguments)


@each
def test_the_loss_line_by_line(sde):
    """Eq. 7 with lambda = s^2."""
    model, x = build(sde), np.float32(P.draw(6, backend.rng(2))[0])
    for p in model.parameters():
        p.data = p.data + asarray(0.1 * backend.rng(1).standard_normal(p.shape), p.dtype)
    rng = backend.rng(3)
    t, eps = rng.uniform(1e-5, 1.0, size=6), rng.standard_normal(x.shape, dtype=np.float32)
    a, s = (np.float32(number)[:, None] for number in sde.level(t)[:2])
    score = model(Tensor(asarray(a * x + s * eps)), t).numpy()
    expected = (s[:, 0] ** 2 * ((score + eps / s) ** 2).sum(axis=1)).mean()
    assert model.loss({"x": x}, backend.rng(3))["loss"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("sde", [VE(), VP()], ids=["VE", "VP"])
def test_the_loss_of_saying_nothing_is_the_number_of_pixels(sde):
    """64 on digits, at every time: what a loss must be below to say anything."""
    model = ScoreSDE(UNet(1, width=8, multipliers=(1,), blocks=1, groups=4, rng=backend.rng(0)), sde, DIGITS, steps=3)
    x = backend.rng(1).integers(0, 17, (60, 1, 8, 8)).astype(np.uint8)
    assert model.loss({"x": x}, backend.rng(2))["loss"].item() == pytest.approx(64, rel=0.08)
    drawn = model.sample(2, backend.rng(3))
    assert drawn.shape == (2, 1, 8, 8) and np.allclose(drawn * 16, np.round(drawn * 16))  # gray levels of the data


@each
def test_the_exact_network_gives_the_exact_denoiser(sde):
    """Division by s and its sign, the input's scale and the time that the network is told, in one: for each process
    E[x_0 | x_t] of a Gaussian comes out. Another scale than in training, and samples stay noise."""
    model, gaussian = ScoreSDE(Exact(sde), sde, PLANE, steps=10), Mixture([1.0], [[0.0, 0.0]], P.sigma)
    x = asarray(backend.rng(4).standard_normal((20, 2)))
    for level in sde.levels(5)[:-1]:
        expected = gaussian.denoise(x, level)
        np.testing.assert_allclose(to_numpy(model.denoise(x, level)), to_numpy(expected), rtol=1e-5, atol=1e-7)
    nats = -model.log_likelihood(asarray(gaussian.draw(400, backend.rng(5))[0]), backend.rng(6))
    entropy = math.log(2 * math.pi * math.e * P.sigma**2)
    assert nats.mean() == pytest.approx(entropy, abs=4 / math.sqrt(400))


class NoDivision(ScoreSDE):
    def forward(self, x, t):
        return super().forward(x, t) * list(self._signal_and_noise(t, x))[1]


class OtherSign(ScoreSDE):
    def forward(self, x, t):
        return -super().forward(x, t)


@pytest.mark.parametrize("broken", [NoDivision, OtherSign])
@each
def test_another_scale_is_noticed(broken, sde):
    gaussian, x = Mixture([1.0], [[0.0, 0.0]], P.sigma), asarray(backend.rng(4).standard_normal((20, 2)))
    model = broken(Exact(sde), sde, PLANE, steps=10)
    wrong = [np.abs(to_numpy(model.denoise(x, level) - gaussian.denoise(x, level))).max()
             for level in sde.levels(5)[:-1]]
    assert max(wrong) > 0.3


@each
def test_sampling_starts_from_the_noise_that_there_is(sde):
    """N(0, s(1)^2 I): 9.845 for VE."""
    seen = []

    def sampler(denoise, x, levels, *, rng):
        seen.append(x)
        assert [level.t for level in levels] == [level.t for level in sde.levels(7)]
        return x

    build(sde, steps=7, sampler=sampler).sample(4000, backend.rng(7))
    x = np.concatenate([to_numpy(part) for part in seen])
    assert x.std() == pytest.approx(float(sde.s(1.0)), rel=0.03)
    assert (x.std() == pytest.approx(1.0, rel=0.03)) == (not isinstance(sde, VE))


def test_training_finds_the_density():
    """In seconds only roughly: samples have the mixture's shares, and the likelihood is nearer to the entropy than that
    of the Gaussian of the same moments."""
    rng, x = backend.rng(8), np.float32(P.draw(5000, backend.rng(9))[0])
    model = build(VP(), sampler=heun, steps=20)
    optimizer = Adam(model.parameters(), cosine_decay(1e-2))
    for step in range(500):
        batch = {"x": x[rng.integers(len(x), size=128)]}
        optimizer.step(grad(model.loss(batch, rng)["loss"], optimizer.params), done=step / 500)
    drawn = model.sample(1000, rng)
    assert (drawn.sum(axis=1) > -0.9).mean() == pytest.approx(0.8, abs=0.08)
    (nll,) = model.measure({"x": np.float32(P.draw(200, rng)[0])}, rng)
    entropy = -P.log_p(P.draw(20_000, rng)[0]).data.mean()
    covariance = np.cov(x.T)
    gaussian = 0.5 * np.log(np.linalg.det(2 * math.pi * math.e * covariance))
    assert entropy - 0.1 < nll.value < 0.5 * (entropy + gaussian), (nll, entropy, gaussian)
    assert nll.unit == "nats" and "N = 200" in nll.detail


def test_images_are_measured_in_both_units():
    network = UNet(1, width=8, multipliers=(1,), blocks=1, groups=4, rng=backend.rng(0))
    model = ScoreSDE(network, VP(), DIGITS, steps=3)
    x = backend.rng(1).integers(0, 17, (4, 1, 8, 8)).astype(np.uint8)
    nats, bits = model.measure({"x": x}, backend.rng(2))
    assert nats.value == pytest.approx(bits.value * 64 * math.log(2)) and "uniform dequantization" in bits.detail
    v = to_numpy(model.observe(x, backend.rng(3)))
    assert v.min() >= -1 and v.max() < 1 and np.array_equal(model._drawn(asarray(v)) * 16, x)


@pytest.mark.parametrize("call, message", [
    (lambda: build().loss({"x": np.zeros((4, 3), np.float32)}, None), "x has shape (4, 3), expected (N, 2)"),
    (lambda: build(steps=1), "VE: steps is 1"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_float32_stays():
    model, x = build(), normal(backend.rng(0), (3, 2))
    assert model.denoise(x, VE().levels(5)[2]).dtype == np.float32
    assert model.sample(3, backend.rng(1)).dtype == np.float32
