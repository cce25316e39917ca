"""Denoising autoencoder: a network that takes noise out of examples, and so learns where the data are.

    x~   = x + sigma eps,  eps ~ N(0, I)      an example, corrupted
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

The idea is of Vincent et al., ICML 2008, who corrupted images by blanking pixels, to learn features.
Symbols: N examples, D pixels. Read before this: ae.py, energy/langevin.py. Read next: models/diffusion/ddpm.py.
Course: 3.4.
"""
from autograd import no_grad
from autograd.backend import asarray, default_dtype, normal, xp

from ...energy.langevin import langevin
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...player import Player


class DenoisingAutoencoder(Module):
    """network: r, (N, D) -> (N, D). space: of an image, scaled to [0, 1], or of points. sigma: of the noise, on that
    scale. steps: of the walk that samples."""

    def __init__(self, network, space, sigma, steps=500):
        if not sigma > 0:
            raise ValueError(f"DenoisingAutoencoder: sigma is {sigma}, expected more than 0")
        self.network, self.space, self.sigma, self.steps = network, space, sigma, steps

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x = self.space.rows(batch["x"])  # (N, D)
        x_hat = self.network(self.corrupt(x, rng))  # course 3.4
        return {"squared error": ((x - x_hat) ** 2).sum(axis=1).mean()}

    def corrupt(self, x, rng):
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
        return langevin(self.score, x, steps, 0.25 * self.sigma**2, rng=rng)

    def sample(self, n, rng):
        """Walks, from a corrupted nothing, and jumps."""
        start = self.corrupt(xp.zeros((n, self.space.size), default_dtype), rng)
        return self.space.from_unit(self.denoise(self.walk(start, self.steps, rng)))

    def measure(self, batch, rng):
        x = self.space.rows(batch["x"])
        error = ((x - self.denoise(self.corrupt(x, rng))) ** 2).sum(axis=1)
        detail = f"|x - r(x~)|^2 at sigma = {self.sigma:g}; |x - x~|^2 is {self.space.size * self.sigma**2:.4g}"
        return [Measure("squared error", *mean_interval(error), "", detail)]
