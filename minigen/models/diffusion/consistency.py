"""Consistency model: one function that leads from anywhere on a diffusion's path to where the path ends, in one step.

    f(x_t, t) = f(x_s, s)      for x_t and x_s on one path of the equation without noise: consistency       (section 3)
    f(x_t, t) = x_t / a        at the least noise: the boundary condition, by c_skip and c_out              (eq. 5)

A function that has both is the flow from each x_t to the image: it is passed down from level to level. Without the
second, one that always says 0 has the first. It is learnt from pairs of neighbours t and s on one path, of which a
diffusion that was trained before, the teacher, makes the lower:

    x_t = a x_0 + s eps,   x_s = a step of Heun's method with the teacher, from x_t                             (eq. 6)
    L   = E |f_theta(x_t, t) - f_target(x_s, s)|^2                                                              (eq. 7)
    target <- mu target + (1 - mu) theta                                                                        (eq. 8)

The target carries no gradient. It is an average of theta's past, which changes slowly enough to be aimed at.

Sampling, algorithm 1: one step from noise; or the image under fresh noise of a lower level, and once more, which mends
what the first step has wrong.

Deviations: |.|^2 where the paper's best distance is that of a classifier's features; levels of the teacher's schedule,
even in t, where the paper has EDM's.

Source: Song et al. 2023, "Consistency models", algorithms 1 and 2. Symbols: N examples; t, s levels, s the one below
t; theta the network's weights. Read before this: ddpm.py, diffusion/distilled.py.
Course: 12.14.
"""
import numpy as np

from autograd import Tensor, mse_loss, no_grad
from autograd.backend import normal

from ...diffusion import CLEAN, Distilled
from ...diffusion.levels import noised
from ...diffusion.samplers import heun_step
from ...player import Player


class Consistency(Distilled):
    """network, target: (x_t, t) -> F, Modules of one make. teacher: a Frozen diffusion. levels: of the teacher's
    process, CLEAN at the end. sd: of the data on [-1, 1]. mu: how slowly the target follows. steps: how `sample` draws,
    1 or more, the levels between evenly spread."""

    fewest = 1

    def __init__(self, network, target, teacher, levels, sd=0.5, mu=0.95, steps=2):
        if len(levels) < 3 or levels[-1] != CLEAN:
            raise ValueError(f"Consistency: {len(levels)} levels, and the last is ({levels[-1] if levels else 'none'});"
                             " expected 3 or more, and CLEAN at the end, as from schedule.levels(20)")
        if not (0.0 <= mu < 1.0 and sd > 0):
            raise ValueError(f"Consistency: mu is {mu}, expected at least 0 and below 1; sd is {sd}, expected above 0")
        self.network, self.target, self.teacher = network, target, teacher
        self.levels, self.sd, self.mu, self.steps = levels[:-1], sd, mu, steps
        self.m = self.levels[-1].s / self.levels[-1].a
        self.follow(0.0)

    def players(self):
        return [Player("consistency", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        """Algorithm 2."""
        if self.training:
            self.follow(self.mu)  # after the last step
        x_0 = self.space.signed(batch["x"])
        i = rng.integers(len(self.levels) - 1, size=len(x_0))
        t, s = (self.columns(self.levels, number, x_0) for number in (i, i + 1))
        x_t = noised(x_0, normal(rng, x_0.shape), t)
        x_s = self.below(x_t, t, s)
        with no_grad():
            aim = self.f(self.target, x_s, s)
        return {"loss": mse_loss(self.f(self.network, Tensor(x_t), t), aim)}  # course 12.14

    def below(self, x_t, t, s):
        """x_s on the path of x_t, as the teacher leads it (eq. 6)."""
        return heun_step(self.teacher.denoise, x_t, t, s)

    def follow(self, mu):
        """Eq. 8."""
        for target, theta in zip(self.target.parameters(), self.network.parameters(), strict=True):
            target.assign(mu * target.data + (1.0 - mu) * theta.data)

    def way(self, steps):
        """The noisiest level, steps - 1 of those below it, evenly spread, and CLEAN."""
        if not 1 <= steps <= len(self.levels):
            raise ValueError(f"Consistency: steps is {steps}, expected 1 to {len(self.levels)}")
        return [*(self.levels[i] for i in np.arange(steps) * len(self.levels) // steps), CLEAN]
