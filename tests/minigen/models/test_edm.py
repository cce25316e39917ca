"""EDM: its four functions of sigma against what they are for, its loss, and data whose best network is known."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend, grad
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Space
from minigen.diffusion import Level, Mixture, karras_levels
from minigen.models.diffusion import EDM
from minigen.nn import Module, TimedMLP, UNet
from minigen.optim import Adam, cosine_decay

PLANE, SD = Space((2,)), 0.5
P = Mixture([0.8, 0.2], [[0.2, 0.2], [-0.8, -0.8]], 0.3)
SIGMAS = np.array([0.002, 0.05, 0.5, 3.0, 80.0])


class Zero(Module):
    """Says 0, and remembers what it was told."""

    def forward(self, x, t):
        self.x, self.t = x, t
        return 0.0 * x


class Exact(Module):
    """F for the mixture, by eq. 7 solved for it."""

    def forward(self, x, t):
        rows = [self.of(row[None], math.exp(4.0 * number / 1000.0)) for row, number in zip(x.data, t)]
        return Tensor(np.concatenate(rows))

    def of(self, x, sigma):
        x = x / edm.c_in(sigma)
        return (P.denoise(x, Level(1.0, sigma, sigma)) - edm.c_skip(sigma) * x) / edm.c_out(sigma)


edm = EDM(Zero(), PLANE, sd=SD)


def test_every_sigma_asks_for_variance_one():
    """Of data of deviation sd: the input c_in x, and the target (y - c_skip x) / c_out."""
    rng, n = backend.rng(0), 200_000
    y, noise = SD * rng.standard_normal(n), rng.standard_normal(n)
    for sigma in SIGMAS:
        x = y + sigma * noise
        assert (edm.c_in(sigma) * x).var() == pytest.approx(1.0, rel=0.02)
        assert ((y - edm.c_skip(sigma) * x) / edm.c_out(sigma)).var() == pytest.approx(1.0, rel=0.02)
        by_hand = (1 - edm.c_skip(sigma)) ** 2 * SD**2 + edm.c_skip(sigma) ** 2 * sigma**2
        assert by_hand == pytest.approx(edm.c_out(sigma) ** 2)


def test_c_skip_keeps_the_network_s_errors_smallest():
    """Appendix B.6: of all c_skip that leave the target variance 1, it has the least c_out."""
    for sigma in SIGMAS:
        c_out = lambda c_skip, sigma=sigma: math.hypot((1 - c_skip) * SD, c_skip * sigma)
        best = edm.c_skip(sigma)
        assert c_out(best) == pytest.approx(edm.c_out(sigma))
        assert c_out(best) < min(c_out(best + 0.01), c_out(best - 0.01))


def target_deviations(model):
    """Of F's target at each sigma, over those of data and noise."""
    rng, n = backend.rng(0), 20_000
    y, noise = SD * rng.standard_normal(n), rng.standard_normal(n)
    return [((y - model.c_skip(s) * (y + s * noise)) / model.c_out(s)).std() for s in SIGMAS]


class OnlyNoise(EDM):
    """F is asked for the noise at every sigma, but its errors are scaled as if it were not."""

    def c_skip(self, sigma):
        return 1.0 + 0.0 * sigma


class Unscaled(EDM):
    def c_out(self, sigma):
        return 1.0 + 0.0 * sigma


@pytest.mark.parametrize("broken", [OnlyNoise, Unscaled])
def test_another_scaling_is_noticed(broken):
    assert np.abs(np.log(target_deviations(edm))).max() < 0.03
    assert np.abs(np.log(target_deviations(broken(Zero(), PLANE, sd=SD)))).max() > 0.5


def test_the_loss_is_that_of_the_denoiser():
    """Eq. 2 with lambda = (sigma^2 + sd^2) / (sigma sd)^2, of D itself; the loss is computed by eq. 8, of F."""
    model = EDM(TimedMLP(2, (16, 16), rng=backend.rng(0)), PLANE, sd=SD)
    for p in model.parameters():
        p.data = p.data + asarray(0.2 * backend.rng(1).standard_normal(p.shape), p.dtype)
    x, rng = np.float32(P.draw(6, backend.rng(2))[0]), backend.rng(3)
    sigma = np.exp(-1.2 + 1.2 * rng.standard_normal(6))
    n = rng.standard_normal(x.shape, dtype=np.float32)
    D = model(Tensor(asarray(x + np.float32(sigma)[:, None] * n)), sigma).numpy()
    weight = (sigma**2 + SD**2) / (sigma * SD) ** 2
    expected = (weight * ((D - x) ** 2).mean(axis=1)).mean()
    found = model.loss({"x": x}, backend.rng(3))["loss"].item()
    assert found == pytest.approx(expected, rel=1e-4)
    assert found != pytest.approx(((D - x) ** 2).mean(), rel=0.5)  # without its weight


