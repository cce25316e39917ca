"""EMA against its recursion, and what its context promises."""
import numpy as np
import pytest

from autograd import parameter
from autograd.backend import normal
from minigen.ema import EMA, evaluating
from minigen.nn import Linear, Module, ModuleList


def move(params, rng):
    for p in params:
        p.data += normal(rng, p.shape)


class Several(Module):
    def __init__(self, params):
        for i, p in enumerate(params):
            setattr(self, f"p{i}", p)


class Net(Module):
    def __init__(self, *, rng):
        self.layers = ModuleList([Linear(3, 4, rng=rng), Linear(300, 200, rng=rng)])
        self.register_buffer("seen", np.zeros(2, np.float32))


@pytest.mark.parametrize("decay, updates", [(0.0, 3), (0.3, 12), (0.999, 30)])
def test_the_recursion(decay, updates):
    rng = np.random.default_rng(0)
    params = [parameter(rng.standard_normal(shape).astype(np.float32)) for shape in [(), (4, 5), (300, 200)]]
    expected = [p.numpy().astype(np.float64) for p in params]
    ema = EMA(Several(params), decay)
    for t in range(1, updates + 1):
        move(params, rng)
        ema.update()
        d = min(decay, (1 + t) / (10 + t))
        expected = [d * bar + (1 - d) * p.numpy() for bar, p in zip(expected, params)]
    assert ema.updates == updates
    with ema.average():
        for p, bar in zip(params, expected):
            np.testing.assert_allclose(p.numpy(), bar, rtol=1e-5, atol=1e-5)


def test_a_short_run_forgets_the_initial_weights():
    p = parameter(np.zeros(1, np.float32))
    ema = EMA(Several([p]), decay=0.9999)
    p.data[...] = 1.0
    for _ in range(50):
        ema.update()
    with ema.average():
        assert p.item() > 0.999  # at a constant decay: 1 - 0.9999^50 = 0.005


def test_before_any_update_the_average_is_the_initial_weights():
    rng = np.random.default_rng(0)
    net = Net(rng=rng)
    before = net.state_dict()
    ema = EMA(net, 0.9)
    move(net.parameters(), rng)
    with ema.average():
        for name, array in net.state_dict().items():
            np.testing.assert_array_equal(array, before[name])


def test_the_context_restores_the_weights_also_after_an_error():
    rng = np.random.default_rng(0)
    net = Net(rng=rng)
    ema = EMA(net, 0.9)
    move(net.parameters(), rng)
    weights, average = net.state_dict(), ema.state_dict()
    with pytest.raises(KeyError):
        with ema.average():
            assert not np.array_equal(net.layers[0].weight.numpy(), weights["layers.0.weight"])
            raise KeyError
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, weights[name])
    for name, array in ema.state_dict().items():
        np.testing.assert_array_equal(array, average[name])


@pytest.mark.parametrize("call", [
    lambda ema: ema.update(), lambda ema: ema.state_dict(), lambda ema: ema.load_state_dict({}),
    lambda ema: ema.average().__enter__(),
])
def test_inside_the_context_nothing_else_is_allowed(call):
    ema = EMA(Several([parameter(1.0)]), 0.9)
    with ema.average(), pytest.raises(RuntimeError, match=r"leave average\(\) first"):
        call(ema)


def test_a_restored_average_continues_bit_for_bit():
    rng = np.random.default_rng(0)
    net = Net(rng=rng)
    ema = EMA(net, 0.99)
    for _ in range(3):
        move(net.parameters(), rng)
        ema.update()
    state = ema.state_dict()
    assert set(state) == {"updates", "average.layers.0.weight", "average.layers.0.bias",
                          "average.layers.1.weight", "average.layers.1.bias"}
    again = EMA(net, 0.99)
    again.load_state_dict(state)
    move(net.parameters(), rng)
    ema.update()
    again.update()
    assert again.updates == 4
    for name, array in ema.state_dict().items():
        np.testing.assert_array_equal(array, again.state_dict()[name])
    with pytest.raises(ValueError, match="EMA.load_state_dict: 'updates' of shape .* is missing"):
        again.load_state_dict({})


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_decay_is_checked(decay):
    with pytest.raises(ValueError, match="EMA: decay is"):
        EMA(Several([parameter(1.0)]), decay)


def test_an_average_goes_on_when_the_module_has_grown():
    rng = np.random.default_rng(0)
    net = Net(rng=rng)
    first = EMA(net, 0.9)
    move(net.parameters(), rng)
    first.update()
    before = first.state_dict()
    net.layers.append(Linear(2, 2, rng=rng))
    ema = EMA(net, 0.9)
    ema.continue_from(first)
    assert ema.updates == 1
    after = ema.state_dict()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)
    np.testing.assert_array_equal(after["average.layers.2.weight"], net.layers[2].weight.numpy())


def test_settled_the_averages_are_the_weights():
    rng = np.random.default_rng(0)
    net = Net(rng=rng)
    ema = EMA(net, 0.9)
    move(net.parameters(), rng)
    ema.update()
    average = ema.state_dict()["average.layers.0.weight"]
    assert not np.array_equal(net.layers[0].weight.numpy(), average)
    ema.settle()
    np.testing.assert_array_equal(net.layers[0].weight.numpy(), average)


def test_evaluating_puts_back_every_module_s_mode_and_the_weights():
    net = Net(rng=np.random.default_rng(0))
    ema = EMA(net, 0.9)
    move(net.parameters(), np.random.default_rng(1))
    weights = net.state_dict()
    net.train()
    net.layers[1].eval()
    with pytest.raises(KeyError):
        with evaluating(net, ema):
            assert not any(module.training for _, module in net.named_modules())
            raise KeyError
    assert net.training and net.layers[0].training and not net.layers[1].training
    np.testing.assert_array_equal(net.layers[0].weight.numpy(), weights["layers.0.weight"])
