"""GAN against what is known of its game: the best discriminator, its value, the two slopes of the generator's loss."""
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from autograd import Tensor, binary_cross_entropy_with_logits, grad, no_grad, parameter
from autograd.backend import rng
from minigen import data, recipes
from minigen.ema import EMA
from minigen.models.adversarial import GAN, MLPDiscriminator, MLPGenerator
from minigen.models.adversarial.gan import LOSSES, discriminator_loss, minimax, nonsaturating
from minigen.nn import Module
from minigen.optim import SGD, Adam, cosine
from minigen.train import in_use, train

A = np.array([-1000.0, -30.0, -2.0, 0.0, 0.5, 40.0, 1000.0])  # logits
PAIRS = [(0.0, 1.0), (1.0, 1.5), (4.0, 1.0)]  # mean and standard deviation of p_g; p_data is N(0, 1)


class Shift(Module):
    """The generator of N(mean, std^2)."""

    latent, shape = 1, (1,)

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def forward(self, z):
        return Tensor(z * self.std + self.mean)


def quantiles(mean, std, n=20_000):
    """The middles of n slices of equal probability: the mean of a function over them is its expectation, nearly."""
    return norm.ppf((np.arange(n) + 0.5) / n, mean, std)


def best_logit(x, mean, std):
    return norm.logpdf(x) - norm.logpdf(x, mean, std)  # eq. 2


def value_of_best(mean, std):
    """2 JSD(p_data || p_g) - log 4, by quadrature."""
    def density(x):
        p, q = norm.pdf(x), norm.pdf(x, mean, std)
        return sum(w * math.log(2 * w / (p + q)) for w in (p, q) if w > 0)  # of 2 JSD

    return quad(density, -12, 16, limit=500)[0] - math.log(4)


def tiny(loss="nonsaturating", k=1, seed=0):
    g = rng(seed)
    return GAN(MLPGenerator(2, (2,), (8,), rng=g), MLPDiscriminator((2,), (8,), rng=g), None, loss, k)


# The losses


def test_the_discriminators_loss_is_the_cross_entropy_of_a_classifier():
    a, b = Tensor(A), Tensor(A[::-1].copy())
    one, zero = np.ones_like(A), np.zeros_like(A)
    expected = binary_cross_entropy_with_logits(a, one) + binary_cross_entropy_with_logits(b, zero)
    assert discriminator_loss(a, b).item() == pytest.approx(expected.item())
    assert discriminator_loss(Tensor(0 * A), Tensor(0 * A)).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("loss", [minimax, nonsaturating])
def test_slopes_of_the_generators_losses(loss):
    """-D for minimax and -(1 - D) for the other, at any logit; and both pull the sample to a higher logit."""
    a, D = parameter(A), expit(A)
    slope = grad(loss(a), a).numpy() * len(A)
    np.testing.assert_allclose(slope, -D if loss is minimax else -expit(-A), rtol=1e-12)
    exact = np.log1p(-D[1:5]) if loss is minimax else -np.log(D[1:5])
    np.testing.assert_allclose([loss(Tensor(A[i : i + 1])).item() for i in range(1, 5)], exact, rtol=1e-9)


# The theory


@pytest.mark.parametrize("mean, std", PAIRS)
def test_the_value_of_the_best_discriminator_is_the_divergence(mean, std):
    x, fake = quantiles(0, 1), quantiles(mean, std)
    value = lambda bend: -discriminator_loss(Tensor(best_logit(x, mean, std) + bend * np.sin(x)),
                                             Tensor(best_logit(fake, mean, std) + bend * np.sin(fake))).item()
    assert value(0.0) == pytest.approx(value_of_best(mean, std), abs=2e-4)
    assert max(value(-0.1), value(0.1)) < value(0.0)  # any other discriminator has less
    assert value_of_best(0, 1) == pytest.approx(-math.log(4), abs=1e-12)
    assert -math.log(4) - 1e-12 < value(0.0) < 0


@pytest.mark.parametrize("mean, std", PAIRS)
def test_training_finds_the_best_discriminator(mean, std):
    """D is within 0.03 of D* where there is anything to see, and its value within 0.001 nats of 2 JSD - log 4."""
    g = rng(0)
    model = GAN(Shift(mean, std), MLPDiscriminator((1,), (32, 32), rng=g), None)
    player, _ = model.players()
    adam = Adam(player.params, cosine(1e-2, 600))
    for _ in range(600):
        x = g.standard_normal((500, 1), dtype=np.float32)
        adam.step(grad(player.loss((x, None), g)["-V"], adam.params))
    logit = lambda x: model.discriminator(Tensor(np.float32(x)[:, None]))
    with no_grad():
        x = np.linspace(min(0, mean) - 2, max(0, mean) + 2, 200)
        D, best = 1 / (1 + np.exp(-logit(x).numpy())), 1 / (1 + np.exp(-best_logit(x, mean, std)))
        value = -discriminator_loss(logit(quantiles(0, 1)), logit(quantiles(mean, std))).item()
    assert np.abs(D - best).max() < 0.03
    assert -1e-3 < value - value_of_best(mean, std) < 1e-4


