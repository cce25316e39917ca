"""The graph and the sweep: depth, memory, accumulation, orders, dtypes, errors."""
import ast
import gc
import inspect
import subprocess
import sys
import tracemalloc
import weakref

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, grad, no_grad, parameter
from autograd.backend import asarray, to_numpy, xp
from autograd.cases import CASES

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def draw(case, dtype=np.float64):
    return [x.astype(dtype) for x in case.inputs(np.random.default_rng(0))]


def listed(y):
    return list(y) if isinstance(y, (list, tuple)) else [y]


# Depth: neither the sweep nor Python's deallocation of a chain may recurse

STEPS = {
    "add": "y = y + 1.0",
    "mul": "y = y * c",
    "tanh": "y = y.tanh()",
    "reuse": "y = 0.5 * y + 0.5 * y",
    "getitem": "y = y[::-1]",
    "concatenate": "y = ag.concatenate([y[:1], y[1:]])",
    "prod": "y = ag.expand_dims(y.prod(), 0)",
}


@pytest.mark.parametrize("step, depth", [(step, 10_000) for step in STEPS] + [("add", 100_000), ("mul", 100_000)])
def test_deep_graphs(step, depth):
    """In a process of its own, as the failure would be a crash: forward, gradient, and deletion without a sweep."""
    size = 1 if step == "prod" else 2
    code = f"""
import autograd as ag
x, c = ag.parameter([0.5] * {size}), ag.parameter([1.0] * {size})
for sweep in (True, False):
    y = x
    for _ in range({depth}):
        {STEPS[step]}
    if sweep:
        y.sum().backward()
        assert x.grad.shape == x.shape
    del y
print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout == "done\n", f"exit code {done.returncode}: {done.stderr[-500:]}"


def test_deep_second_derivatives():
    x = y = parameter(np.array(0.3))
    for _ in range(3_000):
        y = y + 1e-4 * y * y
    first = grad(y, x, create_graph=True)
    second = grad(first, x)
    assert first.item() > 0.0 and np.isfinite(second.item())


# Accumulation: the first arrival is borrowed, the second allocates, later ones add in place, and nothing is shared


@every_case
def test_nobody_writes_into_inputs_or_cotangents(case):
    """All inputs and cotangents are read-only; twice, so that a gradient is also added to one that is there."""
    inputs = draw(case)
    for x in inputs:
        x.flags.writeable = False
    xs = [parameter(x) for x in inputs]
    for x, data in zip(xs, inputs):
        x.data = asarray(data)
    for _ in range(2):
        ys = listed(case.f(*xs))
        us = [np.random.default_rng(1).standard_normal(y.shape) for y in ys]
        for u in us:
            u.flags.writeable = False
        copies = [u.copy() for u in us]
        grads = grad([y for y in ys if y.requires_grad], xs, [u for y, u in zip(ys, us) if y.requires_grad],
                     allow_unused=True)
        for u, copy in zip(us, copies):
            np.testing.assert_array_equal(u, copy)
        assert all(g is None or g.shape == x.shape for g, x in zip(grads, xs))


def test_gradients_that_were_handed_on_do_not_change_later():
    """x is used five times: the second arrival must not be added into the first, which others hold as well."""
    seen = []

    def spy(x):
        def pullback(g):
            seen.append((g.data, g.data.copy()))
            return g

        return ag.record(x.data.copy(), (x, pullback))

    x = parameter(np.ones(3))
    y = spy(x)
    z = (y + spy(y) + (spy(y) + y) + spy(y) + y).sum()
    u = Tensor(np.array(2.0))
    g = grad(z, x, u)
    np.testing.assert_array_equal(g.numpy(), 12.0 * np.ones(3))
    assert len(seen) == 4
    for now, then in seen:
        np.testing.assert_array_equal(to_numpy(now), to_numpy(then))
    assert u.item() == 2.0


def test_gradients_of_two_leaves_may_be_one_array_and_stay_right():
    a, b = parameter(np.ones(3)), parameter(np.ones(3))
    u = np.array([1.0, 2.0, 3.0])
    (a + b).backward(u)
    (a + b + a).backward(u)
    np.testing.assert_array_equal(a.grad.numpy(), 3 * u)
    np.testing.assert_array_equal(b.grad.numpy(), 2 * u)
    np.testing.assert_array_equal(u, [1.0, 2.0, 3.0])


def test_backward_accumulates_and_grad_does_not():
    p = parameter([1.0, 2.0])
    for k in range(1, 4):
        (p * p).sum().backward()
        np.testing.assert_allclose(p.grad.numpy(), k * np.array([2.0, 4.0]))
    before = p.grad
    grad((p * p).sum(), p)
    assert p.grad is before


def test_backward_reaches_leaves_only():
    p, c = parameter([1.0, 2.0]), Tensor([3.0, 4.0])
    y = p * c
    y.sum().backward()
    assert y.grad is None and c.grad is None
    assert p.grad.requires_grad is False
    np.testing.assert_allclose(p.grad.numpy(), [3.0, 4.0])


def test_a_leaf_that_is_gone_is_passed_over():
    p = parameter([1.0])
    y = parameter([2.0]) * p
    y.backward()
    assert p.grad.item() == 2.0


# Memory


def test_backward_frees_as_it_goes():
    """By the time the sweep reaches the first op, the arrays of all later ones are gone."""
    alive = []

    def probe(x):
        def pullback(g):
            alive.append(sum(ref() is not None for ref in refs))
            return g

        return ag.record(x.data.copy(), (x, pullback))

    gc.disable()
    try:
        x = parameter(np.full(3, 0.1))
        y, refs = probe(x), []
        for op in (ag.exp, ag.tanh, ag.sigmoid, ag.sqrt, ag.relu, ag.softmax, ag.square, lambda x: x * x) * 5:
            y = op(y)
            refs.append(weakref.ref(y.data))
        y.sum().backward()
        assert alive == [1]  # y itself, which is still held here
    finally:
        gc.enable()


def test_peak_memory_of_backward_is_that_of_forward():
    n, layers = 100_000, 30  # 0.8 MB an array
    x = parameter(np.ones(n))
    gc.disable()
    tracemalloc.start()
    try:
        y = x
        for _ in range(layers):
            y = ag.exp(-y)  # keeps its output; the result of neg is kept by nobody
        y = y.sum()
        forward, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        y.backward()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    array = x.data.nbytes
    assert forward < (layers + 1) * array
    assert peak < forward + 4 * array
    assert after < 2 * array  # x.grad


def test_frozen_inputs_keep_nothing_alive():
    """An edge into a constant is never made, and so the other factor of its gradient is not held."""
    frozen, x = Tensor(np.ones(4)), parameter(np.ones(4))
    middle = ag.exp(Tensor(np.zeros(4)))
    ref = weakref.ref(middle.data)
    y = frozen + middle
    assert not y.requires_grad
    z = x + middle
    del middle, y
    assert ref() is None and z.requires_grad


@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
@every_case
def test_no_reference_cycles(case, create_graph):
    """What an op leaves behind, whatever it is, is freed when the last reference goes, without the garbage collector:
    a closure that names itself keeps its arrays as long as a Node would."""

    def run():
        xs = [parameter(x) for x in draw(case)]
        ys = [y * y for y in listed(case.f(*xs)) if y.requires_grad]  # so that dL/dy depends on y
        grad(ys, xs, [np.ones(y.shape) for y in ys], create_graph=create_graph, allow_unused=True)
        listed(case.f(*xs))  # a graph that is dropped without a sweep

    run()  # imports and caches of NumPy's
    gc.collect()
    gc.freeze()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        run()
        gc.collect()
        left = [type(x).__name__ for x in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()
    assert not left


# What grad returns


def test_grad_to_intermediate_results():
    x = parameter(np.array([1.0, 2.0]))
    h = ag.exp(x)
    y = (h * h).sum()
    g_h, g_x = grad(y, [h, x])
    np.testing.assert_allclose(g_h.numpy(), 2 * h.numpy())
    np.testing.assert_allclose(g_x.numpy(), 2 * h.numpy() ** 2)


def test_grad_of_the_output_itself_is_the_cotangent():
    x = parameter(np.ones(2))
    y = x * 3.0
    u = np.array([1.0, -1.0])
    g_y, g_x = grad(y, [y, x], u)
    np.testing.assert_array_equal(g_y.numpy(), u)
    np.testing.assert_array_equal(g_x.numpy(), 3 * u)


def test_no_other_gradient_is_computed():
    """Only the nodes on a path to what was asked for are visited, and only those are freed."""

    def trap(x):
        return ag.record(x.data, (x, lambda g: pytest.fail("a gradient that nobody asked for")))

    a, b = parameter(np.ones(2)), parameter(np.ones(2))
    branch = ag.exp(b)
    y = (a * trap(branch)).sum()
    np.testing.assert_allclose(grad(y, a).numpy(), np.e * np.ones(2))
    np.testing.assert_allclose(grad(branch.sum(), b).numpy(), np.e * np.ones(2))


def test_several_outputs_add():
    x = parameter(np.array([1.0, 2.0]))
    y, z = x * x, x.sum()
    us = [np.array([1.0, 10.0]), np.array(100.0)]
    np.testing.assert_allclose(grad([y, z], x, us).numpy(), [102.0, 140.0])
    y = (x * x).sum()
    np.testing.assert_allclose(grad([y, y], x).numpy(), [4.0, 8.0])  # the same output twice
    h = x * x
    y = (h * 3.0).sum()
    np.testing.assert_allclose(grad([y, h], x, [None, np.ones(2)]).numpy(), [8.0, 16.0])  # one within the other


def test_grad_of_one_and_of_a_list():
    x = parameter(np.ones(2))
    assert isinstance(grad(x.sum(), x), Tensor)
    (only,) = grad(x.sum(), [x])
    one, same = grad((x * x).sum(), [x, x])
    assert isinstance(only, Tensor)
    np.testing.assert_array_equal(one.numpy(), same.numpy())


def test_unused():
    x, z = parameter(np.ones(2)), parameter(np.ones((3, 1)))
    with pytest.raises(RuntimeError, match=r"does not depend on xs\[1\] of shape \(3, 1\)"):
        grad(x.sum(), [x, z])
    g_x, g_z = grad(x.sum(), [x, z], allow_unused=True)
    assert g_z is None and g_x.shape == (2,)


def test_detach_and_constants_stop_the_gradient():
    x = parameter(np.array([1.0, 2.0]))
    g = grad((x * x.detach()).sum(), x)
    np.testing.assert_array_equal(g.numpy(), x.numpy())
    assert not x.detach().requires_grad and x.detach().data is x.data


# Orders


def test_all_orders_of_a_polynomial():
    x = parameter(np.array([0.5, -1.5, 2.0]))
    y = (x**5).sum()
    t = x.numpy()
    for expected in (5 * t**4, 20 * t**3, 60 * t**2, 120 * t, 120 * np.ones(3)):
        g = grad(y, x, create_graph=True)
        np.testing.assert_allclose(g.numpy(), expected)
        y = g.sum()


def test_third_order_with_mixed_variables():
    """f = exp(a b): f_aab = (2 b + a b^2) exp(a b)."""
    a, b = parameter(np.array(0.7)), parameter(np.array(-0.4))
    f_a = grad(ag.exp(a * b), a, create_graph=True)
    f_aa = grad(f_a, a, create_graph=True)
    f_aab = grad(f_aa, b)
    A, B = a.item(), b.item()
    np.testing.assert_allclose(f_aa.item(), B * B * np.exp(A * B))
    np.testing.assert_allclose(f_aab.item(), (2 * B + A * B * B) * np.exp(A * B))


def test_create_graph_keeps_the_graph():
    x = parameter(np.ones(2))
    y = (x * x).sum()
    grad(y, x, create_graph=True)
    grad(y, x, create_graph=True)
    grad(y, x)
    with pytest.raises(RuntimeError, match="freed"):
        grad(y, x)


def test_gradients_carry_a_graph_only_if_asked():
    x = parameter(np.ones(2))
    assert grad((x * x).sum(), x).requires_grad is False
    assert grad((x * x).sum(), x, create_graph=True).requires_grad
    assert grad((x + x).sum(), x, create_graph=True).requires_grad is False  # 2, whatever x is
    u = parameter(np.array(1.0))
    assert grad((x + x).sum(), x, u, create_graph=True).requires_grad  # 2 u


def test_gradient_of_the_cotangent():
    x, u = parameter(np.array([1.0, 2.0])), parameter(np.array([3.0, 4.0]))
    g = grad(x**3, x, u, create_graph=True)
    np.testing.assert_allclose(grad(g.sum(), u).numpy(), 3 * x.numpy() ** 2)


# The recording flag


def test_no_grad():
    x = parameter(np.ones(2))
    with no_grad():
        y = x * x
        assert not ag.recording() and not y.requires_grad
        with no_grad():
            pass
        assert not ag.recording()
    assert ag.recording()
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert ag.recording()


def test_recording_in_a_pullback_says_whether_it_must_be_differentiable():
    seen = []

    def op(x):
        return ag.record(x.data * 2.0, (x, lambda g: seen.append(ag.recording()) or g * 2.0))

    x = parameter(np.ones(2))
    op(x).sum().backward()
    grad(op(x).sum(), x)
    grad(op(x).sum(), x, create_graph=True)
    assert seen == [False, False, True]


def test_a_pullback_that_fails_leaves_the_flag_as_it_was():
    x = parameter(np.ones(2))
    y = ag.record(x.data, (x, lambda g: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()
    assert ag.recording()


# Dtypes

MIXED = {"power array", "binary_cross_entropy_with_logits weights", "cross_entropy weights", "astype",
         "batch_norm evaluation"}  # rows that hold float64 arrays of their own


@every_case
def test_float32_stays_float32(case):
    inputs = draw(case, np.float32)
    xs = [parameter(x) for x in inputs]
    ys = listed(case.f(*xs))
    if str(case) not in MIXED:
        assert {y.dtype for y in ys} == {np.dtype(np.float32)}
    us = [np.ones(y.shape, y.dtype) for y in ys]
    grads = grad(ys, xs, us, allow_unused=True)
    assert {g.dtype for g in grads if g is not None} == {np.dtype(np.float32)}
    grads = grad(listed(case.f(*xs)), xs, us, create_graph=True, allow_unused=True)
    assert {g.dtype for g in grads if g is not None} == {np.dtype(np.float32)}


NUMBERS = [2, 0.5, True, np.float64(0.5), np.float32(0.5), np.int64(2), np.int32(2), np.bool_(True)]
WITH_NUMBERS = {
    "add": lambda x, c: [x + c, c + x, ag.add(x, c)],
    "sub": lambda x, c: [x - c, c - x],
    "mul": lambda x, c: [x * c, c * x],
    "div": lambda x, c: [x / c, c / x],
    "power": lambda x, c: [x**c, c**x],
    "maximum": lambda x, c: [ag.maximum(x, c), ag.maximum(c, x)],
    "minimum": lambda x, c: [ag.minimum(x, c), ag.minimum(c, x)],
    "where": lambda x, c: [ag.where(x.data > 0.5, x, c), ag.where(x.data > 0.5, c, x)],
    "clip": lambda x, c: [ag.clip(x, c, c + 1), ag.clip(x, c), ag.clip(x, None, c)],
    "leaky_relu": lambda x, c: [ag.leaky_relu(x, c)],
    "elu": lambda x, c: [ag.elu(x, c)],
    "pad": lambda x, c: [ag.pad(x, 1, constant_values=c)],
    "dropout": lambda x, c: [ag.dropout(x, c / 4, rng=np.random.default_rng(0))],
    "binary_cross_entropy_with_logits": lambda x, c: [
        ag.binary_cross_entropy_with_logits(x, x.detach(), pos_weight=c),
        ag.binary_cross_entropy_with_logits(x, x.detach(), weight=c)],
    "cross_entropy": lambda x, c: [
        ag.cross_entropy(x, np.array([0, 1]), label_smoothing=c / 4),
        ag.cross_entropy(x, x.detach(), label_smoothing=c / 4)],
    "sum": lambda x, c: [x.sum() * c, x.mean() / c, x.sum(0) ** c],
}


@pytest.mark.parametrize("number", NUMBERS, ids=lambda c: f"{type(c).__name__}")
@pytest.mark.parametrize("op", WITH_NUMBERS)
def test_numbers_do_not_promote(op, number):
    """Python's numbers and NumPy's scalars take the dtype of the array that they meet, in value and gradient."""
    x = parameter(np.array([[0.3, 1.2], [2.0, 0.7]], np.float32))
    for y in WITH_NUMBERS[op](x, number):
        assert y.dtype == np.float32
        g = grad(y.sum(), x, create_graph=True)
        assert g.dtype == np.float32
        if g.requires_grad:
            assert grad(g.sum(), x, allow_unused=True).dtype == np.float32


def test_mixed_dtypes_promote_as_arrays_do_and_gradients_come_back_in_their_own():
    a, b = parameter(np.ones(2, np.float32)), parameter(np.ones(2, np.float64))
    y = a * b
    assert y.dtype == np.float64
    g_a, g_b = grad(y.sum(), [a, b])
    assert (g_a.dtype, g_b.dtype) == (np.float32, np.float64)
    assert (a * Tensor(np.array(2.0))).dtype == np.float64  # a 0-d float64 array is an array
    assert (a * Tensor(2.0)).dtype == np.float32


def test_what_data_becomes():
    assert Tensor(1.5).dtype == Tensor([1.0, 2.0]).dtype == Tensor([[1, 2.5]]).dtype == np.float32
    assert Tensor(3).dtype == Tensor([1, 2]).dtype == np.int64
    assert Tensor(True).dtype == Tensor(np.ones(2) > 0).dtype == np.bool_
    assert Tensor(np.ones(2)).dtype == np.float64 and Tensor(np.float64(1.0)).dtype == np.float64
    data = xp.ones(3)
    assert Tensor(data).data is data
    assert parameter(data).data is not data
    assert parameter(Tensor([1.0])).requires_grad
    assert parameter([1, 2], dtype=np.float32).dtype == np.float32
    for bad in ("text", [None], np.ones(2, complex), [[1.0], [1.0, 2.0]]):
        with pytest.raises((TypeError, ValueError)):
            Tensor(bad)
    with pytest.raises(TypeError, match="detach"):
        Tensor(Tensor([1.0]))
    with pytest.raises(TypeError, match="int64.*dtype="):
        parameter([1, 2])


HALVES = [np.float16, *([np.longdouble] if np.dtype(np.longdouble) != np.float64 else [])]


@pytest.mark.cpu
@pytest.mark.parametrize("dtype", HALVES, ids=lambda t: t.__name__)
def test_floats_are_of_32_or_64_bits(dtype):
    """In float16 the mean square of 300 is infinite. Nothing that computes takes such an array, or makes one."""
    x, a = parameter(np.ones(3, np.float32)), np.ones(3, dtype)
    for call in (lambda: Tensor(a), lambda: parameter(a), lambda: parameter([1.0], dtype=dtype), lambda: x + a,
                 lambda: a * x, lambda: ag.softmax(a), lambda: ag.mean(a), lambda: ag.gelu(a),
                 lambda: ag.astype(x, dtype), lambda: ag.rms_norm(a, 3), lambda: ag.concatenate([x, a]),
                 lambda: x.backward(a)):
        with pytest.raises(TypeError, match=r"dtype is \w+, but floats are float32 or float64 here; use astype"):
            call()
    for number in (dtype(0.5), np.float64(0.5)):  # a number takes the dtype of what it meets
        assert (x * number).dtype == (number * x).dtype == (x**number).dtype == np.float32
    with pytest.raises(TypeError, match="complex"):
        x * np.complex64(1j)


UNARY = (ag.exp, ag.expm1, ag.log1p, ag.sqrt, ag.sin, ag.cos, ag.tanh, ag.arctan, ag.log2, ag.log10, ag.log, ag.erf,
         ag.lgamma, lambda x: ag.polygamma(0, x), ag.sigmoid, ag.softplus, ag.silu, ag.gelu, ag.elu, ag.leaky_relu,
         ag.softmax, ag.log_softmax, ag.logsumexp, ag.mean, ag.std, lambda x: ag.logaddexp(x, x), ag.vector_norm)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, bool, np.int16, np.int64])
def test_functions_of_integers_are_those_of_floats(dtype):
    """NumPy's exp of 8 bits is float16, in which e^12 is infinite."""
    x = np.array([12, 1, 80]).astype(dtype)
    for f in UNARY:
        y = f(x)
        assert y.dtype in (np.float32, np.float64)
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(y.numpy(), f(x.astype(np.float64)).numpy(), rtol=1e-4)


