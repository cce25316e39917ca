"""Normalization: batch, group, instance, layer and RMS norm, each in few passes over memory.

All of them take two steps. They differ in the set of elements that m(.) averages over:

    d = x - m(x)                                                dL/dx = g - m(g)
    y = w x^ + b,   x^ = d / r,   r = sqrt(m(d^2) + eps)        dL/dd = (h - x^ m(h x^)) / r,   h = g w
                                                                dL/dw = sum g x^,   dL/db = sum g

    batch     m over N and pixels, one per C                    layer    m over the last axes
    group     m over C/G channels and pixels, one per N, G      RMS      as layer, without the first step
    instance  m over pixels, one per N and C

The first step is a projection, and its own transpose. The second has the curvature: its gradients run on
arrays, reusing memory; while a graph is recorded the same formulas run as ops, to be differentiated again.

The variance m(d^2) is one of differences: m(x^2) - m(x)^2 would cancel when the mean is large.

Names, arguments and values are torch.nn.functional's. Sources: Ioffe & Szegedy 2015 (batch), Ba et al. 2016
(layer), Ulyanov et al. 2016 (instance), Wu & He 2018 (group), Zhang & Sennrich 2019 (RMS).
Symbols: x input, y output, N batch, C channels, G groups, w weight, b bias. Read before this: conv.py.
"""
import math
from functools import partial

import numpy as np

from . import gpu
from .backend import by_device, xp
from .batch import batch_mean, current_share, whole_length
from .conv import channel_sums, image_sums
from .cpu.channels import along_rows
from .cpu.threads import parallel_for, shared_matmul
from .mode import recording
from .ops import sqrt
from .reduce import mean
from .shape import reshape, transpose
from .sweep import broadcast_to
from .tensor import Tensor, as_tensor, joint, record

# Norms of images, with a weight and a bias per channel


