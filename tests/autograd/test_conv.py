"""The trio: against PyTorch, SciPy, central differences, and its own definition as one trilinear form."""
import sys

import numpy as np
import pytest
import scipy.signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import conv
from autograd.conv import convolution, filter_gradient, transposed_convolution
from autograd.cpu import columns, depthwise, einsum, pointwise
from autograd.cpu import convolution as on_cpu
from autograd.geometry import Geometry, output_size
from autograd.gradcheck import gradcheck, gradgradcheck

RUNS = settings(max_examples=40, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck))
LAYOUTS = st.sampled_from(["contiguous", "channels-last", "sliced", "reversed", "repeated"])
INTEGERS = st.integers(0, 10**6)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def cases(draw):
    """Sizes of a convolution: (x shape, w shape, Geometry, groups)."""
    groups, per_in = draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([1, 2, 9]))
    N, per_out = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    kernel, stride, dilation = draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(1, 3))
    image, padding = draw(pairs(1, 8)), draw(pairs(0, 3))
    image = tuple(max(n, d * (k - 1) + 1 - 2 * p) for n, k, d, p in zip(image, kernel, dilation, padding))
    output = tuple(map(output_size, image, kernel, stride, padding, padding, dilation))
    geometry = Geometry(image, kernel, output, stride, padding, dilation)
    return (N, groups * per_in, *image), (groups * per_out, per_in, *kernel), geometry, groups


def normal(rng, *shapes):
    return [rng.standard_normal(shape) for shape in shapes]


# Against PyTorch


@RUNS
@given(cases(), LAYOUTS, st.booleans(), st.booleans(), INTEGERS)
def test_conv2d_is_torchs(same_as_torch, in_layout, case, kind, with_bias, batched, seed):
    import torch.nn.functional as F

    x_shape, w_shape, geometry, groups = case
    x, w, b = normal(np.random.default_rng(seed), x_shape, w_shape, w_shape[:1])
    x = in_layout(x, kind) if batched else x[0]
    arrays = [x, w, b] if with_bias else [x, w]
    given_ = dict(stride=geometry.stride, padding=geometry.padding, dilation=geometry.dilation, groups=groups)
    same_as_torch(lambda *a: ag.conv2d(*a, **given_), lambda *a: F.conv2d(*a, **given_), arrays)


@RUNS
@given(cases(), LAYOUTS, st.booleans(), st.booleans(), INTEGERS)
def test_conv_transpose2d_is_torchs(same_as_torch, in_layout, case, kind, with_bias, batched, seed):
    import torch.nn.functional as F

    rng = np.random.default_rng(seed)
    x_shape, w_shape, geometry, groups = case
    extra = tuple(n - ((p - 1) * s - 2 * b + d * (k - 1) + 1) for n, k, p, s, b, d in zip(*geometry))
    y, w, b = normal(rng, (x_shape[0], w_shape[0], *geometry.output), w_shape, (x_shape[1],))
    y = in_layout(y, kind) if batched else y[0]
    arrays = [y, w, b] if with_bias else [y, w]
    given_ = dict(stride=geometry.stride, padding=geometry.padding, dilation=geometry.dilation, groups=groups)
    if any(e >= max(s, d) for e, s, d in zip(extra, geometry.stride, geometry.dilation)):
        extra = 0
    same_as_torch(lambda *a: ag.conv_transpose2d(*a, output_padding=extra, **given_),
                  lambda *a: F.conv_transpose2d(*a, output_padding=extra, **given_), arrays)


