"""Pooling and unpooling, interpolation, pixel shuffle: images made smaller and larger.

Everything here is a linear map (max pooling: once it is known which elements won), and comes with its
transpose, so that gradients of every order stay among the maps of this file:

    take one tap of each window   <->  put back at that tap          max pooling
    sum each window               <->  spread over each window       average pooling
    y[p] = sum_k weight[p,k] x[index[p,k]] along an axis             interpolation, adaptive average pooling

The last is given by a table (tables.py), and its transpose by another one. It is applied to one axis after the other,
so between images of any sizes it costs a few sums per pixel.

Names, arguments and values are torch.nn.functional's. Inputs are (N, C, H, W) or (C, H, W), those of the functions in
one dimension (N, C, L) or (C, L); results keep the memory order of what comes in: channels-last stays so.

Symbols: H W image, R S window, P Q output, g = dL/dy. Read before this: conv.py, geometry.py, tables.py.
"""
import math

import numpy as np

from .backend import constant, memory_order, xp
from .conv import as_images, like
from .geometry import geometry_of, pair
from .shape import reshape, take_along_axis, transpose
from .tables import TABLES, adaptive_windows, average_table, transposed
from .tensor import Tensor, as_tensor, record

# Max pooling


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window; the first of equal ones gets the gradient.

    stride None: kernel_size. ceil_mode: windows that begin in the image or in the padding before it may end
    outside. return_indices: also where each maximum was, i W + j, for max_unpool2d.
    """
    return _max_pool("max_pool2d", 2, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """max_pool2d with one axis less: input (N, C, L) or (C, L)."""
    return _max_pool("max_pool1d", 1, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def _max_pool(op, dims, input, return_indices, *sizes):
    x, images, geometry = _windows(op, dims, input, *sizes)
    value, winner = _largest(images.data, geometry)
    y = like(x, record(value, (images, lambda g: _put(g, winner, geometry))), dims)
    return (y, like(x, Tensor(_positions(winner, geometry)), dims)) if return_indices else y


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with each element of input at the place in its image that indices names: undoes max_pool2d.

    output_size: (H, W) or a shape that ends with it, where pooling made the same output of several sizes.
    """
    x, indices = as_tensor(input), as_tensor(indices)
    images = _batched("max_unpool2d", x)
    if indices.shape != x.shape or indices.dtype.kind not in "iu":
        raise ValueError(f"max_unpool2d: indices must be integers of input's shape {x.shape}, got "
                         f"{indices.dtype} of shape {indices.shape}")
    kernel = pair("max_unpool2d", "kernel_size", kernel_size, 1)
    stride = kernel if stride in (None, ()) else pair("max_unpool2d", "stride", stride, 1)
    padding = pair("max_unpool2d", "padding", padding, 0)
    size = [(p - 1) * s - 2 * b + k for p, s, b, k in zip(x.shape[-2:], stride, padding, kernel)]
    if output_size is not None:
        asked = list(output_size)[-2:]
        if len(asked) != 2 or any(abs(a - n) >= s for a, n, s in zip(asked, size, stride)):
            raise ValueError(f"max_unpool2d: output_size is {tuple(output_size)}, expected {tuple(size)} "
                             f"give or take less than stride={stride}")
        size = asked
    N, C = images.shape[:2]
    places = indices.data.reshape(N, C, math.prod(images.shape[2:]))
    if places.size and not (0 <= int(places.min()) and int(places.max()) < math.prod(size)):
        raise ValueError(f"max_unpool2d: indices hold values from {places.min()} to {places.max()}, the "
                         f"output of size {tuple(size)} has places 0 to {math.prod(size) - 1}")
    flat = reshape(images, N, C, math.prod(images.shape[2:]))
    value = xp.zeros((N, C, math.prod(size)), x.dtype)
    value[xp.arange(N)[:, None, None], xp.arange(C)[:, None], places] = flat.data  # course 2.2
    y = record(value, (flat, lambda g: take_along_axis(g, places, 2)))
    return like(x, reshape(y, N, C, *size))


