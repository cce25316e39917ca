"""A parameter that changes between the forward pass and the sweep: refused where the gradient needs it, and only there.

What is not refused is compared with the gradient that was due.
"""
import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, grad, parameter
from minigen.ema import EMA
from minigen.nn import Conv1d, Linear, MultiheadAttention, Sequential
from minigen.optim import SGD, Adam

STALE = r"a parameter of shape \(.*\) was changed \(a step, load_state_dict, assign, average\(\)\) after \w+ used it"


def network():
    rng = np.random.default_rng(0)
    return Sequential(Linear(3, 4, rng=rng), ag.tanh, Linear(4, 1, rng=rng))


def data():
    return np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)


def step(net):
    SGD(net.parameters(), 0.5).step([np.ones(p.shape, np.float32) for p in net.parameters()])


def load(net):
    net.load_state_dict({name: array + 1.0 for name, array in net.state_dict().items()})


def clip(net):
    for p in net.parameters():
        p.assign(np.clip(p.numpy(), -0.1, 0.1))


def adam(net):
    Adam(net.parameters(), 0.5).step([np.ones(p.shape, np.float32) for p in net.parameters()])


@pytest.mark.parametrize("change", [step, adam, load, clip])
def test_weights_that_changed_are_refused(change):
    net = network()
    x = parameter(data())
    loss = net(x).sum()
    change(net)
    with pytest.raises(RuntimeError, match=STALE):
        loss.backward()
    with pytest.raises(RuntimeError, match=STALE):  # G's gradient, after D took its step
        grad(loss, x)
    assert x.grad is None and all(p.grad is None for p in net.parameters())
    net(x).sum().backward()  # computed again
    assert x.grad is not None


def test_inside_an_average_and_after_it():
    net = network()
    ema = EMA(net, 0.9)
    step(net)
    ema.update()
    loss = net(data()).sum()
    with ema.average(), pytest.raises(RuntimeError, match=STALE):
        grad(loss, net.parameters())
    net(data()).sum().backward()


def test_the_message_names_the_op_and_the_shape():
    W = parameter(np.ones((2, 3)))
    y = ag.linear(parameter(np.ones((4, 2, 3))), W).sum()
    W.assign(0.0)
    with pytest.raises(RuntimeError, match=r"a parameter of shape \(2, 3\) .* after linear used it: take the gradient"):
        y.backward()


VIEWS = {  # ops that give a view of the weights, which the next op multiplies by
    "T": lambda W: W.T,
    "reshape": lambda W: W.reshape(2, 3),
    "getitem": lambda W: W[:2],
    "swapaxes": lambda W: W.swapaxes(0, 1),
    "broadcast_to": lambda W: W.broadcast_to((2, 3, 2)),
    "two of them": lambda W: W.T[1:].reshape(-1),
    "einsum": lambda W: ag.einsum("ij->ji", W),
}


@pytest.mark.parametrize("view", VIEWS)
def test_views_of_a_parameter_change_with_it(view):
    W = parameter(np.ones((3, 2)))
    v = VIEWS[view](W)
    x = parameter(np.ones(v.shape))
    y = (x * v).sum()
    W.assign(2.0)
    with pytest.raises(RuntimeError, match=STALE):
        grad(y, x)


@pytest.mark.parametrize("make", [
    lambda rng: (Conv1d(3, 4, 2, rng=rng), (2, 3, 5)),
    lambda rng: (lambda x, m=MultiheadAttention(4, 2, rng=rng): m(x, x.detach(), x.detach())[0], (5, 2, 4)),
], ids=["Conv1d", "MultiheadAttention"])
def test_layers_that_use_views_of_their_weights(make):
    layer, shape = make(np.random.default_rng(0))
    modules = layer.__defaults__[0] if callable(layer) and getattr(layer, "__defaults__", None) else layer
    x = parameter(np.ones(shape, np.float32))
    y = layer(x).sum()
    for p in modules.parameters():
        p.assign(p.numpy() * 2.0)
    with pytest.raises(RuntimeError, match=STALE):
        grad(y, x)


HARMLESS = {  # functions whose gradient does not depend on w, or not through its array
    "sum": lambda w, x: w.sum(),
    "difference": lambda w, x: (w - 3.0).sum(),
    "bias": lambda w, x: (x + w).sum(),
    "rows": lambda w, x: w[np.array([0, 0, 2])].sum(),
    "squared difference": lambda w, x: ((w - 3.0) ** 2).sum(),  # the difference is an array of its own
    "exp": lambda w, x: ag.exp(w).sum(),  # its output is
    "mean": lambda w, x: w.mean() * 2.0,
    "stack": lambda w, x: ag.stack([w, x]).sum(),
    "copy": lambda w, x: (parameter(w) * x).sum() + w.sum(),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_not_need_the_old_numbers_is_right(name):
    w, x = parameter(np.array([1.0, 2.0, 3.0])), np.array([0.5, -1.0, 2.0])
    expected = grad(HARMLESS[name](w, x), w).numpy()
    y = HARMLESS[name](w, x)
    w.assign(7.0)
    np.testing.assert_array_equal(grad(y, w).numpy(), expected)


def test_only_what_was_computed_before_is_refused():
    w, x = parameter(np.ones(3)), parameter(np.ones(3))
    before = (w * x).sum()
    w.assign(2.0)
    np.testing.assert_array_equal(grad((w * x).sum(), x).numpy(), [2, 2, 2])
    other = parameter(np.ones(3))
    np.testing.assert_array_equal(grad((other * x).sum(), x).numpy(), [1, 1, 1])
    with pytest.raises(RuntimeError, match=STALE):
        grad(before, x)
    np.testing.assert_array_equal(grad(before, w).numpy(), [1, 1, 1])  # x has not changed


def test_a_recorded_gradient_is_refused_too():
    w = parameter(np.array([1.0, 2.0]))
    g = grad((w**3).sum(), w, create_graph=True)
    w.assign(0.0)
    with pytest.raises(RuntimeError, match=STALE):
        grad(g.sum(), w)


def test_assign():
    w = parameter(np.ones((2, 3), np.float32))
    data = w.data
    w.assign(np.arange(6).reshape(2, 3))
    assert w.data is data and w.dtype == np.float32
    np.testing.assert_array_equal(w.numpy(), [[0, 1, 2], [3, 4, 5]])
    w.assign(w * 2.0)
    np.testing.assert_array_equal(w.numpy(), [[0, 2, 4], [6, 8, 10]])
    w.assign(0.5)
    assert (w.numpy() == 0.5).all()
    constant = Tensor(np.ones(2))
    constant.assign([1.0, 2.0])
    np.testing.assert_array_equal(constant.numpy(), [1.0, 2.0])
    with pytest.raises(ValueError, match=r"assign: value has shape \(3,\), expected \(2, 3\) or a number"):
        w.assign(np.ones(3))
    with pytest.raises(RuntimeError, match=r"assign: a result of shape \(2, 3\) is not overwritten"):
        (w * 2.0).assign(0.0)
