"""Classifier-free guidance: what is dropped and for whom, what w means, and that w = 0 is the plain conditional model."""
import functools

import numpy as np
import pytest

from autograd import Tensor, backend, grad
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Space
from minigen.diffusion import ancestral_tilde, classifier_free, clipped, cosine_schedule, ddim, dynamically_clipped
from minigen.models.diffusion import ClassifierFree
from minigen.nn import Module, UNet

DIGITS, CLASSES = Space((1, 8, 8), 17), Space((), 10)


def build(model=ClassifierFree, seed=0, **arguments):
    network = UNet(1, width=8, multipliers=(1, 2), blocks=1, groups=4, condition=10, rng=backend.rng(seed))
    rng = backend.rng(1)
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.1 * backend.normal(rng, p.shape)
    return model(network, cosine_schedule(20), DIGITS, CLASSES, **{"steps": 4, **arguments})


def batch(n, seed=2):
    rng = backend.rng(seed)
    return {"x": rng.integers(0, 17, (n, 1, 8, 8)).astype(np.uint8), "y": rng.integers(0, 10, n)}


@pytest.mark.parametrize("sampler", [ancestral_tilde, ddim])
def test_without_guidance_it_is_the_conditional_sampler(sampler):
    """w = 0, bit for bit."""
    model, y = build(sampler=sampler), np.arange(6)
    rng = backend.rng(3)
    x_T = normal(rng, (6, 1, 8, 8))
    expected = sampler(clipped(model.conditional(y)), x_T, model.levels, rng=rng)
    np.testing.assert_array_equal(model.sample(6, backend.rng(3), y=y, w=0.0), model.space.from_signed(expected))


def test_w_is_how_far_it_goes_beyond():
    """1 + w times what is said of the class, less w times what is said of none: eq. 6. With the other convention, s = 1
    + w, everything would be off by one."""
    model, y, level = build(), np.array([1, 1, 4]), cosine_schedule(20).level(7)
    x_t = normal(backend.rng(4), (3, 1, 8, 8))
    told, untold = model.conditional(y)(x_t, level), model.unconditional(x_t, level)
    assert np.abs(to_numpy(told - untold)).max() > 1e-3
    for w in (1.0, 3.0):
        expected = np.clip(to_numpy((1 + w) * told - w * untold), -1, 1)
        np.testing.assert_allclose(to_numpy(model.guided(y, w)(x_t, level)), expected, atol=1e-6)
        off_by_one = np.clip(to_numpy(w * told - (w - 1) * untold), -1, 1)
        assert np.abs(off_by_one - expected).max() > 1e-3


def test_what_is_led_is_limited_after_it_was_led():
    """By clipping, or by whatever else is asked for; not what is said with and without the class, before w."""
    y, level, x_t = np.array([1, 1, 4]), cosine_schedule(20).level(19), normal(backend.rng(4), (3, 1, 8, 8))
    free = build(limit=lambda denoise: denoise)
    far = free.guided(y, 5.0)
    assert np.abs(to_numpy(far(x_t, level))).max() > 1.5
    for limit in (clipped, dynamically_clipped):
        limited = build(limit=limit).guided(y, 5.0)(x_t, level)
        np.testing.assert_array_equal(to_numpy(limited), to_numpy(limit(far)(x_t, level)))
        too_early = classifier_free(limit(free.conditional(y)), limit(free.unconditional), 5.0)(x_t, level)
        assert np.abs(to_numpy(limited)).max() <= 1 and np.abs(to_numpy(limited - too_early)).max() > 1e-2


class Recorder(Module):
    """Says nothing, and notes what it is told."""

    def __init__(self):
        self.calls = []

    def forward(self, x_t, t, condition=None, dropped=None):
        self.calls.append((condition, dropped))
        return x_t * 0.0


class PerBatch(ClassifierFree):
    """Drops all of a batch or none."""

    def loss(self, batch, rng):
        network, share = self.network, self.p_uncond

        def told(x_t, t, condition, dropped):
            return network(x_t, t, condition=condition, dropped=np.full(len(dropped), rng.random() < share))

        self.network = told
        try:
            return super().loss(batch, rng)
        finally:
            self.network = network


def dropped_shares(model, batches=40):
    """The share of each batch of 50 that was told nothing."""
    network = Recorder()
    free, rng = model(network, cosine_schedule(20), DIGITS, CLASSES, p_uncond=0.2, steps=4), backend.rng(5)
    for _ in range(batches):
        free.loss(batch(50), rng)
    return np.array([np.mean(dropped) for _, dropped in network.calls])


def test_each_image_is_dropped_on_its_own():
    """A share of 0.2 of every batch, but for the spread of 50 draws; not of a fifth of the batches all."""
    fits = lambda shares: abs(shares.mean() - 0.2) < 0.05 and shares.std() < 0.1
    assert fits(dropped_shares(ClassifierFree)) and not fits(dropped_shares(PerBatch))


def test_the_null_is_learned_and_no_class():
    """It is a parameter that the loss moves, told apart from each class and from a vector of zeros."""
    model = build(p_uncond=0.5)
    null = model.network.null_condition
    assert null is not None and any(null is p for p in model.network.parameters())
    g = grad(model.loss(batch(20), backend.rng(6))["L_simple"], null)
    assert np.abs(g.numpy()).max() > 0
    code = lambda c: model.network.condition(Tensor(asarray(np.float32(c)))).numpy()
    others = [*np.eye(10), np.zeros(10)]
    assert min(np.abs(code([null.numpy()]) - code([other])).max() for other in others) > 1e-4


def test_who_is_dropped_is_told_the_null():
    """The network's answers with dropped = True are those without a condition, bit for bit; others are not."""
    model, x_t, t = build(), normal(backend.rng(7), (4, 1, 8, 8)), np.array([3, 9, 9, 15])
    c = model.told(np.array([1, 2, 3, 4]))["condition"]
    dropped = np.array([True, False, True, False])
    said = model.network(Tensor(x_t), t, condition=c, dropped=dropped).numpy()
    null, told = (model.network(Tensor(x_t), t, condition=given).numpy() for given in (None, c))
    np.testing.assert_allclose(said, np.where(dropped[:, None, None, None], null, told), atol=1e-6)
    assert np.abs(null - told).max() > 1e-3


def test_samples_and_measures():
    model, b = build(), batch(12)
    x = model.sample(5, backend.rng(8))
    assert x.shape == (5, 1, 8, 8) and 0 <= x.min() < x.max() <= 1
    assert model.sample(0, backend.rng(8), y=np.zeros(0, int)).shape == (0, 1, 8, 8)
    told, untold = model.measure(b, backend.rng(9))
    assert told.unit == "nats" and "told the class" in told.detail and "told nothing" in untold.detail
    assert functools.reduce(lambda a, c: a and c.half_width > 0, (told, untold), True)


@pytest.mark.parametrize("call, message", [
    (lambda: build(p_uncond=0.0), "p_uncond is 0.0, expected between 0 and 1"),
    (lambda: build(w=-1.0), "w is -1.0, expected at least 0, which is the plain conditional model"),
    (lambda: build().sample(3, backend.rng(0), y=[1, 2]), "y has 2 classes, expected 3"),
    (lambda: build().sample(2, backend.rng(0), y=[1, 10]), "y holds values from 1 to 10, expected 0 to 9"),
    (lambda: ClassifierFree(None, cosine_schedule(20), Space((2,)), CLASSES), "this model takes images"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
