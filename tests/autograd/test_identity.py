"""What is whose: copies and pickles are their own, gradients belong to the caller, and names are not mistaken for
parameters."""
import copy
import operator
import pickle

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, grad, no_grad, parameter
from autograd.tensor import is_parameter
from minigen.ema import EMA
from minigen.nn import Apply, BatchNorm2d, Conv2d, Dropout, Linear, Module, Sequential
from minigen.optim import Adam

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
}
every_way = pytest.mark.parametrize("way", WAYS)


@every_way
def test_a_copy_of_a_parameter_is_a_parameter_of_its_own(way):
    p = parameter(np.array([1.0, 2.0]))
    (p * p).sum().backward()
    q = WAYS[way](p)
    assert is_parameter(q) and q.node is not p.node and q.data is not p.data
    np.testing.assert_array_equal(q.grad.numpy(), p.grad.numpy())
    (q * 3.0).sum().backward()
    np.testing.assert_array_equal(p.grad.numpy(), [2.0, 4.0])
    np.testing.assert_array_equal(q.grad.numpy(), [5.0, 7.0])
    q.assign(0.0)
    np.testing.assert_array_equal(p.numpy(), [1.0, 2.0])


@every_way
def test_a_copy_of_a_constant_is_a_constant_of_its_own(way):
    c = Tensor(np.array([1, 2]))
    d = WAYS[way](c)
    assert not d.requires_grad and d.dtype == c.dtype and d.data is not c.data
    np.testing.assert_array_equal(d.numpy(), c.numpy())


@every_way
def test_a_result_is_not_copied(way):
    with pytest.raises(RuntimeError, match=r"a result of shape \(2,\) has a graph, .* use \.detach\(\)"):
        WAYS[way](parameter([1.0, 2.0]) * 2.0)


