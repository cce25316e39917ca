"""Ops that move elements, against NumPy: values, views, and gradients that go back where they came from."""
import numpy as np
import pytest

import autograd as ag
from autograd import grad, parameter

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 4))
SHAPES = pytest.mark.parametrize("shape", [(2, 3, 4), (1, 1, 1), (0, 3, 4), (2, 3, 0)], ids=str)

MOVES = {  # ours, NumPy's
    "reshape": (lambda x: x.reshape(x.shape[0] * 3 if x.shape[1] == 3 else 1, x.shape[2]),
                lambda x: x.reshape(x.shape[0] * 3 if x.shape[1] == 3 else 1, x.shape[2])),
    "transpose": (lambda x: x.transpose(2, 0, 1), lambda x: x.transpose(2, 0, 1)),
    "transpose, tuple": (lambda x: ag.transpose(x, (1, 0, -1)), lambda x: x.transpose(1, 0, 2)),
    "T": (lambda x: x.T, lambda x: x.T),
    "swapaxes": (lambda x: x.swapaxes(0, -1), lambda x: x.swapaxes(0, -1)),
    "moveaxis": (lambda x: ag.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1)),
    "moveaxis, two": (lambda x: ag.moveaxis(x, (0, 1), (2, 0)), lambda x: np.moveaxis(x, (0, 1), (2, 0))),
    "expand_dims": (lambda x: ag.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1))),
    "squeeze": (lambda x: ag.expand_dims(x, 1).squeeze(1), lambda x: x),
    "flatten": (lambda x: x.flatten(), lambda x: x.reshape(-1)),
    "flatten, some": (lambda x: x.flatten(1), lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2])),
    "broadcast_to": (lambda x: x.broadcast_to((5, *x.shape)), lambda x: np.broadcast_to(x, (5, *x.shape))),
    "concatenate": (lambda x: ag.concatenate([x, x[:1], x], 0), lambda x: np.concatenate([x, x[:1], x], 0)),
    "concatenate, flat": (lambda x: ag.concatenate([x, x[:, 0:1]], None),
                          lambda x: np.concatenate([x, x[:, 0:1]], None)),
    "stack": (lambda x: ag.stack([x, x], -1), lambda x: np.stack([x, x], -1)),
    "split": (lambda x: ag.split(x, x.shape[1], 1)[-1], lambda x: np.split(x, x.shape[1], 1)[-1]),
    "split, indices": (lambda x: ag.split(x, [1, 3, 9], -1)[1], lambda x: np.split(x, [1, 3, 9], -1)[1]),
    "pad": (lambda x: ag.pad(x, ((1, 0), (0, 2), (1, 1)), constant_values=7),
            lambda x: np.pad(x, ((1, 0), (0, 2), (1, 1)), constant_values=7)),
    "flip": (lambda x: ag.flip(x), lambda x: np.flip(x)),
    "flip, axes": (lambda x: ag.flip(x, (0, -1)), lambda x: np.flip(x, (0, -1))),
    "roll": (lambda x: ag.roll(x, 5), lambda x: np.roll(x, 5)),
    "roll, one shift": (lambda x: ag.roll(x, np.int64(1), (0, 2)), lambda x: np.roll(x, 1, (0, 2))),
    "tril": (lambda x: ag.tril(x, 1), lambda x: np.tril(x, 1)),
    "triu": (lambda x: ag.triu(x, -1), lambda x: np.triu(x, -1)),
    "diagonal": (lambda x: ag.diagonal(x), lambda x: np.diagonal(x)),
    "diagonal, offset": (lambda x: ag.diagonal(x, 1, -1, 1), lambda x: np.diagonal(x, 1, -1, 1)),
    "diagonal, far off": (lambda x: ag.diagonal(x, -9), lambda x: np.diagonal(x, -9)),
}


@SHAPES
@pytest.mark.parametrize("name", MOVES)
def test_as_numpy(name, shape):
    mine, theirs = MOVES[name]
    data = RNG.standard_normal(shape)
    for x in (data, np.array(data, order="F"), data[::-1]):
        y = mine(parameter(x))
        np.testing.assert_array_equal(y.numpy(), theirs(x))


@SHAPES
@pytest.mark.parametrize("name", sorted(set(MOVES) - {"pad"}))
def test_every_number_goes_back_to_its_place(name, shape):
    """With f linear and u = f(x), x . J^T u = u . u."""
    x = parameter(RNG.standard_normal(shape))
    y = MOVES[name][0](x)
    g = grad(y, x, y.numpy()).numpy()
    np.testing.assert_allclose((g * x.numpy()).sum(), (y.numpy() ** 2).sum(), rtol=1e-12)


# Indexing

INDICES = {
    "integer": 1, "negative": -1, "NumPy integer": np.int64(1), "slice": slice(1, None),
    "reversed": slice(None, None, -1), "steps": (slice(None), slice(None, None, -2)),
    "new axis": (None, 1, None), "ellipsis": (Ellipsis, 2),
    "ellipsis in the middle": (0, Ellipsis, slice(1, 3)), "empty": slice(2, 1), "nothing": (),
    "list": [1, 0, 1], "lists": ([1, 0], [2, 2]), "broadcast lists": ([[1], [0]], [2, 1, 2]),
    "repeated": ([0, 0, 0], [1, 1, 1]), "separated by a slice": ([0, 1], slice(None), [3, 1]),
    "beside a slice": (slice(None), [0, 2], [3, 1]), "integer and list": (1, slice(None), [0, 0]),
    "list and new axis": ([0, 1], None, [1, 2]), "mask": X > 0, "mask of rows": np.array([True, False]),
    "mask of columns": (slice(None), np.array([True, False, True])),
    "mask and list": (np.array([True, True]), [0, 2]), "none": np.zeros(2, bool), "scalar mask": np.True_,
    "array": np.array([[1, 0], [0, -2]]), "empty list": [],
    "unsigned": np.array([1, 0], np.uint8),
}


