"""Every public op against PyTorch: value, first and second derivative, over drawn shapes, strides and edge values.

An entry draws the arguments of one call and says how it is written here and in PyTorch. In float64 the values, the
first derivatives (for random cotangents u) and the second ones (of J^T u with respect to x and to u, for random
directions v) must agree; in float32 the values and the first derivatives, to float32's rounding. Where the name is
NumPy's and PyTorch has no such function, a few torch calls say the same.

No warning may be raised where all results are finite.
"""
import operator
import pathlib
import warnings

import numpy as np
import pytest

import autograd as ag
from autograd.backend import asarray

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of these tests")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

F = torch.nn.functional
torch.set_num_threads(1)

RUNS = settings(max_examples=25, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck))
INF, NAN = float("inf"), float("nan")

ENTRIES = {}  # name of the op -> the function that draws one call of it


def oracle(*names):
    def register(entry):
        for name in names:
            ENTRIES.setdefault(name, []).append(entry)
        return entry

    return register


class Draw:
    """What an entry draws from: hypothesis for the structure (so that it shrinks), a generator for the numbers."""

    def __init__(self, data, dtype, name):
        self.data, self.dtype, self.name = data, np.dtype(dtype), name
        self.rng = np.random.default_rng(self.integer(0, 999))

    def pick(self, *choices):
        return self.data.draw(st.sampled_from(choices))

    def integer(self, low, high):
        return self.data.draw(st.integers(low, high))

    def boolean(self):
        return self.data.draw(st.booleans())

    def shape(self, min_ndim=0, max_ndim=3, min_size=0):
        return tuple(self.data.draw(st.lists(st.integers(min_size, 4), min_size=min_ndim, max_size=max_ndim)))

    def broadcastable(self, shape, min_size=0):
        """A shape that broadcasts against `shape`, which is itself enlarged in places where it is 1."""
        cut = shape[self.integer(0, len(shape)):]
        return tuple(1 if self.boolean() else self.integer(min_size, 4) if n == 1 else n for n in cut)

    def part(self, shape):
        """A shape that broadcasts to `shape`."""
        return tuple(self.pick(1, n) for n in shape)[self.integer(0, len(shape)):]

    def axis(self, ndim):
        return self.integer(-ndim, ndim - 1)

    def axes(self, ndim):
        """None, one axis, or several different ones; positive or negative."""
        if ndim == 0 or self.boolean():
            return self.pick(None, ()) if self.name == "sum" else None
        some = self.data.draw(st.lists(st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True))
        some = [a - ndim if self.boolean() else a for a in some]
        return some[0] if len(some) == 1 and self.boolean() else tuple(some)

    def array(self, shape=None, edges=(), positive=False, min_ndim=0, max_ndim=3, min_size=0, repeat=True):
        """Normal draws with edge values strewn in, in some memory layout."""
        shape = self.shape(min_ndim, max_ndim, min_size) if shape is None else shape
        x = self.rng.standard_normal(shape)
        x = np.abs(x) + 0.1 if positive else x
        if edges and self.boolean():
            x = np.where(self.rng.random(shape) < 0.5, self.rng.choice(edges, shape), x)
        return self.layout(x.astype(self.dtype), repeat)

    def ties(self, shape):
        """Small integers, so that many are equal."""
        return self.layout(self.rng.integers(-1, 2, shape).astype(self.dtype))

    def layout(self, x, repeat=True):
        if not x.ndim:
            return x
        kind = self.pick("contiguous", "transposed", "sliced", "reversed", *["repeated"] * repeat)
        if kind == "transposed":
            return np.array(x, order="F")
        if kind == "sliced":
            room = np.full([2 * n + 1 for n in x.shape], NAN, x.dtype)
            room[tuple(slice(1, None, 2) for _ in x.shape)] = x
            return room[tuple(slice(1, None, 2) for _ in x.shape)]
        if kind == "reversed":
            return np.flip(np.flip(x).copy())
        if kind == "repeated" and x.shape[0]:
            return np.broadcast_to(x[:1], x.shape)  # stride 0, not writable
        return x


# The comparison


def leaf(x):
    """A parameter whose data keeps the strides of x."""
    y = ag.parameter(x)
    y.data = asarray(x)
    return y


def _listed(y):
    return list(y) if isinstance(y, (list, tuple)) else [y]


def ours(f, xs, us, vs, second):
    """[values, first derivatives, second derivatives], as NumPy arrays."""
    xs = [leaf(x) for x in xs]
    ys = _listed(f(*xs))
    values = [y.numpy() for y in ys]
    if not xs:
        return [values]
    us = [leaf(u) for u in us(ys)]
    live = [(y, u) for y, u in zip(ys, us) if y.requires_grad]
    if not live:
        return [values]
    gs = ag.grad([y for y, _ in live], xs, [u for _, u in live], create_graph=second, allow_unused=True)
    first = _zeros_for_none(gs, xs)
    if not second:
        return [values, [g.numpy() for g in first]]
    vs = vs(first)
    live = [(g, v) for g, v in zip(first, vs) if g.requires_grad]
    hs = ag.grad([g for g, _ in live], xs + us, [ag.Tensor(v) for _, v in live], allow_unused=True)
    return [values, [g.numpy() for g in first], [h.numpy() for h in _zeros_for_none(hs, xs + us)]]


def _zeros_for_none(gs, xs):
    return [ag.Tensor(np.zeros(x.shape, x.dtype)) if g is None else g for g, x in zip(gs, xs)]


def theirs(f, xs, us, vs, second):
    xs = [torch.tensor(np.array(x), requires_grad=True) for x in xs]
    ys = _listed(f(*xs))
    values = [y.detach().numpy() for y in ys]
    if not xs:
        return [values]
    us = [torch.tensor(np.array(u), requires_grad=True) for u in us(ys)]
    live = [(y, u) for y, u in zip(ys, us) if y.requires_grad]
    if not live:
        return [values]
    gs = torch.autograd.grad([y for y, _ in live], xs, [u for _, u in live], create_graph=second, allow_unused=True,
                             materialize_grads=True)
    if not second:
        return [values, [g.numpy(force=True) for g in gs]]
    vs = vs(gs)
    live = [(g, v) for g, v in zip(gs, vs) if g.requires_grad]
    hs = torch.autograd.grad([g for g, _ in live], xs + us, [torch.tensor(np.array(v)) for _, v in live],
                             allow_unused=True, materialize_grads=True)
    return [values, [g.numpy(force=True) for g in gs], [h.numpy(force=True) for h in hs]]


def agree(name, dtype, mine, other, rtol, atol):
    for order, (some, others) in enumerate(zip(mine, other, strict=True)):
        what = ("value", "first derivative", "second derivative")[order]
        assert len(some) == len(others), f"{name}: {len(some)} outputs, PyTorch has {len(others)}"
        for i, (a, b) in enumerate(zip(some, others)):
            assert a.shape == b.shape, f"{name}: {what} {i} has shape {a.shape}, PyTorch's has {b.shape}"
            assert a.dtype == b.dtype, f"{name}: {what} {i} is {a.dtype}, PyTorch's is {b.dtype}"
            if order == 2:
                a = np.where(np.isnan(b), b, a)  # inf - inf or 0 / 0 in PyTorch's formula, where ours may have a limit
            finite = np.abs(b[np.isfinite(b)])
            np.testing.assert_allclose(a, b, rtol, atol * max(1.0, finite.max(initial=0.0)),
                                       err_msg=f"{name}: {what} {i}")


def compare(entry, data, dtype, name):
    draw = Draw(data, dtype, name)
    xs, mine, other = entry(draw)
    second = dtype == "float64"
    seed = draw.integer(0, 999)

    def drawn(offset):
        def make(ys):
            rng = np.random.default_rng(seed + offset)
            return [rng.standard_normal(tuple(y.shape)).astype(str(y.dtype).replace("torch.", "")) for y in ys]

        return make

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = ours(mine, xs, drawn(0), drawn(1), second)
        warnings.simplefilter("ignore")
        expected = theirs(other, xs, drawn(0), drawn(1), second)
    agree(name, dtype, result, expected, *((1e-9, 1e-10) if second else (2e-5, 4e-6)))
    if all(np.isfinite(a).all() for arrays in [xs, *expected] for a in arrays):
        assert not caught, f"{name}: warned although every result is finite: {caught[0].message}"


# Entries: elementwise

EVERYWHERE = (0.0, -0.0, 1.0, -1.0, 1000.0, -1000.0, 30.0, INF, -INF, NAN)
WITHOUT = {"abs": (NAN,), "lgamma": (-INF,)}  # PyTorch's slope of |NaN| is 0; SciPy's lgamma(-inf) is -inf

