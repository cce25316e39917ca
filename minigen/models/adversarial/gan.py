"""GAN: a generator learns from a discriminator that learns to tell its samples from data.

Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014 (arXiv:1406.2661); equation numbers are that paper's.

    G(z), z ~ N(0, I)                     generator: its samples have a distribution p_g, which nobody can evaluate
    D(x) = sigmoid(a(x))                  discriminator: the probability that x is data; a network gives the logit a
    V(D, G) = E_data[log D(x)] + E_z[log(1 - D(G(z)))]             G minimizes it, D maximizes it          (eq. 1)

If D were perfect, G would descend a divergence between p_g and the data:

    D*(x) = p_data(x) / (p_data(x) + p_g(x)),   in logits a*(x) = log p_data(x) - log p_g(x)               (eq. 2)
    V(D*, G) = 2 JSD(p_data || p_g) - log 4     -log 4 is the least, where p_g = p_data and D = 1/2        (eq. 6)

But while G is bad, a good D knows its samples for sure, and the loss of eq. 1 is flat where G stands. The cure is to
maximize the probability of the mistake instead (section 3). With dloss/da, the pull on the logit of a sample:

    minimax          E_z[log(1 - D(G(z)))]     -D           0 where D is sure that the sample is none of the data
    nonsaturating    -E_z[log D(G(z))]         -(1 - D)     -1 there; 0 where the sample passes for data

Algorithm 1: k steps of D, each on new data, then one step of G. The networks below are plain MLPs (the paper's D has
maxout units and dropout; here both have rectifiers); those of dcgan.py play the same game.

Symbols: N examples, Z latent, a logit of D. Read before this: adversarial/implicit.py, adversarial/objectives.py.
Read next: dcgan.py for images; wgan_gp.py for another game.
Course: 7.1, 7.2, 7.3.
"""
import math
from functools import partial

from autograd import flatten, leaky_relu, relu, sigmoid, tanh

from ...adversarial.implicit import Implicit
from ...adversarial.objectives import GENERATOR_LOSSES, discriminator_loss
from ...nn import MLP, Module
from ...player import Player


class GAN(Implicit):
    """generator, discriminator: Modules with `shape`; the first with `latent`, the second from examples to logits (N,).
    space: of the examples. loss: the generator's, a name in GENERATOR_LOSSES. k: steps of D per step of G."""

    def __init__(self, generator, discriminator, space, loss="nonsaturating", k=1):
        super().__init__(generator, discriminator, space)
        if loss not in GENERATOR_LOSSES:
            raise ValueError(f"GAN: loss is {loss!r}, expected one of {', '.join(GENERATOR_LOSSES)}")
        if k < 1:
            raise ValueError(f"GAN: k is {k}, expected at least 1 step of the discriminator")
        self.discriminator, self.loss, self.k = discriminator, GENERATOR_LOSSES[loss], k

    def players(self):
        return [Player("D", self.discriminator.parameters(), self.discriminator_loss, repeat=self.k),  # course 7.1
                Player("G", self.generator.parameters(), self.generator_loss, data=False)]

    def discriminator_loss(self, batch, rng):
        x = self.space.signed(batch["x"])
        a_data, a_fake = self.discriminator(x), self.discriminator(self.fake(len(x), rng))
        return {"-V": discriminator_loss(a_data, a_fake),
                "D(x)": sigmoid(a_data.detach()).mean(), "D(G(z))": sigmoid(a_fake.detach()).mean()}

    def generator_loss(self, n, rng):
        a_fake = self.discriminator(self.generator(self.noise(n, rng)))
        return {self.loss.__name__: self.loss(a_fake)}


class MLPGenerator(Module):
    """z (N, Z) -> points (N, 2), or images (N, C, H, W) in [-1, 1]. latent: Z. hidden: widths of the layers."""

    def __init__(self, latent, shape, hidden=(128, 128), *, rng):
        if latent < 1:
            raise ValueError(f"MLPGenerator: latent is {latent}, expected at least 1")
        self.latent, self.shape = latent, tuple(shape)
        last = tanh if len(shape) > 1 else None
        self.net = MLP((latent, *hidden, math.prod(shape)), relu, final_activation=last, rng=rng)

    def forward(self, z):
        return self.net(z).reshape(len(z), *self.shape)


class MLPDiscriminator(Module):
    """Points or images (N, *shape) -> a number each (N,), in GAN the logit of D."""

    def __init__(self, shape, hidden=(128, 128), *, rng):
        self.shape = tuple(shape)
        self.net = MLP((math.prod(shape), *hidden, 1), partial(leaky_relu, negative_slope=0.2), rng=rng)

    def forward(self, x):
        return self.net(flatten(x, 1))[:, 0]
