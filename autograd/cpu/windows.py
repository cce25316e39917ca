"""What filters see, as views and as columns: windows of an image, written side by side into a small buffer.

A *column* is all that a filter sees at once: R*S*C numbers (R*S*C/G in each of G groups). All columns of a batch are
R*S times as large as the images (at stride 1), and to take them to main memory and back would cost as much as the
arithmetic. So they come in blocks of a few images, or of a few rows of windows where images are large, and all blocks
are written into the same buffer, which the processor's cache holds.

Memory is channels-last under the NCHW view (strides as in an (N, H, W, C) array): then the numbers that a filter sees
in one row are S*C contiguous ones, one memcpy.

Symbols: x (N, C, H, W), filters (O, C/G, R, S), windows P Q, G groups. Source: Chellapilla, Puri & Simard, "High
performance convolutional neural networks for document processing", 2006 (im2col). Read before this: geometry.py. Read
next: einsum.py, columns.py.
"""
import functools
import math

from ..backend import xp
from .threads import even_part

FEW = 8  # fewer channels than this are too short a run to copy


def window_views(frame, geometry, groups):
    """What the filters of each group see in each window, a view of the frame: (G, n, P, Q, R, S, C/G)."""
    n, C, G = *frame.shape[:2], groups
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    image, channel, row, column = frame.strides
    shape = (G, n, *geometry.output, *geometry.kernel, C // G)
    strides = (C // G * channel, image, sh * row, sw * column, dh * row, dw * column, channel)
    return xp.lib.stride_tricks.as_strided(frame, shape, strides)


def by_group(w, G):
    """Filters (O, C/G, R, S) as (G, O/G, C/G, R, S)."""
    return w.reshape(G, len(w) // G, *w.shape[1:])


def pixels_by_group(block, G):
    """A block (n, p, q, O) as (G, pixels, O/G): a view if it is contiguous."""
    n, p, q, O = block.shape
    return block.reshape(n * p * q, G, O // G).swapaxes(0, 1)


def column_blocks(x, geometry, groups, numbers):
    """Yields (images, rows, columns): columns (G, windows, R*S*C/G) of those images and rows of windows.

    All blocks share one buffer of about so many numbers, so each must be used before the next is asked for.
    """
    N, C, G, Q = *x.shape[:2], groups, geometry.output[1]
    images, rows, size = _block_sizes(N, C, geometry, numbers)
    few = C // G < FEW
    buffer = xp.empty(images * rows * Q * size, x.dtype)
    for n, frame in frames(x, geometry, images, planar=few):
        seen = window_views(frame, geometry, G)
        for p in range(0, geometry.output[0], rows):
            part = seen[:, :, p : p + rows]  # (G, n, p, Q, R, S, C/G)
            windows = part.shape[1] * part.shape[2] * Q
            if few:  # taps first, so that the copy runs along the windows; the product takes either order
                columns = buffer[: part.size].reshape(G, size // G, windows).swapaxes(1, 2)
            else:
                columns = buffer[: part.size].reshape(G, windows, size // G)
            columns.reshape(part.shape)[...] = part
            yield slice(n, n + images), slice(p, p + rows), columns


@functools.cache
def _block_sizes(N, C, geometry, numbers):
    """(images, rows of windows, numbers of a column) of a block."""
    P, Q = geometry.output
    size = C * math.prod(geometry.kernel)
    rows = even_part(P, numbers // max(1, Q * size))
    return even_part(N, numbers // max(1, P * Q * size)), rows, size  # one image if not all rows fit


def columns_size(C, geometry):
    """How many numbers the columns of one image have."""
    return C * math.prod(geometry.kernel) * math.prod(geometry.output)


def frames(x, geometry, images, planar=False):
    """Yields (n, frame): x[n : n + images] in its frame of zeros, a reused buffer, channels-last unless
    `planar`. Where x has that layout and needs no zeros, the frame is a view of it."""
    C, (height, width) = x.shape[1], geometry.frame
    in_frame, in_image = geometry.overlap
    x = x[in_image]
    view = x.shape[2:] == (height, width) and x.strides[3 if planar else 1] == x.itemsize
    if planar:
        buffer = xp.zeros((images, C, height, width), x.dtype)
    else:
        buffer = xp.zeros((images, height, width, C), x.dtype).transpose(0, 3, 1, 2)
    for n in range(0, len(x), images):
        block = x[n : n + images]
        if view:
            yield n, block
        else:
            frame = buffer[: len(block)]
            frame[in_frame] = block
            yield n, frame
