"""Flow matching: a network learns the velocity at which noise moves to data, on straight lines between them.

    x_t    = (1 - t) x_0 + t eps,   t ~ U[0, 1]                   a line from data, t = 0, to noise, t = 1
    loss   = E |u_theta(x_t, t) - (eps - x_0)|^2                  its velocity; conditional flow matching
    dx/dt  = u_theta(x, t)                                        from t = 1 to 0: samples

Lines cross, and where they do no one velocity is right. The mean of all that pass, which the squared error asks for,
is the velocity of a flow whose densities at each t are those of x_t (theorem 1 of the paper): points on it never
cross, and it bends. It is the equation without noise of a diffusion whose levels are a = 1 - t, s = t: so DDIM and
Heun solve it, and its likelihood is that of diffusion/ode_likelihood.py.

Rectified flow goes on from there. Pairs of noise and the point that the flow leads it to, in the place of any point,
are a new coupling of the same two distributions, whose lines cross less, so that a second flow is straighter, and needs
fewer steps. On a line the pairs keep their order, and no lines cross: then one step is exact.

    x_0    = where the flow leads eps                             "reflow", Liu et al. 2023, algorithm 1
    S      = E int |dx/dt - (eps - x_0)|^2 dt                     along paths from eps to x_0: 0 for straight ones

Source: Lipman et al. 2023, "Flow matching for generative modeling", eqs. 20-23, whose t runs the other way, from noise
to data, and who leave sigma_min of noise at its end; Liu, Gong & Liu 2023, "Flow straight and fast". Symbols: N
examples. Read before this: ddpm.py, diffusion/samplers.py.
Course: 12.10.
"""
import numpy as np

from autograd import Tensor, mse_loss, no_grad
from autograd.backend import normal, to_numpy

from ...diffusion import (
    denoiser,
    differentiable,
    directions,
    dpm_pp,
    euler,
    heun,
    ode_log_likelihood,
    recorded,
    straight_levels,
)
from ...diffusion.levels import Level, noised
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 250  # examples that are drawn or measured at a time
EARLIEST = 1e-4  # t: where an example is taken for x_t, when its likelihood is asked for


class FlowMatching(Module):
    """network: (Tensor (N, *shape), t (N,)) -> Tensor (N, *shape), told 1000 t. space: of images, on [-1, 1], or of
    points. steps: of Heun's method, or of another sampler."""

    judged = 1000  # samples for the judges

    def __init__(self, network, space, steps=20, sampler=heun):
        self.network, self.space, self.sampler, self.levels = network, space, sampler, straight_levels(steps)

    def players(self):
        return [Player("flow", self.network.parameters(), self.loss)]

    def forward(self, x, t):
        """u_theta(x, t), Tensor of x's shape; t (N,) in [0, 1]."""
        return self.network(x, 1000.0 * t)

    def loss(self, batch, rng):
        x_0 = self.space.signed(batch["x"])
        t, eps = rng.random(len(x_0)), normal(rng, x_0.shape)
        return {"loss": self.along(x_0, eps, t)}

    def along(self, x_0, eps, t):
        """The squared error of the velocity at t on the lines from x_0 to eps."""
        x_t = noised(x_0, eps, Level(1.0 - t, t, t))
        return mse_loss(self(Tensor(x_t), t), Tensor(eps - x_0))

    @property
    def denoise(self):
        """The network as samplers take it: (x_t, level) -> x_0."""
        return denoiser(self, "velocity")

    def sample(self, n, rng):
        def draw(part):
            x = normal(rng, (len(part), *self.space.shape))
            return self.space.from_signed(self.sampler(self.denoise, x, self.levels, rng=rng))

        return in_chunks(draw, range(n), CHUNK)

    def log_likelihood(self, x, rng, steps=100):
        """log p of points, or of images on [-1, 1], NumPy (N,), nats; in many dimensions by a random direction each."""
        levels = [*straight_levels(steps)[:-1], Level(1 - EARLIEST, EARLIEST, EARLIEST)]
        return ode_log_likelihood(differentiable(self, "velocity"), x, levels, directions(x, rng))[0]

    def measure(self, batch, rng):
        """Of points the likelihood; of images, which would have to be dequantized for one, the loss."""
        if self.space.levels is None:
            nats = -in_chunks(lambda x: self.log_likelihood(self.space.signed(x), rng), batch["x"][:self.judged], CHUNK)
            return [Measure("NLL", *mean_interval(nats), "nats", f"N = {len(nats)}, 100 steps of Heun's method")]
        x_0 = self.space.signed(batch["x"][:self.judged])
        t, eps = rng.random(len(x_0)), normal(rng, x_0.shape)
        with no_grad():
            u = in_chunks(lambda i: self(Tensor(noised(x_0, eps, Level(1 - t, t, t))[i]), t[i]).data,
                          np.arange(len(x_0)), CHUNK)
        errors = ((u - to_numpy(eps - x_0)) ** 2).reshape(len(u), -1).mean(axis=1)
        return [Measure("squared error", *mean_interval(errors), "", "of the velocity, a mean over pixels and t")]


class Rectified(FlowMatching):
    """The flow of the pairs that another one makes. flow: Frozen, with denoise and space. way: the levels, and solver:
    the sampler, by which it makes them, without noise. steps, sampler: how samples are drawn."""

    def __init__(self, network, flow, way, solver=dpm_pp, steps=4, sampler=euler):
        if len(way) < 2 or way[0].a != 0:
            raise ValueError(f"Rectified: the way begins with {way[0] if way else 'nothing'}; expected noise alone, as "
                             "in straight_levels: what the new flow begins with")
        super().__init__(network, flow.space, steps, sampler)
        self.flow, self.solver, self.pairs = flow, solver, way

    def players(self):
        return [Player("flow", self.network.parameters(), self.loss, data=False)]

    def loss(self, n, rng):
        x_0, eps = self.coupled(n, rng)
        return {"loss": self.along(x_0, eps, rng.random(n))}

    def coupled(self, n, rng):
        """x_0 and eps (n, ...): noise, and where the flow leads it."""
        eps = normal(rng, (n, *self.space.shape))
        return self.solver(self.flow.denoise, eps, self.pairs), eps


def straightness(denoise, x, levels):
    """S of the paths from x (N, ...): 0 for straight ones, passed at one speed. levels: many, of any process; its t is
    taken as time."""
    frames = []
    x_0 = heun(recorded(denoise, frames), x, levels)
    at = {level.t: x_t for level, x_t, _ in frames}  # of Heun's calls at a level the last counts
    path = [*(at[level.t] for level in levels[:-1]), x_0]
    line, S = x - x_0, 0.0
    for t, s, before, after in zip(levels, levels[1:], path, path[1:]):
        dt = (t.t - s.t) / (levels[0].t - levels[-1].t)
        S += dt * float((((before - after) / dt - line) ** 2).sum()) / len(x)
    return S
