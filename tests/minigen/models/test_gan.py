"""GAN against what is known of its game: the best discriminator, its value, the two slopes of the generator's loss."""
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from autograd import Tensor, as_tensor, binary_cross_entropy_with_logits, grad, no_grad, parameter
from autograd.backend import rng
from minigen import data, recipes
from minigen.adversarial.objectives import GENERATOR_LOSSES, discriminator_loss, minimax, nonsaturating
from minigen.data import Space
from minigen.evaluate import evaluate
from minigen.models.adversarial import GAN, MLPDiscriminator, MLPGenerator
from minigen.nn import Module
from minigen.optim import SGD, Adam, adam, cosine_decay
from minigen.train import Run, one_stage, train

LINE, PLANE = Space((1,)), Space((2,))
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
    return GAN(MLPGenerator(2, (2,), (8,), rng=g), MLPDiscriminator((2,), (8,), rng=g), PLANE, loss, k)


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
    model = GAN(Shift(mean, std), MLPDiscriminator((1,), (32, 32), rng=g), LINE)
    player, _ = model.players()
    moves = Adam(player.params, cosine_decay(1e-2))
    for step in range(600):
        x = g.standard_normal((500, 1), dtype=np.float32)
        moves.step(grad(player.loss({"x": x}, g)["-V"], player.params), done=step / 600)
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
    model = GAN(MLPGenerator(2, (2,), (16,), rng=g), MLPDiscriminator((2,), (16,), rng=g), PLANE)
    player, _ = model.players()
    moves, norms = Adam(player.params, 1e-2), []
    for _ in range(300):
        z = model.noise(256, g)
        pulls = {name: grad(loss(model.discriminator(model.generator(z))), model.generator.parameters())
                 for name, loss in GENERATOR_LOSSES.items()}
        norms.append({name: math.sqrt(sum((p.data**2).sum() for p in pull)) for name, pull in pulls.items()})
        x = 12 + g.standard_normal((256, 2), dtype=np.float32)
        moves.step(grad(player.loss({"x": x}, g)["-V"], player.params))
    assert norms[0]["minimax"] == pytest.approx(norms[0]["nonsaturating"], rel=0.5)
    assert norms[-1]["minimax"] < 0.01 * norms[-1]["nonsaturating"]
    assert norms[-1]["nonsaturating"] > norms[0]["nonsaturating"]


# The players


def test_a_player_changes_nothing_of_the_other():
    model = tiny()
    D, G = model.players()
    batch = {"x": np.zeros((4, 2), np.float32)}
    assert {id(p) for p in D.params}.isdisjoint(id(p) for p in G.params)
    with pytest.raises(RuntimeError, match="does not depend"):
        grad(D.loss(batch, rng(0))["-V"], G.params)
    before = model.discriminator.state_dict()
    SGD(G.params, 1.0).step(grad(G.loss(4, rng(0))["nonsaturating"], G.params))
    assert all((a == before[name]).all() for name, a in model.discriminator.state_dict().items())


def test_k_steps_of_the_discriminator_for_one_of_the_generator():
    plan = one_stage(tiny(k=3), adam(1e-3), steps=2, batch_size=10)
    run = train(Run(plan, data.load("eight_gaussians"), rng=rng(0)))
    assert (run.optimizers["D"].steps, run.optimizers["G"].steps) == (6, 2)
    assert run.batches.position == 6  # every step of D sees data that no other has seen, and G needs none


def test_samples():
    shape = 1, 4, 5
    model = GAN(MLPGenerator(3, shape, (8,), rng=rng(0)), MLPDiscriminator(shape, (8,), rng=rng(0)), Space(shape, 17))
    x = model.sample(1201, rng(1))
    assert x.shape == (1201, 1, 4, 5) and 0 <= x.min() < x.max() <= 1
    np.testing.assert_array_equal(x[:3], model.decode(model.noise(1201, rng(1))[:3]))
    drawn = model.generator(model.noise(1201, rng(1))).numpy()  # on [-1, 1]
    np.testing.assert_allclose(x, (drawn + 1) / 2, atol=1e-6)
    assert tiny().sample(5, rng(0)).shape == (5, 2)


def test_the_discriminator_sees_images_on_the_scale_of_samples():
    """From -1 to 1, both ends reached."""
    shape, shown = (1, 4, 5), []

    class Watches(Module):
        def __init__(self):
            self.shape = shape

        def forward(self, x):
            shown.append(as_tensor(x).numpy())
            return as_tensor(x).sum(axis=(1, 2, 3))

    model = GAN(MLPGenerator(3, shape, (8,), rng=rng(0)), Watches(), Space(shape, 17))
    model.discriminator_loss({"x": np.uint8([0, 16]).repeat(20).reshape(2, *shape)}, rng(0))
    examples, samples = shown
    np.testing.assert_array_equal(examples.reshape(2, 20), [[-1] * 20, [1] * 20])
    assert -1 < samples.min() < 0 < samples.max() < 1


def test_there_is_no_likelihood_to_measure():
    assert tiny().measure({"x": np.zeros((4, 2), np.float32)}, rng(0)) == []


def of_eight_gaussians(steps, lr_of_D=None):
    """(modes covered, share of good samples) of the recipe after so many steps; with another learning rate for D, of
    the last weights, as the average of those that go round is nowhere."""
    points, g = data.load("eight_gaussians"), rng(0)
    plan = recipes.find("gan").plan(points, g)
    if lr_of_D:
        stage, = plan.stages
        stage.optimizers = {"D": adam(lr_of_D, betas=(0.5, 0.999)), "G": stage.optimizers}
        stage.ema = None
    run = train(Run(plan, points, rng=g, steps=steps))
    with run.evaluating():
        covered, good, _ = evaluate(plan.model, data.load("eight_gaussians", "test"), rng(1), train=points)
    assert (covered.name, good.name) == ("modes covered", "good samples")
    return covered.value, good.value


@pytest.mark.slow
def test_eight_gaussians_are_all_found():
    covered, good = of_eight_gaussians(2000)
    assert covered == 8 and good >= 0.9


@pytest.mark.slow
def test_a_discriminator_that_lags_lets_the_generator_collapse():
    covered, _ = of_eight_gaussians(1000, 1e-4)
    assert covered <= 2


@pytest.mark.parametrize("make, message", [
    (lambda g: GAN(MLPGenerator(2, (1, 8, 8), rng=g), MLPDiscriminator((1, 4, 4), rng=g), Space((1, 8, 8), 17)),
     r"GAN: the opponent takes examples of shape \(1, 4, 4\), the data's have \(1, 8, 8\); build both networks for"),
    (lambda g: GAN(MLPGenerator(2, (2,), rng=g), MLPDiscriminator((2,), rng=g), Space((1, 8, 8), 17)),
     r"GAN: the generator makes examples of shape \(2,\), the data's have \(1, 8, 8\)"),
    (lambda g: tiny(loss="hinge"), "loss is 'hinge', expected one of minimax, nonsaturating"),
    (lambda g: tiny(k=0), "k is 0, expected at least 1"),
    (lambda g: MLPGenerator(0, (2,), rng=g), "latent is 0, expected at least 1"),
    (lambda g: tiny().discriminator_loss({"x": np.zeros((5, 3), np.float32)}, g),
     r"x has shape \(5, 3\), expected \(N, 2\)"),
])
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make(rng(0))
    assert "\n" not in str(error.value)
