"""The three maps of conv.py by the kernels of conv.cu: what cpu/convolution.py is, with the same arguments.

Arrays come in any layout; kernels take channels-last, which is free for what another convolution made. Filters are
copied to (O, R, S, C/G). What goes out is channels-last under the NCHW view, as on a CPU.

Read before this: conv.cu, tiles.py.
"""
import math

import numpy as np

from ..backend import xp
from . import norm, tiles
from .launch import REALS, load, vector

THREADS = 256  # of the kernels with a thread per number


def convolve(x, w, bias, geometry, groups):
    """y = conv(x, w) + bias; bias may be None."""
    x, w, bias, dtype = _in_float(x, w, bias)
    y = xp.empty((len(x), *geometry.output, len(w)), x.dtype)
    _convolve(_last(x), w, bias, y, groups, geometry)
    return y.astype(dtype, copy=False).transpose(0, 3, 1, 2)


def conv_transpose(y, w, bias, geometry, groups):
    """x = conv^T(y, w) + bias; bias may be None. For each phase of the stride, a convolution of y: see conv.cu."""
    y, w, bias, dtype = _in_float(y, w, bias)
    G = groups
    w = w.reshape(G, len(w) // G, *w.shape[1:]).swapaxes(1, 2)  # the filters' inputs and outputs exchange roles
    w = w.reshape(w.shape[1] * G, *w.shape[2:])  # (C, O/G, R, S)
    x = xp.empty((len(y), *geometry.image, len(w)), y.dtype)
    y = _last(y)
    for (_, rows, columns), taps, phase in geometry.phases:
        _convolve(y, w[taps], bias, x, G, phase, pitch=geometry.stride, phase=(rows.start, columns.start))
    return x.astype(dtype, copy=False).transpose(0, 3, 1, 2)


def filter_gradient(x, y, geometry, groups):
    """w[o,c,r,s] = sum_npq y[n,o,p,q] x[n, c, stride p + dilation r - padding, ...]."""
    x, y, _, dtype = _in_float(x, y, None)
    C, O, G = x.shape[1], y.shape[1], groups
    x, y = _last(x), _last(y)
    sizes = _sizes(x, O, G, geometry)
    if G == C == O > 1:
        w = _filter_depthwise(x, y, sizes).transpose(2, 0, 1)[:, None]
    else:
        w = _filter_tile(x, y, sizes)
    return w.astype(dtype, copy=False)


def image_sums(x):
    """Sums over the pixels of each image and channel, (N, C, H, W) -> (N, C)."""
    if x.flags.c_contiguous or x.dtype not in REALS:
        return x.sum(axis=(2, 3))
    return norm.image_sums(x)  # CuPy's sum reads what is channels-last a number at a time, from lines of 32 bytes


def _convolve(x, w, bias, y, groups, geometry, pitch=(1, 1), phase=(0, 0)):
    """Fills pixels phase, phase + pitch, ... of y (N, OH, OW, O) with the convolution of x (N, H, W, C) by w."""
    OH, OW, O = y.shape[1:]
    sizes = _sizes(x, O, groups, geometry)
    sizes |= dict(OH=OH, OW=OW, pitch_h=pitch[0], pitch_w=pitch[1], phase_h=phase[0], phase_w=phase[1])
    pixels = len(y) * math.prod(geometry.output)
    if w.size == 0:  # taps that lie further apart than the filter is wide leave some pixels out
        y[:, phase[0] :: pitch[0], phase[1] :: pitch[1]] = 0 if bias is None else bias
        return
    if groups == x.shape[3] == O > 1:
        f = xp.ascontiguousarray(w[:, 0].transpose(1, 2, 0))  # (R, S, C)
        load("conv.cu", x.dtype, **_UNUSED).launch(
            "depthwise", (-(-pixels * O // THREADS),), (THREADS,), x=x, f=f, b=bias, y=y, **sizes)
        return
    f = xp.ascontiguousarray(w.transpose(0, 2, 3, 1))  # (O, R, S, C/G)
    Og, Cg, K = O // groups, w.shape[1], f[0].size
    tile, splits = tiles.lay_out(pixels, Og, K, groups, x.dtype)
    splits = splits if pitch == (1, 1) else 1
    macros = tiles.macros(tile, vector(x, f, along=Cg), x.dtype)
    target = y if splits == 1 else xp.empty((splits, *y.shape), y.dtype)
    grid = -(-pixels // tile.BM), -(-Og // tile.BN), groups * splits
    module = load("conv.cu", x.dtype, TILE=16, **macros)
    module.launch("conv_tile", grid, (tiles.threads(macros),), x=x, f=f, b=bias if splits == 1 else None, y=target,
                  splits=splits, **sizes)
    if splits > 1:
        _add_splits(module, target, bias, y)


def _filter_tile(x, y, sizes):
    R, S, O, Cg, Og = (sizes[name] for name in ("R", "S", "O", "Cg", "Og"))
    groups, pixels = O // Og, y.size // O
    tile, splits = tiles.lay_out(Og, R * S * Cg, pixels, groups, x.dtype)
    macros = tiles.macros(tile, min(vector(x, y, along=Cg), vector(x, y, along=Og)), x.dtype)
    w = xp.empty((O, Cg, R, S), x.dtype)
    parts = w if splits == 1 else xp.empty((splits, *w.shape), x.dtype)
    grid = -(-Og // tile.BM), -(-R * S * Cg // tile.BN), groups * splits
    module = load("conv.cu", x.dtype, TILE=16, **macros)
    module.launch("filter_tile", grid, (tiles.threads(macros),), x=x, y=y, w=parts, splits=splits, **sizes)
    if splits > 1:
        _add_splits(module, parts, None, w)
    return w


def _filter_depthwise(x, y, sizes):
    R, S, C = sizes["R"], sizes["S"], x.shape[3]
    blocks = -(-C // 32) * R * S
    _, splits = tiles.lay_out(1, 1, y.size // C, blocks, x.dtype)
    parts = xp.empty((splits, R, S, C), x.dtype)
    module = load("conv.cu", x.dtype, **_UNUSED)
    module.launch("filter_depthwise", (-(-C // 32), R * S, splits), (32, 8), x=x, y=y, w=parts, splits=splits, **sizes)
    w = parts[0] if splits == 1 else xp.empty((R, S, C), x.dtype)
    if splits > 1:
        _add_splits(module, parts, None, w)
    return w


def _add_splits(module, parts, bias, total):
    channels = 1 if bias is None else len(bias)
    module.launch("add_splits", (-(-total.size // THREADS),), (THREADS,), parts=parts, b=bias, total=total,
                  splits=len(parts), size=total.size, O=channels)


_UNUSED = dict(TILE=16, **tiles.TILES[-1]._asdict(), VEC=1, TENSOR_CORES=0)  # kernels without tiles


def _sizes(x, O, groups, geometry):
    """The numbers that conv.cu's kernels take, by name. x (N, H, W, C)."""
    N, H, W, C = x.shape
    sizes = dict(N=N, H=H, W=W, C=C, O=O, Cg=C // groups, Og=O // groups)
    sizes |= zip("PQRS", geometry.output + geometry.kernel)
    for name in ("stride", "dilation", "padding"):
        sizes |= zip((f"{name}_h", f"{name}_w"), getattr(geometry, name))
    return sizes


def _last(x):
    """x (N, C, H, W) as a channels-last array (N, H, W, C)."""
    return xp.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _in_float(x, w, bias):
    """(x, w, bias, x's dtype), the arrays in a dtype that kernels have: half precision is computed in single."""
    dtype = x.dtype
    if dtype == np.float16:
        x, w, bias = (a if a is None else a.astype(np.float32) for a in (x, w, bias))
    return x, w, None if bias is None else xp.ascontiguousarray(bias), dtype
