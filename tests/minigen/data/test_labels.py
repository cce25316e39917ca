"""Few labels: which are kept, and that no other is left anywhere to be looked at."""
import numpy as np
import pytest

from autograd.backend import rng
from minigen import data
from minigen.data import balanced, few_labels


def test_few_labels_are_balanced_and_the_others_are_gone():
    digits = data.load("digits")
    sets = few_labels(digits, 100, seed=3)
    assert list(sets.spaces) == ["x", "labelled", "labelled_y"] and "100 labels" in sets.note
    assert np.bincount(sets.sets["labelled"]["y"]).tolist() == [10] * 10
    assert list(sets.sets["x"].columns) == ["x"] and len(sets.sets["x"]) == 1000
    batch = next(sets.batches(50, rng(0)))
    assert {name: a.shape for name, a in batch.items()} == {
        "x": (50, 1, 8, 8), "labelled": (50, 1, 8, 8), "labelled_y": (50,)}
    label_of = {x.tobytes(): y for x, y in zip(digits["x"], digits["y"])}
    assert all(label_of[x.tobytes()] == y for x, y in zip(batch["labelled"], batch["labelled_y"]))


def test_the_choice_is_the_seeds():
    digits = data.load("digits")
    first, again, other = (few_labels(digits, 40, seed).sets["labelled"]["x"].tobytes() for seed in (3, 3, 4))
    assert first == again != other


def test_balanced_takes_all_of_a_class_that_has_fewer():
    y = np.repeat([0, 1, 2], [50, 3, 50])
    rows = balanced(y, 30, 3, rng(0))
    assert np.bincount(y[rows]).tolist() == [10, 3, 10] and len(np.unique(rows)) == 23
    assert np.any(np.diff(y[rows]) < 0)  # in no order


def test_bad_input():
    with pytest.raises(ValueError, match="few_labels: ring has columns x, and labels are y; use data that have labels"):
        few_labels(data.load("ring"), 100, 0)
    with pytest.raises(ValueError, match="balanced: n is 9, expected at least one for each of the 10 classes"):
        few_labels(data.load("digits"), 9, 0)
