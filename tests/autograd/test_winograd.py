"""Winograd's convolution against the sum as it is written, and that rounding hardly harms it."""
import numpy as np
import pytest

from autograd import columns, winograd
from autograd.geometry import Geometry

SIZES = [  # N, C, O, image, before, output
    (3, 2, 3, (6, 6), (1, 1), (6, 6)),
    (2, 5, 1, (7, 4), (1, 1), (7, 4)),  # tiles that reach over the edge below
    (2, 3, 4, (5, 9), (0, 0), (3, 7)),
    (1, 1, 2, (4, 5), (2, 2), (6, 7)),
    (2, 2, 2, (5, 6), (0, 1), (3, 6)),
    (3, 2, 2, (8, 9), (-1, -2), (5, 4)),  # negative padding looks at a part of the image
    (2, 3, 2, (3, 3), (0, 0), (1, 1)),
    (2, 1, 1, (1, 1), (1, 1), (1, 1)),
    (1, 2, 2, (3, 2), (5, 4), (11, 9)),  # tiles that see nothing of the image
]


def as_written(x, w, geometry):
    """y[n,o,p,q] = sum_crs w[o,c,r,s] x[n, c, p + r - before, q + s - before], the image zero outside."""
    (P, Q), (H, W), (top, left) = geometry.output, geometry.image, geometry.before
    far = 20
    frame = np.zeros((*x.shape[:2], H + 2 * far, W + 2 * far), x.dtype)
    frame[:, :, far : far + H, far : far + W] = x
    y = np.zeros((len(x), len(w), P, Q), x.dtype)
    for r in range(3):
        for s in range(3):
            rows, columns = far + r - top, far + s - left
            y += np.einsum("oc,nchw->nohw", w[:, :, r, s], frame[:, :, rows : rows + P, columns : columns + Q])
    return y


@pytest.mark.parametrize("small_blocks", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_all_three_maps(monkeypatch, size, small_blocks):
    """With every block one image and one row of tiles, too. The gradient of <y, u> by w[i] is <conv(x, unit i), u>."""
    N, C, O, image, before, output = size
    if small_blocks:
        monkeypatch.setattr(winograd, "BLOCK", 1)
    geometry = Geometry(image, (3, 3), output, (1, 1), before, (1, 1))
    rng = np.random.default_rng(0)
    x, w, b, u = (rng.standard_normal(shape) for shape in ((N, C, *image), (O, C, 3, 3), (O,), (N, O, *output)))
    near = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    near(winograd.convolve(x, w, None, geometry), as_written(x, w, geometry))
    near(winograd.convolve(x, w, b, geometry), as_written(x, w, geometry) + b[:, None, None])
    last = lambda t: np.ascontiguousarray(t.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    units = np.eye(w.size).reshape(-1, *w.shape)
    dw = [(as_written(x, unit, geometry) * u).sum() for unit in units]
    for x_laid_out, u_laid_out in ((x, u), (last(x), last(u))):
        near(winograd.filter_gradient(x_laid_out, u_laid_out, geometry), np.reshape(dw, w.shape))


def test_the_matrices_multiply_polynomials():
    """G w and A a are the values of polynomials, and V_n^-1, which is B, makes coefficients of values: in one axis,
    which the squares contain as the rows and columns that belong to the constant 1."""
    A_T, B_T, G = winograd.matrices(np.float64)
    rng = np.random.default_rng(0)
    w, a = rng.standard_normal((3, 3)), rng.standard_normal((4, 4))
    product = B_T.T @ ((G @ w.ravel()) * (A_T.T @ a.ravel()))
    exact = np.zeros((6, 6))
    for i, j in np.ndindex(3, 3):
        exact[i : i + 4, j : j + 4] += w[i, j] * a
    np.testing.assert_allclose(product.reshape(6, 6), exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 4e-15)])
def test_rounding_is_a_few_times_that_of_the_sum(dtype, tolerance):
    """Relative to the size of a sum of C R S = 576 products."""
    rng = np.random.default_rng(0)
    x, w, u = (rng.standard_normal(shape) for shape in ((8, 64, 14, 14), (64, 64, 3, 3), (8, 64, 14, 14)))
    geometry = Geometry((14, 14), (3, 3), (14, 14), (1, 1), (1, 1), (1, 1))
    in_dtype = lambda *arrays: [a.astype(dtype) for a in arrays]
    for ours, exact in ((winograd.convolve(*in_dtype(x, w), None, geometry), as_written(x, w, geometry)),
                        (winograd.filter_gradient(*in_dtype(x, u), geometry),
                         filter_gradient_as_written(x, u))):
        assert ours.dtype == dtype
        error = ours - exact
        assert np.sqrt((error**2).mean() / (exact**2).mean()) < tolerance
        assert np.abs(error).max() < 8 * tolerance * np.sqrt((exact**2).mean())


def filter_gradient_as_written(x, u):
    frame = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.stack([[np.einsum("nohw,nchw->oc", u, frame[:, :, r : r + 14, s : s + 14]) for s in range(3)]
                     for r in range(3)]).transpose(2, 3, 0, 1)


@pytest.mark.parametrize("changed", [
    {}, {"kernel": (3, 1)}, {"stride": (2, 1)}, {"dilation": (1, 2)}, {"output": (5, 5)}, {"C": 11}, {"O": 11},
    {"groups": 2}], ids=str)
def test_chosen_only_for_what_it_is_made_for(changed):
    """Outputs of 5 x 5 need four tiles, of 8 x 8."""
    case = {"C": 32, "O": 32, "groups": 1, "image": (40, 40), "kernel": (3, 3), "output": (40, 40), "stride": (1, 1),
            "before": (1, 1), "dilation": (1, 1)} | changed
    C, O, groups = (case.pop(name) for name in ("C", "O", "groups"))
    assert winograd.pays(C, O, Geometry(**case), groups) == (not changed)


def test_the_chosen_maps_agree_with_columns(monkeypatch):
    rng = np.random.default_rng(0)
    x, w, b, y = (rng.standard_normal(shape) for shape in ((3, 64, 13, 12), (70, 64, 3, 3), (70,), (3, 70, 13, 12)))
    geometry = Geometry((13, 12), (3, 3), (13, 12), (1, 1), (1, 1), (1, 1))
    maps = lambda: (columns.convolve(x, w, b, geometry, 1), columns.transpose(y, w, b[:64], geometry, 1),
                    columns.filter_gradient(x, y, geometry, 1))
    assert winograd.pays(64, 70, geometry, 1)
    ours = maps()
    monkeypatch.setattr(winograd, "pays", lambda *arguments: False)
    for a, b_ in zip(ours, maps()):
        np.testing.assert_allclose(a, b_, rtol=1e-11, atol=1e-11)
        assert not np.array_equal(a, b_)  # they are two ways
