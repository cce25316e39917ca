"""An autoregressive decoder of a code: it sums to one, sees no later pixel, can do without z, and is kept from it."""
import itertools
import math

import numpy as np
import pytest

from autograd import Tensor, grad, no_grad
from autograd.backend import asarray, rng, to_numpy
from minigen import data
from minigen.autoencoders import warm_up
from minigen.data import Space
from minigen.models.autoencoders import LossyVAE
from minigen.nn.masked import MaskedMLP
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

BITS = Space((1, 2, 2), 2)


def tiny(**settings):
    model = LossyVAE(BITS, latent=2, hidden=(8,), masked=(16,), **settings, rng=rng(0))
    for p in model.decoder.parameters():
        p.data += asarray(rng(3).standard_normal(p.shape, dtype=np.float32))  # far from a decoder that ignores all
    return model


def every_image():
    return np.array(list(itertools.product((0, 1), repeat=4)), np.float32)


def test_it_sums_to_one_and_no_pixel_sees_a_later_one():
    model, z = tiny(), asarray(rng(1).standard_normal((1, 1, 2), dtype=np.float32))
    x = every_image()
    with no_grad():
        assert np.exp(model.log_prob(asarray(x), z).numpy()).sum() == pytest.approx(1, abs=1e-5)
        logits = model.decoder(asarray(x), z[0]).numpy()[:, 0]  # (16, 4)
    for i in range(4):
        for a, b in itertools.combinations(range(16), 2):
            if (x[a, :i] == x[b, :i]).all():
                assert logits[a, i] == pytest.approx(logits[b, i], abs=1e-5)
    assert np.ptp(logits[:, 3]) > 0.1 and np.ptp(logits[:, 0]) < 1e-5


def test_what_is_drawn_has_the_probabilities_that_are_told():
    model, z = tiny(), np.tile(np.float32([[0.5, -1.0]]), (20_000, 1))
    x = model.decode(z).reshape(-1, 4)
    with no_grad():
        p = np.exp(model.log_prob(asarray(every_image()), asarray(z[:1, None])).numpy()[:, 0])
    shares = np.bincount((x @ [8, 4, 2, 1]).astype(int), minlength=16) / len(x)
    assert np.all(np.abs(shares - p) < 4.5 * np.sqrt(p * (1 - p) / len(x)) + 1e-4)


def test_the_loss_has_its_parts():
    x = every_image().astype(np.uint8).reshape(16, 1, 2, 2)
    model = tiny(beta=warm_up(0.5), least=5.0)
    for done, beta in (0.0, 0.0), (0.25, 0.5), (1.0, 1.0):
        model.done = done
        terms = {name: term.item() for name, term in model.loss({"x": x}, rng(1)).items()}
        assert terms["loss"] == pytest.approx(terms["reconstruction"] + beta * 2 * 5.0, rel=1e-5)  # of two latents
        assert terms["-ELBO"] == pytest.approx(terms["reconstruction"] + terms["KL"], rel=1e-5)
    plain = tiny().loss({"x": x}, rng(1))
    assert plain["loss"].item() == pytest.approx(plain["-ELBO"].item(), rel=1e-5)
    assert all(np.any(g.numpy()) for g in grad(plain["loss"], tiny().parameters(), allow_unused=True) if g is not None)


def test_bounds_are_below_log_p():
    """log p(x) by a sum over a grid of z, for all 16 images."""
    model, at = tiny(), np.linspace(-5, 5, 101, dtype=np.float32)
    z = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    x = every_image()
    with no_grad():
        log_p = model.log_prob(asarray(x), asarray(np.tile(z, (16, 1, 1)))).numpy()  # (16, 101^2)
    p = (np.exp(log_p) * np.exp(-0.5 * (z**2).sum(axis=1)) / (2 * math.pi)).sum(axis=1) * (at[1] - at[0]) ** 2
    assert p.sum() == pytest.approx(1, abs=1e-3)
    elbo, of_many = (m.value for m in model.measure({"x": x.astype(np.uint8).reshape(16, 1, 2, 2)}, rng(2), 4000)[:2])
    assert of_many == pytest.approx(-np.log(p).mean(), abs=0.02) and elbo > of_many + 0.05


@pytest.mark.slow
def test_the_code_collapses_and_free_bits_hold_it():
    digits = data.load("digits")

    def kl_and_units(least):
        model = LossyVAE(digits.spaces["x"], latent=4, hidden=(64,), masked=(800,), least=least, rng=rng(0))
        train(Run(one_stage(model, adam(cosine_decay(3e-2)), steps=200, batch_size=100), digits, rng=rng(1)))
        *_, units, kl = model.measure(digits.first(300).columns, rng(2), 2)
        return kl.value, units.value

    kl, units = kl_and_units(0.0)
    assert kl < 0.1 and units == 0
    kl, units = kl_and_units(0.5)
    assert kl > 1.5 and units == 4


@pytest.mark.parametrize("make, message", [
    (lambda: LossyVAE(BITS, least=-1, rng=rng(0)), "LossyVAE: least is -1, expected at least 0 nats"),
    (lambda: LossyVAE(Space((2,)), rng=rng(0)), "'bernoulli' is for gray levels"),
    (lambda: MaskedMLP(np.arange(3), (), 1, 2, rng=rng(0)), "MaskedMLP: hidden is empty"),
    (lambda: tiny().loss({"x": np.full((1, 1, 2, 2), 2, np.uint8)}, rng(0)), "x holds values from 2 to 2"),
])
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_reconstructions_are_the_same_every_time():
    x = every_image().astype(np.uint8).reshape(16, 1, 2, 2)
    np.testing.assert_array_equal(tiny().reconstruct(x), tiny().reconstruct(x))
    assert isinstance(tiny().sample(3, rng(0)), np.ndarray) and Tensor(to_numpy(tiny().prior(2, rng(0)))).shape == (2, 2)
