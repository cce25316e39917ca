"""Normalizations: against PyTorch, central differences, and the statistics they are named for."""
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd.backend import asarray, to_numpy, xp
from autograd.gradcheck import gradcheck, gradgradcheck
from autograd.norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm

RUNS = settings(max_examples=30, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck))
LAYOUTS = st.sampled_from(["contiguous", "channels-last", "sliced", "reversed"])
INTEGERS = st.integers(0, 10**6)


def normal(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


@st.composite
def shapes(draw, least_pixels=1):
    """(groups, shape) of an input (N, groups * size, ...) with none to three spatial axes."""
    groups = draw(st.integers(1, 3))
    pixels = draw(st.lists(st.integers(1, 4), max_size=3))
    if int(np.prod(pixels)) < least_pixels:
        pixels = [draw(st.integers(2, 4))] + pixels[1:]
    return groups, (draw(st.integers(2, 3)), groups * draw(st.integers(1, 3)), *pixels)


def parameters(kind, C, seed):
    """The weight and bias that `kind` says are there, as a list."""
    return normal(seed, *[(C,)] * {"none": 0, "weight": 1, "both": 2}[kind])


PARAMETERS = st.sampled_from(["none", "weight", "both"])

# Against PyTorch


@RUNS
@given(shapes(), LAYOUTS, PARAMETERS, INTEGERS)
def test_batch_norm_is_torchs(same_as_torch, in_layout, drawn, layout, kind, seed):
    import torch
    import torch.nn.functional as F

    _, shape = drawn
    x, = normal(seed, shape)
    arrays = [in_layout(x, layout), *parameters(kind, shape[1], seed)]
    same_as_torch(lambda x, *wb: batch_norm(x, None, None, *wb, training=True),
                  lambda x, *wb: F.batch_norm(x, None, None, *wb, training=True), arrays, 1e-7)
    mean, var = normal(seed + 1, shape[1:2])[0], np.random.default_rng(seed).random(shape[1]) + 0.2
    ours = lambda x: (asarray(mean.astype(x.dtype)), asarray(var.astype(x.dtype)))
    theirs = lambda x: (torch.tensor(mean, dtype=x.dtype), torch.tensor(var, dtype=x.dtype))
    same_as_torch(lambda x, *wb: batch_norm(x, *ours(x), *wb, eps=1e-3),
                  lambda x, *wb: F.batch_norm(x, *theirs(x), *wb, eps=1e-3), arrays)


@RUNS
@given(shapes(), LAYOUTS, PARAMETERS, INTEGERS)
def test_group_norm_is_torchs(same_as_torch, in_layout, drawn, layout, kind, seed):
    import torch.nn.functional as F

    groups, shape = drawn
    x, = normal(seed, shape)
    same_as_torch(lambda x, *wb: group_norm(x, groups, *wb, eps=1e-3),
                  lambda x, *wb: F.group_norm(x, groups, *wb, eps=1e-3),
                  [in_layout(x, layout), *parameters(kind, shape[1], seed)], 1e-7)


@RUNS
@given(shapes(least_pixels=2), LAYOUTS, PARAMETERS, INTEGERS)
def test_instance_norm_is_torchs(same_as_torch, in_layout, drawn, layout, kind, seed):
    import torch.nn.functional as F

    _, shape = drawn
    x, = normal(seed, shape)
    same_as_torch(lambda x, *wb: instance_norm(x, None, None, *wb, eps=1e-3),
                  lambda x, *wb: F.instance_norm(x, None, None, *wb, eps=1e-3),
                  [in_layout(x, layout), *parameters(kind, shape[1], seed)], 1e-7)


@RUNS
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data(), st.booleans(), INTEGERS)
def test_layer_norm_and_rms_norm_are_torchs(same_as_torch, shape, data, weighted, seed):
    import torch.nn.functional as F

    last = tuple(shape[-data.draw(st.integers(1, len(shape))):])
    x, w, b = normal(seed, shape, last, last)
    same_as_torch(lambda x, *wb: layer_norm(x, last, *wb, eps=1e-3),
                  lambda x, *wb: F.layer_norm(x, last, *wb, eps=1e-3), [x, w, b] if weighted else [x], 1e-7)
    same_as_torch(lambda x, *w: rms_norm(x, last, *w, eps=1e-3),
                  lambda x, *w: F.rms_norm(x, last, *w, eps=1e-3), [x, w] if weighted else [x], 1e-7)
    same_as_torch(lambda x: rms_norm(x, last), lambda x: F.rms_norm(x, last), [x], 1e-6)


