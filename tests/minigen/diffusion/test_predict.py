"""Predictions: every conversion against the definitions, and back again."""
import itertools

import numpy as np
import pytest

from autograd import Tensor, backend, parameter
from autograd.backend import asarray, to_numpy, xp
from minigen.diffusion import PREDICTIONS, clipped, convert, cosine, denoiser, linear, recorded, training_target

SCHEDULE = linear(100)


def draw(seed=0, T=SCHEDULE.T):
    rng = backend.rng(seed)
    x_0, eps = (asarray(rng.standard_normal((5, 1, 2, 3))) for _ in range(2))
    t = np.array([1, 2, T // 2, T - 1, T])
    return x_0, eps, t


def assert_close(actual, expected, **tolerances):
    np.testing.assert_allclose(to_numpy(actual), to_numpy(expected), **tolerances)


def signal_and_noise(t):
    a, s = np.sqrt(SCHEDULE.alpha_bar[t]), np.sqrt(1 - SCHEDULE.alpha_bar[t])
    return (asarray(v)[:, None, None, None] for v in (a, s))


def test_targets_are_what_they_are_said_to_be():
    x_0, eps, t = draw()
    a, s = signal_and_noise(t)
    expected = {"x0": x_0, "eps": eps, "v": a * eps - s * x_0, "score": -(a * x_0 + s * eps - a * x_0) / s**2}
    assert set(expected) == set(PREDICTIONS)
    for kind, value in expected.items():
        assert_close(training_target(kind, x_0, eps, t, SCHEDULE), value, rtol=1e-9, atol=1e-12)


def test_the_score_is_the_gradient_of_log_q():
    """d/dx_t log N(x_t; a x_0, s^2), by central differences."""
    x_0, eps, t = draw()
    x_t = SCHEDULE.q_sample(x_0, t, eps)
    a, s = signal_and_noise(t)
    log_q = lambda x: -0.5 * ((x - a * x_0) / s) ** 2
    slope = (log_q(x_t + 1e-5) - log_q(x_t - 1e-5)) / 2e-5
    assert_close(training_target("score", x_0, eps, t, SCHEDULE), slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("source, target", list(itertools.product(PREDICTIONS, PREDICTIONS)))
def test_conversions(source, target):
    """From the one to the other, for all kinds at every noise level, in numbers and in Tensors."""
    x_0, eps, t = draw()
    x_t = SCHEDULE.q_sample(x_0, t, eps)
    given, wanted = (training_target(kind, x_0, eps, t, SCHEDULE) for kind in (source, target))
    assert_close(convert(given, source, target, x_t, t, SCHEDULE), wanted, rtol=1e-7, atol=1e-8)
    converted = convert(Tensor(given), source, target, Tensor(x_t), t, SCHEDULE)
    assert_close(converted.data, wanted, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("source, target", list(itertools.product(PREDICTIONS, PREDICTIONS)))
def test_conversions_undo_each_other(source, target):
    rng = backend.rng(3)
    x_t, quantity = (asarray(rng.standard_normal((4, 3))) for _ in range(2))  # x_t not made of the quantity
    t = np.array([1, 5, 60, 100])
    there = convert(quantity, source, target, x_t, t, SCHEDULE)
    assert_close(convert(there, target, source, x_t, t, SCHEDULE), quantity, rtol=1e-6, atol=1e-7)


def test_conversions_keep_float32_and_gradients():
    x_0, eps, t = draw()
    x_t = SCHEDULE.q_sample(x_0, t, eps).astype(np.float32)
    network_output = parameter(eps, np.float32)
    x_0_guess = convert(network_output, "eps", "x0", x_t, t, SCHEDULE)
    assert x_0_guess.dtype == np.float32
    x_0_guess.sum().backward()
    expected = -np.sqrt(1 / SCHEDULE.alpha_bar[t] - 1)[:, None, None, None] * np.ones(eps.shape)
    assert_close(network_output.grad.data, expected, rtol=1e-5)


def test_v_and_x0_survive_the_end_of_the_cosine_schedule():
    """At t = T hardly any signal is left, a = 5e-5: x_0 from v does not divide by it."""
    schedule, (x_0, eps, t) = cosine(1000), draw(T=1000)
    x_0, eps = x_0.astype(np.float32), eps.astype(np.float32)
    v = training_target("v", x_0, eps, t, schedule)
    assert_close(convert(v, "v", "x0", schedule.q_sample(x_0, t, eps), t, schedule), x_0, atol=1e-5)


def test_denoiser_wraps_a_network():
    x_0, eps, t = draw()
    x_t = SCHEDULE.q_sample(x_0, t, eps)
    weight = parameter(np.ones((), np.float64))
    for kind in PREDICTIONS:
        target = training_target(kind, x_0, eps, t, SCHEDULE)
        denoise = denoiser(lambda x, t, target=target: weight * target, SCHEDULE, kind)
        guess = denoise(x_t, t)
        assert isinstance(guess, xp.ndarray)  # an array: nothing of the graph is left
        assert_close(guess, x_0, rtol=1e-7, atol=1e-8)


def test_clipped_and_recorded():
    frames = []
    denoise = recorded(clipped(lambda x_t, t: 3.0 * x_t), frames)
    x_t = asarray([[-1.0, 0.1], [0.2, 2.0]])
    assert_close(denoise(x_t, np.array([7, 7])), [[-1.0, 0.3], [0.6, 1.0]])
    (t, seen, x_0), = frames
    assert t == 7 and seen is x_t and x_0.max() == 1.0


def test_mistakes_are_named():
    x = np.zeros((1, 2))
    with pytest.raises(ValueError, match="source is 'noise', expected one of x0, eps, v, score"):
        convert(x, "noise", "x0", x, np.array([1]), SCHEDULE)
    with pytest.raises(ValueError, match="kind is 'mu', expected one of"):
        denoiser(lambda x, t: x, SCHEDULE, "mu")
    with pytest.raises(ValueError, match="expected 1 to T = 100"):
        convert(x, "eps", "x0", x, np.array([0]), SCHEDULE)
