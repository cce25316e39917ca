"""What surrounds the network in training and sampling, each in one pass: on a GPU a kernel, here its definition.

    t       = draw_times(seed, step, n, T)                     DDPM, algorithm 1, with noise that is drawn twice
    x_t     = q_sample(x_0, t, a, s, seed, step)               instead of being stored: it is a function of the seed
    loss, g = noise_loss(eps_hat, seed, step)                  and the step (philox.py)

    draw_normal(x_T, seed, step)                               algorithm 2: x_T, written in place
    x_s     = reverse_step(x_t, quantity, unconditional, table, row, seed, step, w)

One step down of any sampler in samplers.py, for any prediction in predict.py, is linear but for the clipping:

    q   = (1 + w) conditional - w unconditional     guidance, Ho & Salimans 2021, eq. 6; w = 0 changes nothing
    x_0 = clip(p_t x_t + p_q q)                     the prediction as an image
    x_s = k_0 x_0 + k_t x_t + sigma z

and `reverse_table` makes a row of these five numbers for each step.

step and row are arrays (1,) of int32: on a GPU they are read when the kernel runs, so that a loop can be captured once
and replayed, and `advance` moves them on. Arrays are float32 or float64; noise follows the order of the flattened
NCHW array, whatever the memory's. Read before this: samplers.py, philox.py. Read next: loop.py,
autograd/gpu/diffusion.cu.
"""
import numpy as np

from autograd import gpu
from autograd.backend import asarray, by_device, xp

from ..predict import prediction
from ..samplers import descent
from . import philox


def _draw_times(seed, step, n, last):
    return philox.times(seed, step[0], n, last)


def _q_sample(x_0, t, a, s, seed, step):
    per_image = (-1,) + (1,) * (x_0.ndim - 1)
    return a[t].reshape(per_image) * x_0 + s[t].reshape(per_image) * philox.normals(seed, step[0], x_0.shape, x_0.dtype)


def _noise_loss(eps_hat, seed, step):
    d = eps_hat - philox.normals(seed, step[0], eps_hat.shape, eps_hat.dtype)
    return (d * d).mean(), 2.0 / d.size * d


def _draw_normal(x, seed, step):
    x[...] = philox.normals(seed, step[0], x.shape, x.dtype)


def _reverse_step(x_t, quantity, unconditional, table, row, seed, step, w=0.0, low=-1.0, high=1.0, out=None):
    p_t, p_q, k_0, k_t, sigma = table[row[0]]
    q = quantity if unconditional is None else (1.0 + w) * quantity - w * unconditional
    x_0 = np.clip(p_t * x_t + p_q * q, low, high)
    x_s = k_0 * x_0 + k_t * x_t
    if sigma > 0:
        x_s += sigma * philox.normals(seed, step[0], x_t.shape, x_t.dtype)
    out = np.empty_like(x_t) if out is None else out
    out[...] = x_s
    return out


def _set_times(t, times, row):
    t[...] = times[row[0]]


def _advance(row, by=1):
    row += by


draw_times = by_device(_draw_times, gpu.diffusion.draw_times)
q_sample = by_device(_q_sample, gpu.diffusion.q_sample)
noise_loss = by_device(_noise_loss, gpu.diffusion.noise_loss)
draw_normal = by_device(_draw_normal, gpu.diffusion.draw_normal)
reverse_step = by_device(_reverse_step, gpu.diffusion.reverse_step)
set_times = by_device(_set_times, gpu.diffusion.set_times)
advance = by_device(_advance, gpu.diffusion.advance)


def signal_table(schedule, dtype=np.float32):
    """(a, s), arrays (T + 1,) indexed by t: x_t = a[t] x_0 + s[t] eps."""
    return asarray(np.sqrt(schedule.alpha_bar), dtype), asarray(np.sqrt(1.0 - schedule.alpha_bar), dtype)


def reverse_table(levels, move, kind="eps", dtype=np.float32):
    """(times, table): t of each step down (steps,) int32, and its five numbers (steps, 5).

    levels: of a Schedule. move: one of samplers.py, (t, s) -> (k_0, k_t, sigma). kind: what the network predicts.
    ValueError if a t is not a whole number: the loop keeps them as such.
    """
    x_0 = prediction(kind, "kind").x_0  # linear in both: its numbers are its values at (0, 1) and (1, 0)
    times = [level.t for level in levels[:-1]]
    if any(t != int(t) for t in times):
        raise ValueError(f"reverse_table: t is {', '.join(f'{t:.4g}' for t in times[:3])}, ..., expected whole "
                         "numbers, as of schedule.levels(50)")
    rows = [[x_0(0.0, 1.0, t.a, t.s), x_0(1.0, 0.0, t.a, t.s), *move(t, s)] for t, s in descent(levels)]
    return asarray(np.array(times, np.int32)), asarray(np.array(rows), dtype)


def counter(start=0):
    """A number of a step, in device memory: an array (1,)."""
    return xp.full(1, start, np.int32)
