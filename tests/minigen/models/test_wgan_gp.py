"""WGAN-GP against what is known: the penalty's gradient, the critic between two points, the distance of a shift."""
import numpy as np
import pytest

from autograd import Tensor, as_tensor, grad, gradcheck, gradgradcheck, no_grad, parameter
from autograd.backend import asarray, rng
from minigen import data, recipes
from minigen.adversarial.penalties import gradient_penalty
from minigen.data import Space
from minigen.evaluate import evaluate
from minigen.models.adversarial import WGANGP, ConvDiscriminator, ConvGenerator, MLPDiscriminator, MLPGenerator
from minigen.nn import Conv2d, Linear, Module, Sequential
from minigen.optim import Adam, adam, cosine_decay
from minigen.train import Run, one_stage, train

PLANE = Space((2,))


class Point(Module):
    """The generator that always makes the same point."""

    latent, shape = 2, (2,)

    def __init__(self):
        self.at = parameter(np.zeros(2, np.float32))

    def forward(self, z):
        return self.at + 0.0 * z


class Keeps(Module):
    """A critic that keeps what it is shown."""

    shape = (2,)

    def __init__(self):
        self.a, self.shown = parameter(np.float32([0.6, 0.8])), []

    def forward(self, x):
        self.shown = [*self.shown, as_tensor(x).numpy()]
        return x @ self.a


def tiny(n_critic=5, penalty=10.0):
    g = rng(0)
    return WGANGP(MLPGenerator(2, (2,), (8,), rng=g), MLPDiscriminator((2,), (8,), rng=g), PLANE, n_critic, penalty)


def with_weights(module, weights):
    """The module with Tensors in the place of its parameters: it becomes a function of them."""
    layers = dict(module.named_modules())
    for (name, _), weight in zip(list(module.named_parameters()), weights, strict=True):
        path, _, attribute = name.rpartition(".")
        setattr(layers[path], attribute, weight)
    return module


def penalty_of(make, x):
    """The penalty at x as a function of the weights of the critic that make() returns."""
    return lambda *weights: gradient_penalty(with_weights(make(), weights), x)


# The penalty


def test_penalty_of_a_plane():
    """f = a x has the slope |a| everywhere: (|a| - 1)^2, and its gradient along a."""
    a, x = np.array([3.0, -4.0]), np.random.default_rng(0).standard_normal((7, 2))
    leaf = parameter(a)
    penalty = gradient_penalty(lambda x: x @ leaf, x)
    assert penalty.item() == pytest.approx(16)
    np.testing.assert_allclose(grad(penalty, leaf).numpy(), 2 * (5 - 1) * a / 5)


def test_penalty_of_a_bowl():
    """f = x C x / 2 has the slope C x: each example counts by its own."""
    C, x = np.array([[2.0, 0.5], [0.5, 1.0]]), np.random.default_rng(0).standard_normal((50, 2))
    penalty = gradient_penalty(lambda x: 0.5 * ((x @ C) * x).sum(axis=1), x)
    assert penalty.item() == pytest.approx(((np.linalg.norm(x @ C, axis=1) - 1) ** 2).mean())


def test_a_slope_of_zero_has_a_finite_gradient():
    a = parameter(np.zeros(2))
    penalty = gradient_penalty(lambda x: x @ a, np.ones((3, 2)))
    assert penalty.item() == pytest.approx(1, abs=1e-5) and np.isfinite(grad(penalty, a).numpy()).all()


CRITICS = {
    "dense": (lambda: MLPDiscriminator((2,), (5, 4), rng=rng(3)), (2,)),
    "convolutions": (lambda: ConvDiscriminator((2, 6, 5), width=2, norm=None, rng=rng(3)), (2, 6, 5)),
    "smooth": (lambda: Smooth(rng=rng(3)), (1, 5, 5)),
}


class Smooth(Module):
    """Convolutions with a rectifier that has a second derivative."""

    def __init__(self, *, rng):
        self.net = Sequential(Conv2d(1, 2, 3, stride=2, padding=1, rng=rng), lambda x: x.sigmoid(),
                              Conv2d(2, 3, 2, rng=rng), lambda x: x.tanh())
        self.last = Linear(12, 1, rng=rng)

    def forward(self, x):
        return self.last(self.net(x).reshape(len(x), -1))[:, 0]


@pytest.mark.parametrize("name", CRITICS)
def test_gradient_of_the_penalty_to_second_order(name):
    """With respect to every weight of the critic: it contains a gradient, so its own is of second order, and the
    second check is one of third order. Both in random directions, against central differences."""
    make, shape = CRITICS[name]
    x = np.random.default_rng(1).standard_normal((3, *shape))
    weights = [p.numpy().astype(np.float64) for p in make().parameters()]
    assert gradcheck(penalty_of(make, x), weights) < 1e-6
    assert gradgradcheck(penalty_of(make, x), weights) < 1e-6