# Being an array and a number


def test_as_array_and_number():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert (len(x), x.size, x.ndim, x.shape) == (2, 4, 2, (2, 2))
    np.testing.assert_array_equal(np.array(x), x.numpy())
    np.testing.assert_array_equal([row.numpy() for row in x], x.numpy())
    assert float(x[0, 1]) == 2.0 and int(x[1, 0]) == 3 and [10, 20, 30][Tensor(1)] == 20
    assert x[1, 1].item() == 4.0 and isinstance(x[1, 1].item(), float)
    assert bool(Tensor(0.5)) and not Tensor(0)
    with pytest.raises(ValueError):
        bool(x)
    with pytest.raises(TypeError, match="0-d"):
        len(Tensor(1.0))
    with pytest.raises(TypeError, match="0-d"):
        list(Tensor(1.0))
    with pytest.raises(TypeError, match="numpy"):
        np.array(parameter(1.0))


def test_numpy_on_the_left():
    x = parameter(np.array([1.0, 2.0]))
    a = np.array([3.0, 4.0])
    for y, expected in ((a + x, [4, 6]), (a - x, [2, 2]), (a * x, [3, 8]), (a / x, [3, 2]), (a**x, [3, 16]),
                        (np.float64(2.0) * x, [2, 4]), (np.ones((1, 2)) @ x, [3])):
        assert isinstance(y, Tensor) and y.requires_grad
        np.testing.assert_allclose(y.numpy(), expected)


