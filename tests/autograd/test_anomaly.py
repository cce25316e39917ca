"""detect_anomaly names the op that made the first NaN or Inf, its inputs and the user's line, forward and backward."""
import re

import numpy as np
import pytest

import autograd as ag
from autograd import AnomalyError, detect_anomaly, grad, parameter


def caught(f):
    with pytest.raises(AnomalyError) as error, detect_anomaly():
        f()
    assert "\n" not in str(error.value)
    return str(error.value)


def x(*values):
    return parameter(np.array(values))


def test_forward_names_op_ranges_and_line():
    p = x(0.0, 1.0, 2.0)
    message = caught(lambda: ag.log(p))
    assert message.startswith("log made (3,) with 1 Inf and values 0 to 0.6931 out of (3,) with values 0 to 2, at ")
    assert re.search(r"test_anomaly\.py:\d+: message = caught\(lambda: ag\.log\(p\)\)$", message)


@pytest.mark.parametrize("op, f", [
    ("div", lambda: x(1.0) / x(0.0)),
    ("div", lambda: 1.0 / x(0.0)),
    ("power", lambda: x(0.0) ** -1),
    ("exp", lambda: ag.exp(x(1000.0))),
    ("exp", lambda: x(1000.0).exp()),
    ("sqrt", lambda: ag.sqrt(x(-1.0))),
    ("mul", lambda: x(1e200) * x(1e200)),
    ("matmul", lambda: x(1e200) @ x(1e200)),
    ("mean", lambda: x().mean()),
    ("logsumexp", lambda: ag.logsumexp(x())),
    ("cross_entropy", lambda: ag.cross_entropy(parameter(np.ones((1, 2))), np.array([-100]))),
    ("log", lambda: ag.log(ag.Tensor([-1.0]))),  # a constant
])
def test_forward_names_the_function_that_was_called(op, f):
    assert caught(f).startswith(f"{op} made ")


def test_backward_names_the_op_and_the_line_that_called_it():
    def f():
        p = x(0.0, 4.0)
        root = ag.sqrt(p)  # here
        (3.0 * root).sum().backward()

    message = caught(f)
    assert message.startswith("the gradient of sqrt became (2,) with 1 Inf and values 0.75 to 0.75 from dL/dy of (2,) "
                              "with values 3 to 3; sqrt was called at ")
    assert message.endswith("root = ag.sqrt(p)  # here")


def test_backward_under_create_graph():
    def f():
        p = x(0.0)
        g = grad(ag.power(p, 1.5), p, create_graph=True)
        grad(g, p)

    assert re.match("the gradient of grad became .* was called at .*create_graph=True", caught(f))


def test_a_graph_from_before_is_named_as_far_as_is_known():
    root = ag.sqrt(x(0.0))
    assert "the gradient of sqrt became" in caught(lambda: root.backward())


def test_a_gradient_that_is_masked_is_no_anomaly():
    """The pullback of where sees Inf on the way, but returns zeros."""
    p = x(0.0, 4.0)
    with detect_anomaly():
        g = grad(ag.std(ag.stack([p, p]), 0).sum(), p)
    np.testing.assert_array_equal(g.numpy(), [0.0, 0.0])


def test_only_the_first_is_an_anomaly():
    """What comes out of non-finite inputs is not the op's fault; masks are made with -inf."""
    scores = parameter(np.array([[0.5, 1.0, 2.0]]))
    with detect_anomaly():
        ag.exp(x(np.inf, np.nan, 1.0))
        masked = ag.where(np.array([True, False, True]), scores, -np.inf)
        g = grad(ag.logsumexp(masked), scores)
    assert g.numpy()[0, 1] == 0.0


def test_everything_finite_passes_and_values_are_the_same():
    p = parameter(np.random.default_rng(0).standard_normal((3, 4)))
    f = lambda: grad(ag.cross_entropy(ag.tanh(p), np.array([0, 3, 1])), p).numpy()
    with detect_anomaly():
        g = f()
    np.testing.assert_array_equal(g, f())


def test_the_detector_goes_with_its_context():
    with pytest.raises(KeyError), detect_anomaly():
        raise KeyError
    with np.errstate(all="ignore"):
        assert ag.log(x(0.0)).item() == -np.inf
    with pytest.raises(AnomalyError), detect_anomaly():
        with detect_anomaly():
            pass
        ag.log(x(0.0))
