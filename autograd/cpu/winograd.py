"""Winograd's convolution: a filter of 3x3 with a quarter of the multiplications.

A polynomial of degree n - 1 is known by its values at n points. The product of two, w with R coefficients and a with M,
n = M + R - 1, has at each point the product of their values. With V_k the values of polynomials of k coefficients,
(n, k) powers of the points, its coefficients are

    V_n^-1 [(V_R w) * (V_M a)]                                                  * for each pair of numbers

by n multiplications, where multiplying out takes R M. This map from a to the product is linear, and its transpose is
correlation, y[p] = sum_r w[r] d[p + r] for p < M: it makes M outputs from the n numbers d that they see,

    y = A^T [(G w) * (B^T d)],      A = V_M,  G = V_R,  B = V_n^-1.

Along columns and then along rows, that is a tile of M x M outputs from the n x n pixels d that it sees. All three maps
then act on both axes, and are the Kronecker squares of these matrices, on tiles written as vectors.

The sum over channels can be taken between the brackets, where a tile has n^2 numbers. So a convolution is one product
with B^T for each tile, n^2 products of matrices, (tiles, C) times (C, O), and one with A^T for each tile. It is linear
in w: the transposed maps give the filters' gradient, G^T [sum over tiles (B^T d) * (A dY)]. For R = 3 and M = 4 the
products in the middle have 36 multiplications where there were 144; the two others cost what some dozens of channels
do there. `tile_size` says when that pays.

Where the points lie decides about rounding, as high powers of large ones, and differences of near ones, lose digits.
One of them is infinity, where the value is the highest coefficient. With these, the error in float32 is three times
that of the sum as it is written.

Symbols: x (N, C, H, W), w (O, C, R, R), y (N, O, P, Q), T tiles. Sources: Winograd, "Arithmetic complexity of
computations", 1980; Lavin & Gray, "Fast algorithms for convolutional neural networks", 2016; Barabasz et al., "Error
analysis and improving the accuracy of Winograd convolution for deep neural networks", 2020. Read before this:
columns.py.
"""
import functools
import math
import operator

import numpy as np

from ..backend import xp
from ..geometry import Geometry
from .threads import parallel_for, shared_matmul
from .windows import column_blocks, columns_size

POINTS = 0.0, 0.75, -0.75, 1.5, -1.5  # the first n - 1 of them, and infinity
TAPS = 2, 3, 4, 5  # along a side of the filters

BLOCK = 1 << 18  # numbers that the tiles of a block see: 1 MiB in float32
CHANNELS = 12  # with fewer, rows of matrices are too short for fast products
PASSES = 4  # as long as this many take the copies and products with what the tiles see
# So many multiplications in a product take the time of a number that is copied into columns; that a product writes;
# and of a filter's, which BLAS lays out anew in every block
COPY, WRITE, PACK = 14, 12, 32


@functools.cache
def tile_size(C, O, geometry, groups, dtype, besides=0):
    """The best M for such a convolution: how many outputs a tile has along a side. 0 if these maps are not made for
    it, or not faster by a tenth at least, when multiplications are counted, with so many besides for each image."""
    R = geometry.kernel[0]
    if (groups > 1 or geometry.kernel != (R, R) or R not in TAPS or {*geometry.stride, *geometry.dilation} != {1}
            or min(C, O) < CHANNELS or dtype not in (np.float32, np.float64)):  # integers have no fractions
        return 0
    by_columns = math.prod(geometry.output) * (R * R * C * COPY + O * (R * R * C + WRITE))
    by_tiles = {M: _multiplications(C, O, geometry, M) for M in range(2, len(POINTS) + 3 - R)}
    M = min(by_tiles, key=by_tiles.get)
    return M if by_tiles[M] + besides < 0.9 * by_columns else 0