def test_comparisons_give_constants():
    x = parameter(np.array([1.0, 2.0, 3.0]))
    for y, expected in ((x < 2, [1, 0, 0]), (x <= 2, [1, 1, 0]), (x > 2, [0, 0, 1]), (2 >= x, [1, 1, 0]),
                        (x == 2, [0, 1, 0]), (x != x, [0, 0, 0])):
        assert y.dtype == np.bool_ and not y.requires_grad
        np.testing.assert_array_equal(y.numpy(), np.array(expected, bool))
    assert {x: "a key is the tensor itself"}[x]


def test_repr():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1. 2.], shape=(2,))"
    assert repr(parameter(np.array(0.5))) == "Tensor(0.5, dtype=float64, requires_grad, shape=())"
    assert repr(Tensor(np.ones((0, 2), np.float32))) == "Tensor([], shape=(0, 2))"


def test_in_place_operators_make_new_tensors():
    x = parameter(np.ones(2))
    y = x
    y += 1.0
    y *= 2.0
    np.testing.assert_array_equal(x.numpy(), [1.0, 1.0])
    np.testing.assert_array_equal(grad(y.sum(), x).numpy(), [2.0, 2.0])


# Strides


@every_case
def test_strided_inputs(leaf, case):
    """The same value and gradient, whatever the memory layout of inputs and cotangents."""
    inputs = [to_numpy(x) for x in draw(case)]
    expected = None
    for layout in (lambda x: x, lambda x: np.array(x, order="F"), _every_second, _reversed):
        xs = [leaf(layout(x)) for x in inputs]
        ys = listed(case.f(*xs))
        us = [layout(np.random.default_rng(1).standard_normal(y.shape)) for y in ys]
        result = [y.numpy() for y in ys] + [g.numpy() for g in grad(ys, xs, us)]
        expected = expected or result
        for a, b in zip(result, expected):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def _every_second(x):
    room = np.full([2 * n for n in x.shape], np.nan)
    room[(..., *[slice(None, None, 2)] * x.ndim)] = x
    return room[(..., *[slice(None, None, 2)] * x.ndim)]


