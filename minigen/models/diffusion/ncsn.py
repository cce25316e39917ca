"""NCSN, the noise conditional score network: one network for the scores of the data under L different amounts of noise.

    sigma_1 > sigma_2 > ... > sigma_L                                        a geometric sequence
    l(sigma) = 1/2 E |s_theta(x + sigma eps, sigma) + eps / sigma|^2         denoising score matching   (eq. 5)
    loss     = 1/L sum_i lambda(sigma_i) l(sigma_i),  lambda = sigma^2       each level counts the same (eq. 6)

Under little noise the score tells where exactly data lie, but was never seen away from them; under much, it is known
everywhere, and leads there. To draw, follow the noisiest first: diffusion/annealed.py.

    s_theta(x, sigma_i) = network(x / sqrt(1 + sigma_i^2), i) / sigma_i

so that the network sees and says numbers of one size (Song & Ermon 2020, technique 3, for the division by sigma_i).
With lambda the loss is 1/2 E |network + eps|^2: a network that says 0 has D / 2, at every level. For a small sigma, the
best is next to that as well: nearly all of eps cannot be known. So look at the field, not at the loss. And the part of
eps that is only noise would drown the other in the gradient; but each x is taken with eps and -eps, and in the sum over
both, that part cancels but for a share that falls with sigma (the paper has single draws).

Source: Song & Ermon 2019, "Generative modeling by estimating gradients of the data distribution"; 2020, "Improved
techniques". Symbols: N examples, D numbers in each; t here counts from 1, the least noise, to L, as in a schedule.
Read before this: diffusion/score_matching.py. Read next: diffusion/annealed.py, models/diffusion/score_sde.py.
Course: 9.5.
"""
from functools import partial

import numpy as np

from autograd import no_grad
from autograd.backend import normal, to_numpy, xp

from ...diffusion import annealed_langevin, denoiser
from ...diffusion.score_matching import denoising
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 250  # examples that are drawn at a time


class NCSN(Module):
    """network: (Tensor (N, *shape), t (N,)) -> Tensor (N, *shape). levels: geometric_levels(L, ...). space: of images,
    or of points. steps, rate: of the walk at each level, as in annealed_langevin; if steps are few, the rate is to be
    rate_for(levels, steps)."""

    judged = 500  # samples for the judges: each takes L T passes through the network

    def __init__(self, network, levels, space, steps=100, rate=0.2):
        if any(level.a != 1 for level in levels) or [level.t for level in levels] != [*range(len(levels))][::-1]:
            raise ValueError(f"NCSN: the levels begin with {levels[0]}; expected a = 1 and t = L, ..., 1, 0 as from "
                             "geometric_levels")
        self.network, self.levels, self.space = network, levels, space
        self.steps, self.rate = steps, rate
        self.sigma = np.array([level.s for level in levels[::-1]])  # of t = 0..L

    def players(self):
        return [Player("score", self.network.parameters(), self.loss)]

    def forward(self, x, t):
        """s_theta(x, sigma_t), Tensor of x's shape; t (N,) integers from 1 to L."""
        sigma = self._sigma(t, x)
        return self.network(x * xp.sqrt(1 / (1 + sigma**2)), t) / sigma

    def loss(self, batch, rng):
        x = self.space.signed(batch["x"])
        t, eps = rng.integers(1, len(self.levels), size=len(x)), normal(rng, x.shape)
        x, t, eps = xp.concatenate([x, x]), np.concatenate([t, t]), xp.concatenate([eps, -eps])
        return {"loss": self.weighted(x, t, eps).mean()}

    def weighted(self, x, t, eps):
        """lambda(sigma_t) l(sigma_t) of each example, Tensor (N,)."""
        sigma = self._sigma(t, x)
        return sigma.reshape(len(x)) ** 2 * denoising(partial(self, t=t), x, eps, sigma)  # course 9.5

    def _sigma(self, t, x):
        return xp.asarray(self.sigma[t], x.dtype).reshape(-1, *[1] * (x.ndim - 1))

    @property
    def denoise(self):
        """The network as samplers take it: (x_t, level) -> x_0."""
        return denoiser(self, "score")

    def sample(self, n, rng):
        def draw(part):
            x = self.levels[0].s * normal(rng, (len(part), *self.space.shape))
            return self.space.from_signed(annealed_langevin(self.denoise, x, self.levels, rng=rng, steps=self.steps,
                                                            rate=self.rate))

        return in_chunks(draw, range(n), CHUNK)

    def measure(self, batch, rng):
        """How much of the noise is named, at the level with most of it and on average."""
        x = self.space.signed(batch["x"][:self.judged])
        L, D = len(self.levels) - 1, self.space.size
        shares = []
        for t in range(L, 0, -1):
            with no_grad():
                left = self.weighted(x, np.full(len(x), t), normal(rng, x.shape)).data
            shares.append(to_numpy(left) * (2 / D))
        shares = np.array(shares)
        detail = f"|eps - what is said of it|^2 over D, L = {L} levels; by level " + " ".join(
            f"{share:.2f}" for share in shares.mean(axis=1))
        return [Measure("noise not named", *mean_interval(shares.mean(axis=0)), "", detail)]
