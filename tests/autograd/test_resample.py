"""Pooling, interpolation and pixel shuffle: against PyTorch, central differences, and what they must be."""
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import tables
from autograd.gradcheck import gradcheck, gradgradcheck
from autograd.resample import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    interpolate,
    max_pool1d,
    max_pool2d,
    max_unpool2d,
    pixel_shuffle,
    pixel_unshuffle,
)

RUNS = settings(max_examples=40, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck))
LAYOUTS = st.sampled_from(["contiguous", "channels-last", "sliced", "reversed"])
INTEGERS = st.integers(0, 10**6)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


def distinct(seed, *shape):
    """A permutation: no ties, and no two values so near that a central difference could swap them."""
    return np.random.default_rng(seed).permutation(int(np.prod(shape))).reshape(shape) / 7.0


# Pooling


@RUNS
@given(pairs(1, 9), pairs(1, 4), st.none() | pairs(1, 3), pairs(0, 2), pairs(1, 2), st.booleans(), LAYOUTS,
       st.booleans(), INTEGERS)
def test_max_pool2d_is_torchs(
    same_as_torch, in_layout, image, kernel, stride, padding, dilation, ceil, kind, batched, seed
):
    import torch
    import torch.nn.functional as F

    padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel))
    if dilation != (1, 1):
        padding = (0, 0)  # PyTorch reads outside the image where all taps of a window lie in the padding
    image = tuple(max(n, d * (k - 1) + 1) for n, k, d in zip(image, kernel, dilation))
    x = in_layout(distinct(seed, 2, 3, *image), kind)
    x = x if batched else x[1]
    args = kernel, stride, padding, dilation, ceil
    same_as_torch(lambda x: max_pool2d(x, *args), lambda x: F.max_pool2d(x, *args), [x])
    y, indices = max_pool2d(x, *args, return_indices=True)
    _expected, where = F.max_pool2d(torch.tensor(np.array(x)), *args, return_indices=True)
    np.testing.assert_array_equal(indices.numpy(), where.numpy())
    planes = where.numpy().reshape(-1, y.shape[-2] * y.shape[-1]).tolist()
    once = all(len(set(plane)) == len(plane) for plane in planes)
    sizes = zip(image, y.shape[-2:], stride or kernel, padding, kernel)
    if once and all(abs(n - ((p - 1) * s - 2 * b + k)) < s for n, p, s, b, k in sizes):
        args = kernel, stride, padding, image
        same_as_torch(lambda y: max_unpool2d(y, indices, *args), lambda y: F.max_unpool2d(y, where, *args),
                      [y.numpy()])


@RUNS
@given(pairs(1, 9), pairs(1, 4), st.none() | pairs(1, 3), pairs(0, 2), st.booleans(), st.booleans(),
       st.sampled_from([None, 3, -2]), LAYOUTS, st.booleans(), INTEGERS)
def test_avg_pool2d_is_torchs(
    same_as_torch, in_layout, image, kernel, stride, padding, ceil, count_pad, divisor, kind, batched, seed
):
    import torch.nn.functional as F

    padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel))
    x = in_layout(np.random.default_rng(seed).standard_normal((2, 3, *map(max, image, kernel))), kind)
    args = kernel, stride, padding, ceil, count_pad, divisor
    same_as_torch(lambda x: avg_pool2d(x, *args), lambda x: F.avg_pool2d(x, *args), [x if batched else x[1]])


@RUNS
@given(st.integers(1, 12), st.integers(1, 4), st.none() | st.integers(1, 3), st.integers(0, 2), st.integers(1, 2),
       st.booleans(), st.booleans(), LAYOUTS, st.booleans(), INTEGERS)
