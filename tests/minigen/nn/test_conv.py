"""Convolution and normalization layers: shapes, what they start as, running statistics, names; PyTorch beside them."""
import numpy as np
import pytest

from autograd import Tensor, backend, grad
from minigen import nn

LAYERS = {  # name -> (arguments, keyword arguments, shape of an input)
    "Conv2d": ((4, 6, (3, 2)), {"stride": 2, "padding": 1, "groups": 2}, (3, 4, 9, 8)),
    "Conv2d same": ((3, 5, 3), {"padding": "same", "dilation": 2, "bias": False}, (2, 3, 6, 7)),
    "Conv1d": ((3, 5, 3), {"padding": 2, "dilation": 2}, (2, 3, 11)),
    "ConvTranspose2d": ((4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, (2, 4, 5, 4)),
    "ConvTranspose1d": ((3, 2, 4), {"stride": 3}, (2, 3, 5)),
    "BatchNorm1d": ((4,), {}, (6, 4)),
    "BatchNorm1d sequence": ((4,), {"momentum": 0.3}, (6, 4, 5)),
    "BatchNorm2d": ((4,), {"eps": 1e-3}, (3, 4, 5, 6)),
    "BatchNorm2d average": ((4,), {"momentum": None}, (3, 4, 5, 6)),
    "BatchNorm2d plain": ((4,), {"affine": False, "track_running_stats": False}, (3, 4, 5, 6)),
    "GroupNorm": ((2, 6), {}, (3, 6, 4, 5)),
    "GroupNorm plain": ((3, 6), {"affine": False}, (3, 6, 4)),
    "InstanceNorm2d": ((4,), {}, (3, 4, 5, 6)),
    "InstanceNorm2d running": ((4,), {"affine": True, "track_running_stats": True}, (3, 4, 5, 6)),
    "RMSNorm": ((6,), {"eps": 1e-6}, (3, 5, 6)),
}


def build(name, seed=0):
    arguments, keywords, _ = LAYERS[name]
    cls = getattr(nn, name.split()[0])
    return cls(*arguments, **keywords, **({"rng": backend.rng(seed)} if name.startswith("Conv") else {}))


def draw(shape, seed=1):
    return backend.rng(seed).standard_normal(shape, dtype=np.float32) + np.float32(0.5)


@pytest.mark.parametrize("name", LAYERS)
def test_pytorch_gives_the_same(name):
    """Names and shapes of the state, three steps in training, one in evaluation, and the gradients."""
    torch = pytest.importorskip("torch")
    arguments, keywords, shape = LAYERS[name]
    layer, twin = build(name), getattr(torch.nn, name.split()[0])(*arguments, **keywords)
    rng = backend.rng(5)
    for p in layer.parameters():
        p.data[...] = backend.normal(rng, p.shape)
    twin.load_state_dict({key: torch.tensor(value) for key, value in layer.state_dict().items()})
    for seed in range(3):
        x = draw(shape, seed)
        x_twin = torch.tensor(x, requires_grad=True)
        y, y_twin = layer(Tensor(x)), twin(x_twin)
        np.testing.assert_allclose(y.numpy(), y_twin.detach(), rtol=1e-4, atol=1e-5)
    if layer.parameters():
        u = draw(y.shape, 9)
        y_twin.backward(torch.tensor(u))
        for (key, _), g in zip(layer.named_parameters(), grad(y, layer.parameters(), Tensor(u))):
            np.testing.assert_allclose(g.numpy(), dict(twin.named_parameters())[key].grad, rtol=1e-4, atol=1e-4)
    y, y_twin = layer.eval()(Tensor(x)), twin.eval()(torch.tensor(x))
    np.testing.assert_allclose(y.numpy(), y_twin.detach(), rtol=1e-4, atol=1e-5)
    for key, value in twin.state_dict().items():
        np.testing.assert_allclose(layer.state_dict()[key], value, rtol=1e-5, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("name, fan_in", [("Conv2d", 2 * 3 * 2), ("Conv1d", 9), ("ConvTranspose2d", 3 * 9),
                                          ("ConvTranspose1d", 2 * 4)])
def test_initial_distribution_is_pytorchs(name, fan_in):
    """Uniform within 1 / sqrt(fan_in): over many draws, the largest is near the bound and the variance is b^2 / 3."""
    weights, biases = (np.concatenate([getattr(build(name, seed), which).numpy().ravel() for seed in range(200)])
                       for which in ("weight", "bias"))
    for values in (weights, biases):
        b = 1 / np.sqrt(fan_in)
        assert 0.97 * b < np.abs(values).max() <= b
        assert values.var() == pytest.approx(b * b / 3, rel=0.15)


def test_batch_norm_normalizes_and_remembers():
    layer, x = nn.BatchNorm2d(3), draw((50, 3, 4, 4)) * np.float32(3)
    y = layer(Tensor(x)).numpy()
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(axis=(0, 2, 3)), 1, atol=1e-4)
    np.testing.assert_allclose(backend.to_numpy(layer.running_mean), 0.1 * x.mean(axis=(0, 2, 3)), rtol=1e-4)
    for _ in range(100):
        layer(Tensor(x))
    before = layer.state_dict()
    np.testing.assert_allclose(layer.eval()(Tensor(x)).numpy(), y, atol=0.02)
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])  # evaluation leaves the layer as it was
    assert layer.num_batches_tracked == 101