UNARY = {
    "neg": (ag.neg, torch.neg),
    "square": (ag.square, torch.square),
    "exp": (ag.exp, torch.exp),
    "expm1": (ag.expm1, torch.expm1),
    "log": (ag.log, torch.log),
    "log1p": (ag.log1p, torch.log1p),
    "log2": (ag.log2, torch.log2),
    "log10": (ag.log10, torch.log10),
    "sqrt": (ag.sqrt, torch.sqrt),
    "sin": (ag.sin, torch.sin),
    "cos": (ag.cos, torch.cos),
    "arctan": (ag.arctan, torch.arctan),
    "tanh": (ag.tanh, torch.tanh),
    "erf": (ag.erf, torch.erf),
    "lgamma": (ag.lgamma, torch.lgamma),
    "abs": (ag.abs, torch.abs),
    "sigmoid": (ag.sigmoid, torch.sigmoid),
    "softplus": (ag.softplus, lambda x: F.softplus(x, threshold=100)),  # 20, the default, is 2e-9 off
    "relu": (ag.relu, F.relu),
    "silu": (ag.silu, F.silu),
}

for _name, _two in UNARY.items():
    @oracle(_name)
    def _(draw, name=_name, two=_two):
        return [draw.array(edges=tuple(e for e in EVERYWHERE if e not in WITHOUT.get(name, ())))], *two


@oracle("softplus")
def _(draw):
    beta, threshold = draw.pick(1.0, 2, 0.5, -1.0), draw.pick(10, 0.3, -0.5, 100.0)
    return ([draw.array(edges=(0.0, 1.0, 30.0, -30.0, INF))], lambda x: ag.softplus(x, beta, threshold),
            lambda x: F.softplus(x, beta, threshold))


for _name, _mine, _other in (("sign", ag.sign, torch.sign), ("floor", ag.floor, torch.floor)):
    @oracle(_name)
    def _(draw, mine=_mine, other=_other):
        x = draw.array(edges=(0.0, -0.0, 1.0, -1.5, 2.5, INF, -INF))
        return [], lambda: mine(x), lambda: other(torch.tensor(np.array(x)))


@oracle("round")
def _(draw):
    x, decimals = draw.array(edges=(0.5, -1.5, 2.5, 0.25, INF)), draw.pick(0, 1, 3)
    return [], lambda: ag.round(x, decimals), lambda: torch.round(torch.tensor(np.array(x)), decimals=decimals)


@oracle("polygamma")
def _(draw):
    n = draw.integer(0, 3)
    x = draw.array(positive=n > 1, edges=(1.0, 0.5, 30.0))
    return [x], lambda x: ag.polygamma(n, x), lambda x: torch.polygamma(n, x)


@oracle("leaky_relu")
def _(draw):
    slope = draw.pick(0.01, 0.0, 0.2, 1.0, 2.0)
    return ([draw.array(edges=EVERYWHERE)], lambda x: ag.leaky_relu(x, slope),
            lambda x: F.leaky_relu(x, slope))


@oracle("elu")
def _(draw):
    alpha = draw.pick(1.0, 0.5, 2.0)
    edges = EVERYWHERE[:-1]  # at NaN PyTorch's slope depends on the array's length
    return [draw.array(edges=edges)], lambda x: ag.elu(x, alpha), lambda x: F.elu(x, alpha)


@oracle("gelu")
def _(draw):
    kind = draw.pick("none", "tanh")
    return ([draw.array(edges=(0.0, -0.0, 1.0, -1.0, 30.0, -30.0))], lambda x: ag.gelu(x, kind),
            lambda x: F.gelu(x, approximate=kind))


def _pair(draw, **kind):
    """Two arrays whose shapes broadcast, in either order."""
    shape = draw.shape()
    pair = [shape, draw.broadcastable(shape)]
    return [draw.array(s, **kind) for s in (pair if draw.boolean() else pair[::-1])]


BINARY = {
    "add": (ag.add, torch.add),
    "sub": (ag.sub, torch.sub),
    "mul": (ag.mul, torch.mul),
    "div": (ag.div, torch.div),
    "power": (ag.power, torch.pow),
}
OPERATORS = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
             "power": operator.pow}
NUMBERS = (2, 0, 1, -1, 3, 2.0, 0.5, -0.5, -2.0, 1.5, np.float64(0.7), np.float32(2.5), np.int64(2))

for _name, _two in BINARY.items():
    @oracle(_name)
    def _(draw, two=_two):
        infinite = (INF, -INF) if two is not BINARY["power"] else ()  # it has an entry of its own
        return _pair(draw, edges=(0.0, -0.0, 1.0, -1.0, NAN) + infinite), *two

    @oracle(_name)
    def _(draw, two=_two, operate=OPERATORS[_name]):
        number = draw.pick(*NUMBERS)
        plain = number.item() if isinstance(number, np.generic) else number
        left = draw.boolean()
        operate_left = lambda x: operate(number, x) if left else operate(x, number)
        infinite = (INF, -INF) if two is not BINARY["power"] else (INF,)  # NumPy's (-inf) ** 0.5 is sqrt's, NaN
        return ([draw.array(edges=(0.0, -0.0, 1.0, -1.0, NAN) + infinite)], operate_left,
                lambda x: operate(plain, x) if left else operate(x, plain))


@oracle("power")
def _(draw):
    """Where a power has kinks: 0 ** 0, 0 ** negative, negative ** fraction; infinite bases and exponents."""
    infinite = draw.boolean()
    x, p = _pair(draw, edges=(0.0, 1.0, 2.0, INF) if infinite else (0.0, 1.0, -1.0, 2.0))
    exponents = [1.0, 2.0, -1.0, 0.5, INF, -INF] if infinite else [0.0, 1.0, 2.0, -1.0, 0.5, 3.0, -0.5]
    return [x, draw.layout(draw.rng.choice(exponents, p.shape).astype(x.dtype))], ag.power, torch.pow


for _name, _two in {"maximum": (ag.maximum, torch.maximum), "minimum": (ag.minimum, torch.minimum)}.items():
    @oracle(_name)
    def _(draw, two=_two):
        shape = draw.shape()
        return [draw.ties(shape), draw.ties(draw.broadcastable(shape))], *two

    @oracle(_name)
    def _(draw, two=_two):
        number = draw.pick(0.0, 1, -0.5)
        with_number = lambda x: two[1](x, torch.tensor(number, dtype=x.dtype))
        return [draw.array(edges=EVERYWHERE)], lambda x: two[0](x, number), with_number

    @oracle(_name)
    def _(draw, two=_two):
        return _pair(draw, edges=(0.0, INF, -INF, NAN)), *two


@oracle("clip")
def _(draw):
    low, high = draw.pick((-0.5, 1.0), (None, 1.0), (-1, None), (1.0, -1.0), (0.0, 0.0))
    return ([draw.array(edges=(0.0, 1.0, -1.0, -0.5, INF, -INF, NAN))], lambda x: ag.clip(x, low, high),
            lambda x: torch.clamp(x, low, high))


@oracle("clip")
def _(draw):
    x = draw.ties(draw.shape())
    low, high = (draw.ties(draw.part(x.shape)) for _ in range(2))
    return ([x], lambda x: ag.clip(x, low, high),
            lambda x: torch.clamp(x, *(torch.tensor(np.array(b)) for b in (low, high))))


@oracle("where")
def _(draw):
    a, b = _pair(draw, edges=(INF, NAN))
    condition = draw.rng.random(draw.broadcastable(np.broadcast_shapes(a.shape, b.shape), 1)) < 0.5
    mask = draw.pick(condition, ag.Tensor(condition))
    return [a, b], lambda a, b: ag.where(mask, a, b), lambda a, b: torch.where(torch.tensor(condition), a, b)


@oracle("where")
def _(draw):
    a = draw.array()
    condition = draw.rng.random(a.shape) < 0.5
    return [a], lambda a: ag.where(condition, 1.5, a), lambda a: torch.where(torch.tensor(condition), 1.5, a)


@oracle("logaddexp")
def _(draw):
    return _pair(draw, edges=(0.0, 1.0, 1000.0, -1000.0)), ag.logaddexp, torch.logaddexp


@oracle("logaddexp")
def _(draw):
    """Infinite, but not both: there PyTorch's slope is NaN."""
    a, b = _pair(draw)
    a = np.where(draw.rng.random(a.shape) < 0.5, draw.rng.choice([INF, -INF], a.shape), a).astype(a.dtype)
    return [a, b], ag.logaddexp, torch.logaddexp


# Entries: shapes


@oracle("astype")
def _(draw):
    to = draw.pick("float32", "float64")
    return [draw.array()], lambda x: ag.astype(x, to), lambda x: x.to(getattr(torch, to))


@oracle("broadcast_to")
def _(draw):
    x = draw.array()
    shape = tuple(draw.integer(0, 3) if n == 1 else n for n in x.shape)
    shape = draw.shape(max_ndim=2) + shape
    return [x], lambda x: ag.broadcast_to(x, shape), lambda x: torch.broadcast_to(x, shape)


@oracle("sum_to")
def _(draw):
    x = draw.array()
    shape = tuple(1 if draw.boolean() else n for n in x.shape)[draw.integer(0, x.ndim):]
    return [x], lambda x: ag.sum_to(x, shape), lambda x: x.sum_to_size(shape)


