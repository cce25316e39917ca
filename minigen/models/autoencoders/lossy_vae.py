"""A VAE with an autoregressive decoder: strong enough to do without its code, and what makes it use it.

    p(x | z) = prod_i p(x_i | x_<i, z)                              one masked network of x, which sees all of z
    loss = -E_q[log p(x | z)] + beta sum_j max(lambda, KL_j)        lambda = 0, beta = 1: -ELBO

With p(x | z) = p(x), which such a decoder can be, the best q is p(z), and the ELBO is log p(x) itself: nothing is
missing from the bound, only from the code. Chen et al., "Variational Lossy Autoencoder", ICLR 2017, say why: what the
decoder can model without z costs more through z, by KL(q(z | x) || p(z | x)), as long as q is not exact. So KL = 0 is
where training goes, and the number of active units tells. Two cures are in autoencoders/collapse.py: a beta that rises,
so that z is used before it is paid for (Bowman et al. 2016), and lambda nats that each latent may cost anyhow (Kingma
et al. 2016, eq. 15). The second holds to the end; the first only as far as z is worth its price.

Symbols: N examples, D pixels, Z latent, k draws of z. Read before this: vae.py, autoencoders/collapse.py, nn/masked.py.
Read next: examples/10_vaes/104_collapse.py.
Course: 12.5.
"""
import numpy as np

from autograd import exp, no_grad, relu
from autograd.backend import asarray, default_dtype, normal, uniform, xp

from ...autoencoders import Variational, free_bits, weight
from ...densities import kl_standard_normal
from ...metrics import Measure, mean_interval
from ...nn import MLP
from ...nn.chunks import in_chunks
from ...nn.masked import MaskedMLP

EXAMPLES = 1000  # that are drawn at a time


class LossyVAE(Variational):
    """space: of images, whose pixels are bits, in the order in which one reads. latent: Z. hidden: widths of the
    encoder's hidden layers. masked: of those of the decoder. beta: weight of the KL in training, a number or a function
    of how much of it is over. least: lambda, nats."""

    done = 1.0  # how much of the training is over: set by the loop
    judged = 500  # samples, which are drawn pixel by pixel

    def __init__(self, space, latent=20, hidden=(200,), masked=(300,), beta=1.0, least=0.0, *, rng):
        super().__init__(space, "bernoulli", latent)
        if least < 0:
            raise ValueError(f"LossyVAE: least is {least}, expected at least 0 nats")
        self.beta, self.least = beta, least
        self.encoder = MLP((space.size, *hidden, 2 * latent), relu, rng=rng)
        self.decoder = MaskedMLP(np.arange(space.size), masked, 1, latent, rng=rng)

    def loss(self, batch, rng):
        """What is minimized, -ELBO and its parts, in nats per example, from one draw of z."""
        x, seen = self.likelihood.observe(batch["x"], rng)
        mu, logvar = self.posterior(seen)
        z = mu + exp(0.5 * logvar) * normal(rng, mu.shape)
        reconstruction = -self.log_prob(x, z[:, None]).mean()
        kl = kl_standard_normal(mu, logvar)  # (N, Z)
        price = weight(self.beta, self.done) * free_bits(kl, self.least)
        kl = kl.sum(axis=1).mean()
        return {"loss": reconstruction + price, "-ELBO": reconstruction + kl, "reconstruction": reconstruction,
                "KL": kl}

    def log_prob(self, x, z):
        logits = self.decoder(x[:, None], z)[..., 0, :]  # (N, k, D)
        return self.likelihood.log_prob(x[:, None], logits).sum(axis=2)

    def draw(self, z, rng):
        """x (N, D) of codes z (N, Z), bits: pixel by pixel."""
        x = xp.zeros((len(z), self.space.size), default_dtype)
        for i in range(self.space.size):
            logits = self.decoder(x, z)[:, 0, i].data
            x[:, i] = uniform(rng, len(z)) < 1 / (1 + xp.exp(-logits))
        return x

    def decode(self, z, rng=None):
        """Images in [0, 1] that are drawn from p(x | z), for codes z (N, Z). rng: the same every time, if left out."""
        rng = np.random.default_rng(0) if rng is None else rng
        with no_grad():
            return in_chunks(lambda z: self.space.from_unit(self.draw(z, rng)), asarray(z, default_dtype), EXAMPLES)

    def sample(self, n, rng):
        return self.decode(self.prior(n, rng), rng)

    def measure(self, batch, rng, k=100):
        """Those of a VAE, and the KL, which is 0 where z says nothing."""
        with no_grad():
            kl = kl_standard_normal(*self.posterior(self.likelihood.observe(batch["x"], rng)[1])).sum(axis=1)
        return [*super().measure(batch, rng, k), Measure("KL", *mean_interval(kl), "nats", "0 if z says nothing")]
