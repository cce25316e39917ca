"""A VAE whose posterior is a flow: q(z | x) bends to what the decoder asks for, where a diagonal Gaussian cannot.

    z_0 = mu + sigma * eps,   z = f_T( .. f_1(z_0; h) .. ; h)              the encoder gives mu, sigma and a context h
    ln q(z | x) = ln N(z_0 | mu, sigma^2) - sum_t ln |det df_t/dz_{t-1}|   Rezende & Mohamed, eq. 13
    loss = E[ln q(z | x) - ln p(x, z)]                                     the free energy, -ELBO: there eq. 15
    log p(x) - ELBO = KL(q(z | x) || p(z | x))

The gap in the last line is what a better q makes smaller: an ELBO that comes nearer to log p(x), and a decoder that
need not bend its own posterior to be Gaussian. The KL to the prior has no closed form now, and is estimated from the
same draw. The layers are in flows/posterior.py: planar, and inverse autoregressive.

Sources: Rezende & Mohamed, "Variational Inference with Normalizing Flows", ICML 2015, and Kingma et al., "Improved
Variational Inference with Inverse Autoregressive Flow", NeurIPS 2016. Symbols: N examples, D pixels, Z latent, k draws.
Read before this: vae.py, flows/posterior.py. Read next: examples/10_vaes/102_flow_posterior.py.
Course: 12.4.
"""
from autograd import exp, no_grad, split
from autograd.backend import normal

from ...autoencoders import Variational
from ...densities import log_normal, log_standard_normal
from ...nn.autoencoder import mlp_pair


class FlowVAE(Variational):
    """space, decoder, latent, hidden, networks: as of VAE. flow: makes the layers, flow(latent, context, rng=rng), of
    those in flows/posterior.py. context: numbers of h."""

    def __init__(self, space, flow, decoder="bernoulli", latent=40, hidden=(200, 200), context=40, networks=mlp_pair, *,
                 rng):
        super().__init__(space, decoder, latent)
        if context < 1:
            raise ValueError(f"FlowVAE: context is {context}, expected at least 1 number")
        self.encoder, self.decoder = networks(space.shape, hidden, code=2 * latent + context, latent=latent,
                                              outputs=self.likelihood.size, rng=rng)
        self.flow = flow(latent, context, rng=rng)

    def loss(self, batch, rng):
        """-ELBO and its parts, in nats per example, from one draw of z."""
        x, seen = self.likelihood.observe(batch["x"], rng)
        z, log_ratio = self.infer(seen, normal(rng, (len(seen), 1, self.latent)))
        reconstruction, kl = -self.log_prob(x, z).mean(), -log_ratio.mean()
        return {"-ELBO": reconstruction + kl, "reconstruction": reconstruction, "KL": kl}

    def posterior(self, seen):
        """mu, logvar (N, Z) and h (N, context)."""
        return split(self.encoder(seen), [self.latent, 2 * self.latent], axis=-1)

    def infer(self, seen, eps):
        mu, logvar, h = self.posterior(seen)
        mu, logvar = mu[:, None], logvar[:, None]  # (N, 1, Z)
        z0 = mu + exp(0.5 * logvar) * eps
        z, logdet = self.flow(z0, h)
        log_q = log_normal(z0, mu, logvar).sum(axis=2) - logdet  # (N, k), eq. 13; course 12.4
        return z, log_standard_normal(z).sum(axis=2) - log_q

    def encode(self, x):
        """The codes to which the flow carries mu, (N, Z), of images or points x, a NumPy array."""
        with no_grad():
            mu, _, h = self.posterior(self.space.rows(x))
            return self.flow(mu[:, None], h)[0][:, 0].numpy()