@pytest.mark.parametrize("name", INDICES)
def test_index_as_numpy(name):
    index = INDICES[name]
    x = parameter(X)
    y = x[index]
    expected = X[index]
    np.testing.assert_array_equal(y.numpy(), expected)
    u = RNG.standard_normal(expected.shape)
    g = np.zeros_like(X)
    np.add.at(g, index if not isinstance(index, list) else (index,), u)
    np.testing.assert_allclose(grad(y, x, u).numpy(), g)


@pytest.mark.parametrize("name", [n for n, i in INDICES.items() if isinstance(i, (np.ndarray, tuple))])
def test_tensors_as_index(name):
    index = INDICES[name]
    wrap = lambda i: ag.Tensor(i) if isinstance(i, (np.ndarray, list)) else i
    index = tuple(map(wrap, index)) if isinstance(index, tuple) else wrap(index)
    np.testing.assert_array_equal(parameter(X)[index].numpy(), X[INDICES[name]])
    assert ag.scatter_add(X.shape, index, X[INDICES[name]]).shape == X.shape


def test_comparisons_as_index():
    x = parameter(X)
    np.testing.assert_array_equal(x[x > 0].numpy(), X[X > 0])
    np.testing.assert_array_equal(grad(x[x > 0].sum(), x).numpy(), X > 0)


def test_scatter_add_adds():
    y = ag.scatter_add((4,), [1, 1, 3, 1], parameter(np.array([1.0, 10.0, 100.0, 1000.0])))
    np.testing.assert_array_equal(y.numpy(), [0, 1011, 0, 100])


@pytest.mark.parametrize("axis", [0, 1, 2, -1, None])
def test_take_along_axis_as_numpy(axis):
    order = np.argsort(X, axis=axis)
    np.testing.assert_array_equal(ag.take_along_axis(parameter(X), order, axis).numpy(), np.sort(X, axis=axis))


def test_take_along_axis_broadcasts():
    indices = np.array([[[2], [0], [3]]])
    np.testing.assert_array_equal(ag.take_along_axis(X, indices, 2).numpy(), np.take_along_axis(X, indices, 2))


@pytest.mark.parametrize("mode", ["reflect", "edge"])
@pytest.mark.parametrize("width", [1, (1, 0), [(0, 1), (1, 2), (3, 0)], [(0, 0)] * 3])
def test_borders_as_numpy(mode, width):
    np.testing.assert_array_equal(ag.pad(X, width, mode).numpy(), np.pad(X, width, mode))


def test_pad_of_a_scalar():
    for mode in ("constant", "edge", "reflect"):
        assert ag.pad(2.5, 0, mode).item() == 2.5


def test_views_share_memory_and_copies_do_not():
    x = parameter(X)
    for y in (x.reshape(6, 4), x.T, x[1:], ag.split(x, 2)[0], ag.flip(x), ag.expand_dims(x, 0),
              x.broadcast_to((5, 2, 3, 4))):
        assert np.shares_memory(y.data, x.data)
    for y in (x[[0, 1]], ag.pad(x, 1), ag.roll(x, 1), ag.concatenate([x])):
        assert not np.shares_memory(y.data, x.data)


def test_memory_order_does_not_change_results():
    x = np.asfortranarray(X)
    np.testing.assert_array_equal(ag.reshape(x, 4, 6).numpy(), X.reshape(4, 6))
    np.testing.assert_array_equal(ag.flatten(x).numpy(), X.reshape(-1))


# Repeating


@pytest.mark.parametrize("repeats, axis", [(2, None), (0, 0), (3, 1), (2, -1), ([1, 0, 2], 1), ([2], 0),
                                           (np.int64(2), 0), ([1, 2, 0, 0, 1, 3], None)])
def test_repeat_as_numpy(repeats, axis):
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(ag.repeat(x, repeats, axis).numpy(), np.repeat(x, repeats, axis))
    ag.gradgradcheck(lambda x: ag.repeat(x, repeats, axis) ** 2, [x])


@pytest.mark.parametrize("reps", [2, 0, (2,), (2, 3), (1, 2, 3), (2, 1, 1, 2), ()])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_tile_as_numpy(shape, reps):
    x = np.random.default_rng(0).standard_normal(shape)
    np.testing.assert_array_equal(ag.tile(x, reps).numpy(), np.tile(x, reps))


@pytest.mark.parametrize("call, message", [
    (lambda x: ag.repeat(x, 1.5), r"repeat: repeats is 1.5, expected an integer that is not negative"),
    (lambda x: ag.repeat(x, [1, 2, 3], 0), r"repeat: repeats is \[1, 2, 3\], .* axis 0 of shape \(2, 3\)"),
    (lambda x: ag.repeat(x, -1), "repeat: repeats is -1"),
    (lambda x: ag.tile(x, (2, 1.5)), r"tile: reps is \(2, 1.5\), expected integers"),
])
def test_messages_of_repeating(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((2, 3)))


def test_an_unknown_size_beside_zero_is_named_as_the_fault():
    with pytest.raises(ValueError, match=r"reshape: 0 elements of shape \(0, 3\) do not fill shape \(0, -1\); with a 0 "
                                         "beside it, -1 could be any size: name it"):
        ag.reshape(np.ones((0, 3)), 0, -1)
    assert ag.reshape(np.ones((0, 3)), -1, 3).shape == (0, 3)
    assert ag.flatten(np.ones((0, 3, 2)), 1).shape == (0, 6)
