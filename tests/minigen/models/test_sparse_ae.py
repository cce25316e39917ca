"""Sparse autoencoders: the penalty and its gradient against formulas, the k largest, and the bugs that hide in both."""
import numpy as np
import pytest

from autograd import Tensor, grad, no_grad, parameter
from autograd.backend import rng
from minigen import data
from minigen.data import Space
from minigen.models.autoencoders import KSparseAutoencoder, SparseAutoencoder
from minigen.models.autoencoders.sparse_ae import SHARE, correlations, kl_of_rates
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

SMALL = Space((1, 4, 4), 17)


def images(n, seed=0):
    return rng(seed).integers(0, 17, (n, 1, 4, 4)).astype(np.uint8)


def tiny(cls=SparseAutoencoder, **settings):
    return cls(SMALL, units=6, rng=rng(0), **settings)


# The KL penalty


def kl(p, q):
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def test_the_loss_is_that_of_the_notes():
    model, x = tiny(rho=0.1, beta=2.0, decay=0.3).eval(), images(9)
    W, b, V, c = (np.float64(p.numpy()) for p in (*model.encoder.parameters(), *model.decoder.parameters()))
    V = V / 0.1  # the decoder's weights are rho V
    rows = x.reshape(9, 16) / 16
    a = 1 / (1 + np.exp(-(rows @ W.T + b)))
    error = ((rows - a @ V.T - c) ** 2).sum(axis=1).mean()
    penalty = sum(kl(0.1, a[:, j].mean()) for j in range(6))
    minimized, squared, divergence = (term.item() for term in model.loss({"x": x}, None).values())
    assert (squared, divergence) == (pytest.approx(error, rel=1e-5), pytest.approx(penalty, rel=1e-4))
    assert minimized == pytest.approx(0.5 * error + 2 * penalty + 0.15 * ((W**2).sum() + (V**2).sum()), rel=1e-5)


class OverUnits(SparseAutoencoder):
    """Averages over the units of an example: then only the total is set."""

    def mean_activity(self, a):
        return a.mean(axis=1)


class Detached(SparseAutoencoder):
    """Takes the running mean for a constant."""

    def mean_activity(self, a):
        return Tensor(super().mean_activity(a).data)


class Attenuated(SparseAutoencoder):
    """Lets the gradient pass through the batch's share of the running mean, a tenth of it."""

    def mean_activity(self, a):
        mean = (1 - SHARE) * self.rho_hat + SHARE * a.mean(axis=0)
        self.rho_hat[...] = mean.data
        return mean


def check_penalty(cls):
    """AssertionError unless the penalty sees each unit, and has the whole gradient of the mean over the data."""
    model = tiny(cls)
    uneven = np.tile(np.float32([0.3, 0.3, 0.0001, 0.0001, 0.0001, 0.0001]), (50, 1))  # mean 0.1, yet four units are dead
    even = np.full((50, 6), uneven.mean(), np.float32)
    penalty = lambda a: kl_of_rates(0.05, model.mean_activity(Tensor(a))).sum().item()
    with no_grad():
        for a in (uneven, even):
            for _ in range(200):  # until the running mean is that of a
                model.mean_activity(Tensor(a))
            if a is uneven:
                at_uneven = penalty(a)
    assert at_uneven == pytest.approx(6 * kl(0.05, np.float64([0.3, 0.0001])) @ [1 / 3, 2 / 3], rel=1e-2)
    assert at_uneven > 3 * penalty(even)

    a = parameter(even)  # where the running mean is that of the batch, the gradient is the plain one
    g = grad(kl_of_rates(0.05, model.mean_activity(a)).sum(), a, allow_unused=True)
    q = even[0, 0]
    np.testing.assert_allclose(g.numpy(), np.full((50, 6), (-0.05 / q + 0.95 / (1 - q)) / 50), rtol=1e-3)


def test_the_penalty():
    check_penalty(SparseAutoencoder)


@pytest.mark.parametrize("broken", [OverUnits, Detached, Attenuated])
def test_broken_penalties_are_noticed(broken):
    with pytest.raises((AssertionError, RuntimeError, AttributeError)):
        check_penalty(broken)


def test_the_running_mean_takes_out_the_noise_of_small_batches():
    """Each unit is on for 5 % of the examples, in batches of 20: the penalty should be nearly 0, and of a batch alone is
    not."""
    model, noise = tiny(rho=0.05), rng(1)
    values = []
    for _ in range(300):
        a = Tensor(np.float32(noise.random((20, 6)) < 0.05) * 0.98 + 0.01)
        values.append([kl_of_rates(0.05, m).sum().item() for m in (model.mean_activity(a), a.mean(axis=0))])
    smooth, alone = np.mean(values[100:], axis=0)
    assert smooth < 0.2 * alone