def _reversed(x):
    return np.flip(np.flip(x).copy()) if x.ndim else x


# Errors name what is wrong and what to do


@pytest.mark.parametrize("call, message", [
    (lambda x: (x * x).backward(), r"backward: the output has shape \(2,\), not one element; reduce it to a scalar"),
    (lambda x: grad(x * x, x), r"grad: the output has shape \(2,\), not one element"),
    (lambda x: grad(x * x, x, np.ones(3)), r"grad: the output has shape \(2,\) but its gradient has shape \(3,\)"),
    (lambda x: (x * x).backward(np.ones((2, 1))), r"backward: the output has shape \(2,\) but .* \(2, 1\)"),
    (lambda x: grad([x.sum(), x.sum()], x, [None]), r"2 outputs but 1 grad_outputs; pass one per output"),
    (lambda x: grad(x.sum(), Tensor([1.0])), r"xs\[0\] is a constant .* parameter"),
    (lambda x: grad(x.sum(), [x, 1.0]), r"xs\[1\] is a constant"),
    (lambda x: Tensor([1.0]).backward(), r"no graph: it depends on no parameter, or was made in no_grad"),
    (lambda x: grad(1.0, x), r"grad: the output has no graph"),
    (lambda x: twice(x), r"the graph was freed .* compute the output again.*create_graph=True"),
    (lambda x: x + np.ones(3), r"add: shapes \(2,\) and \(3,\) do not broadcast"),
    (lambda x: x @ np.ones((3, 2)), r"matmul: \(1, 2\) @ \(3, 2\)|matmul: \(2,\) @ \(3, 2\)"),
    (lambda x: x.reshape(3), r"reshape: 2 elements of shape \(2,\) do not fill shape \(3,\)"),
    (lambda x: x.sum(axis=1), r"sum: axis 1 is out of bounds .* \(2,\)"),
])
def test_messages(call, message):
    with pytest.raises((RuntimeError, ValueError, IndexError), match=message) as caught:
        call(parameter(np.ones(2)))
    assert "\n" not in str(caught.value)