@oracle("reshape")
def _(draw):
    x = draw.array()
    sizes = draw.data.draw(st.permutations(x.shape))
    shape = tuple(sizes[:-2]) + (int(np.prod(sizes[-2:])),) if draw.boolean() else tuple(sizes)
    if x.size and shape and draw.boolean():
        shape = shape[:-1] + (-1,)
    call = draw.pick(lambda x: x.reshape(*shape), lambda x: x.reshape(shape)) if shape else lambda x: x.reshape(())
    return [x], call, lambda x: x.reshape(shape)


@oracle("transpose")
def _(draw):
    x = draw.array()
    axes = draw.data.draw(st.permutations(range(x.ndim)))
    axes = tuple(a - x.ndim if draw.boolean() else a for a in axes)
    call = draw.pick(lambda x: x.transpose(*axes), lambda x: x.transpose(axes), lambda x: ag.transpose(x, axes))
    if draw.boolean():
        return [x], draw.pick(lambda x: x.T, lambda x: x.transpose()), lambda x: x.permute(tuple(range(x.ndim))[::-1])
    return [x], call if axes else lambda x: x.transpose(), lambda x: x.permute(axes)


@oracle("swapaxes")
def _(draw):
    x = draw.array(min_ndim=1)
    i, j = draw.axis(x.ndim), draw.axis(x.ndim)
    return [x], lambda x: x.swapaxes(i, j), lambda x: x.swapaxes(i, j)


@oracle("moveaxis")
def _(draw):
    x = draw.array(min_ndim=1)
    i, j = draw.axis(x.ndim), draw.axis(x.ndim)
    if x.ndim > 1 and draw.boolean():
        i, j = (0, 1), (-1, 0)
    return [x], lambda x: ag.moveaxis(x, i, j), lambda x: torch.movedim(x, i, j)


@oracle("expand_dims")
def _(draw):
    x = draw.array()
    axis = draw.axis(x.ndim + 1)
    if draw.boolean():
        return [x], lambda x: ag.expand_dims(x, (0, -1)), lambda x: x[None, ..., None]
    return [x], lambda x: ag.expand_dims(x, axis), lambda x: torch.unsqueeze(x, axis)


@oracle("squeeze")
def _(draw):
    x = draw.array(tuple(draw.pick(1, 2, 3) for _ in range(draw.integer(0, 4))))
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    axis = draw.pick(None, tuple(ones), *ones, *(i - x.ndim for i in ones))
    return [x], lambda x: x.squeeze(axis), lambda x: torch.squeeze(x) if axis is None else torch.squeeze(x, axis)


@oracle("flatten")
def _(draw):
    x = draw.array()
    start, end = sorted(draw.integer(0, max(x.ndim - 1, 0)) for _ in range(2))
    end = end - x.ndim if draw.boolean() and x.ndim else end
    return [x], lambda x: x.flatten(start, end), lambda x: torch.flatten(x, start, end)


@oracle("concatenate")
def _(draw):
    shape = draw.shape(min_ndim=1)
    axis = draw.axis(len(shape))
    sizes = [draw.integer(0, 3) for _ in range(draw.integer(1, 3))]
    xs = [draw.array(tuple(n if i == axis % len(shape) else m for i, m in enumerate(shape))) for n in sizes]
    if draw.boolean():
        return (xs, lambda *xs: ag.concatenate(xs, axis=None),
                lambda *xs: torch.cat([x.reshape(-1) for x in xs]))
    return xs, lambda *xs: ag.concatenate(xs, axis), lambda *xs: torch.cat(xs, axis)


@oracle("stack")
def _(draw):
    shape = draw.shape()
    axis = draw.axis(len(shape) + 1)
    xs = [draw.array(shape) for _ in range(draw.integer(1, 3))]
    return xs, lambda *xs: ag.stack(xs, axis), lambda *xs: torch.stack(xs, axis)


