"""Tensor, the graph it leaves behind, and the sweep that differentiates it (reverse-mode, to any order).

An op computes a value and calls `record(value, (input, pullback), ...)`. That makes a Node whose edges lead to the
nodes of the inputs. The pullback of an edge maps g = dL/dy, the gradient of some scalar L with respect to the op's
output y, to dL/d(input). It is itself written with ops, so that running it under `create_graph=True` records a new
graph, and a gradient can be differentiated again.

    y = f(x)          Node(y) --pullback--> Node(x)
    g_x = (dy/dx)^T g_y                                           (chain rule, one edge)
    g_x = sum over the edges (y -> x) of pullback(g_y)            (a value used twice adds its gradients)

Nodes are numbered as they are made, so an op's number exceeds those of its inputs: descending number is a
topological order, and the sweep needs neither recursion nor a sort of its own. Nodes hold no data: what a pullback
names stays alive with it, and nothing else does. Edges into constants are never made.

Source: Griewank & Walther, "Evaluating Derivatives", 2nd ed. 2008, chapter 3 (reverse mode).
Symbols: y output, x input, g = dL/dy. Read before this: backend.py. Read next: ops.py.
"""
import contextlib
import itertools
import operator
import weakref

import numpy as np

from . import backend
from .backend import xp

_count = itertools.count()
_recording = True  # the second of the project's two globals; the first is the backend


class Node:
    """One recorded op, or one leaf. `edges` is a list of (parent node, pullback); None once it has been freed."""

    __slots__ = ("number", "edges", "shape", "dtype", "output", "leaf", "origin")

    def __init__(self, edges, value):
        self.number = next(_count)
        self.edges = edges
        self.shape = value.shape
        self.dtype = value.dtype
        self.output = None  # the op's own value, only where its pullbacks asked for it
        self.leaf = None  # weak reference to the parameter, only for leaves
        self.origin = None  # where the user called the op, only under detect_anomaly


class Tensor:
    """An array together with the node that made it (None for a constant).

    Tensor(data): Python floats and lists of them become float32, integers int64; arrays keep their dtype.
    """

    __slots__ = ("data", "node", "grad", "__weakref__")
    __array_ufunc__ = None  # ndarray + Tensor is handed to Tensor.__radd__

    def __init__(self, data):
        self.data = _as_data(data)
        self.node = None
        self.grad = None

    @property
    def shape(self):
        return self.data.shape

    @property
    def ndim(self):
        return self.data.ndim

    @property
    def size(self):
        return self.data.size

    @property
    def dtype(self):
        return self.data.dtype

    @property
    def requires_grad(self) -> bool:
        return self.node is not None

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(self.data)

    def __float__(self):
        return float(self.data)

    def __int__(self):
        return int(self.data)

    def __index__(self):
        return operator.index(self.numpy())

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise TypeError("a Tensor that requires grad is not turned into an array silently, as that would drop "
                            "its graph: use .numpy()")
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self):
        """The single element as a Python number."""
        return self.data.item()

    def numpy(self) -> np.ndarray:
        """The data as a NumPy array, without the graph."""
        return backend.to_numpy(self.data)

    def detach(self) -> "Tensor":
        """The same data as a constant: no gradient flows through it."""
        return Tensor(self.data)

    def backward(self, grad_output=None) -> None:
        """Adds dL/dp to `p.grad` for every leaf p that this tensor depends on, and frees the graph.

        grad_output: dL/d(self), of this shape; may be left out where this tensor has one element.
        """
        start = _start(self, grad_output, "backward")
        leaves = {node: None for node in _ancestors([self.node]) if node.leaf is not None}
        with no_grad():
            _sweep({self.node: start}, leaves)
        for node, g in leaves.items():
            p = node.leaf()
            if p is not None and g is not None:
                p.grad = g if p.grad is None else Tensor(p.grad.data + g.data)

    def __repr__(self):
        body = np.array2string(self.numpy(), precision=4, threshold=20, prefix="Tensor(") if self.size else "[]"
        marks = [] if self.dtype == backend.default_dtype else [f"dtype={self.dtype}"]
        marks += ["requires_grad"] if self.requires_grad else []
        return f"Tensor({', '.join([body] + marks)}, shape={self.shape})"


