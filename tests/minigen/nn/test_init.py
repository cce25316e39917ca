"""Initializers: variance, shape, orthogonality; a wrong gain or swapped fans are outside the bounds."""
import math

import numpy as np
import pytest

from autograd.backend import to_numpy
from minigen.nn import init

SHAPE = (200, 30, 3, 4)  # fan_in 360, fan_out 2400; 72,000 draws: the variance is known to 0.6 %
FAN_IN, FAN_OUT = 360, 2400


def draw(name, *args, shape=SHAPE, seed=0, **kwargs):
    return to_numpy(getattr(init, name)(shape, *args, rng=np.random.default_rng(seed), **kwargs))


CASES = [  # initializer, arguments, variance
    ("uniform", dict(), 1 / 12),
    ("uniform", dict(a=-1.0, b=3.0), 16 / 12),
    ("normal", dict(), 1.0),
    ("normal", dict(mean=1.0, std=0.2), 0.04),
    ("xavier_uniform", dict(), 2 / (FAN_IN + FAN_OUT)),
    ("xavier_uniform", dict(gain=5 / 3), (25 / 9) * 2 / (FAN_IN + FAN_OUT)),
    ("xavier_normal", dict(), 2 / (FAN_IN + FAN_OUT)),
    ("xavier_normal", dict(gain=2.0), 4 * 2 / (FAN_IN + FAN_OUT)),
    ("kaiming_uniform", dict(), 2 / FAN_IN),
    ("kaiming_uniform", dict(a=math.sqrt(5)), 1 / (3 * FAN_IN)),
    ("kaiming_uniform", dict(mode="fan_out", nonlinearity="relu"), 2 / FAN_OUT),
    ("kaiming_normal", dict(), 2 / FAN_IN),
    ("kaiming_normal", dict(a=0.2), 2 / 1.04 / FAN_IN),
    ("kaiming_normal", dict(mode="fan_out", nonlinearity="linear"), 1 / FAN_OUT),
]


@pytest.mark.parametrize("name, arguments, variance", CASES)
def test_moments(name, arguments, variance):
    w = draw(name, **arguments)
    mean = arguments.get("mean", 0.0)
    if name == "uniform":
        mean = 0.5 * (arguments.get("a", 0.0) + arguments.get("b", 1.0))
    assert w.shape == SHAPE and w.dtype == np.float32
    assert w.var() == pytest.approx(variance, rel=0.03)
    assert w.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / w.size))
    fourth = ((w - w.mean()) ** 4).mean() / w.var() ** 2  # 1.8 for a uniform distribution, 3 for a normal one
    assert fourth == pytest.approx(1.8 if "uniform" in name else 3.0, rel=0.05)
    if "uniform" in name:
        bound = math.sqrt(3 * variance)
        assert 0.999 * bound < abs(w - mean).max() <= 1.000001 * bound


@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (50, 50), (8, 4, 3, 3), (64, 2, 3, 3)])
def test_orthogonal_rows_or_columns(shape):
    w = draw("orthogonal", gain=1.5, shape=shape)
    assert w.shape == shape and w.dtype == np.float32 and w.flags.c_contiguous
    w = w.reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 2.25 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_matrices_are_all_equally_likely():
    rng = np.random.default_rng(0)
    draws = np.stack([to_numpy(init.orthogonal((3, 3), rng=rng)) for _ in range(600)])
    np.testing.assert_allclose(draws.mean(axis=0), 0.0, atol=0.12)  # five standard errors, sqrt(1 / 1800)
    np.testing.assert_allclose((draws**2).mean(axis=0), 1 / 3, atol=0.07)
    assert abs(np.linalg.det(draws).mean()) < 0.21


def test_kaiming_keeps_the_second_moment_through_relu_layers():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 400))
    for _ in range(20):
        x = np.maximum(x, 0) @ to_numpy(init.kaiming_normal((400, 400), nonlinearity="relu", rng=rng)).T
    assert 0.4 < (x**2).mean() < 2.5  # without the gain: 1e-6


def test_fans():
    assert init.fans((5, 7)) == (7, 5)
    assert init.fans(SHAPE) == (FAN_IN, FAN_OUT)


@pytest.mark.parametrize("name", ["uniform", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform",
                                  "kaiming_normal", "orthogonal"])
def test_the_rng_decides(name):
    np.testing.assert_array_equal(draw(name, shape=(4, 5)), draw(name, shape=(4, 5)))
    assert not np.array_equal(draw(name, shape=(4, 5)), draw(name, shape=(4, 5), seed=1))


def test_errors():
    with pytest.raises(ValueError, match=r"fans: shape is \(5,\), expected at least two axes"):
        draw("xavier_normal", shape=(5,))
    with pytest.raises(ValueError, match=r"orthogonal: shape is \(5,\)"):
        draw("orthogonal", shape=(5,))
    with pytest.raises(ValueError, match="mode is 'fan_avg', expected 'fan_in' or 'fan_out'"):
        draw("kaiming_normal", mode="fan_avg")
    with pytest.raises(ValueError, match="nonlinearity is 'swish', expected one of linear"):
        draw("kaiming_normal", nonlinearity="swish")


@pytest.mark.parametrize("nonlinearity, param", [
    ("linear", None), ("sigmoid", None), ("tanh", None), ("relu", None), ("selu", None), ("leaky_relu", None),
    ("leaky_relu", 0.3),
])
def test_gains_are_those_of_torch(nonlinearity, param):
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(nonlinearity, param) == torch.nn.init.calculate_gain(nonlinearity, param)
