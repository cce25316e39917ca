"""Elementwise ops: stable where it matters, and what is chosen at kinks. (Values: test_oracle.py, test_golden.py.)"""
import warnings

import numpy as np
import pytest
import scipy.special

import autograd as ag
from autograd import grad, parameter
from autograd.backend import device

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def slopes(f, values, dtype=np.float64):
    """(f, f', f'') at each of the values."""
    x = parameter(np.array(values, dtype))
    y = f(x)
    first = grad(y, x, np.ones(y.shape, dtype), create_graph=True)
    second = grad(first.sum(), x, allow_unused=True) if first.requires_grad else None
    assert y.dtype == first.dtype == dtype
    return y.numpy(), first.numpy(), np.zeros(x.shape) if second is None else second.numpy()


# Stability: values and gradients at +-1000, without overflow, NaN or warning

STABLE = {  # f, and exact (f, f') at -1000 and 1000
    "sigmoid": (ag.sigmoid, [(0, 0), (1, 0)]),
    "softplus": (ag.softplus, [(0, 0), (1000, 1)]),
    "log sigmoid": (lambda x: -ag.softplus(-x), [(-1000, 1), (0, 0)]),
    "tanh": (ag.tanh, [(-1, 0), (1, 0)]),
    "silu": (ag.silu, [(0, 0), (1000, 1)]),
    "gelu": (ag.gelu, [(0, 0), (1000, 1)]),
    "gelu tanh": (lambda x: ag.gelu(x, "tanh"), [(0, 0), (1000, 1)]),
    "elu": (ag.elu, [(-1, 0), (1000, 1)]),
    "erf": (ag.erf, [(-1, 0), (1, 0)]),
    "binary cross entropy, target 0": (lambda x: _bce(x, 0.0), [(0, 0), (1000, 1)]),
    "binary cross entropy, target 1": (lambda x: _bce(x, 1.0), [(1000, -1), (0, 0)]),
    "binary cross entropy, target 1/4": (lambda x: _bce(x, 0.25), [(250, -0.25), (750, 0.75)]),
    "logsumexp with 0": (lambda x: ag.logsumexp(ag.stack([x, 0 * x]), 0), [(0, 0), (1000, 1)]),
    "log_softmax with 0": (lambda x: ag.log_softmax(ag.stack([x, 0 * x]), 0)[0], [(-1000, 1), (0, 0)]),
    "softmax with 0": (lambda x: ag.softmax(ag.stack([x, 0 * x]), 0)[0], [(0, 0), (1, 0)]),
    "cross_entropy": (lambda x: ag.cross_entropy(ag.stack([x, 0 * x], 1), np.array([0, 0]), reduction="none"),
                      [(1000, -1), (0, 0)]),
}


def _bce(x, target):
    return ag.binary_cross_entropy_with_logits(x, np.full(x.shape, target, x.dtype), reduction="none")


@DTYPES
@pytest.mark.parametrize("name", STABLE)
def test_stable_at_1000(name, dtype):
    f, expected = STABLE[name]
    y, first, second = slopes(f, [-1000.0, 1000.0], dtype)
    np.testing.assert_allclose(y, [value for value, _ in expected], atol=1e-30)
    np.testing.assert_allclose(first, [slope for _, slope in expected], atol=1e-30)
    np.testing.assert_allclose(second, [0, 0], atol=1e-30)


@DTYPES
def test_small_numbers_keep_their_digits(dtype):
    tiny = np.array([1e-10, -1e-10, 1e-20], dtype)
    for f in (ag.expm1, ag.log1p, ag.sin, ag.tanh):
        y, first, _ = slopes(f, tiny, dtype)
        np.testing.assert_allclose(y, tiny, rtol=1e-6)
        np.testing.assert_allclose(first, np.ones(3), rtol=1e-6)
    y, _, _ = slopes(ag.softplus, [-50.0, -80.0], dtype)
    np.testing.assert_allclose(y, np.exp([-50.0, -80.0]), rtol=1e-5)
    y, _, _ = slopes(lambda x: ag.log_softmax(ag.stack([x, 0 * x]), 0)[0], [40.0], dtype)
    np.testing.assert_allclose(y, -np.exp([-40.0]), rtol=1e-5, atol=1e-15)