def twice(x):
    y = (x * x).sum()
    y.backward()
    y.backward()


def test_part_of_a_freed_graph_raises_too():
    x = parameter(np.ones(2))
    h = x * x
    h.sum().backward()
    with pytest.raises(RuntimeError, match="freed"):
        (h * 2.0).sum().backward()


def test_pullbacks_that_share_work_do_it_once():
    """Whichever of the gradients are asked for, of either order; and the inputs may be missing."""
    calls = []

    def op(a, b, c=None):
        def gradients(g):
            calls.append(g)
            return [g * b, g * a, g]

        value = a.data * b.data if c is None else a.data * b.data + c.data
        return ag.record(value, *ag.joint((a, b, c), gradients))

    a, b, c = (parameter(np.array([1.0, 2.0]) + k) for k in range(3))
    for xs, create_graph in (([a, b, c], False), ([a, b, c], True), ([b], False), ([c, a], False)):
        calls.clear()
        found = grad((op(a, b, c) ** 2).sum(), xs, create_graph=create_graph)
        assert len(calls) == 1
        for g, expected in zip(found, grad(((a * b + c) ** 2).sum(), xs)):
            np.testing.assert_array_equal(g.numpy(), expected.numpy())
    calls.clear()
    grad((op(a, b) + op(b, c) + op(a, a)).sum(), [a, b])
    assert len(calls) == 3  # once for each op
    ag.gradgradcheck(op, [x.numpy() for x in (a, b, c)])


