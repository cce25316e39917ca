"""The sweep that differentiates a graph (reverse mode, to any order): backward() and grad().

It starts from dL/dy at the outputs and passes every node once, the latest first: a node's number exceeds those of its
inputs, so when its turn comes all that flows into its gradient has arrived, and neither recursion nor a sort along
the edges is needed.

    g_x = sum over the edges (y -> x) of pullback(g_y)            (a value used twice adds its gradients)

The first gradient that arrives at a node is borrowed, the second allocates the sum, later ones are added into that
sum in place. Broadcasting is undone here, once for all ops.

Source: Griewank & Walther, "Evaluating Derivatives", 2nd ed. 2008, chapter 3.
Symbols: y output, x input, g = dL/dy. Read before this: tensor.py. Read next: ops.py.
"""
import functools
import math
import operator
import types

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from .backend import device, memory_order, xp
from .mode import mode, no_grad, recording, set_recording
from .tensor import Joint, Leaf, Tensor, as_tensor, bare, check_dtype, operands, record


def backward(y, grad_output=None) -> None:
    """Adds dL/dp to `p.grad` for every leaf p that this tensor depends on, and frees the graph.

    grad_output: dL/d(self), of this shape; may be left out where this tensor has one element. The arrays of `p.grad`
    are the caller's: no two share memory, and they may be written to.

    >>> from autograd import parameter
    >>> x = parameter([1.0, 2.0])
    >>> (x * x * x).sum().backward()
    >>> x.grad
    Tensor([ 3. 12.], shape=(2,))
    """
    start = _start(y, grad_output, "backward")
    leaves = {node: None for node in _ancestors([y.node]) if not node.edges}
    with no_grad():
        owned = _sweep({y.node: start}, leaves)
    for node, g in leaves.items():
        p = node.tensor()
        if p is not None and g is not None:
            own = p.grad is None and node not in owned
            p.grad = Tensor(xp.array(g.data) if own else g.data if p.grad is None else p.grad.data + g.data)


Tensor.backward = backward


def grad(y, xs, grad_outputs=None, create_graph=False, allow_unused=False):
    """The vector-Jacobian product (dy/dx)^T g for every x in xs.

    y: a Tensor, or a list of Tensors whose contributions add. xs: a Tensor or a list of them, parameters or
    intermediate results. grad_outputs: g, one per y, of y's shape; left out, y must have one element and g is 1.
    create_graph: records the gradients themselves, so that they can be differentiated again, and keeps the graph of
    y; otherwise the graph is freed as the sweep passes. allow_unused: None for an x that y does not depend on.

    Returns a list of Tensors in the order of xs; a single Tensor if xs is one. Do not write into their arrays, which
    may be shared. Raises RuntimeError if y has no graph, was freed, does not depend on an x, or was computed with
    parameters that were changed since.

    >>> from autograd import parameter
    >>> x = parameter(3.0)
    >>> slope = grad(x**3, x, create_graph=True)  # 3 x^2
    >>> slope.item(), grad(slope, x).item()  # and 6 x
    (27.0, 18.0)
    """
    single = isinstance(xs, Tensor)
    xs = [xs] if single else list(xs)
    ys = list(y) if isinstance(y, (list, tuple)) else [y]
    gs = [None] * len(ys) if grad_outputs is None else grad_outputs
    gs = [gs] if isinstance(gs, Tensor) or not isinstance(gs, (list, tuple)) else list(gs)
    if len(gs) != len(ys):
        raise ValueError(f"grad: {len(ys)} outputs but {len(gs)} grad_outputs; pass one per output")
    for i, x in enumerate(xs):
        if not isinstance(x, Tensor) or x.node is None:
            raise RuntimeError(f"grad: xs[{i}] is a constant and has no gradient; make it with parameter(...)")

    with set_recording(create_graph):
        starts = {}
        for y, g in zip(ys, gs):
            g = _start(y, g, "grad")
            starts[y.node] = add(starts[y.node], g) if y.node in starts else g
        wanted = dict.fromkeys(x.node for x in xs)
        _sweep(starts, wanted, keep=create_graph)

    result = [wanted[x.node] for x in xs]
    missing = [i for i, g in enumerate(result) if g is None]
    if missing and not allow_unused:
        i = missing[0]
        raise RuntimeError(f"grad: the output does not depend on xs[{i}] of shape {xs[i].shape}; "
                           "leave it out, or pass allow_unused=True to get None for it")
    return result[0] if single else result


