"""How a matrix product is laid out on a GPU: which tile a block takes, and among how many blocks a sum is split.

The rule: the largest tile that still gives every multiprocessor a block, since a large tile uses what it fetches more
often; and if the smallest leaves some idle, k is split. Read before this: tile.cuh. Used by convolution.py, gemm.py.
"""
import math
from typing import NamedTuple

import numpy as np

from .. import backend

STEP = 64  # bytes of k that a tile takes at a time: BK = STEP / sizeof(T)
LEAST_STEPS = 8  # per split: below, a block would do little but begin and end
MOST_SPLITS = 64


class Tile(NamedTuple):
    """A tile of BM x BN by threads with TM x TN numbers each, or by warps with 32 x 32; STAGES panels in flight."""

    BM: int
    BN: int
    TM: int
    TN: int
    STAGES: int  # as many as fit into the 48 kB of shared memory that every block may have, at most 3


TILES = (  # from large to small; the tall ones for few columns
    Tile(128, 128, 8, 8, 2),
    Tile(128, 64, 8, 8, 3),
    Tile(64, 64, 8, 4, 3),
    Tile(128, 32, 8, 4, 3),
    Tile(64, 32, 4, 4, 3),
)


def lay_out(M, N, K, batch, dtype):
    """(tile, splits) for `batch` products of M x K by K x N."""
    tiles = [t for t in TILES if t.BN < 2 * max(N, 32)] or TILES[-1:]
    multiprocessors = backend.multiprocessors()
    blocks = lambda t: -(-M // t.BM) * -(-N // t.BN) * batch
    tile = next((t for t in tiles if blocks(t) >= multiprocessors), None)
    if tile is not None:
        return tile, 1
    tile = tiles[-1] if N <= 32 else next(t for t in tiles if t.BM == t.BN == 64 or t is tiles[-1])
    steps = math.ceil(K * np.dtype(dtype).itemsize / STEP)
    splits = min(2 * multiprocessors // max(1, blocks(tile)), steps // LEAST_STEPS, MOST_SPLITS)
    return tile, max(1, splits)


def macros(tile, vec, dtype):
    """The macros of tile.cuh."""
    tensor_cores = int(backend.tf32() and dtype == np.float32)
    return {**tile._asdict(), "VEC": vec, "TENSOR_CORES": tensor_cores}


def threads(macros):
    """Threads per block."""
    if macros["TENSOR_CORES"]:
        return macros["BM"] * macros["BN"] // 32
    return macros["BM"] // macros["TM"] * macros["BN"] // macros["TN"]
