"""The U-Net: its shapes and sizes, what it starts as, and every number against the same network in PyTorch."""
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd import Tensor, backend, grad, no_grad
from minigen.nn import CrossAttention2d, ResBlock, SelfAttention2d, UNet

SMALL = {"width": 16, "multipliers": (1, 2), "blocks": 1, "groups": 4}


def draw(*shape, seed=1):
    return backend.rng(seed).standard_normal(shape, dtype=np.float32)


def shaken(module, seed=2):
    """The module with all its parameters drawn anew, so that none is 0 and no branch is silent."""
    rng = backend.rng(seed)
    for p in module.parameters():
        p.data[...] = backend.normal(rng, p.shape) / max(1.0, np.sqrt(np.prod(p.shape[1:])))
    return module


def test_with_the_papers_arguments_it_is_the_papers_network():
    """DDPM, appendix B: 35.7 million parameters for CIFAR-10. Its code has 35,746,307."""
    unet = UNet(3, width=128, multipliers=(1, 2, 2, 2), blocks=2, attention=(1,), groups=32, rng=backend.rng(0))
    assert unet.num_parameters() == 35_746_307


@pytest.mark.parametrize("arguments, millions", [
    ({"width": 24, "multipliers": (1, 2), "blocks": 1}, 0.4),
    ({"width": 32, "multipliers": (1, 2, 2), "blocks": 1}, 1.1),
    ({"width": 64, "multipliers": (1, 2, 2), "blocks": 2}, 6.2),
    ({"width": 128, "multipliers": (1, 2, 2), "blocks": 2}, 25),
])
def test_sizes(arguments, millions):
    assert UNet(1, **arguments, rng=backend.rng(0)).num_parameters() / 1e6 == pytest.approx(millions, rel=0.1)


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 32), (7, 7), (9, 13), (5, 2), (1, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_channels(size, channels):
    unet = shaken(UNet(channels, **SMALL, attention=(1,), rng=backend.rng(0)))
    with no_grad():
        y = unet(draw(2, channels, *size), np.array([1, 1000]))
    assert y.shape == (2, channels, *size) and np.isfinite(y.data).all() and y.dtype == np.float32


def test_it_starts_as_zero_and_its_blocks_as_nothing():
    unet = UNet(1, **SMALL, attention=(0,), rng=backend.rng(0))
    assert not unet(draw(2, 1, 8, 8), np.array([1, 2])).data.any()
    x = draw(2, 8, 4, 4)
    np.testing.assert_array_equal(ResBlock(8, 8, rng=backend.rng(0))(Tensor(x)).numpy(), x)
    np.testing.assert_array_equal(SelfAttention2d(8, 2, rng=backend.rng(0))(Tensor(x)).numpy(), x)


def test_every_parameter_matters():
    unet = shaken(UNet(1, **SMALL, attention=(0, 1), heads=2, rng=backend.rng(0)))
    y = unet(draw(3, 1, 7, 6), np.array([1, 20, 300]))
    gradients = grad((y * y).sum(), unet.parameters())
    key_bias = lambda name: name.endswith("in_proj_bias")  # a constant added to all keys changes no softmax
    silent = [name for (name, _), g in zip(unet.named_parameters(), gradients) if not g.data.any()]
    assert silent == []
    for (name, p), g in zip(unet.named_parameters(), gradients):
        if key_bias(name):
            D = p.shape[0] // 3
            assert np.abs(g.data[D : 2 * D]).max() < 1e-4 * np.abs(g.data).max()


def test_time_is_seen_per_image():
    unet = shaken(UNet(1, **SMALL, rng=backend.rng(0)))
    x = draw(1, 1, 8, 8).repeat(3, axis=0)
    y = unet(x, np.array([1, 500, 1])).numpy()
    np.testing.assert_allclose(y[0], y[2], atol=1e-5)
    assert np.abs(y[0] - y[1]).max() > 0.01
    other = unet(x, np.array([500, 1, 7])).numpy()
    np.testing.assert_allclose(other[:2], y[1::-1], atol=1e-5)  # images do not see each other


def test_without_time():
    unet = shaken(UNet(3, 2, **SMALL, time=False, rng=backend.rng(0)))
    assert unet(draw(2, 3, 9, 9)).shape == (2, 2, 9, 9)
    assert not any(name.startswith("time") for name, _ in unet.named_parameters())


def told(**arguments):
    return shaken(UNet(1, **SMALL, attention=(1,), condition=5, context=6, **arguments, rng=backend.rng(0)))


def test_condition_and_context_are_seen_per_image():
    unet, x, t = told(), draw(1, 1, 8, 8).repeat(3, axis=0), np.array([7, 7, 7])
    c, words = draw(3, 5), draw(3, 4, 6, seed=2)
    y = unet(x, t, c, words).numpy()
    assert np.abs(y[0] - y[1]).max() > 0.01
    other = unet(x, t, c[[1, 1, 2]], words[[1, 1, 2]]).numpy()
    np.testing.assert_allclose(other[0], y[1], atol=1e-5)
    assert np.abs(unet(x, t, c, words[::-1].copy()).numpy()[0] - y[0]).max() > 0.01
    assert np.abs(unet(x, t, c[::-1].copy(), words).numpy()[0] - y[0]).max() > 0.01


def test_the_null_stands_for_what_is_left_out_and_for_what_is_dropped():
    unet, x, t, c, words = told(), draw(3, 1, 8, 8), np.array([1, 20, 300]), draw(3, 5), draw(3, 4, 6, seed=2)
    null = unet(x, t).numpy()
    dropped = unet(x, t, c, words, dropped=np.array([False, True, False])).numpy()
    np.testing.assert_allclose(dropped[1], null[1], atol=1e-5)  # four nulls say what one says
    np.testing.assert_allclose(dropped[[0, 2]], unet(x, t, c, words).numpy()[[0, 2]], atol=1e-5)
    assert np.abs(dropped[0] - null[0]).max() > 0.01


@pytest.mark.parametrize("dropped", [None, [False] * 3, [True] * 3])
def test_every_parameter_takes_part_whoever_is_dropped(dropped):
    """grad refuses what takes no part: the null and the ways of the conditions are in the graph either way."""
    unet = told()
    y = unet(draw(3, 1, 8, 8), np.array([1, 20, 300]), draw(3, 5), draw(3, 4, 6, seed=2), dropped=dropped)
    gradients = dict(zip(dict(unet.named_parameters()), grad((y * y).sum(), unet.parameters())))
    assert bool(np.any(gradients["null_condition"].data)) == (dropped == [True] * 3)
    assert bool(np.any(gradients["null_context"].data)) == (dropped == [True] * 3)


def test_padding_of_the_context_is_not_looked_at():
    unet, x, t, c, words = told(), draw(3, 1, 8, 8), np.array([1, 20, 300]), draw(3, 5), draw(3, 4, 6, seed=2)
    padding = np.array([[False, False, True, True]] * 3)
    short = unet(x, t, c, words[:, :2]).numpy()
    np.testing.assert_allclose(unet(x, t, c, words, padding).numpy(), short, atol=1e-5)
    assert np.abs(unet(x, t, c, words).numpy() - short).max() > 0.01


def test_a_new_cross_attention_does_nothing():
    block, x = CrossAttention2d(8, 6, 2, rng=backend.rng(0)), draw(2, 8, 4, 4)
    np.testing.assert_array_equal(block(Tensor(x), draw(2, 3, 6)).numpy(), x)


@pytest.mark.parametrize("call, message", [
    (lambda u: u(draw(2, 3, 8, 8), np.array([1, 2])), "input has shape (2, 3, 8, 8), expected (N, 1, H, W)"),
    (lambda u: u(draw(2, 8, 8), np.array([1, 2])), "expected (N, 1, H, W)"),
    (lambda u: u(draw(2, 1, 8, 8), np.array([1, 2, 3])), "expected one number per image"),
    (lambda u: u(draw(2, 1, 8, 8), 5), "expected one number per image"),
    (lambda u: u(draw(2, 1, 8, 8)), "t is missing"),
    (lambda u: UNet(1, **SMALL, time=False, rng=backend.rng(0))(draw(1, 1, 8, 8), np.array([1])), "without time"),
    (lambda u: UNet(1, **SMALL, patch=2, rng=backend.rng(0))(draw(1, 1, 7, 8), np.array([1])), "patch=2 does not"),
    (lambda u: u(draw(2, 1, 8, 8), np.array([1, 2]), draw(2, 5)), "condition is given to a network without one"),
    (lambda u: told()(draw(2, 1, 8, 8), np.array([1, 2]), draw(2, 6)), "condition has shape (2, 6), expected (2, 5)"),
    (lambda u: told()(draw(2, 1, 8, 8), np.array([1, 2]), None, draw(2, 6)), "context has shape (2, 6), expected (2, 'T', 6)"),
    (lambda u: UNet(1, width=30, rng=backend.rng(0)), "width=30 does not divide into groups=8; pass groups=30"),
    (lambda u: UNet(1, width=32, attention=(3,), rng=backend.rng(0)), "expected 0 to 2"),
    (lambda u: UNet(1, width=32, attention=(1,), heads=5, rng=backend.rng(0)), "num_heads=5"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call(UNet(1, **SMALL, rng=backend.rng(0)))
    assert message in str(error.value)


@pytest.mark.parametrize("arguments, size", [
    ({"attention": (1,), "heads": 2}, (8, 8)),
    ({"attention": (0, 1)}, (7, 9)),
    ({"patch": 2, "blocks": 2}, (12, 8)),
    ({"time": False, "out_channels": 3}, (5, 6)),
])
def test_pytorch_gives_the_same_output_and_gradients(arguments, size):
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    import torch_unet

    arguments = {**SMALL, **arguments}
    unet = shaken(UNet(2, **arguments, rng=backend.rng(0)))
    twin = torch_unet.UNet(2, **arguments)
    twin.load_state_dict({name: torch.tensor(array) for name, array in unet.state_dict().items()})

    x = draw(3, 2, *size)
    t = np.array([1, 77, 1000]) if arguments.get("time", True) else None
    y, y_twin = unet(x, t), twin(torch.tensor(x), None if t is None else torch.tensor(t))
    np.testing.assert_allclose(y.numpy(), y_twin.detach().numpy(), rtol=1e-4, atol=1e-4)

    u = draw(*y.shape, seed=3)
    y_twin.backward(torch.tensor(u))
    expected = {name: p.grad.numpy() for name, p in twin.named_parameters()}
    for (name, _), g in zip(unet.named_parameters(), grad(y, unet.parameters(), Tensor(u))):
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(g.numpy(), expected[name], rtol=1e-3, atol=1e-4 * max(scale, 1.0), err_msg=name)