def _largest(x, geometry):
    """The maximum of each window, NaN above all, and the number of the tap that has it: (N, C, P, Q) each."""
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    first, *taps = geometry.taps(geometry.framed(x, lowest))
    value = first.copy(order="K")
    winner = xp.empty_like(value, dtype=np.min_scalar_type(math.prod(geometry.kernel) - 1))
    winner[...] = xp.asarray(_first_tap_inside(geometry))  # where all are -inf, this one wins
    for tap, seen in enumerate(taps, start=1):
        better = (seen > value) | xp.isnan(seen)
        xp.maximum(winner, better * winner.dtype.type(tap), out=winner)  # numbers rise: the last to win stays
        xp.maximum(value, seen, out=value)
    return value, winner


def _first_tap_inside(geometry):
    """The number of the first tap of each window that is not in the padding before the image: (P, Q)."""
    axes = zip(geometry.output, geometry.stride, geometry.padding, geometry.dilation)
    r, s = (np.maximum(0, -((np.arange(p) * stride - b) // dilation)) for p, stride, b, dilation in axes)
    return r[:, None] * geometry.kernel[1] + s


def _positions(winner, geometry):
    """The numbers of winning taps as positions i W + j in the image."""
    (P, Q), (sh, sw), (dh, dw) = geometry.output, geometry.stride, geometry.dilation
    r, s = xp.divmod(winner.astype(np.int64), geometry.kernel[1])
    i = xp.arange(P)[:, None] * sh + r * dh - geometry.padding[0]
    j = xp.arange(Q) * sw + s * dw - geometry.padding[1]
    return i * geometry.image[1] + j


def _take(x, winner, geometry):
    """The element at the winning tap of each window: max pooling when the winners are known."""
    first, *taps = geometry.taps(geometry.framed(x.data))
    value = first.copy(order="K")
    for tap, seen in enumerate(taps, start=1):
        xp.copyto(value, seen, where=winner == tap)
    return record(value, (x, lambda g: _put(g, winner, geometry)))


def _put(y, winner, geometry):
    """Each element of y added at the winning tap of its window: _take's transpose."""
    frame = xp.zeros_like(y.data, shape=y.shape[:2] + geometry.frame)
    for tap, seen in enumerate(geometry.taps(frame)):
        seen += y.data * (winner == tap)
    return record(geometry.unframed(frame), (y, lambda g: _take(g, winner, geometry)))


# Average pooling


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
               divisor_override=None):
    """The mean of each window, padding counted as elements or not; or its sum over divisor_override."""
    sizes = kernel_size, stride, padding, 1, ceil_mode
    return _avg_pool("avg_pool2d", 2, input, count_include_pad, divisor_override, *sizes)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """avg_pool2d with one axis less: input (N, C, L) or (C, L)."""
    return _avg_pool("avg_pool1d", 1, input, count_include_pad, None, kernel_size, stride, padding, 1, ceil_mode)


def _avg_pool(op, dims, input, count_include_pad, divisor, *sizes):
    x, images, geometry = _windows(op, dims, input, *sizes)
    if x.dtype.kind != "f":
        raise TypeError(f"{op}: input has dtype {x.dtype}, a mean needs floating point; use astype")
    if divisor == 0:
        raise ValueError(f"{op}: divisor_override is 0; pass None for the number of elements")
    if divisor is None:
        rows, columns = (_counts(geometry, axis, count_include_pad) for axis in (0, 1))
        divisor = rows[:, None] * columns
    scale = np.broadcast_to(1.0 / divisor, geometry.output).astype(x.dtype)
    return like(x, _sum_windows(images, geometry) * xp.asarray(scale), dims)


def _counts(geometry, axis, with_padding):
    """How many elements each window has along an axis; what ceil_mode adds past the padding never counts."""
    size, padding = geometry.image[axis], geometry.padding[axis]
    start = np.arange(geometry.output[axis]) * geometry.stride[axis] - padding
    end = np.minimum(start + geometry.kernel[axis], size + padding)
    return end - start if with_padding else np.minimum(end, size) - np.maximum(start, 0)


def _sum_windows(x, geometry):
    first, *taps = geometry.taps(geometry.framed(x.data))
    value = first.copy(order="K")
    for seen in taps:
        value += seen
    return record(value, (x, lambda g: _spread_windows(g, geometry)))


def _spread_windows(y, geometry):
    """Each element of y added at every tap of its window: _sum_windows' transpose."""
    frame = xp.zeros_like(y.data, shape=y.shape[:2] + geometry.frame)
    for seen in geometry.taps(frame):
        seen += y.data
    return record(geometry.unframed(frame), (y, lambda g: _sum_windows(g, geometry)))


# Adaptive pooling: P windows of even size that cover the image, whatever its size


def adaptive_avg_pool2d(input, output_size):
    """Means of P x Q windows; window p covers floor(p H / P) .. ceil((p + 1) H / P). None keeps that axis."""
    x = as_tensor(input)
    images = _batched("adaptive_avg_pool2d", x)
    for axis, p in zip((2, 3), _adaptive_size("adaptive_avg_pool2d", images.shape, output_size)):
        images = _resample(images, axis, *average_table(images.shape[axis], p))
    return like(x, images)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The largest element of each of adaptive_avg_pool2d's windows; return_indices as in max_pool2d."""
    x = as_tensor(input)
    images = _batched("adaptive_max_pool2d", x)
    N, C, H, W = images.shape
    P, Q = _adaptive_size("adaptive_max_pool2d", images.shape, output_size)
    rows, columns = adaptive_windows(H, P), adaptive_windows(W, Q)  # (P, R), (Q, S)
    places = (rows[:, None, :, None] * W + columns[None, :, None, :]).reshape(P * Q, -1)  # scan order
    seen = images.data.reshape(N, C, H * W)[:, :, places]  # (N, C, P*Q, R*S)
    indices = xp.asarray(places)[xp.arange(P * Q), seen.argmax(-1)]  # (N, C, P*Q)
    y = take_along_axis(reshape(images, N, C, H * W), indices, 2)
    y = like(x, reshape(y, N, C, P, Q))
    return (y, like(x, Tensor(indices.reshape(N, C, P, Q)))) if return_indices else y


def _adaptive_size(op, shape, output_size):
    asked = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * 2
    asked = [n if p is None else p for p, n in zip(asked, shape[2:])] if len(asked) == 2 else asked
    return pair(op, "output_size", tuple(asked), 0)


# Interpolation


def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """input (N, C, ...), one to three spatial axes, resampled to `size` or by scale_factor: a number, or one
    per axis.

    mode: 'nearest', 'nearest-exact', 'area' (adaptive average) for any number of axes; 'linear' for one,
    'bilinear' and 'bicubic' for two, 'trilinear' for three. Pixels are squares and the images' borders
    coincide; with align_corners=True pixels are points and the images' corners coincide. No antialiasing.
    """
    x = as_tensor(input)
    axes = range(2, x.ndim)
    if mode not in TABLES:
        raise ValueError(f"interpolate: mode is {mode!r}, expected one of {', '.join(TABLES)}")
    needed = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}.get(mode)
    if len(axes) not in ((1, 2, 3) if needed is None else (needed,)):
        raise ValueError(f"interpolate: input {x.shape} has {len(axes)} spatial axes, mode={mode!r} needs "
                         f"{needed or '1 to 3'}, after batch and channels")
    if align_corners is not None and needed is None:
        raise ValueError(f"interpolate: align_corners has no meaning with mode={mode!r}; leave it out")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: pass either size or scale_factor, got {size} and {scale_factor}")
    given = size if scale_factor is None else scale_factor
    given = tuple(given) if isinstance(given, (tuple, list)) else (given,) * len(axes)
    if len(given) != len(axes):
        raise ValueError(f"interpolate: {given} must have one entry per spatial axis of input {x.shape}")
    sizes = given if scale_factor is None else [math.floor(x.shape[a] * s) for a, s in zip(axes, given)]
    sizes = pair("interpolate", "output size", tuple(sizes), 0 if mode == "area" else 1, len(axes))
    if 0 in x.shape[1:]:
        raise ValueError(f"interpolate: only the batch may be empty: input {x.shape}")
    if x.dtype.kind != "f" and not mode.startswith("nearest"):
        raise TypeError(f"interpolate: input has dtype {x.dtype}, mode={mode!r} needs floats; use astype")
    # PyTorch computes positions with the input's precision, but nearest ones in two dimensions with float32's
    real = np.float32 if x.dtype.kind != "f" or (needed, len(axes)) == (None, 2) else x.dtype.type
    for axis, p, ratio in zip(axes, sizes, given):
        n = x.shape[axis]
        by_size = scale_factor is None or _is_exact(n, p, mode, len(axes))
        step = real(n / max(1, p) if by_size else 1.0 / ratio)
        x = _resample(x, axis, *TABLES[mode](n, p, step, bool(align_corners)))
    return x


def _is_exact(n, p, mode, axes):
    """Whether PyTorch rounds a scale_factor that makes p pixels of n to p / n, as it does to save work."""
    if mode == "nearest":
        return axes == 2 and p in (n, 2 * n)
    return mode in ("linear", "bilinear", "trilinear") and p == n


def _resample(x, axis, index, weight):
    """y[..., p, ...] = sum_k weight[p, k] x[..., index[p, k], ...] along an axis."""
    order = memory_order(x.data)
    stored = x.data.transpose(order)  # in memory order, which take keeps
    place, n = order.index(axis), x.shape[axis]
    y = xp.zeros([len(index) if i == place else size for i, size in enumerate(stored.shape)], x.dtype)
    for k, (i, w) in enumerate(zip(index.T, weight.T)):
        term = xp.take(stored, constant(i), axis=place)
        if not (w == 1).all():
            term *= constant(w.astype(x.dtype)).reshape([-1 if a == place else 1 for a in range(x.ndim)])
        y = term if k == 0 else xp.add(y, term, out=y)  # course 2.2
    y = y.transpose(np.argsort(order))
    return record(y, (x, lambda g: _resample(g, axis, *transposed(index, weight, n))))


# Pixel shuffle


def pixel_shuffle(input, upscale_factor):
    """(..., C r^2, H, W) -> (..., C, H r, W r): r^2 channels become the pixels of an r x r square."""
    x, r = as_tensor(input), upscale_factor
    if x.ndim < 3 or r < 1 or x.shape[-3] % (r * r) or x.shape[-3] == 0:
        raise ValueError(f"pixel_shuffle: input {x.shape} must be (..., C, H, W) with C divisible by "
                         f"upscale_factor^2, and upscale_factor={r} positive")
    *batch, C, H, W = x.shape
    squares = reshape(x, -1, C // (r * r), r, r, H, W)
    return reshape(transpose(squares, 0, 1, 4, 2, 5, 3), *batch, C // (r * r), H * r, W * r)


def pixel_unshuffle(input, downscale_factor):
    """(..., C, H r, W r) -> (..., C r^2, H, W): pixel_shuffle's inverse."""
    x, r = as_tensor(input), downscale_factor
    if x.ndim < 3 or r < 1 or x.shape[-2] % r or x.shape[-1] % r:
        raise ValueError(f"pixel_unshuffle: input {x.shape} must be (..., C, H, W) with H and W divisible by "
                         f"downscale_factor={r}, a positive integer")
    *batch, C, H, W = x.shape
    squares = reshape(x, -1, C, H // r, r, W // r, r)
    return reshape(transpose(squares, 0, 1, 3, 5, 2, 4), *batch, C * r * r, H // r, W // r)


# Arguments


def _batched(op, x, dims=2):
    """x as (N, C, H, W)."""
    if x.ndim not in (dims + 1, dims + 2) or 0 in x.shape[-dims - 1 :]:
        axes = ("C, L", "C, H, W")[dims - 1]
        raise ValueError(f"{op}: input must be (N, {axes}) or ({axes}), only N may be 0: input {x.shape}")
    return as_images(x, dims)


def _windows(op, dims, input, kernel_size, stride, padding, dilation, ceil_mode):
    """(input, input as images, the geometry of the windows on them)."""
    x = as_tensor(input)
    images, shape = _batched(op, x, dims), x.shape
    kernel = pair(op, "kernel_size", kernel_size, 1, dims)
    stride = kernel if stride in (None, ()) else pair(op, "stride", stride, 1, dims)
    padding, dilation = pair(op, "padding", padding, 0, dims), pair(op, "dilation", dilation, 1, dims)
    if any(2 * b > k for b, k in zip(padding, kernel)):
        raise ValueError(f"{op}: padding={padding} must be at most half of kernel_size={kernel}")
    output = []
    for n, k, s, b, d in zip(shape[-dims:], kernel, stride, padding, dilation):
        room = n + 2 * b - d * (k - 1) - 1
        p = room // s + 1
        output.append(p + bool(ceil_mode and room % s and p * s < n + b))
    if min(output) < 1:
        raise ValueError(f"{op}: a window of {kernel} with dilation {dilation} does not fit into input "
                         f"{shape} with padding {padding}")
    return x, images, geometry_of(shape[-dims:], kernel, tuple(output), stride, padding, dilation)
