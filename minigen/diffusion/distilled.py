"""Distilled: a diffusion's way from noise to an image, learnt as a function that takes a few steps, or one.

A teacher's equation without noise leads from each x_t to one image. That image is a function of x_t and t, and a
student can learn it, from the teacher alone. As the student is to return images at all levels, it is scaled as EDM's
denoiser is, in sigma = s / a, of which it subtracts the least, m:

    f(x, t)  = c_skip x + c_out F(c_in x, t)
    c_in     = 1 / sqrt(a^2 sd^2 + s^2)
    c_skip   = 1 / a  sd^2 / ((sigma - m)^2 + sd^2)         = a sd^2 / ((s - a m)^2 + a^2 sd^2)
    c_out    = sd (sigma - m) / sqrt(sigma^2 + sd^2)        = sd (s - a m) / sqrt(s^2 + a^2 sd^2)

(Song et al. 2023, appendix C, for a = 1; on the right as it is computed, at a = 0 too)
so that at sigma = m, f(x, t) = x / a, whatever the network F says: the boundary condition. With sd = 1 and m = 0, F is
-v of predict.py.

Symbols: sd standard deviation of the data on [-1, 1]; t, s levels, s below t. Read before this: levels.py, samplers.py.
Read next: models/diffusion/consistency.py, models/diffusion/progressive.py.
"""
import numpy as np

from autograd import Tensor, as_tensor, no_grad
from autograd.backend import normal, to_numpy, xp

from ..metrics import Measure, mean_interval
from ..nn import Module
from ..nn.chunks import in_chunks
from .levels import CLEAN, Level
from .samplers import heun, renoise

CHUNK = 250  # examples that are drawn at a time


class Distilled(Module):
    """A Module with `network`, (x_t, t) -> F; `teacher`: a Frozen diffusion with space and denoise; `levels`: those of
    its process that are learnt, without CLEAN; `sd`; `m`; and way(steps), the levels to draw by."""

    judged = 1000  # samples for the judges
    steps = fewest = None  # that `sample` takes, and that `measure` does; `way` knows what None is
    drawn_by = staticmethod(renoise)

    @property
    def space(self):
        return self.teacher.space

    def f(self, network, x, level):
        """The image, a Tensor of x's shape. level: of numbers, or of columns."""
        a, s = (np.asarray(number, np.float64) for number in level[:2])
        x = as_tensor(x)
        c_in, c_skip, c_out = (xp.asarray(c(a, s), x.dtype) for c in (self.c_in, self.c_skip, self.c_out))
        return c_skip * x + c_out * network(c_in * x, np.broadcast_to(np.ravel(level.t), len(x)))

    def c_in(self, a, s):
        return 1.0 / np.sqrt((a * self.sd) ** 2 + s**2)

    def c_skip(self, a, s):
        return a * self.sd**2 / ((s - a * self.m) ** 2 + (a * self.sd) ** 2)

    def c_out(self, a, s):
        return self.sd * (s - a * self.m) / np.sqrt(s**2 + (a * self.sd) ** 2)

    def columns(self, levels, i, x):
        """The levels of numbers i (N,), as one whose numbers broadcast against x (N, ...)."""
        a, s, t = (np.array(numbers)[i] for numbers in zip(*levels))
        shape = (-1, *[1] * (x.ndim - 1))
        return Level(*(xp.asarray(number, x.dtype).reshape(shape) for number in (a, s)), t)

    def denoise(self, x_t, level):
        """What samplers take, within [-1, 1] for images: (x_t, level) -> x_0."""
        with no_grad():
            return self.limited(self.f(self.network, Tensor(x_t), level).data)

    def limited(self, x_0):
        return x_0 if self.space.levels is None else xp.clip(x_0, -1.0, 1.0)

    def sample(self, n, rng, steps=None):
        """n examples in so many steps, the model's if left out: calls of the network."""
        levels = self.way(steps or self.steps)

        def draw(part):
            x_T = levels[0].s * normal(rng, (len(part), *self.space.shape))
            return self.space.from_signed(self.drawn_by(self.denoise, x_T, levels, rng=rng))

        return in_chunks(draw, range(n), CHUNK)

    def measure(self, batch, rng):
        """How far from where the teacher's equation leads from the same noise the fewest steps end, and how far the
        teacher's own one step does."""
        x_T = self.levels[0].s * normal(rng, (min(len(batch["x"]), CHUNK), *self.space.shape))
        taught = heun(self.teacher.denoise, x_T, [*self.levels, CLEAN])
        off = lambda x: to_numpy(((x - taught) ** 2).reshape(len(x), -1).mean(axis=1))
        guess, half_width = mean_interval(off(self.teacher.denoise(x_T, self.levels[0])))
        way = self.way(self.fewest)
        return [Measure("squared error", *mean_interval(off(self.drawn_by(self.denoise, x_T, way))), "",
                        f"steps {len(way) - 1}, to the teacher's {2 * len(self.levels) - 1} calls from the same noise, "
                        f"N = {len(x_T)}; the teacher's own in one step: {guess:.3f} ± {half_width:.3f}")]
