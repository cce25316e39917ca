"""The kernels of diffusion.cu on arrays. The same functions in NumPy: minigen/diffusion/fused.py, which also documents
them. Read before this: diffusion.cu."""
from ..backend import xp
from .launch import load

THREADS = 256


def draw_times(seed, step, n, last):
    """t (n,) uniform on 1..last."""
    t = xp.empty(n, xp.int32)
    _launch("draw_times", xp.float32, n, t=t, step=step, N=n, last=last, **_halves(seed))
    return t


def q_sample(x_0, t, a, s, seed, step):
    """x_t = a[t] x_0 + s[t] eps."""
    x_0 = xp.ascontiguousarray(x_0)
    x_t = xp.empty_like(x_0)
    N = len(x_0)
    _launch("q_sample", x_0.dtype, -(-x_0.size // 4), x_0=x_0, t=t, a=a, s=s, x_t=x_t, step=step, N=N,
            D=x_0.size // max(1, N), steps=len(a), **_halves(seed))
    return x_t


def noise_loss(eps_hat, seed, step):
    """(mean of (eps_hat - eps)^2, its gradient)."""
    shape, eps_hat = eps_hat.shape, xp.ascontiguousarray(eps_hat)
    size = eps_hat.size
    gradient = xp.empty(shape, eps_hat.dtype)
    sums = xp.empty(-(-size // (4 * THREADS)), eps_hat.dtype)
    _launch("noise_loss", eps_hat.dtype, -(-size // 4), eps_hat=eps_hat, gradient=gradient, sums=sums, step=step,
            factor=2.0 / size, size=size, blocks=len(sums), **_halves(seed))
    return sums.sum() / size, gradient


def draw_normal(x, seed, step):
    """Fills x, in C order, with standard normal draws."""
    _launch("fill_normal", x.dtype, -(-x.size // 4), x=x, step=step, size=x.size, **_halves(seed))


def reverse_step(x_t, quantity, unconditional, table, row, seed, step, w=0.0, low=-1.0, high=1.0, out=None):
    """x_s, in `out` if given, which may be x_t."""
    x_t, quantity = xp.ascontiguousarray(x_t), xp.ascontiguousarray(quantity)
    unconditional = None if unconditional is None else xp.ascontiguousarray(unconditional)
    out = xp.empty_like(x_t) if out is None else out
    _launch("reverse_step", x_t.dtype, -(-x_t.size // 4), x_t=x_t, conditional=quantity, unconditional=unconditional,
            x_s=out, table=table, row=row, step=step, w=w, low=low, high=high, size=x_t.size, steps=len(table),
            **_halves(seed))
    return out


def set_times(t, times, row):
    """t[...] = times[row]."""
    _launch("set_times", xp.float32, len(t), t=t, times=times, row=row, N=len(t), steps=len(times))


def advance(row, by=1):
    """row += by."""
    load("diffusion.cu").launch("advance", (1,), (1,), row=row, by=by)


def _launch(name, real, threads, **arguments):
    load("diffusion.cu", real).launch(name, (-(-threads // THREADS),), (THREADS,), **arguments)


def _halves(seed):
    return dict(seed_low=seed & 0xFFFFFFFF, seed_high=seed >> 32 & 0xFFFFFFFF)
