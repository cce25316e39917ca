"""gradcheck passes what is right, at every scale, and catches what is wrong by 1e-4, and says where."""
import re

import numpy as np
import pytest

import autograd as ag
from autograd import GradcheckError, gradcheck, gradgradcheck
from autograd.backend import xp

SCALES = [1e-6, 1e-3, 1.0, 1e3, 1e6]


def sine(x, off=1.0):
    """sin x, whose gradient is multiplied by `off`, a number or an array."""
    return ag.record(xp.sin(x.data), (x, lambda g: g * ag.cos(x) * off))


def bent(x, off=1.0):
    """sin x with the right gradient, whose own gradient is multiplied by `off`."""
    cos = lambda x: ag.record(xp.cos(x.data), (x, lambda g: -g * ag.sin(x) * off))
    return ag.record(xp.sin(x.data), (x, lambda g: g * cos(x)))


def off_at(shape, index, by=1e-4):
    off = xp.ones(shape)
    off[index] += by
    return off


@pytest.fixture
def x():
    return ag.Tensor(np.random.default_rng(0).standard_normal((3, 4))).data


def test_right_gradients_pass_and_the_error_is_returned(x):
    assert 0.0 < gradcheck(sine, [x]) < 1e-8
    assert 0.0 < gradgradcheck(sine, [x]) < 1e-8


@pytest.mark.parametrize("off", [1.0001, 0.9999, 0.0, -1.0, 2.0, float("nan"), float("inf")])
def test_a_wrong_factor_is_caught(x, off):
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: sine(x, off), [x])


@pytest.mark.parametrize("off", [1.0001, 0.9999, 0.0, -1.0, 2.0, float("nan"), float("inf")])
def test_a_wrong_factor_in_the_second_derivative_is_caught(x, off):
    gradcheck(lambda x: bent(x, off), [x])
    with pytest.raises(GradcheckError):
        gradgradcheck(lambda x: bent(x, off), [x])


def test_the_message_names_input_element_and_both_values(x):
    with pytest.raises(GradcheckError, match=r"input 1, shape \(3, 4\)") as caught:
        gradcheck(lambda a, b: a + sine(b, off_at((3, 4), (1, 2))), [x, x], rng=np.random.default_rng(1))
    found = re.search(r"element \(1, 2\): analytic (\S+), numeric (\S+) ", str(caught.value))
    analytic, numeric = map(float, found.groups())
    assert analytic / numeric == pytest.approx(1.0001, rel=1e-7)


@pytest.mark.parametrize("size", SCALES)
@pytest.mark.parametrize("unit", SCALES)
def test_units_make_no_difference(x, size, unit):
    """Outputs in units of `size`, inputs in units of `unit`: right passes, wrong in one element is caught."""
    f = lambda x, off=1.0: size * sine(x / unit, off)
    assert gradcheck(f, [x * unit]) < 1e-7
    assert gradgradcheck(f, [x * unit]) < 1e-7
    for index in ((0, 0), (2, 3)):
        with pytest.raises(GradcheckError, match=re.escape(str(index))):
            gradcheck(lambda x, index=index: f(x, off_at((3, 4), index)), [x * unit])


@pytest.mark.parametrize("check, op", [(gradcheck, sine), (gradgradcheck, bent)])
def test_a_large_output_or_input_does_not_hide_a_small_one(x, check, op):
    outputs = lambda off: lambda x: [1e6 * op(x), 1e-6 * op(x, off)]
    check(outputs(1.0), [x])
    with pytest.raises(GradcheckError, match="output 1|input 0"):
        check(outputs(1.0001), [x])
    inputs = lambda off: lambda a, b: 100.0 * op(a) + op(b, off)
    check(inputs(1.0), [x, x])
    with pytest.raises(GradcheckError, match="input 1|output 1"):
        check(inputs(1.0001), [x, x])


def test_a_lost_second_derivative_is_caught_by_the_second_check_only(x):
    f = lambda x: ag.record(xp.sin(x.data), (x, lambda g: g * xp.cos(x.data)))  # cos as a constant
    gradcheck(f, [x])
    with pytest.raises(GradcheckError):
        gradgradcheck(f, [x])
    f = lambda x: ag.record(xp.sin(x.data), (x, lambda g: ag.Tensor(g.data) * ag.cos(x)))
    gradcheck(f, [x])
    with pytest.raises(GradcheckError, match="input 1"):  # the cotangent
        gradgradcheck(f, [x])


def test_a_gradient_that_changes_under_create_graph_is_caught(x):
    """Consistent with its own derivative, and right without create_graph, so that either check alone is content."""
    factor = lambda: 1.0001 if ag.recording() else 1.0
    with pytest.raises(GradcheckError, match="input 0.*create_graph"):
        gradgradcheck(lambda x: ag.record(xp.sin(x.data), (x, lambda g: g * ag.cos(x) * factor())), [x])


def test_a_lost_dependence_is_caught(x):
    with pytest.raises(GradcheckError, match="input 0"):
        gradcheck(lambda a, b: a.detach() * b, [x, x])
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: ag.Tensor(x.data * 2.0), [x])


