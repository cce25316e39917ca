"""Tensor, and the graph that ops leave behind.

An op computes a value and calls `record(value, (input, pullback), ...)`. That makes a Node whose edges lead to the
nodes of the inputs. The pullback of an edge maps g = dL/dy, the gradient of some scalar L with respect to the op's
output y, to dL/d(input). It is itself written with ops, so that running it under `create_graph=True` records a new
graph, and a gradient can be differentiated again.

    y = f(x)          Node(y) --pullback--> Node(x)
    g_x = (dy/dx)^T g_y                                           (chain rule, one edge)

Nodes hold no data: what a pullback names stays alive with it, and nothing else does. Edges into constants are never
made.

Source: Griewank & Walther, "Evaluating Derivatives", 2nd ed. 2008, chapter 3 (reverse mode).
Symbols: y output, x input, g = dL/dy. Read before this: backend.py, mode.py. Read next: sweep.py, ops.py.
"""
import itertools
import operator
import weakref
from typing import TYPE_CHECKING

import numpy as np

from . import backend
from .backend import xp
from .mode import mode

_count = itertools.count()
_current = mode.get  # looked at by every op
_new = object.__new__  # past __init__, which checks and converts


class Node:
    """One recorded op. `edges` is a list of (parent node, pullback), and None once it has been freed."""

    __slots__ = ("number", "edges", "shape", "dtype", "output")

    def __init__(self, edges, value):
        self.number = next(_count)  # above those of its inputs: descending number is a topological order
        self.edges = edges
        self.shape = value.shape
        self.dtype = value.dtype
        self.output = None  # the op's own value, only where its pullbacks asked for it


class Leaf(Node):
    """The node of a parameter, without edges. tensor: a weak reference to it. changed: when its array was last
    overwritten, on the clock that numbers the nodes."""

    __slots__ = ("tensor", "changed")
    last_change = -1  # of all parameters

    def __init__(self, x):
        super().__init__([], x.data)
        self.tensor = weakref.ref(x)
        self.changed = self.number


