"""Space: what it refuses, in one line that names the cure; its scalings, both ways, against their formulas; names."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.backend import asarray, to_numpy
from minigen.data import Space

DIGIT, POINT, LABEL = Space((1, 8, 8), 17), Space((2,)), Space((), 3, ("cat", "dog", "cow"))
COLOUR, TEXT = Space((3, 4, 5), 256), Space((4,), 5, ("", "a", "red", "green", "square"))


# What is refused


@pytest.mark.parametrize("space, x", [
    (DIGIT, np.full((3, 1, 8, 8), 16, np.uint8)), (DIGIT, np.zeros((3, 1, 8, 8), np.int64)),
    (DIGIT, np.zeros((0, 1, 8, 8), np.uint8)), (COLOUR, np.full((1, 3, 4, 5), 255, np.uint8)),
    (POINT, np.float32([[0.5, -7e9]])), (POINT, np.zeros((3, 2))), (POINT, np.array([[1, -2]])),
    (LABEL, np.array([0, 2, 1])), (TEXT, np.array([[1, 2, 4, 0]])),
])
def test_entries_pass(space, x):
    space.check(x)


@pytest.mark.parametrize("space, x, message", [
    # shape
    (DIGIT, np.zeros((3, 64), np.uint8), "x has shape (3, 64), expected (N, 1, 8, 8)"),
    (DIGIT, np.zeros((3, 8, 8), np.uint8), "x has shape (3, 8, 8), expected (N, 1, 8, 8)"),
    (DIGIT, np.zeros((1, 8, 8), np.uint8), "x has shape (1, 8, 8), expected (N, 1, 8, 8)"),
    (DIGIT, np.zeros((3, 1, 8, 9), np.uint8), "x has shape (3, 1, 8, 9), expected (N, 1, 8, 8)"),
    (DIGIT, np.zeros((3, 8, 8, 1), np.uint8),
     "x has shape (3, 8, 8, 1), expected (N, 1, 8, 8): channels come first, use x.transpose(0, 3, 1, 2)"),
    (COLOUR, np.zeros((2, 4, 5, 3), np.uint8),
     "x has shape (2, 4, 5, 3), expected (N, 3, 4, 5): channels come first, use x.transpose(0, 3, 1, 2)"),
    (COLOUR, np.zeros((2, 5, 4, 3), np.uint8), "x has shape (2, 5, 4, 3), expected (N, 3, 4, 5)"),
    (POINT, np.zeros(2), "x has shape (2,), expected (N, 2)"),
    (POINT, np.zeros((4, 3)), "x has shape (4, 3), expected (N, 2)"),
    (LABEL, np.zeros((4, 1), int), "x has shape (4, 1), expected (N,)"),
    (LABEL, np.array(1), "x has shape (), expected (N,)"),
    (TEXT, np.zeros((2, 3), int), "x has shape (2, 3), expected (N, 4)"),
    # dtype
    (DIGIT, np.zeros((3, 1, 8, 8), np.float32),
     "x has dtype float32, expected integers from 0 to 16, as data sets have them: they are scaled here"),
    (COLOUR, np.random.default_rng(0).random((2, 3, 4, 5)),
     "x has dtype float64, expected integers from 0 to 255, as data sets have them: they are scaled here"),
    (Space((1, 2, 2), 2), np.zeros((1, 1, 2, 2), bool),
     "x has dtype bool, expected integers from 0 to 1, as data sets have them: they are scaled here"),
    (LABEL, np.array([0.0, 1.0]),
     "x has dtype float64, expected integers from 0 to 2, as data sets have them: they are scaled here"),
    (POINT, np.array([["a", "b"]]), "x has dtype <U1, expected real numbers"),
    (POINT, np.zeros((1, 2), complex), "x has dtype complex128, expected real numbers"),
    # range
    (DIGIT, np.full((3, 1, 8, 8), 17, np.uint8), "x holds values from 17 to 17, expected 0 to 16"),
    (DIGIT, np.arange(-1, 63).reshape(1, 1, 8, 8), "x holds values from -1 to 62, expected 0 to 16"),
    (LABEL, np.array([0, 3]), "x holds values from 0 to 3, expected 0 to 2"),
    (TEXT, np.array([[0, 1, -1, 4]]), "x holds values from -1 to 4, expected 0 to 4"),
])
def test_what_is_no_entry_is_refused(space, x, message):
    with pytest.raises(ValueError) as error:
        space.check(x)
    assert str(error.value) == message


@pytest.mark.parametrize("scale", ["unit", "signed", "rows", "drawn"])
def test_every_scaling_checks_what_it_scales(scale):
    with pytest.raises(ValueError, match="^x holds values from 0 to 255, expected 0 to 16$"):
        getattr(DIGIT, scale)(np.uint8([0, 255]).repeat(64).reshape(2, 1, 8, 8))


def test_the_message_has_the_columns_name():
    with pytest.raises(ValueError, match=r"^source has shape \(2,\), expected \(N, 2\)$"):
        POINT.check(np.zeros(2), "source")


# The scalings


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@given(levels=st.integers(2, 256), N=st.integers(0, 5), seed=st.integers(0, 2**32 - 1))
def test_scalings_of_gray_levels(dtype, levels, N, seed):
    space = Space((2, 1, 3), levels)
    x = np.random.default_rng(seed).integers(0, levels, (N, 2, 1, 3)).astype(dtype)
    exact = np.float64(x) / (levels - 1)
    unit, signed, rows, drawn = (to_numpy(f(x)) for f in (space.unit, space.signed, space.rows, space.drawn))
    assert {a.dtype for a in (unit, signed, rows, drawn)} == {np.dtype("float32")}
    assert unit.shape == signed.shape == drawn.shape == x.shape and rows.shape == (N, 6)
    np.testing.assert_allclose(unit, exact, rtol=1e-6)
    np.testing.assert_allclose(signed, 2 * exact - 1, atol=2e-7)
    np.testing.assert_array_equal(rows, unit.reshape(N, 6))
    np.testing.assert_array_equal(drawn, unit)
    for back in (space.from_unit(unit), space.from_unit(rows), space.from_signed(signed)):  # and all the way back
        assert back.shape == x.shape and back.dtype == np.float32
        np.testing.assert_array_equal(np.round(back * (levels - 1)), x)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_both_ends_are_reached_exactly(levels):
    space, ends = Space((2,), levels), np.array([[0, levels - 1]])
    np.testing.assert_array_equal(to_numpy(space.unit(ends)), [[0, 1]])
    np.testing.assert_array_equal(to_numpy(space.signed(ends)), [[-1, 1]])
    np.testing.assert_array_equal(space.from_signed(np.float32([[-1, 1]])), [[0, 1]])


def test_what_a_network_makes_beyond_the_ends_is_cut_off():
    space = Space((1, 1, 3), 256)
    np.testing.assert_array_equal(space.from_unit(asarray([[-0.5, 0.25, 1.5]])), [[[[0, 0.25, 1]]]])
    np.testing.assert_array_equal(space.from_signed(asarray([[-1.5, 0.5, 1.5]])), [[[[0, 0.75, 1]]]])


def test_real_numbers_are_the_same_on_every_scale():
    x = np.float32([[-3.5, 0.1], [7, 0]])
    for f in (POINT.unit, POINT.signed, POINT.rows, POINT.drawn, POINT.from_unit, POINT.from_signed):
        np.testing.assert_array_equal(to_numpy(f(x)), x)
    assert to_numpy(POINT.unit(np.float64(x))).dtype == np.float32


@pytest.mark.parametrize("space, size, is_image", [(DIGIT, 64, True), (COLOUR, 60, True), (POINT, 2, False),
                                                   (LABEL, 1, False), (TEXT, 4, False), (Space(), 1, False)])
def test_size_and_kind(space, size, is_image):
    assert space.size == size == math.prod(space.shape) and space.is_image is is_image


# Names


def test_index_by_name_or_number():
    assert [LABEL.index(text) for text in ("cat", "cow", "1", "002")] == [0, 2, 1, 2]
    assert TEXT.index("") == 0 and TEXT.index("square") == 4
    assert Space((), 10).index("7") == 7
    assert Space((), 3, ("2", "1", "0")).index("2") == 0  # a name comes before a number


@pytest.mark.parametrize("space, text, message", [
    (LABEL, "dgo", "'dgo' is none of 0 to 2, or cat, dog, cow; did you mean 'dog'?"),
    (LABEL, "zebra", "'zebra' is none of 0 to 2, or cat, dog, cow"),
    (LABEL, "3", "'3' is none of 0 to 2, or cat, dog, cow"), (LABEL, "-1", "'-1' is none of 0 to 2, or cat, dog, cow"),
    (Space((), 10), "1.5", "'1.5' is none of 0 to 9"), (Space((), 10), "²", "'²' is none of 0 to 9"),
    (Space((), 10), "9" * 5000, f"'{'9' * 40}' is none of 0 to 9"),
])
def test_index_of_nothing(space, text, message):
    with pytest.raises(ValueError) as error:
        space.index(text)
    assert str(error.value) == message


def test_names_must_be_as_many_as_levels():
    with pytest.raises(ValueError, match="Space: 2 names for 3 levels; give a name to each"):
        Space((), 3, ("cat", "dog"))


def test_spaces_are_values():
    """As keys and in comparisons: a checkpoint's space and this run's are the same, however they were written."""
    assert Space([1, 8, 8], 17, ["a"] * 17) == Space((1, 8, 8), 17, ("a",) * 17) != Space((1, 8, 8), 17)
    assert len({Space([2]), Space((2,)), Space((2,), 5)}) == 2
