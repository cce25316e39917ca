"""EDM: a denoiser trained so that its network always sees, and is always asked for, numbers of variance 1.

    x            = y + sigma n                                  an image y under noise, n ~ N(0, I)
    D(x; sigma)  = c_skip x + c_out F(c_in x; c_noise)                                                       (eq. 7)
    L            = E lambda(sigma) |D(y + sigma n; sigma) - y|^2                                             (eq. 2)
                 = E lambda c_out^2 |F(c_in x; c_noise) - (y - c_skip x) / c_out|^2                          (eq. 8)

with, for data of standard deviation sd (table 1; derived in appendix B.6):

    c_in   = 1 / sqrt(sigma^2 + sd^2)                 so that F's input has variance 1
    c_skip = sd^2 / (sigma^2 + sd^2)                  so that as little as possible of F's error comes into D:
    c_out  = sigma sd / sqrt(sigma^2 + sd^2)          and F's target, (y - c_skip x) / c_out, has variance 1
    lambda = 1 / c_out^2                              so that each sigma counts the same, 1 for an F that says 0

At large sigma F is asked for the image, at small for the noise (its opposite): the better-known of the two, never
multiplied by a large number. DDPM's network, asked for eps, has its errors multiplied by sigma.

    ln sigma ~ N(P_mean, P_std^2)                     in training: where there is something to learn
    c_noise  = ln(sigma) / 4                          what F is told; the codes of t here have steps of 1, so 1000 times

The way down is karras_levels, by Heun's method. A level is x = y + sigma n, so that samplers and likelihoods are those
of every other model.

Source: Karras et al. 2022, "Elucidating the design space of diffusion-based generative models". Its y is x_0
elsewhere. Symbols: N examples, sd is their sigma_data, F the network, D the denoiser. Read before this: ddpm.py,
diffusion/levels.py. Read next: consistency.py.
Course: 12.13.
"""
import numpy as np

from autograd import Tensor, no_grad
from autograd.backend import normal, to_numpy, xp

from ...diffusion import denoiser, differentiable, directions, heun, karras_levels, ode_log_likelihood
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 250  # examples that are drawn or measured at a time
SHOWN = (0.05, 0.2, 1.0, 5.0)  # sigmas at which the loss is measured


class EDM(Module):
    """network: (Tensor (N, *shape), t (N,)) -> Tensor (N, *shape). space: of images, on [-1, 1], or of points. sd: the
    standard deviation of the data on that scale. mean, std: of ln sigma in training. steps: of Heun's method, or of
    another sampler; sigma_min, sigma_max: where they go."""

    judged = 1000  # samples for the judges

    def __init__(self, network, space, sd=0.5, mean=-1.2, std=1.2, steps=18, sampler=heun, sigma_min=0.002,
                 sigma_max=80.0):
        if not (sd > 0 and std > 0):
            raise ValueError(f"EDM: sd is {sd}, std is {std}, expected above 0: the deviations of the data, and of ln "
                             "sigma")
        self.network, self.space, self.sd, self.mean, self.std = network, space, sd, mean, std
        self.sampler, self.levels = sampler, karras_levels(steps, sigma_min, sigma_max)

    def players(self):
        return [Player("edm", self.network.parameters(), self.loss)]

    # Table 1; sigma: a number or an array

    def c_skip(self, sigma):
        return self.sd**2 / (sigma**2 + self.sd**2)

    def c_out(self, sigma):
        return sigma * self.sd / (sigma**2 + self.sd**2) ** 0.5

    def c_in(self, sigma):
        return 1.0 / (sigma**2 + self.sd**2) ** 0.5

    def c_noise(self, sigma):
        return np.log(sigma) / 4.0

    def forward(self, x, sigma):
        """D(x; sigma), Tensor of x's shape; sigma (N,)."""
        column = self._column(sigma, x)
        return self.c_skip(column) * x + self.c_out(column) * self.F(x, sigma)  # eq. 7; course 12.13

    def F(self, x, sigma):
        return self.network(x * self.c_in(self._column(sigma, x)), 1000.0 * self.c_noise(sigma))

    def loss(self, batch, rng):
        y = self.space.signed(batch["x"])
        sigma = np.exp(self.mean + self.std * rng.standard_normal(len(y)))
        return {"loss": self.weighted(y, sigma, normal(rng, y.shape)).mean()}

    def weighted(self, y, sigma, n):
        """lambda |D - y|^2 of each example, a mean over its numbers, Tensor (N,): by eq. 8, where lambda and c_out
        cancel."""
        column = self._column(sigma, y)
        x = y + column * n
        target = (y - self.c_skip(column) * x) / self.c_out(column)
        return ((self.F(Tensor(x), sigma) - target) ** 2).reshape(len(y), -1).mean(axis=1)

    def _column(self, sigma, x):
        return xp.asarray(sigma, x.dtype).reshape(-1, *[1] * (x.ndim - 1))

    @property
    def denoise(self):
        """The network as samplers take it: (x_t, level) -> x_0, for levels with a = 1."""
        return denoiser(self, "x0")

    def sample(self, n, rng):
        def draw(part):
            x = self.levels[0].s * normal(rng, (len(part), *self.space.shape))
            return self.space.from_signed(self.sampler(self.denoise, x, self.levels, rng=rng))

        return in_chunks(draw, range(n), CHUNK)

    def log_likelihood(self, x, rng, steps=100):
        """log p of points, or of images on [-1, 1], NumPy (N,), nats; in many dimensions by a random direction each."""
        levels = karras_levels(steps, self.levels[-2].s, self.levels[0].s)
        return ode_log_likelihood(differentiable(self, "x0"), x, levels, directions(x, rng))[0]

    def measure(self, batch, rng):
        """Of points the likelihood; of images, which would have to be dequantized for one, the loss at some sigmas."""
        if self.space.levels is None:
            nats = -in_chunks(lambda x: self.log_likelihood(self.space.signed(x), rng), batch["x"][:self.judged], CHUNK)
            return [Measure("NLL", *mean_interval(nats), "nats", f"N = {len(nats)}, 100 steps of Heun's method")]
        y, losses = self.space.signed(batch["x"][:self.judged]), []
        for sigma in SHOWN:
            n = normal(rng, y.shape)
            with no_grad():
                losses.append(in_chunks(lambda i, n=n, sigma=sigma: self.weighted(
                    y[i], np.full(len(i), sigma), n[i]).data, np.arange(len(y)), CHUNK))
        detail = "lambda |D - y|^2, 1 for a network that says nothing; " + ", ".join(
            f"sigma {sigma:g}: {to_numpy(each).mean():.3f}" for sigma, each in zip(SHOWN, losses))
        return [Measure("loss", *mean_interval(np.mean(losses, axis=0)), "", detail)]
