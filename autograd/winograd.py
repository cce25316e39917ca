"""3x3 convolution with 16 products in the place of 36: Winograd's minimal filtering, F(2x2, 3x3).

Two neighbouring outputs of a filter with three taps,

    y0 = d0 w0 + d1 w1 + d2 w2    y1 = d1 w0 + d2 w1 + d3 w2,

take six products, but four are enough:

    m0 = (d0 - d2) w0    m1 = (d1 + d2) (w0 + w1 + w2) / 2    m2 = (d2 - d1) (w0 - w1 + w2) / 2    m3 = (d1 - d3) w2
    y0 = m0 + m1 + m2    y1 = m1 - m2 - m3,

or y = A^T [(G w) * (B^T d)] with * for each pair of numbers. Along columns and then along rows, that makes a tile of
2x2 outputs from the 4x4 pixels d that it sees:

    Y = A^T [(G w G^T) * (B^T d B)] A.

The sum over channels may be taken between the brackets, where a tile has 16 numbers. So a convolution is 16 products
of matrices, (tiles, C) times (C, O), with sums and differences before and after. All of it is linear in w: the
transposed maps give the filters' gradient, G^T [sum over tiles (B^T d B) * (A dY A^T)] G.

It saves 20 of 36 multiplications and costs a few additions per pixel and channel, which pays when there are many
channels: `pays`. Rounding is a few times that of the sum as it is written. A few images at a time go through the
processor's cache, as in columns.py, which says what of this file is used when.

Symbols: x (N, C, H, W), w (O, C, 3, 3), y (N, O, P, Q). Source: Winograd, "Arithmetic complexity of computations",
1980; Lavin & Gray, "Fast algorithms for convolutional neural networks", 2016. Read before this: columns.py.
"""
import functools
import operator

from .backend import xp
from .threads import even_part, over_threads

BLOCK = 1 << 18  # numbers that the tiles in work have, 16 for each channel of a tile: 1 MiB in float32
CHANNELS = 64  # with fewer the additions cost what the products save, on several cores more
PIXELS = 12  # along each side: in smaller images too many tiles would reach over the edge, or too few be multiplied


def pays(C, O, geometry, groups):
    """Whether these maps are made for such a convolution, and faster."""
    return (groups == 1 and geometry.kernel == (3, 3) and geometry.stride == geometry.dilation == (1, 1)
            and min(C, O) >= CHANNELS and min(geometry.output) >= PIXELS)


def convolve(x, w, bias, geometry):
    """y = conv(x, w) + bias, channels-last in memory; bias may be None."""
    N, C, O = *x.shape[:2], len(w)
    y = xp.empty((N, *geometry.output, O), x.dtype)
    filters = both_ways(to_filter, w.transpose(2, 3, 1, 0)).reshape(16, C, O)

    def work(part):
        for images, rows, seen in _seen_tiles(x[part], geometry):
            products = xp.matmul(seen.reshape(16, -1, C), filters).reshape(*seen.shape[:-1], O)
            for target, value in _corners(y[part][images, rows], both_ways(from_products, products)):
                xp.add(value, 0 if bias is None else bias, out=target)

    over_threads(work, N, 4 * x.size)
    return y.transpose(0, 3, 1, 2)


def filter_gradient(x, y, geometry):
    """w[o,c,r,s] = sum_npq y[n,o,p,q] x[n, c, p + r - before, q + s - before]."""
    N, C, O = *x.shape[:2], y.shape[1]
    y = y.transpose(0, 2, 3, 1)

    def work(part):
        total = xp.zeros((16, C, O), x.dtype)
        for images, rows, seen in _seen_tiles(x[part], geometry):
            tiles = xp.zeros((2, 2, *seen.shape[2:-1], O), y.dtype)
            for source, tile in _corners(y[part][images, rows], tiles):
                tile[...] = source
            sent = both_ways(from_products_transposed, tiles)
            total += xp.matmul(seen.reshape(16, -1, C).swapaxes(1, 2), sent.reshape(16, -1, O))
        return total

    total = functools.reduce(operator.iadd, over_threads(work, N, 4 * x.size))
    return both_ways(to_filter_transposed, total.reshape(4, 4, C, O)).transpose(3, 2, 0, 1)


