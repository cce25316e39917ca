"""Predictions: every conversion against the definitions, and back again."""
import itertools

import numpy as np
import pytest

from autograd import Tensor, backend, parameter
from autograd.backend import asarray, to_numpy, xp
from minigen.diffusion import (
    PREDICTIONS,
    Level,
    clipped,
    convert,
    cosine_schedule,
    denoiser,
    dynamically_clipped,
    karras_levels,
    linear_schedule,
    noised,
    recorded,
    straight_levels,
    training_target,
)

SCHEDULE = linear_schedule(100)


def draw():
    rng = backend.rng(0)
    return [asarray(rng.standard_normal((5, 1, 2, 3))) for _ in range(2)]


def assert_close(actual, expected, **tolerances):
    np.testing.assert_allclose(to_numpy(actual), to_numpy(expected), **tolerances)


LEVELS = {
    "schedule": SCHEDULE.level(np.array([1, 2, 50, 99, 100])),
    "Karras": Level(np.ones(5), *2 * [np.array([0.002, 0.1, 1.0, 9.0, 80.0])]),
    "straight": Level(*(np.array(numbers) for numbers in zip(*straight_levels(6)[1:6]))),
}
levels = pytest.mark.parametrize("level", LEVELS.values(), ids=list(LEVELS))
pairs = pytest.mark.parametrize("source, target", list(itertools.product(PREDICTIONS, PREDICTIONS)))


def broadcast(*numbers):
    return (asarray(v)[:, None, None, None] for v in numbers)


@levels
def test_targets_are_what_they_are_said_to_be(level):
    x_0, eps = draw()
    a, s = broadcast(level.a, level.s)
    expected = {"x0": x_0, "eps": eps, "v": a * eps - s * x_0, "velocity": eps - x_0, "score": -(a * x_0 + s * eps - a * x_0) / s**2}
    assert set(expected) == set(PREDICTIONS)
    for kind, value in expected.items():
        assert_close(training_target(kind, x_0, eps, level), value, rtol=1e-9, atol=1e-12)


@levels
def test_the_score_is_the_gradient_of_log_q(level):
    """d/dx_t log N(x_t; a x_0, s^2), by central differences."""
    x_0, eps = draw()
    x_t = noised(x_0, eps, level)
    a, s = broadcast(level.a, level.s)
    log_q = lambda x: -0.5 * ((x - a * x_0) / s) ** 2
    h = 1e-5 * s
    slope = (log_q(x_t + h) - log_q(x_t - h)) / (2 * h)
    assert_close(training_target("score", x_0, eps, level), slope, rtol=1e-5, atol=1e-8)


def test_v_is_the_velocity_on_the_circle():
    """With a = cos u and s = sin u, v is dx_t / du."""
    x_0, eps = draw()
    at = lambda u: noised(x_0, eps, Level(np.cos(u), np.sin(u), u))
    u = np.array([0.1, 0.3, 0.7, 1.2, 1.5])
    velocity = (at(u + 1e-5) - at(u - 1e-5)) / 2e-5
    assert_close(training_target("v", x_0, eps, Level(np.cos(u), np.sin(u), u)), velocity, rtol=1e-8, atol=1e-9)


@pairs
@levels
def test_conversions(level, source, target):
    """From the one to the other, for all kinds at every noise level of every process, in numbers and in Tensors."""
    x_0, eps = draw()
    x_t = noised(x_0, eps, level)
    given, wanted = (training_target(kind, x_0, eps, level) for kind in (source, target))
    assert_close(convert(given, source, target, x_t, level), wanted, rtol=1e-7, atol=1e-8)
    converted = convert(Tensor(given), source, target, Tensor(x_t), level)
    assert_close(converted.data, wanted, rtol=1e-7, atol=1e-8)


@pairs
def test_conversions_undo_each_other(source, target):
    rng = backend.rng(3)
    x_t, quantity = (asarray(rng.standard_normal((4, 3))) for _ in range(2))  # x_t not made of the quantity
    level = SCHEDULE.level(np.array([1, 5, 60, 100]))
    there = convert(quantity, source, target, x_t, level)
    assert_close(convert(there, target, source, x_t, level), quantity, rtol=1e-6, atol=1e-7)


