"""The loops that a GPU replays, run op by op: each is the algorithm it stands for, with the same noise."""
import itertools

import numpy as np
import pytest

from autograd import Tensor, grad, mse_loss
from autograd.backend import asarray, rng, to_numpy
from minigen.diffusion import (
    classifier_free,
    clipped,
    cosine_schedule,
    denoiser,
    karras_levels,
    linear_schedule,
    samplers,
)
from minigen.diffusion.captured import fused, philox
from minigen.diffusion.captured.loop import SamplingLoop, TrainingLoop
from minigen.nn.unet import UNet
from minigen.optim import AdamW, clip_factor, cosine_decay

SHAPE, SEED = (3, 1, 4, 4), 5
FORWARD = linear_schedule(20)


def network():
    net = UNet(1, 1, width=8, multipliers=(1, 2), blocks=1, attention=(1,), time=True, rng=rng(0))
    for p in net.parameters():  # those that start as 0 would leave most gradients at 0
        p.data[...] += asarray(0.05 * rng(1).standard_normal(p.shape), np.float32)
    return net


@pytest.mark.parametrize("clip", [None, 0.5])
def test_training_is_algorithm_1(clip):
    ours, theirs = network(), network()
    # eps: a bias before a norm has no gradient, and its rounding errors should not be normalized to steps
    make = lambda net: AdamW(net.parameters(), lr=cosine_decay(1e-2), eps=1e-3, weight_decay=0.1)
    loop, adam = TrainingLoop(ours, FORWARD, make(ours), SHAPE, seed=SEED, clip=clip), make(theirs)
    for step in range(4):
        x_0 = asarray(rng(step).standard_normal(SHAPE), np.float32)
        t = philox.times(SEED, step, len(x_0), FORWARD.T)
        eps = asarray(philox.normals(SEED, step, SHAPE))
        loss = mse_loss(theirs(Tensor(FORWARD.q_sample(x_0, t, eps)), t), Tensor(eps))
        grads = grad(loss, theirs.parameters())
        adam.step(grads, 1.0 if clip is None else clip_factor(grads, clip)[0], done=step / 4)
        np.testing.assert_allclose(to_numpy(loop(x_0, step / 4)), loss.item(), rtol=1e-4)
    assert loop.optimizer.steps == 4
    for p, q in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(p.numpy(), q.numpy(), atol=2e-4)  # a step moves an element by about 1e-2


def test_training_refuses_another_size():
    net = network()
    loop = TrainingLoop(net, FORWARD, AdamW(net.parameters()), SHAPE, seed=SEED)
    with pytest.raises(ValueError, match="x_0 has shape \\(2, 1, 4, 4\\), expected \\(3, 1, 4, 4\\)"):
        loop(np.zeros((2, 1, 4, 4), np.float32))


def test_a_resumed_run_is_the_run_that_was_not_stopped():
    results = []
    for sittings in ((4,), (1, 3)):
        net = network()
        adam, batches = AdamW(net.parameters(), lr=cosine_decay(1e-2)), itertools.count()
        for steps in sittings:
            loop = TrainingLoop(net, FORWARD, adam, SHAPE, seed=SEED)
            for number in itertools.islice(batches, steps):
                loop(rng(number).standard_normal(SHAPE).astype(np.float32), number / 4)
        results.append([p.numpy() for p in net.parameters()])
    for p, q in zip(*results):
        np.testing.assert_array_equal(p, q)


class PhiloxGenerator:
    """What a sampler draws from, one step of Philox after the other."""

    def __init__(self):
        self.step = 0

    def standard_normal(self, shape, dtype):
        self.step += 1
        return philox.normals(SEED, self.step, shape, dtype)


@pytest.mark.parametrize("sampler", samplers.MOVES)
@pytest.mark.parametrize("levels", [FORWARD.levels(5), cosine_schedule(20).levels()], ids=["linear", "cosine"])
def test_sampling_is_the_sampler(sampler, levels):
    net = network()
    loop = SamplingLoop(net, levels, samplers.MOVES[sampler], SHAPE, seed=SEED)
    x_T = asarray(philox.normals(SEED, 0, SHAPE))
    expected = sampler(clipped(denoiser(net)), x_T, levels, rng=PhiloxGenerator())
    first = to_numpy(loop()).copy()
    np.testing.assert_allclose(first, to_numpy(expected), atol=1e-3)
    assert np.abs(to_numpy(loop()) - first).max() > 0.1  # others


@pytest.mark.parametrize("kind", ["x0", "eps", "v", "score"])
def test_sampling_from_any_prediction(kind):
    """And without limits of x_0, where they are None."""
    net, levels = network(), FORWARD.levels(4)
    loop = SamplingLoop(net, levels, samplers.move_ddim(), SHAPE, seed=SEED, kind=kind, low=None, high=None)
    expected = to_numpy(samplers.ddim(denoiser(net, kind), asarray(philox.normals(SEED, 0, SHAPE)), levels))
    np.testing.assert_allclose(to_numpy(loop()), expected, atol=1e-4 * np.abs(expected).max())


def test_guidance():
    net, levels = network(), FORWARD.levels(5)
    both = lambda x, t: (net(x, t), net(x * 0.0, t))
    plain, zero, strong = (to_numpy(SamplingLoop(f, levels, samplers.move_ddim(), SHAPE, seed=SEED, w=w, guided=guided,
                                                 low=None, high=None)()).copy()
                           for f, w, guided in ((net, 0.0, False), (both, 0.0, True), (both, 2.0, True)))
    np.testing.assert_array_equal(plain, zero)
    led = classifier_free(denoiser(net), denoiser(lambda x, t: net(x * 0.0, t)), 2.0)  # of x_0: eps is linear in it
    expected = to_numpy(samplers.ddim(led, asarray(philox.normals(SEED, 0, SHAPE)), levels))
    np.testing.assert_allclose(strong, expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(strong - plain).max() > 1e-2


@pytest.mark.parametrize("call, message", [
    (lambda: fused.reverse_table(karras_levels(5), samplers.move_ddim()), "t is 80, 17.53, 2.515, ..., expected whole"),
    (lambda: fused.reverse_table(FORWARD.levels(5), samplers.move_ddim(), "mu"), "kind is 'mu', expected one of x0"),
    (lambda: fused.reverse_table(FORWARD.levels(5)[::-1], samplers.move_ddim()), "pass them from the noisiest down"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
