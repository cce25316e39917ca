"""Group normalization by norm.cu, on arrays (N, C, H, W) in any layout; results are channels-last. Read: norm.cu."""
from ..backend import xp
from .launch import load

THREADS = 256


def group_norm(x, w, b, groups, eps):
    """(y, mean, rstd), the last two (N, groups). w, b: (C,) or None."""
    x, shape, sizes = _last(x, groups)
    w, b = (t if t is None else xp.ascontiguousarray(t) for t in (w, b))
    y, mean, rstd = xp.empty_like(x), *(xp.empty((sizes["N"], groups), x.dtype) for _ in range(2))
    load("norm.cu", x.dtype).launch("group_norm", (sizes["N"], groups), (THREADS,), x=x, w=w, b=b, y=y, mean=mean,
                                    rstd=rstd, eps=eps, **sizes)
    return _first(y, shape), mean, rstd


def group_norm_gradient(x, w, g, mean, rstd):
    """dL/dx."""
    (x, shape, sizes), g = _last(x, mean.shape[1]), _last(g, 1)[0]
    w = None if w is None else xp.ascontiguousarray(w)
    dx = xp.empty_like(x)
    load("norm.cu", x.dtype).launch("group_norm_gradient", (sizes["N"], sizes["G"]), (THREADS,), x=x, w=w, g=g,
                                    mean=mean, rstd=rstd, dx=dx, **sizes)
    return _first(dx, shape)


def channel_sums(x, g, mean, rstd):
    """(dL/dw, dL/db), each (C,)."""
    (x, _, sizes), g = _last(x, mean.shape[1]), _last(g, 1)[0]
    sums_gx, sums_g = (xp.empty((sizes["N"], sizes["C"]), x.dtype) for _ in range(2))
    load("norm.cu", x.dtype).launch("channel_sums", (sizes["N"], -(-sizes["C"] // 32)), (32, 8), x=x, g=g, mean=mean,
                                    rstd=rstd, sums_gx=sums_gx, sums_g=sums_g, **sizes)
    return sums_gx.sum(axis=0), sums_g.sum(axis=0)


def image_sums(x):
    """Sums over the pixels of each image and channel, (N, C)."""
    x, _, sizes = _last(x, 1)
    sums = xp.empty((sizes["N"], sizes["C"]), x.dtype)
    load("norm.cu", x.dtype).launch("channel_sums", (sizes["N"], -(-sizes["C"] // 32)), (32, 8), x=None, g=x,
                                    mean=None, rstd=None, sums_gx=None, sums_g=sums, **sizes)
    return sums


def _last(x, groups):
    """(x as (N, S, C), its shape, the sizes by name)."""
    N, C, H, W = x.shape
    last = xp.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(N, H * W, C)
    return last, x.shape, dict(N=N, S=H * W, C=C, G=groups)


def _first(y, shape):
    N, C, H, W = shape
    return y.reshape(N, H, W, C).transpose(0, 3, 1, 2)
