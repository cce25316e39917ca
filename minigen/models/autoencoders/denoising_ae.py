"""Denoising autoencoder: a network that takes noise out of examples, and so learns where the data are.

    x~   = x + sigma eps,  eps ~ N(0, I)      an example, spoiled
    loss = E |r(x~) - x|^2                    the network r is to give back what it was

No narrow code is needed to keep r from being useless: copying its input does not help here. What helps most is the mean
of all examples that x~ may come from, r(x~) = E[x | x~], and from it follows, p_sigma being the density of x~,

    (r(x~) - x~) / sigma^2 = grad log p_sigma(x~)                the score: uphill, to where data are dense

(Miyasawa 1961; with sigma -> 0, Alain & Bengio, "What regularized auto-encoders learn from the data-generating
distribution", JMLR 2014, theorem 1; Vincent 2011.) So to denoise is to know the gradient of a density that one has
never seen. p_sigma is the density of the data, blurred by the noise. With a large sigma little of the data is left in
it; with a small one it is all peaks and deserts, and a walk does not get around. Diffusion models are denoising
autoencoders of all sigmas at once.

Samples, by walk and jump (Saremi & Hyvarinen, "Neural empirical Bayes", JMLR 2019, section 2): Langevin's walk, whose
stationary density for a small step delta is p_sigma, and at its end a jump to clean data.

    x~ <- x~ + delta/2 score(x~) + sqrt(delta) eps          x = r(x~)

The idea is of Vincent et al., ICML 2008, who spoiled images by blanking pixels, to learn features.
Symbols: N examples, D pixels. Read before this: ae.py. Read next: models/diffusion/ddpm.py.
"""
import math

from autograd import no_grad
from autograd.backend import asarray, default_dtype, normal, to_numpy, xp

from ...data import to_unit
from ...metrics import Figure, mean_interval
from ...nn import Module
from ...player import Player


class DenoisingAutoencoder(Module):
    """network: r, (N, D) -> (N, D). shape: of an example, (C, H, W) or (2,). levels: gray levels of images, which are
    scaled to [0, 1]; None for points. sigma: of the noise, on that scale. steps: of the walk that samples."""

    def __init__(self, network, shape, levels, sigma, steps=500):
        if not sigma > 0:
            raise ValueError(f"DenoisingAutoencoder: sigma is {sigma}, expected more than 0")
        self.network, self.sigma, self.steps = network, sigma, steps
        self.shape, self.levels, self.D = tuple(shape), levels, math.prod(shape)

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x = self.unit(batch[0])  # (N, D)
        x_hat = self.network(self.spoil(x, rng))
        return {"squared error": ((x - x_hat) ** 2).sum(axis=1).mean()}

    def spoil(self, x, rng):
        """x~ for examples x of any shape, on the scale that the model works on."""
        return asarray(x) + self.sigma * normal(rng, x.shape)

    def denoise(self, x):
        """r(x) for rows x (N, D)."""
        with no_grad():
            return self.network(asarray(x)).data

    def score(self, x):
        """grad log p_sigma at rows x (N, D), in nats per unit of x."""
        return (self.denoise(x) - asarray(x)) / self.sigma**2

    def walk(self, x, steps, rng):
        """Langevin's walk from rows x (N, D): rows distributed as p_sigma, if it was long enough. Its steps are so
        short that along directions in which the data do not vary, its variance is 1/15 too large."""
        x, delta = asarray(x), 0.25 * self.sigma**2
        for _ in range(steps):
            x = x + 0.5 * delta * self.score(x) + math.sqrt(delta) * normal(rng, x.shape)
        return x

    def sample(self, n, rng):
        """Walks, from a spoiled nothing, and jumps."""
        start = self.spoil(xp.zeros((n, self.D), default_dtype), rng)
        x = to_numpy(self.denoise(self.walk(start, self.steps, rng))).reshape(n, *self.shape)
        return x if self.levels is None else x.clip(0, 1)

    def evaluate(self, x, y, rng):
        x = self.unit(x)
        error = ((x - self.denoise(self.spoil(x, rng))) ** 2).sum(axis=1)
        note = f"|x - r(x~)|^2 at sigma = {self.sigma:g}; |x - x~|^2 is {self.D * self.sigma**2:.4g}"
        return [Figure("squared error", *mean_interval(error), "", note)]

    def unit(self, x):
        """Images x (N, C, H, W) in 0..levels-1, or points (N, 2), as the rows that the model works on, (N, D)."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"DenoisingAutoencoder: x has shape {x.shape}, expected {('N', *self.shape)}")
        x = x if self.levels is None else to_unit(x, self.levels)
        return asarray(x, default_dtype).reshape(len(x), self.D)
