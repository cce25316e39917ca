"""Gumbel draws against the distributions that they should have, and their gradients against the exact one, by a sum over
all categories; beside each check what it is to notice."""
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats

from autograd import Tensor, grad, gradcheck, parameter, softmax
from minigen.quantize import gumbel as module
from minigen.quantize.gumbel import (
    annealed,
    gumbel,
    gumbel_max,
    gumbel_softmax,
    straight_through_gumbel,
)

LOGITS = np.float32([1.0, -0.5, 0.3, -2.0, 0.0])  # of K = 5 categories; their exps do not sum to one


def rng(seed=0):
    return np.random.default_rng(seed)


def value(x):
    assert isinstance(x, Tensor)
    return x.numpy()


class Zeros(np.random.Generator):
    """What a generator gives once in 2^24 times, it gives each time."""

    def random(self, shape, dtype):
        return np.zeros(shape, dtype)


# Noise


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gumbel_noise_is_gumbel(dtype):
    g = gumbel(rng(), 20_000, dtype)
    assert g.dtype == dtype and scipy.stats.kstest(g, "gumbel_r").pvalue > 0.01
    assert scipy.stats.kstest(-g, "gumbel_r").pvalue < 1e-9  # of the other sign


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_uniform_draw_of_zero_is_no_infinity(dtype):
    zeros = Zeros(np.random.PCG64(0))
    assert np.isfinite(gumbel(zeros, 3, dtype)).all()
    y = gumbel_softmax(LOGITS.astype(dtype), 0.01, zeros)
    assert y.dtype == dtype and np.isfinite(value(y)).all()
    with np.errstate(divide="ignore"):
        assert not np.isfinite(-np.log(-np.log(zeros.random(3, dtype)))).any()  # as eq. 1 has it
    largest = np.nextafter(dtype(1), dtype(0))
    assert np.isfinite(-np.log(-np.log(largest)))


# Draws


def chi_square(codes, p):
    """The p-value of counts of codes for probabilities p (K,)."""
    return scipy.stats.chisquare(np.bincount(codes, minlength=len(p)), len(codes) * p).pvalue


def test_gumbel_max_draws_from_the_softmax():
    """Eq. 1. Noise that is normal, or half as wide, gives other frequencies."""
    p = scipy.special.softmax(np.float64(LOGITS))
    rows = np.tile(LOGITS, (40_000, 1))
    codes = gumbel_max(rows, rng())
    assert codes.shape == (40_000,) and codes.dtype.kind == "i"
    assert chi_square(codes, p) > 0.01
    assert chi_square((rows + rng().standard_normal(rows.shape)).argmax(axis=1), p) < 1e-9
    assert chi_square((rows + 0.5 * gumbel(rng(), rows.shape)).argmax(axis=1), p) < 1e-9
    once = gumbel(rng(), 5)
    assert chi_square((rows + once).argmax(axis=1), p) < 1e-9  # the same noise for every row


def test_rows_are_independent():
    codes = gumbel_max(np.zeros((5000, 2, 3), np.float32), rng())
    pairs = np.bincount(codes[:, 0] * 3 + codes[:, 1], minlength=9)
    assert scipy.stats.chisquare(pairs).pvalue > 0.01


def log_concrete(y, logits, tau):
    """log density of K - 1 of the numbers y (..., K): Maddison, Mnih & Teh 2017, eq. 10; Jang et al. 2017, appendix B."""
    K, log_y = y.shape[-1], np.log(y)
    return (math.lgamma(K) + (K - 1) * math.log(tau) + (logits - (tau + 1) * log_y).sum(axis=-1)
            - K * scipy.special.logsumexp(logits - tau * log_y, axis=-1))


@pytest.mark.parametrize("tau", [0.3, 1.0, 2.0])
def test_gumbel_softmax_has_the_concrete_density(tau):
    """Shares of draws of K = 3 in 36 cells of the plane (log y_1 / y_3, log y_2 / y_3), against integrals of the density.
    With the noise outside of the temperature, as softmax(logits / tau + g), they are others."""
    logits = np.float32([0.5, -0.4, 0.0])
    rows = np.tile(logits, (20_000, 1))
    edges = np.r_[-60, np.linspace(-2, 2, 5), 60] / tau
    fine = np.concatenate([np.linspace(a, b, 161)[:-1] + (b - a) / 320 for a, b in zip(edges, edges[1:])])
    width = np.diff(edges).repeat(160) / 160
    y = scipy.special.softmax(np.stack([*np.meshgrid(fine, fine, indexing="ij"), np.zeros((960, 960))], axis=-1), axis=-1)
    mass = np.exp(log_concrete(y, np.float64(logits), tau)) * y.prod(axis=-1) * np.outer(width, width)
    cells = mass.reshape(6, 160, 6, 160).sum(axis=(1, 3))
    assert cells.sum() == pytest.approx(1, abs=2e-3)

    def p_value(y):
        u = np.log(y[:, :2] / y[:, 2:])
        counts, *_ = np.histogram2d(*u.T, bins=[edges, edges])
        return scipy.stats.chisquare(counts.ravel(), (len(y) * cells / cells.sum()).ravel()).pvalue

    assert p_value(value(gumbel_softmax(np.float64(rows), tau, rng()))) > 0.01
    if tau != 1.0:
        assert p_value(scipy.special.softmax(rows / tau + gumbel(rng(), rows.shape), axis=1)) < 1e-9


