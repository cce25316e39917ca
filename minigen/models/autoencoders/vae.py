"""VAE: an autoencoder whose code is a random variable, trained on a lower bound of the likelihood.

Kingma & Welling, "Auto-Encoding Variational Bayes", ICLR 2014; equation numbers are that paper's.

    p(z) = N(0, I)                       prior of the code
    p(x | z)                             decoder: Bernoulli (eq. 11), Gaussian (eq. 12) or categorical pixels
    q(z | x) = N(mu, diag(sigma^2))      encoder (eq. 9): a network gives mu and log sigma^2

    log p(x) >= ELBO = E_q[log p(x | z)] - KL(q(z | x) || p(z))                         (eq. 3)
    z = mu + sigma * eps,  eps ~ N(0, I)      so that the gradient reaches mu, sigma    (eq. 4)
    KL = -1/2 sum_j (1 + log sigma_j^2 - mu_j^2 - sigma_j^2)                            (appendix B)
    loss = -E_q[log p(x | z)] + beta KL       one draw of z per example; beta = 1       (eq. 10)

The paper has beta = 1. Higgins et al., "beta-VAE", ICLR 2017 (eq. 4): a larger one buys independent codes
with worse reconstructions; a smaller one, the reverse. The bound that is reported has beta = 1, always.

A tighter bound costs more draws. With w_i = p(x | z_i) p(z_i) / q(z_i | x) and z_i from q, i = 1..k,

    ELBO = E[log w]  <=  E[log 1/k sum_i w_i]  <=  log p(x)

Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016 (theorem 1). The middle one rises
to the right with k. `measure` takes k = 500 draws and computes both sides from the same ones.

Symbols: N examples, D pixels, Z latent, k draws of z; h what the decoder network puts out for a pixel. Read
before this: ae.py, nn/autoencoder.py, likelihoods.py, importance.py. Read next: latents.py, for pictures of the code;
train.py.
"""
from autograd import exp, no_grad, split
from autograd.backend import asarray, default_dtype, normal

from ...densities import kl_standard_normal, log_normal, log_standard_normal
from ...importance import bounds
from ...likelihoods import LIKELIHOODS
from ...metrics import Measure
from ...nn import Module
from ...nn.autoencoder import mlp_pair
from ...nn.chunks import in_chunks
from ...player import Player

EXAMPLES = 1000  # that are decoded at a time


class VAE(Module):
    """space: of images or points. decoder: "bernoulli", "gaussian" or "categorical". latent: Z. hidden: widths of the
    encoder's hidden layers; the decoder has them in reverse. networks: makes the two networks of these, `mlp_pair` or,
    for images, `conv_pair`."""

    def __init__(self, space, decoder="bernoulli", latent=40, hidden=(500, 500), beta=1.0, networks=mlp_pair, *, rng):
        if latent < 1:
            raise ValueError(f"VAE: latent is {latent}, expected at least 1")
        if beta < 0:
            raise ValueError(f"VAE: beta is {beta}, expected at least 0")
        if decoder not in LIKELIHOODS:
            raise ValueError(f"VAE: decoder is {decoder!r}, expected one of {', '.join(LIKELIHOODS)}")
        if space.levels is None and decoder != "gaussian":
            raise ValueError(f"VAE: decoder {decoder!r} is for gray levels, and points of shape {space.shape} "
                             "have none; pass decoder='gaussian'")
        self.space, self.latent, self.beta = space, latent, beta
        self.likelihood = LIKELIHOODS[decoder](space)
        self.encoder, self.decoder = networks(space.shape, hidden, code=2 * latent, latent=latent,
                                              outputs=self.likelihood.size, rng=rng)

    def players(self):
        return [Player("vae", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        """-ELBO, or what is minimized in its place if beta is not 1, and its parts, in nats per example."""
        x, seen = self.likelihood.observe(batch["x"], rng)  # (N, D): as modelled, and as encoded
        mu, logvar = self.posterior(seen)  # (N, Z)
        eps = normal(rng, mu.shape)
        z = mu + exp(0.5 * logvar) * eps  # (N, Z), eq. 4
        reconstruction = -self.likelihood.log_prob(x, self.decoder(z)).sum(axis=-1).mean()
        kl = kl_standard_normal(mu, logvar).sum(axis=-1).mean()
        name = "-ELBO" if self.beta == 1 else f"reconstruction + {self.beta:g} KL"
        return {name: reconstruction + self.beta * kl, "reconstruction": reconstruction, "KL": kl}  # eq. 10

    def posterior(self, seen):
        """mu and logvar of q(z | x), (N, Z) each, for x as the encoder sees it, (N, D)."""
        return split(self.encoder(seen), 2, axis=-1)

    def sample(self, n, rng):
        """z from the prior; then images as the mean of p(x | z), as the paper has them, and points drawn."""
        z = normal(rng, (n, self.latent))
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
        """-ELBO and the importance-weighted bound of k draws over the examples x."""
        x = batch["x"]
        used = int((self.encode(x).var(axis=0) > 0.01).sum())  # the "active units" of Burda et al.
        return [*bounds(self.log_weights, x, k, self.likelihood, rng),
                Measure("latents in use", used, None, "", f"of {self.latent}: variance of mu above 0.01")]

    def log_weights(self, x, k, rng):
        """log w = log p(x | z) + log p(z) - log q(z | x) for k draws of z: (N, k)."""
        x, seen = self.likelihood.observe(x, rng)
        mu, logvar = (a.reshape(len(x), 1, self.latent) for a in self.posterior(seen))  # (N, 1, Z)
        z = mu + exp(0.5 * logvar) * normal(rng, (len(x), k, self.latent))  # (N, k, Z)
        log_p_x = self.likelihood.log_prob(x[:, None], self.decoder(z))  # (N, k, D)
        return log_p_x.sum(axis=2) + (log_standard_normal(z) - log_normal(z, mu, logvar)).sum(axis=2)