@oracle("split")
def _(draw):
    x = draw.array(min_ndim=1)
    axis = draw.axis(x.ndim)
    n = x.shape[axis]
    where = draw.pick([1], [0, 2], [2, 1], [-1], [1, 5], [], *(k for k in (1, 2, 3, 4) if n % k == 0))
    cuts = where if isinstance(where, list) else [n // where * i for i in range(1, where)]

    def pieces(x):
        places = np.split(np.arange(n), cuts)
        return [x.index_select(axis, torch.tensor(p)) for p in places]

    return [x], lambda x: ag.split(x, where, axis), pieces


def _places(x, f):
    """f, which moves elements, in PyTorch: take from x at the places to which NumPy moves the numbers 0, 1, 2..."""
    numbers = f(np.arange(x.size).reshape(x.shape))
    return lambda x: x.reshape(-1)[torch.tensor(np.array(numbers))]


def _index(draw, shape):
    """An index into an array of the shape, by all of NumPy's rules."""
    kind = draw.pick("basic", "lists", "mask", "one mask", "mixed", "array")
    sizes = list(shape)
    skipped = draw.pick(None, slice(draw.integer(0, len(sizes)), draw.integer(0, len(sizes))))  # by an Ellipsis
    if kind == "mask":
        return draw.rng.random(shape) < 0.5
    if kind == "one mask" and sizes:
        return (slice(None),) * (len(sizes) - 1) + (draw.rng.random(sizes[-1]) < 0.5,)
    if kind == "array" and sizes and sizes[0]:
        return draw.rng.integers(-sizes[0], sizes[0], draw.shape(max_ndim=2))
    parts, common = [], draw.pick((2,), (3,), (2, 1))
    if skipped is None:
        sizes = sizes[: draw.integer(0, len(sizes))]
    else:
        skipped = slice(skipped.start, max(skipped.start, skipped.stop))
        sizes[skipped] = [Ellipsis]
    for n in sizes:
        if n is Ellipsis:
            parts.append(n)
            continue
        choices = [slice(None), slice(None, None, -1), slice(-2, None), slice(None, None, 2), slice(3, 0, -2)]
        choices += [slice(5, 1)] if kind == "basic" else []
        if n:
            choices += [draw.integer(-n, n - 1), np.int64(n - 1)]
        if n and kind in ("mixed", "lists"):
            where = draw.rng.integers(-n, n, common)
            choices += [where, where.tolist()] * 3
        parts.append(draw.pick(*choices))
    for _ in range(draw.integer(0, 2)):
        parts.insert(draw.integer(0, len(parts)), None)
    return parts[0] if len(parts) == 1 and draw.boolean() else tuple(parts)


def _wrapped(draw, index):
    """The same index, its arrays perhaps as Tensors."""
    wrap = lambda i: ag.Tensor(i) if isinstance(i, np.ndarray) and draw.boolean() else i
    return tuple(wrap(i) for i in index) if isinstance(index, tuple) else wrap(index)


@oracle("getitem")
def _(draw):
    x = draw.array()
    index = _index(draw, x.shape)
    mine = _wrapped(draw, index)
    return [x], lambda x: x[mine], _places(x, lambda a: a[index])


@oracle("scatter_add")
def _(draw):
    shape = draw.shape()
    index = _index(draw, shape)
    places = np.arange(int(np.prod(shape))).reshape(shape)[index]
    values = draw.array(places.shape)
    mine = _wrapped(draw, index)

    def add_at(values):
        y = torch.zeros(int(np.prod(shape)), dtype=values.dtype)
        return y.index_add(0, torch.tensor(places.reshape(-1).copy()), values.reshape(-1)).reshape(shape)

    return [values], lambda v: ag.scatter_add(shape, mine, v), add_at


@oracle("take_along_axis")
def _(draw):
    x = draw.array(min_ndim=1, min_size=1)
    axis = draw.axis(x.ndim)
    if draw.boolean():
        indices = draw.rng.integers(-x.size, x.size, 4)
        return ([x], lambda x: ag.take_along_axis(x, indices, None),
                lambda x: x.reshape(-1)[torch.tensor(indices)])
    n = x.shape[axis]
    shape = [1 if draw.boolean() else m for m in x.shape]
    shape[axis] = draw.integer(0, 4)
    indices = draw.rng.integers(-n, n, shape)
    mine = draw.pick(indices, ag.Tensor(indices))
    return ([x], lambda x: ag.take_along_axis(x, mine, axis),
            lambda x: torch.take_along_dim(x, torch.tensor(indices % n), axis))


@oracle("diagonal")
def _(draw):
    x = draw.array(min_ndim=2, max_ndim=4)
    i, j = draw.data.draw(st.permutations(range(x.ndim)))[:2]
    offset = draw.integer(-2, 2)
    if draw.boolean():
        return [x], ag.diagonal, torch.diagonal
    offset = max(-x.shape[i], min(offset, x.shape[j]))  # PyTorch allows no diagonal further out
    return [x], lambda x: ag.diagonal(x, offset, i, j - x.ndim), lambda x: torch.diagonal(x, offset, i, j)


@oracle("repeat")
def _(draw):
    x = draw.array(min_ndim=1)
    axis = draw.pick(None, draw.axis(x.ndim))
    n = x.size if axis is None else x.shape[axis]
    counts = draw.pick(0, 1, 3, draw.rng.integers(0, 3, n), np.array([2]))
    theirs = torch.tensor(counts)
    mine = draw.pick(counts, ag.Tensor(counts), counts if isinstance(counts, int) else counts.tolist())
    return [x], lambda x: ag.repeat(x, mine, axis), lambda x: x.repeat_interleave(theirs, axis)


@oracle("tile")
def _(draw):
    x, reps = draw.array(), draw.pick(2, (2,), (2, 1), (3, 0), (1, 2, 2), ())
    return [x], lambda x: ag.tile(x, reps), lambda x: torch.tile(x, (reps,) if isinstance(reps, int) else reps)


@oracle("pad")
def _(draw):
    x = draw.array()
    widths = [[draw.integer(0, 2) for _ in range(2)] for _ in range(x.ndim)]
    if not x.ndim:
        return [x], lambda x: ag.pad(x, 0), lambda x: x + 0
    value = draw.pick(0.0, 1.5, -INF, 2, np.float64(0.3))
    if x.ndim and draw.boolean():
        widths = [draw.pick([1, 2], [2, 2])] * x.ndim
    call = draw.pick(widths, 2 if widths == [[2, 2]] * x.ndim else (1, 2) if widths == [[1, 2]] * x.ndim else widths)
    return ([x], lambda x: ag.pad(x, call, constant_values=value),
            lambda x: F.pad(x, [w for pair in widths[::-1] for w in pair], value=float(value)) + 0)


@oracle("pad")
def _(draw):
    x = draw.array(min_size=1)
    mode = draw.pick("reflect", "edge")
    if not x.ndim:
        return [x], lambda x: ag.pad(x, 0, mode), lambda x: x + 0
    limit = lambda n: min(n - 1, 2) if mode == "reflect" else 2
    widths = [[draw.integer(0, limit(n)) for _ in range(2)] for n in x.shape]
    return ([x], lambda x: ag.pad(x, widths, mode),
            _places(x, lambda a: np.pad(a, widths, mode)))


@oracle("flip")
def _(draw):
    x = draw.array()
    axis = draw.axes(x.ndim)
    dims = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return [x], lambda x: ag.flip(x, axis), lambda x: torch.flip(x, dims)


@oracle("roll")
def _(draw):
    x = draw.array()
    axis = draw.axes(x.ndim)
    shift = draw.pick(0, 1, -2, 5, np.int64(2))
    if isinstance(axis, tuple):
        shift = tuple(draw.integer(-3, 3) for _ in axis)
        return [x], lambda x: ag.roll(x, shift, axis), lambda x: torch.roll(x, shift, axis)
    return [x], lambda x: ag.roll(x, shift, axis), lambda x: torch.roll(x, int(shift), axis)


for _name, _mine, _other in (("tril", ag.tril, torch.tril), ("triu", ag.triu, torch.triu)):
    @oracle(_name)
    def _(draw, mine=_mine, other=_other):
        k = draw.integer(-3, 3)
        return [draw.array(min_ndim=2, max_ndim=4, edges=(INF, NAN))], lambda x: mine(x, k), lambda x: other(x, k)


# Entries: reductions


def _dims(axis, ndim):
    return tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def _reduction(draw, mine, other, **kind):
    x = draw.array(**kind)
    axis, keepdims = draw.axes(x.ndim), draw.boolean()
    return ([x], lambda x: mine(x, axis=axis, keepdims=keepdims),
            lambda x: other(x, dim=_dims(axis, x.ndim), keepdim=keepdims))


@oracle("sum")
def _(draw):
    x = draw.array(edges=(INF, -INF, NAN))
    axis, keepdims = draw.axes(x.ndim), draw.boolean()
    other = lambda x: x + 0 if axis == () else torch.sum(x, _dims(axis, x.ndim), keepdim=keepdims)
    return [x], lambda x: x.sum(axis=axis, keepdims=keepdims), other


@oracle("mean")
def _(draw):
    return _reduction(draw, ag.mean, torch.mean, edges=(INF,))


for _name, _mine, _other in (("var", ag.var, torch.var), ("std", ag.std, torch.std)):
    @oracle(_name)
    def _(draw, mine=_mine, other=_other):
        """NaN or Inf with fewer than ddof + 1 elements; the derivatives are not defined then. No repeated elements:
        PyTorch's mean of equal numbers may differ from them in the last bit."""
        ddof = draw.integer(0, 2)
        if draw.boolean():
            x = draw.array((draw.integer(0, ddof),))
            return [], lambda: mine(x, ddof=ddof), lambda: other(torch.tensor(np.array(x)), correction=ddof)
        return _reduction(draw, lambda x, **k: mine(x, ddof=ddof, **k), lambda x, **k: other(x, correction=ddof, **k),
                          min_ndim=1, min_size=ddof + 1, repeat=False)

    @oracle(_name)
    def _(draw, mine=_mine, other=_other):
        """All elements equal: the standard deviation is 0, and so is its gradient."""
        x = np.full(draw.shape(min_ndim=1, min_size=2), 1.5, draw.dtype)
        return [x], lambda x: mine(x, -1), lambda x: other(x, -1, correction=0)


def _torch_prod(x, axis, keepdims):
    if axis is None:
        return torch.prod(x).reshape((1,) * x.ndim) if keepdims else torch.prod(x)
    for i in sorted((i % x.ndim for i in _dims(axis, x.ndim)), reverse=True):
        x = torch.prod(x, i, keepdims)
    return x


@oracle("prod")
def _(draw):
    x = draw.array(edges=draw.pick((0.0, 1.0), (1.0, INF), ()), min_ndim=1)
    axis, keepdims = draw.axes(x.ndim), draw.boolean()
    return [x], lambda x: x.prod(axis=axis, keepdims=keepdims), lambda x: _torch_prod(x, axis, keepdims)


for _name, _mine, _other in (("max", ag.max, torch.amax), ("min", ag.min, torch.amin)):
    @oracle(_name)
    def _(draw, mine=_mine, other=_other):
        return _reduction(draw, mine, other, min_size=1, edges=(0.0, 1.0, INF, -INF))

    @oracle(_name)
    def _(draw, mine=_mine, other=_other):
        """Ties, also along an axis where another axis is empty."""
        x = draw.ties((draw.integer(0, 3), draw.integer(1, 4), draw.integer(1, 3)))
        axis = draw.pick(1, 2, (1, 2), -1)
        return [x], lambda x: mine(x, axis), lambda x: other(x, axis)


@oracle("argmax")
def _(draw):
    x = draw.ties(draw.shape(min_ndim=1, min_size=1))
    axis = draw.pick(None, draw.axis(x.ndim))
    return [], lambda: ag.argmax(x, axis), lambda: torch.tensor(np.argmax(x, axis))


@oracle("logsumexp")
def _(draw):
    return _reduction(draw, ag.logsumexp, torch.logsumexp, edges=draw.pick((1000.0, -1000.0, 0.0, -INF), (INF, NAN)))


@oracle("logsumexp")
def _(draw):
    x = draw.array(min_ndim=1, min_size=1)
    x = np.where(draw.rng.random(x.shape[:-1] + (1,)) < 0.5, -INF, x).astype(x.dtype)  # rows of log 0
    return [x], lambda x: ag.logsumexp(x, -1), lambda x: torch.logsumexp(x, -1)


for _name, _mine, _other in (("softmax", ag.softmax, F.softmax), ("log_softmax", ag.log_softmax, F.log_softmax)):
    @oracle(_name)
    def _(draw, mine=_mine, other=_other):
        x = draw.array(min_ndim=1, edges=draw.pick((1000.0, -1000.0, 0.0), (-INF, 0.0), (INF, NAN)))
        axis = draw.axis(x.ndim)
        return [x], lambda x: mine(x, axis), lambda x: other(x, axis)


@oracle("cumsum")
def _(draw):
    x = draw.array(min_ndim=1, edges=(INF,))
    axis = draw.pick(None, draw.axis(x.ndim))
    return ([x], lambda x: x.cumsum(axis),
            lambda x: torch.cumsum(x.reshape(-1), 0) if axis is None else torch.cumsum(x, axis))


@oracle("cumprod")
def _(draw):
    x = draw.array(min_ndim=1, edges=draw.pick((), (0.0, 1.0)))
    axis = draw.pick(None, draw.axis(x.ndim))
    return ([x], lambda x: ag.cumprod(x, axis),
            lambda x: torch.cumprod(x.reshape(-1), 0) if axis is None else torch.cumprod(x, axis))


@oracle("vector_norm")
def _(draw):
    """Rows of zeros too: the slope there is 0."""
    ord = draw.pick(2, 1, 3.0, 2.5, INF)
    x = draw.array(min_ndim=1, min_size=1, edges=(0.0,))
    x = np.where(draw.rng.random(x.shape[:-1] + (1,)) < 0.3, 0.0, x).astype(x.dtype)
    axis, keepdims = draw.axes(x.ndim), draw.boolean()
    return ([x], lambda x: ag.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord),
            lambda x: torch.linalg.vector_norm(x, ord, dim=axis, keepdim=keepdims))