def test_the_largest_of_the_relaxed_is_the_draw_at_any_temperature():
    rows = np.tile(LOGITS, (1000, 1))
    for tau in (0.1, 1.0, 5.0):
        y = value(gumbel_softmax(rows, tau, rng(3)))
        np.testing.assert_array_equal(y.argmax(axis=1), gumbel_max(rows, rng(3)))
        np.testing.assert_allclose(y.sum(axis=1), 1.0, rtol=1e-5)
    corners = value(gumbel_softmax(rows, 0.001, rng(3)))
    assert np.mean(corners.max(axis=1) > 0.999) > 0.98  # for tau -> 0 it is the draw
    flat = value(gumbel_softmax(rows, 1000.0, rng(3)))
    np.testing.assert_allclose(flat, 0.2, atol=0.01)  # for tau -> infinity, the centre


# Straight-through


def test_straight_through_is_one_hot_forward_and_soft_backward():
    cotangent = rng(1).standard_normal((50, 5)).astype(np.float32)
    soft, hard = (parameter(np.tile(LOGITS, (50, 1))) for _ in range(2))
    y, z = gumbel_softmax(soft, 0.7, rng(2)), straight_through_gumbel(hard, 0.7, rng(2))
    assert set(np.unique(value(z))) == {0.0, 1.0} and z.dtype == np.float32
    np.testing.assert_array_equal(value(z), np.eye(5)[gumbel_max(np.tile(LOGITS, (50, 1)), rng(2))])
    (g_soft,), (g_hard,) = grad(y, [soft], cotangent), grad(z, [hard], cotangent)
    np.testing.assert_array_equal(g_hard.numpy(), g_soft.numpy())
    assert np.abs(g_hard.numpy()).max() > 0.1


def test_gradients_of_the_relaxation():
    for tau in (0.5, 2.0):
        gradcheck(lambda logits: gumbel_softmax(logits, tau, rng(4)), [rng(5).standard_normal((3, 4))], rng(6))


# Bias and variance of the gradient


def gradients(estimator, tau, n=100_000):
    """n estimates of d E_q[f] / d logits, (n, K), for f(z) = (z . a)^2 with a of the categories below."""
    a = np.float64([2.0, -1.0, 0.5, 1.0, -0.5])
    logits = parameter(np.tile(np.float64(LOGITS), (n, 1)))
    f = ((estimator(logits, tau, rng(7)) * a).sum(axis=1) ** 2).sum()
    return grad(f, [logits])[0].numpy()


def exact():
    """By enumeration: E_q[f] = sum_k q_k a_k^2."""
    logits = parameter(np.float64(LOGITS))
    f = (softmax(logits) * np.float64([2.0, -1.0, 0.5, 1.0, -0.5]) ** 2).sum()
    return grad(f, [logits])[0].numpy()


def bias(estimator, tau):
    """(distance of the mean gradient from the exact one, how far chance alone may put it)."""
    g = gradients(estimator, tau)
    return np.linalg.norm(g.mean(axis=0) - exact()), 3 * np.sqrt(g.var(axis=0).sum() / len(g))


def test_the_bias_falls_with_the_temperature_and_the_variance_grows():
    at = [2.0, 1.0, 0.5, 0.25]
    biases, chances = zip(*(bias(gumbel_softmax, tau) for tau in at))
    for i in range(3):
        assert biases[i + 1] + chances[i + 1] < biases[i] - chances[i]
    assert biases[0] > 20 * chances[0] and biases[3] < 0.2 * biases[0]
    variances = [gradients(gumbel_softmax, tau).var(axis=0).sum() for tau in at]
    assert variances == sorted(variances) and variances[3] > 3 * variances[0]
    assert bias(gumbel_softmax, 0.03)[0] < 0.05 * np.linalg.norm(exact())

    stopped = lambda logits, tau, rng: softmax(logits / tau)  # noqa: E731  no noise: its bias stays
    assert bias(stopped, 0.25)[0] > biases[0]


def test_straight_through_is_biased_too():
    """Forward it is a draw, but its gradient is not that of the draw's expectation."""
    for tau in (1.0, 0.5):
        found, chance = bias(straight_through_gumbel, tau)
        assert found > chance


# The schedule, and bad arguments


def test_annealed_is_the_papers_schedule_of_the_clock():
    tau = annealed(1.5, 0.5)
    assert [tau(done) for done in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([1.0, np.exp(-0.375), 0.5, 0.5])


@pytest.mark.parametrize("tau", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("draw", [gumbel_softmax, straight_through_gumbel])
def test_no_temperature_is_refused(draw, tau):
    with pytest.raises(ValueError, match=f"gumbel_softmax: tau is {tau}, expected a temperature above 0"):
        draw(LOGITS, tau, rng())


def test_the_draws_take_tensors_and_arrays_and_leave_float32(monkeypatch):
    for logits in (LOGITS, Tensor(LOGITS)):
        assert gumbel_softmax(logits, 0.5, rng()).dtype == np.float32
        assert gumbel_max(logits, rng()) == gumbel_max(LOGITS, rng())
    seen = []
    monkeypatch.setattr(module, "uniform", lambda rng, shape, dtype: seen.append(dtype) or np.full(shape, 0.5, dtype))
    gumbel_max(np.zeros((2, 3)), None)
    assert seen == [np.float64]
