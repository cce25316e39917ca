"""DDPM: noise is added to an image in T small steps, and a network learns to take it out again.

    q(x_t | x_0)           = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I)                               (eq. 4)
    p_theta(x_{t-1} | x_t) = N(mu_theta(x_t, t), sigma_t^2 I),   sigma_t^2 = beta_t                      (section 3.2)
    mu_theta(x_t, t)       = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_theta(x_t, t)) / sqrt(alpha_t)    (eq. 11)
    L_simple               = E |eps - eps_theta(sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, t)|^2 (eq. 14)

The network eps_theta sees a noisy image and the time t, and says what in it is noise. To draw an image, start from
noise alone and do a T-th of what it says, T times, each time with a little fresh noise. L_simple is the variational
bound on -log p(x_0) with its terms weighted equally; `measure` reports the bound itself.

Source: Ho, Jain & Abbeel 2020, "Denoising diffusion probabilistic models".
Symbols: N images, T diffusion steps, t = 1..T, eps noise. Read before this: diffusion/schedule.py, nn/unet.py. Read
next: diffusion/predict.py and diffusion/samplers.py, which draw with fewer steps. On a GPU both algorithms run as CUDA
graphs, without Python in the loop: diffusion/captured/.
Course: 9.1, 9.2, 9.3, 9.4.
"""
import math

import numpy as np

from autograd import Tensor, mse_loss, no_grad
from autograd.backend import by_device, normal

from ...diffusion import bits_per_dim, clipped, denoiser
from ...diffusion.captured.loop import SamplingLoop, TrainingLoop
from ...diffusion.samplers import MOVES, ancestral
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 250  # images that are drawn or measured at a time
STRATA = 20  # terms of the bound that are measured, of T


class DDPM(Module):
    """network(x_t, t) -> eps, on images of this space, scaled to [-1, 1].

    sampler, steps: how `sample` draws, by one of diffusion/samplers.py, and in how many steps; all T of them for None.
    """

    judged = 1000  # samples for the judges: each takes `steps` passes through the network

    def __init__(self, network, schedule, space, sampler=ancestral, steps=None):
        if not space.is_image or space.levels is None:
            raise ValueError(f"DDPM: shape {space.shape} is that of points; this model takes images, e.g. digits")
        self.network, self.schedule, self.space = network, schedule, space
        self.sampler, self.levels = sampler, schedule.levels(steps)

    def players(self):
        return [Player("ddpm", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        """Algorithm 1: the loss that one step of training descends."""
        x_0 = self.space.signed(batch["x"])  # 2: x_0 ~ q(x_0)
        t = rng.integers(1, self.schedule.T + 1, size=len(x_0))  # 3: t ~ Uniform({1, ..., T})
        eps = normal(rng, x_0.shape)  # 4: eps ~ N(0, I)
        x_t = self.schedule.q_sample(x_0, t, eps)
        return {"L_simple": mse_loss(self.network(x_t, t), Tensor(eps))}  # 5; course 9.4

    def generate(self, n, rng):
        """Algorithm 2: n images from noise in T steps, on [-1, 1]."""
        alpha, alpha_bar, beta = (table.tolist() for table in
                                  (self.schedule.alpha, self.schedule.alpha_bar, self.schedule.beta))
        x = normal(rng, (n, *self.space.shape))  # 1: x_T ~ N(0, I)
        for t in range(self.schedule.T, 0, -1):  # 2
            z = normal(rng, x.shape) if t > 1 else 0.0  # 3
            with no_grad():
                eps = self.network(x, np.full(n, t)).data
            mu = (x - beta[t] / math.sqrt(1.0 - alpha_bar[t]) * eps) / math.sqrt(alpha[t])  # eq. 11; course 9.4
            x = mu + math.sqrt(beta[t]) * z  # 4
        return x  # 6

    @property
    def denoise(self):
        """The network as the samplers of minigen.diffusion take it: (x_t, level) -> x_0, kept within [-1, 1]."""
        return clipped(denoiser(self.network, "eps"))

    def sample(self, n, rng):
        return in_chunks(lambda part: self.space.from_signed(self._draw(len(part), rng)), range(n), CHUNK)

    def _draw_by_steps(self, n, rng):
        return self.sampler(self.denoise, normal(rng, (n, *self.space.shape)), self.levels, rng=rng)

    def _draw_by_graph(self, n, rng):
        """The same by a CUDA graph, for samplers that are linear but for the network; with other noise."""
        if self.sampler not in MOVES or n == 0:
            return self._draw_by_steps(n, rng)
        seed = int(rng.integers(2**63))
        return SamplingLoop(self.network, self.levels, MOVES[self.sampler], (n, *self.space.shape), seed=seed)()

    _draw = by_device(_draw_by_steps, _draw_by_graph)

    def captured_step(self, optimizer, batch_size, seed, clip):
        """Algorithm 1 as a CUDA graph, for train.Stage: a function of a batch and of `done`."""
        shape = batch_size, *self.space.shape
        loop = TrainingLoop(self.network, self.schedule, optimizer, shape, seed=seed, clip=clip)
        return lambda batch, done: {"L_simple": loop(self.space.signed(batch["x"]), done)}

    def measure(self, batch, rng):
        x = batch["x"][:self.judged]
        chunks = [self.space.signed(x[i : i + CHUNK]) for i in range(0, len(x), CHUNK)]
        bits = np.concatenate([bits_per_dim(self.denoise, x_0, self.schedule, self.space.levels, rng, STRATA)
                               for x_0 in chunks])
        mean, half_width = mean_interval(bits)
        nats = self.space.size * math.log(2.0)
        detail = f"variational bound, N = {len(x):,}, T = {self.schedule.T}, {STRATA + 1} of its terms drawn per image"
        return [Measure("NLL", mean, half_width, "bits/dim", detail),
                Measure("NLL", mean * nats, half_width * nats, "nats", "the same per image")]
