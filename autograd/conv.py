"""Convolution as a closed trio: whatever is differentiated, however often, one of three ops comes out.

Behind all three stands one number, linear in the image x, in the filters w and in the output y alike:

    T(x, w, y) = sum over n, o, c, p, q, r, s of  y[n,o,p,q]  w[o,c,r,s]  x[n,c,i,j]
                 i = stride p + dilation r - padding,   j = (the same with q and s),   x = 0 outside the image

Its three derivatives are the three ops. T is linear in each argument, so an op is linear in each of its two,
and its pullbacks are the other two ops with the incoming gradient g in the place of what they lack:

    convolution(x, w)             = dT/dy      pullbacks:  dT/dx with y = g,  dT/dw with y = g
    transposed_convolution(y, w)  = dT/dx                  dT/dy with x = g,  dT/dw with x = g
    filter_gradient(x, y)         = dT/dw                  dT/dx with w = g,  dT/dy with w = g

So no derivative of any order (WGAN-GP, R1 and score matching take second ones) needs code of its own.

Below the trio: the public functions, with torch.nn.functional's names, arguments and meaning, which check
what they are given and lay out the geometry, once for all calls with the same shapes. How the arrays are computed, and
fast, is in cpu/convolution.py and, for a GPU, in gpu/convolution.py.

Symbols: N batch, C / O channels in / out, H W image, R S filter, P Q output, G groups, g = dL/d(output). With
groups the channels fall into G parts that do not see each other, and w is (O, C/G, R, S).
Read before this: ops.py. Read next: cpu/einsum.py, cpu/convolution.py; resample.py.
"""
import functools
import math
import operator

from . import gpu
from .backend import by_device
from .cpu import channels, columns
from .cpu import convolution as cpu
from .geometry import geometry_of, output_size, pair
from .shape import reshape
from .sweep import broadcast_to
from .tensor import as_tensor, record

# The maps on arrays: on a GPU, kernels

convolve = by_device(cpu.convolve, gpu.convolution.convolve)
conv_transpose = by_device(cpu.conv_transpose, gpu.convolution.conv_transpose)
weigh_filters = by_device(cpu.filter_gradient, gpu.convolution.filter_gradient)
image_sums = by_device(channels.image_sums, gpu.convolution.image_sums)

# The trio


def convolution(x, w, b, geometry, groups):
    """dT/dy: y[n,o,p,q] = b[o] + sum_crs w[o,c,r,s] x[n,c,i,j]. b may be None."""
    value = convolve(x.data, w.data, None if b is None else b.data, geometry, groups)
    return record(
        value,
        (x, lambda g: transposed_convolution(g, w, None, geometry, groups)),
        (w, lambda g: filter_gradient(x, g, geometry, groups)),
        *([] if b is None else [(b, channel_sums)]),
    )


def transposed_convolution(y, w, b, geometry, groups):
    """dT/dx: x[n,c,i,j] = b[c] + sum of w[o,c,r,s] y[n,o,p,q] over o and all p, q, r, s that lead to i, j."""
    value = conv_transpose(y.data, w.data, None if b is None else b.data, geometry, groups)
    return record(
        value,
        (y, lambda g: convolution(g, w, None, geometry, groups)),
        (w, lambda g: filter_gradient(g, y, geometry, groups)),
        *([] if b is None else [(b, channel_sums)]),
    )


def filter_gradient(x, y, geometry, groups):
    """dT/dw: w[o,c,r,s] = sum_npq y[n,o,p,q] x[n,c,i,j]."""
    value = weigh_filters(x.data, y.data, geometry, groups)
    return record(
        value,
        (x, lambda g: transposed_convolution(y, g, None, geometry, groups)),
        (y, lambda g: convolution(x, g, None, geometry, groups)),
    )


def channel_sums(x):
    """Sum over batch and pixels, (N, C, H, W) -> (C,): the gradient of a bias."""
    shape = x.shape
    value = channels.rows_sum(image_sums(x.data))
    return record(value, (x, lambda g: broadcast_to(reshape(g, -1, 1, 1), shape)))


