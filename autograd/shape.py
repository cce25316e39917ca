"""Ops that move elements without changing them: reshape, transpose, join, split, repeat, index, pad, flip.

Every one is a linear map that copies elements to places, so its pullback is the map that sends the gradient of each
place back to the element it came from; an element that was copied twice gets the sum. Names and arguments are NumPy's.

Symbols: x input, y output, g = dL/dy. Read before this: tensor.py, ops.py. Read next: reduce.py.
"""
import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from . import backend
from .backend import memory_order, xp
from .sweep import broadcast_to
from .tensor import Tensor, as_tensor, record


def named(name, x, f, *args, **options):
    """f(x.data, *args), an array function; its errors are raised again with the op's name and the shape of x."""
    try:
        return f(x.data, *args, **options)
    except (ValueError, IndexError, TypeError) as error:
        kind = next(k for k in (np.linalg.LinAlgError, IndexError, ValueError, TypeError) if isinstance(error, k))
        raise kind(f"{name}: {error}; x has shape {x.shape}") from error


# Axes and shapes


def reshape(x, *shape):
    """x with the same elements in another shape; one size may be -1. reshape(x, 2, 3) or reshape(x, (2, 3))."""
    x = as_tensor(x)
    shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
    before = x.shape
    try:
        value = x.data.reshape(shape)
    except ValueError as error:
        shape = tuple(shape)
        unknown = "; with a 0 beside it, -1 could be any size: name it" if x.size == 0 and -1 in shape else ""
        raise ValueError(f"reshape: {x.size} elements of shape {before} do not fill shape {shape}{unknown}") from error
    return record(value, (x, lambda g: reshape(g, before)))


def transpose(x, *axes):
    """x with its axes permuted: transpose(x, 1, 0, 2) or transpose(x, (1, 0, 2)); reversed if none are given."""
    x = as_tensor(x)
    axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)) else axes
    axes = normalize_axis_tuple(axes or range(x.ndim)[::-1], x.ndim, "transpose: axes")
    if len(axes) != x.ndim:
        raise ValueError(f"transpose: axes {axes} do not name each of the {x.ndim} axes of shape {x.shape} once")
    back = tuple(axes.index(i) for i in range(x.ndim))
    return record(x.data.transpose(axes), (x, lambda g: transpose(g, back)))


def swapaxes(x, axis1, axis2):
    """x with two axes exchanged."""
    x = as_tensor(x)
    return record(named("swapaxes", x, xp.swapaxes, axis1, axis2), (x, lambda g: swapaxes(g, axis1, axis2)))


def moveaxis(x, source, destination):
    """x with one axis (or several) moved to another place, the others in their order."""
    x = as_tensor(x)
    value = named("moveaxis", x, xp.moveaxis, source, destination)
    return record(value, (x, lambda g: moveaxis(g, destination, source)))


def expand_dims(x, axis):
    """x with an axis of size 1 inserted at `axis` (or several)."""
    x = as_tensor(x)
    before = x.shape
    return record(named("expand_dims", x, xp.expand_dims, axis), (x, lambda g: reshape(g, before)))


def squeeze(x, axis=None):
    """x without its axes of size 1, or without the given one (or several)."""
    x = as_tensor(x)
    before = x.shape
    return record(named("squeeze", x, xp.squeeze, axis), (x, lambda g: reshape(g, before)))


def flatten(x, start_axis=0, end_axis=-1):
    """x with the axes from start_axis to end_axis, both included, merged into one."""
    x = as_tensor(x)
    start = normalize_axis_index(start_axis, max(x.ndim, 1), "flatten: start_axis")
    end = normalize_axis_index(end_axis, max(x.ndim, 1), "flatten: end_axis")
    if start > end:
        raise ValueError(f"flatten: start_axis {start_axis} is after end_axis {end_axis} in shape {x.shape}")
    merged = int(np.prod(x.shape[start : end + 1]))
    return reshape(x, x.shape[:start] + (merged,) + x.shape[end + 1 :])


# Joining and splitting


def concatenate(xs, axis=0):
    """Joins tensors along an axis that exists; all other sizes must agree. All elements in a row if axis is None."""
    xs = [as_tensor(x) for x in xs]
    if not xs:
        raise ValueError("concatenate: xs is empty; pass at least one tensor")
    if axis is None:
        return concatenate([reshape(x, -1) for x in xs], 0)
    try:
        value = _join([x.data for x in xs], axis)
    except ValueError as error:
        raise ValueError(f"concatenate: shapes {[x.shape for x in xs]} do not agree off axis {axis}") from error
    before = (slice(None),) * (axis % value.ndim)
    ends = np.cumsum([x.shape[axis] for x in xs]).tolist()
    parts = [before + (slice(start, end),) for start, end in zip([0] + ends, ends)]
    return record(value, *((x, lambda g, part=part: getitem(g, part)) for x, part in zip(xs, parts)))