def test_shifting_all_logits_changes_nothing():
    x = np.random.default_rng(0).standard_normal((3, 5))
    u = np.random.default_rng(1).standard_normal((3, 5))
    for op in (ag.softmax, ag.log_softmax):
        results = []
        for shift in (0.0, 1e4, -1e4):
            p = parameter(x + shift)
            y = op(p)
            results.append((y.numpy(), grad(y, p, u).numpy()))
        for y, g in results[1:]:
            np.testing.assert_allclose(y, results[0][0], atol=1e-10)
            np.testing.assert_allclose(g, results[0][1], atol=1e-10)


# Kinks: (x, f, f', f'') as PyTorch has them

KINKS = {
    "relu": (ag.relu, [(0.0, 0, 0, 0), (-0.0, 0, 0, 0)]),
    "leaky_relu": (lambda x: ag.leaky_relu(x, 0.1), [(0.0, 0, 0.1, 0)]),
    "elu": (lambda x: ag.elu(x, 2.0), [(0.0, 0, 2, 0)]),
    "abs": (ag.abs, [(0.0, 0, 0, 0), (-0.0, 0, 0, 0)]),
    "maximum": (lambda x: ag.maximum(x, 1.0), [(1.0, 1, 0.5, 0), (2.0, 2, 1, 0), (0.0, 1, 0, 0)]),
    "minimum": (lambda x: ag.minimum(x, 1.0), [(1.0, 1, 0.5, 0), (2.0, 1, 0, 0), (0.0, 0, 1, 0)]),
    "clip": (lambda x: ag.clip(x, -1.0, 1.0), [(-1.0, -1, 1, 0), (1.0, 1, 1, 0), (1.5, 1, 0, 0)]),
    "clip, limits crossed": (lambda x: ag.clip(x, 1.0, -1.0), [(0.0, -1, 0, 0), (5.0, -1, 0, 0)]),
    "x ** 0": (lambda x: x**0, [(0.0, 1, 0, 0), (-2.0, 1, 0, 0)]),
    "x ** 1": (lambda x: x**1, [(0.0, 0, 1, 0), (-2.0, -2, 1, 0)]),
    "x ** 2": (lambda x: x**2, [(0.0, 0, 0, 2), (-2.0, 4, -4, 2)]),
    "x ** 3": (lambda x: x**3, [(0.0, 0, 0, 0), (-2.0, -8, 12, -12)]),
    "0 ** p": (lambda p: ag.power(np.zeros(p.shape), p), [(2.0, 0, 0, 0), (0.0, 1, 0, 0)]),
    "1 ** p": (lambda p: ag.power(1.0, p), [(2.0, 1, 0, 0), (-3.0, 1, 0, 0)]),
    "std of equal numbers": (lambda x: ag.std(ag.stack([x, x]), 0), [(1.5, 0, 0, 0)]),
}


@pytest.mark.parametrize("name", KINKS)
def test_kinks(name):
    f, rows = KINKS[name]
    x, *expected = zip(*rows)
    for got, want in zip(slopes(f, x), expected):
        np.testing.assert_array_equal(got, want)


def test_infinite_slopes():
    with np.errstate(divide="ignore", invalid="ignore"):
        assert slopes(ag.sqrt, [0.0])[1] == np.inf
        assert slopes(lambda x: x**0.5, [0.0])[1] == np.inf
        assert slopes(ag.log, [0.0])[0] == -np.inf and slopes(ag.log, [0.0])[1] == np.inf
        assert slopes(lambda x: x**-1, [0.0])[0] == np.inf
        value, slope, _ = slopes(lambda x: x**0.5, [-1.0])
        assert np.isnan(value) and np.isnan(slope)


