"""NCSN: its loss line by line, the field that it learns against the exact one, and what the loss hides."""
import numpy as np
import pytest

from autograd import Tensor, backend, grad, no_grad
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Space
from minigen.diffusion import Mixture, convert, geometric_levels, heun
from minigen.models.diffusion import NCSN
from minigen.models.diffusion.ncsn import NCSN as Model
from minigen.nn import Module, TimedMLP, UNet
from minigen.optim import Adam, cosine_decay

P = Mixture([0.8, 0.2], [[1.0, 1.0], [-1.0, -1.0]], 0.5)
LEVELS = geometric_levels(4, 0.2, 3.0)
PLANE = Space((2,))


class Exact(Module):
    """The network that a mixture's best score asks for."""

    def forward(self, x, t):
        score = np.zeros(x.shape)
        for level in LEVELS[:-1]:
            rows = t == level.t
            at = to_numpy(x.data)[rows] * np.sqrt(1 + level.s**2)
            score[rows] = level.s * to_numpy(P.score(asarray(at), level))
        return Tensor(asarray(score))


def build(seed=0, hidden=(32, 32)):
    return NCSN(TimedMLP(2, hidden, rng=backend.rng(seed)), LEVELS, PLANE, steps=20)


def perturbed(model, seed=1):
    rng = backend.rng(seed)
    for p in model.parameters():
        p.data = p.data + asarray(0.1 * rng.standard_normal(p.shape), p.dtype)
    return model


def test_the_loss_line_by_line():
    """Eqs. 5 and 6: the mean over i and x of sigma^2 1/2 |s(x + sigma eps) + eps / sigma|^2, with eps and with -eps."""
    model, x = perturbed(build()), np.float32(P.draw(6, backend.rng(2))[0])
    rng = backend.rng(3)
    t, eps = rng.integers(1, 5, size=6), rng.standard_normal(x.shape, dtype=np.float32)
    sigma = np.geomspace(0.2, 3.0, 4)[t - 1][:, None].astype(np.float32)
    expected = []
    for sign in (1, -1):
        s = model(Tensor(asarray(x + sign * sigma * eps)), t).numpy()
        expected.append(0.5 * sigma[:, 0] ** 2 * ((s + sign * eps / sigma) ** 2).sum(axis=1))
    assert model.loss({"x": x}, backend.rng(3))["loss"].item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_saying_nothing_costs_half_a_dimension_each_at_every_level():
    """So each level counts the same; with lambda = 1 the least noise would be all that counts, here 225 times more."""
    model, x = build(), asarray(np.zeros((4000, 2), np.float32))
    eps = normal(backend.rng(4), x.shape)
    for t in range(1, 5):
        loss = model.weighted(x, np.full(4000, t), eps).data.mean()
        assert float(loss) == pytest.approx(1.0, rel=0.05)


def gradient_noise(sample, n=60):
    """The relative spread of the gradient of the last layer over draws of the noise, for the level with least noise."""
    model = build()
    x = asarray(np.float32(P.draw(64, backend.rng(5))[0]))
    rng, draws = backend.rng(6), []
    for _ in range(n):
        loss = sample(model, x, normal(rng, x.shape))
        draws.append(to_numpy(grad(loss, model.network.head.weight).data).ravel())
    draws = np.array(draws)
    return draws.std(axis=0).mean()


def test_the_noise_and_its_opposite_make_the_gradient_less_noisy():
    """The trap: for a small sigma the objective's gradient is nearly all noise. In pairs it is a fraction of it, for as
    many evaluations of the network."""
    one = np.full(64, 1)
    single = lambda model, x, eps: model.weighted(x, one, eps).mean()
    paired = lambda model, x, eps: 0.5 * (model.weighted(x[:32], one[:32], eps[:32]).mean()
                                          + model.weighted(x[:32], one[:32], -eps[:32]).mean())
    assert gradient_noise(paired) < 0.5 * gradient_noise(single)