@RUNS
@given(cases(), st.booleans(), INTEGERS)
def test_conv1d_and_its_transpose_are_torchs(same_as_torch, case, batched, seed):
    import torch.nn.functional as F

    (N, C, H, _), w_shape, geometry, groups = case
    rng = np.random.default_rng(seed)
    stride, padding, dilation = geometry.stride[0], geometry.padding[0], geometry.dilation[0]
    x, w, b = normal(rng, (N, C, H), w_shape[:3], w_shape[:1])
    x = x if batched else x[0]
    same_as_torch(lambda *a: ag.conv1d(*a, stride, padding, dilation, groups),
                  lambda *a: F.conv1d(*a, stride, padding, dilation, groups), [x, w, b])
    extra = max(stride, dilation) - 1
    length = (geometry.output[0] - 1) * stride - 2 * padding + dilation * (geometry.kernel[0] - 1) + 1 + extra
    if length > 0:
        y, b = normal(rng, (N, len(w), geometry.output[0]), (C,))
        same_as_torch(lambda *a: ag.conv_transpose1d(*a, stride, padding, extra, groups, dilation),
                      lambda *a: F.conv_transpose1d(*a, stride, padding, extra, groups, dilation), [y, w, b])


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel, dilation", [((3, 3), 1), ((2, 5), 1), ((4, 1), (3, 2)), ((2, 2), 2)])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_named_padding_is_torchs(same_as_torch, padding, kernel, dilation):
    import torch.nn.functional as F

    x, w, b = normal(np.random.default_rng(0), (2, 3, 11, 9), (4, 3, *kernel), (4,))
    same_as_torch(lambda *a: ag.conv2d(*a, padding=padding, dilation=dilation),
                  lambda *a: F.conv2d(*a, padding=padding, dilation=dilation), [x, w, b])


@RUNS
@given(cases(), st.booleans(), INTEGERS)
def test_unfold_and_fold_are_torchs(same_as_torch, case, batched, seed):
    import torch.nn.functional as F

    x_shape, _, geometry, _ = case
    x, = normal(np.random.default_rng(seed), x_shape)
    x = x if batched else x[0]
    args = geometry.kernel, geometry.dilation, geometry.padding, geometry.stride
    same_as_torch(lambda x: ag.unfold(x, *args), lambda x: F.unfold(x, *args), [x])
    y = np.random.default_rng(seed).standard_normal(ag.unfold(x, *args).shape)
    args = geometry.image, *args
    same_as_torch(lambda y: ag.fold(y, *args), lambda y: F.fold(y, *args), [y])


# Against mathematics


@RUNS
@given(cases(), INTEGERS)
def test_the_three_ops_are_derivatives_of_one_form(case, seed):
    """<conv(x, w), y> = <x, conv^T(y, w)> = <w, filter gradient(x, y)>: all are T(x, w, y)."""
    x_shape, w_shape, geometry, groups = case
    y_shape = (x_shape[0], w_shape[0], *geometry.output)
    x, w, y = map(ag.Tensor, normal(np.random.default_rng(seed), x_shape, w_shape, y_shape))
    dot = lambda a, b: float((a.data * b.data).sum())
    T = dot(convolution(x, w, None, geometry, groups), y)
    size = float(np.linalg.norm(x.data) * np.linalg.norm(w.data) * np.linalg.norm(y.data))
    assert dot(x, transposed_convolution(y, w, None, geometry, groups)) == pytest.approx(T, abs=1e-14 * size)
    assert dot(w, filter_gradient(x, y, geometry, groups)) == pytest.approx(T, abs=1e-14 * size)