def test_conversions_keep_float32_and_gradients():
    (x_0, eps), level = draw(), LEVELS["schedule"]
    x_t = noised(x_0, eps, level).astype(np.float32)
    network_output = parameter(eps, np.float32)
    x_0_guess = convert(network_output, "eps", "x0", x_t, level)
    assert x_0_guess.dtype == np.float32
    x_0_guess.sum().backward()
    expected = -(level.s / level.a)[:, None, None, None] * np.ones(eps.shape)
    assert_close(network_output.grad.data, expected, rtol=1e-5)


def test_v_and_x0_survive_the_end_of_the_cosine_schedule():
    """At t = T hardly any signal is left, a = 5e-5: x_0 from v does not divide by it."""
    x_0, eps = (a.astype(np.float32) for a in draw())
    level = cosine_schedule(1000).level(np.array([1, 2, 500, 999, 1000]))
    v = training_target("v", x_0, eps, level)
    assert_close(convert(v, "v", "x0", noised(x_0, eps, level), level), x_0, atol=1e-5)


@levels
def test_denoiser_wraps_a_network(level):
    x_0, eps = draw()
    x_t = noised(x_0, eps, level)
    weight = parameter(np.ones((), np.float64))
    for kind in PREDICTIONS:
        target = training_target(kind, x_0, eps, level)
        guess = denoiser(lambda x, t, target=target: weight * target, kind)(x_t, level)
        assert isinstance(guess, xp.ndarray)  # an array: nothing of the graph is left
        assert_close(guess, x_0, rtol=1e-7, atol=1e-7)


def test_a_network_is_told_t_and_the_condition():
    told = []

    def network(x_t, t, y):
        told.append((t, y))
        return x_t

    denoise = denoiser(network, "x0", y="three")
    x_t = asarray(np.ones((2, 3)))
    for level, t in ((SCHEDULE.level(7), 7), (karras_levels(5)[2], karras_levels(5)[2].s), (Level(0.6, 0.8, 0.3), 0.3)):
        denoise(x_t, level)
        times, y = told.pop()
        assert times.tolist() == [t, t] and y == "three"
    denoiser(lambda x_t, t: told.append(t) or x_t, "x0")(x_t, SCHEDULE.level(7))
    assert told[0].dtype.kind == "i"  # as in training


def test_clipped_and_recorded():
    frames, level = [], SCHEDULE.level(7)
    denoise = recorded(clipped(lambda x_t, level: 3.0 * x_t), frames)
    x_t = asarray([[-1.0, 0.1], [0.2, 2.0]])
    assert_close(denoise(x_t, level), [[-1.0, 0.3], [0.6, 1.0]])
    (noted, seen, x_0), = frames
    assert noted is level and seen is x_t and x_0.max() == 1.0
    assert_close(clipped(lambda x_t, level: 3.0 * x_t, low=0.0, high=5.0)(x_t, level), [[0.0, 0.3], [0.6, 5.0]])


# Dynamic thresholds (Saharia et al. 2022, section 2.3)


def thresholded(x_0, wrap=dynamically_clipped, **settings):
    """What the wrapper makes of a denoiser that returns x_0."""
    return to_numpy(wrap(lambda x_t, level: asarray(x_0), **settings)(None, None))


def pictures():
    """Three of 512 numbers: one within [-1, 1], one far outside, one with a single bad number."""
    x_0 = backend.rng(0).uniform(-1.0, 1.0, (3, 2, 16, 16)).astype(np.float32)
    x_0[1] *= 6.0
    x_0[2, 0, 0, 0] = -40.0
    return x_0


