"""The table of cases: at least one row per public op, checked to second order by check.py and by the tests.

A row names the op, applies it, and gives the shapes of its inputs. Sizes are distinct and small, so that a transposed
or dropped axis shows. Inputs are standard normal unless the row says otherwise: `positive`, `distinct` (no two
elements closer than the step of a central difference can confuse), `away` from a kink.

To check an op of your own, write such a row, or call gradcheck on it.

Read before this: gradcheck.py. Read next: check.py.
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import activations, attention, conv, linalg, norm, ops, reduce, resample, shape, sweep
from . import functional as F
from .backend import asarray, normal


class Case(NamedTuple):
    """One row: name of the op, what is special about the row, a function of Tensors, and makers of its inputs."""

    name: str
    detail: str
    f: Callable
    makers: tuple

    def inputs(self, rng):
        """float64 arrays for f, drawn by rng."""
        return [make(rng) for make in self.makers]

    def __str__(self):
        return f"{self.name} {self.detail}".strip()


def case(name, f, *inputs, detail=""):
    """A row of the table; an input is a shape, for standard normal draws, or a maker rng -> array."""
    return Case(name, detail, f, tuple(_normal(s) if isinstance(s, tuple) else s for s in inputs))


def _normal(shape):
    return lambda rng: normal(rng, shape, np.float64)


def positive(*shape):
    """Draws from 0.2 to 2.2."""
    return lambda rng: asarray(rng.random(shape) * 2.0 + 0.2)


def distinct(*shape):
    """A random permutation of equidistant values around 0, none of them 0: no ties, no kinks nearby."""
    size = int(np.prod(shape))
    return lambda rng: asarray((rng.permutation(size).reshape(shape) - size / 2 + 0.25) / 3.0)


def away(*kinks, by=0.05):
    """A maker of standard normal draws at least `by` from each kink: away(0.0)(3, 4)."""

    def maker(*shape):
        def make(rng):
            x = rng.standard_normal(shape)
            for kink in kinks:
                x = np.where(np.abs(x - kink) < by, x + 3 * by, x)
            return asarray(x)

        return make

    return maker


def constant(value):
    """The given numbers, the same in every draw."""
    return lambda rng: asarray(value, np.float64)


def gradient(f):
    """The inputs -> the gradients of the sum of f^2: a row of it checks f to one order more."""

    def g(*xs):
        ys = f(*xs)
        return sweep.grad([(y**2).sum() for y in (ys if isinstance(ys, list) else [ys])], xs, create_graph=True)

    return g


def _invertible(*shape):
    return lambda rng: asarray(rng.standard_normal(shape) + 3.0 * np.eye(shape[-1]))


_labels = np.array([2, 0, 3, 1, 2])
_mask = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])

CASES = [
    # sweep.py
    case("add", sweep.add, (3, 4), (3, 4)),
    case("add", sweep.add, (2, 1, 4), (3, 1), detail="broadcast"),
    case("add", lambda x: x + x, (3, 4), detail="same input twice"),
    case("add", lambda x: 2 + x, (3, 4), detail="number"),
    case("astype", lambda x: sweep.astype(x, np.float64), (3, 4)),
    case("broadcast_to", lambda x: sweep.broadcast_to(x, (5, 3, 4)), (3, 1)),
    case("sum_to", lambda x: sweep.sum_to(x, (3, 1)), (5, 3, 4)),
    # ops.py
    case("sub", ops.sub, (3, 4), (3, 1)),
    case("sub", lambda x: 2.0 - x, (3, 4), detail="number"),
    case("mul", ops.mul, (3, 4), (4,)),
    case("mul", lambda x: x * x * x, (3, 4), detail="same input"),
    case("div", ops.div, (3, 4), away(0.0, by=0.3)(3, 1)),
    case("div", lambda x: 2.0 / x, away(0.0, by=0.3)(3, 4), detail="number"),
    case("neg", lambda x: ops.neg(x) * x, (3, 4)),
    case("power", ops.power, positive(3, 4), (4,)),
    case("power", lambda x: x**3, (3, 4), detail="integer"),
    case("power", lambda x: x**2, (3, 4), detail="square"),
    case("power", lambda x: x**-0.5, positive(3, 4), detail="fraction"),
    case("power", lambda x: 2.0**x, (3, 4), detail="of a number"),
    case("power", lambda x: ops.power(x, asarray([0.0, 1.0, 2.0, 3.0])), (3, 4), detail="array"),
    case("square", ops.square, (3, 4)),
    case("exp", ops.exp, (3, 4)),
    case("expm1", ops.expm1, (3, 4)),
    case("log", ops.log, positive(3, 4)),
    case("log2", ops.log2, positive(3, 4)),
    case("log10", ops.log10, positive(3, 4)),
    case("log1p", ops.log1p, positive(3, 4)),
    case("sqrt", ops.sqrt, positive(3, 4)),
    case("sin", ops.sin, (3, 4)),
    case("cos", ops.cos, (3, 4)),
    case("arctan", ops.arctan, (3, 4)),
    case("tanh", ops.tanh, (3, 4)),
    case("erf", ops.erf, (3, 4)),
    case("lgamma", ops.lgamma, positive(3, 4)),
    case("lgamma", ops.lgamma, constant([-0.4, -1.3, -2.6, 0.3]), detail="negative"),
    case("polygamma", lambda x: ops.polygamma(0, x), positive(3, 4), detail="0"),
    case("polygamma", lambda x: ops.polygamma(2, x), positive(3, 4), detail="2"),
    case("where", lambda a, b: ops.where(_mask, a, b), (3, 4), (3, 1)),
    case("where", lambda a: ops.where(_mask, 1.0, a * a), (4,), detail="number"),
    case("abs", lambda x: ops.abs(x) * x, away(0.0)(3, 4)),
    case("maximum", lambda a, b: ops.maximum(a, b) * a, distinct(3, 4), constant([0.1, -0.1, 1.1, 0.4])),
    case("maximum", lambda a: ops.maximum(a, a) * a, (3, 4), detail="ties"),
    case("minimum", lambda a, b: ops.minimum(a, b) * a, distinct(3, 4), constant([0.1, -0.1, 1.1, 0.4])),
    case("minimum", lambda a: ops.minimum(a, a) * a, (3, 4), detail="ties"),
    case("clip", lambda x: ops.clip(x, -0.5, 0.7) * x, away(-0.5, 0.7)(3, 4)),
    case("clip", lambda x: ops.clip(x, min=0.0) * x, away(0.0)(3, 4), detail="one side"),
    case("sigmoid", activations.sigmoid, (3, 4)),
    case("softplus", activations.softplus, (3, 4)),
    case("softplus", lambda x: activations.softplus(x, 2.0, 1.0) * x, away(0.5)(3, 4), detail="with threshold"),
    case("relu", lambda x: activations.relu(x) * x, away(0.0)(3, 4)),
    case("relu", gradient(lambda x: activations.relu(x**3) * x), away(0.0)(3, 4), detail="third order"),
    case("leaky_relu", lambda x: activations.leaky_relu(x, 0.2) * x, away(0.0)(3, 4)),
    case("leaky_relu", gradient(lambda x: activations.leaky_relu(x**3, 0.2) * x), away(0.0)(3, 4),
         detail="third order"),
    case("elu", lambda x: activations.elu(x, 1.5), away(0.0)(3, 4)),
    case("gelu", activations.gelu, (3, 4)),
    case("gelu", lambda x: activations.gelu(x, "tanh"), (3, 4), detail="tanh"),
    case("silu", activations.silu, (3, 4)),
    case("matmul", ops.matmul, (3, 4), (4, 2)),
    case("matmul", ops.matmul, (2, 1, 3, 4), (5, 4, 2), detail="batches"),
    case("matmul", ops.matmul, (2, 5, 3, 4), (4, 2), detail="one matrix"),
    case("matmul", ops.matmul, (4,), (2, 4, 3), detail="vector left"),
    case("matmul", ops.matmul, (2, 3, 4), (4,), detail="vector right"),
    case("matmul", ops.matmul, (4,), (4,), detail="vectors"),
    case("linear", ops.linear, (3, 4), (2, 4), (2,)),
    case("linear", lambda x, W: ops.linear(x, W), (2, 3, 4), (5, 4), detail="no bias"),
    # shape.py
    case("reshape", lambda x: x.reshape(2, -1) ** 2, (3, 4)),
    case("transpose", lambda x: x.transpose(2, 0, 1) ** 2, (2, 3, 4)),
    case("transpose", lambda x: x.T @ x, (3, 4), detail="T"),
    case("swapaxes", lambda x: x.swapaxes(0, 2) ** 2, (2, 3, 4)),
    case("moveaxis", lambda x: shape.moveaxis(x, 0, 2) ** 2, (2, 3, 4)),
    case("expand_dims", lambda x: shape.expand_dims(x, (0, 2)) ** 2, (3, 4)),
    case("squeeze", lambda x: shape.squeeze(x, 1) ** 2, (3, 1, 4)),
    case("flatten", lambda x: shape.flatten(x, 1) ** 2, (2, 3, 4)),
    case("concatenate", lambda a, b: shape.concatenate([a, b, a], 1) ** 2, (3, 2), (3, 4)),
    case("stack", lambda a, b: shape.stack([a, b, a], -1) ** 2, (3, 2), (3, 2)),
    case("split", lambda x: [y**2 for y in shape.split(x, 3, 1)], (2, 6)),
    case("split", lambda x: [y**2 for y in shape.split(x, [1, 4])], (6, 2), detail="indices"),
    case("repeat", lambda x: shape.repeat(x, 3, 1) ** 2, (2, 4)),
    case("repeat", lambda x: shape.repeat(x, [2, 0, 1, 1, 3, 1]) ** 2, (2, 3), detail="counts"),
    case("tile", lambda x: shape.tile(x, (3, 1, 2)) ** 2, (2, 4)),
    case("getitem", lambda x: x[1:, None, ::-2] ** 2, (3, 4), detail="basic"),
    case("getitem", lambda x: x[[0, 2, 0, 0]] ** 2, (3, 4), detail="repeated"),
    case("getitem", lambda x: x[:, [0, 1], 1:] ** 2, (2, 3, 4), detail="mixed"),
    case("getitem", lambda x: x[_mask] ** 2, (3, 4), detail="boolean"),
    case("scatter_add", lambda x: shape.scatter_add((3, 5), np.array([0, 2, 0]), x) ** 2, (3, 5)),
    case("take_along_axis", lambda x: shape.take_along_axis(x, np.array([[0, 0, 2], [1, 1, 3]]), 1) ** 2, (2, 4)),
    case("diagonal", lambda x: shape.diagonal(x, -1, 0, 2) ** 2, (3, 2, 4)),
    case("pad", lambda x: shape.pad(x, [(1, 2), (0, 3)], constant_values=0.5) ** 2, (3, 4)),
    case("pad", lambda x: shape.pad(x, [(1, 2), (3, 0)], "reflect") ** 2, (3, 4), detail="reflect"),
    case("pad", lambda x: shape.pad(x, [(1, 2), (0, 3)], "edge") ** 2, (3, 4), detail="edge"),
    case("flip", lambda x: shape.flip(x, 1) ** 2 * x, (3, 4)),
    case("roll", lambda x: shape.roll(x, (1, -2), (0, 1)) ** 2 * x, (3, 4)),
    case("roll", lambda x: shape.roll(x, 5) ** 2 * x, (3, 4), detail="flattened"),
    case("tril", lambda x: shape.tril(x, -1) ** 2, (2, 3, 4)),
    case("triu", lambda x: shape.triu(x, 1) ** 2, (2, 3, 4)),
    # reduce.py
    case("sum", lambda x: reduce.sum(x, (0, 2)) ** 2, (2, 3, 4)),
    case("sum", lambda x: reduce.sum(x) ** 2, (2, 3), detail="all"),
    case("mean", lambda x: reduce.mean(x, 1, keepdims=True) ** 2, (2, 3, 4)),
    case("var", lambda x: reduce.var(x, (0, 2)), (2, 3, 4)),
    case("var", lambda x: reduce.var(x, 1, ddof=1), (2, 3, 4), detail="unbiased"),
    case("std", lambda x: reduce.std(x, -1), (2, 3, 4)),
    case("prod", lambda x: reduce.prod(x, 1), away(0.0, by=0.2)(2, 3, 4)),
    case("prod", lambda x: reduce.prod(x, (0, 2), keepdims=True), away(0.0, by=0.2)(2, 3, 2), detail="axes"),
    case("prod", lambda x: reduce.prod(x, 1), constant([[1.5, 0.0, -0.7], [0.4, 1.2, 0.9]]), detail="one zero"),
    case("prod", reduce.prod, constant([1.5, 0.0, -0.7, 0.0]), detail="zeros"),
    case("vector_norm", lambda x: reduce.vector_norm(x, (0, 2)), (2, 3, 4)),
    case("vector_norm", lambda x: reduce.vector_norm(x, 1, ord=1) ** 2, away(0.0)(3, 4), detail="1"),
    case("vector_norm", lambda x: reduce.vector_norm(x, -1, keepdims=True, ord=3), away(0.0)(3, 4), detail="3"),
    case("vector_norm", lambda x: reduce.vector_norm(x, ord=np.inf) ** 2, distinct(3, 4), detail="inf"),
    case("max", lambda x: reduce.max(x, 1) ** 2, distinct(2, 3, 4)),
    case("max", lambda x: reduce.max(shape.stack([x, x]), 0) ** 2, (3, 4), detail="ties"),
    case("min", lambda x: reduce.min(x, (0, 2), keepdims=True) ** 2, distinct(2, 3, 4)),
    case("logsumexp", lambda x: reduce.logsumexp(x, 1), (2, 3, 4)),
    case("logsumexp", lambda x: reduce.logsumexp(x, keepdims=True), (2, 3), detail="all"),
    case("logaddexp", reduce.logaddexp, (3, 4), (3, 1)),
    case("softmax", lambda x: reduce.softmax(x, 1), (2, 3, 4)),
    case("log_softmax", lambda x: reduce.log_softmax(x, 1), (2, 3, 4)),
    case("cumsum", lambda x: reduce.cumsum(x, 1) ** 2, (2, 3, 4)),
    case("cumsum", lambda x: reduce.cumsum(x) ** 2, (2, 3), detail="flattened"),
    case("cumprod", lambda x: reduce.cumprod(x, 1), away(0.0, by=0.2)(2, 3, 4)),
    case("cumprod", lambda x: reduce.cumprod(x, 0), constant([[1.5, 0.4], [0.0, 1.2], [-0.7, 0.0], [0.9, 0.0]]),
         detail="zeros"),
    case("cumprod", reduce.cumprod, away(0.0, by=0.2)(2, 3), detail="flattened"),
    case("sort", lambda x: reduce.sort(x, 0) ** 2 * x, distinct(4, 3)),
    case("sort", lambda x: reduce.sort(x, None) ** 2, distinct(4, 3), detail="flattened"),
    case("topk", lambda x: reduce.topk(x, 2, 1)[0] ** 2, distinct(3, 4)),
    case("topk", lambda x: reduce.topk(x, 3, 0, largest=False)[0] ** 2, distinct(4, 2), detail="smallest"),
    # linalg.py
    case("einsum", lambda a, b: linalg.einsum("ij,jk->ik", a, b), (3, 4), (4, 2)),
    case("einsum", lambda a, b, c: linalg.einsum("bij,bjk,k->bi", a, b, c), (2, 3, 4), (2, 4, 5), (5,), detail="three"),
    case("einsum", lambda a, b: linalg.einsum("...i,...ji->j...", a, b), (3, 4), (2, 1, 5, 4), detail="ellipsis"),
    case("einsum", lambda a, b: linalg.einsum("iij,k->ji", a, b), (3, 3, 4), (2,), detail="diagonal"),
    case("einsum", lambda a: linalg.einsum("ij->", a) ** 2, (3, 4), detail="sum"),
    case("einsum", lambda a, b: linalg.einsum(a, [0, 1], b, [1, 2], [2, 0]), (3, 4), (4, 2), detail="lists"),
    case("outer", linalg.outer, (3,), (4,)),
    case("trace", lambda x: linalg.trace(x, 1, 0, 2) ** 2, (3, 2, 4)),
    case("solve", linalg.solve, _invertible(2, 3, 3), (2, 3, 4)),
    case("solve", linalg.solve, _invertible(2, 1, 3, 3), (5, 3, 2), detail="broadcast"),
    case("solve", linalg.solve, _invertible(2, 3, 3), (3,), detail="vector"),
    case("cholesky", lambda x: linalg.cholesky(x @ x.swapaxes(-1, -2)), _invertible(2, 3, 3)),
    case("inv", linalg.inv, _invertible(2, 3, 3)),
    case("det", linalg.det, _invertible(2, 3, 3)),
    case("det", linalg.det, constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]]), detail="singular"),
    case("slogdet", lambda A: linalg.slogdet(A)[1], _invertible(2, 3, 3)),
    # functional.py
    case("dropout", lambda x: F.dropout(x * x, 0.4, rng=np.random.default_rng(3)), (5, 4)),
    case("embedding", lambda w: F.embedding(_labels, w) ** 2, (4, 3)),
    case("embedding", lambda w: ops.where(_labels[:, None] == 2, 0.0, F.embedding(_labels, w, 2) ** 2), (4, 3),
         detail="padding"),
    case("normalize", F.normalize, (3, 4)),
    case("normalize", lambda x: F.normalize(x, 3.0, dim=0, eps=2.0), away(0.0)(3, 4), detail="3, some below eps"),
    case("cosine_similarity", F.cosine_similarity, (3, 4), (3, 4)),
    case("cosine_similarity", lambda a, b: F.cosine_similarity(a, b, dim=0), (3, 4), (5, 3, 1), detail="broadcast"),
    case("l1_loss", lambda a, b: F.l1_loss(a, b) ** 2, distinct(3, 4), constant(np.full((3, 4), 0.1))),
    case("huber_loss", lambda a, b: F.huber_loss(a, b, delta=0.5), distinct(3, 4), constant(np.full((3, 4), 0.1))),
    case("kl_div", F.kl_div, (3, 4), positive(3, 4)),
    case("kl_div", lambda x, t: F.kl_div(x, t, "batchmean", log_target=True), (3, 4), (3, 4), detail="log target"),
    case("mse_loss", F.mse_loss, (3, 4), (3, 4)),
    case("mse_loss", lambda a, b: F.mse_loss(a, b, reduction="sum"), (3, 4), (3, 4), detail="sum"),
    case("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, (3, 4), positive(3, 4)),
    case("binary_cross_entropy_with_logits",
         lambda x, t: F.binary_cross_entropy_with_logits(x, t, weight=asarray([0.5, 1.0, 2.0, 1.5]), reduction="none",
                                                         pos_weight=asarray([3.0, 1.0, 0.5, 2.0])),
         (3, 4), positive(3, 4), detail="weights"),
    case("cross_entropy", lambda x: F.cross_entropy(x, _labels), (5, 4)),
    case("cross_entropy", lambda x: F.cross_entropy(x, _labels, weight=asarray([0.5, 1.0, 2.0, 1.5]), ignore_index=0,
                                                    label_smoothing=0.1), (5, 4), detail="weights"),
    case("cross_entropy", lambda x, q: F.cross_entropy(x, q, reduction="none", label_smoothing=0.2), (2, 4, 3),
         positive(2, 4, 3), detail="probabilities"),
    # conv.py
    case("conv2d", conv.conv2d, (2, 3, 5, 4), (4, 3, 3, 2), (4,)),
    case("conv2d", lambda x, w: conv.conv2d(x, w, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
         (2, 4, 6, 5), (6, 2, 3, 2), detail="all options"),
    case("conv2d", gradient(conv.conv2d), (2, 2, 3, 4), (3, 2, 2, 3), (3,), detail="third order"),
    case("conv1d", lambda x, w, b: conv.conv1d(x, w, b, stride=2, padding=1), (2, 3, 7), (4, 3, 3), (4,)),
    case("conv_transpose2d", conv.conv_transpose2d, (2, 3, 4, 3), (3, 4, 3, 2), (4,)),
    case("conv_transpose2d", lambda y, w: conv.conv_transpose2d(y, w, stride=(2, 3), padding=1, output_padding=(1, 2),
                                                                groups=2),
         (2, 4, 3, 2), (4, 3, 3, 4), detail="all options"),
    case("conv_transpose1d", lambda y, w, b: conv.conv_transpose1d(y, w, b, stride=2), (2, 3, 4), (3, 2, 3), (2,)),
    case("unfold", lambda x: conv.unfold(x, (3, 2), stride=(1, 2), padding=1) ** 2, (2, 3, 4, 5)),
    case("fold", lambda y: conv.fold(y, (4, 5), (3, 2), stride=(1, 2), padding=1) ** 2, (2, 12, 12)),
    # resample.py
    case("max_pool2d", lambda x: resample.max_pool2d(x, (3, 2), (2, 1), 1) ** 2, distinct(2, 3, 5, 4)),
    case("max_pool2d", gradient(gradient(lambda x: resample.max_pool2d(x, (3, 2), (2, 1), 1))), distinct(1, 2, 4, 3),
         detail="fourth order"),
    case("max_pool1d", lambda x: resample.max_pool1d(x, 3, 2, 1) ** 2, distinct(2, 3, 7)),
    case("max_unpool2d", lambda y: resample.max_unpool2d(y, np.array([[[[0, 7], [9, 14]]]]), 2) ** 2, (1, 1, 2, 2)),
    case("avg_pool2d", lambda x: resample.avg_pool2d(x, (3, 2), (2, 1), 1, count_include_pad=False) ** 2,
         (2, 3, 5, 4)),
    case("avg_pool2d", gradient(lambda x: resample.avg_pool2d(x, 2, 1)), (1, 2, 3, 4), detail="third order"),
    case("avg_pool1d", lambda x: resample.avg_pool1d(x, 3, 2, 1, count_include_pad=False) ** 2, (2, 3, 7)),
    case("adaptive_avg_pool2d", lambda x: resample.adaptive_avg_pool2d(x, (3, 2)) ** 2, (2, 3, 5, 4)),
    case("adaptive_max_pool2d", lambda x: resample.adaptive_max_pool2d(x, (3, 2)) ** 2, distinct(2, 3, 5, 4)),
    case("interpolate", lambda x: resample.interpolate(x, (7, 3)) ** 2, (2, 3, 4, 5), detail="nearest"),
    case("interpolate", lambda x: resample.interpolate(x, 7, mode="linear") ** 2, (2, 3, 5), detail="linear"),
    case("interpolate", lambda x: resample.interpolate(x, scale_factor=1.5, mode="bilinear") ** 2, (2, 3, 4, 5),
         detail="bilinear"),
    case("interpolate", lambda x: resample.interpolate(x, (3, 8), mode="bicubic", align_corners=True) ** 2,
         (2, 3, 4, 5), detail="bicubic"),
    case("pixel_shuffle", lambda x: resample.pixel_shuffle(x, 2) ** 2, (2, 8, 3, 2)),
    case("pixel_unshuffle", lambda x: resample.pixel_unshuffle(x, 2) ** 2, (2, 3, 4, 6)),
    # norm.py
    case("batch_norm", lambda x, w, b: norm.batch_norm(x, None, None, w, b, training=True), (4, 3, 5), (3,), (3,)),
    case("batch_norm", lambda x, w, b: norm.batch_norm(x, asarray([0.5, -1.0]), asarray([2.0, 0.7]), w, b), (3, 2, 4),
         (2,), (2,), detail="evaluation"),
    case("group_norm", lambda x, w, b: norm.group_norm(x, 2, w, b), (3, 4, 2, 5), (4,), (4,)),
    case("instance_norm", lambda x, w, b: norm.instance_norm(x, None, None, w, b), (3, 2, 5), (2,), (2,)),
    case("layer_norm", lambda x, w, b: norm.layer_norm(x, (3, 4), w, b), (2, 3, 4), (3, 4), (3, 4)),
    case("rms_norm", lambda x, w: norm.rms_norm(x, 5, w), (3, 5), (5,)),
    # attention.py
    case("scaled_dot_product_attention", attention.scaled_dot_product_attention, (2, 3, 5), (2, 4, 5), (2, 4, 6)),
    case("scaled_dot_product_attention",
         lambda q, k, v: attention.scaled_dot_product_attention(q, k, v, is_causal=True),
         (3, 4, 5), (1, 4, 5), (3, 4, 2), detail="causal"),
    case("scaled_dot_product_attention", attention.scaled_dot_product_attention,
         (2, 3, 5), (2, 4, 5), (2, 4, 6), (3, 4), detail="mask"),
]
