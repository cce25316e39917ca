"""Masks by the order of the numbers, the masked convolution by plain loops, the cache against whole images; conditions."""
import runpy
from pathlib import Path

import numpy as np
import pytest

from autograd import Tensor, grad
from autograd.backend import asarray, to_numpy
from minigen.autoregressive.conditioning import Conditioning
from minigen.autoregressive.masked_conv import Cache, MaskedConv2d, pixel
from minigen.autoregressive.masks import causal_mask, colours_of, rows_mask
from minigen.data import Space

LOOPS = runpy.run_path(str(Path(__file__).parents[1] / "models" / "causality.py"))


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("colours, O, C, size", [(1, 2, 3, (3, 3)), (3, 6, 9, (3, 3)), (3, 7, 5, (1, 5)),
                                                 (2, 4, 4, (1, 1)), (3, 3, 48, (7, 7))])
def test_causal_mask_is_the_order_of_numbers(kind, colours, O, C, size):
    """Number (row, column, colour) may see those before it, and under B, from a hidden layer on, its own channels."""
    mask = causal_mask(kind, colours_of(O, colours), colours_of(C, colours), size)
    assert mask.shape == (O, C, *size) and mask.dtype == np.float32
    centre = size[0] // 2, size[1] // 2
    for (o, c, r, s), open_ in np.ndenumerate(mask):
        out, into = (*centre, o * colours // O), (r, s, c * colours // C)
        assert open_ == (into < out or kind == "B" and into == out)


def test_colours_lie_side_by_side_as_even_as_can_be():
    for channels, colours in [(1, 1), (6, 3), (16, 3), (5, 2)]:
        counts = np.bincount(colours_of(channels, colours), minlength=colours)
        assert len(counts) == colours and np.ptp(counts) <= 1 and (np.diff(colours_of(channels, colours)) >= 0).all()


def test_rows_mask_leaves_out_what_is_below():
    mask = rows_mask(2, 3, (5, 3))
    assert mask.shape == (2, 3, 5, 3) and mask[:, :, :3].all() and not mask[:, :, 3:].any()


@pytest.mark.parametrize("make, message", [
    (lambda: causal_mask("C", colours_of(1, 1), colours_of(1, 1), (3, 3)), "kind is 'C', expected 'A' or 'B'"),
    (lambda: causal_mask("A", colours_of(1, 1), colours_of(1, 1), (2, 3)), "kernel_size is 2 x 3, and has no centre"),
    (lambda: rows_mask(1, 1, (3, 4)), "kernel_size is 3 x 4, and has no centre"),
])
def test_masks_that_there_are_not(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def layer_of(kind="B", colours=3, O=6, C=3, size=(3, 5)):
    return MaskedConv2d(causal_mask(kind, colours_of(O, colours), colours_of(C, colours), size), rng=rng())


@pytest.mark.parametrize("kind, colours, O, C, size", [("A", 1, 2, 1, (7, 7)), ("B", 3, 6, 3, (3, 5)),
                                                       ("A", 3, 5, 3, (1, 3)), ("B", 2, 2, 4, (1, 1))])
def test_masked_convolution_against_loops(kind, colours, O, C, size):
    layer, x = layer_of(kind, colours, O, C, size), rng(1).standard_normal((2, C, 4, 5)).astype(np.float32)
    expected = LOOPS["convolve"](x, *LOOPS["arrays"](layer), LOOPS["causal"](kind, O, C, colours))
    np.testing.assert_allclose(layer(asarray(x)).numpy(), expected, atol=1e-5)


def test_a_masked_weight_has_no_gradient_and_the_others_have_one():
    layer, noise = layer_of(), rng(1)
    y = layer(asarray(noise.standard_normal((2, 3, 4, 5)), np.float32))
    g = grad((y * asarray(noise.standard_normal(y.shape), np.float32)).sum(), layer.weight).numpy()
    np.testing.assert_array_equal(g != 0, to_numpy(layer.mask) == 1)


def test_initial_weights_count_the_inputs_that_are_let_through():
    layer = layer_of("A", 1, 64, 2, (7, 7))
    b = 1 / np.sqrt(2 * 24)  # the pixels before the centre of 7 x 7
    assert 0.98 * b < np.abs(layer.weight.numpy()).max() <= b and np.abs(layer.bias.numpy()).max() <= b


@pytest.mark.parametrize("size", [(3, 3), (5, 3), (1, 3), (1, 1)])
def test_pixel_by_pixel_or_row_by_row_is_the_whole_image(size):
    H, W = 4, 5
    layer, x = layer_of("B", 1, 4, 2, size), asarray(rng(1).standard_normal((3, 2, H, W)), np.float32)
    whole, cache = layer(x).numpy(), Cache(H, W)
    for row in range(H):
        for column in range(W):
            cache.place = pixel(row, column)
            column_of = layer(Tensor(x[cache.place]), cache).numpy()
            np.testing.assert_allclose(column_of, whole[:, :, row:row + 1, column:column + 1], atol=1e-6)
    cache = Cache(H, W)
    for row in range(H):
        cache.place = (*pixel(row, 0)[:3], slice(0, W))
        if size[0] > 1:  # a row is whole: what is right in it may be seen
            layer.mask[...] = asarray(rows_mask(4, 2, size))
        np.testing.assert_allclose(layer(Tensor(x[cache.place]), cache).numpy(), layer(x).numpy()[:, :, row:row + 1],
                                   atol=1e-6)


def test_what_is_told_is_a_sum_of_maps():
    conditions = {"y": Space((), 3), "source": Space((1, 2, 3), 5)}
    told = Conditioning(conditions, (4, 6), 7, rng=rng())
    y, source = np.array([0, 2]), rng().integers(0, 5, (2, 1, 2, 3))
    both = told({"y": y, "source": source}).numpy()
    assert both.shape == (2, 7, 4, 6)
    label, codes = (Conditioning({name: space}, (4, 6), 7, rng=rng()) for name, space in conditions.items())
    label.parts["y"].load_state_dict(told.parts["y"].state_dict())
    codes.parts["source"].load_state_dict(told.parts["source"].state_dict())
    assert label({"y": y}).shape == (2, 7, 1, 1)
    np.testing.assert_allclose(both, label({"y": y}).numpy() + codes({"source": source}).numpy(), rtol=1e-6)


def test_a_code_is_heard_of_near_its_pixels_only():
    """3x3 among codes, 3x3 among pixels: one code and one pixel around the block that a code becomes."""
    told = Conditioning({"source": Space((1, 4, 4), 5)}, (12, 12), 6, rng=rng())
    codes = np.zeros((2, 1, 4, 4), int)
    codes[1, 0, 3, 0] = 1
    changed = np.ptp(told({"source": codes}).numpy(), axis=0).max(axis=0) > 0  # (12, 12)
    assert changed[6:, :6].all() and not changed[:5].any() and not changed[:, 7:].any()


@pytest.mark.parametrize("space", [Space((1, 3, 2), 5), Space((1, 2, 2)), Space((3, 2, 2), 5), Space((4,), 5)])
def test_what_cannot_be_told(space):
    with pytest.raises(ValueError, match=r"source has shape .* expected labels, or codes \(1, h, w\) such that 4 x 4"):
        Conditioning({"source": space}, (4, 4), 7, rng=rng())
