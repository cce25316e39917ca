"""M2 against sums and integrals done by hand, and what its parts are there for."""
import itertools

import numpy as np
import pytest
from scipy.stats import norm

from autograd import exp, grad, log_softmax, no_grad
from autograd.backend import asarray, rng, to_numpy
from minigen import data
from minigen.data import Space, few_labels
from minigen.densities import kl_standard_normal
from minigen.models.autoencoders import M1M2, M2, VAE
from minigen.nn import Frozen
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

BITS, PLANE = Space((1, 1, 3), 2), Space((2,))


def tiny(space=BITS, cls=M2, **settings):
    return cls(space, classes=3, latent=1, hidden=(8,), rng=rng(0), **settings)


def every_image():
    return np.array(list(itertools.product((0, 1), repeat=3)), np.uint8).reshape(-1, 1, 1, 3)


def exact(model, rows):
    """log p(x, y) of rows of bits (n, 3), (n, K), by a sum over 400 places of the one latent number."""
    z = np.linspace(-6, 6, 401)
    weight = norm.pdf(z) * (z[1] - z[0])
    joint = np.empty((len(rows), model.K))
    for y in range(model.K):
        inputs = np.concatenate([z[:, None], np.tile(np.eye(model.K)[y], (len(z), 1))], axis=1).astype(np.float32)
        with no_grad():
            p = 1 / (1 + np.exp(-np.float64(model.decoder(inputs).numpy())))  # (401, D)
        likelihood = np.prod(np.where(rows[:, None] == 1, p, 1 - p), axis=2)  # (n, 401)
        joint[:, y] = np.log(likelihood @ weight / model.K)
    return joint


def mean_of(f, times=400):
    with no_grad():
        draws = [to_numpy(f(i).data) for i in range(times)]
    return np.mean(draws, axis=0), 4 * np.std(draws, axis=0) / np.sqrt(times)


def test_both_bounds_are_below_what_they_bound():
    model, x = tiny(), every_image()
    rows = asarray(x.reshape(8, 3).astype(np.float32))
    joint = exact(model, x.reshape(8, 3))
    assert np.exp(joint).sum() == pytest.approx(1, abs=1e-4)  # p(x, y) over all x and y
    for y in range(3):
        L, error = mean_of(lambda i: model.with_label(rows, asarray(np.tile(np.eye(3, dtype=np.float32)[y], (8, 1))), rng(i)))
        assert np.all(-L <= joint[:, y] + error)
    U, error = mean_of(lambda i: model.without_label(rows, rng(i)))
    assert np.all(-U <= np.log(np.exp(joint).sum(axis=1)) + error)


def with_exact_posteriors():
    """A model whose decoder ignores z, so that N(0, 1) is q's best answer; the classifier's is p(y | x)."""
    model = tiny()
    model.decoder[0].weight.data[:, :1] = 0
    for p in model.encoder.parameters():
        p.data[...] = 0
    joint = exact(model, every_image().reshape(8, 3))
    table = (joint - joint.max(axis=1, keepdims=True)).astype(np.float32)
    code = np.float32([4, 2, 1])
    model.classifier.forward = lambda x: asarray(table)[(asarray(x) @ asarray(code)).astype(int)]
    return model, joint


class NoEntropy(M2):
    """Forgets H(q(y | x)) in eq. 7."""

    def without_label(self, x, rng):
        log_q = log_softmax(self.classifier(x), axis=1)
        U = super().without_label(x, rng)
        return U - (exp(log_q) * log_q).sum(axis=1)


def check_tight(cls):
    """With exact posteriors the bounds are log p(x, y) and log p(x) themselves, for every draw of z."""
    model, joint = with_exact_posteriors()
    model.__class__ = cls
    rows = asarray(every_image().reshape(8, 3).astype(np.float32))
    with no_grad():
        for y in range(3):
            L = model.with_label(rows, asarray(np.tile(np.eye(3, dtype=np.float32)[y], (8, 1))), rng(1)).numpy()
            np.testing.assert_allclose(-L, joint[:, y], atol=1e-4)
        U = model.without_label(rows, rng(1)).numpy()
    np.testing.assert_allclose(-U, np.log(np.exp(joint).sum(axis=1)), atol=1e-4)


def test_the_bounds_are_tight_for_exact_posteriors_and_only_with_the_entropy():
    check_tight(M2)
    with pytest.raises(AssertionError):
        check_tight(NoEntropy)


def test_the_sum_over_classes_is_a_sum_over_classes():
    """U with one draw of z for each class, written out in a loop."""
    model, x = tiny(PLANE), rng(1).standard_normal((5, 2)).astype(np.float32)
    eps = rng(7).standard_normal((15, 1), dtype=np.float32)
    with no_grad():
        q = np.exp(log_softmax(model.classifier(x), axis=1).numpy())
        U = model.without_label(x, rng(7)).numpy()
        for n in range(5):
            expected = (q[n] * np.log(q[n])).sum()
            for y in range(3):
                told = np.concatenate([x[n], np.eye(3, dtype=np.float32)[y]])[None]
                mu, logvar = np.split(model.encoder(told).numpy(), 2, axis=1)
                z = mu + np.exp(logvar / 2) * eps[3 * n + y]
                x_hat = model.decoder(np.concatenate([z, told[:, 2:]], axis=1)).numpy()
                kl = kl_standard_normal(mu, logvar).sum().item()
                expected += q[n, y] * (-norm.logpdf(x[n], x_hat[0]).sum() + np.log(3) + kl)
            assert U[n] == pytest.approx(expected, rel=1e-4)


