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


# Scalars: as with NumPy, one has an axis 0, and -1, when it is reduced

OF_SCALARS = {**REDUCTIONS, "cumsum": (ag.cumsum, np.cumsum), "cumprod": (ag.cumprod, np.cumprod),
              "vector_norm": (ag.vector_norm, lambda x, axis: np.abs(x)),
              "softmax": (ag.softmax, scipy.special.softmax),
              "log_softmax": (ag.log_softmax, scipy.special.log_softmax)}


@pytest.mark.parametrize("axis", [0, -1, None])
@pytest.mark.parametrize("name", OF_SCALARS)
def test_scalars(name, axis):
    if axis is None and "softmax" in name:
        return
    ours, theirs = OF_SCALARS[name]
    x = np.array(-1.5)
    y = ours(x, axis)
    moments = name in ("mean", "var", "std")  # NumPy's need None, PyTorch's do not
    np.testing.assert_array_equal(y.numpy(), theirs(x) if moments else theirs(x, axis=axis))
    ag.gradgradcheck(lambda x: ours(x, axis) ** 2 * x, [x])
    with pytest.raises((IndexError, ValueError), match="axis 1"):
        ours(x, 1)


# Rounding: the sum of n numbers of one sign is right to a few units of the last place, however many they are

LONG = {
    "rows": ((2_000_000, 2), 0), "rows of a matrix": ((300_001, 5), 0), "of three axes": ((50, 3000, 4), (0, 1)),
    "in the middle": ((3, 400_000, 5), 1), "and the last": ((200_000, 2, 3), (0, 2)), "all": ((70_001, 3), None),
}


@pytest.mark.cpu
@pytest.mark.parametrize("name", LONG)
def test_sums_of_many_float32_numbers(name):
    shape, axis = LONG[name]
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = x.sum(axis=axis, dtype=np.float64)
    np.testing.assert_allclose(ag.sum(x, axis).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(ag.mean(x, axis).numpy(), x.mean(axis=axis, dtype=np.float64), rtol=1e-6)
    kept = ag.sum(x, axis, keepdims=True)
    assert kept.shape == x.sum(axis=axis, keepdims=True).shape
    np.testing.assert_allclose(ag.sum_to(x, kept.shape).numpy(), kept.numpy(), rtol=1e-6)


@pytest.mark.cpu
def test_the_gradient_of_a_bias_of_very_many_rows():
    b = parameter(np.zeros(2, np.float32))
    x = np.ones((18_000_000, 2), np.float32)
    np.testing.assert_array_equal(grad(b + x, b, x).numpy(), 18_000_000)  # one after the other they would stop at 2^24


def test_sums_of_transposed_and_sliced_rows():
    x = np.random.default_rng(0).random((7, 5001, 3), dtype=np.float32)
    for view in (x.transpose(1, 2, 0), x[:, ::-1].transpose(1, 0, 2), x[::2, ::3].swapaxes(0, 1), x.T):
        for axis in (0, 1, (0, 1), (0, 2), (1, 2), -1, None):
            np.testing.assert_allclose(ag.sum(view, axis).numpy(), view.sum(axis=axis, dtype=np.float64), rtol=1e-6)


def test_softmax_of_very_many_is_a_distribution():
    x = np.zeros((70_000, 2), np.float32)
    for y in (ag.softmax(x, 0), ag.exp(ag.log_softmax(x, 0))):
        np.testing.assert_allclose(y.numpy().sum(axis=0, dtype=np.float64), 1.0, rtol=1e-6)
    np.testing.assert_allclose(ag.logsumexp(x, 0).numpy(), np.log(70_000), rtol=1e-6)


# Norms and order


def test_the_slope_of_a_norm_at_zero_is_zero():
    x = parameter(np.array([[0.0, 0.0], [3.0, 4.0]]))
    for ord in (1, 2, 3, np.inf):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            g = grad(ag.vector_norm(x, 1, ord=ord).sum(), x, create_graph=True)
        np.testing.assert_array_equal(g.numpy()[0], 0.0)
        if g.requires_grad:
            assert np.isfinite(grad(g.sum(), x).numpy()).all()
    y = ag.normalize(x)
    np.testing.assert_allclose(y.numpy(), [[0, 0], [0.6, 0.8]])
    np.testing.assert_array_equal(grad(y, x, np.ones((2, 2))).numpy()[0], 0.0)
    zero = parameter(np.zeros((1, 2)))
    similarity = ag.cosine_similarity(zero, np.ones((1, 2)))
    assert similarity.item() == 0.0
    np.testing.assert_array_equal(grad(similarity, zero).numpy(), 0.0)


def test_norms_as_numpy():
    x = RNG.standard_normal((2, 3, 4))
    for ord, axis, keepdims in itertools.product([1, 2, 3.5, np.inf], [None, 1, (0, 2), -1], [False, True]):
        np.testing.assert_allclose(ag.vector_norm(x, axis, keepdims, ord).numpy(),
                                   np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord), rtol=1e-12)
    with pytest.raises(ValueError, match="vector_norm: ord is 0.0, expected a positive number"):
        ag.vector_norm(x, ord=0)


def test_topk_has_the_first_of_equal_ones_first_and_nan_above_all():
    x = np.array([1.0, 3.0, np.nan, 3.0, -np.inf])
    values, indices = ag.topk(x, 4)
    np.testing.assert_array_equal(values.numpy(), [np.nan, 3.0, 3.0, 1.0])
    np.testing.assert_array_equal(indices.numpy(), [2, 1, 3, 0])
    values, indices = ag.topk(x, 4, largest=False)
    np.testing.assert_array_equal(values.numpy(), [-np.inf, 1.0, 3.0, 3.0])
    np.testing.assert_array_equal(indices.numpy(), [4, 0, 1, 3])
    with pytest.raises(ValueError, match=r"topk: k is 3, expected an integer from 0 to 2, .* of axis 0 of \(2,\)"):
        ag.topk(np.ones(2), 3)