def _join(arrays, axis):
    """xp.concatenate, in the memory order of the first array, which CuPy's gives up."""
    order = memory_order(arrays[0])
    n = len(order)
    if not -n <= axis < n or any(x.ndim != n for x in arrays):
        return xp.concatenate(arrays, axis)  # which raises the error
    joined = xp.concatenate([x.transpose(order) for x in arrays], order.index(axis % n))
    return joined.transpose(np.argsort(order).tolist())


def stack(xs, axis=0):
    """Joins tensors of one shape along a new axis."""
    xs = [as_tensor(x) for x in xs]
    shapes = {x.shape for x in xs}
    if len(shapes) != 1:
        raise ValueError(f"stack: needs one tensor or more, all of one shape; got shapes {[x.shape for x in xs]}")
    axis = normalize_axis_index(axis, xs[0].ndim + 1, "stack")
    return concatenate([expand_dims(x, axis) for x in xs], axis)


def split(x, indices_or_sections, axis=0):
    """A list of views of x along an axis: that many equal parts, or cut before each of the given indices."""
    x = as_tensor(x)
    axis = normalize_axis_index(axis, x.ndim, "split")
    size = x.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        sections = int(indices_or_sections)
        if sections < 1 or size % sections:
            raise ValueError(f"split: axis {axis} of shape {x.shape} does not divide into {sections} equal parts; "
                             "pass the indices to cut at instead")
        cuts = list(range(size // sections, size, size // sections)) if size else [0] * (sections - 1)
    else:
        cuts = [int(i) for i in indices_or_sections]
    before = (slice(None),) * axis
    return [getitem(x, before + (slice(start, end),)) for start, end in zip([None] + cuts, cuts + [None])]


def repeat(x, repeats, axis=None):
    """Each element along axis so many times in a row, a number for all or one for each; of the flattened elements if
    axis is None."""
    x = as_tensor(x)
    if axis is None:
        return repeat(reshape(x, -1), repeats, 0)
    axis = normalize_axis_index(axis, x.ndim, "repeat")
    counts = np.asarray(backend.to_numpy(repeats.data if isinstance(repeats, Tensor) else repeats))
    if counts.dtype.kind not in "iu" or counts.shape not in ((), (1,), (x.shape[axis],)) or (counts < 0).any():
        raise ValueError(f"repeat: repeats is {repeats}, expected an integer that is not negative, or one for each "
                         f"element on axis {axis} of shape {x.shape}")
    if counts.size != 1:
        return getitem(x, (slice(None),) * axis + (xp.asarray(np.repeat(np.arange(x.shape[axis]), counts)),))
    before, (n, *after), count = x.shape[:axis], x.shape[axis:], int(counts.reshape(()))
    return reshape(broadcast_to(expand_dims(x, axis + 1), (*before, n, count, *after)), *before, n * count, *after)


def tile(x, reps):
    """x so many times side by side along each axis: a number for the last, or one for each; axes that x lacks are put
    before its own."""
    x = as_tensor(x)
    reps = tuple(reps) if isinstance(reps, (tuple, list)) else (reps,)
    if any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0 for n in reps):
        raise ValueError(f"tile: reps is {reps}, expected integers that are not negative")
    ndim = max(x.ndim, len(reps))
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - x.ndim) + x.shape
    apart = reshape(x, *(k for n in shape for k in (1, n)))  # an axis for the copies before each axis
    copies = broadcast_to(apart, tuple(k for pair in zip(reps, shape) for k in pair))
    return reshape(copies, *(r * n for r, n in zip(reps, shape)))


# Indexing: getitem and scatter_add are each other's adjoint


def getitem(x, index):
    """x[index] by NumPy's rules: basic, advanced or boolean. An element taken several times adds its gradients."""
    return _take(x, index, "getitem")


def _take(x, index, name):
    x = as_tensor(x)
    index = _plain_index(index)
    before = x.shape
    value = named(name, x, operator.getitem, index)
    return record(value, (x, lambda g: scatter_add(before, index, g)))


def scatter_add(shape, index, values):
    """Zeros of the given shape with values added at index; a place that index names twice gets both."""
    values = as_tensor(values)
    index = _plain_index(index)
    y = xp.zeros(shape, values.dtype)
    try:
        if _is_basic(index):
            y[index] = values.data  # basic indices name each place once
        else:
            xp.add.at(y, index, values.data)
    except (ValueError, IndexError) as error:
        raise type(error)(f"scatter_add: {error}; shape is {shape}, values have shape {values.shape}") from error
    return record(y, (values, lambda g: getitem(g, index)))