class Tied(Module):
    def __init__(self, rng):
        self.net = Sequential(Conv2d(1, 2, 3, rng=rng), BatchNorm2d(2), ag.relu, Dropout(0.5, rng=rng))
        self.a = Linear(4, 4, rng=rng)
        self.b = Linear(4, 4, rng=rng)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(self.a(self.net(x).reshape(len(x), -1, 4)))


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_a_copy_of_a_model_is_whole_and_its_own(way):
    x = np.random.default_rng(1).standard_normal((2, 1, 6, 6)).astype(np.float32)
    model = Tied(np.random.default_rng(0))
    model(x)  # moves the running statistics
    twin = WAYS[way](model)
    assert twin.b.weight is twin.a.weight  # shared there as here
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in model.named_parameters()]
    assert not {id(p) for p in model.parameters()} & {id(p) for p in twin.parameters()}
    np.testing.assert_array_equal(twin(x).numpy(), model(x).numpy())  # with dropout: its generator was copied as well
    before = model.state_dict()
    twin(x).sum().backward()
    assert all(p.grad is None for p in model.parameters()) and all(p.grad is not None for p in twin.parameters())
    for p in twin.parameters():
        p.assign(0.0)
    twin.net[1].running_mean += 1.0
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_a_model_its_average_and_its_optimizer_stay_together(way):
    """A step of the copies moves the copy of the model, as it would have moved the model itself."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 3)).astype(np.float32)
    model = Linear(3, 2, rng=rng)
    ema = EMA(model, 0.9)
    optimizer = Adam(model.parameters(), 0.1)

    def train(model, ema, optimizer):
        optimizer.step(grad((model(x) ** 2).sum(), optimizer.params))
        ema.update()

    train(model, ema, optimizer)
    if way == "pickle":  # without the optimizer, whose schedules are functions without a name
        twin, twin_ema = WAYS[way]((model, ema))
        twin_optimizer = Adam(twin.parameters(), 0.1)
        twin_optimizer.load_state_dict(optimizer.state_dict())
    else:
        twin, twin_ema, twin_optimizer = WAYS[way]((model, ema, optimizer))
    assert twin_optimizer.params[0] is twin.weight
    before = model.state_dict()
    train(twin, twin_ema, twin_optimizer)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    train(model, ema, optimizer)
    for mine, theirs in ((model, twin), (ema, twin_ema), (optimizer, twin_optimizer)):
        for name, array in mine.state_dict().items():
            np.testing.assert_array_equal(array, theirs.state_dict()[name])


def test_functions_without_a_name_are_not_pickled_but_copied():
    net = Sequential(ag.tanh, lambda x: x * 2.0)
    with pytest.raises(pickle.PicklingError, match="Apply: .*<lambda> cannot be pickled.* def outside of all others"):
        pickle.dumps(net)
    for way in (copy.copy, copy.deepcopy):
        assert way(net)(Tensor(0.5)).item() == net(Tensor(0.5)).item()
    assert copy.copy(net[1]).eval().training is False and net[1].training
    assert pickle.loads(pickle.dumps(Apply(ag.tanh))).function is ag.tanh


# Gradients are the caller's


@pytest.mark.parametrize("f", [
    lambda a, b: (a.reshape(4) * 1.0 + b.T.reshape(4)).sum(),
    lambda a, b: (a + b).sum(),
    lambda a, b: a.mean() + b.mean(),
    lambda a, b: ag.stack([a, b]).sum(),
    lambda a, b: (a.T + b).transpose().sum(axis=0).sum(),
    lambda a, b: ag.broadcast_to(a[0], (3, 2)).sum() + b.sum(),
], ids=range(6))
@pytest.mark.parametrize("times", [1, 2])
def test_no_two_gradients_share_memory_and_all_can_be_written_to(f, times):
    a, b = parameter(np.ones((2, 2))), parameter(np.ones((2, 2)))
    expected = [times * g.numpy() for g in grad(f(a, b), [a, b])]
    for _ in range(times):
        f(a, b).backward()
    assert not np.may_share_memory(a.grad.numpy(), b.grad.numpy())
    for p, g in zip((a, b), expected):
        np.testing.assert_array_equal(p.grad.numpy(), g)
        p.grad.data[...] = 5.0


def test_the_array_that_was_passed_is_not_handed_out():
    p, u = parameter(np.ones(3)), np.array([1.0, 2.0, 3.0])
    (p * 1.0).reshape(3).backward(u)
    (q := parameter(np.ones(3))).reshape(3).backward(u)
    for x in (p, q):
        x.grad.data[...] = 0.0
    np.testing.assert_array_equal(u, [1.0, 2.0, 3.0])


# Names


OPERATORS = {"+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv,
             "**=": operator.ipow, "@=": operator.imatmul}


@pytest.mark.parametrize("symbol", OPERATORS)
def test_a_parameter_is_not_renamed_where_it_was_to_be_stepped(symbol):
    w, step = parameter(np.full((2, 2), 2.0)), np.full((2, 2), 0.5)
    expected = OPERATORS[symbol[:-1] + "="](w, step).numpy()  # recorded: w = w + step, as ever
    np.testing.assert_array_equal(w.numpy(), 2.0)
    with no_grad():
        with pytest.raises(RuntimeError) as caught:
            OPERATORS[symbol](w, step)
        assert f"w {symbol} x under no_grad()" in str(caught.value)
        assert f"write w.assign(w {symbol[:-1]} x)" in str(caught.value)
        result = w * 1.0
        np.testing.assert_array_equal(OPERATORS[symbol](result, step).numpy(), expected)  # of a result: a new tensor
        np.testing.assert_array_equal(OPERATORS[symbol](Tensor(w.data), step).numpy(), expected)
    np.testing.assert_array_equal(w.numpy(), 2.0)


def test_none_and_texts_are_not_equal_to_a_tensor():
    x = parameter([1.0, 2.0])
    for other in (None, "a", {}, object()):
        assert (x == other) is False and (other == x) is False
        assert (x != other) is True and (other != x) is True
        assert x not in [other] and other not in [x]
    with pytest.raises(TypeError):
        x < None
    np.testing.assert_array_equal((x == [1.0, 3.0]).numpy(), [True, False])
