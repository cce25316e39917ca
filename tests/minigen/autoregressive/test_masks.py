"""MADE's masks: degrees, and the paths that are left from inputs to outputs."""
import numpy as np
import pytest

from minigen.autoregressive.masks import degree_masks, hidden_degrees, input_degrees, output_mask


def rng(seed=0):
    return np.random.default_rng(seed)


def paths(masks):
    """How many paths lead from input j to output i, (D, D)."""
    count = np.int64(masks[0])
    for mask in masks[1:]:
        count = np.int64(mask) @ count
    return count


def degrees(order, widths, seed=0):
    return [input_degrees(order), *hidden_degrees(len(order), widths, rng(seed))]


def test_an_inputs_degree_is_its_place_in_the_order():
    assert input_degrees([2, 0, 3, 1]).tolist() == [2, 4, 1, 3]
    order = rng().permutation(9)
    assert input_degrees(order)[order].tolist() == list(range(1, 10))


@pytest.mark.parametrize("widths", [(7,), (40, 30), (5, 6, 7)])
def test_hidden_degrees_are_drawn_from_the_least_of_the_layer_before(widths):
    least = 1
    for seed in range(20):
        layers = hidden_degrees(9, widths, rng(seed))
        assert [len(m) for m in layers] == list(widths)
        least = 1
        for m in layers:
            assert least <= m.min() and m.max() <= 8
            least = m.min()
    assert np.unique(hidden_degrees(9, (500,), rng())[0]).tolist() == list(range(1, 9))  # all of them occur


def test_one_number_has_no_conditions():
    masks = degree_masks(degrees([0], (4,)))
    assert not masks[-1].any()


@pytest.mark.parametrize("widths", [(60,), (60, 50), (40, 50, 60)])
@pytest.mark.parametrize("seed", [0, 1])
def test_paths_lead_from_what_is_before_and_from_nothing_else(widths, seed):
    order = rng(seed).permutation(6)
    count = paths(degree_masks(degrees(order, widths, seed)))[order][:, order]
    np.testing.assert_array_equal(count > 0, np.tri(6, k=-1, dtype=bool))


def test_masks_that_are_off_by_one_let_a_number_see_itself_or_too_little():
    """>= and > exchanged, each in turn."""
    order = rng(1).permutation(6)
    m0, m1, m2 = degrees(order, (60, 60), 1)
    right, last = [m1[:, None] >= m0, m2[:, None] >= m1], m0[:, None] > m2
    triangle = lambda masks: (paths(masks)[order][:, order] > 0).tolist() == np.tri(6, k=-1, dtype=bool).tolist()
    assert triangle([*right, last])
    assert not triangle([*right, m0[:, None] >= m2])  # sees itself
    assert not triangle([m1[:, None] > m0, m2[:, None] > m1, last])  # sees too little


def test_weights_straight_from_inputs_to_outputs():
    order = rng(2).permutation(7)
    mask = output_mask(input_degrees(order), input_degrees(order))
    np.testing.assert_array_equal(mask[order][:, order], np.tri(7, k=-1, dtype=bool))
