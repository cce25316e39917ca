"""Autoencoders whose codes, taken together, are to follow a prior; and how one measures whether they do.

    z = f(x),  x_hat = g(z)             as in ae.py: encoder and decoder are functions, nothing is drawn
    q(z) = E_data[q(z | x)]             the aggregated posterior: how the codes of all examples are distributed
    q(z) = p(z)                         what is asked for; then x = g(z) with z ~ p(z) are samples

A VAE asks more, that q(z | x) be near p(z) for every single x, so that the codes of different images overlap and their
reconstructions blur. Tolstikhin et al. 2018 (theorem 1): for a g without noise, the least cost of transporting the
data to g's samples is the least E |x - g(z)|^2 over all encoders with q(z) = p(z). So these models are two terms,

    E |x - g(f(x))|^2  +  lambda D(q(z), p(z))                                                     (their eq. 4)

and differ in D: an adversary (models/autoencoders/aae.py, wae.py), or the maximum mean discrepancy below. Neither an
adversary's loss nor a small D in training says that q(z) is p(z): a discriminator that learned nothing has the loss of
one that has nothing to tell. So `measure` compares the codes themselves with draws from the prior.

    MMD^2 = E k(z, z') + E k(y, y') - 2 E k(z, y)        z, z' codes; y, y' draws from the prior; 0 only if q = p
    k(z, y) = sum_s C_s / (C_s + |z - y|^2)              inverse multiquadrics, C_s = s E |y - y'|^2 = 2 s Z sigma^2

Sources: Makhzani et al. 2015; Tolstikhin et al., "Wasserstein Auto-Encoders", ICLR 2018, section 4, and their code for
the scales s. Symbols: N examples, D pixels, Z latent. Read before this: priors.py, deterministic.py.
Read next: models/autoencoders/aae.py, wae.py.
"""
import numpy as np

from autograd import as_tensor, no_grad, sigmoid
from autograd.backend import asarray, default_dtype
from autograd.batch import whole

from ..metrics import Measure, mmd
from ..nn.autoencoder import mlp_pair
from .deterministic import DeterministicAutoencoder

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # s
SETS = 5  # of draws from the prior: how far their distances from each other are from 0 by chance
COMPARED = 2000  # codes, at most


class MatchedAutoencoder(DeterministicAutoencoder):
    """space: of an image, scaled to [0, 1], or of points. prior: as in priors.py. hidden: widths of the encoder's
    hidden layers; the decoder has them in reverse. networks: makes f and g of these, `mlp_pair` or `conv_pair`."""

    def __init__(self, space, prior, hidden=(500, 500), networks=mlp_pair, *, rng):
        self.space, self.prior, self.latent = space, prior, prior.latent
        self.encoder, self.decoder = networks(space.shape, hidden, code=self.latent, latent=self.latent, rng=rng)

    def code(self, x):
        return self.encoder(x)

    def generate(self, z):
        """g(z), rows (N, D): points, or pixels between 0 and 1."""
        h = self.decoder(z)
        return h if self.space.levels is None else sigmoid(h)

    def sample(self, n, rng):
        """g(z) of z from the prior."""
        return self.decode(self.prior.draw(n, rng))

    def measure(self, batch, rng):
        x = batch["x"]
        return [self.squared_error(x), distance_of_codes(self.encode(x), self.prior, rng)]


def distance_of_codes(z, prior, rng) -> Measure:
    """MMD^2 between codes z (N, Z), 2,000 of them at random, and as many draws from the prior; beside it that between
    two sets of draws, which is 0 but for chance. Not the first 2,000: MNIST's come from other writers than the rest."""
    z = asarray(z[rng.permutation(len(z))[:COMPARED]], default_dtype)
    k = lambda x, y: imq(x, y, prior.apart)
    with no_grad():
        draws = [prior.draw(len(z), rng) for _ in range(SETS)]
        within = [k(y, y) for y in draws]
        distance = mmd(k(z, z), within[0], k(z, draws[0])).item()
        by_chance = [mmd(within[i], within[j], k(draws[i], draws[j])).item() for j in range(SETS) for i in range(j)]
    return Measure("MMD^2 of codes", distance, None, "",
                   f"N = {len(z):,} against the prior; the prior against itself: 0 ± {1.96 * np.std(by_chance):.2g}")


def imq_mmd(x, y, apart):
    """The unbiased MMD^2 of x (N, Z) and y (M, Z), Tensors or arrays, for the kernel above: a scalar Tensor.

    apart: E |y - y'|^2 of the prior. It may be negative, and must not be cut off at 0 where it is a loss: its gradient
    would be lost in half of the batches near the goal, and the other half would pull too far.
    """
    x, y = whole(x), whole(y)
    return mmd(imq(x, x, apart), imq(y, y, apart), imq(x, y, apart))


def imq(x, y, apart):
    """k(x_i, y_j), (N, M): Tolstikhin et al. 2018, section 4, summed over scales."""
    x, y = as_tensor(x), as_tensor(y)
    square = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1) - 2.0 * (x @ y.T)  # |x_i - y_j|^2, (N, M)
    k = 0.0
    for s in SCALES:
        k = k + s * apart / (s * apart + square)
    return k