def _plain_index(index):
    """index with Tensors replaced by their arrays and lists made arrays."""
    if isinstance(index, tuple):
        return tuple(_plain_index(i) for i in index)
    if isinstance(index, Tensor):
        return index.data
    return xp.asarray(index, dtype=None if index else int) if isinstance(index, list) else index


def _is_basic(index):
    parts = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is Ellipsis or isinstance(i, slice) or _is_integer(i) for i in parts)


def _is_integer(i):
    if isinstance(i, (bool, np.bool_)) or getattr(i, "ndim", 0):
        return False
    try:
        operator.index(i)
    except TypeError:
        return False
    return True


def take_along_axis(x, indices, axis):
    """y[..., i, ...] = x[..., indices[..., i, ...], ...]: picks along one axis, the others in step.

    Picks from the flattened elements if axis is None.
    """
    x = as_tensor(x)
    if axis is None:
        return take_along_axis(reshape(x, -1), indices, 0)
    indices = indices.data if isinstance(indices, Tensor) else xp.asarray(indices)
    axis = normalize_axis_index(axis, x.ndim, "take_along_axis")
    if indices.ndim != x.ndim:
        raise ValueError(f"take_along_axis: indices {indices.shape} must have as many axes as x {x.shape}")
    others = [xp.arange(n).reshape((-1,) + (1,) * (x.ndim - i - 1)) for i, n in enumerate(x.shape)]
    return _take(x, tuple(indices if i == axis else others[i] for i in range(x.ndim)), "take_along_axis")


def diagonal(x, offset=0, axis1=0, axis2=1):
    """The diagonal of two axes, as the last axis: the elements whose index on axis2 exceeds that on axis1 by offset."""
    x = as_tensor(x)
    x = moveaxis(x, normalize_axis_tuple((axis1, axis2), x.ndim, "diagonal: axis1 and axis2"), (-2, -1))
    rows, columns = x.shape[-2:]
    i = xp.arange(max(0, -offset), max(0, -offset, min(rows, columns - offset)))
    return getitem(x, (Ellipsis, i, i + offset))


# Borders, order, triangles


def pad(x, pad_width, mode="constant", constant_values=0.0):
    """x with a border. pad_width: one number, one (before, after) for all axes, or one such pair per axis.

    mode: "constant", "reflect" (the mirror image, without the edge) or "edge" (the edge repeated).
    """
    x = as_tensor(x)
    try:
        widths = np.broadcast_to(pad_width, (x.ndim, 2)).tolist()
    except ValueError as error:
        raise ValueError(f"pad: pad_width {pad_width} is not one number, one (before, after) or one such pair for "
                         f"each axis of shape {x.shape}") from error
    if min((n for pair in widths for n in pair), default=0) < 0:
        raise ValueError(f"pad: pad_width {pad_width} is negative; cut with x[...] instead")
    if mode == "constant":
        inside = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape))
        value = xp.pad(x.data, widths or 0, constant_values=constant_values)
        return record(value, (x, lambda g: getitem(g, inside)))
    if mode not in ("reflect", "edge"):
        raise ValueError(f"pad: mode is {mode!r}, expected 'constant', 'reflect' or 'edge'")
    for axis, (width, n) in enumerate(zip(widths, x.shape)):
        if mode == "reflect" and max(width) >= max(n, 1):
            raise ValueError(f"pad: reflecting {max(width)} elements needs more than that on axis {axis} of {x.shape}")
        if any(width):  # the border is a copy of elements at known places
            x = getitem(x, (slice(None),) * axis + (xp.asarray(np.pad(np.arange(n), width, mode)),))
    return x


def flip(x, axis=None):
    """x in reverse order along an axis, several, or all."""
    x = as_tensor(x)
    return record(named("flip", x, xp.flip, axis), (x, lambda g: flip(g, axis)))


def roll(x, shift, axis=None):
    """x shifted cyclically along an axis (or several); over the flattened elements if axis is None."""
    x = as_tensor(x)
    back = tuple(-s for s in shift) if isinstance(shift, tuple) else -shift
    return record(named("roll", x, xp.roll, shift, axis), (x, lambda g: roll(g, back, axis)))


def tril(x, k=0):
    """x with zeros above the k-th diagonal of its last two axes."""
    x = as_tensor(x)
    return record(named("tril", x, xp.tril, k), (x, lambda g: tril(g, k)))


def triu(x, k=0):
    """x with zeros below the k-th diagonal of its last two axes."""
    x = as_tensor(x)
    return record(named("triu", x, xp.triu, k), (x, lambda g: triu(g, k)))


# The methods of Tensor

Tensor.__getitem__ = getitem
Tensor.T = property(transpose, doc="The tensor with its axes reversed.")
for _op in (reshape, transpose, swapaxes, squeeze, flatten, broadcast_to):
    setattr(Tensor, _op.__name__, _op)
