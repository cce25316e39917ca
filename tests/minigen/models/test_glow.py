"""Glow as a whole: its Jacobian, its inverse, and what a configuration must have."""
import math

import numpy as np
import pytest

from autograd import Tensor, no_grad
from autograd.backend import rng as generator
from minigen.data import Space, load
from minigen.flows.dequantization import UniformDequantization
from minigen.models.flows import Glow
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train
from tests.minigen.flows.test_layers import jacobians
from tests.minigen.flows.test_layers import randomized as randomized_layer


def randomized(model, rng, dtype=np.float64):
    """Less than a single layer: in a deep flow random numbers pile up."""
    return randomized_layer(model, rng, dtype, scale=0.05)


def images(shape=(1, 8, 8), levels=17, K=3, L=2, width=8):
    space = Space(shape, levels)
    return Glow(space, UniformDequantization(space), K, L, width, rng=generator(0))


@pytest.mark.parametrize("shape, L", [((1, 8, 8), 2), ((3, 4, 4), 1), ((1, 4, 8), 2), ((1, 8, 8), 3)])
def test_log_determinant_of_the_whole_flow(shape, L):
    model = randomized(images(shape, L=L), generator(1))
    v = generator(2).random((2, *shape))
    z, logdet = model.flow(Tensor(v))
    J = jacobians(lambda v: model.flow(v)[0], v)
    assert z.shape == (2, math.prod(shape))
    np.testing.assert_allclose(logdet.numpy(), np.linalg.slogdet(J)[1], rtol=1e-9)


@pytest.mark.parametrize("shape, dtype, bound", [
    ((1, 8, 8), np.float64, 1e-11), ((1, 8, 8), np.float32, 1e-3), ((1, 28, 28), np.float32, 1e-3)])
def test_inverse_of_the_whole_flow(shape, dtype, bound):
    model = randomized(images(shape), generator(1), dtype)
    v = generator(2).random((20, *shape)).astype(dtype)
    with no_grad():
        back = model.flow.inverse(model.flow(Tensor(v))[0]).numpy()
    assert back.dtype == dtype and np.abs(back - v).max() < bound


def test_density_of_points_integrates_to_one():
    model = randomized(Glow(Space((2,)), K=3, width=8, rng=generator(0)), generator(1))
    at = np.linspace(-8, 8, 301)
    x = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    with no_grad():
        assert np.exp(model.log_prob(x).numpy()).sum() * (at[1] - at[0]) ** 2 == pytest.approx(1, abs=1e-3)


def test_the_first_batch_sets_every_actnorm():
    model, x = images(), load("digits")["x"][:50]
    model.bound(x, generator(0))
    state = model.state_dict()
    set_ones = [name for name in state if name.endswith("initialized") and state[name]]
    assert len(set_ones) == 2 * 3  # L K
    z = model.encode(x)
    assert abs(z.mean()) < 0.2 and 0.7 < z.std() < 1.3  # before any training


def test_a_few_steps_on_digits():
    model, valid = images(width=16), load("digits", "valid").columns
    before = model.measure(valid, generator(1))[0].value
    plan = one_stage(model, adam(cosine_decay(5e-3)), steps=60, batch_size=100, clip=50.0)
    train(Run(plan, load("digits"), rng=generator(0)))
    after = model.eval().measure(valid, generator(1))[0].value
    assert after < before - 25  # nats
    samples = model.sample(4, generator(2), temperature=0.7)
    assert samples.shape == (4, 1, 8, 8) and 0 <= samples.min() and samples.max() <= 1


@pytest.mark.parametrize("build, message", [
    (lambda: Glow(Space((1, 8, 8), 17), rng=generator(0)), "pass UniformDequantization"),
    (lambda: images((1, 28, 28), L=3), "28x28 cannot be squeezed L=3 times.*divide by 8"),
    (lambda: images((1, 7, 8), L=1), "7x8 cannot be squeezed L=1 times"),
    (lambda: images().encode(np.zeros((2, 8, 8, 1), np.uint8)), r"x has shape \(2, 8, 8, 1\).*channels come first"),
    (lambda: images(K=0), "K=0 steps"),
    (lambda: images(L=0), "L=0 levels"),
    (lambda: Glow(Space((3,)), rng=generator(0)), "3 channels have no two equal halves")])
def test_errors(build, message):
    with pytest.raises(ValueError, match=message):
        build()
