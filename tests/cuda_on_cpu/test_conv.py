"""conv.cu against einsum.py: every kernel, every tile, on shapes that divide by nothing."""
import numpy as np
import pytest

from autograd import backend
from autograd.cpu import einsum
from autograd.geometry import Geometry, output_size
from autograd.gpu import convolution, launch, tiles
from autograd.gpu.launch import load, vector

pytestmark = pytest.mark.usefixtures("on_cpu")

#   N, C, O, groups, image, kernel, stride, padding, dilation
SHAPES = {
    "3x3": (2, 8, 36, 1, (7, 6), (3, 3), (1, 1), (1, 1), (1, 1)),
    "odd channels": (2, 3, 5, 1, (9, 8), (3, 2), (2, 1), (1, 0), (1, 2)),
    "groups": (2, 8, 12, 2, (7, 9), (3, 3), (2, 2), (1, 1), (1, 1)),
    "1x1": (3, 12, 8, 1, (5, 4), (1, 1), (1, 1), (0, 0), (1, 1)),
    "stride over the filter": (2, 4, 4, 1, (7, 8), (2, 1), (3, 2), (0, 0), (1, 1)),
    "dilated and strided": (1, 4, 8, 1, (11, 12), (3, 3), (2, 3), (2, 4), (3, 2)),
    "one pixel": (1, 1, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0), (1, 1)),
    "padding beyond the filter": (1, 2, 3, 1, (3, 3), (2, 2), (1, 1), (3, 2), (1, 1)),
    "depthwise": (2, 40, 40, 40, (8, 7), (3, 2), (2, 1), (1, 1), (1, 2)),
}
every_shape = pytest.mark.parametrize("name", SHAPES)


