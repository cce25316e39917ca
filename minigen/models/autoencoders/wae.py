"""WAE: an autoencoder whose codes are distributed as the prior when taken together, and may differ one by one.

Tolstikhin, Bousquet, Gelly & Schoelkopf, "Wasserstein Auto-Encoders", ICLR 2018 (arXiv:1711.01558); numbers are that
paper's.

    theorem 1     W_c(p_data, p_g) = inf over q(z | x) with q(z) = p(z) of  E_data E_q(z | x) c(x, g(z))
    eq. 4         loss = E |x - g(f(x))|^2 + lambda D(q(z), p(z)),   z = f(x)

The cost c is the squared distance, summed over pixels: with a mean over pixels lambda would mean another thing. q(z) is
q(z | x) averaged over data, so nothing keeps the code of one image from being a point: the encoder is a function. (One
that draws, as the VAE's does, learns to draw ever less.) Two choices of D:

    WAE-MMD       algorithm 2: MMD^2 with inverse multiquadrics, unbiased: autoencoders/matched.py.
                  One player; no adversary and nothing to balance; the batch must be large, 100 at least
    WAE-GAN       algorithm 1: a discriminator of codes;  D descends -E_p(z)[log D(z)] - E[log(1 - D(f(x)))],
                  and f and g together descend E |x - g(f(x))|^2 - lambda E[log D(f(x))]

AAE (aae.py) is WAE-GAN with the two terms of the last line in turns, each with a learning rate in the place of lambda.

Symbols: N examples, Z latent, D the discriminator. Read before this: autoencoders/matched.py, aae.py, vae.py.
Course: 4.10.
"""
from functools import partial

from autograd import leaky_relu, no_grad, sigmoid

from ...adversarial.objectives import discriminator_loss, nonsaturating
from ...autoencoders.matched import MatchedAutoencoder, imq_mmd
from ...nn import MLP
from ...nn.autoencoder import mlp_pair
from ...player import Player


class WAEMMD(MatchedAutoencoder):
    """space, prior, hidden, networks: as in matched.py. weight: lambda."""

    def __init__(self, space, prior, hidden=(500, 500), weight=10.0, networks=mlp_pair, *, rng):
        super().__init__(space, prior, hidden, networks, rng=rng)
        self.weight = checked(weight, "WAEMMD")

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        z, error = self.codes_and_error(batch["x"])
        distance = imq_mmd(z, self.prior.draw(len(z), rng), self.prior.apart)  # course 4.10
        return {f"squared error + {self.weight:g} MMD^2": error + self.weight * distance, "squared error": error,
                "MMD^2": distance}  # eq. 4


class WAEGAN(MatchedAutoencoder):
    """space, prior, hidden, networks: as in matched.py. adversary: widths of the discriminator. weight: lambda."""

    def __init__(self, space, prior, hidden=(500, 500), adversary=(500, 500), weight=10.0, networks=mlp_pair, *, rng):
        super().__init__(space, prior, hidden, networks, rng=rng)
        self.weight = checked(weight, "WAEGAN")
        self.discriminator = MLP((self.latent, *adversary, 1), partial(leaky_relu, negative_slope=0.2), rng=rng)

    def players(self):
        autoencoder = [*self.encoder.parameters(), *self.decoder.parameters()]
        return [Player("D", self.discriminator.parameters(), self.discriminator_loss),
                Player("autoencoder", autoencoder, self.loss)]

    def discriminator_loss(self, batch, rng):
        with no_grad():
            z = self.encoder(self.space.rows(batch["x"]))
        a_prior, a_code = self.logit(self.prior.draw(len(z), rng)), self.logit(z)
        return {"-V": discriminator_loss(a_prior, a_code), "D(z), prior": sigmoid(a_prior.detach()).mean(),
                "D(z), codes": sigmoid(a_code.detach()).mean()}

    def loss(self, batch, rng):
        z, error = self.codes_and_error(batch["x"])
        fooled = nonsaturating(self.logit(z))
        # course 4.10
        return {f"squared error - {self.weight:g} log D": error + self.weight * fooled, "squared error": error,
                "-log D(f(x))": fooled}  # eq. 4

    def logit(self, z):
        """a (N,) of codes z (N, Z)."""
        return self.discriminator(z)[:, 0]


def checked(weight, caller):
    if not weight >= 0:
        raise ValueError(f"{caller}: weight is {weight}, expected lambda, at least 0")
    return weight