def test_only_the_minimax_gradient_vanishes_when_the_discriminator_is_sure():
    """Data and samples 12 standard deviations apart, D trained to tell: one gradient dies, the other grows."""
    g = rng(0)
    model = GAN(MLPGenerator(2, (2,), (16,), rng=g), MLPDiscriminator((2,), (16,), rng=g), None)
    player, _ = model.players()
    adam, norms = Adam(player.params, 1e-2), []
    for _ in range(300):
        z = model.noise(256, g)
        pulls = {name: grad(loss(model.discriminator(model.generator(z))), model.generator.parameters())
                 for name, loss in LOSSES.items()}
        norms.append({name: math.sqrt(sum((p.data**2).sum() for p in pull)) for name, pull in pulls.items()})
        x = 12 + g.standard_normal((256, 2), dtype=np.float32)
        adam.step(grad(player.loss((x, None), g)["-V"], adam.params))
    assert norms[0]["minimax"] == pytest.approx(norms[0]["nonsaturating"], rel=0.5)
    assert norms[-1]["minimax"] < 0.01 * norms[-1]["nonsaturating"]
    assert norms[-1]["nonsaturating"] > norms[0]["nonsaturating"]


# The players


def test_a_player_changes_nothing_of_the_other():
    model = tiny()
    D, G = model.players()
    batch = (np.zeros((4, 2), np.float32), None)
    assert {id(p) for p in D.params}.isdisjoint(id(p) for p in G.params)
    with pytest.raises(RuntimeError, match="does not depend"):
        grad(D.loss(batch, rng(0))["-V"], G.params)
    before = model.discriminator.state_dict()
    SGD(G.params, 1.0).step(grad(G.loss(batch, rng(0))["nonsaturating"], G.params))
    assert all((a == before[name]).all() for name, a in model.discriminator.state_dict().items())


def test_k_steps_of_the_discriminator_for_one_of_the_generator():
    model, dataset, g = tiny(k=3), data.load("eight_gaussians"), rng(0)
    optimizers = {player.name: Adam(player.params) for player in model.players()}
    batches = data.Batches(dataset, 10, g)
    train(model, batches, optimizers, 2, rng=g)
    assert (optimizers["D"].steps, optimizers["G"].steps) == (6, 2)
    assert batches.position == 8  # every step sees data that no other has seen


def test_samples():
    model = GAN(MLPGenerator(3, (1, 4, 5), (8,), rng=rng(0)), MLPDiscriminator((1, 4, 5), (8,), rng=rng(0)), 17)
    x = model.sample(1201, rng(1))
    assert x.shape == (1201, 1, 4, 5) and 0 <= x.min() < x.max() <= 1
    np.testing.assert_array_equal(x[:3], model.decode(model.noise(1201, rng(1))[:3]))
    assert model.generator(model.noise(50, rng(1))).data.min() < -0.01  # the network's own range is [-1, 1]
    ends = model.real(np.uint8([0, 16]).repeat(20).reshape(2, 1, 4, 5))
    assert (ends.min(), ends.max()) == (-1, 1)
    assert tiny().sample(5, rng(0)).shape == (5, 2)


def of_eight_gaussians(steps, lr_of_D):
    """(modes covered, share of good samples) of the recipe after so many steps."""
    recipe, g = recipes.find("gan").on("eight_gaussians"), rng(0)
    dataset, test = data.load("eight_gaussians"), data.load("eight_gaussians", "test")
    model = recipe.model(dataset, g)
    ema = EMA(model, recipe.ema)
    optimizers = {player.name: recipe.optimizers[player.name](player.params) for player in model.players()}
    if lr_of_D:
        optimizers["D"] = Adam(optimizers["D"].params, lr_of_D, betas=(0.5, 0.999))
    train(model, data.Batches(dataset, recipe.batch_size, g), optimizers, steps, rng=g, ema=ema)
    with in_use(model, None if lr_of_D else ema):
        covered, good, *_ = model.evaluate(test.x, test.y, rng(1))
    return covered.value, good.value


@pytest.mark.slow
def test_eight_gaussians_are_all_found():
    covered, good = of_eight_gaussians(2000, None)
    assert covered == 8 and good >= 0.9


@pytest.mark.slow
def test_a_discriminator_that_lags_lets_the_generator_collapse():
    covered, _ = of_eight_gaussians(1000, 1e-4)
    assert covered <= 2


@pytest.mark.parametrize("make, message", [
    (lambda g: GAN(MLPGenerator(2, (1, 8, 8), rng=g), MLPDiscriminator((1, 4, 4), rng=g), 17),
     r"the generator makes examples of shape \(1, 8, 8\), its opponent takes \(1, 4, 4\); build both for one shape"),
    (lambda g: tiny(loss="hinge"), "loss is 'hinge', expected one of minimax, nonsaturating"),
    (lambda g: tiny(k=0), "k is 0, expected at least 1"),
    (lambda g: GAN(MLPGenerator(2, (2,), rng=g), MLPDiscriminator((2,), rng=g), 256),
     "levels is 256, but .* points have none"),
    (lambda g: GAN(MLPGenerator(2, (1, 8, 8), rng=g), MLPDiscriminator((1, 8, 8), rng=g), None),
     "levels is None, but .* images have levels"),
    (lambda g: MLPGenerator(0, (2,), rng=g), "latent is 0, expected at least 1"),
    (lambda g: tiny().discriminator_loss((np.zeros((5, 3), np.float32), None), g),
     r"x has shape \(5, 3\), expected \('N', 2\)"),
])
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make(rng(0))
    assert "\n" not in str(error.value)