def test_penalty_and_its_gradient_are_those_of_another_implementation():
    """The critic of images in PyTorch, with create_graph=True there."""
    torch = pytest.importorskip("torch")
    critic = ConvDiscriminator((1, 9, 8), width=3, norm=None, rng=rng(0))
    x = rng(1).standard_normal((5, 1, 9, 8), dtype=np.float32)
    penalty = gradient_penalty(critic, x)
    params = critic.parameters()
    gradients = grad(penalty, params, allow_unused=True)  # biases move the kinks only: no part of the slope

    *convolutions, weight, bias = [torch.tensor(p.numpy(), requires_grad=True) for p in params]
    leaf = torch.tensor(x, requires_grad=True)
    h = leaf
    for w, b in zip(convolutions[::2], convolutions[1::2]):
        h = torch.nn.functional.leaky_relu(torch.nn.functional.conv2d(h, w, b, stride=2, padding=1), 0.2)
    f = h.flatten(1) @ weight.T + bias
    (slope,) = torch.autograd.grad(f.sum(), leaf, create_graph=True)
    expected = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
    expected_gradients = torch.autograd.grad(expected, [*convolutions, weight, bias], allow_unused=True)
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-5)
    for g, h in zip(gradients, expected_gradients):
        assert (g is None) == (h is None or not h.any())
        if g is not None:
            np.testing.assert_allclose(g.numpy(), h.numpy(), atol=1e-5)


# The critic


def test_penalized_points_lie_on_lines_between_examples_and_samples():
    """Each at a place of its own, and the places are uniform: mean 1/2 and variance 1/12 to four standard errors."""
    model = WGANGP(MLPGenerator(2, (2,), (8,), rng=rng(0)), critic := Keeps(), PLANE)
    x = 5 + rng(1).standard_normal((4000, 2), dtype=np.float32)
    model.critic_loss({"x": x}, rng(2))
    x_hat, real, fake = critic.shown
    np.testing.assert_array_equal(real, x)
    t = ((x_hat - fake) * (x - fake)).sum(axis=1) / ((x - fake) ** 2).sum(axis=1)
    np.testing.assert_allclose(x_hat, t[:, None] * x + (1 - t[:, None]) * fake, atol=1e-5)
    assert t.min() >= 0 and t.max() <= 1
    assert abs(t.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / 4000) and abs(t.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / 4000)


def test_loss_of_the_critic_is_eq_3():
    model = tiny(penalty=7.0)
    x = rng(1).standard_normal((50, 2), dtype=np.float32)
    terms = {name: term.item() for name, term in model.critic_loss({"x": x}, rng(2)).items()}
    fake = model.fake(50, rng(2))  # drawn first, so by the same noise
    expected = model.critic(Tensor(x)).numpy().mean() - model.critic(fake).numpy().mean()
    assert terms["distance"] == pytest.approx(expected, rel=1e-5)
    assert terms["loss"] == pytest.approx(7 * terms["penalty"] - terms["distance"], rel=1e-5)
    g_loss = model.generator_loss(50, rng(2))["-f"].item()
    assert g_loss == pytest.approx(-model.critic(fake).numpy().mean(), rel=1e-5)