def test_evaluation_leaves_the_running_mean():
    model = tiny().eval()
    before = model.rho_hat.copy()
    model.loss({"x": images(9)}, None)
    np.testing.assert_array_equal(model.rho_hat, before)
    model.train().loss({"x": images(9)}, None)
    assert np.any(model.rho_hat != before)


# The k largest


def test_k_sparse_is_algorithm_1():
    model, x = tiny(KSparseAutoencoder, k=2), images(9)
    W, b = (np.float64(p.numpy()) for p in model.encoder.parameters())
    model.c.data[...] = rng(3).random(16)
    rows, x_hat = x.reshape(9, 16) / 16, []
    for row in rows:
        z = W @ row + b
        support = np.argsort(z)[-2:]
        x_hat.append(W[support].T @ z[support] + model.c.numpy())
    a = model.encode(x)
    assert ((a != 0).sum(axis=1) == 2).all()
    np.testing.assert_allclose(model.reconstruct(x).reshape(9, 16), np.clip(x_hat, 0, 1), atol=1e-5)
    assert model.loss({"x": x}, None)["squared error"].item() == pytest.approx(((rows - x_hat) ** 2).sum() / 9, rel=1e-5)
    g = grad(model.loss({"x": x}, None)["squared error"], model.encoder.weight)
    used = (a != 0).any(axis=0)
    assert (np.abs(g.numpy()).sum(axis=1) > 0).tolist() == used.tolist()  # who was not chosen learns nothing


def test_k_falls_over_the_first_half_of_training_and_is_small_after_it():
    model, seen = tiny(KSparseAutoencoder, k=2, first=6), []
    for done in (0.0, 0.25, 0.5, 0.9):
        model.done = done
        seen.append(model.active())
    assert seen == [6, 4, 2, 2]
    model.done = 0.0
    assert model.eval().active() == 2 and (model.encode(images(5)) != 0).sum(axis=1).tolist() == [2] * 5


# What is measured


def test_measures_tell_dead_units_and_units_that_are_alike():
    base = rng(0).random((200, 3))
    np.testing.assert_allclose(correlations(base) + np.eye(3), np.corrcoef(base.T), atol=1e-12)
    more = correlations(np.concatenate([base, 2 * base[:, :1], 0 * base[:, :1]], axis=1))
    assert more[0, 3] == pytest.approx(1) and not more[4].any()
    model, x = tiny(), images(50)
    model.encoder.weight.data[:2] = model.encoder.weight.data[:1]  # two alike
    model.encoder.bias.data[...] = 0
    model.encoder.bias.data[5] = -50  # one dead
    error, active, dead, alike = model.measure({"x": x}, None)
    assert dead.value == pytest.approx(1 / 6) and active.value == pytest.approx(5 / 6) and 2 / 30 <= alike.value < 0.9
    x_hat = model.reconstruct(x)
    assert error.value == pytest.approx(((x / 16 - x_hat) ** 2).sum() / 50, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("beta, sparse", [(3.0, True), (0.0, False)])
def test_trained_units_are_rare_alive_and_different(beta, sparse):
    digits = data.load("digits")
    model = SparseAutoencoder(digits.spaces["x"], units=64, rho=0.05, beta=beta, rng=rng(0))
    train(Run(one_stage(model, adam(cosine_decay(1e-2)), 1500, batch_size=100), digits, rng=rng(1)))
    rates = model.encode(digits["x"]).mean(axis=0)
    active = model.measure(digits.columns, None)[1].value
    assert (np.all((0.02 < rates) & (rates < 0.1)) and active < 0.15) == sparse


@pytest.mark.parametrize("make, message", [
    (lambda: tiny(rho=1.0), "rho is 1.0, beta is 3.0, decay is 0.0001, expected rho between 0 and 1"),
    (lambda: tiny(beta=-1.0), "beta is -1.0"),
    (lambda: SparseAutoencoder(SMALL, units=0, rng=rng(0)), "SparseAutoencoder: units is 0, expected at least 1"),
    (lambda: tiny(KSparseAutoencoder, k=7), "k is 7, first is 6, expected 1 <= k <= first <= units = 6"),
    (lambda: tiny(KSparseAutoencoder, k=3, first=2), "k is 3, first is 2, expected"),
    (lambda: tiny().loss({"x": images(3).reshape(3, 16)}, None), r"x has shape \(3, 16\), expected \(N, 1, 4, 4\)"),
])
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