def test_what_shared_work_returns_is_freed_with_the_node():
    alive = []

    def op(a, b):
        def gradients(g):
            results = [g * 1.0, g * 1.0]
            refs.extend(weakref.ref(r.data) for r in results)
            return results

        return ag.record(a.data + b.data, *ag.joint((a, b), gradients))

    def probe(x):
        def pullback(g):
            alive.append(sum(ref() is not None for ref in refs))
            return g

        return ag.record(x.data.copy(), (x, pullback))

    refs = []
    x = parameter(np.ones(3))
    h = probe(probe(x) * 2.0)
    op(h * 3.0, h * 5.0).sum().backward()
    assert len(refs) == 2 and alive == [0, 0]


def test_what_is_attached_to_tensor_is_declared_in_it():
    """For editors: the names under TYPE_CHECKING are those that other files give to Tensor, with their arguments."""
    tree = ast.parse(inspect.getsource(Tensor))
    (block,) = [node for node in tree.body[0].body if isinstance(node, ast.If)]
    declared = {node.target.id if isinstance(node, ast.AnnAssign) else node.name: node for node in block.body}
    written = {n.name for n in tree.body[0].body if isinstance(n, ast.FunctionDef)}
    own = {name for name in vars(Tensor) if callable(getattr(Tensor, name)) or name == "T"}
    machinery = {"__class__", "__module__", "__doc__", "__slots__"}
    assert own - written - machinery == set(declared)
    for name, node in declared.items():
        if not name.startswith("_") and name != "T":
            theirs = list(inspect.signature(getattr(Tensor, name)).parameters.values())
            args = [a.arg for a in node.args.args] + ([node.args.vararg.arg] if node.args.vararg else [])
            assert args[1:] == [p.name for p in theirs][1:], name


def test_record_is_all_that_an_op_of_ones_own_needs():
    def cube(x):
        x = ag.as_tensor(x)
        return ag.record(x.data**3, (x, lambda g: g * 3.0 * x * x))

    ag.gradgradcheck(cube, [np.array([0.5, -1.0, 2.0])])
    y = ag.record(xp.float64(2.0))
    assert y.shape == () and not y.requires_grad