def trained_critic(model, draw, steps, lr=1e-2):
    """The distance that the critic sees after so many steps of its own: the mean of the last fifth."""
    player, g = model.players()[0], rng(1)
    moves, seen = Adam(player.params, cosine_decay(lr), betas=(0.5, 0.9)), []
    for step in range(steps):
        terms = player.loss({"x": draw(g)}, g)
        moves.step(grad(terms["loss"], player.params), done=step / steps)
        seen.append(terms["distance"].item())
    return np.mean(seen[-steps // 5:])


@pytest.mark.parametrize("m", [1.0, 4.0])
def test_best_critic_between_two_points(m):
    """Data always at (m, 0), samples at 0. With slope s on the way eq. 3 is lambda (s - 1)^2 - m s, so the best slope
    is 1 + m / (2 lambda), everywhere on the way: the distance m is overestimated by m^2 / (2 lambda). In the plane,
    since on a line a slope of -1 can turn only through 0, where the penalty is lambda: it stays the wrong way."""
    model = WGANGP(Point(), MLPDiscriminator((2,), (32,), rng=rng(0)), PLANE)
    seen = trained_critic(model, lambda g: np.float32([[m, 0]] * 64), 300)
    assert seen == pytest.approx(m * (1 + m / 20), rel=0.02)
    x = parameter(np.linspace([0.1 * m, 0], [0.9 * m, 0], 9, dtype=np.float32))
    slope = grad(model.critic(x).sum(), x).numpy()
    assert np.abs(slope - [1 + m / 20, 0]).max() < 0.1


def test_critic_estimates_the_distance_of_distributions():
    """N((2, 0), I) and N(0, I) are 2 apart; the penalty lets slopes exceed 1, by 2 / 20 if all were at two points."""
    model = WGANGP(MLPGenerator(2, (2,), (), rng=rng(0)), MLPDiscriminator((2,), (32, 32), rng=rng(0)), PLANE)
    weight, bias = model.generator.parameters()
    weight.data[...], bias.data[...] = asarray(np.eye(2)), 0  # G(z) = z
    seen = trained_critic(model, lambda g: np.float32([2, 0]) + g.standard_normal((256, 2), dtype=np.float32), 300)
    assert 1.95 < seen < 2.3


def test_the_generator_is_told_the_way_from_afar():
    """A sample 30 from the data: the pull on it is about the critic's best slope, 1 + 30 / 20, and straight."""
    model = WGANGP(Point(), MLPDiscriminator((2,), (32,), rng=rng(0)), PLANE)
    trained_critic(model, lambda g: np.float32([30, 0]) + g.standard_normal((64, 2), dtype=np.float32), 300)
    _, G = model.players()
    (pull,) = grad(G.loss(64, rng(0))["-f"], G.params)
    x1, x2 = pull.numpy()
    assert -3.5 < x1 < -1.5 and abs(x2) < 0.3


# The players


def test_five_steps_of_the_critic_for_one_of_the_generator():
    run = train(Run(one_stage(tiny(), adam(1e-3), steps=2, batch_size=10), data.load("eight_gaussians"), rng=rng(0)))
    assert (run.optimizers["critic"].steps, run.optimizers["G"].steps, run.batches.position) == (10, 2, 10)


def test_a_player_changes_nothing_of_the_other():
    model = tiny()
    critic, G = model.players()
    batch = {"x": np.zeros((4, 2), np.float32)}
    with pytest.raises(RuntimeError, match="does not depend"):
        grad(critic.loss(batch, rng(0))["loss"], G.params)
    assert {id(p) for p in critic.params}.isdisjoint(id(p) for p in G.params)
    assert len(critic.params) + len(G.params) == len(model.parameters())


def test_images_train():
    """Through convolutions, at an odd size: a few steps of the critic make the distance larger."""
    g, x = rng(0), np.uint8(255) * np.ones((16, 1, 9, 9), np.uint8)
    space = Space((1, 9, 9), 256)
    model = WGANGP(ConvGenerator(4, space.shape, 4, rng=g), ConvDiscriminator(space.shape, 4, norm=None, rng=g), space)
    critic, moves = model.players()[0], Adam(model.critic.parameters(), 1e-3)
    seen = []
    for _ in range(40):
        terms = critic.loss({"x": x}, g)
        moves.step(grad(terms["loss"], critic.params))
        seen.append(terms["distance"].item())
    assert seen[-1] > seen[0] + 1
    with no_grad():
        assert model.sample(3, g).shape == (3, 1, 9, 9)


@pytest.mark.slow
def test_eight_gaussians_are_all_found():
    points, g = data.load("eight_gaussians"), rng(0)
    run = train(Run(recipes.find("wgan_gp").plan(points, g), points, rng=g, steps=1000))
    with run.evaluating():
        covered, good, distance = evaluate(run.model, data.load("eight_gaussians", "test"), rng(1), train=points)
    assert covered.value == 8 and good.value >= 0.8 and distance.value < 0.03


@pytest.mark.parametrize("make, message", [
    (lambda g: WGANGP(ConvGenerator(4, (1, 28, 28), 4, rng=g), ConvDiscriminator((1, 32, 32), 4, None, rng=g),
                      Space((1, 28, 28), 256)),
     r"WGANGP: the opponent takes examples of shape \(1, 32, 32\), the data's have \(1, 28, 28\)"),
    (lambda g: WGANGP(ConvGenerator(4, (1, 8, 8), 4, rng=g), ConvDiscriminator((1, 8, 8), 4, rng=g),
                      Space((1, 8, 8), 17)),
     r"the critic has batch normalization \(net\.3\), .*build it with norm=None"),
    (lambda g: tiny(n_critic=0), "n_critic is 0, expected at least 1"),
    (lambda g: tiny(penalty=0), "penalty is 0, expected a positive number"),
])
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make(rng(0))
    assert "\n" not in str(error.value)