def test_ones_as_cotangent_would_hide_what_random_ones_show(x):
    """A softmax with no backward at all: the gradient of the sum of its outputs is right, zero."""
    broken = lambda x: ag.record(ag.softmax(ag.Tensor(x.data)).data, (x, lambda g: 0.0 * g))
    right, wrong = (ag.grad(f(p).sum(), p).numpy() for p, f in ((ag.parameter(x), ag.softmax),
                                                                (ag.parameter(x), broken)))
    np.testing.assert_allclose(right, wrong, atol=1e-15)
    with pytest.raises(GradcheckError):
        gradcheck(broken, [x])


@pytest.mark.parametrize("f", [
    lambda x: 0.0 * x,
    lambda x: ag.sum(ag.softmax(x), -1),
    lambda x: ag.clip(x, 100.0, 200.0),
    lambda x: ag.prod(0.0 * x),
    lambda x: ag.power(x, 0),
    lambda x: x[:0],
])
def test_a_gradient_that_is_zero_passes(x, f):
    gradcheck(f, [xp.abs(x) + 0.1])
    gradgradcheck(f, [xp.abs(x) + 0.1])


def test_integers_are_handed_through_and_numbers_are_checked(x):
    labels, seen = xp.asarray([0, 2]), []

    def f(x, labels, scale, flag):
        seen.append((labels, flag))
        return x[labels] * scale

    gradgradcheck(f, [x, labels, 1.5, True])
    gradcheck(lambda x, w: x * w, [[1.0, 2.0], np.float32(3.0)])
    gradcheck(lambda x, labels: x[labels], [ag.parameter([1.0, 2.0, 3.0]), ag.Tensor([0, 2])])
    assert all(a is labels and flag is True for a, flag in seen)
    with pytest.raises(GradcheckError, match=r"input 2, shape \(\)"):
        gradcheck(lambda x, labels, scale: x[labels] * sine(scale, 1.0001), [x, labels, 1.5])


def test_an_empty_input_beside_another_passes():
    gradgradcheck(lambda x, y: x.sum() + y, [np.ones((0, 3)), 2.0])


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
@pytest.mark.parametrize("f, inputs", [
    (lambda x: x > 0, [np.ones(3)]),
    (lambda x: [x > 0, ag.argmax(x)], [np.ones(3)]),
    (lambda n: ag.Tensor([1.0, 2.0])[n], [np.array([0, 1])]),
    (lambda x: x.sum(), [np.ones((0, 3))]),
    (lambda: ag.Tensor(1.0), []),
])
def test_what_cannot_be_checked_is_no_success(check, f, inputs):
    with pytest.raises(ValueError, match="nothing to check"):
        check(f, inputs)


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_a_function_must_return_tensors(check, x):
    with pytest.raises(TypeError, match="f returned a ndarray"):
        check(lambda x: x.data, [x])


def test_an_output_of_integers_beside_another_is_passed_over(x):
    assert 0.0 < gradcheck(lambda x: [ag.argmax(x), sine(x)], [x]) < 1e-8
    with pytest.raises(GradcheckError, match="output 1"):
        gradcheck(lambda x: [ag.argmax(x), sine(x, 1.0001)], [x])
    with pytest.raises(GradcheckError, match="input 0"):
        gradgradcheck(lambda x: [ag.argmax(x), bent(x, 1.0001)], [x])


def test_functions_with_parameters_of_their_own(x):
    """W is not an input: it is used as it is, and gets no gradient."""
    W = ag.parameter(np.random.default_rng(1).standard_normal((4, 2)))
    gradgradcheck(lambda x: ag.tanh(x @ W), [x])
    assert W.grad is None


def test_functions_that_take_gradients_themselves(x):
    """The squared norm of the gradient of tanh(x).sum(), as in a gradient penalty."""

    def penalty(x):
        slope = ag.grad(ag.tanh(x).sum(), x, create_graph=True)
        return (slope * slope).sum()

    gradgradcheck(penalty, [x])


def test_a_function_that_draws_new_numbers_is_refused(x):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="two values"):
        gradcheck(lambda x: ag.dropout(x, 0.5, rng=rng), [x])
    gradcheck(lambda x: ag.dropout(x, 0.5, rng=np.random.default_rng(0)), [x])


def test_the_same_generator_gives_the_same_check(x):
    first, second, third = (gradcheck(sine, [x], np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == second != third


@pytest.mark.parametrize("f", [ag.relu, ag.leaky_relu, lambda x: ag.clip(x, 0.0)])
def test_a_kink_is_reported(x, f):
    """The derivative there is a choice; the central difference is the mean of both sides."""
    gradcheck(f, [x])
    at_kink = x.copy()
    at_kink[1, 2] = 0.0
    with pytest.raises(GradcheckError, match=r"\(1, 2\)"):
        gradcheck(f, [at_kink])


def test_functions_that_cancel_within_pass(x):
    """1e6 + sin x - 1e6: the values are wrong by 1e-10, which their size does not show."""
    f = lambda x, off=1.0: (1e6 + sine(x, off)) - 1e6
    gradcheck(f, [x])
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: f(x, 1.01), [x])
    product = lambda a, b: ag.det(a @ b)  # of a 4 x 4 matrix of rank 3: zero
    gradgradcheck(product, [x.T, x])