@oracle("sort")
def _(draw):
    x = draw.pick(draw.array(min_ndim=1, edges=(INF, -INF, NAN)), draw.ties(draw.shape(min_ndim=1)))
    axis = draw.pick(None, draw.axis(x.ndim))
    return ([x], lambda x: ag.sort(x, axis),
            lambda x: torch.sort(x.reshape(-1) if axis is None else x, dim=axis or 0, stable=True)[0])


@oracle("topk")
def _(draw):
    """No ties, where PyTorch's choice is any."""
    x = draw.array(repeat=False)
    dim = draw.axis(x.ndim) if x.ndim else draw.pick(0, -1)
    k, largest = draw.integer(0, x.shape[dim]) if x.ndim else 1, draw.boolean()

    scores = draw.rng.standard_normal(max(1, x.size)).astype(x.dtype)  # by which the indices show

    def mine(x):
        values, indices = ag.topk(x, k, dim, largest)
        return values * scores[indices.numpy()]

    def theirs(x):
        values, indices = torch.topk(x, k, dim, largest)
        return values * torch.tensor(scores[indices.numpy()])

    return [x], mine, theirs


# Entries: linear algebra


@oracle("matmul")
def _(draw):
    batch = draw.shape(max_ndim=2)
    other_batch = draw.broadcastable(batch)
    m, k, n = (draw.integer(0, 4) for _ in range(3))
    left, right = draw.pick((batch + (m, k), other_batch + (k, n)), (other_batch + (m, k), batch + (k, n)),
                            ((m, k), (k, n)), ((k,), (k,)), ((k,), batch + (k, n)), (batch + (m, k), (k,)),
                            (batch + (m, k), (k, n)), ((m, k), batch + (k, n)))
    return [draw.array(left), draw.array(right)], lambda a, b: a @ b, torch.matmul


@oracle("linear")
def _(draw):
    features, outputs = draw.integer(0, 4), draw.integer(0, 4)
    xs = [draw.array(draw.shape(max_ndim=2) + (features,)), draw.array((outputs, features))]
    xs += [draw.array((outputs,))] if draw.boolean() else []
    return xs, ag.linear, F.linear


EINSUMS = ("ij,jk->ik", "ij,jk", "ba", "ab->ba", "ii->i", "ii", "ii->", "ij->", "i,j->ij", "i,i", "ijk,kj->i",
           "iij->j", "...ij,...jk->...ik", "...i->...", "i...->...i", "...", "...,...", "i...,i->...",
           "bij,bjk,bkl->bil", "iij,jk->ki", "i,ij,j->", "ij,kl->", "ij,ij->ij", "ijij->ji", " i j , j -> i",
           "aB,Bc", "...ii->...i", "i,->i")


@oracle("einsum")
def _(draw):
    subscripts = draw.pick(*EINSUMS)
    sizes = {c: draw.integer(0, 3) for c in "abcijklB"}
    batch = draw.shape(max_ndim=2)
    xs = []
    for letters in subscripts.replace(" ", "").split("->")[0].split(","):
        twice = {c for c in letters if letters.count(c) > 1}
        size = lambda c: 1 if c not in twice and draw.integer(0, 4) == 0 else sizes[c]  # an axis of 1 broadcasts
        before, dots, after = letters.partition("...")
        middle = draw.broadcastable(batch) if dots else ()
        middle = tuple(n if n == 1 else m for n, m in zip(middle, batch[len(batch) - len(middle):]))
        xs.append(draw.array(tuple(size(c) for c in before) + middle + tuple(size(c) for c in after)))
    return xs, lambda *xs: ag.einsum(subscripts, *xs), lambda *xs: torch.einsum(subscripts, *xs)


@oracle("einsum")
def _(draw):
    """Lists of axes in the place of letters."""
    subscripts = draw.pick(*(text for text in EINSUMS if " " not in text))
    letters = {c: i for i, c in enumerate(sorted(set(subscripts) - set("->.,")))}
    listed = lambda text: [Ellipsis if c == "." else letters[c] for c in text.replace("...", ".")]
    left, arrow, output = subscripts.partition("->")
    xs, lists = [], [listed(text) for text in left.split(",")]
    for axes in lists:
        xs.append(draw.array(tuple(2 if i is Ellipsis else 3 for i in axes)))
    tail = [listed(output)] if arrow else []
    call = lambda f: lambda *xs: f(*(part for pair in zip(xs, lists) for part in pair), *tail)
    return xs, call(ag.einsum), call(torch.einsum)


@oracle("outer")
def _(draw):
    a, b = draw.array(), draw.array()
    return [a, b], ag.outer, lambda a, b: torch.outer(a.reshape(-1), b.reshape(-1))


@oracle("trace")
def _(draw):
    x = draw.array(min_ndim=2)
    axis1, axis2 = draw.data.draw(st.permutations(range(x.ndim)))[:2]
    offset = draw.integer(-3, 3)
    return ([x], lambda x: ag.trace(x, offset, axis1, axis2 - x.ndim),
            lambda x: torch.diagonal(x, offset, axis1, axis2).sum(-1))


def _matrices(draw):
    n = draw.integer(0, 4)
    shape = draw.shape(max_ndim=2) + (n, n)
    return draw.layout((draw.rng.standard_normal(shape) + 3.0 * np.eye(n)).astype(draw.dtype), repeat=False)


for _name, _mine, _other in (("inv", ag.inv, torch.linalg.inv), ("det", ag.det, torch.linalg.det)):
    @oracle(_name)
    def _(draw, mine=_mine, other=_other):
        return [_matrices(draw)], mine, other


@oracle("solve")
def _(draw):
    A = _matrices(draw)
    n = A.shape[-1]
    if draw.boolean():
        return [A, draw.array((n,))], ag.solve, lambda A, b: torch.linalg.solve(A, b[:, None])[..., 0]
    batch = draw.broadcastable(A.shape[:-2])
    return [A, draw.array((*batch, n, draw.integer(1, 3)))], ag.solve, torch.linalg.solve


@oracle("cholesky")
def _(draw):
    n = draw.integer(0, 4)
    positive = lambda x, one: x @ x.swapaxes(-1, -2) + one  # positive definite
    return ([draw.array(draw.shape(max_ndim=2) + (n, n))],
            lambda x: ag.cholesky(positive(x, np.eye(n, dtype=draw.dtype))),
            lambda x: torch.linalg.cholesky(positive(x, torch.eye(n, dtype=x.dtype))))


@oracle("slogdet")
def _(draw):
    return [_matrices(draw)], lambda A: ag.slogdet(A)[1], lambda A: torch.linalg.slogdet(A)[1]


@oracle("slogdet")
def _(draw):
    A = _matrices(draw)
    A = A - 4.0 * (draw.rng.random(A.shape) < 0.3).astype(A.dtype)
    return [], lambda: ag.slogdet(A)[0], lambda: torch.linalg.slogdet(torch.tensor(np.array(A)))[0]


# Entries: neural networks


@oracle("embedding")
def _(draw):
    weight = draw.array((draw.integer(1, 4), draw.integer(1, 3)))
    labels = draw.rng.integers(0, weight.shape[0], draw.shape())
    mine = draw.pick(labels, ag.Tensor(labels), labels.astype(np.int32))
    padding = draw.pick(None, 0, -1)
    if not labels.size:  # PyTorch's second derivative fails
        return [weight], lambda w: ag.embedding(mine, w, padding), lambda w: w[labels]
    return [weight], lambda w: ag.embedding(mine, w, padding), lambda w: F.embedding(torch.tensor(labels), w, padding)


@oracle("one_hot")
def _(draw):
    classes = draw.integer(1, 5)
    labels = draw.rng.integers(0, classes, draw.shape())
    return [], lambda: ag.one_hot(labels, classes), lambda: F.one_hot(torch.tensor(labels), classes).float()


@oracle("normalize")
def _(draw):
    p, eps = draw.pick(2.0, 1, 3.0, INF), draw.pick(1e-12, 0.8)
    x = draw.array(min_ndim=1, min_size=1)
    dim = draw.axis(x.ndim)
    return [x], lambda x: ag.normalize(x, p, dim, eps), lambda x: F.normalize(x, p, dim, eps)


@oracle("cosine_similarity")
def _(draw):
    shape = draw.shape(min_ndim=1, min_size=1)
    pair = [draw.array(shape), draw.array(draw.broadcastable(shape, 1))]
    ndim = max(x.ndim for x in pair)
    dim = draw.axis(ndim)
    pair = pair if draw.boolean() else pair[::-1]
    return pair, lambda a, b: ag.cosine_similarity(a, b, dim), lambda a, b: F.cosine_similarity(a, b, dim)


for _name, _mine, _other in (("l1_loss", ag.l1_loss, F.l1_loss), ("huber_loss", ag.huber_loss, F.huber_loss)):
    @oracle(_name)
    def _(draw, mine=_mine, other=_other):
        a, reduction = draw.array(edges=(0.0,)), draw.pick("mean", "sum", "none")
        b = np.where(draw.rng.random(a.shape) < 0.3, a, draw.rng.standard_normal(a.shape)).astype(a.dtype)
        options = {"delta": draw.pick(1.0, 0.3)} if mine is ag.huber_loss and draw.boolean() else {}
        return ([a, b], lambda a, b: mine(a, b, reduction=reduction, **options),
                lambda a, b: other(a, b, reduction=reduction, **options))