def _start(y, g, caller) -> Tensor:
    """The gradient that the sweep starts from at y: g, checked, or 1 for a single element."""
    if not isinstance(y, Tensor) or y.node is None:
        raise RuntimeError(f"{caller}: the output has no graph: it depends on no parameter, or was made in no_grad()")
    if g is None:
        if y.size != 1:
            raise RuntimeError(f"{caller}: the output has shape {y.shape}, not one element; "
                               "reduce it to a scalar or pass its gradient, of the same shape")
        return Tensor(xp.ones(y.shape, y.dtype))
    g = g if isinstance(g, Tensor) else Tensor(g)
    if g.shape != y.shape:
        raise ValueError(f"{caller}: the output has shape {y.shape} but its gradient has shape {g.shape}")
    return g


def _ancestors(roots) -> list:
    """All nodes that the roots depend on, the roots included, in ascending order of number."""
    seen, stack = set(roots), list(roots)
    while stack:
        node = stack.pop()
        if node.edges is None:
            raise RuntimeError("the graph was freed by an earlier backward() or grad(); compute the output again, "
                               "or keep the graph with create_graph=True")
        for parent, _ in node.edges:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=operator.attrgetter("number"))


def _path(roots, wanted) -> list:
    """The nodes on a path from a root to a wanted node, in ascending order: no other gradient is computed."""
    path, needed, ancestors = [], set(wanted), _ancestors(roots)
    for node in ancestors:
        if node not in needed:
            for parent, _ in node.edges:
                if parent in needed:
                    needed.add(node)
                    break
            else:
                continue
        path.append(node)
    if Leaf.last_change > ancestors[0].number:
        _check_unchanged(path, needed, [node for node in ancestors if not node.edges])
    return path


def _sweep(gradients, wanted, keep=False) -> set:
    """Runs the pullbacks from the output nodes to the wanted nodes, and writes the sums into `wanted`.

    gradients: node -> dL/d(its value), for the outputs to start from. wanted: a dict whose keys are the nodes asked
    for. Frees each node's edges as it passes, unless keep. Returns the nodes whose gradient is an array of its own.
    """
    path = _path(gradients, wanted)
    needed = set(path)
    watches = mode.get().watches if mode.get() else ()

    owned = set()  # the nodes whose gradient is a sum of our own, which may be added to in place
    while path:
        node = path.pop()  # descending number, so every gradient that flows into it has arrived
        g = gradients.pop(node)
        if node in wanted:
            wanted[node] = g
        y = None if node.output is None else bare(node.output, node)
        passed = joint = shared = None
        for parent, pullback in node.edges:
            if parent in needed:
                if type(pullback) is Joint:
                    if pullback.gradients is not joint:
                        joint = pullback.gradients
                        shared = joint(g)
                    g_parent = shared[pullback.place]
                else:
                    g_parent = pullback(g) if y is None else pullback(g, y)  # course 12.1
                if watches:
                    watches[-1].backward(node, pullback, g, g_parent)
                _accumulate(gradients, parent, g_parent, owned)
                passed = True
        if passed and not keep:
            node.edges = node.output = None
    return owned


def _accumulate(gradients, node, g, owned) -> None:
    """Adds g to the node's gradient. The first arrival is borrowed, the second allocates, later ones add in place."""
    data = g.data
    if data.shape != node.shape:
        g = sum_to(g, node.shape)
    if data.dtype != node.dtype:
        g = astype(g, node.dtype)
    if node not in gradients:
        gradients[node] = g
    elif recording():
        gradients[node] = add(gradients[node], g)
    elif node in owned:
        gradients[node].data += g.data
    else:
        gradients[node] = Tensor(xp.add(gradients[node].data, g.data))
        owned.add(node)


# Parameters that were changed between the forward pass and the sweep


def _check_unchanged(path, needed, leaves) -> None:
    """RuntimeError if a pullback needs the array of a parameter that was overwritten after the op had used it: what it
    returned would be the gradient of nothing that was computed. Pullbacks that do not need it are right as they are:
    that of a sum, for example, does not depend on the terms."""
    oldest = next((node.number for node in path if node.edges), math.inf)
    changed = [(node.changed, x) for node in leaves if node.changed > oldest and (x := node.tensor()) is not None]
    for node in path if changed else []:
        for pullback in [pullback for parent, pullback in node.edges if parent in needed]:
            arrays = list(_named(pullback, set()))
            for when, x in changed:
                if when > node.number and any(xp.may_share_memory(array, x.data) for array in arrays):
                    raise RuntimeError(f"a parameter of shape {x.shape} was changed (a step, load_state_dict, assign, "
                                       f"average()) after {op_of(pullback)} used it: take the gradient before, or "
                                       "compute the output again")