def _multiplications(C, O, geometry, M):
    """Of one image. Tiles that reach over the edge, where M does not divide the image's sides, count in full."""
    tiles = _tiles(geometry, M)
    seen, made = math.prod(tiles.kernel), M * M
    together = max(1, BLOCK // (seen * C))  # tiles of a block
    tile = seen * C * (COPY + seen + WRITE) + seen * O * (C + WRITE) + made * O * (seen + WRITE)
    return math.prod(tiles.output) * (tile + seen * C * O * PACK / together)


def convolve(x, w, bias, geometry, groups, M=None):
    """y = conv(x, w) + bias, channels-last in memory; bias may be None. M: tile_size's."""
    M = M or tile_size(x.shape[1], len(w), geometry, groups, x.dtype)
    N, C, O, R = *x.shape[:2], len(w), w.shape[2]
    A_T, B_T, G = matrices(M, R, x.dtype)
    filters = shared_matmul(G, w.transpose(2, 3, 1, 0).reshape(R * R, C * O)).reshape(-1, C, O)
    bias = None if bias is None else xp.tile(bias, (M, 1))
    y = xp.empty((N, *geometry.output, O), x.dtype)

    def work(part):
        for images, rows, d in _seen_tiles(x[part], geometry, M):
            sums = xp.empty((*d.shape[:2], O), x.dtype)
            xp.matmul((B_T @ d).swapaxes(0, 1), filters, out=sums.swapaxes(0, 1))
            _put(A_T @ sums, bias, y[part][images, rows])

    parallel_for(work, N, PASSES * N * columns_size(C, _tiles(geometry, M)))
    return y.transpose(0, 3, 1, 2)


def filter_gradient(x, y, geometry, groups, M=None):
    """w[o,c,r,s] = sum_npq y[n,o,p,q] x[n, c, p + r - padding, q + s - padding]. M: tile_size's."""
    M = M or tile_size(x.shape[1], y.shape[1], geometry, groups, x.dtype)
    N, C, O, R = *x.shape[:2], y.shape[1], geometry.kernel[0]
    A_T, B_T, G = matrices(M, R, x.dtype)
    y = y.transpose(0, 2, 3, 1)

    def work(part):
        total = xp.zeros((len(B_T), C, O), x.dtype)
        term = xp.empty_like(total)
        for images, rows, d in _seen_tiles(x[part], geometry, M):
            sent = A_T.T @ _cut(y[part][images, rows], M)
            xp.matmul((B_T @ d).transpose(1, 2, 0), sent.swapaxes(0, 1), out=term)
            total += term
        return total

    total = functools.reduce(operator.iadd, parallel_for(work, N, PASSES * N * columns_size(C, _tiles(geometry, M))))
    return shared_matmul(G.T, total.reshape(-1, C * O)).reshape(R, R, C, O).transpose(3, 2, 0, 1)


@functools.cache
def matrices(M, R, dtype):
    """A^T (M^2, n^2), B^T (n^2, n^2) and G (n^2, R^2), for tiles and filters written as vectors."""
    n = M + R - 1
    V = {k: np.vander(POINTS[: n - 1], k, increasing=True) for k in (M, R, n)}
    A, G, V_n = (np.vstack([V[k], np.eye(k)[-1]]) for k in (M, R, n))  # at infinity: the last coefficient
    return [np.kron(matrix, matrix).astype(dtype) for matrix in (A.T, np.linalg.inv(V_n).T, G)]


# Tiles


@functools.cache
def _tiles(geometry, M):
    """The tiles as windows of the image: as many, down and across, as cover the outputs."""
    n = M + geometry.kernel[0] - 1
    down, across = (-(-size // M) for size in geometry.output)
    return Geometry(geometry.image, (n, n), (down, across), (M, M), geometry.padding, (1, 1))


def _seen_tiles(x, geometry, M):
    """Yields (images, rows, d): what the tiles see that cover those images and rows of outputs, (T, n^2, C)."""
    tiles = _tiles(geometry, M)
    for images, rows, columns in column_blocks(x, tiles, 1, BLOCK):
        yield images, slice(M * rows.start, M * rows.stop), columns.reshape(-1, math.prod(tiles.kernel), x.shape[1])


def _put(tiles, bias, y):
    """Writes tiles (T, M^2, O), plus bias (M, O) unless it is None, into the outputs y (images, rows, Q, O)."""
    whole, views = _tiled(y, math.isqrt(tiles.shape[1]))
    xp.add(tiles.reshape(views.shape), 0 if bias is None else bias, out=views)
    if whole is not y:
        y[...] = whole[:, : y.shape[1], : y.shape[2]]


def _cut(y, M):
    """Outputs y (images, rows, Q, O) as tiles (T, M^2, O), zero beyond the edge."""
    whole, views = _tiled(y, M)
    if whole is not y:
        whole[...] = 0
        whole[:, : y.shape[1], : y.shape[2]] = y
    return views.reshape(-1, M * M, y.shape[3])


def _tiled(y, M):
    """(whole, views): y itself if M divides its rows and columns, else a new array that is so much larger; and its
    tiles (images, down, across, M, M, O)."""
    N, P, Q, O = y.shape
    down, across = -(-P // M), -(-Q // M)
    whole = y if (P, Q) == (M * down, M * across) else xp.empty((N, M * down, M * across, O), y.dtype)
    return whole, whole.reshape(N, down, M, across, M, O).swapaxes(2, 3)