class Tensor:
    """An array together with the node that made it (None for a constant).

    Tensor(data): Python floats and lists of them become float32, integers int64; arrays keep their dtype, which is
    float32, float64, an integer or boolean. A copy or a pickle of a parameter is a parameter of its own, of a constant
    a constant; a result, which has a graph, has neither: detach() it.
    """

    __slots__ = ("data", "node", "grad", "__weakref__")
    __array_ufunc__ = None  # ndarray + Tensor is handed to Tensor.__radd__

    if TYPE_CHECKING:  # attached by sweep.py, ops.py, activations.py, shape.py and reduce.py
        T: "Tensor"
        def backward(self, grad_output=None) -> None: ...
        def __add__(self, other) -> "Tensor": ...
        def __radd__(self, other) -> "Tensor": ...
        def __iadd__(self, other) -> "Tensor": ...
        def __sub__(self, other) -> "Tensor": ...
        def __rsub__(self, other) -> "Tensor": ...
        def __isub__(self, other) -> "Tensor": ...
        def __mul__(self, other) -> "Tensor": ...
        def __rmul__(self, other) -> "Tensor": ...
        def __imul__(self, other) -> "Tensor": ...
        def __truediv__(self, other) -> "Tensor": ...
        def __rtruediv__(self, other) -> "Tensor": ...
        def __itruediv__(self, other) -> "Tensor": ...
        def __pow__(self, other) -> "Tensor": ...
        def __rpow__(self, other) -> "Tensor": ...
        def __ipow__(self, other) -> "Tensor": ...
        def __matmul__(self, other) -> "Tensor": ...
        def __rmatmul__(self, other) -> "Tensor": ...
        def __imatmul__(self, other) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __abs__(self) -> "Tensor": ...
        def __lt__(self, other) -> "Tensor": ...
        def __le__(self, other) -> "Tensor": ...
        def __gt__(self, other) -> "Tensor": ...
        def __ge__(self, other) -> "Tensor": ...
        def __eq__(self, other) -> "Tensor": ...
        def __ne__(self, other) -> "Tensor": ...
        def __hash__(self) -> int: ...
        def __getitem__(self, index) -> "Tensor": ...
        def exp(self) -> "Tensor": ...
        def log(self) -> "Tensor": ...
        def sqrt(self) -> "Tensor": ...
        def sin(self) -> "Tensor": ...
        def cos(self) -> "Tensor": ...
        def tanh(self) -> "Tensor": ...
        def abs(self) -> "Tensor": ...
        def clip(self, min=None, max=None) -> "Tensor": ...
        def square(self) -> "Tensor": ...
        def sigmoid(self) -> "Tensor": ...
        def relu(self) -> "Tensor": ...
        def reshape(self, *shape) -> "Tensor": ...
        def transpose(self, *axes) -> "Tensor": ...
        def swapaxes(self, axis1, axis2) -> "Tensor": ...
        def squeeze(self, axis=None) -> "Tensor": ...
        def flatten(self, start_axis=0, end_axis=-1) -> "Tensor": ...
        def broadcast_to(self, shape) -> "Tensor": ...
        def sum(self, axis=None, keepdims=False) -> "Tensor": ...
        def mean(self, axis=None, keepdims=False) -> "Tensor": ...
        def var(self, axis=None, ddof=0, keepdims=False) -> "Tensor": ...
        def std(self, axis=None, ddof=0, keepdims=False) -> "Tensor": ...
        def prod(self, axis=None, keepdims=False) -> "Tensor": ...
        def max(self, axis=None, keepdims=False) -> "Tensor": ...
        def min(self, axis=None, keepdims=False) -> "Tensor": ...
        def argmax(self, axis=None) -> "Tensor": ...
        def cumsum(self, axis=None) -> "Tensor": ...

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

    def __reduce__(self):
        if self.node is not None and not is_parameter(self):
            raise RuntimeError(f"a result of shape {self.shape} has a graph, which is neither copied nor pickled: use "
                               ".detach() for its numbers")
        return _restored, (self.numpy(), is_parameter(self), None if self.grad is None else self.grad.numpy())

    def item(self):
        """The single element as a Python number."""
        return self.data.item()

    def numpy(self) -> np.ndarray:
        """The data as a NumPy array, without the graph."""
        return backend.to_numpy(self.data)

    def detach(self) -> "Tensor":
        """The same data as a constant: no gradient flows through it."""
        return Tensor(self.data)

    def assign(self, value) -> None:
        """Overwrites the numbers of a parameter or constant in place: a number, or an array or Tensor of its shape.

        A gradient through what was computed before is then refused, as it would be that of neither the old numbers nor
        the new ones. Who writes into `data` itself, or puts another array there, calls `mark_changed` to the same end:
        it is not noticed.
        """
        if self.node is not None and not is_parameter(self):
            raise RuntimeError(f"assign: a result of shape {self.shape} is not overwritten, its graph needs it")
        value = value.data if isinstance(value, Tensor) else xp.asarray(value)
        if value.shape not in ((), self.shape):
            raise ValueError(f"assign: value has shape {value.shape}, expected {self.shape} or a number")
        self.data[...] = value
        self.mark_changed()

    def mark_changed(self) -> None:
        """Says that a parameter's data was overwritten: results from before are not differentiated any more."""
        if is_parameter(self):
            self.node.changed = Leaf.last_change = next(_count)

    def __repr__(self):
        body = np.array2string(self.numpy(), precision=4, threshold=20, prefix="Tensor(") if self.size else "[]"
        marks = [] if self.dtype == backend.default_dtype else [f"dtype={self.dtype}"]
        marks += ["requires_grad"] if self.requires_grad else []
        return f"Tensor({', '.join([body] + marks)}, shape={self.shape})"


_DTYPES = "fd?bhilqBHILQ"  # NumPy's letters: float32, float64, booleans, integers


def _as_data(data):
    if type(data) is xp.ndarray and data.dtype.char in _DTYPES:
        return data
    if isinstance(data, Tensor):
        raise TypeError("Tensor(data): data is a Tensor already; use .detach() for a constant with the same data")
    array = xp.asarray(data)
    if array.dtype == np.float64 and not hasattr(data, "dtype"):  # Python floats, or lists of them
        array = array.astype(backend.default_dtype)
    check_dtype("Tensor(data)", array.dtype)
    return array


