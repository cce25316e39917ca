"""The three maps of conv.py by the kernels of conv.cu: what columns.py is on the CPU, with the same arguments.

Arrays come in any layout; kernels take channels-last, which is free for what another convolution made. Filters are
copied to (O, R, S, C/G). What goes out is channels-last under the NCHW view, as in columns.py.

Read before this: conv.cu, tiles.py.
"""
import math

import numpy as np

from ..backend import xp
from ..geometry import Geometry
from . import norm, tiles
from .launch import REALS, load, vector

THREADS = 256  # of the kernels with a thread per number


def convolve(x, w, bias, geometry, groups):
    """y = conv(x, w) + bias; bias may be None."""
    x, w, bias, dtype = _in_float(x, w, bias)
    y = xp.empty((len(x), *geometry.output, len(w)), x.dtype)
    shift = dict(stride=geometry.stride, step=geometry.dilation, start=tuple(-n for n in geometry.before))
    _convolve(_last(x), w, bias, y, groups, **shift)
    return y.astype(dtype, copy=False).transpose(0, 3, 1, 2)


def transpose(y, w, bias, geometry, groups):
    """x = conv^T(y, w) + bias; bias may be None. For each phase of the stride, a convolution of y: see conv.cu."""
    y, w, bias, dtype = _in_float(y, w, bias)
    G, (H, W), (pitch_h, pitch_w) = groups, geometry.image, geometry.stride
    w = w.reshape(G, len(w) // G, *w.shape[1:]).swapaxes(1, 2)  # the filters' inputs and outputs exchange roles
    w = w.reshape(w.shape[1] * G, *w.shape[2:])  # (C, O/G, R, S)
    x = xp.empty((len(y), H, W, len(w)), y.dtype)
    y = _last(y)
    for i in range(min(pitch_h, H)):
        for j in range(min(pitch_w, W)):
            rows, step_h, start_h = _reaching_taps(i, geometry, 0)
            columns, step_w, start_w = _reaching_taps(j, geometry, 1)
            _convolve(y, w[:, :, rows, columns], bias, x, G, stride=(1, 1), step=(step_h, step_w),
                      start=(start_h, start_w), pitch=(pitch_h, pitch_w), phase=(i, j))
    return x.astype(dtype, copy=False).transpose(0, 3, 1, 2)


def filter_gradient(x, y, geometry, groups):
    """w[o,c,r,s] = sum_npq y[n,o,p,q] x[n, c, stride p + dilation r - before, ...]."""
    x, y, _, dtype = _in_float(x, y, None)
    C, O, G, (R, S) = x.shape[1], y.shape[1], groups, geometry.kernel
    x, y = _last(x), _last(y)
    sizes = _sizes(x, geometry.output, O, (R, S), G, geometry.stride, geometry.dilation,
                   tuple(-n for n in geometry.before))
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


def _convolve(x, w, bias, y, groups, stride, step, start, pitch=(1, 1), phase=(0, 0)):
    """Fills pixels phase, phase + pitch, ... of y (N, OH, OW, O) with the convolution of x (N, H, W, C) by w."""
    OH, OW, O = y.shape[1:]
    places = tuple(-(-(size - at) // by) for size, at, by in zip((OH, OW), phase, pitch))
    sizes = _sizes(x, places, O, w.shape[2:], groups, stride, step, start)
    sizes |= dict(OH=OH, OW=OW, pitch_h=pitch[0], pitch_w=pitch[1], phase_h=phase[0], phase_w=phase[1])
    pixels = len(y) * math.prod(places)
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


def _sizes(x, places, O, kernel, groups, stride, step, start):
    """The numbers that conv.cu's kernels take, by name. x (N, H, W, C)."""
    N, H, W, C = x.shape
    return dict(N=N, H=H, W=W, C=C, P=places[0], Q=places[1], O=O, R=kernel[0], S=kernel[1], Cg=C // groups,
                Og=O // groups, stride_h=stride[0], stride_w=stride[1], step_h=step[0], step_w=step[1],
                start_h=start[0], start_w=start[1])


def _reaching_taps(i, geometry: Geometry, axis):
    """Which taps r reach pixels i, i + stride, ... of the image: (a slice of r, step, start), where the r-th of the
    slice reaches pixel i + stride i' from place i' + step r + start."""
    stride, dilation, before = geometry.stride[axis], geometry.dilation[axis], geometry.before[axis]
    taps = [r for r in range(geometry.kernel[axis]) if (i + before - dilation * r) % stride == 0]
    if not taps:
        return slice(0), 0, 0
    every = stride // math.gcd(stride, dilation)
    return slice(taps[0], None, every), -every * dilation // stride, (i + before - dilation * taps[0]) // stride


def _last(x):
    """x (N, C, H, W) as a channels-last array (N, H, W, C)."""
    return xp.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _in_float(x, w, bias):
    """(x, w, bias, x's dtype), the arrays in a dtype that kernels have: half precision is computed in single."""
    dtype = x.dtype
    if dtype == np.float16:
        x, w, bias = (a if a is None else a.astype(np.float32) for a in (x, w, bias))
    return x, w, None if bias is None else xp.ascontiguousarray(bias), dtype
