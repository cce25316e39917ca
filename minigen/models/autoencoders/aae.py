"""AAE: an autoencoder whose codes an adversary compares with draws from a prior, until it cannot tell them apart.

Makhzani et al., "Adversarial Autoencoders", 2015 (arXiv:1511.05644); sections and figures are that paper's.

    z = f(x),  x_hat = g(z)               encoder, deterministic (section 2.1, the first choice), and decoder
    D(z) = sigmoid(a(z))                  the probability that a code was drawn from the prior and not made of an image

Three phases a step, a player each (section 2, figure 1):

    reconstruction    f and g descend     E |x - g(f(x))|^2
    regularization    D descends          -E_p(z)[log D(z)] - E_data[log(1 - D(f(x)))]
                      f descends          -E_data[log D(f(x))]: f is the generator of a GAN whose "images" are codes

The prior's density is never asked for, so it may be a swiss roll. Where it has classes (section 2.3, figure 4), D is
told them too, by a one-hot vector beside the code: of a code drawn from the prior the class that it was drawn of, of an
image's code the image's label. So each class of images goes to its own part of the prior, and a sample can be asked
for by its class.

A balanced loss proves nothing: a D that learned nothing has the loss 2 log 2 of one that is beaten, and the result is
a plain autoencoder. `measure` looks at the codes.

Symbols: N examples, Z latent, K classes, a logit of D. Read before this: autoencoders/priors.py,
autoencoders/matched.py, models/adversarial/gan.py. Read next: wae.py.
Course: 4.9.
"""
from functools import partial

from autograd import concatenate, leaky_relu, no_grad, one_hot, sigmoid
from autograd.backend import asarray

from ...adversarial.objectives import discriminator_loss, nonsaturating
from ...autoencoders.matched import MatchedAutoencoder
from ...data import Space
from ...nn import MLP
from ...nn.autoencoder import mlp_pair
from ...player import Player


class AAE(MatchedAutoencoder):
    """space, prior, hidden, networks: as in matched.py. adversary: widths of D's hidden layers; it has no batch norm,
    under which a code would be judged by its neighbours in the batch. labels: whether D is told classes; then data have
    a column y."""

    def __init__(self, space, prior, hidden=(500, 500), adversary=(500, 500), labels=False, networks=mlp_pair, *, rng):
        super().__init__(space, prior, hidden, networks, rng=rng)
        if labels and not prior.classes:
            raise ValueError(f"AAE: labels is True, and {type(prior).__name__} has no classes; choose a prior that has")
        self.labels = Space((), prior.classes) if labels else None
        self.conditions = ("y",) if labels else ()
        width = self.latent + (prior.classes if labels else 0)
        self.discriminator = MLP((width, *adversary, 1), partial(leaky_relu, negative_slope=0.2), rng=rng)

    def players(self):
        autoencoder = [*self.encoder.parameters(), *self.decoder.parameters()]
        return [Player("autoencoder", autoencoder, self.reconstruction_loss),
                Player("D", self.discriminator.parameters(), self.discriminator_loss),
                Player("encoder", self.encoder.parameters(), self.encoder_loss)]

    def reconstruction_loss(self, batch, rng):
        _, error = self.codes_and_error(batch["x"])
        return {"squared error": error}

    def discriminator_loss(self, batch, rng):
        y = self.told(batch)
        with no_grad():
            z = self.encoder(self.space.rows(batch["x"]))  # a constant for D
        a_prior, a_code = self.logit(self.prior.draw(len(z), rng, y), y), self.logit(z, y)
        return {"-V": discriminator_loss(a_prior, a_code), "D(z), prior": sigmoid(a_prior.detach()).mean(),
                "D(z), codes": sigmoid(a_code.detach()).mean()}

    def encoder_loss(self, batch, rng):
        y = self.told(batch)
        return {"-log D(f(x))": nonsaturating(self.logit(self.encoder(self.space.rows(batch["x"])), y))}  # course 4.9

    def logit(self, z, y=None):
        """a (N,) of codes z (N, Z). y (N,): the classes that D is told; None if it is told nothing."""
        told = [] if y is None else [one_hot(asarray(y), self.prior.classes)]
        return self.discriminator(concatenate([z, *told], axis=1))[:, 0]

    def told(self, batch):
        """The classes y (N,) of a batch that D is told, None if it is told nothing."""
        if self.labels is None:
            return None
        if "y" not in batch:
            raise ValueError("AAE: labels is True, so it needs a column 'y', and the data have only "
                             f"{', '.join(batch)}; pass labels=False")
        self.labels.check(batch["y"], "y")
        return batch["y"]

    def sample(self, n, rng, y=None):
        """g(z) of z from the prior; y (n,): from the part of the prior that is this class's."""
        if y is not None and self.labels is None:
            raise ValueError("AAE.sample: y is given, and D was told no labels; train with labels=True")
        return self.decode(self.prior.draw(n, rng, y))