def field_error(model, level, n=2000):
    """Relative L2 error where p is above 1e-3 of its maximum."""
    rng = backend.rng(7)
    x = asarray(np.float32(P.draw(n, rng)[0] + level.s * rng.standard_normal((n, 2))))
    log_p = P.log_p(x, level).numpy()
    x = x[log_p > log_p.max() + np.log(1e-3)]
    truth = to_numpy(P.score(x, level))
    score = to_numpy(convert(model.denoise(x, level), "x0", "score", x, level))
    return np.sqrt(((score - truth) ** 2).sum() / (truth**2).sum())


def test_the_field_is_learnt_while_the_loss_stays_put():
    """At the least noise, 0.2 where the data's own width is 0.5, the loss of the exact field is 0.87 of that of none."""
    model, rng = build(), backend.rng(8)
    optimizer = Adam(model.parameters(), cosine_decay(1e-2))
    for step in range(400):
        batch = {"x": np.float32(P.draw(128, rng)[0])}
        optimizer.step(grad(model.loss(batch, rng)["loss"], optimizer.params), done=step / 400)
    errors = [field_error(model, level) for level in LEVELS[:-1]]
    assert max(errors) < 0.25, errors
    with no_grad():
        x = asarray(np.float32(P.draw(20_000, rng)[0]))
        left = float(model.weighted(x, np.full(len(x), 1), normal(rng, x.shape)).data.mean())
    assert 0.8 < left < 1.0


def test_the_exact_network_gives_the_exact_denoiser_and_samples():
    """The scaling of input and output, and where the walk starts: another one of either, and pictures stay noise."""
    model = NCSN(Exact(), LEVELS, PLANE, steps=30)
    x = asarray(backend.rng(9).standard_normal((50, 2)))
    for level in LEVELS[:-1]:
        np.testing.assert_allclose(to_numpy(model.denoise(x, level)), to_numpy(P.denoise(x, level)), rtol=1e-5, atol=1e-6)
    drawn = model.sample(600, backend.rng(10))
    assert drawn[drawn.sum(axis=1) > 0].std(axis=0) == pytest.approx(0.5, rel=0.15)


class NoDivision(Model):
    """Forgets that the network's numbers are sigma times the score."""

    def forward(self, x, t):
        return super().forward(x, t) * self._sigma(t, x)


def test_another_scaling_than_in_training_is_noticed():
    x, model = asarray(np.float64(P.draw(500, backend.rng(11))[0])), NoDivision(Exact(), LEVELS, PLANE)
    wrong = max(np.abs(to_numpy(model.denoise(x, level) - P.denoise(x, level))).max() for level in LEVELS[:-1])
    assert wrong > 0.3


def test_images():
    model = NCSN(UNet(1, width=8, multipliers=(1,), blocks=1, groups=4, rng=backend.rng(0)),
                 geometric_levels(3, 0.1, 1.0), Space((1, 8, 8), 17), steps=2)
    x = backend.rng(1).integers(0, 17, (6, 1, 8, 8)).astype(np.uint8)
    assert model.loss({"x": x}, backend.rng(2))["loss"].item() == pytest.approx(32, rel=0.2)
    (measure,) = model.measure({"x": x}, backend.rng(3))
    assert measure.value == pytest.approx(1.0, abs=0.15) and measure.half_width > 0 and "L = 3" in measure.detail
    drawn = model.sample(3, backend.rng(4))
    assert drawn.shape == (3, 1, 8, 8) and drawn.min() >= 0 and drawn.max() <= 1
    x_T = normal(backend.rng(5), (4, 1, 8, 8))
    assert heun(model.denoise, x_T, model.levels).shape == x_T.shape  # other samplers too


@pytest.mark.parametrize("call, message", [
    (lambda: NCSN(None, LEVELS[::-1], PLANE), "expected a = 1 and t = L, ..., 1, 0"),
    (lambda: build().loss({"x": np.zeros((4, 3), np.float32)}, None), "x has shape (4, 3), expected (N, 2)"),
    (lambda: build().network(Tensor(np.zeros((4, 2), np.float32)), np.ones(3)), "TimedMLP: t has shape (3,), expected"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
