"""Winograd's convolution against the sum as it is written, that rounding hardly harms it, and stride 2 on blocks."""
import numpy as np
import pytest

from autograd.cpu import convolution, einsum, space_to_depth, winograd
from autograd.geometry import Geometry

pytestmark = pytest.mark.cpu

SIZES = [  # N, C, O, image, padding, output, taps along a side
    (3, 2, 3, (6, 6), (1, 1), (6, 6), 3),
    (2, 5, 1, (7, 4), (1, 1), (7, 4), 3),  # tiles that reach over the edge below
    (2, 3, 4, (5, 9), (0, 0), (3, 7), 3),
    (1, 1, 2, (4, 5), (2, 2), (6, 7), 3),
    (2, 2, 2, (5, 6), (0, 1), (3, 6), 3),
    (3, 2, 2, (8, 9), (-1, -2), (5, 4), 3),  # negative padding looks at a part of the image
    (2, 3, 2, (3, 3), (0, 0), (1, 1), 3),
    (2, 1, 1, (1, 1), (1, 1), (1, 1), 3),
    (1, 2, 2, (3, 2), (5, 4), (11, 9), 3),  # tiles that see nothing of the image
    (2, 9, 3, (9, 6), (1, 1), (9, 6), 3),  # channels enough to be copied in another order
    (2, 2, 3, (6, 5), (0, 0), (5, 4), 2),
    (2, 2, 3, (6, 5), (2, 1), (7, 5), 4),
    (2, 3, 2, (7, 6), (2, 2), (7, 6), 5),
]
MAPS = [(*size, M) for size in SIZES for M in range(2, 8 - size[-1])]


def as_written(x, w, geometry):
    """The convolution by einsum, which test_conv.py holds against the sum number by number."""
    return einsum.convolve(x, w, None, geometry, 1)


def last(t):
    """t channels-last in memory."""
    return np.ascontiguousarray(t.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def near(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("small_blocks", [False, True])
@pytest.mark.parametrize("case", MAPS, ids=str)
def test_both_maps(monkeypatch, case, small_blocks):
    """With every block one image and one row of tiles, too. The gradient of <y, u> by w[i] is <conv(x, unit i), u>."""
    N, C, O, image, padding, output, R, M = case
    if small_blocks:
        monkeypatch.setattr(winograd, "BLOCK", 1)
    geometry = Geometry(image, (R, R), output, (1, 1), padding, (1, 1))
    rng = np.random.default_rng(0)
    x, w, b, u = (rng.standard_normal(shape) for shape in ((N, C, *image), (O, C, R, R), (O,), (N, O, *output)))
    near(winograd.convolve(x, w, None, geometry, 1, M), as_written(x, w, geometry))
    near(winograd.convolve(x, w, b, geometry, 1, M), as_written(x, w, geometry) + b[:, None, None])
    units = np.eye(w.size).reshape(-1, *w.shape)
    dw = [(as_written(x, unit, geometry) * u).sum() for unit in units]
    for x_laid_out, u_laid_out in ((x, u), (last(x), last(u))):
        near(winograd.filter_gradient(x_laid_out, u_laid_out, geometry, 1, M), np.reshape(dw, w.shape))


@pytest.mark.parametrize("M, R", [(2, 3), (4, 3), (5, 2), (2, 5)])
def test_the_matrices_multiply_polynomials(M, R):
    """Of two variables: G w and A a are their values at the points, and B makes coefficients of values."""
    A_T, B_T, G = winograd.matrices(M, R, np.float64)
    rng = np.random.default_rng(0)
    w, a = rng.standard_normal((R, R)), rng.standard_normal((M, M))
    product = B_T.T @ ((G @ w.ravel()) * (A_T.T @ a.ravel()))
    exact = np.zeros((M + R - 1, M + R - 1))
    for i, j in np.ndindex(R, R):
        exact[i : i + M, j : j + M] += w[i, j] * a
    near(product.reshape(exact.shape), exact)


@pytest.mark.parametrize("M, R, largest", [
    (4, 3, 4), (3, 3, 5), (2, 3, 4), (5, 2, 6), (4, 2, 5), (3, 4, 4), (2, 5, 6)])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 4e-15)])
