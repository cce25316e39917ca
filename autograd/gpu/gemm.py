"""numpy.matmul by gemm.cu, where the second array has two axes or more. Read before this: gemm.cu, tiles.py."""
import math

import numpy as np

from ..backend import xp
from . import tiles
from .launch import REALS, load, vector

THREADS = 256  # of add_parts
MOST_AT_ONCE = 65535 // tiles.MOST_SPLITS  # products per launch: the third size of a grid has 16 bits


def matmul(a, b):
    """a @ b: (..., M, K) or (K,) and (..., K, N) -> (..., M, N) or (..., N). Transposed views are read as they lie;
    dtypes that the kernel lacks are the array library's work."""
    if a.ndim == 1:
        return matmul(a[None], b)[..., 0, :]
    dtype = np.result_type(a, b)
    if dtype not in REALS or a.shape[-1] != b.shape[-2]:
        return xp.matmul(a, b)  # also what raises the error for shapes that do not fit
    a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    if b.ndim == 2 and a.ndim > 2:  # one matrix for a whole batch: one product over all rows
        return matmul(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    (M, K), N = a.shape[-2:], b.shape[-1]
    leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    batch = math.prod(leading)
    c = xp.empty((*leading, M, N), dtype)
    if K == 0:
        c[...] = 0
    if c.size == 0 or K == 0:
        return c
    a, b = _stacked(a, leading), _stacked(b, leading)
    if batch > MOST_AT_ONCE:
        stack = c.reshape(batch, M, N)
        for part in (slice(i, i + MOST_AT_ONCE) for i in range(0, batch, MOST_AT_ONCE)):
            stack[part] = matmul(*(x[part] if len(x) > 1 else x for x in (a, b)))
        return c
    a, a_k_fast = _as_it_lies(a)
    b, b_n_fast = _as_it_lies(b)
    tile, splits = tiles.lay_out(M, N, K, batch, dtype)
    wide = [vector(x, along=x.shape[-1]) for x in (a, b)]
    macros = tiles.macros(tile, min(wide), dtype)
    module = load("gemm.cu", dtype, **macros, A_K_FAST=int(a_k_fast), B_K_FAST=int(not b_n_fast))
    parts = c if splits == 1 else xp.empty((splits, batch, M, N), dtype)
    grid = -(-M // tile.BM), -(-N // tile.BN), batch * splits
    module.launch("gemm", grid, (tiles.threads(macros),), a=a, b=b, c=parts, batch_a=len(a), batch_b=len(b),
                  batch=batch, M=M, N=N, K=K, splits=splits)
    if splits > 1:
        module.launch("add_parts", (-(-c.size // THREADS),), (THREADS,), parts=parts, total=c, splits=splits,
                      size=c.size)
    return c


def _stacked(x, leading):
    """x (..., M, K) as (batch, M, K), one matrix where it is the same for all."""
    if math.prod(x.shape[:-2]) == 1:
        return x.reshape(1, *x.shape[-2:])
    return xp.broadcast_to(x, (*leading, *x.shape[-2:])).reshape(-1, *x.shape[-2:])


def _as_it_lies(x):
    """(x or its transpose, in C order, whether it is x): a copy only if x is neither."""
    if not x.flags.c_contiguous and x.swapaxes(1, 2).flags.c_contiguous:
        return x.swapaxes(1, 2), False
    return xp.ascontiguousarray(x), True
