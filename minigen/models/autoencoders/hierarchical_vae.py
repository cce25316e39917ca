"""A VAE of two layers of latents: a prior of the code that is itself a VAE.

    p(z2) = N(0, I),   p(z1 | z2) = N(mu, diag(sigma^2)),   p(x | z1)              drawn from the top downwards
    q(z1 | x),   q(z2 | z1)                                                        inferred from the bottom upwards

    log w = log p(x | z1) + log p(z1 | z2) + log p(z2) - log q(z1 | x) - log q(z2 | z1)
    ELBO = E_q[log w] = E_q[log p(x | z1)] - KL1 - KL2
    KL1 = E_q[log q(z1 | x) - log p(z1 | z2)],   KL2 = E_q[KL(q(z2 | z1) || N(0, I))]

Two layers of Burda, Grosse & Salakhutdinov, ICLR 2016 (eqs. 1 and 2, L = 2). What they are for: p(z1), the mixture of
all p(z1 | z2), need not be N(0, I), and codes that it describes cost less.

The top layer tends to die. z2 says nothing of x that z1 does not say, and while p(z1 | z2) has learned nothing it earns
nothing either: KL2 falls to 0 in the first hundred steps, q(z2 | z1) = p(z2) from then on, and a VAE of one layer is
left. Sonderby et al., "Ladder Variational Autoencoders", NeurIPS 2016, found that a warm-up keeps it: both KL terms are
weighted by beta, which rises from 0 to 1. (Their ladder, where q(z1 | x, z2) shares p(z1 | z2), is not here.)

Symbols: N examples, D pixels, Z1 and Z2 latents, k draws. Read before this: vae.py, autoencoders/variational.py,
autoencoders/collapse.py. Read next: flow_vae.py; examples/10_vaes/101_hierarchy.py.
Course: 12.3.
"""
from autograd import exp, no_grad, relu, split
from autograd.backend import normal

from ...autoencoders import Variational, active_units, warm_up, weight
from ...densities import kl_standard_normal, log_normal, log_standard_normal
from ...importance import bounds
from ...metrics import Measure, mean_interval
from ...nn import MLP
from ...nn.autoencoder import mlp_pair


class HierarchicalVAE(Variational):
    """space, decoder: as of VAE. latents: (Z1, Z2). hidden: widths between x and z1, (...), and between z1 and z2,
    (...), from the bottom upwards. beta: weight of the KL terms in training, a number or a function of how much of it
    is over."""

    done = 1.0  # how much of the training is over: set by the loop

    def __init__(self, space, decoder="bernoulli", latents=(40, 20), hidden=((200, 200), (100,)), beta=warm_up(0.3), *,
                 rng):
        if len(latents) != 2 or len(hidden) != 2:
            raise ValueError(f"HierarchicalVAE: latents is {latents}, hidden is {hidden}, expected two of "
                             "each, for the layers from the bottom upwards")
        super().__init__(space, decoder, min(latents))
        self.latent, self.top = latents  # Z1, as a code is what the decoder is given, and Z2
        self.beta = beta
        below, above = hidden
        self.encoder, self.decoder = mlp_pair(space.shape, below, code=2 * self.latent, latent=self.latent,
                                              outputs=self.likelihood.size, rng=rng)
        self.upwards = MLP((self.latent, *above, 2 * self.top), relu, rng=rng)  # q(z2 | z1)
        self.downwards = MLP((self.top, *above[::-1], 2 * self.latent), relu, rng=rng)  # p(z1 | z2)

    def loss(self, batch, rng):
        """-ELBO but for beta, the parts of it, and -ELBO, in nats per example, from one draw of z1 and z2."""
        x, seen = self.likelihood.observe(batch["x"], rng)
        z1, kl1, kl2 = self.codes(seen, normal(rng, (len(seen), 1, self.noise)))
        reconstruction, kl1, kl2 = -self.log_prob(x, z1).mean(), kl1.mean(), kl2.mean()
        beta = weight(self.beta, self.done)
        return {"reconstruction + beta KL": reconstruction + beta * (kl1 + kl2), "reconstruction": reconstruction,
                "KL1": kl1, "KL2": kl2, "-ELBO": reconstruction + kl1 + kl2}

    @property
    def noise(self):
        return self.latent + self.top

    def codes(self, seen, eps):
        """k draws of z1 for each example, (N, k, Z1), and what both layers cost, (N, k) each: KL1 as z1 and z2 have it,
        and KL2, which is an integral over z2. eps (N, k, Z1 + Z2)."""
        mu1, logvar1, z1, mu2, logvar2, z2 = self.draw(seen, eps)
        kl1 = log_normal(z1, mu1, logvar1) - log_normal(z1, *self.above(z2))
        return z1, kl1.sum(axis=2), kl_standard_normal(mu2, logvar2).sum(axis=2)

    def infer(self, seen, eps):
        mu1, logvar1, z1, mu2, logvar2, z2 = self.draw(seen, eps)
        log_p = log_normal(z1, *self.above(z2)).sum(axis=2) + log_standard_normal(z2).sum(axis=2)
        log_q = log_normal(z1, mu1, logvar1).sum(axis=2) + log_normal(z2, mu2, logvar2).sum(axis=2)
        return z1, log_p - log_q  # course 12.3

    def draw(self, seen, eps):
        """(mu, logvar, draw) of q(z1 | x), (N, 1 or k, Z1), and of q(z2 | z1), (N, k, Z2), for k draws of both."""
        mu1, logvar1 = (a.reshape(len(seen), 1, self.latent) for a in self.posterior(seen))
        z1 = mu1 + exp(0.5 * logvar1) * eps[:, :, : self.latent]
        mu2, logvar2 = split(self.upwards(z1), 2, axis=-1)
        z2 = mu2 + exp(0.5 * logvar2) * eps[:, :, self.latent :]
        return mu1, logvar1, z1, mu2, logvar2, z2

    def above(self, z2):
        """mu and logvar of p(z1 | z2), (..., Z1) each."""
        return split(self.downwards(z2), 2, axis=-1)

    def prior(self, n, rng):
        """z1 (n, Z1), by way of z2."""
        with no_grad():
            mu, logvar = self.above(normal(rng, (n, self.top)))
            return (mu + exp(0.5 * logvar) * normal(rng, mu.shape)).data

    def measure(self, batch, rng, k=500):
        """-ELBO, the bound of k draws, and of each layer its KL, by ten draws, and how many of its latents are in
        use."""
        x = batch["x"]
        measures = bounds(self.log_weights, x, k, self.likelihood, rng)
        with no_grad():
            _, *costs = self.codes(self.likelihood.observe(x, rng)[1], normal(rng, (len(x), 10, self.noise)))
            mu1 = self.posterior(self.space.rows(x))[0]
            mus = mu1, split(self.upwards(mu1), 2, axis=-1)[0]
        for layer, cost, mu in zip((1, 2), costs, mus):
            measures += [Measure(f"KL{layer}", *mean_interval(cost.mean(axis=1)), "nats", "0 if it is dead"),
                         active_units(mu.numpy(), f"z{layer} in use")]
        return measures