def shifted_sums(x, w, geometry, groups):
    """y[n,o,p,q] = sum_crs w[o,c,r,s] x[n, c, stride p + dilation r - padding, ...], number by number."""
    (P, Q), per_in, per_out = geometry.output, w.shape[1], len(w) // groups
    y = np.zeros((len(x), len(w), P, Q))
    for o, c, r, s, p, q in np.ndindex(*w.shape, P, Q):
        i, j = (stride * at + dilation * tap - padding for stride, at, dilation, tap, padding in
                zip(geometry.stride, (p, q), geometry.dilation, (r, s), geometry.padding))
        if 0 <= i < geometry.image[0] and 0 <= j < geometry.image[1]:
            y[:, o, p, q] += w[o, c, r, s] * x[:, o // per_out * per_in + c, i, j]
    return y


@pytest.mark.cpu
@settings(RUNS, max_examples=15)
@given(cases(), INTEGERS)
def test_the_convolution_by_einsum_is_the_sum_as_it_is_written(case, seed):
    """And its other two maps are that one's transposes."""
    x_shape, w_shape, geometry, groups = case
    x, w, y = normal(np.random.default_rng(seed), x_shape, w_shape, (x_shape[0], w_shape[0], *geometry.output))
    result = einsum.convolve(x, w, None, geometry, groups)
    np.testing.assert_allclose(result, shifted_sums(x, w, geometry, groups), rtol=1e-11, atol=1e-11)
    sent, weights = einsum.conv_transpose(y, w, None, geometry, groups), einsum.filter_gradient(x, y, geometry, groups)
    tolerance = 1e-13 * np.linalg.norm(x) * np.linalg.norm(w) * np.linalg.norm(y)
    assert (x * sent).sum() == pytest.approx((result * y).sum(), abs=tolerance)
    assert (w * weights).sum() == pytest.approx((result * y).sum(), abs=tolerance)
    b, a = normal(np.random.default_rng(seed), w_shape[:1], x_shape[1:2])
    np.testing.assert_array_equal(einsum.convolve(x, w, b, geometry, groups), result + b[:, None, None])
    np.testing.assert_array_equal(einsum.conv_transpose(y, w, a, geometry, groups), sent + a[:, None, None])


@pytest.mark.cpu
@RUNS
@given(cases(), LAYOUTS, INTEGERS)
def test_every_way_is_the_convolution_by_einsum(in_layout, case, kind, seed):
    """Whichever fit, chosen or not."""
    x_shape, w_shape, geometry, groups = case
    (C, O), y_shape = (x_shape[1], w_shape[0]), (x_shape[0], w_shape[0], *geometry.output)
    x, w, y, b, a = normal(np.random.default_rng(seed), x_shape, w_shape, y_shape, (O,), (C,))
    x, y = in_layout(x, kind), in_layout(y, kind)
    near = lambda ours, twin: np.testing.assert_allclose(ours, twin, rtol=1e-10, atol=1e-10)
    fitting = [depthwise] * depthwise.fits(C, O, groups) + [pointwise] * pointwise.fits(geometry, groups)
    for way in [columns, on_cpu, *fitting]:
        near(way.convolve(x, w, b, geometry, groups), einsum.convolve(x, w, b, geometry, groups))
        near(way.filter_gradient(x, y, geometry, groups), einsum.filter_gradient(x, y, geometry, groups))
    for sent in (on_cpu.gather, columns.conv_transpose, on_cpu.conv_transpose):
        near(sent(y, w, a, geometry, groups), einsum.conv_transpose(y, w, a, geometry, groups))


@pytest.mark.cpu
@pytest.mark.parametrize("C, O, groups, kernel, stride, chosen", [
    (32, 32, 1, 3, 1, "winograd"), (32, 32, 1, 6, 2, "space_to_depth"), (32, 32, 1, 1, 1, "pointwise"),
    (32, 32, 32, 3, 1, "depthwise"), (32, 32, 2, 3, 1, "columns"), (32, 32, 1, 4, 2, "columns"),
    (2, 2, 1, 4, 2, "columns"), (32, 32, 1, 1, 2, "columns"), (1, 1, 1, 3, 1, "columns")])
def test_each_way_is_chosen_for_what_it_is_made_for(C, O, groups, kernel, stride, chosen):
    output = ((16 + 2 * (kernel // 2) - kernel) // stride + 1,) * 2
    geometry = Geometry((16, 16), (kernel,) * 2, output, (stride,) * 2, (kernel // 2,) * 2, (1, 1))
    way = on_cpu.way(C, O, geometry, groups, np.dtype(np.float32))
    assert way.__name__ == f"autograd.cpu.{chosen}"


@pytest.mark.parametrize("shape", [(1 << 21, 2, 1, 1), (1, 2, 1 << 11, 1 << 11), (2, 3, 1000, 1001)])
def test_a_sum_over_very_many_pixels_keeps_its_digits(in_layout, shape):
    """A bias's gradient in float32: adding one pixel after the other would lose 2e-5 of it, and more of more."""
    g = in_layout(np.random.default_rng(0).random(shape, np.float32), "channels-last")
    exact = g.sum(axis=(0, 2, 3), dtype=np.float64)
    np.testing.assert_allclose(conv.channel_sums(ag.Tensor(g)).numpy(), exact, rtol=1e-6)


@pytest.mark.cpu
@RUNS
@given(cases(), INTEGERS)
def test_gather_and_scatter_are_the_same_transpose(case, seed):
    x_shape, w_shape, geometry, groups = case
    y_shape = (x_shape[0], w_shape[0], *geometry.output)
    arrays = normal(np.random.default_rng(seed), y_shape, w_shape, x_shape[1:2])
    gathered, scattered = (way(*arrays, geometry, groups) for way in (on_cpu.gather, columns.conv_transpose))
    np.testing.assert_allclose(gathered, scattered, rtol=1e-10, atol=1e-10)


@pytest.mark.cpu
@pytest.mark.parametrize("numbers", [1, 60, 300, 1500, 3000, 20000])
def test_the_size_of_a_block_does_not_matter(monkeypatch, numbers):
    """Blocks of one row, of some rows, of some images: the results are those of one block."""
    rng = np.random.default_rng(1)
    geometry = Geometry((9, 7), (3, 2), (9, 8), (1, 1), (1, 1), (1, 1))
    for C, O, groups in [(2, 3, 1), (9, 8, 1), (18, 4, 2), (4, 4, 4)]:
        x, w, y = normal(rng, (5, C, 9, 7), (O, C // groups, 3, 2), (5, O, 9, 8))
        calls = [(on_cpu.convolve, x, w, None), (on_cpu.filter_gradient, x, y),
                 (on_cpu.gather, y, w, None), (columns.conv_transpose, y, w, None)]
        run = lambda: [f(*arrays, geometry, groups) for f, *arrays in calls]
        whole = run()
        monkeypatch.setattr(columns, "BLOCK", numbers)
        monkeypatch.setattr(depthwise, "BLOCK", numbers)
        for a, b in zip(run(), whole):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        monkeypatch.undo()


@RUNS
@given(pairs(1, 9), pairs(1, 4), INTEGERS)
def test_conv2d_is_scipys_correlation(image, kernel, seed):
    rng = np.random.default_rng(seed)
    image = tuple(map(max, image, kernel))
    x, w = normal(rng, (2, 3, *image), (4, 3, *kernel))
    y = ag.conv2d(x, w).numpy()
    for n in range(2):
        for o in range(4):
            expected = sum(scipy.signal.correlate2d(x[n, c], w[o, c], mode="valid") for c in range(3))
            np.testing.assert_allclose(y[n, o], expected, rtol=1e-11, atol=1e-11)


def test_conv2d_is_a_product_with_unfolded_columns():
    x, w = normal(np.random.default_rng(0), (2, 3, 7, 6), (5, 3, 3, 2))
    args = dict(dilation=(1, 2), padding=(2, 1), stride=(2, 1))
    y = ag.conv2d(x, w, **args)
    product = w.reshape(5, -1) @ ag.unfold(x, (3, 2), **args)
    np.testing.assert_allclose(y.numpy().reshape(2, 5, -1), product.numpy(), rtol=1e-12, atol=1e-12)


@RUNS
@given(cases(), INTEGERS)
def test_derivatives_by_central_differences(case, seed):
    x_shape, w_shape, geometry, groups = case
    rng = np.random.default_rng(seed)
    x, w, b, y = normal(rng, x_shape, w_shape, w_shape[:1], (x_shape[0], w_shape[0], *geometry.output))
    for check in (gradcheck, gradgradcheck):
        check(lambda x, w, b: convolution(x, w, b, geometry, groups), [x, w, b], rng, directions=1)
        check(lambda y, w: transposed_convolution(y, w, None, geometry, groups), [y, w], rng, directions=1)
        check(lambda x, y: filter_gradient(x, y, geometry, groups), [x, y], rng, directions=1)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (4, 1, 9, 9)])
def test_float32_is_as_exact_as_its_rounding(shape):
    rng = np.random.default_rng(0)
    x, w = normal(rng, shape, (6, shape[1], 3, 3))
    xs = [ag.parameter(a) for a in (x, w)]
    singles = [ag.parameter(a, dtype=np.float32) for a in (x, w)]
    y, single = ag.conv2d(*xs, padding=1), ag.conv2d(*singles, padding=1)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single.numpy(), y.numpy(), rtol=1e-5, atol=1e-5)
    u = rng.standard_normal(y.shape)
    for a, b in zip(ag.grad(single, singles, u.astype(np.float32)), ag.grad(y, xs, u)):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=2e-5)


# Layout, emptiness, economy


def is_channels_last(x):
    return x.data.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("kind", ["contiguous", "channels-last"])
@pytest.mark.parametrize("kernel, stride, groups", [(3, 1, 1), (1, 1, 1), (4, 2, 1), (3, 1, 2), (3, 1, 4)])
def test_results_are_channels_last(in_layout, kind, kernel, stride, groups):
    rng = np.random.default_rng(0)
    x = ag.parameter(in_layout(rng.standard_normal((2, 4, 8, 8)), kind))
    w = ag.parameter(rng.standard_normal((4, 4 // groups, kernel, kernel)))
    y = ag.conv2d(x, w, stride=stride, padding=kernel // 2, groups=groups)
    assert is_channels_last(y) and is_channels_last(y * 2.0 + 1.0)
    gx, _ = ag.grad(y, [x, w], np.ones(y.shape))
    assert is_channels_last(gx)


@pytest.mark.parametrize("kernel", [1, 3])
def test_an_empty_batch(kernel):
    rng = np.random.default_rng(0)
    x, w, b = (ag.parameter(a) for a in normal(rng, (0, 2, 5, 4), (3, 2, kernel, kernel), (3,)))
    y = ag.conv2d(x, w, b, padding=1)
    assert y.shape == (0, 3, 8 - kernel, 7 - kernel)
    gx, gw, gb = ag.grad(y, [x, w, b], np.zeros(y.shape))
    assert gx.shape == x.shape and not gw.numpy().any() and not gb.numpy().any()
    assert ag.conv_transpose2d(y.detach(), w).shape == (0, 2, 7, 6)
    assert ag.unfold(x, 2).shape == (0, 8, 12)
    assert ag.fold(np.zeros((0, 8, 12)), (5, 4), 2).shape == (0, 2, 5, 4)


def test_no_gradient_is_computed_that_nobody_asked_for(monkeypatch):
    def refuse(*args):
        raise AssertionError("computed a gradient of a constant")

    rng = np.random.default_rng(0)
    x, w = normal(rng, (2, 3, 5, 5), (4, 3, 3, 3))
    with monkeypatch.context() as patch:
        patch.setattr(conv, "weigh_filters", refuse)
        p = ag.parameter(x)
        ag.grad(ag.conv2d(p, w).sum(), p)
    with monkeypatch.context() as patch:
        patch.setattr(conv, "conv_transpose", refuse)
        p = ag.parameter(w)
        ag.grad(ag.conv2d(x, p).sum(), p)


@pytest.mark.cpu
def test_a_small_convolution_is_few_python_calls():
    """Of a batch of one, most of the time is Python's: 32 calls when this was written, 82 before ways were kept."""
    x, w = map(ag.Tensor, normal(np.random.default_rng(0), (1, 4, 8, 8), (4, 4, 4, 4)))
    calls = []
    ag.conv2d(x, w, stride=2, padding=1)  # chooses
    sys.setprofile(lambda frame, event, argument: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        ag.conv2d(x, w, stride=2, padding=1)
    finally:
        sys.setprofile(None)
    assert len(calls) <= 41


# What is rejected

image, filters = np.zeros((8, 3, 32, 32)), np.zeros((16, 3, 3, 3))


WRONG_VALUES = [
    (lambda: ag.conv2d(image, np.zeros((16, 4, 3, 3))),
     r"conv2d: input has 3 channels, weight expects 4: input \(8, 3, 32, 32\), weight \(16, 4, 3, 3\); "
     r"pass in_channels=3"),
    (lambda: ag.conv2d(image, filters, groups=3), r"input has 3 channels, weight expects 9"),
    (lambda: ag.conv2d(image, np.zeros((16, 1, 3, 3)), groups=3), r"16 output channels .* groups=3"),
    (lambda: ag.conv2d(image, filters, groups=0), r"groups is 0"),
    (lambda: ag.conv2d(image, filters, np.zeros(3)), r"bias must have shape \(16,\)"),
    (lambda: ag.conv2d(image, filters, np.zeros((16, 1))), r"bias must have shape"),
    (lambda: ag.conv2d(image, filters, stride=0), r"stride is 0, expected 1 or more"),
    (lambda: ag.conv2d(image, filters, stride=(1, 2, 3)), r"stride is \(1, 2, 3\), expected .* 2"),
    (lambda: ag.conv2d(image, filters, padding=-1), r"padding is -1, expected 0 or more"),
    (lambda: ag.conv2d(image, filters, dilation=0), r"dilation is 0"),
    (lambda: ag.conv2d(image, filters, padding="full"), r"padding is 'full', expected 'same'"),
    (lambda: ag.conv2d(image, filters, padding="same", stride=2), r"'same' needs stride 1"),
    (lambda: ag.conv2d(image[:, :, :2], filters), r"filter spans \[3, 3\].* only \[2, 32\]"),
    (lambda: ag.conv2d(image[:, :, :0], filters, padding=2), r"only the batch may be empty"),
    (lambda: ag.conv2d(image, filters[:0]), r"only the batch may be empty"),
    (lambda: ag.conv2d(image[0, 0], filters), r"input must be \(N, C, H, W\) or \(C, H, W\)"),
    (lambda: ag.conv2d(image, filters[0]), r"weight have 4 axes"),
    (lambda: ag.conv1d(image[0, :, 0], filters[0], stride=(1, 1)), r"conv1d: stride is \(1, 1\)"),
    (lambda: ag.conv_transpose2d(image, filters), r"input has 3 channels, weight expects 16"),
    (lambda: ag.conv_transpose2d(image, filters[:3], groups=2), r"3 input channels .* groups=2"),
    (lambda: ag.conv_transpose2d(image, filters[:3], output_padding=1), r"output_padding=1 must be"),
    (lambda: ag.conv_transpose2d(image, filters[:3], stride=2, output_padding=2), r"smaller than"),
    (lambda: ag.conv_transpose2d(image, filters[:3], stride=2, output_padding=-1), r"is -1"),
    (lambda: ag.conv_transpose2d(image, filters[:3], np.zeros(16)), r"bias must have shape \(3,\)"),
    (lambda: ag.conv_transpose2d(image[:, :, :1], filters[:3], padding=2), r"would have size"),
    (lambda: ag.unfold(image, 33), r"unfold: .* no place for kernel_size \(33, 33\)"),
    (lambda: ag.unfold(image, 2, padding=-1), r"padding is -1"),
    (lambda: ag.unfold(image[:, :0], 2), r"only N may be 0"),
    (lambda: ag.fold(np.zeros((2, 12, 15)), 5, 2), r"fold: input must be .* input \(2, 12, 15\)"),
    (lambda: ag.fold(np.zeros((2, 13, 16)), 5, 2), r"fold: input must be"),
    (lambda: ag.fold(np.zeros((2, 12, 16)), 1, 2), r"no place for kernel_size"),
]
WRONG_TYPES = [
    (lambda: ag.conv2d(image, filters, stride=1.0), r"stride is 1.0, expected an integer"),
    (lambda: ag.conv2d(image, filters.astype(np.float32)), r"one dtype, got float64, float32"),
    (lambda: ag.conv_transpose2d(image, filters[:3], padding="same"), r"padding is 'same'"),
]
WRONG = [(ValueError, *row) for row in WRONG_VALUES] + [(TypeError, *row) for row in WRONG_TYPES]


@pytest.mark.parametrize("error, call, message", WRONG)
def test_what_is_wrong_is_said(error, call, message):
    with pytest.raises(error, match=message):
        call()