@pytest.mark.parametrize("op", ["batch_norm", "instance_norm"])
@pytest.mark.parametrize("shape", [(4, 3), (3, 2, 5), (2, 3, 4, 5)])
def test_running_statistics_are_torchs(op, shape):
    torch = pytest.importorskip("torch")
    ours, theirs = {"batch_norm": (batch_norm, torch.nn.functional.batch_norm),
                    "instance_norm": (instance_norm, torch.nn.functional.instance_norm)}[op]
    if op == "instance_norm" and len(shape) == 2:
        shape += (2,)
    mean, var = normal(1, shape[1:2])[0], np.ones(shape[1])
    torch_mean, torch_var = torch.tensor(mean), torch.tensor(var)
    kept = asarray(mean), asarray(var)
    for step, x in enumerate(normal(2, shape, shape, shape)):
        x = 3.0 * x + step
        ours(x, *kept, None, None, True, 0.3)
        theirs(torch.tensor(x), torch_mean, torch_var, None, None, True, 0.3)
    np.testing.assert_allclose(to_numpy(kept[0]), torch_mean, rtol=1e-12)  # moved in place
    np.testing.assert_allclose(to_numpy(kept[1]), torch_var, rtol=1e-12)
    x, = normal(3, shape)
    expected = theirs(torch.tensor(x), torch_mean, torch_var, None, None, False)
    np.testing.assert_allclose(ours(x, *kept, None, None, False).numpy(), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(to_numpy(kept[0]), torch_mean, rtol=1e-12)  # evaluation leaves them alone


# Against mathematics

SETS = {  # op, and the axes of (N, G, C/G, H, W) that it makes standard
    "batch": (lambda x: batch_norm(x, None, None, training=True, eps=1e-12), (0, 3, 4)),
    "group": (lambda x: group_norm(x, 2, eps=1e-12), (2, 3, 4)),
    "instance": (lambda x: instance_norm(x, eps=1e-12), (3, 4)),
    "layer": (lambda x: layer_norm(x, x.shape[1:], eps=1e-12), (1, 2, 3, 4)),
}


@pytest.mark.parametrize("name", SETS)
def test_the_set_has_mean_0_and_variance_1(name):
    op, axes = SETS[name]
    x = 3.0 * normal(0, (4, 6, 5, 7))[0] + np.arange(6.0)[:, None, None]
    y = op(x).numpy().reshape(4, 2, 3, 5, 7)
    np.testing.assert_allclose(y.mean(axis=axes), 0.0, atol=1e-13)
    np.testing.assert_allclose(y.var(axis=axes), 1.0, rtol=1e-10)
    if name != "layer":  # a set within channels: each may be scaled and shifted without a change
        np.testing.assert_allclose(op(0.1 * x - 2.0).numpy().reshape(y.shape), y, rtol=1e-8, atol=1e-10)


def test_rms_norm_has_mean_square_1():
    y = rms_norm(normal(0, (5, 7))[0] + 2.0, (7,)).numpy()
    np.testing.assert_allclose((y**2).mean(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("name", SETS)
def test_a_large_mean_in_float32(name):
    """mean(x^2) - mean(x)^2 would leave nothing of a variance of 1 beside a mean of 10,000."""
    op, _ = SETS[name]
    x = (normal(0, (4, 6, 8, 8))[0] + 1e4).astype(np.float32)  # rounded to steps of 1e-3
    np.testing.assert_allclose(op(x).numpy(), op(x.astype(float)).numpy(), atol=2e-3)
    x = (normal(0, (4, 6, 8, 8))[0] + 100.0).astype(np.float32)
    np.testing.assert_allclose(op(x).numpy(), op(x.astype(float)).numpy(), atol=1e-4)


OPS = {
    "batch_norm": lambda x, w, b: batch_norm(x, None, None, w, b, training=True),
    "batch_norm in evaluation": lambda x, w, b: batch_norm(x, xp.arange(4.0), xp.arange(4.0) + 0.5, w, b),
    "group_norm": lambda x, w, b: group_norm(x, 2, w, b),
    "instance_norm": lambda x, w, b: instance_norm(x, None, None, w, b),
    "layer_norm": lambda x, w, b: layer_norm(x, (4,), w, b),
    "rms_norm": lambda x, w, b: rms_norm(x, (4,), w) + b,
}


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("shape", [(3, 4, 2, 4), (2, 4, 4)])
def test_derivatives_by_central_differences(name, shape):
    rng = np.random.default_rng(0)
    inputs = normal(1, shape, (4,), (4,))
    assert gradcheck(OPS[name], inputs, rng) < 1e-6
    assert gradgradcheck(OPS[name], inputs, rng) < 1e-6


@pytest.mark.parametrize("name", OPS)
def test_first_derivatives_in_float32(name):
    """The paths that only arrays take, in the precision that they are for."""
    inputs = normal(1, (4, 4, 6, 4), (4,), (4,))
    u, = normal(2, (4, 4, 6, 4))
    double, single = ([ag.parameter(a, dtype=t) for a in inputs] for t in (np.float64, np.float32))
    expected = ag.grad(OPS[name](*double), double, u)
    if name == "batch_norm in evaluation":
        op = lambda x, w, b: batch_norm(x, *(xp.arange(4, dtype=np.float32) + i for i in (0.0, 0.5)), w, b)
    else:
        op = OPS[name]
    for g, e in zip(ag.grad(op(*single), single, u.astype(np.float32)), expected):
        assert g.dtype == np.float32
        np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["batch_norm", "group_norm", "instance_norm"])
def test_channels_last_stays_channels_last(in_layout, leaf, name):
    x, w, b = normal(0, (2, 4, 5, 6), (4,), (4,))
    x, w, b = leaf(in_layout(x, "channels-last")), ag.parameter(w), ag.parameter(b)
    y = OPS[name](x, w, b)
    g, = ag.grad(y, [x], leaf(in_layout(normal(1, y.shape)[0], "channels-last")))
    for t in (y, g):
        assert t.data.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("shape", [(0, 4, 3, 4), (2, 4, 0, 4)])
@pytest.mark.parametrize("name", OPS)
def test_an_empty_input(name, shape):
    x, w, b = (ag.parameter(a) for a in normal(0, shape, (4,), (4,)))
    y = OPS[name](x, w, b)
    assert y.shape == shape
    gx, gw, gb = ag.grad(y, [x, w, b], np.zeros(shape))
    assert gx.shape == shape and not gw.numpy().any() and not gb.numpy().any()


def test_an_empty_batch_leaves_running_statistics_alone():
    mean, var = xp.ones(3), xp.ones(3)
    batch_norm(np.zeros((0, 3, 2)), mean, var, training=True)
    assert (mean == 1).all() and (var == 1).all()


x = np.zeros((2, 4, 3))
ones, zeros = xp.ones(4), xp.zeros(4)


WRONG_VALUES = [
    (lambda: batch_norm(x[:1, :, :1], zeros, ones, training=True), r"batch_norm: .* input \(1, 4, 1\)"),
    (lambda: batch_norm(x, zeros, ones, training=True, eps=0.0), r"eps > 0, got .* eps=0.0"),
    (lambda: batch_norm(x, None, None), r"running_mean and running_var must both be given"),
    (lambda: batch_norm(x, zeros, None, training=True), r"running_mean and running_var"),
    (lambda: batch_norm(x, zeros[:3], ones), r"running_mean has shape \(3,\), expected \(4,\)"),
    (lambda: batch_norm(x, zeros, ones[:3]), r"running_var has shape \(3,\), expected \(4,\)"),
    (lambda: batch_norm(x, zeros, ones, ones[:2]), r"weight has shape \(2,\), expected \(4,\)"),
    (lambda: batch_norm(x, zeros, ones, ones, ones[:2]), r"bias has shape \(2,\), expected \(4,\)"),
    (lambda: batch_norm(x[0, 0], zeros, ones), r"input must be \(N, C, ...\), got shape \(3,\)"),
    (lambda: group_norm(x, 3), r"group_norm: 4 channels do not divide into num_groups=3"),
    (lambda: group_norm(x, 0), r"num_groups=0"),
    (lambda: group_norm(x[:1, :, 0], 4), r"a group has a single value, input \(1, 4\)"),
    (lambda: instance_norm(x[:, :, :1]), r"instance_norm: a channel has a single pixel"),
    (lambda: instance_norm(x, use_input_stats=False), r"running_mean and running_var must both"),
    (lambda: layer_norm(x, (4,)), r"normalized_shape is \(4,\), the last axes of input \(2, 4, 3\)"),
    (lambda: layer_norm(x, ()), r"normalized_shape is \(\)"),
    (lambda: layer_norm(x, (3,), ones), r"layer_norm: weight has shape \(4,\), expected \(3,\)"),
    (lambda: layer_norm(x, (3,), None, ones), r"bias has shape \(4,\), expected \(3,\)"),
    (lambda: layer_norm(x[0, 0], (2, 3)), r"normalized_shape is \(2, 3\)"),
    (lambda: rms_norm(x, (2,)), r"rms_norm: normalized_shape is \(2,\)"),
    (lambda: rms_norm(x, (3,), ones), r"rms_norm: weight has shape \(4,\)"),
]
WRONG_TYPES = [
    (lambda: batch_norm(x.astype(int), zeros, ones), r"input has dtype int64"),
    (lambda: batch_norm(x, zeros, ones, ones.astype(np.float32)), r"weight has dtype float32, input"),
    (lambda: batch_norm(x, zeros, [1.0] * 4), r"running_var is builtins.list, expected an array on the device in use"),
]
WRONG = [(ValueError, *row) for row in WRONG_VALUES] + [(TypeError, *row) for row in WRONG_TYPES]


@pytest.mark.parametrize("error, call, message", WRONG)
def test_what_is_wrong_is_said(error, call, message):
    with pytest.raises(error, match=message):
        call()
