"""Two layers of latents against a linear-Gaussian model, whose log p(x) and exact posterior are known."""
import math

import numpy as np
import pytest
import scipy.stats

from autograd import grad, no_grad
from autograd.backend import rng, to_numpy
from minigen.data import Space
from minigen.densities import log_normal, log_standard_normal
from minigen.models.autoencoders import HierarchicalVAE

POINTS, BITS = Space((4,)), Space((1, 2, 2), 2)
A, C, S1 = np.array([1.5, -0.8]), np.array([0.3, -1.0]), np.array([0.5, 0.2])  # z1 = A z2 + C + sqrt(S1) eps
W = np.array([[1.0, 0.5], [1.0, -0.5], [0.0, 1.0], [0.7, 0.0]])
W[:, 1] -= W[:, 0] * (W[:, 0] @ W[:, 1]) / (W[:, 0] @ W[:, 0])  # at right angles: the posterior of z1 is diagonal
B = np.array([1.0, 2.0, 3.0, 4.0])  # x = W z1 + B + eps


def say(network, weight, bias, var):
    """A linear network gives the mean `weight z + bias` and the logarithms of var."""
    layer = network[0]
    layer.weight.data[...] = np.concatenate([weight, np.zeros_like(weight)])
    layer.bias.data[...] = np.concatenate([bias, np.log(var)])


def exact(cls=HierarchicalVAE):
    """The model with its exact posterior: q(z1 | x) and q(z2 | z1) by completing squares."""
    model = cls(POINTS, "gaussian", latents=(2, 2), hidden=((), ()), rng=rng(0))
    model.decoder[0].weight.data[...], model.decoder[0].bias.data[...] = W, B
    say(model.downwards, np.diag(A), C, S1)
    var1 = 1 / (1 / (A**2 + S1) + (W**2).sum(axis=0))
    say(model.encoder, var1[:, None] * W.T, var1 * (C / (A**2 + S1) - W.T @ B), var1)
    var2 = 1 / (1 + A**2 / S1)
    say(model.upwards, np.diag(var2 * A / S1), -var2 * A / S1 * C, var2)
    return model


def log_p(x):
    return scipy.stats.multivariate_normal(W @ C + B, W * (A**2 + S1) @ W.T + np.eye(4)).logpdf(x)


def check_tight(cls):
    """With the exact posterior log w is log p(x), whatever is drawn; and the loss is -log p(x) on the average."""
    model = exact(cls)
    x = model.sample(50, rng(1))
    with no_grad():
        log_w = model.log_weights(x, 20, rng(2)).numpy()
        np.testing.assert_allclose(log_w, np.tile(log_p(x)[:, None], 20), atol=1e-3)
        losses = [model.loss({"x": x}, rng(i))["-ELBO"].item() for i in range(200)]
    assert abs(np.mean(losses) + log_p(x).mean()) < 4 * np.std(losses) / math.sqrt(200)


class FlatPrior(HierarchicalVAE):
    """z1 is held against N(0, I), as if there were no layer above."""

    def infer(self, seen, eps):
        mu1, logvar1, z1, *_ = self.draw(seen, eps)
        return z1, (log_standard_normal(z1) - log_normal(z1, mu1, logvar1)).sum(axis=2)


class TopIsFree(HierarchicalVAE):
    """What z2 costs is forgotten: log p(z2) - log q(z2 | z1)."""

    def infer(self, seen, eps):
        mu1, logvar1, z1, *_, z2 = self.draw(seen, eps)
        return z1, (log_normal(z1, *self.above(z2)) - log_normal(z1, mu1, logvar1)).sum(axis=2)


class AnotherDraw(HierarchicalVAE):
    """z2 is drawn for another draw of z1 than the one it stands above."""

    def draw(self, seen, eps):
        return *super().draw(seen, eps)[:3], *super().draw(seen, eps[:, ::-1])[3:]


class TopNotTrained(HierarchicalVAE):
    """KL2 has the other sign."""

    def codes(self, seen, eps):
        z1, kl1, kl2 = super().codes(seen, eps)
        return z1, kl1, -kl2