# The matrices, as sums along the first axis of t: an array, or a list of arrays


def to_pixels(t):
    """B^T t, (4, ...) -> (4, ...)."""
    out = xp.empty((4, *t[0].shape), t[0].dtype)
    xp.subtract(t[0], t[2], out=out[0])
    xp.add(t[1], t[2], out=out[1])
    xp.subtract(t[2], t[1], out=out[2])
    xp.subtract(t[1], t[3], out=out[3])
    return out


def to_filter(t):
    """G t, (3, ...) -> (4, ...)."""
    outer, inner = (t[0] + t[2]) / 2, t[1] / 2
    return xp.stack([t[0], outer + inner, outer - inner, t[2]])


def to_filter_transposed(t):
    """G^T t, (4, ...) -> (3, ...)."""
    outer = (t[1] + t[2]) / 2
    return xp.stack([t[0] + outer, (t[1] - t[2]) / 2, outer + t[3]])


def from_products(t):
    """A^T t, (4, ...) -> (2, ...)."""
    out = xp.empty((2, *t[0].shape), t[0].dtype)
    xp.add(t[1], t[2], out=out[0])
    out[0] += t[0]
    xp.subtract(t[1], t[2], out=out[1])
    out[1] -= t[3]
    return out


def from_products_transposed(t):
    """A t, (2, ...) -> (4, ...)."""
    out = xp.empty((4, *t[0].shape), t[0].dtype)
    out[0] = t[0]
    xp.add(t[0], t[1], out=out[1])
    xp.subtract(t[0], t[1], out=out[2])
    xp.negative(t[1], out=out[3])
    return out


def both_ways(matrix, t):
    """M t M^T of t (rows, columns, ...), transposed: axes (columns, rows, ...). Twice is in order again."""
    return matrix(matrix(t).swapaxes(0, 1))


# Tiles


def _seen_tiles(x, geometry):
    """Yields (images, rows, seen): B^T d B of the tiles in those images and rows of y: (4, 4, n, down, across, C).

    Neighbouring tiles see pixels two columns apart: the frame's even and odd columns are laid out as two images, in
    which these are neighbours, so that the sums go through memory in its order.
    """
    N, C = x.shape[:2]
    down, across = (-(-size // 2) for size in geometry.output)
    images = even_part(N, BLOCK // max(1, 16 * C * down * across))
    height = even_part(down, BLOCK // max(1, 16 * C * across))  # of all tiles, if a block has more than one image
    halves = xp.zeros((2, images, 2 * down + 2, across + 1, C), x.dtype)
    (rows, columns), (x_rows, x_columns) = geometry.overlap()
    for n in range(0, N, images):
        block = x[n : n + images].transpose(0, 2, 3, 1)
        for half in (0, 1):
            first = columns.start + (columns.start + half) % 2  # the first such column of the frame in the image
            source = block[:, x_rows, x_columns][:, :, first - columns.start :: 2]
            halves[half, : len(block), rows, first // 2 : first // 2 + source.shape[2]] = source
        frame = halves[:, : len(block)]
        for p in range(0, down, height):
            h = min(height, down - p)
            by_row = to_pixels([frame[:, :, 2 * p + i : 2 * (p + h) + i : 2] for i in range(4)])
            seen = to_pixels([by_row[:, i % 2, :, :, i // 2 : i // 2 + across] for i in range(4)])
            yield slice(n, n + images), slice(2 * p, 2 * (p + h)), seen


def _corners(y, tiles):
    """Yields views (of y (n, P, Q, O), of tiles (2, 2, n, down, across, O)) of the upper left pixels of all tiles, of
    the upper right ones, and so on, as far as there are such pixels."""
    for i in (0, 1):
        for j in (0, 1):
            corner = y[:, i::2, j::2]
            yield corner, tiles[i, j, :, : corner.shape[1], : corner.shape[2]]
