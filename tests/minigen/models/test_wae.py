"""The WAE: its objective term by term, codes that come to follow the prior, and the sign that others had wrong."""
import math

import numpy as np
import pytest

from autograd import grad
from autograd.backend import rng
from minigen import data
from minigen.autoencoders.matched import imq_mmd
from minigen.autoencoders.priors import Normal
from minigen.data import Space
from minigen.models.autoencoders import WAEGAN, WAEMMD
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

PLANE, PRIOR = Space((2,)), Normal(2)
TEST = data.load("pinwheel", "test").first(1000)


def tiny(cls=WAEMMD, weight=10.0):
    return cls(PLANE, PRIOR, hidden=(32,), weight=weight, rng=rng(0))


def trained(model, steps=500):
    """(squared error, MMD^2 of the codes) on the test split after a few seconds."""
    run = train(Run(one_stage(model, adam(cosine_decay(5e-3)), steps, batch_size=100), data.load("pinwheel"), rng=rng(1)))
    with run.evaluating():
        return [measure.value for measure in model.measure({"x": TEST["x"]}, rng(2))]


class Minus(WAEMMD):
    """schelotto/Wasserstein-AutoEncoders, issue 6: reconstruction minus MMD."""

    def loss(self, batch, rng):
        terms = super().loss(batch, rng)
        return {"loss": terms["squared error"] - self.weight * terms["MMD^2"], **terms}


class CutOff(WAEMMD):
    def loss(self, batch, rng):
        terms = super().loss(batch, rng)
        return {"loss": terms["squared error"] + self.weight * terms["MMD^2"].clip(0.0, None), **terms}


def check_objective(model):
    """AssertionError unless what is minimized is eq. 4, for batches in which the unbiased MMD^2 is below 0 too."""
    signs = set()
    for seed in range(20):
        x = np.float32(rng(seed).standard_normal((12, 2)))
        z, error = model.codes_and_error(x)
        distance = imq_mmd(z, model.prior.draw(12, rng(seed + 50)), model.prior.apart).item()
        minimized = next(iter(model.loss({"x": x}, rng(seed + 50)).values())).item()
        assert minimized == pytest.approx(error.item() + model.weight * distance, rel=1e-5)
        signs.add(distance > 0)
    assert signs == {True, False}


def identity(model):
    """The model with an encoder that is the identity: codes of data from the prior follow the prior."""
    model.encoder.forward = lambda x: x + 0 * sum(p.sum() for p in model.encoder.parameters())
    return model


def test_the_objective_is_that_of_equation_4():
    check_objective(identity(tiny()))
    for broken in (Minus, CutOff):
        with pytest.raises(AssertionError):
            check_objective(identity(tiny(broken)))


@pytest.fixture(scope="module")
def good():
    return trained(tiny())


def test_codes_come_to_follow_the_prior(good):
    plain = trained(tiny(weight=0.0))
    assert good[1] < 0.05 < 0.3 < plain[1]
    assert plain[0] < good[0] < 0.3  # what the prior costs; the pinwheel has a variance of 6.9


def test_with_the_wrong_sign_codes_flee_from_the_prior(good):
    _, distance = trained(tiny(Minus), steps=200)
    assert distance > 1 and distance > 20 * good[1]


def test_wae_gan_codes_come_to_follow_the_prior():
    model = WAEGAN(PLANE, PRIOR, hidden=(32,), adversary=(32, 32), weight=1.0, rng=rng(0))
    error, distance = trained(model)
    assert distance < 0.1 and error < 0.3


def test_wae_gan_terms_and_players():
    model = WAEGAN(PLANE, PRIOR, hidden=(8,), adversary=(8,), weight=3.0, rng=rng(0))
    batch = {"x": TEST["x"][:50]}
    D, autoencoder = model.players()
    terms = {name: term.item() for name, term in autoencoder.loss(batch, rng(0)).items()}
    a = model.logit(model.encode(batch["x"])).numpy()
    assert terms["-log D(f(x))"] == pytest.approx(np.log1p(np.exp(-a)).mean(), rel=1e-5)
    assert terms["squared error - 3 log D"] == pytest.approx(terms["squared error"] + 3 * terms["-log D(f(x))"], rel=1e-5)
    assert D.loss(batch, rng(0))["-V"].item() == pytest.approx(math.log(4), abs=0.3)
    assert {id(p) for p in D.params} | {id(p) for p in autoencoder.params} == {id(p) for p in model.parameters()}
    assert {id(p) for p in D.params}.isdisjoint(id(p) for p in autoencoder.params)
    for player in (D, autoencoder):
        gradients = grad(next(iter(player.loss(batch, rng(0)).values())), player.params)
        assert all(np.any(g.numpy()) for g in gradients)
    with pytest.raises(RuntimeError, match="does not depend"):
        grad(D.loss(batch, rng(0))["-V"], autoencoder.params)


@pytest.mark.parametrize("make, message", [
    (lambda: tiny(weight=-1.0), "WAEMMD: weight is -1.0, expected lambda, at least 0"),
    (lambda: tiny(WAEGAN, weight=math.nan), "WAEGAN: weight is nan, expected lambda, at least 0"),
    (lambda: tiny().loss({"x": np.zeros((5, 3), np.float32)}, rng(0)), r"x has shape \(5, 3\), expected \(N, 2\)"),
    (lambda: tiny().loss({"x": np.zeros((1, 2), np.float32)}, rng(0)), "mmd: kernels have shapes .* at least 2"),
])
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
