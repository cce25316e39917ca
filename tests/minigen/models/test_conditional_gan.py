"""Conditional GANs: what the optimal discriminator is told, the traps of the label, and what an ACGAN pays with."""
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from autograd import as_tensor, cross_entropy, grad, parameter, softplus, stack
from autograd.backend import asarray, rng
from minigen.data import Dataset, Space
from minigen.metrics import spread_within
from minigen.models.adversarial import (
    ACGAN,
    Concatenation,
    ConditionalGAN,
    ConvDiscriminator,
    ConvGenerator,
    MLPDiscriminator,
    MLPGenerator,
    Projection,
)
from minigen.nn import Linear, Module
from minigen.optim import adam
from minigen.train import Run, one_stage, train

POINTS = Space((2,))


class Features(Module):
    """phi(x) by hand, and a psi."""

    shape = (2,)

    def __init__(self, phi, width):
        self.phi, self.logit = phi, Linear(width, 1, rng=rng(0))

    def features(self, x):
        return self.phi(as_tensor(x))

    def forward(self, x):
        return self.logit(self.features(x))[:, 0]


def test_projection_holds_the_optimal_logit():
    """Classes N(mu_y, I), samples N(0, I) whatever y: log p(x | y) / q(x | y) = mu_y . x - |mu_y|^2 / 2, which is V_y .
    phi + psi for phi = (x, 1)."""
    mu = np.array([[1.0, 2.0], [-0.5, 0.3], [0.0, -1.0]])
    phi = lambda x: stack([x[:, 0], x[:, 1], 0 * x[:, 0] + 1], axis=1)
    D = Projection(Features(phi, 3), 3, rng=rng(0))
    x, y = rng(1).standard_normal((30, 2)), np.arange(30) % 3
    first = D(asarray(x), asarray(y)).numpy()
    np.testing.assert_allclose(first, D(asarray(x), asarray((y + 1) % 3)).numpy())  # at first all classes are alike
    D.V.weight.data[...] = asarray(np.concatenate([mu, -0.5 * (mu**2).sum(axis=1, keepdims=True)], axis=1))
    for p in D.network.logit.parameters():
        p.data[...] = 0
    exact = [multivariate_normal(mu[k]).logpdf(p) - multivariate_normal(np.zeros(2)).logpdf(p) for p, k in zip(x, y)]
    np.testing.assert_allclose(D(asarray(x), asarray(y)).numpy(), exact, rtol=1e-4, atol=1e-5)


def test_concatenation_shows_the_class_at_every_pixel():
    seen = []

    class Network(Module):
        shape = (5, 8, 8)

        def forward(self, x):
            seen.append(x.numpy())
            return x.sum(axis=(1, 2, 3))

    D = Concatenation(Network(), 4)
    x = rng(0).standard_normal((3, 1, 8, 8), dtype=np.float32)
    D(x, asarray(np.array([2, 0, 3])))
    assert D.shape == (1, 8, 8)
    np.testing.assert_array_equal(seen[0][:, :1], x)
    for image, k in zip(seen[0][:, 1:], (2, 0, 3)):
        assert image[k].min() == 1 and image.sum() == 64


# A game of two classes at two places, which a generator can only win if both players are told the truth


def two_places(n=512):
    y = np.arange(n) % 2
    x = np.float32([[-1, 0], [1, 0]])[y] + 0.2 * rng(0).standard_normal((n, 2), dtype=np.float32)
    return Dataset("two_places", "train", {"x": x, "y": y}, {"x": POINTS, "y": Space((), 2)}, "two places")


def play(Model=ConditionalGAN, blind=False, steps=250):
    """The share of samples on the side of their class, after a short game."""
    noise = rng(3)
    D = Concatenation(MLPDiscriminator((4,), (32,), rng=noise), 2)
    model = Model(MLPGenerator(4, (2,), (32,), rng=noise), Blind(D) if blind else D, POINTS, 2)
    train(Run(one_stage(model, adam(3e-3, betas=(0.5, 0.999)), steps, 64), two_places(), rng=noise))
    y = np.arange(400) % 2
    return ((model.sample(400, rng(4), y=y)[:, 0] > 0) == y).mean()


class Blind(Module):
    """A discriminator that is told a class, and does not look."""

    def __init__(self, D):
        self.D, self.shape = D, D.shape

    def forward(self, x, y):
        return self.D(x, 0 * y)


class ShuffledFakes(ConditionalGAN):
    """Fakes are judged as of other classes than they were drawn for."""

    def draw(self, y, rng):
        return super().draw(y[::-1], rng)


def test_the_generator_draws_what_it_is_told():
    assert play() > 0.95


@pytest.mark.parametrize("broken", [{"blind": True}, {"Model": ShuffledFakes}])
def test_traps_of_the_label(broken):
    """Told to G but not to D; or fakes shown with other labels than they were drawn with: chance, or the contrary."""
    assert play(**broken) < 0.8


