"""Which way a convolution is computed on a CPU: chosen here, once for each geometry, and nowhere else.

    y[n,o,p,q] = sum_crs w[o,c,r,s] x[n, c, stride p + dilation r - padding, (the same with q, s)]

A way is a module with the same two functions, convolve and filter_gradient, which give the same numbers but for
rounding:

    einsum.py            as it is written, for any geometry: the tests' twin, never chosen
    columns.py           products of matrices, a block of images at a time, for any geometry
    pointwise.py         filters of 1 x 1: a product of matrices without a copy
    depthwise.py         a filter per channel: shifted images, added up
    winograd.py          square filters on a dozen channels or more: a fraction of the multiplications
    space_to_depth.py    stride 2 as stride 1 on 2 x 2 pixels at a time, where winograd.py then fits

The transposed map is made of these (`gather`), or adds up columns (columns.conv_transpose). How much faster each is:
docs/convolution.md.

conv.py calls the three maps below, in whose place a GPU has kernels (gpu/convolution.py).

Symbols: x (N, C, H, W), w (O, C/G, R, S), y (N, O, P, Q), G groups. Read before this: conv.py, einsum.py. Read next:
columns.py, and each way when its turn comes.
"""
import functools
import math

from ..backend import xp
from . import columns, depthwise, pointwise, space_to_depth, winograd
from .channels import add_bias
from .windows import by_group


def convolve(x, w, bias, geometry, groups):
    """y = conv(x, w) + bias; bias may be None."""
    return way(x.shape[1], len(w), geometry, groups, x.dtype).convolve(x, w, bias, geometry, groups)


def filter_gradient(x, y, geometry, groups):
    """w[o,c,r,s] = sum_npq y[n,o,p,q] x[n, c, stride p + dilation r - padding, ...]."""
    return way(x.shape[1], y.shape[1], geometry, groups, x.dtype).filter_gradient(x, y, geometry, groups)


def conv_transpose(y, w, bias, geometry, groups):
    """x = conv^T(y, w) + bias, what y's pixels send back along the taps; bias may be None."""
    return way_back(w.shape[1] * groups, len(w), geometry, groups)(y, w, bias, geometry, groups)


@functools.cache
def way(C, O, geometry, groups, dtype):
    """The module for a convolution and its filters' gradient."""
    if winograd.tile_size(C, O, geometry, groups, dtype):
        return winograd
    if space_to_depth.pays(C, O, geometry, groups, dtype):
        return space_to_depth
    if pointwise.fits(geometry, groups):
        return pointwise
    return depthwise if depthwise.fits(C, O, groups) else columns


@functools.cache
def way_back(C, O, geometry, groups):
    """The function for a transposed convolution.

    There are two ways to form its sums. Gather: a pixel of x collects what reaches it, R*S*O numbers, of which a
    stride leaves one in stride^2. Scatter: a pixel of y stamps its filter on x, R*S*C numbers. Where 2 x 2 pixels can
    be taken for one they are gathered, for 4 C channels at a time in place of C, and that makes products of few
    channels twice as fast.
    """
    gathered = math.prod(geometry.image) * O / math.prod(geometry.stride)
    scattered = math.prod(geometry.output) * C * 3  # adding to memory moves three numbers, a copy one
    if space_to_depth.fits(geometry, groups) and gathered <= 4 * scattered:
        return gather_blocks
    return gather if gathered <= scattered else columns.conv_transpose


def gather(y, w, bias, geometry, groups):
    """conv^T(y, w) + bias as stride^2 convolutions of y at stride 1, interleaved: see Geometry.phases."""
    w = by_group(w, groups).swapaxes(1, 2)  # the filters' inputs and outputs exchange roles
    w = w.reshape(w.shape[1] * groups, *w.shape[2:])  # (C, O/G, R, S)
    parts = (convolve(y, _laid_out(w[taps]), bias, phase, groups) for _, taps, phase in geometry.phases)
    if geometry.stride == (1, 1):
        return next(parts)
    x = xp.empty((len(y), *geometry.image, len(w)), y.dtype).transpose(0, 3, 1, 2)
    for (pixels, _, _), part in zip(geometry.phases, parts):
        x[pixels] = part
    return x


def _laid_out(w):
    """Filters (C, O/G, R, S) with their numbers in the order that products take them in, (R, S, O/G, C)."""
    return xp.ascontiguousarray(w.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)


def gather_blocks(y, w, bias, geometry, groups):
    """conv^T(y, w) + bias at stride 2, for 2 x 2 pixels of x at a time."""
    sent = conv_transpose(y, space_to_depth.from_filters(w), None, space_to_depth.inner(geometry), 1)
    x = space_to_depth.to_image(sent, geometry)
    add_bias(x.transpose(0, 2, 3, 1), bias)
    return x