# Convolution


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of input (N, C, H, W) or (C, H, W) with weight (O, C/groups, R, S): (N, O, P, Q).

    P = (H + 2 padding - dilation (R - 1) - 1) // stride + 1. stride, padding, dilation: an integer or a pair.
    padding may be 'valid' (none) or 'same' (P = H at stride 1; an odd zero goes below and right).
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """conv2d with one axis less: input (N, C, L) or (C, L), weight (O, C/groups, R)."""
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of the linear map conv2d: input (N, C, P, Q), weight (C, O/groups, R, S) -> (N, O, H, W).

    H = (P - 1) stride - 2 padding + dilation (R - 1) + 1 + output_padding. Every pixel of the input stamps
    its filters on the output, `stride` apart. output_padding chooses among the H that conv2d maps to P.
    """
    sizes = stride, padding, output_padding, dilation
    return _conv_transpose("conv_transpose2d", 2, input, weight, bias, *sizes, groups)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """conv_transpose2d with one axis less: input (N, C, L) or (C, L), weight (C, O/groups, R)."""
    sizes = stride, padding, output_padding, dilation
    return _conv_transpose("conv_transpose1d", 1, input, weight, bias, *sizes, groups)


def _conv(op, dims, input, weight, bias, stride, padding, dilation, groups):
    x, w, b, shapes = _operands(op, input, weight, bias, groups)
    padding = padding if isinstance(padding, str) else pair(op, "padding", padding, 0, dims)
    sizes = pair(op, "stride", stride, 1, dims), padding, pair(op, "dilation", dilation, 1, dims)
    geometry = _conv_geometry(op, dims, *shapes, *sizes, groups)
    return like(x, convolution(as_images(x, dims), as_images(w, dims), b, geometry, groups), dims)


@functools.cache
def _conv_geometry(op, dims, x, w, b, stride, padding, dilation, groups):
    """The geometry of a convolution of arrays of these shapes (b may be None); ValueError says what is wrong."""
    shapes = _check_axes(op, dims, x, w, b)
    C, O = x[-dims - 1], w[0]
    if C != w[1] * groups:
        cure = f"pass in_channels={C}" if groups == 1 else f"groups={groups} of {w[1]} channels each"
        raise ValueError(f"{op}: input has {C} channels, weight expects {w[1] * groups}: {shapes}; {cure}")
    if O % groups:
        raise ValueError(f"{op}: {O} output channels do not divide into groups={groups}: {shapes}")
    _check_bias(op, b, O, shapes)
    image, kernel = x[-dims:], w[2:]
    if padding == "same":
        if stride != (1,) * dims:
            raise ValueError(f"{op}: padding='same' needs stride 1, got {stride}; pass integers")
        border = [d * (k - 1) for d, k in zip(dilation, kernel)]
        before, after = tuple(n // 2 for n in border), tuple(n - n // 2 for n in border)
    elif isinstance(padding, str) and padding != "valid":
        raise ValueError(f"{op}: padding is {padding!r}, expected 'same', 'valid' or integers")
    else:
        before = after = (0,) * dims if padding == "valid" else padding
    output = tuple(map(output_size, image, kernel, stride, before, after, dilation))
    if min(output) < 1:
        span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
        padded = [n + lo + hi for n, lo, hi in zip(image, before, after)]
        raise ValueError(f"{op}: the filter spans {span}, the padded input is only {padded}: {shapes}; "
                         "pass a larger input or padding")
    return geometry_of(image, kernel, output, stride, before, dilation)


def _conv_transpose(op, dims, input, weight, bias, stride, padding, output_padding, dilation, groups):
    y, w, b, shapes = _operands(op, input, weight, bias, groups)
    stride, padding = pair(op, "stride", stride, 1, dims), pair(op, "padding", padding, 0, dims)
    extra, dilation = pair(op, "output_padding", output_padding, 0, dims), pair(op, "dilation", dilation, 1, dims)
    if any(map(operator.ge, extra, map(max, stride, dilation))):
        raise ValueError(f"{op}: output_padding={output_padding} must be smaller than stride={stride} or "
                         f"dilation={dilation}")
    geometry = _conv_transpose_geometry(op, dims, *shapes, stride, padding, extra, dilation, groups)
    return like(y, transposed_convolution(as_images(y, dims), as_images(w, dims), b, geometry, groups), dims)


@functools.cache
def _conv_transpose_geometry(op, dims, y, w, b, stride, padding, extra, dilation, groups):
    """The geometry of the convolution whose transpose takes y, as _conv_geometry."""
    shapes = _check_axes(op, dims, y, w, b)
    O = y[-dims - 1]
    if O != w[0]:
        raise ValueError(f"{op}: input has {O} channels, weight expects {w[0]}: {shapes}; pass in_channels={O}")
    if O % groups:
        raise ValueError(f"{op}: {O} input channels do not divide into groups={groups}: {shapes}")
    _check_bias(op, b, w[1] * groups, shapes)
    output, kernel = y[-dims:], w[2:]
    sizes = zip(output, kernel, stride, padding, dilation, extra)
    image = tuple((p - 1) * s - 2 * lo + d * (k - 1) + 1 + e for p, k, s, lo, d, e in sizes)
    if min(image) < 1:
        raise ValueError(f"{op}: the output would have size {image}: {shapes}; pass less padding")
    return geometry_of(image, kernel, output, stride, padding, dilation)


def _operands(op, input, weight, bias, groups):
    """(x, w, b, their shapes): tensors of one dtype; b and its shape may be None."""
    x, w, b = as_tensor(input), as_tensor(weight), None if bias is None else as_tensor(bias)
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{op}: groups is {groups!r}, expected a positive integer")
    if x.data.dtype != w.data.dtype or b is not None and b.data.dtype != x.data.dtype:
        dtypes = ", ".join(str(t.dtype) for t in (x, w, b) if t is not None)
        raise TypeError(f"{op}: input, weight and bias must have one dtype, got {dtypes}; use astype")
    return x, w, b, (x.data.shape, w.data.shape, None if b is None else b.data.shape)


def _check_axes(op, dims, x, w, b):
    """Whether there are as many as there must be. Returns a text that names all shapes."""
    shapes = f"input {x}, weight {w}" + ("" if b is None else f", bias {b}")
    if len(x) not in (dims + 1, dims + 2) or len(w) != dims + 2:
        sizes = ("L", "H, W")[dims - 1]
        raise ValueError(f"{op}: input must be (N, C, {sizes}) or (C, {sizes}), and weight have {dims + 2} "
                         f"axes: {shapes}")
    if 0 in w or 0 in x[-dims:]:
        raise ValueError(f"{op}: only the batch may be empty: {shapes}")
    return shapes


def _check_bias(op, b, channels, shapes):
    if b is not None and b != (channels,):
        raise ValueError(f"{op}: bias must have shape ({channels},), one per output channel: {shapes}")


def as_images(x, dims=2):
    """x (N, C, H, W) or (C, H, W), or with one spatial axis, dims of them: as images (N, C, H, W), maybe of one row."""
    if dims == 2 and x.data.ndim == 4:
        return x
    *batch, C = x.shape[:-dims]
    return reshape(x, *(batch or [1]), C, *[1] * (2 - dims), *x.shape[-dims:])


def like(x, y, dims=2):
    """The result y (N, O, P, Q) with the axes that x has: maybe no batch, maybe one spatial axis."""
    unbatched = x.data.ndim == dims + 1
    if dims == 2 and not unbatched:
        return y
    return reshape(y, y.shape[unbatched:2] + y.shape[-dims:])


# Columns as an op of their own: conv2d(x, w) = w.reshape(O, -1) @ unfold(x), and fold is unfold's transpose


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """What a filter sees at each of its L = P*Q places: (N, C, H, W) -> (N, C*R*S, L); also unbatched."""
    x = as_tensor(input)
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        raise ValueError(f"unfold: input must be (N, C, H, W) or (C, H, W), only N may be 0: input {x.shape}")
    geometry = _sliding("unfold", x.shape[-2:], kernel_size, dilation, padding, stride)
    batch = x.shape[:-3]
    y = _unfold(reshape(x, math.prod(batch), *x.shape[-3:]), geometry)
    return reshape(y, *batch, *y.shape[1:])


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """unfold's transpose: columns (N, C*R*S, L) added up in images (N, C, *output_size); also unbatched."""
    y = as_tensor(input)
    H, W = pair("fold", "output_size", output_size, 1)
    geometry = _sliding("fold", (H, W), kernel_size, dilation, padding, stride)
    (R, S), (P, Q) = geometry.kernel, geometry.output
    if y.ndim not in (2, 3) or y.shape[-1] != P * Q or y.shape[-2] % (R * S) or not y.shape[-2]:
        raise ValueError(f"fold: input must be (N, C*{R}*{S}, {P}*{Q}) or without N for output_size {(H, W)} "
                         f"and kernel_size {(R, S)}: input {y.shape}")
    batch = y.shape[:-2]
    x = _fold(reshape(y, math.prod(batch), *y.shape[-2:]), geometry)
    return reshape(x, *batch, *x.shape[1:])


def _sliding(op, image, kernel_size, dilation, padding, stride):
    kernel, stride = pair(op, "kernel_size", kernel_size, 1), pair(op, "stride", stride, 1)
    padding, dilation = pair(op, "padding", padding, 0), pair(op, "dilation", dilation, 1)
    output = tuple(map(output_size, image, kernel, stride, padding, padding, dilation))
    if min(output) < 1:
        raise ValueError(f"{op}: an image of {tuple(image)} with padding {padding} has no place for "
                         f"kernel_size {kernel} with dilation {dilation}")
    return geometry_of(tuple(image), kernel, output, stride, padding, dilation)


def _unfold(x, geometry):
    return record(columns.unfold(x.data, geometry), (x, lambda g: _fold(g, geometry)))


def _fold(y, geometry):
    return record(columns.fold(y.data, geometry), (y, lambda g: _unfold(g, geometry)))
