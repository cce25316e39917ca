"""ADM's blocks: what each is where its code or its branch is nothing, and what becomes of variances."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend, grad
from autograd.backend import normal, to_numpy
from autograd.gradcheck import gradcheck
from minigen.nn import AdaGNBlock, ResBlock, RescaledBlock, ResDownsample, ResUpsample, UNet

RNG = backend.rng


def images(*shape, seed=0):
    return normal(RNG(seed), shape)


def filled(module, seed=1):
    """With the layers that begin as zero filled, so that every branch counts."""
    rng = RNG(seed)
    for p in module.parameters():
        if not p.data.any():
            p.data[...] = 0.3 * normal(rng, p.shape)
    return module


@pytest.mark.parametrize("C, O", [(8, 8), (8, 16)])
def test_adagn_of_a_zero_code_is_the_plain_group_norm(C, O):
    """Its block is then the residual block of the same weights that is told nothing; of another code it is not."""
    told, plain = filled(AdaGNBlock(C, O, 6, 4, rng=RNG(2))), ResBlock(C, O, None, 4, rng=RNG(3))
    weights = told.state_dict()
    plain.load_state_dict({name: array for name, array in weights.items() if not name.startswith("shift")})
    told.shift.bias.data[...] = 0.0
    x, c = images(3, C, 5, 5), images(3, 6, seed=4)
    expected = plain(Tensor(x)).numpy()
    np.testing.assert_allclose(told(Tensor(x), Tensor(0.0 * c)).numpy(), expected, atol=1e-5)
    assert np.abs(told(Tensor(x), Tensor(c)).numpy() - expected).max() > 0.1


def test_adagn_scales_and_shifts_the_norm():
    """y_s GroupNorm(h) + y_b by hand; an affine function of the code within the first norm's output."""
    block = filled(AdaGNBlock(4, 4, 3, 2, rng=RNG(5)))
    x, c = images(2, 4, 6, 6), images(2, 3, seed=6)
    h = block.conv1(Tensor(to_numpy(block.norm1(Tensor(x)).data) / (1 + np.exp(-to_numpy(block.norm1(Tensor(x)).data)))))
    rows = h.numpy().reshape(2, 2, -1)
    normed = ((rows - rows.mean(axis=2, keepdims=True)) / np.sqrt(rows.var(axis=2, keepdims=True) + 1e-5)).reshape(
        2, 4, 6, 6) * block.norm2.weight.numpy()[:, None, None] + block.norm2.bias.numpy()[:, None, None]
    y = c @ block.shift.weight.numpy().T + block.shift.bias.numpy()
    h = (1 + y[:, :4, None, None]) * normed + y[:, 4:, None, None]
    expected = x + block.conv2(Tensor(np.float32(h / (1 + np.exp(-h))))).numpy()
    np.testing.assert_allclose(block(Tensor(x), Tensor(c)).numpy(), expected, atol=1e-4)


def test_rescaled_blocks_keep_the_variance():
    """Of a skip and a branch of variance 1 each; twenty plain blocks let it grow twentyfold, twenty rescaled ones do
    not."""
    after = {}
    for block in (ResBlock, RescaledBlock):
        x = images(4, 16, 16, 16)
        for seed in range(20):
            one = block(16, 16, groups=4, rng=RNG(seed))
            one.conv2.weight.data[...] = normal(RNG(99 - seed), one.conv2.weight.shape) / math.sqrt(0.36 * 16 * 9)
            x = one(Tensor(x)).numpy()
        after[block] = x.var()
    assert 0.5 < after[RescaledBlock] < 2 and after[ResBlock] > 12, after


@pytest.mark.parametrize("size, expected", [((6, 8), (3, 4)), ((5, 7), (3, 4))])
def test_a_biggan_block_halves_exactly_at_first(size, expected):
    """Its branch begins as 0: it is the mean of each 2 x 2 pixels, of those that are there; Downsample is not."""
    x = images(2, 12, *size)
    y = ResDownsample(12, rng=RNG(7))(Tensor(x)).numpy()
    assert y.shape == (2, 12, *expected)
    means = [[x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean(axis=(2, 3)) for j in range(expected[1])]
             for i in range(expected[0])]
    np.testing.assert_allclose(y, np.array(means).transpose(2, 3, 0, 1), atol=1e-6)


def test_a_biggan_block_doubles_exactly_at_first_and_both_learn():
    x = images(2, 8, 3, 4)
    np.testing.assert_array_equal(ResUpsample(8, rng=RNG(8))(Tensor(x), (6, 8)).numpy(), x.repeat(2, 2).repeat(2, 3))
    for block, more in ((filled(ResUpsample(8, rng=RNG(9))), ((6, 8),)), (filled(ResDownsample(8, rng=RNG(9))), ())):
        loss = (block(Tensor(x), *more) ** 2).sum()
        assert all(np.abs(g.numpy()).max() > 0 for g in grad(loss, block.parameters()))


def test_gradients():
    x, c = (np.float64(images(*shape)) for shape in ((2, 4, 4, 4), (2, 3)))
    block, down = filled(AdaGNBlock(4, 8, 3, 2, rng=RNG(10))), filled(ResDownsample(4, rng=RNG(11)))
    for module in (block, down):
        for p in module.parameters():
            p.data = np.float64(p.data)
    gradcheck(lambda x, c: block(x, c), [x, c])
    gradcheck(lambda x: down(x), [x])


@pytest.mark.parametrize("choices", [dict(block=AdaGNBlock), dict(block=RescaledBlock),
                                     dict(down=ResDownsample, up=ResUpsample),
                                     dict(block=AdaGNBlock, down=ResDownsample, up=ResUpsample, attention=(0, 1), heads=2)])
def test_a_unet_of_them_takes_any_size(choices):
    unet = filled(UNet(1, width=8, multipliers=(1, 2), blocks=1, groups=4, rng=RNG(12), **choices))
    x, t = images(2, 1, 7, 9), np.array([1, 5])
    y = unet(Tensor(x), t)
    assert y.shape == x.shape and np.abs((y - unet(Tensor(x), t + 1)).numpy()).max() > 1e-4


def test_without_a_code_there_is_nothing_to_scale_by():
    with pytest.raises(ValueError, match="AdaGNBlock: condition is None, and the code is what scales and shifts"):
        UNet(1, width=8, multipliers=(1,), groups=4, time=False, block=AdaGNBlock, rng=RNG(0))