def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """Input (N, C, ...) normalized over all axes but C: in training by its own statistics, else by the
    running ones, arrays (C,). Training moves these in place by `momentum` towards the batch's mean and
    unbiased variance; there they may be None.
    """
    x, w, b = _operands("batch_norm", input, weight, bias)
    C = x.shape[1]
    running = _running_statistics("batch_norm", C, running_mean, running_var, needed=not training)
    if not training:
        return _affine(x, w, b, running, eps)
    count = whole_length(x.size // max(1, C))
    if count == 1 or eps <= 0:
        raise ValueError(f"batch_norm: training needs more than one value per channel and eps > 0, got input "
                         f"{x.shape}, eps={eps}")
    if x.size == 0:
        return _affine(x, w, b)
    vectors = x.ndim == 2 and current_share() is None  # which are pixels of one image, but where workers share them
    images = reshape(transpose(x), 1, C, 1, -1) if vectors else _as_images(x)
    y, m, var = _normalize_images(images, w, b, partial(batch_mean, keepdims=True), eps)
    _move(running, momentum, m, var * (count / (count - 1)))
    return transpose(reshape(y, C, -1)) if vectors else reshape(y, x.shape)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Each image of input (N, C, ...) normalized over its pixels and C / num_groups channels at a time."""
    x, w, b = _operands("group_norm", input, weight, bias)
    C = x.shape[1]
    if num_groups < 1 or C % num_groups:
        raise ValueError(f"group_norm: {C} channels do not divide into num_groups={num_groups}: input "
                         f"{x.shape}")
    if x.size == num_groups:
        raise ValueError(f"group_norm: a group has a single value, input {x.shape}, num_groups={num_groups}")
    if x.size == 0:
        return _affine(x, w, b)
    return reshape(_normalize_groups(_as_images(x), w, b, num_groups, eps), x.shape)


def _normalize_groups_composed(x, w, b, groups, eps):
    size = x.shape[1] // groups
    group = np.arange(x.shape[1]) // size
    average = xp.asarray((group[:, None] == group) / size, dtype=x.dtype)  # (C, C)

    def over_groups(t):
        return t @ average if isinstance(t, Tensor) else shared_matmul(t, average)

    return _normalize_images(x, w, b, over_groups, eps)[0]


def _normalize_groups_by_kernel(x, w, b, groups, eps):
    if x.dtype not in gpu.REALS:
        return _normalize_groups_composed(x, w, b, groups, eps)
    arrays = [t if t is None else t.data for t in (w, b)]
    y, *statistics = gpu.norm.group_norm(x.data, *arrays, groups, eps)

    def pullback(g):
        if recording():
            return _group_gradients_in_ops(x, w, g, groups, eps)[0]
        return Tensor(gpu.norm.group_norm_gradient(x.data, arrays[0], g.data, *statistics))

    def sums(g):
        if recording():
            return _group_gradients_in_ops(x, w, g, groups, eps)[1:]
        return [Tensor(t) for t in gpu.norm.channel_sums(x.data, g.data, *statistics)]

    return record(y, (x, pullback), *joint((w, b), sums))


def _group_gradients_in_ops(x, w, g, groups, eps):
    """dL/d(x, w, b)."""
    rows = lambda t: reshape(t, len(x), groups, -1)
    m = lambda t: mean(t, -1, keepdims=True)
    w = None if w is None else rows(broadcast_to(reshape(w, -1, 1, 1), x.shape))
    dd, g_x_hat = _gradients_in_ops(rows(x) - m(rows(x)), rows(g), w, m, eps)
    return reshape(dd - m(dd), x.shape), channel_sums(reshape(g_x_hat, x.shape)), channel_sums(g)


_normalize_groups = by_device(_normalize_groups_composed, _normalize_groups_by_kernel)


def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1,
    eps=1e-5
):
    """Each channel of each image of input (N, C, ...) normalized over its pixels.

    running_mean, running_var: arrays (C,) that move in place towards the mean and unbiased variance of an
    average image; with use_input_stats=False they are used instead.
    """
    x, w, b = _operands("instance_norm", input, weight, bias)
    running = _running_statistics("instance_norm", x.shape[1], running_mean, running_var, not use_input_stats)
    if not use_input_stats:
        return _affine(x, w, b, running, eps)
    count = math.prod(x.shape[2:])
    if count == 1:
        raise ValueError(f"instance_norm: a channel has a single pixel: input {x.shape}")
    if x.size == 0:
        return _affine(x, w, b)
    y, m, var = _normalize_images(_as_images(x), w, b, lambda t: t, eps)
    _move(running, momentum, m, var * (count / (count - 1)))
    return reshape(y, x.shape)


def _normalize_images(x, w, b, over_set, eps):
    """(y, mean, variance), the last two arrays (N, C) or (1, C). x (N, C, H, W).

    over_set: from the means of each image and channel (N, C), an array or a Tensor, to those of each set.
    """
    d, means = _center_images(x, over_set)
    y, var = _scale_images(d, w, b, over_set, eps)
    return y, means, var


def _center_images(x, over_set):
    """(x - m(x), m(x)), the latter an array (N, C) or (1, C)."""
    means = over_set(_pixel_means(x.data))
    value = xp.empty_like(x.data)

    def work(part):
        xp.subtract(x.data[part], _spread(means, x.data, part), out=value[part])

    parallel_for(work, len(value), value.size)
    return record(value, (x, lambda g: _center_images(g, over_set)[0])), means


def _scale_images(d, w, b, over_set, eps):
    """(y, m(d^2)) with y = w d / sqrt(m(d^2) + eps) + b."""
    y = xp.empty_like(d.data)
    var = over_set(_pixel_means(d.data, d.data, scratch=y))
    rstd = 1.0 / xp.sqrt(var + eps)
    scale = rstd if w is None else rstd * w.data

    def work(part):
        xp.multiply(d.data[part], _spread(scale, y, part), out=y[part])
        if b is not None:
            y[part] += along_rows(b.data, y)

    parallel_for(work, len(y), y.size)

    def gradients(g):
        """dL/d(d, w)."""
        if recording():
            m = lambda t: reshape(over_set(mean(t, (2, 3))), -1, d.shape[1], 1, 1)
            dd, g_x_hat = _gradients_in_ops(d, g, None if w is None else reshape(w, -1, 1, 1), m, eps)
            return dd, channel_sums(g_x_hat)
        product_means = _pixel_means(g.data, d.data) * rstd  # of g x^
        m_hx = over_set(product_means * (1.0 if w is None else w.data))
        of_d, dd = -m_hx * rstd * rstd, xp.empty_like(d.data)

        def work(part):
            xp.multiply(d.data[part], _spread(of_d, dd, part), out=dd[part])
            dd[part] += g.data[part] * _spread(scale, g.data, part)

        parallel_for(work, len(dd), dd.size)
        return Tensor(dd), Tensor(product_means.sum(axis=0) * (d.shape[2] * d.shape[3]))

    return record(y, *joint((d, w), gradients), *[(b, channel_sums)] * (b is not None)), var


def _pixel_means(x, by=None, scratch=None):
    """Means over the pixels of x, or of x times `by`: (N, C). scratch: an array like x that may be written to."""
    means = xp.empty(x.shape[:2], x.dtype)
    scratch = xp.empty_like(x) if by is not None and scratch is None else scratch

    def work(part):
        values = x[part] if by is None else xp.multiply(x[part], by[part], out=scratch[part])
        means[part] = image_sums(values) / (x.shape[2] * x.shape[3])

    parallel_for(work, len(x), x.size)
    return means


def _spread(t, x, part):
    """The rows of t (N, C), or its only one (1, C), for this part of the images x, ready to broadcast."""
    return along_rows(t if len(t) == 1 else t[part], x)


def _as_images(x):
    """x (N, C, ...) as (N, C, H, W)."""
    N, C, *size = x.shape
    return x if len(size) == 2 else reshape(x, N, C, math.prod(size[:-1]), math.prod(size[-1:]))


def _affine(x, w, b, running=None, eps=0.0):
    """w (x - mean) / sqrt(var + eps) + b per channel, with given statistics, or without."""
    per_channel = lambda t: reshape(t, -1, *(1,) * (x.ndim - 2))
    if running is not None:
        running_mean, running_var = running
        x = x - per_channel(running_mean)
        rstd = 1.0 / xp.sqrt(running_var + eps)
        w = as_tensor(rstd) if w is None else w * rstd
    x = x if w is None else x * per_channel(w)
    return x if b is None else x + per_channel(b)


def _move(running, momentum, m, var):
    """running += momentum (new - running) in place; the new statistics, (N, C), are averaged over N."""
    if running is not None:
        for statistic, new in zip(running, (m, var)):
            statistic *= 1.0 - momentum
            statistic += momentum * new.mean(axis=0)


# Norms of the last axes, with weights and biases of their shape


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Input (..., *normalized_shape) normalized over its last axes, those of normalized_shape."""
    x, w, b, axes = _rows("layer_norm", input, normalized_shape, weight, bias)
    return _scale_rows(_center_rows(x, axes), w, b, axes, eps)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Input (..., *normalized_shape) over the root of its last axes' mean square. eps None: the dtype's."""
    x, w, _, axes = _rows("rms_norm", input, normalized_shape, weight, None)
    return _scale_rows(x, w, None, axes, float(np.finfo(x.dtype).eps) if eps is None else eps)


def _center_rows(x, axes):
    return record(x.data - _mean(x.data, axes), (x, lambda g: _center_rows(g, axes)))


def _scale_rows(d, w, b, axes, eps):
    """w d / sqrt(m(d^2) + eps) + b."""
    y = d.data * d.data
    rstd = 1.0 / xp.sqrt(_mean(y, axes) + eps)
    xp.multiply(d.data, rstd, out=y)
    if w is not None:
        y *= w.data
    if b is not None:
        y += b.data

    def in_ops(g):
        """(dL/dd, g x^)."""
        return _gradients_in_ops(d, g, w, lambda t: mean(t, axes, keepdims=True), eps)

    def pullback_d(g):
        if recording():
            return in_ops(g)[0]
        h = g.data if w is None else g.data * w.data
        dd = h * d.data
        xp.multiply(d.data, _mean(dd, axes) * rstd * rstd, out=dd)
        xp.subtract(h, dd, out=dd)
        dd *= rstd
        return Tensor(dd)

    def pullback_w(g):
        if recording():
            return in_ops(g)[1]
        product = g.data * d.data
        product *= rstd
        return Tensor(product)

    edges = [(d, pullback_d)] + [(w, pullback_w)] * (w is not None) + [(b, lambda g: g)] * (b is not None)
    return record(y, *edges)


def _mean_by_product(x, axes):
    """x.mean(axis=axes, keepdims=True) over the last axes, as a product, which is faster on a CPU."""
    kept = x.shape[: axes[0]]
    size = math.prod(x.shape[axes[0] :])
    means = shared_matmul(x.reshape(*kept, size), xp.full((size, 1), 1.0 / max(1, size), x.dtype))
    return means.reshape(kept + (1,) * len(axes))


_mean = by_device(_mean_by_product, lambda x, axes: x.mean(axis=axes, keepdims=True))

# Both


def _gradients_in_ops(d, g, w, m, eps):
    """(dL/dd, g x^): the second step's formulas as ops."""
    rstd = 1.0 / sqrt(m(d * d) + eps)
    x_hat = d * rstd
    h = g if w is None else g * w
    return (h - x_hat * m(h * x_hat)) * rstd, g * x_hat


def _operands(op, input, weight, bias):
    """(x, w, b) as Tensors, w and b maybe None: (N, C, ...), and two (C,)."""
    x = as_tensor(input)
    if x.ndim < 2:
        raise ValueError(f"{op}: input must be (N, C, ...), got shape {x.shape}")
    return x, *_parameters(op, x, weight, bias, x.shape[1:2])


def _parameters(op, x, weight, bias, shape):
    if x.dtype.kind != "f":
        raise TypeError(f"{op}: input has dtype {x.dtype}, expected floating point; use astype")
    checked = []
    for name, t in (("weight", weight), ("bias", bias)):
        t = t if t is None else as_tensor(t)
        if t is not None and t.shape != shape:
            raise ValueError(f"{op}: {name} has shape {t.shape}, expected {shape} for input {x.shape}")
        if t is not None and t.dtype != x.dtype:
            raise TypeError(f"{op}: {name} has dtype {t.dtype}, input {x.dtype}; make them equal with astype")
        checked.append(t)
    return checked


def _running_statistics(op, C, running_mean, running_var, needed):
    """The two arrays, to be written to, or None."""
    if (running_mean is None) != (running_var is None) or needed and running_mean is None:
        raise ValueError(f"{op}: running_mean and running_var must both be given, or, where the input's own "
                         "statistics are used, both be None")
    if running_mean is None:
        return None
    arrays = [t.data if isinstance(t, Tensor) else t for t in (running_mean, running_var)]
    for name, array in zip(("running_mean", "running_var"), arrays):
        if not isinstance(array, xp.ndarray):
            raise TypeError(f"{op}: {name} is {type(array).__module__}.{type(array).__name__}, expected an array on "
                            "the device in use, which is written to: see backend.asarray")
        if array.shape != (C,):
            raise ValueError(f"{op}: {name} has shape {array.shape}, expected ({C},), one per channel")
    return arrays


def _rows(op, input, normalized_shape, weight, bias):
    """(x, w, b, the axes of normalized_shape)."""
    x = as_tensor(input)
    shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{op}: normalized_shape is {shape}, the last axes of input {x.shape} must equal it")
    return x, *_parameters(op, x, weight, bias, shape), tuple(range(-len(shape), 0))