def arrays(name, dtype=np.float32, seed=0):
    """(x, w, y, bias of y, bias of x, geometry, groups), with random numbers."""
    N, C, O, G, image, kernel, stride, padding, dilation = SHAPES[name]
    output = tuple(map(output_size, image, kernel, stride, padding, padding, dilation))
    rng = np.random.default_rng(seed)
    x, w, y, b, a = (rng.standard_normal(shape).astype(dtype) for shape in
                     ((N, C, *image), (O, C // G, *kernel), (N, O, *output), (O,), (C,)))
    return x, w, y, b, a, Geometry(image, kernel, output, stride, padding, dilation), G


def check_trio(name, dtype, tolerance):
    x, w, y, b, a, geometry, groups = arrays(name, dtype)
    for bias, other in ((b, a), (None, None)):
        calls = ("convolve", x, w, bias), ("conv_transpose", y, w, other), ("filter_gradient", x, y)
        for function, *arguments in calls:
            ours = getattr(convolution, function)(*arguments, geometry, groups)
            theirs = getattr(einsum, function)(*arguments, geometry, groups)
            assert ours.dtype == dtype and ours.shape == theirs.shape
            error = np.abs(ours - theirs).max() / np.abs(theirs).max()
            assert error < tolerance, f"{function} {name}: error {error}"


# Sums of K numbers in another order than the twin's: about sqrt(K) roundings of 6e-8 or 1e-16 each, K < 400 here.
ROUNDING = {np.float32: 2e-6, np.float64: 1e-14}


@every_shape
@pytest.mark.parametrize("multiprocessors", [1, 100], ids=["large tiles", "small tiles, split sums"])
def test_trio(name, multiprocessors, monkeypatch):
    monkeypatch.setattr(backend, "multiprocessors", lambda: multiprocessors)
    monkeypatch.setattr(tiles, "LEAST_STEPS", 1)
    check_trio(name, np.float32, ROUNDING[np.float32])


@pytest.mark.slow
@every_shape
@pytest.mark.parametrize("tile", tiles.TILES, ids=lambda t: f"{t.BM}x{t.BN}")
@pytest.mark.parametrize("splits", [1, 3])
def test_every_tile(name, tile, splits, order, monkeypatch):
    if order == "descending":
        pytest.skip("a second order for the tiles that are chosen, in test_trio")
    monkeypatch.setattr(tiles, "lay_out", lambda *sizes: (tile, splits))
    check_trio(name, np.float32, ROUNDING[np.float32])


@pytest.mark.parametrize("name", ["3x3", "groups", "dilated and strided"])
def test_in_float64(name):
    check_trio(name, np.float64, ROUNDING[np.float64])


@pytest.mark.parametrize("name", ["3x3", "odd channels", "groups"])
@pytest.mark.parametrize("multiprocessors", [1, 100])
def test_in_tf32(name, multiprocessors, monkeypatch):
    """Factors with 10 bits of mantissa: each is off by up to 2^-11, a sum by less, but not by nothing."""
    monkeypatch.setattr(backend, "multiprocessors", lambda: multiprocessors)
    monkeypatch.setattr(tiles, "LEAST_STEPS", 1)
    monkeypatch.setattr(backend, "tf32", lambda: True)
    check_trio(name, np.float32, 2**-10)
    with pytest.raises(AssertionError, match="error"):
        check_trio(name, np.float32, ROUNDING[np.float32])


@every_shape
@pytest.mark.parametrize("kernel", ["conv_direct", "conv_shared"])
def test_first_rungs(name, kernel):
    x, w, _, b, _, geometry, groups = arrays(name)
    expected = einsum.convolve(x, w, b, geometry, groups).transpose(0, 2, 3, 1)
    y = np.full(expected.shape, np.nan, np.float32)
    last, f = np.ascontiguousarray(x.transpose(0, 2, 3, 1)), np.ascontiguousarray(w.transpose(0, 2, 3, 1))
    sizes = convolution._sizes(last, len(w), groups, geometry)
    P, Q = geometry.output
    sizes |= dict(OH=P, OW=Q, pitch_h=1, pitch_w=1, phase_h=0, phase_w=0)
    if kernel == "conv_direct":
        grid, block = (-(-y.size // 64),), (64,)
    else:
        grid, block = (-(-y.size // len(w) // 16), -(-sizes["Og"] // 16), groups), (16, 16)
    load("conv.cu", np.float32, **convolution._UNUSED).launch(kernel, grid, block, x=last, f=f, b=b, y=y, **sizes)
    np.testing.assert_allclose(y, expected, rtol=0, atol=ROUNDING[np.float32] * np.abs(expected).max())


@every_shape
def test_first_rung_of_the_filter_gradient(name):
    x, w, y, _, _, geometry, groups = arrays(name)
    expected = einsum.filter_gradient(x, y, geometry, groups)
    result = np.full(w.shape, np.nan, np.float32)
    x, y = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)) for a in (x, y))
    sizes = convolution._sizes(x, len(w), groups, geometry)
    load("conv.cu", np.float32, **convolution._UNUSED).launch(
        "filter_direct", (-(-result.size // 64),), (64,), x=x, y=y, w=result, **sizes)
    np.testing.assert_allclose(result, expected, rtol=0, atol=ROUNDING[np.float32] * np.abs(expected).max())


def test_layouts_and_half_precision():
    x, w, _, b, _, geometry, groups = arrays("3x3")
    expected = einsum.convolve(x, w, b, geometry, groups)
    for layout in (x, np.asfortranarray(x), x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2), x[::-1][::-1]):
        np.testing.assert_allclose(convolution.convolve(layout, w, b, geometry, groups), expected, atol=1e-4)
    half = convolution.convolve(*(a.astype(np.float16) for a in (x, w, b)), geometry, groups)
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, expected, atol=2**-9 * np.abs(expected).max())


def test_an_empty_batch():
    x, w, y, b, a, geometry, groups = arrays("3x3")
    assert convolution.convolve(x[:0], w, b, geometry, groups).shape == (0, *y.shape[1:])
    assert convolution.conv_transpose(y[:0], w, a, geometry, groups).shape == (0, *x.shape[1:])
    np.testing.assert_array_equal(convolution.filter_gradient(x[:0], y[:0], geometry, groups), 0 * w)


def test_the_tiles_that_are_chosen(monkeypatch):
    monkeypatch.setattr(backend, "multiprocessors", lambda: 132)
    shape = lambda M, N, K: ((lambda t, s: (t.BM, t.BN, s))(*tiles.lay_out(M, N, K, 1, np.float32)))
    assert shape(128 * 28 * 28, 32, 288) == (128, 32, 1)
    assert shape(128 * 14 * 14, 64, 576) == (128, 64, 1)
    assert shape(128 * 7 * 7, 128, 1152) == (64, 64, 1)  # 128 x 128 would be 49 blocks for 132 multiprocessors
    assert shape(64, 576, 128 * 14 * 14) == (64, 64, 29)  # a filter gradient
    assert shape(64, 64, 64) == (64, 64, 1)  # too short a sum to split


def test_pieces_are_wide_where_they_may_be():
    a = np.zeros(64, np.float32)
    assert vector(a, along=8) == 4 and vector(a, along=6) == 1 and vector(a[1:], along=8) == 1
    assert vector(a.astype(np.float64), along=6) == 2


MUTANTS = {
    "no barrier": ("__syncthreads();                // and everyone's", "// and everyone's"),
    "no wait": ("wait_for_copies<STAGES - 2>();", ""),
    "a wait that ends too early": ("wait_for_copies<STAGES - 2>();", "wait_for_copies<STAGES - 1>();"),
    "rows beyond the last": ("if (first_m + m < M && first_o + n < Og)", "if (first_o + n < Og)"),
    "no padding": ("(unsigned)y < (unsigned)e.H &&", ""),
    "another order of k": ("if (++s == e.S) s = 0, ++r;", "if (++r == e.R) r = 0, ++s;"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_kernel_is_noticed(mutant, order, monkeypatch):
    """The same checks with a line of the kernel changed: each must fail, by a wrong result or by a report."""
    if mutant == "a wait that ends too early" and order == "descending":
        pytest.skip("the same in both orders")
    old, new = MUTANTS[mutant]
    compile_source = launch.compile_source

    def compile_mutant(source, options):
        assert source.count(old) == 1
        return compile_source(source.replace(old, new), options)

    monkeypatch.setattr(launch, "compile_source", compile_mutant)
    x, w, _, b, _, geometry, groups = arrays("3x3")
    expected = einsum.convolve(x, w, b, geometry, groups)
    with pytest.raises((RuntimeError, AssertionError)):
        y = convolution.convolve(x, w, b, geometry, groups)
        np.testing.assert_allclose(y, expected, rtol=0, atol=ROUNDING[np.float32] * np.abs(expected).max())