def test_a_state_dict_with_running_statistics_loads():
    trained, fresh = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    trained(Tensor(draw((5, 3, 2, 2))))
    fresh.load_state_dict(trained.state_dict())
    assert set(trained.state_dict()) == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    x = Tensor(draw((5, 3, 2, 2), 4))
    np.testing.assert_array_equal(fresh.eval()(x).numpy(), trained.eval()(x).numpy())


def test_transposed_convolution_is_the_transpose():
    """<conv(x), y> = <x, conv_T(y)> for layers that share a weight."""
    conv = nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False, rng=backend.rng(0))
    back = nn.ConvTranspose2d(5, 3, 3, stride=2, padding=1, output_padding=1, bias=False, rng=backend.rng(1))
    back.weight.data[...] = conv.weight.data  # (O, C, R, S) of the one is (C, O, R, S) of the other
    x, y = draw((2, 3, 8, 8)), draw((2, 5, 4, 4))
    assert (conv(Tensor(x)).numpy() * y).sum() == pytest.approx((x * back(Tensor(y)).numpy()).sum(), rel=1e-4)


@pytest.mark.parametrize("call, message", [
    (lambda: nn.Conv2d(4, 6, 3, groups=4, rng=backend.rng(0)), "out_channels=6 must both divide by groups=4"),
    (lambda: nn.Conv2d(3, 6, 3, rng=backend.rng(0))(Tensor(draw((2, 4, 8, 8)))), "input has 4 channels"),
    (lambda: nn.ConvTranspose2d(3, 6, 3, rng=backend.rng(0))(Tensor(draw((2, 4, 8, 8)))), "input has 4 channels"),
    (lambda: nn.GroupNorm(4, 6), "num_channels=6 do not divide into num_groups=4"),
    (lambda: nn.BatchNorm2d(3)(Tensor(draw((2, 4, 8, 8)))), "expected (N, C, H, W) with C = 3"),
    (lambda: nn.BatchNorm1d(3)(Tensor(draw((2, 3, 8, 8)))), "expected (N, C) or (N, C, L)"),
    (lambda: nn.InstanceNorm2d(3)(Tensor(draw((3, 8, 8)))), "expected (N, C, H, W)"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


def test_repr_says_what_a_layer_is():
    text = repr(nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, bias=False, rng=backend.rng(0)), nn.GroupNorm(2, 4)))
    assert "Conv2d(1, 4, kernel_size=(3, 3), stride=2, bias=False)  36 parameters" in text
    assert "GroupNorm(2, 4, eps=1e-05)" in text
