"""Space-to-depth: stride 2 as stride 1, on blocks of 2 x 2 pixels taken for one pixel of four times the channels.

A filter of 2R x 2S taps that moves two pixels at a time sees R x S such blocks and moves one block at a time. So
convolution with stride 2 is one with stride 1 on images and filters that are only written down in another order,

    i = 2 p + r - padding,   r = 2 rho + a:     block p + rho of the frame, its row a (the same with columns),

and there the fast way of stride 1 is open to it: winograd.py, without which it does not pay (convolution.py).

Symbols: x (N, C, H, W), w (O, C, 2R, 2S), a b the row and column in a block; the image of blocks z (N, 4C, ...) and its
filters (O, 4C, R, S) have their channels in the order a, b, c. Source: Shi et al., "Is the deconvolution layer the same
as a convolutional layer?", 2016 (the transposed map). Read before this: geometry.py, winograd.py.
"""
import functools
import math

from ..backend import xp
from ..geometry import Geometry
from . import winograd
from .threads import parallel_for


def fits(geometry, groups):
    """Whether a convolution can be written so."""
    R, S = geometry.kernel
    return groups == 1 and geometry.stride == (2, 2) and geometry.dilation == (1, 1) and R % 2 == S % 2 == 0


@functools.cache
def pays(C, O, geometry, groups, dtype):
    """Whether that is faster, when the image is copied twice before winograd.py sees it."""
    if not fits(geometry, groups):
        return False
    blocks = inner(geometry)
    copies = 2 * 4 * C * math.prod(blocks.image) * winograd.COPY
    return winograd.tile_size(4 * C, O, blocks, 1, dtype, besides=copies) > 0


def convolve(x, w, bias, geometry, groups):
    """y = conv(x, w) + bias; bias may be None."""
    return winograd.convolve(from_image(x, geometry), from_filters(w), bias, inner(geometry), 1)


def filter_gradient(x, y, geometry, groups):
    """w[o,c,r,s] = sum_npq y[n,o,p,q] x[n, c, 2 p + r - padding, ...]."""
    return to_filters(winograd.filter_gradient(from_image(x, geometry), y, inner(geometry), 1))


@functools.cache
def inner(geometry):
    """The geometry of the convolution of blocks that stands for one of this geometry."""
    (P, Q), (R, S) = geometry.output, [taps // 2 for taps in geometry.kernel]
    return Geometry((P + R - 1, Q + S - 1), (R, S), (P, Q), stride=(1, 1), padding=(0, 0), dilation=(1, 1))


def from_image(x, geometry):
    """x's frame in blocks, channels-last in memory."""
    N, C = x.shape[:2]
    height, width = inner(geometry).image
    z = xp.empty((N, height, width, 2, 2, C), x.dtype)

    def work(part):
        frame = geometry.framed(x[part]).transpose(0, 2, 3, 1)
        z[part] = frame.reshape(-1, height, 2, width, 2, C).swapaxes(2, 3)

    parallel_for(work, N, 2 * z.size)
    return z.reshape(N, height, width, 4 * C).transpose(0, 3, 1, 2)


def to_image(z, geometry):
    """The image whose frame these blocks are, zero where the frame does not reach: from_image's transpose."""
    N, C, (height, width) = len(z), z.shape[1] // 4, z.shape[2:]
    x = xp.empty((N, *geometry.image, C), z.dtype).transpose(0, 3, 1, 2)

    def work(part):
        blocks = z[part].transpose(0, 2, 3, 1).reshape(-1, height, width, 2, 2, C)
        frame = blocks.swapaxes(2, 3).reshape(-1, 2 * height, 2 * width, C)
        x[part] = geometry.unframed(frame.transpose(0, 3, 1, 2))

    parallel_for(work, N, 2 * z.size)
    return x


def from_filters(w):
    """(O, C, 2R, 2S) -> (O, 4C, R, S)."""
    O, C, R, S = w.shape
    return w.reshape(O, C, R // 2, 2, S // 2, 2).transpose(0, 3, 5, 1, 2, 4).reshape(O, 4 * C, R // 2, S // 2)


def to_filters(w):
    """(O, 4C, R, S) -> (O, C, 2R, 2S)."""
    O, C, R, S = len(w), w.shape[1] // 4, *w.shape[2:]
    return w.reshape(O, 2, 2, C, R, S).transpose(0, 3, 4, 1, 5, 2).reshape(O, C, 2 * R, 2 * S)
