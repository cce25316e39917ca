"""gemm.cu, softmax.cu, silu.cu, norm.cu and adam.cu against their twins, on shapes that divide by nothing."""
import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, grad, parameter
from autograd import norm as norms
from autograd import reduce as reductions
from autograd.gpu import adam, gemm, norm, silu, softmax, tiles
from minigen import optim

pytestmark = pytest.mark.usefixtures("on_cpu")
ROUNDING = {np.float32: 2e-6, np.float64: 1e-14}  # relative to the largest result; sums of a few hundred terms
dtypes = pytest.mark.parametrize("dtype", list(ROUNDING))


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_close(actual, expected, tolerance):
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    scale = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


class TestGemm:
    @pytest.mark.parametrize("a_transposed", [False, True])
    @pytest.mark.parametrize("b_transposed", [False, True])
    @pytest.mark.parametrize("M, N, K", [(68, 36, 20), (5, 7, 33), (1, 1, 1)])
    def test_layouts(self, M, N, K, a_transposed, b_transposed, monkeypatch):
        monkeypatch.setattr(tiles, "lay_out", lambda *sizes: (tiles.TILES[4], 1 if K < 30 else 2))
        a = normal(K, M).T if a_transposed else normal(M, K)
        b = normal(N, K, seed=1).T if b_transposed else normal(K, N, seed=1)
        assert_close(gemm.matmul(a, b), a @ b, ROUNDING[np.float32])

    def test_batches(self):
        for first, second in [((3, 2, 5, 4), (3, 2, 4, 6)), ((3, 1, 5, 4), (2, 4, 6)), ((7, 5, 4), (4, 6)),
                              ((5, 4), (2, 4, 6)), ((0, 5, 4), (4, 6)), ((2, 5, 0), (0, 6))]:
            a, b = normal(*first), normal(*second, seed=1)
            assert_close(gemm.matmul(a, b), a @ b, ROUNDING[np.float32])
        q = normal(2, 6, 3, 4).swapaxes(1, 2)  # heads, as attention makes them
        assert_close(gemm.matmul(q, q.swapaxes(-1, -2)), q @ q.swapaxes(-1, -2), ROUNDING[np.float32])

    def test_more_products_than_a_grid_holds(self, monkeypatch):
        monkeypatch.setattr(gemm, "MOST_AT_ONCE", 3)
        for first, second in [((7, 5, 4), (7, 4, 6)), ((2, 4, 5, 4), (4, 4, 6)), ((1, 5, 4), (8, 4, 6))]:
            a, b = normal(*first), normal(*second, seed=1)
            assert_close(gemm.matmul(a, b), a @ b, ROUNDING[np.float32])

    def test_other_dtypes(self):
        a, b = normal(9, 8, dtype=np.float64), normal(8, 5, seed=1)
        assert_close(gemm.matmul(a, b), a @ b, ROUNDING[np.float64])
        assert_close(gemm.matmul(np.arange(6).reshape(2, 3), np.arange(3).reshape(3, 1)), np.array([[5], [14]]), 0)
        with pytest.raises(ValueError):
            gemm.matmul(a, b.T)


@dtypes
@pytest.mark.parametrize("shape", [(13, 5), (2, 3, 100), (9, 1), (1, 33)])
def test_softmax(dtype, shape):
    x, g = 30 * normal(*shape, dtype=dtype), normal(*shape, seed=1, dtype=dtype)
    leaf = parameter(x)
    y = reductions.softmax(leaf)
    assert_close(softmax.softmax(x), y.data, ROUNDING[dtype])
    assert_close(softmax.softmax_gradient(y.data, g), grad(y, leaf, g).data, ROUNDING[dtype])


@dtypes
@pytest.mark.parametrize("shape", [(1,), (300,), (2, 3, 5, 4), (0, 3)])
def test_silu(dtype, shape):
    """Also where e^-x overflows."""
    x, g = 30 * normal(*shape, dtype=dtype), normal(*shape, seed=1, dtype=dtype)
    x[..., 0] = np.where(x[..., 0] < 0, -1e4, 1e4)
    leaf = parameter(x)
    y = ag.silu(leaf)
    assert_close(silu.silu(x), y.data, ROUNDING[dtype])
    assert_close(silu.silu_gradient(x, g), grad(y, leaf, g).data, ROUNDING[dtype])