def test_equal_maxima_share_and_their_sum_is_kept():
    a, b = parameter(np.array([1.0, 2.0, 3.0])), parameter(np.array([1.0, 5.0, 0.0]))
    g_a, g_b = grad(ag.maximum(a, b).sum(), [a, b])
    np.testing.assert_array_equal(g_a.numpy(), [0.5, 0, 1])
    np.testing.assert_array_equal(g_a.numpy() + g_b.numpy(), [1, 1, 1])


# Against NumPy, SciPy and math, without PyTorch

SPECIAL = {
    "erf": (ag.erf, scipy.special.erf),
    "lgamma": (ag.lgamma, scipy.special.gammaln),
    "digamma": (lambda x: ag.polygamma(0, x), scipy.special.digamma),
    "sigmoid": (ag.sigmoid, scipy.special.expit),
    "gelu": (ag.gelu, lambda x: x * 0.5 * scipy.special.erfc(-x / np.sqrt(2))),
    "silu": (ag.silu, lambda x: x / (1 + np.exp(-x))),
    "softplus": (ag.softplus, lambda x: np.logaddexp(0, x)),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions(name):
    f, expected = SPECIAL[name]
    x = np.linspace(-4.3, 4.4, 30)
    np.testing.assert_allclose(f(x).numpy(), expected(x), rtol=1e-12, atol=1e-14)


def test_trigamma_of_negative_numbers():
    """By reflection; SciPy's polygamma(1, x) is for positive x only. Against differences of digamma."""
    x = np.array([-0.4, -1.3, -2.6, -7.5, 0.3])
    h = 1e-5
    expected = (scipy.special.digamma(x + h) - scipy.special.digamma(x - h)) / (2 * h)
    np.testing.assert_allclose(ag.polygamma(1, x).numpy(), expected, rtol=1e-7)


@pytest.mark.parametrize("a, b", [((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2,)), ((0, 3), (1, 3)), ((2, 0), (1,))])
def test_broadcasting(a, b):
    rng = np.random.default_rng(0)
    a, b = rng.random(a) + 0.5, rng.random(b) + 0.5
    for ours, theirs in ((ag.add, np.add), (ag.sub, np.subtract), (ag.mul, np.multiply), (ag.div, np.divide),
                         (ag.power, np.power), (ag.maximum, np.maximum), (ag.minimum, np.minimum)):
        x, y = parameter(a), parameter(b)
        z = ours(x, y)
        ulps = 2 if theirs is np.power and device() == "cuda" else 0  # the error of CUDA's pow
        np.testing.assert_array_max_ulp(z.numpy(), theirs(a, b), ulps)
        g_x, g_y = grad(z.sum(), [x, y])
        assert g_x.shape == a.shape and g_y.shape == b.shape


@pytest.mark.parametrize("a, b", [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
                                  ((2, 3), (5, 3, 4)), ((5, 1, 2, 3), (7, 3, 4)), ((0, 3), (3, 4)), ((2, 0), (0, 4)),
                                  ((0, 2, 0), (0, 3)), ((0,), (0,))])
def test_matmul_of_every_rank(a, b):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(a), rng.standard_normal(b)
    x, y = parameter(a), parameter(b)
    z = x @ y
    np.testing.assert_allclose(z.numpy(), a @ b, rtol=1e-12)
    g_x, g_y = grad(z.sum(), [x, y])
    assert g_x.shape == a.shape and g_y.shape == b.shape


def test_linear_is_matmul_and_add():
    rng = np.random.default_rng(0)
    x, W, b = (rng.standard_normal(s) for s in ((5, 2, 3), (4, 3), (4,)))
    np.testing.assert_allclose(ag.linear(x, W, b).numpy(), x @ W.T + b, rtol=1e-12)