def batch_of(n=20):
    noise = rng(2)
    return {"x": noise.standard_normal((n, 2)).astype(np.float32), "labelled": noise.standard_normal((6, 2)).astype(np.float32),
            "labelled_y": np.arange(6) % 3}


class NoAlpha(M2):
    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **{**settings, "alpha": 0.0})


def told(model):
    """Whether labels reach the classifier: the change of its gradient if they are other ones."""
    batch = batch_of()
    others = {**batch, "labelled_y": (batch["labelled_y"] + 1) % 3}
    g = [grad(model.loss(b, rng(3))["loss"], model.classifier.parameters()) for b in (batch, others)]
    return max(np.abs(a.numpy() - b.numpy()).max() for a, b in zip(*g))


def test_without_alpha_the_classifier_never_sees_a_label():
    assert told(tiny(PLANE)) > 1e-3
    assert told(tiny(PLANE, NoAlpha)) < 1e-6


def test_the_loss_is_eq_9_over_N():
    model = tiny(PLANE, alpha=0.3, share=0.2)
    terms = {name: term.item() for name, term in model.loss(batch_of(), rng(3)).items()}
    assert terms["loss"] == pytest.approx(
        0.2 * terms["L, with labels"] + 0.8 * terms["U, without"] + 0.3 * terms["-log q(y | x)"], rel=1e-5)
    gradients = grad(model.loss(batch_of(), rng(3))["loss"], model.parameters())
    assert all(np.any(g.numpy()) for g in gradients)


# On data


def trained(model, points, steps):
    view = lambda d: few_labels(d, 8, seed=5)
    return train(Run(one_stage(model, adam(cosine_decay(5e-3)), steps, batch_size=8, view=view), points, rng=rng(1)))


@pytest.mark.slow
def test_two_clouds_are_told_apart_by_few_labels_and_drawn():
    """Eight labels in all; and each class is drawn where it is."""
    side = rng(4).integers(2, size=2000)
    x = np.float32(0.4 * rng(5).standard_normal((2000, 2)) + np.stack([3 * side, -3 * side], axis=1))
    points = data.Dataset("clouds", "train", {"x": x, "y": side}, {"x": PLANE, "y": Space((), 2)}, "two clouds")
    model = M2(PLANE, 2, latent=1, hidden=(32,), share=0.01, rng=rng(0))
    trained(model, points, 1500)
    error, U = model.measure(points.columns, rng(1))
    assert error.value < 0.02 and U.half_width < 0.2
    y = np.arange(200) % 2
    samples = model.sample(200, rng(2), y)
    assert ((samples[:, 0] > 1.5) == y).mean() > 0.95


def test_a_class_is_drawn_from_where_none_is_asked_for():
    model = tiny()
    assert model.sample(4, rng(0)).shape == (4, 1, 1, 3) and model.sample(0, rng(0)).shape == (0, 1, 1, 3)
    assert tiny(PLANE).sample(4, rng(0), np.array([0, 1, 2, 0])).shape == (4, 2)
    assert [m.name for m in model.measure({"x": every_image()}, rng(0))] == ["U"]


def test_m1_m2_sees_codes_of_the_frozen_vae():
    digits = data.load("digits")
    vae = VAE(digits.spaces["x"], "categorical", latent=3, hidden=(8,), rng=rng(0))
    model = M1M2(Frozen(vae), digits.spaces["x"], 10, latent=2, hidden=(8,), rng=rng(1))
    assert {id(p) for p in model.parameters()} == {id(p) for p in model.m2.parameters()}
    draws = np.stack([model.codes(digits["x"][:4], rng(i)) for i in range(500)])
    with no_grad():
        mu, logvar = (a.numpy() for a in vae.posterior(digits.spaces["x"].rows(digits["x"][:4])))
    np.testing.assert_allclose(draws.mean(axis=0), mu, atol=5 * np.exp(logvar / 2).max() / np.sqrt(500))
    np.testing.assert_allclose(draws.std(axis=0), np.exp(logvar / 2), rtol=0.2)
    batch = next(few_labels(digits, 20, 0).batches(20, rng(0)))
    gradients = grad(model.loss(batch, rng(0))["loss"], model.parameters())
    assert all(np.isfinite(g.numpy()).all() for g in gradients)
    np.testing.assert_allclose(model.probabilities(digits["x"][:4]), model.m2.probabilities(vae.encode(digits["x"][:4])))
    assert model.sample(3, rng(0), np.arange(3)).shape == (3, 1, 8, 8)
    assert [m.name for m in model.measure(digits.first(30).columns, rng(0))] == ["error"]


@pytest.mark.parametrize("make, message", [
    (lambda: tiny(share=1.5), "share is 1.5, expected at least 1, 2 and 0, and a share from 0 to 1"),
    (lambda: M2(PLANE, 1, rng=rng(0)), "classes is 1"),
    (lambda: tiny().loss({"x": every_image()}, rng(0)), "M2: the data have no column 'labelled', only x; look at them"),
    (lambda: tiny(PLANE).loss({**batch_of(), "labelled_y": np.full(6, 3)}, rng(0)), "labelled_y holds values from 3 to 3"),
    (lambda: tiny(PLANE).sample(2, rng(0), np.array([0, 3])), "y holds values from 0 to 3, expected 0 to 2"),
    (lambda: tiny().loss({**batch_of(), "x": np.zeros((2, 3), np.uint8)}, rng(0)), r"x has shape \(6, 2\), expected \(N, 1, 1, 3\)"),
])
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