def test_silu_keeps_the_memory_order():
    x, g = (normal(2, 4, 5, 3, seed=i).transpose(0, 3, 1, 2) for i in range(2))
    for y in (silu.silu(x), silu.silu_gradient(x, g), silu.silu_gradient(x, np.ascontiguousarray(g))):
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    assert_close(silu.silu(x), ag.silu(x).data, 2e-6)
    assert silu.silu(normal()).shape == ()
    assert_close(silu.silu_gradient(x, np.ascontiguousarray(g)), silu.silu_gradient(x, g), 0)


@dtypes
@pytest.mark.parametrize("shape, groups", [((2, 6, 5, 3), 2), ((3, 40, 4, 4), 8), ((1, 3, 1, 7), 1), ((2, 4, 3, 3), 4)])
def test_group_norm(dtype, shape, groups):
    x, g = 100 + normal(*shape, dtype=dtype), normal(*shape, seed=1, dtype=dtype)
    w, b = normal(2, shape[1], seed=2, dtype=dtype)
    leaves = [parameter(a) for a in (x, w, b)]
    expected = norms.group_norm(leaves[0], groups, *leaves[1:])
    dx, dw, db = (t.data for t in grad(expected, leaves, g))
    y, mean, rstd = norm.group_norm(x, w, b, groups, 1e-5)
    tolerance = 100 * ROUNDING[dtype]  # the mean is 100 times the deviation
    assert_close(y, expected.data, tolerance)
    assert_close(norm.group_norm_gradient(x, w, g, mean, rstd), dx, tolerance)
    for ours, theirs in zip(norm.channel_sums(x, g, mean, rstd), (dw, db)):
        assert_close(ours, theirs, tolerance)
    assert_close(norm.image_sums(g), g.sum(axis=(2, 3)), tolerance)
    assert_close(norm.group_norm(x, None, None, groups, 1e-5)[0], norms.group_norm(Tensor(x), groups).data, tolerance)


@dtypes
@pytest.mark.parametrize("count", [3, 70])
def test_adam(dtype, count):
    rng = np.random.default_rng(0)
    shapes = [(5, 3), (300, 2), (1,), (0, 4)] + [(i % 7 + 1,) for i in range(count - 4)]
    theirs = [parameter(rng.standard_normal(s).astype(dtype)) for s in shapes]
    twin = optim.AdamW(theirs, lr=0.1, betas=(0.8, 0.95), weight_decay=0.3)
    theta = [p.data.copy() for p in theirs]
    m, v = ([np.zeros_like(p) for p in theta] for _ in range(2))
    numbers = dict(beta1=0.8, beta2=0.95, eps=1e-8, decay=0.3, scale=0.5)
    for t in (1, 2, 3):
        grads = [rng.standard_normal(s[::-1]).astype(dtype).T for s in shapes]
        twin.step(grads, scale=0.5)
        in_memory = dict(lr=np.array([0.1], dtype), t=np.array([t], np.int32))  # as a captured graph has them
        adam.adam(theta, grads, m, v, **numbers, **(in_memory if t == 3 else dict(lr=0.1, t=t)))
    for ours, p in zip(theta, theirs):
        np.testing.assert_allclose(ours, p.data, rtol=0, atol=20 * ROUNDING[dtype])


def test_adam_refuses_what_it_cannot_see():
    a = [np.zeros((3, 2), np.float32)]
    numbers = dict(lr=0.1, t=1, beta1=0.9, beta2=0.999, eps=1e-8)
    with pytest.raises(TypeError, match="adam: an array of float64"):
        adam.adam(a, [np.zeros((3, 2))], a, a, **numbers)
    with pytest.raises(TypeError, match="adam: an array of float32 \\(2, 3\\)"):
        adam.adam(a, [np.zeros((2, 3), np.float32)], a, a, **numbers)
    with pytest.raises(ValueError, match="has gaps, another order than its parameter"):
        adam.adam([np.zeros((2, 3), np.float32).T], a, a, a, **numbers)
    with pytest.raises(ValueError, match="has gaps"):
        adam.adam([np.zeros((3, 4), np.float32)[:, ::2]], a, a, a, **numbers)


def test_adam_of_parameters_in_another_order():
    theta, g, m, v = (normal(4, 3, 2, seed=i).transpose(2, 0, 1) for i in range(4))
    expected, twin = theta.copy(), optim.Adam([parameter(theta)], lr=0.1)
    m[...], v[...] = 0, 0
    twin.step([g])
    adam.adam([theta], [np.ascontiguousarray(g)], [m], [v], lr=0.1, t=1, beta1=0.9, beta2=0.999, eps=1e-8)
    assert not np.allclose(theta, expected)
    np.testing.assert_allclose(theta, twin.params[0].data, atol=1e-6)
