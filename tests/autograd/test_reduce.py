"""Reductions, against NumPy and SciPy: axes, empty axes, ties, zeros."""
import itertools
import warnings

import numpy as np
import pytest
import scipy.special

import autograd as ag
from autograd import grad, parameter

RNG = np.random.default_rng(0)
AXES = [None, 0, -1, np.int64(1), (0,), (0, 2), (-1, 0), (0, 1, 2), ()]
REDUCTIONS = {
    "sum": (ag.sum, np.sum),
    "mean": (ag.mean, np.mean),
    "var": (ag.var, np.var),
    "std": (ag.std, np.std),
    "prod": (ag.prod, np.prod),
    "max": (ag.max, np.max),
    "min": (ag.min, np.min),
    "logsumexp": (ag.logsumexp, scipy.special.logsumexp),
}


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_as_numpy(name, axis, keepdims):
    ours, theirs = REDUCTIONS[name]
    for data in (RNG.standard_normal((2, 3, 4)), np.asfortranarray(RNG.standard_normal((2, 3, 4)))[::-1]):
        x = parameter(data)
        y = ours(x, axis=axis, keepdims=keepdims)
        expected = data if name == "logsumexp" and str(axis) == "()" else theirs(data, axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-15)
        assert y.shape == np.sum(data, axis=axis, keepdims=keepdims).shape
        assert grad(y.sum(), x).shape == data.shape


def test_methods():
    x = parameter(RNG.standard_normal((2, 3)))
    for name, (function, _) in REDUCTIONS.items():
        if name != "logsumexp":
            np.testing.assert_array_equal(getattr(x, name)(1).numpy(), function(x, 1).numpy())


@pytest.mark.parametrize("ddof", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("op", ["var", "std"])
def test_degrees_of_freedom(op, ddof):
    x = RNG.standard_normal((2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y, expected = getattr(ag, op)(x, 1, ddof=ddof).numpy(), getattr(np, op)(x, 1, ddof=ddof)
    np.testing.assert_allclose(y, expected, rtol=1e-12)


# Empty axes: the sum of nothing is 0, the product 1, the mean undefined, the maximum an error


def test_empty_axes():
    x = parameter(np.ones((2, 0)))
    for op, expected in ((ag.sum, 0.0), (ag.prod, 1.0), (ag.mean, np.nan), (ag.logsumexp, -np.inf)):
        for y in (op(x), *op(x, 1)):
            assert y.shape == () and np.array_equal(y.item(), expected, equal_nan=True)
        assert op(x, 0).shape == (0,)
        assert grad(op(x), x).shape == (2, 0)
    for op in (ag.max, ag.min):
        for axis in (None, 1, (0, 1)):
            with pytest.raises(ValueError, match=r"m..: axis .* of shape \(2, 0\) is empty and has no m..imum"):
                op(x, axis)
        assert op(x, 0).shape == (0,)
    for op in (ag.softmax, ag.log_softmax, ag.cumsum):
        assert op(x, 1).shape == op(x, 0).shape == (2, 0)


# Ties and zeros


@pytest.mark.parametrize("op", [ag.max, ag.min])
def test_equal_extremes_share_the_gradient(op):
    x = parameter(np.array([[1.0, 1.0, 1.0], [0.0, 2.0, 0.0], [2.0, 0.0, 2.0]]))
    g = grad(op(x, 1).sum(), x).numpy()
    np.testing.assert_allclose(g.sum(1), 1.0)
    np.testing.assert_allclose(g[0], 1 / 3)
    g = grad(op(x), x).numpy()
    hits = x.numpy() == op(x).item()
    np.testing.assert_allclose(g, hits / hits.sum())


def test_argmax_is_the_first():
    x = np.array([[1.0, 3.0, 3.0], [5.0, 5.0, 0.0]])
    np.testing.assert_array_equal(ag.argmax(x, 1).numpy(), [1, 0])
    assert ag.argmax(x).item() == 3 and not ag.argmax(parameter(x)).requires_grad


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_prod_with_zeros(zeros):
    """The gradient is the product of the others, the second derivative that of the others but two, at any zeros."""
    values = RNG.standard_normal(4)
    values[:zeros] = 0.0
    x = parameter(values)
    first = grad(ag.prod(x), x, create_graph=True)
    others = [np.prod(np.delete(values, i)) for i in range(4)]
    np.testing.assert_allclose(first.numpy(), others, atol=1e-15)
    for i, j in itertools.permutations(range(4), 2):
        second = grad(first[i], x, create_graph=True).numpy()
        np.testing.assert_allclose(second[j], np.prod(np.delete(values, [i, j])), atol=1e-15)
        assert second[i] == 0.0


def test_prod_over_axes_with_zeros():
    values = RNG.standard_normal((2, 3, 2))
    values[0, 1, :] = values[1, 2, 1] = 0.0
    ag.gradgradcheck(lambda x: ag.prod(x, (0, 2)), [values])
    ag.gradgradcheck(lambda x: ag.prod(x), [values])


# Log-sums


def test_logsumexp_of_infinities():
    inf = np.inf
    x = parameter(np.array([[-inf, -inf], [-inf, 1.0], [inf, 1.0]]))
    y = ag.logsumexp(x, 1)
    np.testing.assert_array_equal(y.numpy(), [-inf, 1.0, inf])
    with np.errstate(invalid="ignore"):
        g = grad(y, x, np.ones(3)).numpy()
    np.testing.assert_array_equal(g[1], [0.0, 1.0])
    assert np.isnan(g[0]).all()  # 0 / 0, as in PyTorch


def test_masked_softmax():
    x = parameter(np.array([0.5, -np.inf, 1.5]))
    y = ag.softmax(x)
    e = np.exp([0.5, 1.5]) / np.exp([0.5, 1.5]).sum()
    np.testing.assert_allclose(y.numpy(), [e[0], 0.0, e[1]])
    g = grad(y[0], x).numpy()
    np.testing.assert_allclose(g, [e[0] * e[1], 0.0, -e[0] * e[1]])


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 1), None])
def test_softmax_sums_to_one(axis):
    x = 3.0 * RNG.standard_normal((3, 4))
    y = ag.softmax(x, axis).numpy()
    np.testing.assert_allclose(y.sum(axis), 1.0)
    np.testing.assert_allclose(y, scipy.special.softmax(x, axis), rtol=1e-12)
    np.testing.assert_allclose(ag.log_softmax(x, axis).numpy(), scipy.special.log_softmax(x, axis), rtol=1e-12)


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_cumsum_as_numpy(axis):
    x = RNG.standard_normal((2, 3))
    np.testing.assert_allclose(ag.cumsum(x, axis).numpy(), np.cumsum(x, axis))