def test_rounding_is_a_few_times_that_of_the_sum(M, R, largest, dtype, tolerance):
    """Relative to the size of a sum of C R^2 products, 576 for filters of 3x3: the error's root mean square is below
    tolerance, the largest error below `largest` tolerances."""
    rng = np.random.default_rng(0)
    output = 15 - R, 15 - R
    x, w, u = (rng.standard_normal(shape) for shape in ((8, 64, 14, 14), (64, 64, R, R), (8, 64, *output)))
    geometry = Geometry((14, 14), (R, R), output, (1, 1), (0, 0), (1, 1))
    in_dtype = lambda *arrays: [a.astype(dtype) for a in arrays]
    sums = lambda r, s: np.einsum("nohw,nchw->oc", u, x[:, :, r : r + output[0], s : s + output[1]])
    filters = np.reshape([sums(r, s) for r, s in np.ndindex(R, R)], (R, R, 64, 64)).transpose(2, 3, 0, 1)
    for ours, exact in ((winograd.convolve(*in_dtype(x, w), None, geometry, 1, M), as_written(x, w, geometry)),
                        (winograd.filter_gradient(*in_dtype(x, u), geometry, 1, M), filters)):
        assert ours.dtype == dtype
        error = ours - exact
        assert np.sqrt((error**2).mean() / (exact**2).mean()) < tolerance
        assert np.abs(error).max() < largest * tolerance * np.sqrt((exact**2).mean())


@pytest.mark.parametrize("changed, M", [
    ({}, 4), ({"kernel": (3, 1)}, 0), ({"stride": (2, 1)}, 0), ({"dilation": (1, 2)}, 0), ({"C": 11}, 0),
    ({"O": 11}, 0), ({"groups": 2}, 0), ({"output": (6, 6)}, 3), ({"output": (1, 1)}, 0), ({"kernel": (1, 1)}, 0),
    ({"kernel": (5, 5)}, 2), ({"kernel": (6, 6)}, 0), ({"dtype": np.int64}, 0), ({"dtype": np.float16}, 0)], ids=str)
def test_chosen_only_for_what_it_is_made_for(changed, M):
    """Tiles of 4 x 4, but of 3 x 3 where that divides the outputs; and none that mostly lie outside."""
    case = {"C": 32, "O": 32, "groups": 1, "image": (40, 40), "kernel": (3, 3), "output": (40, 40), "stride": (1, 1),
            "padding": (1, 1), "dilation": (1, 1), "dtype": np.float32} | changed
    C, O, groups, dtype = (case.pop(name) for name in ("C", "O", "groups", "dtype"))
    assert winograd.tile_size(C, O, Geometry(**case), groups, np.dtype(dtype)) == M


@pytest.mark.parametrize("N, C, O, image, taps, stride, padding", [
    (3, 64, 70, (13, 12), (3, 3), 1, 1), (2, 20, 33, (12, 15), (4, 4), 2, 1), (2, 32, 32, (13, 11), (4, 4), 2, 0),
    (2, 16, 33, (14, 13), (6, 6), 2, 3), (2, 3, 20, (13, 12), (4, 2), 2, 1), (2, 20, 3, (7, 9), (2, 2), 2, 0)])
