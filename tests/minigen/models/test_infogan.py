"""InfoGAN: the bound on the mutual information against the integral, the codes' distributions, and who moves what."""
import numpy as np
import pytest
from scipy.stats import norm

from autograd import leaky_relu
from autograd.backend import asarray, rng, to_numpy
from minigen import data
from minigen.data import Space
from minigen.metrics import purity
from minigen.models.adversarial import ConvDiscriminator, ConvGenerator, InfoGAN, MLPGenerator
from minigen.nn import Linear, Module
from minigen.optim import adam
from minigen.train import Run, one_stage, train


class Body(Module):
    """A discriminator of points with features."""

    def __init__(self, D=2, hidden=32, *, rng):
        self.shape = (D,)
        self.hidden, self.logit = Linear(D, hidden, rng=rng), Linear(hidden, 1, rng=rng)

    def features(self, x):
        return leaky_relu(self.hidden(x), 0.2)


def model(K=4, U=2, weights=(1.0, 0.1), seed=0):
    noise = rng(seed)
    return InfoGAN(MLPGenerator(3 + K + U, (2,), (32,), rng=noise), Body(rng=noise), Space((2,)), K, U, weights,
                   rng=noise)


def bound(q, category):
    return model(2, 0).lower_bound(asarray(q), (asarray(category), asarray(np.zeros((len(q), 0)))))[0].item()


def test_the_bound_bounds_the_information_and_touches_it():
    """c of two kinds, x = +-1 + N(0, 1): I by an integral. Q = p(c | x) reaches it, others stay below."""
    x = np.linspace(-8, 8, 4001)
    p = np.stack([norm(-1).pdf(x), norm(1).pdf(x)]) * (x[1] - x[0])
    information = 0.5 * (p * np.log(p / p.mean(axis=0))).sum()
    c = np.arange(100_000) % 2
    drawn = (2 * c - 1 + np.random.default_rng(0).standard_normal(len(c)))[:, None]
    posterior = np.concatenate([-drawn, drawn], axis=1)  # logits: log p(x | c) up to what they share
    assert bound(posterior, c) == pytest.approx(information, abs=0.005)
    for other in (0.5 * posterior, 2 * posterior, posterior + [0, 0.7], posterior[:, ::-1]):
        assert bound(other, c) < information - 0.005


def test_what_q_says_nothing_of_has_no_information_and_log_k_is_the_most():
    """The trap: H(c) is log K, whatever c_1 is. So silence is 0, and certainty log K."""
    c = np.array([0, 1, 2, 3])
    L = lambda q: model().lower_bound(asarray(np.concatenate([q, np.zeros((4, 2))], axis=1)),
                                      (asarray(c), asarray(np.zeros((4, 2)))))
    assert L(np.zeros((4, 4)))[0].item() == pytest.approx(0, abs=1e-6)
    assert L(50.0 * np.eye(4))[0].item() == pytest.approx(np.log(4), rel=1e-6)
    assert L(-50.0 * np.eye(4))[0].item() < -10


def test_uniform_codes_have_a_gaussian_of_fixed_sigma():
    """Against scipy's density. There is no sigma to learn: with one, the density of a code that is read without error
    grows beyond all bounds."""
    m = model(4, 2)
    mean, c = np.random.default_rng(0).uniform(-1, 1, (2, 50, 2))
    q = asarray(np.concatenate([np.zeros((50, 4)), mean], axis=1))
    L = lambda c: m.lower_bound(q, (asarray(np.zeros(50, int)), asarray(c)))[1].item()
    assert L(c) == pytest.approx((norm(mean).logpdf(c) + np.log(2)).sum(axis=1).mean(), rel=1e-4)
    assert L(mean) == pytest.approx(2 * (np.log(2) - 0.5 * np.log(2 * np.pi)), rel=1e-5)  # the most
    assert m.Q[3].weight.shape[0] == 4 + 2


def test_the_codes_are_drawn_as_they_are_said_to_be():
    """The trap: normal numbers in the place of uniform ones, which leave [-1, 1]."""
    category, c = (to_numpy(code) for code in model(5, 3).codes(20_000, rng(0)))
    assert np.abs(np.bincount(category, minlength=5) / 20_000 - 0.2).max() < 0.015
    assert c.shape == (20_000, 3) and np.abs(c).max() <= 1
    assert np.abs(c.mean(axis=0)).max() < 0.02 and c.var(axis=0) == pytest.approx(np.full(3, 1 / 3), rel=0.03)
    assert (c**4).mean() == pytest.approx(1 / 5, rel=0.03)


def test_who_moves_what():
    m = model()
    D, G = ([id(p) for p in player.params] for player in m.players())
    assert not set(D) & set(G) and {*D, *G} == {id(p) for p in m.parameters()}
    assert {id(p) for p in m.Q.parameters()} < set(D) and G == [id(p) for p in m.generator.parameters()]


@pytest.mark.parametrize("weight, least, most", [(1.0, 1.2, np.log(4)), (0.0, -9, 0.5)])
def test_a_game_with_and_without_the_information(weight, least, most):
    """Eight Gaussians, four categories: with lambda the codes are read, without it G has no reason to use them."""
    points, noise = data.load("eight_gaussians"), rng(1)
    m = model(weights=(weight, 0.0), seed=1)
    train(Run(one_stage(m, adam(2e-3, betas=(0.5, 0.999)), 250, 64), points, rng=noise))
    information = m.eval().measure({"x": points["x"][:9]}, rng(2))[0]
    assert least < information.value <= most


def test_information_says_nothing_of_classes():
    """The trap: categories that are told apart perfectly, two kinds in one and one kind in two."""
    y = np.repeat(np.arange(4), 50)
    good, merged = y.copy(), np.where(y == 1, 0, y)
    merged[y == 0] = np.tile([0, 1], 25)
    assert purity(3 - good, y).mean() == 1
    assert purity(merged, y).mean() == (25 + 50 + 50 + 50) / 200
    assert purity(np.zeros(200, int), y).mean() == 0.25


def test_images_are_drawn_of_the_codes_that_are_asked_for():
    noise = rng(0)
    m = InfoGAN(ConvGenerator(8 + 10 + 2, (1, 8, 8), 4, rng=noise), ConvDiscriminator((1, 8, 8), 4, rng=noise),
                Space((1, 8, 8), 17), rng=noise).eval()
    z, c = np.float32(rng(1).standard_normal((5, 8))), np.zeros((5, 2))
    a, b = m.decode(z, np.arange(5), c), m.decode(z, np.arange(5) + 1, c)
    assert a.shape == (5, 1, 8, 8) and np.all(np.abs(a - b).max(axis=(1, 2, 3)) > 1e-6)
    log_q, mean = m.read(np.zeros((3, 1, 8, 8), np.uint8))
    np.testing.assert_allclose(np.exp(log_q).sum(axis=1), 1, rtol=1e-5)
    assert mean.shape == (3, 2)


def test_bad_input():
    with pytest.raises(ValueError, match="categories is 10, codes 2, the generator's latent 12; expected"):
        InfoGAN(MLPGenerator(12, (2,), rng=rng(0)), Body(rng=rng(0)), Space((2,)), rng=rng(0))