def check_dynamic_thresholds(wrap):
    """Everything that the wrapper promises; the broken ones below fail in the lines that are named beside them."""
    x_0 = pictures()
    x = thresholded(x_0, wrap)
    assert np.array_equal(x[0], x_0[0]), "a picture within [-1, 1] is changed"
    s = np.percentile(np.abs(x_0[1]), 99.5)
    assert s > 5.9, s
    np.testing.assert_allclose(x[1], np.clip(x_0[1], -s, s) / s, rtol=1e-6, err_msg="not clipped and divided by s")
    np.testing.assert_array_equal(x[2].ravel()[1:], x_0[2].ravel()[1:], err_msg="moved by one pixel")
    assert x[2, 0, 0, 0] == -1.0 and x.dtype == np.float32 and np.abs(x).max() <= 1.0
    alone = np.concatenate([thresholded(x_0[i : i + 1], wrap) for i in range(3)])
    np.testing.assert_array_equal(x, alone, err_msg="depends on the rest of the batch")
    assert thresholded(x_0[:0], wrap).shape == (0, *x_0.shape[1:])


def test_dynamic_thresholds():
    check_dynamic_thresholds(dynamically_clipped)


def test_dynamic_thresholds_keep_contrast_that_static_ones_lose():
    """Of a picture driven out to 6, hardly a pixel saturates, and ratios stay; clipped makes most of it -1 or 1."""
    x_0 = pictures()[1:2]
    dynamic, static = thresholded(x_0), thresholded(x_0, clipped)
    assert (np.abs(static) == 1).mean() > 0.7 and (np.abs(dynamic) == 1).mean() < 0.02
    assert np.corrcoef(dynamic.ravel(), x_0.ravel())[0, 1] > 0.999


def by_threshold(threshold):
    """A broken dynamically_clipped, of another s."""

    def wrap(denoise, percentile=99.5):
        def thresholds(x_t, level):
            x_0 = denoise(x_t, level)
            s = threshold(abs(x_0).reshape(len(x_0), -1), percentile).reshape(-1, 1, 1, 1)
            return xp.clip(x_0, -s, s) / s

        return thresholds

    return wrap


@pytest.mark.parametrize("threshold, noticed", [
    (lambda x, p: xp.percentile(x, p, axis=1), "within"),  # s not clamped: a dull picture is stretched
    (lambda x, p: xp.maximum(xp.percentile(x, p, axis=1), x.max(axis=1)), "within"),  # clamped to the maximum: also
    (lambda x, p: xp.maximum(x.max(axis=1), 1.0), "not clipped and divided by s"),  # the maximum for the percentile
    (lambda x, p: xp.maximum(xp.percentile(x, p), 1.0) * xp.ones(len(x)), "within"),  # one s for the batch
], ids=["not clamped", "clamped to the maximum", "the maximum", "of the batch"])
def test_broken_dynamic_thresholds_are_noticed(threshold, noticed):
    with pytest.raises(AssertionError, match=noticed):
        check_dynamic_thresholds(by_threshold(threshold))


@pytest.mark.parametrize("call, message", [
    (lambda x: dynamically_clipped(lambda x_t, level: x, 0), "percentile is 0, expected above 0 and at most 100"),
    (lambda x: convert(x, "noise", "x0", x, SCHEDULE.level(1)), "source is 'noise', expected one of x0, eps, v, velocity, score"),
    (lambda x: convert(x, "x0", "mu", x, SCHEDULE.level(1)), "target is 'mu', expected one of"),
    (lambda x: denoiser(lambda x, t: x, "mu"), "kind is 'mu', expected one of"),
    (lambda x: training_target("mu", x, x, SCHEDULE.level(1)), "kind is 'mu', expected one of"),
    (lambda x: convert(x, "eps", "x0", x, straight_levels(4)[0]), "a is 0, and x_0 follows from eps only where"),
    (lambda x: convert(x, "score", "v", x, straight_levels(4)[0]), "a is 0, and x_0 follows from score only where"),
    (lambda x: convert(x, "x0", "eps", x, straight_levels(4)[-1]), "s is 0, and there is no eps where there is no"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call(np.zeros((1, 2)))
    assert message in str(error.value) and "\n" not in str(error.value)
