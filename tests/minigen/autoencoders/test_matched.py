"""The distance of codes from their prior against its definition, a quadrature, and the bugs that others had in it."""
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2

from autograd import gradcheck, no_grad, sqrt
from autograd.backend import rng, to_numpy
from minigen import data
from minigen.autoencoders import matched
from minigen.autoencoders.matched import SCALES, MatchedAutoencoder, distance_of_codes, imq_mmd
from minigen.autoencoders.priors import Normal, Petals
from minigen.data import Space
from minigen.metrics import mmd


def gaussian(n, Z, sigma=1.0, seed=0):
    return sigma * rng(seed).standard_normal((n, Z))


def by_definition(x, y, apart):
    """Sums over pairs of different indices, in loops."""
    k = lambda a, b: sum(s * apart / (s * apart + sum((p - q) ** 2 for p, q in zip(a, b))) for s in SCALES)
    N, M = len(x), len(y)
    within = lambda a: sum(k(a[i], a[j]) for i in range(len(a)) for j in range(len(a)) if i != j) / len(a) / (len(a) - 1)
    return within(x) + within(y) - 2 * sum(k(a, b) for a in x for b in y) / (N * M)


def exact(Z, a, b, apart):
    """MMD^2 of N(0, a^2 I) and N(0, b^2 I): |x - y|^2 is (a^2 + b^2) times a chi squared variable of Z degrees."""
    def mean_k(variance):
        k = lambda q: sum(s * apart / (s * apart + variance * q) for s in SCALES) * chi2.pdf(q, Z)
        return quad(k, 0, np.inf)[0]

    return mean_k(2 * a * a) + mean_k(2 * b * b) - 2 * mean_k(a * a + b * b)


def value(x, y, apart, of=imq_mmd):
    with no_grad():
        return of(x, y, apart).item()


def check(of):
    """AssertionError unless `of` is the unbiased MMD^2 with the kernel that is written at the top of matched.py."""
    x, y = gaussian(7, 3, seed=1), gaussian(5, 3, 1.3, seed=2) + 0.5
    assert value(x, y, 6.0, of) == pytest.approx(by_definition(x, y, 6.0), rel=1e-9)
    apart = value(gaussian(600, 2, 1.0), gaussian(600, 2, 1.5, 1), 4.0, of)
    assert apart == pytest.approx(exact(2, 1.0, 1.5, 4.0), rel=0.15)
    same = np.array([value(gaussian(20, 2, seed=i), gaussian(20, 2, seed=i + 1000), 4.0, of) for i in range(300)])
    assert abs(same.mean()) < 4 * same.std() / np.sqrt(300)  # unbiased, so 0 on average
    assert (same < 0).mean() > 0.3


def test_the_distance_is_that_of_its_definition():
    check(imq_mmd)


def with_square(square):
    """imq_mmd with another |x_i - y_j|^2."""
    def imq(x, y, apart):
        return sum(s * apart / (s * apart + square(x, y)) for s in SCALES)
    return lambda x, y, apart: mmd(imq(x, x, apart), imq(y, y, apart), imq(x, y, apart))


def clipped(x, y, apart):
    return imq_mmd(x, y, apart).clip(0.0, None)


def divided_by_n_minus_1(x, y, apart):
    k = matched.imq
    within = lambda a: (k(a, a, apart).sum() - len(a) * len(SCALES)) / (len(a) - 1)
    return within(x) + within(y) - 2 * k(x, y, apart).mean()


def with_the_diagonal(x, y, apart):
    k = matched.imq
    return k(x, x, apart).mean() + k(y, y, apart).mean() - 2 * k(x, y, apart).mean()


squares = lambda x: (x * x).sum(axis=1)
MUTANTS = {
    "norms not squared": with_square(lambda x, y: sqrt(squares(x))[:, None] + sqrt(squares(y)) - 2 * x @ y.T),
    "sum before the product": with_square(
        lambda x, y: squares(x)[:, None] + squares(y) - 2 * x.sum(axis=1)[:, None] * y.sum(axis=1)),
    "a distance that is not squared": with_square(
        lambda x, y: np.sqrt(np.maximum(squares(x)[:, None] + squares(y) - 2 * x @ y.T, 0))),
    "divided by n - 1 and not by n (n - 1)": divided_by_n_minus_1,
    "pairs of an x with itself": with_the_diagonal,
    "cut off at 0": clipped,
    "the other sign": lambda x, y, apart: -imq_mmd(x, y, apart),
}


@pytest.mark.parametrize("bug", MUTANTS)
def test_bugs_are_noticed(bug):
    """Those of schelotto/Wasserstein-AutoEncoders (its issues 3, 5, 6, 12), and two more."""
    with pytest.raises((AssertionError, ZeroDivisionError)):
        check(MUTANTS[bug])


def test_gradients():
    x, y = gaussian(6, 3, seed=1), gaussian(4, 3, seed=2)
    gradcheck(lambda x: imq_mmd(x, y, 6.0), [x])
    gradcheck(lambda x, y: imq_mmd(x, y, 6.0), [x, y])


def test_the_measure_says_how_far_chance_goes(monkeypatch):
    prior = Normal(4)
    same, wide = (distance_of_codes(np.float32(gaussian(300, 4, sigma, 5)), prior, rng(0)) for sigma in (1, 1.5))
    by_chance = float(same.detail.split("± ")[1])
    assert "N = 300" in same.detail and 0.001 < by_chance < 0.05
    assert abs(same.value) < 3 * by_chance < wide.value == pytest.approx(exact(4, 1, 1.5, prior.apart), rel=0.3)
    monkeypatch.setattr(matched, "COMPARED", 50)
    z = np.float32(gaussian(300, 4))
    in_order = z[np.argsort(z[:, 0])]  # as where one writer comes after the other
    at_random, first = (distance_of_codes(codes, prior, rng(0)) for codes in (in_order, in_order[:50]))
    assert "N = 50" in at_random.detail and abs(at_random.value) < 0.1 < 0.3 < first.value


def test_an_autoencoder_and_its_prior():
    model = MatchedAutoencoder(Space((1, 4, 4), 17), Petals(), (8,), rng=rng(0))
    x = rng(1).integers(0, 17, (30, 1, 4, 4)).astype(np.uint8)
    z = model.encode(x)
    assert z.shape == (30, 2) and model.reconstruct(x).shape == x.shape and model.encode(x[:0]).shape == (0, 2)
    samples = model.sample(9, rng(2))
    np.testing.assert_array_equal(samples, model.decode(to_numpy(model.prior.draw(9, rng(2)))))
    codes, error = model.codes_and_error(x)
    np.testing.assert_allclose(codes.numpy(), z, atol=1e-6)
    x_hat = 1 / (1 + np.exp(-model.decoder(codes).numpy().reshape(x.shape)))
    np.testing.assert_allclose(model.reconstruct(x), x_hat, atol=1e-6)
    assert error.item() == pytest.approx(((x / 16 - x_hat) ** 2).sum() / 30, rel=1e-5)  # a sum over pixels
    assert [measure.name for measure in model.measure({"x": x}, rng(0))] == ["squared error", "MMD^2 of codes"]
    with pytest.raises(ValueError, match=r"x has shape \(4, 2\), expected \(N, 1, 4, 4\)"):
        model.encode(data.load("ring")["x"][:4])
