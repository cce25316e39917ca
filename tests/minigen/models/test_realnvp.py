"""Real NVP as a whole: its Jacobian, its inverse, the density it is, and the bound for integers."""
import math

import numpy as np
import pytest

from autograd import Tensor, grad, no_grad
from autograd.backend import rng as generator
from minigen.data import Space, load, log_density
from minigen.flows.dequantization import UniformDequantization, VariationalDequantization
from minigen.models.flows import RealNVP
from minigen.models.flows.realnvp import ResNet, times_halved
from minigen.optim import Adam, adam, cosine_decay
from minigen.train import Run, one_stage, train
from tests.minigen.flows.test_layers import jacobians
from tests.minigen.flows.test_layers import randomized as randomized_layer

PLANE = Space((2,))


def randomized(model, rng, dtype=np.float64):
    """Less than a single layer: in a deep flow random numbers pile up."""
    return randomized_layer(model, rng, dtype, scale=0.05)


def images(shape=(1, 8, 8), levels=17, **settings):
    space = Space(shape, levels)
    return RealNVP(space, UniformDequantization(space), width=8, rng=generator(0), **settings)


def grid(edge, cells):
    at = edge * (2 * (np.arange(cells) + 0.5) / cells - 1)
    return np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2), (2 * edge / cells) ** 2


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 4), (2, 3, 5)])
def test_log_determinant_of_the_whole_flow(shape):
    model = randomized(images(shape), generator(1))
    v = generator(2).random((2, *shape))
    z, logdet = model.flow(Tensor(v))
    J = jacobians(lambda v: model.flow(v)[0], v)
    assert z.shape == (2, math.prod(shape))
    np.testing.assert_allclose(logdet.numpy(), np.linalg.slogdet(J)[1], rtol=1e-10)


@pytest.mark.parametrize("shape, dtype, bound", [
    ((1, 8, 8), np.float64, 1e-12), ((1, 8, 8), np.float32, 1e-4), ((1, 28, 28), np.float32, 1e-4)])
def test_inverse_of_the_whole_flow(shape, dtype, bound):
    model = randomized(images(shape), generator(1), dtype)
    v = generator(2).random((20, *shape)).astype(dtype)
    with no_grad():
        back = model.flow.inverse(model.flow(Tensor(v))[0]).numpy()
    assert back.dtype == dtype and np.abs(back - v).max() < bound


def test_networks_start_at_zero_and_keep_the_shape():
    """On 2x2 blocks a network is another function of the same input, and starts at 0 too."""
    x = Tensor(generator(1).random((2, 1, 6, 6), dtype=np.float32))
    for r in 1, 2:
        net = ResNet(1, 2, width=8, r=r, rng=generator(0))
        assert net(x).shape == (2, 2, 6, 6) and (net(x).data == 0).all()


# The density of points


def trained_on_moons(steps=500):
    rng = generator(0)
    model = RealNVP(PLANE, width=64, rng=rng)
    train(Run(one_stage(model, adam(cosine_decay(5e-3)), steps, batch_size=256), load("two_moons"), rng=rng))
    return model.eval()


@pytest.fixture(scope="module")
def moons():
    return trained_on_moons()


def test_density_integrates_to_one(moons):
    x, area = grid(6, 300)
    with no_grad():
        assert np.exp(moons.log_prob(x).numpy()).sum() * area == pytest.approx(1, abs=1e-3)
        randomly = randomized(RealNVP(PLANE, width=8, couplings=4, rng=generator(0)), generator(1))
        x, area = grid(8, 300)
        assert np.exp(randomly.log_prob(x).numpy()).sum() * area == pytest.approx(1, abs=1e-3)


def test_training_comes_near_the_entropy(moons):
    test = load("two_moons", "test")
    nll, = moons.measure(test.columns, generator(0))
    entropy = -log_density("two_moons")(test["x"]).mean()
    assert entropy < nll.value < entropy + 0.25  # the best Gaussian is 0.9 nats away


def test_samples_follow_the_density(moons):
    """E[log p] over samples of the model is minus its entropy, which the grid gives too."""
    grid_x, area = grid(6, 300)
    samples = moons.sample(4000, generator(1))
    assert samples.shape == (4000, 2) and samples.dtype == np.float32
    with no_grad():
        log_p, drawn = moons.log_prob(grid_x).numpy(), moons.log_prob(samples).numpy()
    expected = (np.exp(log_p) * log_p).sum() * area
    assert abs(drawn.mean() - expected) < 4 * drawn.std() / math.sqrt(len(drawn))


def test_temperature_zero_gives_the_mode_of_the_base(moons):
    still = moons.sample(3, generator(0), temperature=0.0)
    np.testing.assert_array_equal(still, np.repeat(still[:1], 3, axis=0))


# Images


def test_images_come_back_through_the_latents():
    model, x = randomized(images(), generator(1), np.float32), load("digits")["x"][:20]
    np.testing.assert_array_equal(model.reconstruct(x), np.float32(x) / np.float32(16))
    assert model.encode(x).shape == (20, 64)