@oracle("kl_div")
def _(draw):
    log_target, reduction = draw.boolean(), draw.pick("mean", "sum", "none", "batchmean")
    shape = draw.shape(min_ndim=int(reduction == "batchmean"), min_size=int(reduction == "batchmean"))
    t = draw.array(shape, positive=not log_target)
    options = {"reduction": reduction, "log_target": log_target}
    return [draw.array(shape), t], lambda x, t: ag.kl_div(x, t, **options), lambda x, t: F.kl_div(x, t, **options)


@oracle("kl_div")
def _(draw):
    """Targets of 0, which are no inputs here: PyTorch's slope with respect to them is -inf."""
    x = draw.array()
    t = (draw.rng.random(x.shape) * (draw.rng.random(x.shape) < 0.5)).astype(x.dtype)
    return [x], lambda x: ag.kl_div(x, t, "sum"), lambda x: F.kl_div(x, torch.tensor(t), reduction="sum")


@oracle("mse_loss")
def _(draw):
    shape, reduction = draw.shape(), draw.pick("mean", "sum", "none")
    return ([draw.array(shape), draw.array(shape)], lambda a, b: ag.mse_loss(a, b, reduction=reduction),
            lambda a, b: F.mse_loss(a, b, reduction=reduction))


@oracle("binary_cross_entropy_with_logits")
def _(draw):
    shape, reduction = draw.shape(), draw.pick("mean", "sum", "none")
    x = draw.array(shape, edges=(0.0, -0.0, 1000.0, -1000.0, 30.0))
    t = draw.layout(draw.rng.random(shape).round(draw.pick(0, 8)).astype(x.dtype))
    weights = {}
    if draw.boolean():
        weights["weight"] = draw.array(draw.part(shape), positive=True)
    if draw.boolean():
        weights["pos_weight"] = draw.array(draw.part(shape), positive=True)
    theirs = {key: torch.tensor(np.array(w)) for key, w in weights.items()}
    return ([x, t], lambda x, t: ag.binary_cross_entropy_with_logits(x, t, reduction=reduction, **weights),
            lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction=reduction, **theirs))


def _logits(draw):
    batch, K = draw.integer(0, 4), draw.integer(1, 4)
    shape = draw.pick((K,), (batch, K), (batch, K, draw.integer(0, 3)), (batch, K, 2, 2))
    return draw.array(shape, edges=draw.pick((), (1000.0, -1000.0, 0.0))), K


def _class_weights(draw, K):
    weight = draw.array((K,), positive=True) if draw.boolean() else None
    return weight, weight if weight is None else torch.tensor(np.array(weight))


@oracle("cross_entropy")
def _(draw):
    x, K = _logits(draw)
    labels = draw.rng.integers(0, K, x.shape[:1] * (x.ndim > 1) + x.shape[2:])
    labels = np.where(draw.rng.random(labels.shape) < draw.pick(0.0, 0.3, 1.0), -100, labels)
    if x.size and (labels == -100).all() and labels.size == 0:
        labels = labels * 0
    options = {"reduction": draw.pick("mean", "sum", "none"), "label_smoothing": draw.pick(0.0, 0.1, 1.0)}
    if draw.boolean():  # another number to ignore, and one that is a class of its own
        options["ignore_index"] = draw.pick(-1, 0)
        labels = np.where(labels == -100, options["ignore_index"], labels)
    weight, their_weight = _class_weights(draw, K)
    mine = draw.pick(labels, ag.Tensor(labels))
    return ([x], lambda x: ag.cross_entropy(x, mine, weight=weight, **options),
            lambda x: F.cross_entropy(x, torch.tensor(labels), weight=their_weight, **options))


@oracle("cross_entropy")
def _(draw):
    x, K = _logits(draw)
    q = draw.rng.random(x.shape) + 0.1
    q = draw.layout((q / q.sum(axis=1 if q.ndim > 1 else 0, keepdims=True)).astype(x.dtype))
    options = {"reduction": draw.pick("mean", "sum", "none"), "label_smoothing": draw.pick(0.0, 0.1)}
    weight, their_weight = _class_weights(draw, K)
    return ([x, q], lambda x, q: ag.cross_entropy(x, q, weight=weight, **options),
            lambda x, q: F.cross_entropy(x, q, weight=their_weight, **options))


@oracle("dropout")
def _(draw):
    """The mask is ours: where the output of all ones is zero."""
    x, p, training, seed = draw.array(), draw.pick(0.0, 0.3, 1.0), draw.boolean(), draw.integer(0, 9)
    ones = ag.Tensor(np.ones(x.shape, x.dtype))
    scale = ag.dropout(ones, p, training, rng=np.random.default_rng(seed)).numpy()
    kept = 1.0 if not training else 0.0 if p == 1.0 else 1.0 / (1.0 - p)
    assert set(np.unique(scale)) <= {0.0, np.asarray(kept, x.dtype).item()}
    return ([x], lambda x: ag.dropout(x, p, training, rng=np.random.default_rng(seed)),
            lambda x: x * torch.tensor(scale))


# The tests


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name, entry", [(n, e) for n, entries in ENTRIES.items() for e in entries],
                         ids=[f"{n}-{i}" for n, entries in ENTRIES.items() for i in range(len(entries))])
def test_agrees_with_pytorch(name, entry, dtype):
    @RUNS
    @given(st.data())
    def run(data):
        compare(entry, data, dtype, name)

    run()