def check_dtype(caller, dtype):
    """TypeError for what is not computed with: complex numbers, text, and floats but those of 32 and 64 bits."""
    if dtype.kind == "f" and dtype.char not in _DTYPES:  # float16 overflows at 65,504, in a mean square for example
        raise TypeError(f"{caller}: dtype is {dtype}, but floats are float32 or float64 here; use astype(np.float32)")
    if dtype.char not in _DTYPES:
        raise TypeError(f"{caller}: dtype {dtype} is not real, integer or boolean")


def parameter(data, dtype=None) -> Tensor:
    """A leaf that gradients are taken with respect to: a copy of data (an array, a Tensor, or nested lists).

    >>> w = parameter([1.0, 2.0])
    >>> w
    Tensor([1. 2.], requires_grad, shape=(2,))
    >>> (w * w).sum().backward()
    >>> w.grad
    Tensor([2. 4.], shape=(2,))
    """
    x = Tensor(data.data if isinstance(data, Tensor) else data)
    x.data = xp.array(x.data, dtype=dtype or x.dtype)
    if x.dtype.kind != "f":
        raise TypeError(f"parameter: dtype is {x.dtype}, only floating point can be differentiated; pass dtype=")
    check_dtype("parameter", x.dtype)
    x.node = Leaf(x)
    return x


def is_parameter(x) -> bool:
    """Whether x is a leaf that gradients are taken with respect to."""
    return isinstance(x, Tensor) and type(x.node) is Leaf


def _restored(data, is_leaf, grad) -> Tensor:
    """A Tensor from what its copy or pickle holds, with arrays of its own."""
    x = parameter(data) if is_leaf else Tensor(xp.array(data))
    x.grad = None if grad is None else Tensor(xp.array(grad))
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
    if isinstance(x, np.generic):
        if x.dtype.kind not in "fiub":
            return Tensor(x)
        x = float(x) if x.dtype.kind == "f" else x.item()  # a longdouble's item is a longdouble
    lifted = _new(Tensor)
    lifted.data, lifted.node, lifted.grad = x, None, None
    return lifted


def bare(data, node=None) -> Tensor:
    """A Tensor of data as it is, an array or a number: not checked, not converted."""
    x = _new(Tensor)
    x.data, x.node, x.grad = data, node, None
    return x


# The graph


def record(value, *edges, keep_output=False) -> Tensor:
    """The output of an op: a Tensor of `value`, with a node if any input has one and the graph is being recorded.

    edges: (input, pullback) pairs. pullback(g) returns dL/d(input) as a Tensor, written with ops; its shape may be
    the broadcast one, the sweep sums it back. With keep_output=True it is called as pullback(g, y) with y the op's
    own output: naming y in the closure would tie a reference cycle, which only the garbage collector could free.
    Pullbacks that share work: record(value, *joint(inputs, gradients)).
    """
    y = _new(Tensor)
    y.data = value = value if type(value) is xp.ndarray else xp.asarray(value)  # reductions return scalars
    y.node = y.grad = None
    now = _current()
    if now is None or not now.off:
        live = [(x.node, pullback) for x, pullback in edges if x.node is not None]
        if live:
            y.node = Node(live, value)
            if keep_output:
                y.node.output = value
    if now is not None and now.watches:
        now.watches[-1].forward(y, edges)
    return y


class Joint:
    """A pullback whose gradient is one of a list, which the sweep asks for once."""

    __slots__ = ("gradients", "place")

    def __init__(self, gradients, place):
        self.gradients, self.place = gradients, place

    def __call__(self, g):
        return self.gradients(g)[self.place]


def joint(inputs, gradients) -> list:
    """Edges of pullbacks that share work: gradients(g) returns dL/d(input) for all inputs, in a list. It is called once
    per sweep. An input that is None has no edge."""
    return [(x, Joint(gradients, i)) for i, x in enumerate(inputs) if x is not None]