def test_samples_are_images_with_the_datas_gray_levels():
    samples = images().sample(5, generator(0))
    assert samples.shape == (5, 1, 8, 8) and samples.dtype == np.float32
    np.testing.assert_allclose(samples * 16, np.round(samples * 16), atol=1e-5)
    assert 0 <= samples.min() and samples.max() <= 1


def probabilities(model, levels, cells=60):
    """P(x) of every image (1, 1, 2): the integral of the density over its cell, by midpoints. (levels, levels)"""
    at = (np.arange(levels * cells) + 0.5) / (levels * cells)
    v = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 1, 1, 2)
    with no_grad():
        p = np.exp(model.log_prob(v).numpy()).reshape(levels, cells, levels, cells)
    return p.sum(axis=(1, 3)) / (levels * cells) ** 2


@pytest.mark.parametrize("variational", [False, True])
def test_bound_is_below_the_exact_log_probability(variational):
    """On images of two pixels everything can be integrated."""
    rng, space = generator(2), Space((1, 1, 2), levels=4)
    dequantization = UniformDequantization(space)
    if variational:
        dequantization = VariationalDequantization(space, lambda C, O: ResNet(C, O, 8, rng=rng))
    model = randomized(RealNVP(space, dequantization, width=8, rng=rng), rng)
    log_P = np.log(probabilities(model, space.levels))
    assert np.exp(log_P).sum() < 1 + 1e-3  # the density lives on a little more than the cells
    for x in (0, 0), (1, 3), (2, 2):
        many = np.broadcast_to(np.array(x, np.uint8), (4000, *space.shape))
        with no_grad():
            bound = model.bound(many, rng).numpy()
        error = 3 * bound.std() / math.sqrt(len(bound))
        assert bound.mean() - error < log_P[x]
        assert np.log(np.exp(bound).mean()) == pytest.approx(log_P[x], abs=0.2)  # E_q[p / q] is P(x) itself


def test_a_trained_q_beats_the_uniform_one():
    """At a fixed p, training q alone closes part of the gap between bound and log P(x)."""
    rng, space = generator(2), Space((1, 1, 2), levels=4)
    model = randomized(RealNVP(space, UniformDequantization(space), width=8, rng=rng), generator(8))
    x = generator(5).integers(0, space.levels, (500, *space.shape), dtype=np.uint8)
    with no_grad():
        uniform = np.mean([model.bound(x, rng).numpy().mean() for _ in range(5)])
    model.dequantization = q = VariationalDequantization(space, lambda C, O: ResNet(C, O, 8, rng=rng))
    optimizer = Adam(q.parameters(), cosine_decay(2e-2))
    for step in range(80):
        optimizer.step(grad(-model.bound(x[:100], rng).mean(), optimizer.params), done=step / 80)
    with no_grad():
        variational = np.mean([model.bound(x, rng).numpy().mean() for _ in range(5)])
    P = probabilities(model, space.levels)
    exact = np.log(P[x[:, 0, 0, 0], x[:, 0, 0, 1]]).mean()
    assert uniform + 0.02 < variational < exact + 0.02


def test_measures():
    nats, bits = images().measure(load("digits", "test").first(50).columns, generator(0))
    assert nats.value == pytest.approx(bits.value * 64 * math.log(2), rel=1e-5)
    assert (nats.unit, bits.unit) == ("nats", "bits/dim") and "uniform dequantization" in nats.detail


@pytest.mark.slow
def test_digits_beat_every_gaussian():
    """The full-covariance Gaussian on x + u has 131.6 nats on the test split, independent pixels 106.4."""
    digits, rng = load("digits"), generator(0)
    model = RealNVP(digits.spaces["x"], UniformDequantization(digits.spaces["x"]), rng=rng)
    train(Run(one_stage(model, adam(cosine_decay(1e-3)), steps=200, batch_size=100, clip=50.0), digits, rng=rng))
    assert model.eval().measure(load("digits", "test").columns, rng)[0].value < 106


# Refused before training starts


def test_times_halved():
    assert [times_halved(H, H) for H in (8, 28, 32, 9, 4, 6)] == [1, 2, 3, 0, 0, 0]


@pytest.mark.parametrize("build, message", [
    (lambda: RealNVP(Space((1, 8, 8), 17), rng=generator(0)), "pass UniformDequantization"),
    (lambda: images((1, 28, 28), scales=4), "28x28 cannot be halved 3 times.*scales=1 to 3"),
    (lambda: images((1, 9, 9), scales=2), "9x9 cannot be halved 1 times.*scales=1 to 1"),
    (lambda: images(scales=0), "scales=0"),
    (lambda: RealNVP(Space((3,)), rng=generator(0)), "3 channels have no two equal halves"),
    (lambda: RealNVP(PLANE, couplings=1, rng=generator(0)), "couplings is 1"),
    (lambda: images().bound(np.zeros((2, 1, 9, 9), np.uint8), generator(0)),
     r"x has shape \(2, 1, 9, 9\), expected \(N, 1, 8, 8\)")])
def test_errors(build, message):
    with pytest.raises(ValueError, match=message):
        build()