def _as_data(data):
    if type(data) is xp.ndarray and data.dtype.kind in "fiub":
        return data
    if isinstance(data, Tensor):
        raise TypeError("Tensor(data): data is a Tensor already; use .detach() for a constant with the same data")
    array = xp.asarray(data)
    if array.dtype == np.float64 and not hasattr(data, "dtype"):  # Python floats, or lists of them
        array = array.astype(backend.default_dtype)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"Tensor(data): dtype {array.dtype} is not real, integer or boolean")
    return array


def parameter(data, dtype=None) -> Tensor:
    """A leaf that gradients are taken with respect to: a copy of data (an array, a Tensor, or nested lists)."""
    x = Tensor(data.data if isinstance(data, Tensor) else data)
    x.data = xp.array(x.data, dtype=dtype or x.dtype)
    if x.dtype.kind != "f":
        raise TypeError(f"parameter: dtype is {x.dtype}, only floating point can be differentiated; pass dtype=")
    x.node = Node([], x.data)
    x.node.leaf = weakref.ref(x)
    return x


def as_tensor(x) -> Tensor:
    """x as a Tensor: Tensors pass through, anything else becomes a constant."""
    return x if isinstance(x, Tensor) else Tensor(x)


def operands(a, b):
    """Two operands as Tensors. A Python or NumPy number beside an array stays a bare Python number: a 0-d float64
    array in its place would widen a float32 result to float64."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a, b
    if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
        return Tensor(a), Tensor(b)
    return _operand(a), _operand(b)


_NUMBERS = (int, float, np.generic)  # bool is an int


def _operand(x):
    if isinstance(x, Tensor):
        return x
    if not isinstance(x, _NUMBERS):
        return Tensor(x)
    lifted = Tensor.__new__(Tensor)
    lifted.data = x.item() if isinstance(x, np.generic) else x
    lifted.node = lifted.grad = None
    return lifted


def record(value, *edges, keep_output=False) -> Tensor:
    """The output of an op: a Tensor of `value`, with a node if any input has one and the graph is being recorded.

    edges: (input, pullback) pairs. pullback(g) returns dL/d(input) as a Tensor, written with ops; its shape may be
    the broadcast one, the sweep sums it back. With keep_output=True it is called as pullback(g, y) with y the op's
    own output: naming y in the closure would tie a reference cycle, which only the garbage collector could free.
    """
    y = Tensor.__new__(Tensor)
    y.data = value = value if type(value) is xp.ndarray else xp.asarray(value)  # reductions return scalars
    y.node = y.grad = None
    if _recording:
        live = [(x.node, pullback) for x, pullback in edges if x.node is not None]
        if live:
            y.node = Node(live, value)
            if keep_output:
                y.node.output = value
    if _watch is not None:
        _watch.forward(y, edges)
    return y


def recording() -> bool:
    """Whether ops leave a graph behind. In a pullback: whether it is itself to be differentiable."""
    return _recording


@contextlib.contextmanager
def _set_recording(on: bool):
    global _recording
    before, _recording = _recording, on
    try:
        yield
    finally:
        _recording = before


def no_grad():
    """Context in which no graph is recorded: for sampling, evaluation and optimizer steps."""
    return _set_recording(False)


def grad(y, xs, grad_outputs=None, create_graph=False, allow_unused=False):
    """The vector-Jacobian product (dy/dx)^T g for every x in xs.

    y: a Tensor, or a list of Tensors whose contributions add. xs: a Tensor or a list of them, parameters or
    intermediate results. grad_outputs: g, one per y, of y's shape; left out, y must have one element and g is 1.
    create_graph: records the gradients themselves, so that they can be differentiated again, and keeps the graph of
    y; otherwise the graph is freed as the sweep passes. allow_unused: None for an x that y does not depend on.

    Returns a list of Tensors in the order of xs; a single Tensor if xs is one.
    Raises RuntimeError if y has no graph, was freed, or does not depend on an x.
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

    with _set_recording(create_graph):
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
    path, needed = [], set(wanted)
    for node in _ancestors(roots):
        if node not in needed:
            for parent, _ in node.edges:
                if parent in needed:
                    needed.add(node)
                    break
            else:
                continue
        path.append(node)
    return path