def test_the_bound_is_tight_for_the_exact_posterior():
    check_tight(HierarchicalVAE)


@pytest.mark.parametrize("broken", [FlatPrior, TopIsFree, AnotherDraw, TopNotTrained])
def test_broken_bounds_are_noticed(broken):
    with pytest.raises(AssertionError):
        check_tight(broken)


def test_both_bounds_are_below_log_p_for_another_posterior():
    model = exact()
    model.encoder[0].bias.data[...] += 0.3
    model.upwards[0].bias.data[...] += 0.3
    x = model.sample(200, rng(1))
    elbo, of_5 = (-m.value for m in model.measure({"x": x}, rng(2), k=5)[:2])
    of_2000 = -model.measure({"x": x}, rng(3), k=2000)[1].value
    assert elbo + 0.1 < of_5 < of_2000 - 0.01 and of_2000 == pytest.approx(log_p(x).mean(), abs=0.01)


def test_codes_are_drawn_by_way_of_the_top():
    """z1 ~ N(C, A^2 + S1): its mean and variance, to four standard errors; and x ~ N(W C + B, ...)."""
    z1 = to_numpy(exact().prior(40_000, rng(0)))
    var = A**2 + S1
    assert np.all(np.abs(z1.mean(axis=0) - C) < 4 * np.sqrt(var / 40_000))
    np.testing.assert_allclose(z1.var(axis=0), var, rtol=4 * math.sqrt(2 / 40_000))
    np.testing.assert_allclose(exact().sample(40_000, rng(1)).mean(axis=0), W @ C + B, atol=0.05)


def test_the_kl_of_a_layer_and_whether_it_is_dead():
    """KL2 by hand, an average over q(z1 | x); a top layer that says N(0, I) costs nothing and has no unit in use."""
    model = exact()
    x = model.sample(4000, rng(1))
    measures = {m.name: m.value for m in model.measure({"x": x}, rng(2), k=2)}
    var2 = 1 / (1 + A**2 / S1)  # E_x[mu2^2] = 1 - var2, as the mean of q(z2) over x is p(z2)
    assert measures["KL2"] == pytest.approx(-0.5 * np.log(var2).sum(), rel=0.05)
    assert measures["z1 in use"] == measures["z2 in use"] == 2
    say(model.upwards, np.zeros((2, 2)), np.zeros(2), np.ones(2))
    dead = {m.name: m.value for m in model.measure({"x": x}, rng(2), k=2)}
    assert dead["KL2"] == 0 and dead["z2 in use"] == 0 and dead["z1 in use"] == 2


def test_beta_rises_with_the_training():
    model = HierarchicalVAE(BITS, latents=(3, 2), hidden=((8,), (8,)), rng=rng(0))
    x = np.eye(4, dtype=np.uint8).reshape(4, 1, 2, 2)
    for done, beta in (0.0, 0.0), (0.15, 0.5), (0.3, 1.0), (1.0, 1.0):
        model.done = done
        terms = {name: term.item() for name, term in model.loss({"x": x}, rng(1)).items()}
        kl = terms["KL1"] + terms["KL2"]
        assert terms["reconstruction + beta KL"] == pytest.approx(terms["reconstruction"] + beta * kl, rel=1e-5)
        assert terms["-ELBO"] == pytest.approx(terms["reconstruction"] + kl, rel=1e-5)
    gradients = grad(model.loss({"x": x}, rng(1))["reconstruction + beta KL"], model.parameters())
    assert all(np.any(g.numpy()) for g in gradients)


@pytest.mark.parametrize("arguments, message", [
    (dict(latents=(3,)), r"latents is \(3,\), hidden is .*, expected two of each, for the layers"),
    (dict(latents=(3, 0)), "HierarchicalVAE: latent is 0, expected at least 1"),
    (dict(decoder="gauss"), "decoder is 'gauss', expected one of"),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        HierarchicalVAE(BITS, **arguments, rng=rng(0))