def test_sigma_is_log_normal():
    model = EDM(Zero(), PLANE, sd=SD, mean=-0.7, std=1.5)
    model.loss({"x": np.zeros((20_000, 2), np.float32)}, backend.rng(4))
    log_sigma = 4.0 * model.network.t / 1000.0
    assert log_sigma.mean() == pytest.approx(-0.7, abs=0.05) and log_sigma.std() == pytest.approx(1.5, rel=0.03)
    skewness = ((log_sigma - log_sigma.mean()) ** 3).mean() / log_sigma.std() ** 3
    assert abs(skewness) < 0.1


def test_gaussian_data_leave_nothing_for_the_network():
    """Of N(0, sd^2) D = c_skip x is E[y | x], so F = 0 is best, with loss 1 at each sigma; and it draws the data."""
    y, rng = asarray(SD * backend.rng(5).standard_normal((4000, 2))), backend.rng(6)
    for sigma in SIGMAS:
        losses = {}
        for shift in (-0.1, 0.0, 0.1):
            class Shifted(Zero):
                def forward(self, x, t, shift=shift):
                    return shift * x

            model = EDM(Shifted(), PLANE, sd=SD)
            n = normal(backend.rng(7), y.shape, y.dtype)
            losses[shift] = model.weighted(y, np.full(len(y), sigma), n).data.mean()
        assert min(losses, key=losses.get) == 0.0 and losses[0.0] == pytest.approx(1.0, rel=0.05)
    drawn = EDM(Zero(), PLANE, sd=SD, steps=60).sample(4000, rng)
    assert drawn.std(axis=0) == pytest.approx(SD, rel=0.04) and np.abs(drawn.mean(axis=0)).max() < 4 * SD / 63
    wrong = EDM(Zero(), PLANE, sd=2 * SD, steps=60).sample(4000, rng)
    assert wrong.std() > 1.5 * SD  # the network is asked for the rest


def test_the_exact_network_gives_the_exact_denoiser():
    """c_skip, c_out, c_in and c_noise in one, at all sigmas; so samples are the mixture's."""
    model, x = EDM(Exact(), PLANE, sd=SD), asarray(backend.rng(8).standard_normal((10, 2)))
    for level in karras_levels(6)[:-1]:
        np.testing.assert_allclose(to_numpy(model.denoise(level.s * x, level)),
                                   to_numpy(P.denoise(level.s * x, level)), rtol=1e-6, atol=1e-8)

    class Linear(EDM):
        def c_noise(self, sigma):
            return sigma

    wrong = Linear(Exact(), PLANE, sd=SD)
    level = karras_levels(6)[3]
    assert np.abs(to_numpy(wrong.denoise(x, level) - P.denoise(x, level))).max() > 0.1


def test_training_finds_the_mixture():
    rng, x = backend.rng(9), np.float32(P.draw(5000, backend.rng(10))[0])
    model = EDM(TimedMLP(2, (32, 32), rng=backend.rng(0)), PLANE, sd=SD, steps=12)
    optimizer = Adam(model.parameters(), cosine_decay(1e-2))
    for step in range(400):
        batch = {"x": x[rng.integers(len(x), size=128)]}
        optimizer.step(grad(model.loss(batch, rng)["loss"], optimizer.params), done=step / 400)
    drawn = model.sample(1000, rng)
    assert (drawn.sum(axis=1) > -0.6).mean() == pytest.approx(0.8, abs=0.06)
    (nll,) = model.measure({"x": np.float32(P.draw(100, rng)[0])}, rng)
    entropy = -P.log_p(P.draw(20_000, rng)[0]).data.mean()
    assert nll.value == pytest.approx(entropy, abs=0.25) and nll.unit == "nats"


def test_images():
    network = UNet(1, width=8, multipliers=(1,), blocks=1, groups=4, rng=backend.rng(0))
    model = EDM(network, Space((1, 8, 8), 17), sd=0.75, steps=2)
    x = backend.rng(1).integers(0, 17, (6, 1, 8, 8)).astype(np.uint8)
    (measure,) = model.measure({"x": x}, backend.rng(2))
    assert measure.value == pytest.approx(1.0, abs=0.4) and "sigma 0.05" in measure.detail
    drawn = model.sample(3, backend.rng(3))
    assert drawn.shape == (3, 1, 8, 8) and model.denoise(asarray(drawn), model.levels[0]).dtype == np.float32


@pytest.mark.parametrize("call, message", [
    (lambda: EDM(Zero(), PLANE, sd=0.0), "EDM: sd is 0.0"),
    (lambda: EDM(Zero(), PLANE, std=-1.0), "std is -1.0, expected above 0"),
    (lambda: EDM(Zero(), PLANE, steps=0), "karras_levels: steps is 0"),
    (lambda: edm.loss({"x": np.zeros((4, 3), np.float32)}, backend.rng(0)), "x has shape (4, 3), expected (N, 2)"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