ELSEWHERE = {  # public names without an entry: where they are tested, or what they are
    "Tensor": "test_tensor.py", "parameter": "test_tensor.py", "as_tensor": "test_tensor.py",
    "grad": "test_tensor.py", "no_grad": "test_tensor.py", "record": "test_tensor.py", "recording": "test_tensor.py",
    "joint": "test_tensor.py",
    "gradcheck": "test_gradcheck.py", "gradgradcheck": "test_gradcheck.py", "GradcheckError": "test_gradcheck.py",
    "detect_anomaly": "test_anomaly.py", "AnomalyError": "test_anomaly.py",
    **dict.fromkeys(("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "unfold"), "test_conv.py"),
    **dict.fromkeys(("adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool1d", "avg_pool2d", "interpolate",
                     "max_pool1d", "max_pool2d", "max_unpool2d", "pixel_shuffle", "pixel_unshuffle"), "test_resample.py"),
    **dict.fromkeys(("batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"), "test_norm.py"),
    "scaled_dot_product_attention": "test_attention.py",
}


def public_names():
    return {name for name, value in vars(ag).items() if callable(value) and not name.startswith("_")}


@pytest.mark.parametrize("name", sorted(public_names()))
def test_every_public_op_has_an_entry(name):
    assert (name in ENTRIES) != (name in ELSEWHERE), f"{name}: write an entry of the oracle, or say where its test is"
    if name in ELSEWHERE:
        text = (pathlib.Path(__file__).parent / ELSEWHERE[name]).read_text()
        assert name in text, f"{name} does not appear in {ELSEWHERE[name]}"


# What is not valid: each call raises here, naming the op, and in PyTorch or, for array operations, in NumPy


X = np.arange(6.0).reshape(2, 3)
T = torch.tensor(X)
LABELS = np.array([0, 1])

REJECTED = [  # op, what is wrong, our call, their call
    ("add", "shapes", lambda: ag.add(X, X.T), lambda: T + T.T),
    ("sub", "shapes", lambda: ag.sub(X, X.T), lambda: T - T.T),
    ("mul", "shapes", lambda: ag.mul(X, X.T), lambda: T * T.T),
    ("div", "shapes", lambda: ag.div(X, X.T), lambda: T / T.T),
    ("power", "shapes", lambda: ag.power(X, X.T), lambda: T ** T.T),
    ("maximum", "shapes", lambda: ag.maximum(X, X.T), lambda: torch.maximum(T, T.T)),
    ("minimum", "shapes", lambda: ag.minimum(X, X.T), lambda: torch.minimum(T, T.T)),
    ("where", "shapes", lambda: ag.where(X > 0, X, X.T), lambda: torch.where(T > 0, T, T.T)),
    ("clip", "no limit", lambda: ag.clip(X), lambda: torch.clamp(T)),
    ("clip", "shapes", lambda: ag.clip(X, X.T), lambda: torch.clamp(T, T.T)),
    ("gelu", "approximate", lambda: ag.gelu(X, "erf"), lambda: F.gelu(T, approximate="erf")),
    ("dropout", "p", lambda: ag.dropout(X, 1.5, rng=None), lambda: F.dropout(T, 1.5)),
    ("matmul", "inner sizes", lambda: ag.matmul(X, X), lambda: T @ T),
    ("matmul", "vector", lambda: ag.matmul(X, X[:, 0]), lambda: T @ T[:, 0]),
    ("matmul", "scalar", lambda: ag.matmul(X, 2.0), lambda: T @ torch.tensor(2.0)),
    ("matmul", "batches", lambda: ag.matmul(np.ones((2, 3, 3)), np.ones((4, 3, 3))),
     lambda: torch.ones(2, 3, 3) @ torch.ones(4, 3, 3)),
    ("linear", "features", lambda: ag.linear(X, X.T), lambda: F.linear(T, T.T)),
    ("linear", "bias", lambda: ag.linear(X, X, X[0]), lambda: F.linear(T, T, T[0])),
    ("broadcast_to", "shape", lambda: ag.broadcast_to(X, (2, 4)), lambda: torch.broadcast_to(T, (2, 4))),
    ("broadcast_to", "fewer axes", lambda: ag.broadcast_to(X, (3,)), lambda: torch.broadcast_to(T, (3,))),
    ("sum_to", "shape", lambda: ag.sum_to(X, (2, 2)), lambda: T.sum_to_size(2, 2)),
    ("sum_to", "same size", lambda: ag.sum_to(X, (3, 2)), lambda: T.sum_to_size(3, 2)),
    ("sum_to", "more axes", lambda: ag.sum_to(X, (1, 2, 3)), lambda: T.sum_to_size(1, 2, 3)),
    ("reshape", "size", lambda: ag.reshape(X, (4, 2)), lambda: T.reshape(4, 2)),
    ("reshape", "two unknown", lambda: ag.reshape(X, (-1, -1)), lambda: T.reshape(-1, -1)),
    ("transpose", "repeated", lambda: ag.transpose(X, (0, 0)), lambda: T.permute(0, 0)),
    ("transpose", "missing", lambda: ag.transpose(X, (0,)), lambda: T.permute(0)),
    ("transpose", "axis", lambda: ag.transpose(X, (0, 2)), lambda: T.permute(0, 2)),
    ("swapaxes", "axis", lambda: ag.swapaxes(X, 0, 2), lambda: torch.swapaxes(T, 0, 2)),
    ("moveaxis", "axis", lambda: ag.moveaxis(X, 0, 2), lambda: torch.movedim(T, 0, 2)),
    ("moveaxis", "counts", lambda: ag.moveaxis(X, (0, 1), 0), lambda: torch.movedim(T, (0, 1), (0,))),
    ("expand_dims", "axis", lambda: ag.expand_dims(X, 3), lambda: torch.unsqueeze(T, 3)),
    ("squeeze", "axis", lambda: ag.squeeze(X, 2), lambda: torch.squeeze(T, 2)),
    ("squeeze", "size", lambda: ag.squeeze(X, 1), lambda: np.squeeze(X, 1)),
    ("flatten", "axis", lambda: ag.flatten(X, 2), lambda: torch.flatten(T, 2)),
    ("flatten", "order", lambda: ag.flatten(X, 1, 0), lambda: torch.flatten(T, 1, 0)),
    ("concatenate", "nothing", lambda: ag.concatenate([]), lambda: torch.cat([])),
    ("concatenate", "shapes", lambda: ag.concatenate([X, X.T]), lambda: torch.cat([T, T.T])),
    ("concatenate", "axis", lambda: ag.concatenate([X, X], 2), lambda: torch.cat([T, T], 2)),
    ("concatenate", "scalars", lambda: ag.concatenate([1.0, 2.0]), lambda: np.concatenate([1.0, 2.0])),
    ("stack", "nothing", lambda: ag.stack([]), lambda: torch.stack([])),
    ("stack", "shapes", lambda: ag.stack([X, X[0]]), lambda: torch.stack([T, T[0]])),
    ("stack", "axis", lambda: ag.stack([X, X], 3), lambda: torch.stack([T, T], 3)),
    ("split", "parts", lambda: ag.split(X, 2, 1), lambda: np.split(X, 2, 1)),
    ("split", "no parts", lambda: ag.split(X, 0), lambda: np.split(X, 0)),
    ("split", "axis", lambda: ag.split(X, 2, 2), lambda: torch.tensor_split(T, 2, 2)),
    ("getitem", "range", lambda: ag.getitem(X, 2), lambda: T[2]),
    ("getitem", "range of a list", lambda: ag.getitem(X, [0, 2]), lambda: T[[0, 2]]),
    ("getitem", "too many", lambda: ag.getitem(X, (0, 0, 0)), lambda: T[0, 0, 0]),
    ("getitem", "mask", lambda: ag.getitem(X, np.array([True])), lambda: T[torch.tensor([True])]),
    ("getitem", "float", lambda: ag.getitem(X, 1.0), lambda: T[1.0]),
    ("getitem", "float Tensor", lambda: ag.getitem(X, ag.Tensor([1.0])), lambda: T[torch.tensor([1.0])]),
    ("scatter_add", "range", lambda: ag.scatter_add((2,), [2], X[0, :1]),
     lambda: torch.zeros(2).index_add(0, torch.tensor([2]), torch.ones(1))),
    ("scatter_add", "shapes", lambda: ag.scatter_add((2,), [0, 1], X[0]),
     lambda: torch.zeros(2).index_add(0, torch.tensor([0, 1]), torch.ones(3))),
    ("take_along_axis", "range", lambda: ag.take_along_axis(X, [[3], [0]], 1),
     lambda: np.take_along_axis(X, np.array([[3], [0]]), 1)),
    ("take_along_axis", "axes", lambda: ag.take_along_axis(X, [0], 1),
     lambda: torch.take_along_dim(T, torch.tensor([0]), 1)),
    ("take_along_axis", "axis", lambda: ag.take_along_axis(X, [[0]], 2),
     lambda: torch.take_along_dim(T, torch.tensor([[0]]), 2)),
    ("take_along_axis", "shapes", lambda: ag.take_along_axis(X, np.zeros((4, 1), int), 1),
     lambda: torch.take_along_dim(T, torch.zeros(4, 1, dtype=int), 1)),
    ("diagonal", "one axis", lambda: ag.diagonal(X[0]), lambda: torch.diagonal(T[0])),
    ("diagonal", "same axis", lambda: ag.diagonal(X, 0, 1, 1), lambda: torch.diagonal(T, 0, 1, 1)),
    ("pad", "negative", lambda: ag.pad(X, -1), lambda: np.pad(X, -1)),
    ("pad", "pairs", lambda: ag.pad(X, [(1, 1)] * 3), lambda: np.pad(X, [(1, 1)] * 3)),
    ("pad", "mode", lambda: ag.pad(X, 1, "wrapped"), lambda: np.pad(X, 1, "wrapped")),
    ("pad", "reflect too far", lambda: ag.pad(X, 2, "reflect"), lambda: F.pad(T, (0, 0, 2, 2), "reflect")),
    ("flip", "axis", lambda: ag.flip(X, 2), lambda: torch.flip(T, (2,))),
    ("flip", "repeated", lambda: ag.flip(X, (0, 0)), lambda: torch.flip(T, (0, 0))),
    ("roll", "axis", lambda: ag.roll(X, 1, 2), lambda: torch.roll(T, 1, 2)),
    ("roll", "counts", lambda: ag.roll(X, (1, 2), (0, 1, 1)), lambda: torch.roll(T, (1, 2), (0, 1, 1))),
    ("tril", "scalar", lambda: ag.tril(1.0), lambda: torch.tril(torch.tensor(1.0))),
    ("triu", "scalar", lambda: ag.triu(1.0), lambda: torch.triu(torch.tensor(1.0))),
    *[(name, wrong, lambda f=f, axis=axis: f(X, axis), lambda g=g, axis=axis: g(T, axis))
      for name, f, g in (("sum", ag.sum, torch.sum), ("mean", ag.mean, torch.mean), ("var", ag.var, torch.var),
                         ("std", ag.std, torch.std), ("max", ag.max, torch.amax), ("min", ag.min, torch.amin),
                         ("logsumexp", ag.logsumexp, torch.logsumexp),
                         ("prod", ag.prod, lambda x, axis: np.prod(x.numpy(), axis)))
      for wrong, axis in (("axis", 2), ("axis below", -3), ("axis repeated", (0, 0)), ("axis named twice", (1, -1)),
                          ("one axis of several", (0, 2)))],
    *[(name, "axis", lambda f=f: f(X, 2), lambda g=g: g(T, 2))
      for name, f, g in (("softmax", ag.softmax, F.softmax), ("log_softmax", ag.log_softmax, F.log_softmax),
                         ("cumsum", ag.cumsum, torch.cumsum), ("argmax", ag.argmax, torch.argmax),
                         ("cumprod", ag.cumprod, torch.cumprod), ("sort", ag.sort, torch.sort),
                         ("vector_norm", ag.vector_norm, lambda x, axis: torch.linalg.vector_norm(x, dim=axis)),
                         ("normalize", lambda x, axis: ag.normalize(x, dim=axis),
                          lambda x, axis: F.normalize(x, dim=axis)),
                         ("cosine_similarity", lambda x, axis: ag.cosine_similarity(x, x, axis),
                          lambda x, axis: F.cosine_similarity(x, x, axis)),
                         ("repeat", lambda x, axis: ag.repeat(x, 2, axis),
                          lambda x, axis: x.repeat_interleave(2, axis)),
                         ("topk", lambda x, axis: ag.topk(x, 1, axis), lambda x, axis: torch.topk(x, 1, axis)))],
    ("logaddexp", "shapes", lambda: ag.logaddexp(X, X.T), lambda: torch.logaddexp(T, T.T)),
    ("topk", "too many", lambda: ag.topk(X, 4), lambda: torch.topk(T, 4)),
    ("topk", "negative", lambda: ag.topk(X, -1), lambda: torch.topk(T, -1)),
    ("repeat", "negative", lambda: ag.repeat(X, -1), lambda: np.repeat(X, -1)),
    ("repeat", "counts", lambda: ag.repeat(X, [1, 2], 1), lambda: np.repeat(X, [1, 2], 1)),
    ("tile", "negative", lambda: ag.tile(X, -1), lambda: np.tile(X, -1)),
    ("tile", "fractions", lambda: ag.tile(X, 1.5), lambda: np.tile(X, 1.5)),
    ("trace", "vector", lambda: ag.trace(X[0]), lambda: torch.trace(T[0])),
    ("solve", "not square", lambda: ag.solve(X, X), lambda: torch.linalg.solve(T, T)),
    ("solve", "shapes", lambda: ag.solve(np.eye(3), X), lambda: torch.linalg.solve(torch.eye(3), T.float())),
    ("solve", "singular", lambda: ag.solve(np.zeros((2, 2)), X),
     lambda: torch.linalg.solve(torch.zeros(2, 2), T.float())),
    ("cholesky", "not square", lambda: ag.cholesky(X), lambda: torch.linalg.cholesky(T)),
    ("cholesky", "negative", lambda: ag.cholesky(-np.eye(2)), lambda: torch.linalg.cholesky(-torch.eye(2))),
    ("einsum", "lists without axes", lambda: ag.einsum(X, X), lambda: torch.einsum(T, T)),
    ("einsum", "an axis of lists", lambda: ag.einsum(X, [0, 52]), lambda: torch.einsum(T, [0, 52])),
    ("embedding", "padding_idx", lambda: ag.embedding([1], X, 2), lambda: F.embedding(torch.tensor([1]), T, 2)),
    ("cosine_similarity", "shapes", lambda: ag.cosine_similarity(X, X.T), lambda: F.cosine_similarity(T, T.T)),
    ("l1_loss", "reduction", lambda: ag.l1_loss(X, X, reduction="avg"), lambda: F.l1_loss(T, T, reduction="avg")),
    ("huber_loss", "delta", lambda: ag.huber_loss(X, X, delta=0.0), lambda: F.huber_loss(T, T, delta=0.0)),
    ("kl_div", "reduction", lambda: ag.kl_div(X, X, "avg"), lambda: F.kl_div(T, T, reduction="avg")),
    ("max", "empty", lambda: ag.max(X[:0]), lambda: torch.amax(T[:0], (0, 1))),
    ("min", "empty", lambda: ag.min(X[:0], 0), lambda: torch.amin(T[:0], 0)),
    ("argmax", "empty", lambda: ag.argmax(X[:0]), lambda: torch.argmax(T[:0])),
    ("einsum", "operands", lambda: ag.einsum("ij,jk", X), lambda: torch.einsum("ij,jk", T)),
    ("einsum", "axes", lambda: ag.einsum("ijk->k", X), lambda: torch.einsum("ijk->k", T)),
    ("einsum", "too few letters", lambda: ag.einsum("i->i", X), lambda: torch.einsum("i->i", T)),
    ("einsum", "sizes", lambda: ag.einsum("ij,jk->ik", X, X), lambda: torch.einsum("ij,jk->ik", T, T)),
    ("einsum", "diagonal of unequal axes", lambda: ag.einsum("ii->i", X), lambda: torch.einsum("ii->i", T)),
    ("einsum", "unknown output", lambda: ag.einsum("ij->ik", X), lambda: torch.einsum("ij->ik", T)),
    ("einsum", "repeated output", lambda: ag.einsum("ij->ii", X), lambda: torch.einsum("ij->ii", T)),
    ("einsum", "not a letter", lambda: ag.einsum("i1->i", X), lambda: torch.einsum("i1->i", T)),
    ("einsum", "half an ellipsis", lambda: ag.einsum("i..->i", X), lambda: torch.einsum("i..->i", T)),
    ("einsum", "two ellipses", lambda: ag.einsum("......->...", X), lambda: torch.einsum("......->...", T)),
    ("einsum", "ellipses", lambda: ag.einsum("...,...->...", X, X[0, :2]),
     lambda: torch.einsum("...,...->...", T, T[0, :2])),
    *[(name, wrong, lambda f=f, x=x: f(x), lambda g=g, x=x: g(torch.tensor(x)))
      for name, f, g in (("inv", ag.inv, torch.linalg.inv), ("det", ag.det, torch.linalg.det),
                         ("slogdet", ag.slogdet, torch.linalg.slogdet))
      for wrong, x in (("not square", X), ("vector", X[0]))],
    ("inv", "singular", lambda: ag.inv(np.zeros((2, 2))), lambda: torch.linalg.inv(torch.zeros(2, 2))),
    ("embedding", "range", lambda: ag.embedding([2], X), lambda: F.embedding(torch.tensor([2]), T)),
    ("embedding", "negative", lambda: ag.embedding([-1], X), lambda: F.embedding(torch.tensor([-1]), T)),
    ("embedding", "floats", lambda: ag.embedding([1.0], X), lambda: F.embedding(torch.tensor([1.0]), T)),
    ("embedding", "weight", lambda: ag.embedding([1], X[0]), lambda: F.embedding(torch.tensor([1]), T[0])),
    ("one_hot", "range", lambda: ag.one_hot([3], 3), lambda: F.one_hot(torch.tensor([3]), 3)),
    ("one_hot", "negative", lambda: ag.one_hot([-1], 3), lambda: F.one_hot(torch.tensor([-1]), 3)),
    ("one_hot", "floats", lambda: ag.one_hot([1.0], 3), lambda: F.one_hot(torch.tensor([1.0]), 3)),
    ("mse_loss", "shapes", lambda: ag.mse_loss(X, X.T), lambda: F.mse_loss(T, T.T)),
    ("mse_loss", "reduction", lambda: ag.mse_loss(X, X, reduction="avg"), lambda: F.mse_loss(T, T, reduction="avg")),
    ("binary_cross_entropy_with_logits", "shapes", lambda: ag.binary_cross_entropy_with_logits(X, X[0]),
     lambda: F.binary_cross_entropy_with_logits(T, T[0])),
    ("binary_cross_entropy_with_logits", "weight",
     lambda: ag.binary_cross_entropy_with_logits(X, X, weight=X.T),
     lambda: F.binary_cross_entropy_with_logits(T, T, weight=T.T)),
    ("binary_cross_entropy_with_logits", "pos_weight",
     lambda: ag.binary_cross_entropy_with_logits(X, X, pos_weight=X.T),
     lambda: F.binary_cross_entropy_with_logits(T, T, pos_weight=T.T)),
    ("binary_cross_entropy_with_logits", "reduction",
     lambda: ag.binary_cross_entropy_with_logits(X, X, reduction="avg"),
     lambda: F.binary_cross_entropy_with_logits(T, T, reduction="avg")),
    *[("cross_entropy", wrong, lambda args=args, k=kind: ag.cross_entropy(*args, **k),
       lambda args=args, k=kind: F.cross_entropy(*map(torch.tensor, args), **{
           key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in k.items()}))
      for wrong, args, kind in (
          ("range", (X, np.array([0, 3])), {}),
          ("negative", (X, np.array([0, -1])), {}),
          ("target shape", (X, np.array([0, 1, 2])), {}),
          ("target axes", (X, np.array([[0, 1, 2]])), {}),
          ("probabilities", (X, X.T.copy()), {}),
          ("reduction", (X, LABELS), {"reduction": "avg"}),
          ("reduction of probabilities", (X, X), {"reduction": "avg"}),
          ("weight", (X, LABELS), {"weight": np.ones(2)}),
          ("weight of one", (X, LABELS), {"weight": np.ones(1)}),
          ("weight of probabilities", (X, X), {"weight": np.ones(2)}),
          ("label_smoothing", (X, LABELS), {"label_smoothing": 1.5}),
          ("scalar", (X[0, 0], LABELS[0]), {}))],
]


@pytest.mark.parametrize("name, mine, other", [(name, mine, other) for name, _, mine, other in REJECTED],
                         ids=[f"{name}-{wrong}".replace(" ", "_") for name, wrong, _, _ in REJECTED])
def test_rejects_what_pytorch_rejects(name, mine, other):
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError, AssertionError)), \
            warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other()
    with pytest.raises((ValueError, IndexError, TypeError, np.linalg.LinAlgError)) as caught:
        mine()
    message = str(caught.value)
    assert name in message, f"the message does not name the op: {message}"
    assert "\n" not in message