def _named(thing, seen):
    """The arrays that a pullback keeps alive: its closure's, and those of the functions in it."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, Tensor):
        thing = thing.data
    if isinstance(thing, xp.ndarray):
        yield thing
    elif isinstance(thing, Joint):
        yield from _named(thing.gradients, seen)
    elif isinstance(thing, functools.partial):
        yield from _named((thing.func, thing.args, *thing.keywords.values()), seen)
    elif isinstance(thing, types.FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        yield from _named((*cells, *(thing.__defaults__ or ())), seen)
    elif isinstance(thing, (list, tuple)):
        for part in thing:
            yield from _named(part, seen)


def op_of(pullback) -> str:
    """The name of the function that a pullback was written in."""
    function = pullback.gradients if isinstance(pullback, Joint) else pullback
    return getattr(function, "__qualname__", type(function).__name__).split(".")[0]


# The four ops that the sweep itself stands on


def elementwise(ufunc, a, b):
    """The array ufunc(a, b); shapes that do not broadcast are named in the error."""
    try:
        return ufunc(a.data, b.data)
    except ValueError as error:
        raise ValueError(f"{ufunc.__name__}: shapes {xp.shape(a.data)} and {xp.shape(b.data)} do not broadcast; sizes "
                         "of an axis, counted from the last, must agree or be 1") from error


def add(a, b):
    """a + b, elementwise with broadcasting."""
    a, b = operands(a, b)
    return record(elementwise(xp.add, a, b), (a, lambda g: g), (b, lambda g: g))


def astype(x, dtype):
    """x in another dtype; the gradient comes back in x's own."""
    x = as_tensor(x)
    value = x.data.astype(dtype)
    check_dtype("astype", value.dtype)
    if value.dtype.kind != "f":
        return Tensor(value)
    return record(value, (x, lambda g: g))


def broadcast_to(x, shape):
    """x repeated to a larger shape by NumPy's broadcasting rules (a view). The adjoint of sum_to."""
    x = as_tensor(x)
    before = x.data.shape
    try:
        value = xp.broadcast_to(x.data, shape)
    except ValueError as error:
        raise ValueError(f"broadcast_to: shape {before} does not broadcast to {shape}; sizes of an axis, counted from "
                         "the last, must agree or be 1") from error
    return record(value, (x, lambda g: sum_to(g, before)))


def sum_to(x, shape):
    """x summed to a shape that broadcasts to x's own. The adjoint of broadcast_to: it undoes broadcasting."""
    x = as_tensor(x)
    before = x.data.shape
    extra = len(before) - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and before[i + extra] != 1)
    value = sum_array(x.data, axes, keepdims=True)
    if extra < 0 or value.shape[extra:] != tuple(shape):
        raise ValueError(f"sum_to: shape {shape} does not broadcast to {before}, so a sum over axes cannot lead there")
    value = value.reshape(shape)
    return record(value, (x, lambda g: broadcast_to(g, before)))


ROWS = 1 << 10  # terms added one after the other, at most: float32 then keeps six digits


def sum_array(x, axis=None, keepdims=False):
    """x.sum(axis, keepdims=keepdims) of an array. NumPy adds in pairs along the axis that is last in memory, but row
    after row along the others: from 2^24 on a float32 sum of ones then stays as it is. Here many rows are added in
    blocks."""
    if x.size <= ROWS or x.dtype != np.float32 or axis is None or device() != "cpu":
        return x.sum(axis=axis, keepdims=keepdims)
    axes = normalize_axis_tuple(axis, x.ndim)
    if math.prod(x.shape[i] for i in axes) <= ROWS:
        return x.sum(axis=axes, keepdims=keepdims)
    order = memory_order(x)
    fast = [i for n, i in enumerate(order) if all(j in axes for j in order[n:])]
    slow = [i for i in axes if i not in fast]
    if math.prod(x.shape[i] for i in slow) <= ROWS:
        return x.sum(axis=axes, keepdims=keepdims)
    y = x.sum(axis=tuple(fast), keepdims=True) if fast else x
    for i in slow:
        y = _sum_rows(y, i)
    return y if keepdims else y.reshape([n for i, n in enumerate(x.shape) if i not in axes])


def _sum_rows(x, axis):
    """The sum over one axis, which stays with size 1."""
    n = x.shape[axis]
    if n <= ROWS:
        return x.sum(axis=axis, keepdims=True)
    rows = lambda start, end: x[(slice(None),) * axis + (slice(start, end),)]
    whole = n - n % ROWS
    blocks = rows(0, whole).reshape(*x.shape[:axis], whole // ROWS, ROWS, *x.shape[axis + 1 :])  # a view
    sums = [_sum_rows(blocks.sum(axis=axis + 1), axis)]
    if n > whole:
        sums.append(rows(whole, n).sum(axis=axis, keepdims=True))
    return functools.reduce(xp.add, sums)