# What an ACGAN pays with


def test_an_acgan_leaves_the_data_to_be_surer_of_the_class():
    """At p(x | y) = N(+-1/2, 1) itself, with D that knows nothing to tell and the optimal classifier log p(y | x) = log
    sigmoid(+-x), the conditional GAN is at rest; the ACGAN moves the classes apart and draws each in."""
    class Linear1d(Module):
        latent, shape = 3, (2,)

        def __init__(self):
            self.mu, self.sigma = parameter(0.5), parameter(1.0)

        def forward(self, h):
            side = h[:, 2] - h[:, 1]  # +-1: class 1 or 0
            x = self.mu * side + self.sigma * h[:, 0]
            return stack([x, 0 * x], axis=1)

    G = Linear1d()
    D = Features(lambda x: stack([0 * x[:, 0], x[:, 0]], axis=1), 2)
    model = ACGAN(G, D, POINTS, 2, rng=rng(0))
    for p in (*D.parameters(), *model.name_class.parameters()):
        p.data[...] = 0
    model.name_class.weight.data[...] = asarray(np.array([[0, -0.5], [0, 0.5]]))  # logits differ by x
    x, z = asarray(np.zeros((4000, 2))), np.random.default_rng(0).standard_normal(4000)
    pair = {"x": np.float32(x), "y": np.arange(4000) % 2}
    model.noise = lambda n, rng: asarray(z[:n, None])
    d_mu, d_sigma = (g.item() for g in grad(model.generator_loss(pair, None)["L_C - L_S"], [G.mu, G.sigma]))
    grid = np.linspace(-8, 8, 4001) + 0.5
    weight = norm(0.5).pdf(grid) / norm(0.5).pdf(grid).sum()
    wrong = 1 / (1 + np.exp(grid))  # the probability of the other class, at x of class 1
    assert d_mu == pytest.approx(-(weight * wrong).sum(), abs=0.03) and d_mu < -0.3  # mu is to grow
    assert d_sigma == pytest.approx(-(weight * wrong * (grid - 0.5)).sum(), abs=0.03) and d_sigma > 0.1  # sigma to fall
    plain = softplus(-model.judge(model.draw(asarray(pair["y"]), None))[0]).mean()  # what a D at rest asks for
    assert all(g is None or abs(g.item()) < 1e-7 for g in grad(plain, [G.mu, G.sigma], allow_unused=True))


def test_the_classifier_of_an_acgan_learns_from_samples_too():
    """Eq. 3 is of both; and L_C is the sum of the two cross entropies."""
    noise = rng(0)
    D = ConvDiscriminator((1, 8, 8), 4, rng=noise)
    model = ACGAN(ConvGenerator(8, (1, 8, 8), 4, rng=noise), D, Space((1, 8, 8), 17), 3, weight=2.0, rng=noise).eval()
    batch = {"x": np.random.default_rng(0).integers(0, 17, (6, 1, 8, 8)), "y": np.arange(6) % 3}
    terms = model.discriminator_loss(batch, rng(5))
    fake = model.draw(asarray(batch["y"]), rng(5))
    c = [cross_entropy(model.judge(x)[1], asarray(batch["y"])).item() for x in (model.space.signed(batch["x"]), fake)]
    assert terms["L_C"].item() == pytest.approx(sum(c), rel=1e-5)
    assert terms["L_S + L_C"].item() == pytest.approx(terms["L_S"].item() + 2 * sum(c), rel=1e-5)


def test_spread_within_classes():
    """1 of the same distribution, 1/4 at half the deviation, and what lies between classes does not count."""
    y = np.arange(900) % 3
    centre, noise = 5.0 * y[:, None], np.random.default_rng(0).standard_normal((2, 900, 4))
    ratio, half = spread_within(centre + noise[0], -centre + noise[1], y)
    assert abs(ratio - 1) < 2 * half < 0.3
    assert spread_within(centre + 0.5 * noise[0], centre + noise[0], y)[0] == pytest.approx(0.25)


@pytest.mark.parametrize("call, message", [
    (lambda m: m.discriminator_loss({"x": np.zeros((4, 2))}, rng(0)), "the data have no labels, only x"),
    (lambda m: m.sample(3, rng(0), y=np.array([0, 1, 2])), "y holds values from 0 to 2, expected 0 to 1"),
    (lambda m: ConditionalGAN(m.generator, m.discriminator, POINTS, 6), "classes is 6, latent 6; expected 2 or more"),
])
def test_bad_input(call, message):
    D = Concatenation(MLPDiscriminator((4,), (4,), rng=rng(0)), 2)
    with pytest.raises(ValueError, match=message):
        call(ConditionalGAN(MLPGenerator(6, (2,), (4,), rng=rng(0)), D, POINTS, 2))
