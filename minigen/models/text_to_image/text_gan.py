"""A GAN that draws what a caption says, as its discriminator reads: GAN-CLS, and GAN-INT beside it.

Reed, Akata, Yan, Logeswaran, Schiele & Lee, "Generative Adversarial Text to Image Synthesis", ICML 2016, algorithm 1:

    h = phi(t),  h_hat = phi(t_hat)           t: the caption of image x; t_hat: a caption that is wrong of it
    x_hat = G(z, h)
    s_r = D(x, h)                              real image, right text
    s_w = D(x, h_hat)                          real image, wrong text
    s_f = D(x_hat, h)                          fake image, right text
    L_D = log s_r + (log(1 - s_w) + log(1 - s_f)) / 2         D ascends it
    L_G = log s_f                                             G ascends it, here and there: the nonsaturating loss

With s_r and s_f alone D need not read: it tells real from fake, and G draws whatever it likes. The pair (real, wrong),
in which nothing is fake, is what makes D compare image and text, and so G draw what is asked for.

    L_G + log D(G(z, b h_1 + (1 - b) h_2)),  b = 1/2          GAN-INT (eq. 5): between two captions there is no image to
                                                              compare with, but D can judge what G draws there

phi is trained before, to match images and captions, and then frozen: in the paper by a structured joint embedding, here
it is CLIP's text encoder, times sqrt(D), as the numbers of a vector on the unit sphere are small. A wrong caption must
be wrong: of random ones some are true of the image by chance, and so the data choose them (data/shapes/pairs.py).

Symbols: N images, Z latent, D width of h, a logits. Read before this: models/adversarial/dcgan.py, clip.py. Read next:
recipes/text_to_image.py.
Course: 7.7.
"""
import math
from functools import partial

import numpy as np

from autograd import Tensor, broadcast_to, concatenate, flatten, leaky_relu, no_grad, sigmoid, softplus
from autograd.backend import asarray, normal, xp
from autograd.batch import own, whole

from ...adversarial.objectives import nonsaturating
from ...nn import BatchNorm2d, Conv2d, Linear, Module, Sequential
from ...nn.chunks import in_chunks
from ...player import Player
from ...text_to_image.text_encoder import check_captions

SLOPE = 0.2
CHUNK = 500  # images that are drawn at a time


class MatchingDiscriminator(Module):
    """(images (N, C, H, W), h (N, D)) -> logits (N,) of "real, and what the text says" (section 4.1): h is made
    smaller, repeated at every place of the last feature map, and compared with it there by a convolution of 1 x 1.

    network: a Module with `shape`, `net`, from images to the feature map, and `logit`, the Linear that would follow it,
    which is not used. text: D. reduced: the size of what is repeated.
    """

    def __init__(self, network, text, reduced=64, *, rng):
        self.shape, self.text = network.shape, text
        self.net = network.net
        with no_grad():
            _, C, H, W = self.net(xp.zeros((2, *self.shape), np.float32)).shape
        self.reduce = Sequential(Linear(text, reduced, rng=rng), partial(leaky_relu, negative_slope=SLOPE))
        self.compare = Sequential(Conv2d(C + reduced, C, 1, bias=False, rng=rng), BatchNorm2d(C),
                                  partial(leaky_relu, negative_slope=SLOPE))
        self.logit = Linear(C * H * W, 1, rng=rng)

    def forward(self, x, h):
        features = self.net(x)  # (N, C, H, W)
        told = self.reduce(h)[:, :, None, None]
        told = broadcast_to(told, (*told.shape[:2], *features.shape[2:]))
        return self.logit(flatten(self.compare(concatenate([features, told], axis=1)), 1))[:, 0]


class TextGAN(Module):
    """generator: a Module with `latent` = Z + D and `shape`, from z beside h to images in [-1, 1]. discriminator: a
    MatchingDiscriminator. clip: a frozen CLIP, of the same captions."""

    conditions = ("text",)

    def __init__(self, generator, discriminator, space, clip):
        self.D = len(clip.W_t.weight)  # of h
        for network, does in (generator, "generator makes"), (discriminator, "discriminator takes"):
            if network.shape != space.shape:
                raise ValueError(f"TextGAN: the {does} images of shape {network.shape}, the data's have {space.shape}")
        if generator.latent <= self.D:
            raise ValueError(f"TextGAN: the generator takes {generator.latent} numbers, and the text is {self.D} of "
                             "them; give it more, for z")
        self.generator, self.discriminator, self.space, self.clip = generator, discriminator, space, clip
        self.latent = generator.latent - self.D

    def phi(self, text):
        """h (N, D) of tokens, a constant."""
        with no_grad():
            return self.clip.text_vectors(text).detach() * math.sqrt(self.D)

    def players(self):
        return [Player("D", self.discriminator.parameters(), self.discriminator_loss),
                Player("G", self.generator.parameters(), self.generator_loss)]

    def discriminator_loss(self, batch, rng):
        if "wrong" not in batch:
            raise ValueError(f"TextGAN: the data have no captions that are wrong, only {', '.join(batch)}; the view "
                             "`contrasted` adds them")
        x, h, h_hat = asarray(self.space.signed(batch["x"])), self.phi(batch["text"]), self.phi(batch["wrong"])
        with no_grad():
            x_hat = self.draw(h, rng)
        a_r, a_w, a_f = self.discriminator(x, h), self.discriminator(x, h_hat), self.discriminator(x_hat, h)
        loss = softplus(-a_r).mean() + 0.5 * (softplus(a_w).mean() + softplus(a_f).mean())  # course 7.7
        return {"-L_D": loss, **{name: sigmoid(a.detach()).mean() for name, a in (
            ("s_r", a_r), ("s_w", a_w), ("s_f", a_f))}}

    def generator_loss(self, batch, rng):
        h = self.phi(batch["text"])
        between = 0.5 * h + 0.5 * Tensor(own(xp.roll(whole(h.data), 1, axis=0)))  # of two captions each
        L_G = nonsaturating(self.discriminator(self.draw(h, rng), h))
        L_INT = nonsaturating(self.discriminator(self.draw(between, rng), between))
        return {"-L_G": L_G + L_INT, "-log s_f": L_G, "between captions": L_INT}

    def draw(self, h, rng):
        """G(z, h) for new z: a Tensor (N, C, H, W)."""
        return self.generator(concatenate([Tensor(normal(rng, (len(h), self.latent))), h], axis=1))

    def sample(self, n, rng, text=None):
        """text: tokens (n, T); if left out, captions of no words. Images on [0, 1]."""
        text = np.zeros((n, *self.clip.text.shape), np.int64) if text is None else text
        check_captions("TextGAN", self.clip.text, text, n)
        with no_grad():
            return in_chunks(lambda some: self.space.from_signed(self.draw(self.phi(some), rng).data), text, CHUNK)

    def measure(self, batch, rng):
        """Nothing: its pictures are the judge's business."""
        return []