def _sweep(gradients, wanted, keep=False) -> None:
    """Runs the pullbacks from the output nodes to the wanted nodes, and writes the sums into `wanted`.

    gradients: node -> dL/d(its value), for the outputs to start from. wanted: a dict whose keys are the nodes asked
    for. Frees each node's edges as it passes, unless keep.
    """
    path = _path(gradients, wanted)
    needed = set(path)

    owned = set()  # the nodes whose gradient is a sum of our own, which may be added to in place
    while path:
        node = path.pop()  # descending number, so every gradient that flows into it has arrived
        g = gradients.pop(node)
        if node in wanted:
            wanted[node] = g
        passed = False
        for parent, pullback in node.edges:
            if parent in needed:
                g_parent = pullback(g) if node.output is None else pullback(g, _output_of(node))
                if _watch is not None:
                    _watch.backward(node, pullback, g, g_parent)
                _accumulate(gradients, parent, g_parent, owned)
                passed = True
        if passed and not keep:
            node.edges = node.output = None


def _output_of(node) -> Tensor:
    y = Tensor(node.output)
    y.node = node
    return y


def _accumulate(gradients, node, g, owned) -> None:
    """Adds g to the node's gradient. The first arrival is borrowed, the second allocates, later ones add in place."""
    data = g.data
    if data.shape != node.shape:
        g = sum_to(g, node.shape)
    if data.dtype != node.dtype:
        g = astype(g, node.dtype)
    if node not in gradients:
        gradients[node] = g
    elif _recording:
        gradients[node] = add(gradients[node], g)
    elif node in owned:
        gradients[node].data += g.data
    else:
        gradients[node] = Tensor(xp.add(gradients[node].data, g.data))
        owned.add(node)


def elementwise(ufunc, a, b):
    """The array ufunc(a, b); shapes that do not broadcast are named in the error."""
    try:
        return ufunc(a.data, b.data)
    except ValueError as error:
        raise ValueError(f"{ufunc.__name__}: shapes {xp.shape(a.data)} and {xp.shape(b.data)} do not broadcast; sizes "
                         "of an axis, counted from the last, must agree or be 1") from error


# The four ops that the sweep itself stands on.


def add(a, b):
    """a + b, elementwise with broadcasting."""
    a, b = operands(a, b)
    return record(elementwise(xp.add, a, b), (a, lambda g: g), (b, lambda g: g))


def astype(x, dtype):
    """x in another dtype; the gradient comes back in x's own."""
    x = as_tensor(x)
    value = x.data.astype(dtype)
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
    value = x.data.sum(axis=axes, keepdims=True)
    if extra < 0 or value.shape[extra:] != tuple(shape):
        raise ValueError(f"sum_to: shape {shape} does not broadcast to {before}, so a sum over axes cannot lead there")
    value = value.reshape(shape)
    return record(value, (x, lambda g: broadcast_to(g, before)))


_watch = None  # the anomaly detector while it is on: see anomaly.py


def set_watch(watch):
    """Installs an observer with methods forward(y, edges) and backward(node, pullback, g, g_parent), or None for
    none. Returns the one before."""
    global _watch
    before, _watch = _watch, watch
    return before
