"""Progressive distillation: a student learns to do in one step what its teacher does in two, and is the next teacher.

    x_mid, x_s = two steps of DDIM with the teacher, from x_t = a x_0 + s eps
    aim        = (x_s - (s.s / t.s) x_t) / (s.a - (s.s / t.s) t.a)       the x_0 that leads DDIM from x_t to x_s at once
    L          = E (a^2 / s^2 + 1) |f(x_t, t) - aim|^2                   "SNR + 1": an error of v, alike at each level

Each round begins with the weights of the one before and has half of its steps: 16, 8, 4, 2, 1. The aim is a function of
x_t, unlike x_0, of which many lead to one x_t: so the student can be as sharp as the teacher. One step from noise alone
is possible since f is no prediction of eps, from which no x_0 follows at a = 0 (section 4); the first teacher here, a
DDPM, is one, so that the first round has the change to learn as well.

Source: Salimans & Ho 2022, "Progressive distillation for fast sampling of diffusion models", algorithm 2 and section 4.
Symbols: N examples; t, s levels, s two of the teacher's steps below t. Read before this: ddpm.py,
diffusion/distilled.py. Read next: consistency.py.
Course: 12.14.
"""
import numpy as np

from autograd import Tensor, no_grad
from autograd.backend import normal

from ...diffusion import CLEAN, Distilled, ddim
from ...diffusion.levels import noised
from ...player import Player


class Progressive(Distilled):
    """network, target: (x_t, t) -> F, Modules of one make: the student, and its teacher after the first round. teacher:
    that of the first round, a Frozen diffusion. levels: of its process, CLEAN at the end, 2^rounds steps or more."""

    drawn_by = staticmethod(ddim)
    m, sd = 0.0, 1.0

    def __init__(self, network, target, teacher, levels, rounds):
        if rounds < 1 or (len(levels) - 1) % 2**rounds or levels[-1] != CLEAN:
            raise ValueError(f"Progressive: {len(levels) - 1} steps for {rounds} rounds, each of which halves them; "
                             "expected a multiple of 2^rounds, and CLEAN at the end, as from schedule.levels(16)")
        self.network, self.target, self.teacher = network, target, teacher
        self.levels, self.rounds = levels[:-1], rounds
        self.register_buffer("round", np.zeros((), np.int64))

    def players(self):
        return [Player("student", self.network.parameters(), self.loss)]

    def halve(self):
        """Begins a round."""
        for target, theta in zip(self.target.parameters(), self.network.parameters(), strict=True):
            target.assign(theta.data)
        self.round += 1

    def way(self, steps=None):
        """The student's levels."""
        own = [*self.levels, CLEAN][:: 2 ** int(self.round)]
        if steps not in (None, len(own) - 1):
            raise ValueError(f"Progressive: steps is {steps}, and this student was taught to take {len(own) - 1}")
        return own

    def loss(self, batch, rng):
        """Algorithm 2."""
        x_0 = self.space.signed(batch["x"])
        levels = [*self.levels, CLEAN][:: 2 ** (int(self.round) - 1)]  # the teacher's
        i = 2 * rng.integers(len(levels) // 2, size=len(x_0))
        t, mid, s = (self.columns(levels, i + down, x_0) for down in range(3))
        x_t = noised(x_0, normal(rng, x_0.shape), t)
        aim = self.aim(x_t, self.step(self.step(x_t, t, mid), mid, s), t, s)
        snr = (t.a / t.s) ** 2
        return {"loss": ((snr + 1.0) * (self.f(self.network, Tensor(x_t), t) - aim) ** 2).mean()}

    def step(self, x, t, s):
        """DDIM's, with the teacher of this round."""
        if self.round == 1:
            x_0 = self.teacher.denoise(x, t)
        else:
            with no_grad():
                x_0 = self.limited(self.f(self.target, Tensor(x), t).data)
        return s.a * x_0 + s.s / t.s * (x - t.a * x_0)

    def aim(self, x_t, x_s, t, s):
        return (x_s - s.s / t.s * x_t) / (s.a - s.s / t.s * t.a)