def test_the_fast_ways_agree_with_the_sum(N, C, O, image, taps, stride, padding):
    """All three maps, in both layouts, where tiles or blocks are chosen; the transposed map by <conv(x), y>."""
    output = tuple((size + 2 * padding - k) // stride + 1 for size, k in zip(image, taps))
    geometry = Geometry(image, taps, output, (stride, stride), (padding, padding), (1, 1))
    assert winograd.tile_size(C, O, geometry, 1, np.dtype(float)) or space_to_depth.fits(geometry, 1)
    rng = np.random.default_rng(0)
    x, w, y, b, c = (rng.standard_normal(shape) for shape in (
        (N, C, *image), (O, C, *taps), (N, O, *output), (O,), (C,)))
    for x_laid_out, y_laid_out in ((x, y), (last(x), last(y))):
        near(convolution.convolve(x_laid_out, w, b, geometry, 1), as_written(x, w, geometry) + b[:, None, None])
        sent = convolution.conv_transpose(y_laid_out, w, c, geometry, 1) - c[:, None, None]
        for n, ch, i, j in [(0, 0, 0, 0), (N - 1, C - 1, image[0] - 1, image[1] - 1), (1, 1, 5, 6), (0, 2, 3, 2)]:
            unit = np.zeros_like(x)
            unit[n, ch, i, j] = 1
            assert abs(sent[n, ch, i, j] - (as_written(unit, w, geometry) * y).sum()) < 1e-11
        dw = convolution.filter_gradient(x_laid_out, y_laid_out, geometry, 1)
        for o, ch, r, s in [(0, 0, 0, 0), (O - 1, C - 1, taps[0] - 1, taps[1] - 1), (1, 2, 1, 0), (2, 1, 0, 1)]:
            unit = np.zeros_like(w)
            unit[o, ch, r, s] = 1
            assert abs(dw[o, ch, r, s] - (as_written(x, unit, geometry) * y).sum()) < 1e-11


@pytest.mark.parametrize("taps, stride", [(3, 1), (4, 2)])
def test_integers_stay_exact(taps, stride):
    rng = np.random.default_rng(0)
    x, w = rng.integers(-9, 10, (2, 32, 16, 16)), rng.integers(-9, 10, (32, 32, taps, taps))
    output = ((16 + 2 - taps) // stride + 1,) * 2
    geometry = Geometry((16, 16), (taps, taps), output, (stride, stride), (1, 1), (1, 1))
    y = convolution.convolve(x, w, None, geometry, 1)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, as_written(x, w, geometry))


@pytest.mark.parametrize("C, O, image, taps, padding", [
    (16, 32, (32, 32), 4, 1), (17, 33, (14, 13), 6, 3)])
def test_stride_2_on_blocks_is_stride_2(C, O, image, taps, padding):
    """Where tiles fit what it becomes, whether it pays or not."""
    output = tuple((size + 2 * padding - taps) // 2 + 1 for size in image)
    geometry = Geometry(image, (taps,) * 2, output, (2, 2), (padding,) * 2, (1, 1))
    rng = np.random.default_rng(0)
    x, w, y, b = (rng.standard_normal(s) for s in ((2, C, *image), (O, C, taps, taps), (2, O, *output), (O,)))
    near(space_to_depth.convolve(x, w, b, geometry, 1), einsum.convolve(x, w, b, geometry, 1))
    near(space_to_depth.filter_gradient(x, y, geometry, 1), einsum.filter_gradient(x, y, geometry, 1))
    near(convolution.gather_blocks(y, w, None, geometry, 1), einsum.conv_transpose(y, w, None, geometry, 1))


@pytest.mark.parametrize("changed", [{}, {"kernel": (3, 4)}, {"stride": (2, 1)}, {"dilation": (1, 2)}], ids=str)
def test_blocks_are_for_even_filters_with_stride_2(changed):
    geometry = Geometry(**{"image": (9, 9), "kernel": (4, 4), "output": (4, 4), "stride": (2, 2), "padding": (1, 1),
                           "dilation": (1, 1)} | changed)
    assert space_to_depth.fits(geometry, 1) == (not changed) and not space_to_depth.fits(geometry, 3)


@pytest.mark.parametrize("image, padding, output", [((9, 8), (1, 1), (4, 4)), ((6, 7), (3, 0), (5, 2)),
                                                   ((12, 12), (-2, -1), (3, 4))])
def test_blocks_and_back(image, padding, output):
    """to_image is from_image's transpose; filters go there and back."""
    geometry = Geometry(image, (4, 4), output, (2, 2), padding, (1, 1))
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, *image)), rng.standard_normal((5, 3, 4, 4))
    z = rng.standard_normal(space_to_depth.from_image(x, geometry).shape)
    near((space_to_depth.from_image(x, geometry) * z).sum(), (x * space_to_depth.to_image(z, geometry)).sum())
    np.testing.assert_array_equal(space_to_depth.to_filters(space_to_depth.from_filters(w)), w)
