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
before this: ae.py, nn/autoencoder.py, likelihoods.py. Read next: autoencoders/variational.py, where draws, samples and
measures are; latents.py, for pictures of the code; train.py.
Course: 4.1, 4.2, 4.3, 4.4, 4.5, 4.6, 4.7.
"""
from autograd import exp
from autograd.backend import normal

from ...autoencoders import Variational
from ...densities import kl_standard_normal
from ...nn.autoencoder import mlp_pair


class VAE(Variational):
    """space: of images or points. decoder: "bernoulli", "gaussian" or "categorical". latent: Z. hidden: widths of the
    encoder's hidden layers; the decoder has them in reverse. networks: makes the two networks of these, `mlp_pair` or,
    for images, `conv_pair`."""

    def __init__(self, space, decoder="bernoulli", latent=40, hidden=(500, 500), beta=1.0, networks=mlp_pair, *, rng):
        super().__init__(space, decoder, latent)
        if beta < 0:
            raise ValueError(f"VAE: beta is {beta}, expected at least 0")
        self.beta = beta
        self.encoder, self.decoder = networks(space.shape, hidden, code=2 * latent, latent=latent,
                                              outputs=self.likelihood.size, rng=rng)

    def loss(self, batch, rng):
        """-ELBO, or what is minimized in its place if beta is not 1, and its parts, in nats per example."""
        x, seen = self.likelihood.observe(batch["x"], rng)  # (N, D): as modelled, and as encoded
        mu, logvar = self.posterior(seen)  # (N, Z)
        eps = normal(rng, mu.shape)
        z = mu + exp(0.5 * logvar) * eps  # (N, Z), eq. 4; course 4.4
        reconstruction = -self.likelihood.log_prob(x, self.decoder(z)).sum(axis=-1).mean()
        kl = kl_standard_normal(mu, logvar).sum(axis=-1).mean()
        name = "-ELBO" if self.beta == 1 else f"reconstruction + {self.beta:g} KL"
        # course 4.2, 4.6
        return {name: reconstruction + self.beta * kl, "reconstruction": reconstruction, "KL": kl}  # eq. 10
