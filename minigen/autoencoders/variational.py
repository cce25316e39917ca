"""Variational autoencoders: what they all have, and what follows once a model says how its codes are inferred.

    p(x, z) = p(x | z) p(z)          a decoder network and a prior
    q(z | x)                         an encoder network: draws of it, and log p(z) - log q(z | x) at each of them
    log w = log p(x | z) + log p(z) - log q(z | x),    E_q[w] = p(x)

The models differ in what q may be, in how many layers of codes there are, and in what of log w they minimize. Here is
the one that most begin with, N(mu, diag(sigma^2)) against p(z) = N(0, I):

    z = mu + sigma * eps,  eps ~ N(0, I)         Kingma & Welling 2014, eqs. 4 and 9

Source: Kingma & Welling, "Auto-Encoding Variational Bayes", ICLR 2014. Symbols: N examples, D pixels, Z latent, k draws
of z; h what the decoder network puts out for a pixel. Read before this: likelihoods.py, importance.py,
models/autoencoders/vae.py. Read next: collapse.py, models/autoencoders/iwae.py.
"""
from autograd import exp, no_grad, split
from autograd.backend import asarray, default_dtype, normal

from ..densities import log_normal, log_standard_normal
from ..importance import bounds
from ..likelihoods import LIKELIHOODS
from ..nn import Module
from ..nn.chunks import in_chunks
from ..player import Player
from .collapse import active_units

EXAMPLES = 1000  # that are decoded at a time


class Variational(Module):
    """A model makes its `encoder` and `decoder`, and defines `loss`; and `infer` and what stands beside it, where q is
    no diagonal Gaussian or p(z) is not N(0, I). space: of images or points. decoder: "bernoulli", "gaussian" or
    "categorical", the pixels' distribution. latent: Z."""

    def __init__(self, space, decoder, latent):
        name = type(self).__name__
        if latent < 1:
            raise ValueError(f"{name}: latent is {latent}, expected at least 1")
        if decoder not in LIKELIHOODS:
            raise ValueError(f"{name}: decoder is {decoder!r}, expected one of {', '.join(LIKELIHOODS)}")
        if space.levels is None and decoder != "gaussian":
            raise ValueError(f"{name}: decoder {decoder!r} is for gray levels, and points of shape {space.shape} "
                             "have none; pass decoder='gaussian'")
        self.space, self.latent, self.likelihood = space, latent, LIKELIHOODS[decoder](space)

    def players(self):
        return [Player("vae", self.parameters(), self.loss)]

    # Codes

    @property
    def noise(self):
        """How many normal numbers a draw of q(z | x) is made of."""
        return self.latent

    def posterior(self, seen):
        """mu and logvar of q(z | x), (N, Z) each, for x as the encoder sees it, (N, D)."""
        return split(self.encoder(seen), 2, axis=-1)  # course 4.5

    def infer(self, seen, eps):
        """k draws z of q(z | x) for each example, (N, k, Z), and log p(z) - log q(z | x) at them, (N, k). eps: the
        standard normal numbers that they are made of, (N, k, noise)."""
        mu, logvar = (a.reshape(len(seen), 1, self.latent) for a in self.posterior(seen))  # (N, 1, Z)
        z = mu + exp(0.5 * logvar) * eps
        return z, (log_standard_normal(z) - log_normal(z, mu, logvar)).sum(axis=2)

    def prior(self, n, rng):
        """Draws of z from p(z), (n, Z)."""
        return normal(rng, (n, self.latent))

    # What follows

    def log_weights(self, x, k, rng):
        """log w = log p(x | z) + log p(z) - log q(z | x) for k draws of z: (N, k)."""
        x, seen = self.likelihood.observe(x, rng)
        return self.log_weights_at(x, seen, normal(rng, (len(seen), k, self.noise)))

    def log_weights_at(self, x, seen, eps):
        """log w (N, k) of x as modelled and as encoded, (N, D), and of the draws that eps makes."""
        z, log_ratio = self.infer(seen, eps)
        return self.log_prob(x, z) + log_ratio  # course 4.1

    def log_prob(self, x, z):
        """log p(x | z), (N, k), of x as it is modelled, (N, D), and z (N, k, Z)."""
        return self.likelihood.log_prob(x[:, None], self.decoder(z)).sum(axis=2)

    def sample(self, n, rng):
        """z from the prior; then images as the mean of p(x | z), as the paper has them, and points drawn."""
        z = self.prior(n, rng)
        if self.space.is_image:
            return self.decode(z)
        with no_grad():
            return self.space.from_unit(self.likelihood.draw(self.decoder(z), rng))

    def encode(self, x):
        """The codes mu (N, Z) of images or points x, a NumPy array."""
        with no_grad():
            return self.posterior(self.space.rows(x))[0].numpy()

    def decode(self, z):
        """The mean of p(x | z) for codes z (N, Z), as images in [0, 1] or points."""
        with no_grad():
            return in_chunks(lambda z: self.space.from_unit(self.likelihood.mean(self.decoder(z)).data),
                             asarray(z, default_dtype), EXAMPLES)

    def reconstruct(self, x):
        """decode(encode(x)), as images in [0, 1] or points."""
        return self.decode(self.encode(x))

    def measure(self, batch, rng, k=500):
        """-ELBO and the importance-weighted bound of k draws over the examples x, and how many latents are in use."""
        x = batch["x"]
        used = active_units(self.encode(x))
        return [*bounds(self.log_weights, x, k, self.likelihood, rng), used]