def test_pools_in_one_dimension_are_torchs(
    same_as_torch, in_layout, length, kernel, stride, padding, dilation, ceil, count_pad, kind, batched, seed
):
    import torch
    import torch.nn.functional as F

    padding = min(padding, kernel // 2) if dilation == 1 else 0
    x = in_layout(distinct(seed, 2, 3, max(length, dilation * (kernel - 1) + 1)), kind)
    x = x if batched else x[1]
    args = kernel, stride, padding, dilation, ceil
    same_as_torch(lambda x: max_pool1d(x, *args), lambda x: F.max_pool1d(x, *args), [x])
    _, indices = max_pool1d(x, *args, return_indices=True)
    _, expected = F.max_pool1d(torch.tensor(np.array(x)), *args, return_indices=True)
    np.testing.assert_array_equal(indices.numpy(), expected.numpy())
    args = kernel, stride, padding, ceil, count_pad
    same_as_torch(lambda x: avg_pool1d(x, *args), lambda x: F.avg_pool1d(x, *args), [x])


@pytest.mark.parametrize("count_pad", [False, True])
def test_windows_that_end_behind_the_padding_are_smaller(same_as_torch, count_pad):
    import torch.nn.functional as F

    x = np.random.default_rng(0).standard_normal((1, 2, 6, 7))
    args = 4, 3, 1, True, count_pad
    same_as_torch(lambda x: avg_pool2d(x, *args), lambda x: F.avg_pool2d(x, *args), [x])
    np.testing.assert_allclose(avg_pool2d(np.ones((1, 1, 6, 6)), 4, 3, 0, True).numpy(), 1.0)


@RUNS
@given(pairs(1, 9), st.tuples(st.integers(1, 10), st.none() | st.integers(1, 10)), LAYOUTS, st.booleans(),
       INTEGERS)
def test_adaptive_pools_are_torchs(same_as_torch, in_layout, image, size, kind, batched, seed):
    import torch
    import torch.nn.functional as F

    x = in_layout(distinct(seed, 2, 3, *image), kind)
    x = x if batched else x[1]
    same_as_torch(lambda x: adaptive_avg_pool2d(x, size), lambda x: F.adaptive_avg_pool2d(x, size), [x])
    same_as_torch(lambda x: adaptive_max_pool2d(x, size), lambda x: F.adaptive_max_pool2d(x, size), [x])
    _, indices = adaptive_max_pool2d(x, size, return_indices=True)
    _, expected = F.adaptive_max_pool2d(torch.tensor(np.array(x)), size, return_indices=True)
    np.testing.assert_array_equal(indices.numpy(), expected.numpy())


@pytest.mark.parametrize("value", [np.nan, -np.inf, 2.0])
@pytest.mark.parametrize("padding", [0, 1])
def test_max_pool2d_of_equal_nan_and_infinite_elements(same_as_torch, value, padding):
    """The first of equal elements wins, a NaN wins over all, and padding never wins."""
    import torch
    import torch.nn.functional as F

    x = distinct(0, 1, 2, 5, 5)
    x[0, 0] = value
    x[0, 1, 2:, 1:3] = value
    _, indices = max_pool2d(x, 3, 2, padding, return_indices=True)
    _, expected = F.max_pool2d(torch.tensor(x), 3, 2, padding, return_indices=True)
    np.testing.assert_array_equal(indices.numpy(), expected.numpy())
    same_as_torch(lambda x: max_pool2d(x, 3, 2, padding), lambda x: F.max_pool2d(x, 3, 2, padding), [x])


def test_max_pool2d_of_integers_and_large_windows():
    x = np.arange(2 * 20 * 20, dtype=np.int64).reshape(1, 2, 20, 20) - 1000
    y, indices = max_pool2d(x, 20, padding=10, return_indices=True)  # more taps than a byte counts
    assert y.dtype == np.int64 and y.shape == (1, 2, 2, 2)
    for channel in range(2):
        for p in range(2):
            for q in range(2):
                window = x[0, channel, max(0, 20 * p - 10) : 20 * p + 10, max(0, 20 * q - 10) : 20 * q + 10]
                assert y.numpy()[0, channel, p, q] == window.max()
    found = x.reshape(2, 400)[[[0], [1]], indices.numpy().reshape(2, 4)]
    np.testing.assert_array_equal(found, y.numpy().reshape(2, 4))


def test_unpooling_puts_back_what_pooling_took():
    x = distinct(3, 2, 3, 6, 8)
    y, indices = max_pool2d(x, 2, return_indices=True)
    back = max_unpool2d(y, indices, 2).numpy()
    kept = back != 0
    assert kept.sum() == y.size - (y.numpy() == 0).sum()
    np.testing.assert_array_equal(back[kept], x[kept])
    np.testing.assert_array_equal(max_pool2d(back, 2).numpy(), y.numpy())


# Interpolation

MODES = ["nearest", "nearest-exact", "area", "bilinear", "bicubic"]


@st.composite
def resamplings(draw):
    """Keyword arguments of interpolate for two axes."""
    keywords = {"mode": draw(st.sampled_from(MODES))}
    if keywords["mode"] in ("bilinear", "bicubic"):
        keywords["align_corners"] = draw(st.sampled_from([None, False, True]))
    if draw(st.booleans()):
        keywords["size"] = draw(st.integers(1, 12) | pairs(1, 12))
    else:
        factor = st.sampled_from([2, 0.5, 1.5, 3, 1.1]) | st.floats(0.3, 4)
        keywords["scale_factor"] = draw(factor | st.tuples(factor, factor))
    return keywords


@RUNS
@given(pairs(1, 9), resamplings(), LAYOUTS, INTEGERS)
def test_interpolate_is_torchs(same_as_torch, in_layout, image, keywords, kind, seed):
    import torch.nn.functional as F

    factor = keywords.get("scale_factor", 1)
    factors = factor if isinstance(factor, tuple) else (factor, factor)
    assume(all(int(n * f) >= 1 for n, f in zip(image, factors)))
    x = in_layout(np.random.default_rng(seed).standard_normal((2, 3, *image)), kind)
    same_as_torch(lambda x: interpolate(x, **keywords), lambda x: F.interpolate(x, **keywords), [x])


@pytest.mark.parametrize("shape, size, mode", [
    ((2, 3, 5), 8, "nearest"), ((2, 3, 5), 3, "linear"), ((2, 3, 5), 2, "area"),
    ((2, 3, 5), 7, "nearest-exact"), ((1, 2, 3, 4, 2), (5, 2, 3), "trilinear"),
    ((1, 2, 3, 4, 2), 5, "nearest"),
])
def test_interpolate_over_one_and_three_axes_is_torchs(same_as_torch, shape, size, mode):
    import torch.nn.functional as F

    x = np.random.default_rng(0).standard_normal(shape)
    same_as_torch(lambda x: interpolate(x, size, mode=mode), lambda x: F.interpolate(x, size, mode=mode), [x])


@RUNS
@given(st.integers(1, 9), st.integers(1, 12), st.sampled_from(sorted(tables.TABLES)), st.booleans())
def test_a_transposed_table_is_the_transposed_matrix(n, p, mode, align_corners):
    def matrix(index, weight, columns):
        A = np.zeros((len(index), columns))
        np.add.at(A, (np.arange(len(index))[:, None], index), weight)
        return A

    table = tables.TABLES[mode](n, p, np.float64(n / p), align_corners)
    A = matrix(*table, n)
    np.testing.assert_allclose(A.sum(axis=1), 1.0, rtol=1e-12)  # a constant stays itself
    np.testing.assert_allclose(matrix(*tables.transposed(*table, n), p), A.T, atol=1e-15)


def test_interpolation_is_what_its_name_says():
    ramp = np.broadcast_to(np.arange(4.0), (1, 1, 4, 4))
    y = interpolate(ramp, (4, 7), mode="bilinear", align_corners=True).numpy()
    np.testing.assert_allclose(y[0, 0, 0], np.arange(7) / 2)  # a linear function between its corner points
    y = interpolate(ramp, scale_factor=2, mode="bilinear").numpy()
    np.testing.assert_allclose(y[0, 0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])  # pixels cut in halves
    y = interpolate(ramp, scale_factor=2).numpy()
    np.testing.assert_array_equal(y[0, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3])


# Pixel shuffle


@pytest.mark.parametrize(
    "shape, r", [((2, 12, 3, 4), 2), ((9, 2, 3), 3), ((2, 2, 4, 3, 2), 2), ((1, 3, 2, 2), 1)]
)
def test_pixel_shuffle_is_torchs_and_undone(same_as_torch, shape, r):
    import torch.nn.functional as F

    x = np.random.default_rng(0).standard_normal(shape)
    same_as_torch(lambda x: pixel_shuffle(x, r), lambda x: F.pixel_shuffle(x, r), [x])
    y = pixel_shuffle(x, r).numpy()
    same_as_torch(lambda y: pixel_unshuffle(y, r), lambda y: F.pixel_unshuffle(y, r), [y])
    np.testing.assert_array_equal(pixel_unshuffle(y, r).numpy(), x)


# Derivatives without PyTorch, layout, emptiness, errors

OPS = {
    "max_pool2d": lambda x: max_pool2d(x, (3, 2), (2, 1), 1, (1, 2), ceil_mode=True),
    "avg_pool2d": lambda x: avg_pool2d(x, (3, 2), 2, 1, ceil_mode=True, count_include_pad=False),
    "adaptive_avg_pool2d": lambda x: adaptive_avg_pool2d(x, (3, 4)),
    "adaptive_max_pool2d": lambda x: adaptive_max_pool2d(x, (3, 4)),
    "nearest": lambda x: interpolate(x, (9, 3)),
    "bilinear": lambda x: interpolate(x, scale_factor=(0.7, 1.7), mode="bilinear"),
    "bicubic": lambda x: interpolate(x, (4, 9), mode="bicubic", align_corners=True),
    "pixel_shuffle": lambda x: pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda x: pixel_unshuffle(x, 2),
}


@pytest.mark.parametrize("name", OPS)
def test_derivatives_by_central_differences(name):
    rng = np.random.default_rng(0)
    f = lambda x: OPS[name](x) * OPS[name](x)
    assert gradcheck(f, [distinct(5, 2, 4, 6, 8)], rng) < 1e-6
    assert gradgradcheck(f, [distinct(6, 2, 4, 6, 8)], rng) < 1e-6


@pytest.mark.parametrize("name", OPS)
def test_the_transpose_of_the_transpose_is_the_map(name):
    """Third derivatives: u -> J^T u and v -> J v are each other's pullbacks, however often."""
    x = ag.parameter(distinct(0, 2, 4, 6, 8))
    y = OPS[name](x)
    u, v, w = (ag.parameter(a) for a in (np.ones(y.shape), distinct(1, *x.shape), distinct(2, *y.shape)))
    J_transposed_u = ag.grad(y, x, u, create_graph=True)
    J_v = ag.grad(J_transposed_u, u, v, create_graph=True)
    J_transposed_w = ag.grad(J_v, v, w)
    np.testing.assert_allclose(J_transposed_w.numpy(), ag.grad(OPS[name](x), x, w).numpy(), rtol=1e-12)


def test_unpooling_by_central_differences():
    rng = np.random.default_rng(0)
    y, indices = max_pool2d(distinct(0, 2, 3, 4, 6), 2, return_indices=True)
    f = lambda y: max_unpool2d(y, indices, 2) ** 2
    assert gradcheck(f, [y], rng) < 1e-6 and gradgradcheck(f, [y], rng) < 1e-6


REORDERING = {"adaptive_max_pool2d", "pixel_shuffle", "pixel_unshuffle"}


@pytest.mark.parametrize("name", sorted(set(OPS) - REORDERING))
def test_channels_last_stays_channels_last(in_layout, leaf, name):
    x = leaf(in_layout(distinct(0, 2, 4, 6, 8), "channels-last"))
    y = OPS[name](x)
    assert y.data.transpose(0, 2, 3, 1).flags.c_contiguous
    g = ag.grad(y, x, leaf(in_layout(np.ones(y.shape), "channels-last")))
    assert g.data.strides[1] == g.data.itemsize


@pytest.mark.parametrize("name", OPS)
def test_an_empty_batch(name):
    x = ag.parameter(np.zeros((0, 4, 6, 8)))
    y = OPS[name](x)
    assert y.shape == (0, *OPS[name](np.zeros((1, 4, 6, 8))).shape[1:])
    assert ag.grad(y, x, np.zeros(y.shape)).shape == x.shape


image = np.zeros((2, 4, 6, 8))
places = np.zeros((2, 4, 3, 4), int)
small = np.zeros((2, 4, 3, 4))


WRONG_VALUES = [
    (lambda: max_pool2d(image, 2, padding=2), r"max_pool2d: padding=\(2, 2\) must be at most half"),
    (lambda: max_pool2d(image, 7), r"window of \(7, 7\) .* does not fit into input \(2, 4, 6, 8\)"),
    (lambda: max_pool2d(image, 2, stride=0), r"stride is 0, expected 1 or more"),
    (lambda: max_pool2d(image, (2, 2, 2)), r"kernel_size is \(2, 2, 2\)"),
    (lambda: max_pool2d(image[0, 0], 2), r"input must be \(N, C, H, W\) or \(C, H, W\)"),
    (lambda: max_pool2d(image[:, :0], 2), r"only N may be 0: input \(2, 0, 6, 8\)"),
    (lambda: max_pool1d(image[0], 7, padding=4), r"max_pool1d: padding=\(4,\) must be at most half"),
    (lambda: max_pool1d(image[0], 9), r"window of \(9,\) .* does not fit into input \(4, 6, 8\)"),
    (lambda: avg_pool1d(image, 2), r"avg_pool1d: input must be \(N, C, L\) or \(C, L\), only N may be 0: input \(2, 4"),
    (lambda: avg_pool1d(image[0], (2, 2)), r"avg_pool1d: kernel_size is \(2, 2\), expected one integer or 1"),
    (lambda: max_unpool2d(small, places[:1], 2), r"max_unpool2d: indices must be .* input's shape"),
    (lambda: max_unpool2d(small, small, 2), r"integers .* got float64"),
    (lambda: max_unpool2d(small, places + 48, 2), r"values from 48 to 48, .* places 0 to 47"),
    (lambda: max_unpool2d(small, places - 1, 2), r"values from -1 to -1"),
    (lambda: max_unpool2d(small, places, 2, output_size=(8, 8)), r"output_size is \(8, 8\), expected"),
    (lambda: avg_pool2d(image, 2, divisor_override=0), r"divisor_override is 0"),
    (lambda: avg_pool2d(image, 2, padding=2), r"at most half"),
    (lambda: adaptive_avg_pool2d(image, -1), r"output_size is \(-1, -1\), expected 0 or more"),
    (lambda: adaptive_avg_pool2d(image, (1, 2, 3)), r"output_size is \(1, 2, 3\)"),
    (lambda: adaptive_max_pool2d(image[:, :, :0], 1), r"only N may be 0"),
    (lambda: interpolate(image), r"pass either size or scale_factor, got None and None"),
    (lambda: interpolate(image, 3, 2.0), r"got 3 and 2.0"),
    (lambda: interpolate(image, 3, mode="cubic"), r"mode is 'cubic', expected one of nearest"),
    (lambda: interpolate(image, 3, mode="linear"), r"has 2 spatial axes, mode='linear' needs 1"),
    (lambda: interpolate(image[0], 3, mode="bilinear"), r"has 1 spatial axes, mode='bilinear' needs 2"),
    (lambda: interpolate(image[0, 0], 3), r"has 0 spatial axes"),
    (lambda: interpolate(image, 3, align_corners=True), r"align_corners has no meaning"),
    (lambda: interpolate(image, (3, 3, 3)), r"\(3, 3, 3\) must have one entry per spatial axis"),
    (lambda: interpolate(image, 0), r"output size is \(0, 0\), expected 1 or more"),
    (lambda: interpolate(image, scale_factor=0.1), r"output size is \(0, 0\)"),
    (lambda: interpolate(image[:, :, :0], 3), r"only the batch may be empty"),
    (lambda: pixel_shuffle(image[:, :3], 2), r"pixel_shuffle: input \(2, 3, 6, 8\) must be"),
    (lambda: pixel_shuffle(image[0, 0], 2), r"pixel_shuffle: input \(6, 8\)"),
    (lambda: pixel_shuffle(image, 0), r"upscale_factor=0 positive"),
    (lambda: pixel_unshuffle(image, 4), r"pixel_unshuffle: input .* divisible by downscale_factor=4"),
    (lambda: pixel_unshuffle(image, 0), r"downscale_factor=0"),
]
WRONG_TYPES = [
    (lambda: avg_pool2d(image.astype(int), 2), r"dtype int64, a mean needs floating point"),
    (lambda: interpolate(image, 2.5), r"output size is \(2.5, 2.5\), expected an integer"),
    (lambda: interpolate(image.astype(int), 3, mode="bilinear"), r"dtype int64, .* needs floats"),
]
WRONG = [(ValueError, *row) for row in WRONG_VALUES] + [(TypeError, *row) for row in WRONG_TYPES]


@pytest.mark.parametrize("error, call, message", WRONG)
def test_what_is_wrong_is_said(error, call, message):
    with pytest.raises(error, match=message):
        call()
