"""VQ-GAN: a VQ-VAE whose reconstructions must look right, to a classifier and to a discriminator, and not only be near.

Esser, Rombach & Ommer, "Taming Transformers for High-Resolution Image Synthesis", CVPR 2021; equation numbers are that
paper's.

    L_VQ  = L_rec + |sg[z_e] - e|^2 + beta |z_e - sg[e]|^2         as in vqvae.py, but for L_rec          (eq. 4)
    L_rec = |x - x_hat| + p d(x, x_hat)                            d: perceptual distance, ../../perceptual.py
    L_GAN = log D(x) + log(1 - D(x_hat))                           D: of patches; here by the hinge       (eq. 5)
    min over encoder, codes, decoder  max over D  of  E[L_VQ + w lambda L_GAN]                            (eq. 6)
    lambda = |grad_W L_rec| / (|grad_W L_GAN| + 1e-6)              W: the decoder's last layer            (eq. 7)

A grid of few bits does not say where each edge is to the pixel. The image with the least squared error is then the mean
of all those that it may stand for: a blurred one. To D a blurred patch gives itself away. It sees 16 pixels along a
side, as the image as a whole is L_rec's matter. With d and D the same bits draw an image that is sharp, with an edge
here and there where none was asked for: L1 rises a little, the distance of the distributions falls.

It is trained in two stages. The blots of the beginning are told from data at a glance, and a D that knows nothing else
has nothing to teach. So first there is a VQ-VAE, learned from pixels alone, whose steps cost less. Then d and D join
it, and L_GAN enters when D knows its trade: at `enters` of the second stage, and in full only RISE later. Where it
enters at once lambda is large and jumps about, as others report; so it is clamped, too.

The gradient of L_GAN reaches the encoder as all others do: at z_q, straight through to z_e. A transformer as the prior
of the codes (eqs. 8-9) is prior.py with ../autoregressive/transformer.py.

Deviations: networks like those of vqvae.py; codes by moving averages; d is not there from the start; a ramp for L_GAN.

Symbols: N examples, C H W image, h w grid, K codes, g gradients in x_hat. Read before this: vqvae.py, perceptual.py,
adversarial/patch.py, adversarial/balance.py. Read next: prior.py.
Course: 5.4.
"""
from functools import partial

import numpy as np

from autograd import Tensor, no_grad
from autograd.backend import asarray

from ...adversarial.balance import adaptive_weight, cut, with_gradient
from ...adversarial.objectives import hinge_discriminator, hinge_generator
from ...metrics import Measure, mean_interval
from ...nn.chunks import in_chunks
from ...perceptual import PerceptualDistance
from ...player import Player
from ...quantize.autoencoder import GridAutoencoder
from ...quantize.measures import reconstruction_error, sharpness_measures, usage_measures

RISE = 0.1  # of the stage, in which L_GAN rises from nothing to its full weight
EXAMPLES = 500  # that are measured at a time


class VQGAN(GridAutoencoder):
    """space, codebook, width, halvings: as of VQVAE. discriminator: a Module from images of mean 0 and variance 1 to
    logits, with `shape`. classifier: a Frozen, with `space` and `body`. perceptual: p. weight: w. most: the largest
    lambda. enters: how much of the adversarial stage is over when L_GAN enters."""

    done = 1.0  # how much of the stage is over: set by the loop

    def __init__(self, space, codebook, discriminator, classifier, width=32, halvings=2, perceptual=1.0, weight=0.8,
                 most=10.0, enters=0.1, *, rng):
        super().__init__(space, codebook, width, halvings, rng=rng)
        if discriminator.shape != space.shape:
            raise ValueError(f"VQGAN: discriminator takes images of shape {discriminator.shape}, and the data's have "
                             f"{space.shape}; build it for the data")
        if perceptual < 0 or weight < 0 or most <= 0 or not 0 <= enters <= 1:
            raise ValueError(f"VQGAN: perceptual is {perceptual}, weight {weight}, most {most}, enters {enters}; "
                             "expected perceptual, weight >= 0, most > 0 and enters from 0 to 1")
        self.discriminator, self.see = discriminator, PerceptualDistance(classifier)
        if classifier.space != space:
            raise ValueError(f"VQGAN: classifier was trained on images of shape {classifier.space.shape} and "
                             f"{classifier.space.levels} levels, and the data have {space.shape} and {space.levels}")
        self.perceptual, self.weight, self.most, self.enters = perceptual, weight, most, enters

    def players(self):
        """Of the second stage. D moves first, as the other is to learn from it."""
        return [Player("D", self.discriminator.parameters(), self.discriminator_loss),
                Player("autoencoder", self.autoencoder_parameters(), self.loss)]

    def lone_player(self):
        """Of the first stage."""
        return [Player("autoencoder", self.autoencoder_parameters(), self.pixel_loss)]

    def autoencoder_parameters(self):
        return [p for part in (self.encoder, self.codebook, self.decoder) for p in part.parameters()]

    def pixel_loss(self, batch, rng):
        """Eq. 4 without d."""
        x, x_hat, terms = self.forth_and_back(batch, rng)
        error = abs(x - x_hat).mean()
        return {"loss": error + sum(terms.values()), "L1": error, "perplexity": self.codebook.perplexity()}

    def loss(self, batch, rng):
        """Eq. 6, the autoencoder's part; eq. 4 before L_GAN enters."""
        x, x_hat, terms = self.forth_and_back(batch, rng)
        error, g = cut(partial(self.error, x), x_hat)
        fooled, g_gan = cut(self.fooled, x_hat)
        # course 5.4
        weight = self.ramp() and self.ramp() * adaptive_weight(x_hat, self.last_layer(), g, g_gan, self.most)
        total = with_gradient(error + weight * fooled, x_hat, g + weight * g_gan) + sum(terms.values())
        return {"loss": total, "L_rec": error, "L_GAN": fooled, "w lambda": Tensor(np.float32(weight)),
                "perplexity": self.codebook.perplexity()}

    def forth_and_back(self, batch, rng):
        """(x, x_hat, the last two terms of eq. 4) of a batch, images of mean 0 and variance 1."""
        x = self.standard(batch["x"])  # (N, C, H, W)
        z_q, _, terms = self.codebook(self.encoder(x), rng)  # (N, D, h, w)
        return x, self.decoder(z_q), terms

    def error(self, x, x_hat):
        """L_rec. The classifier is shown what it was trained on: images on [0, 1]."""
        return abs(x - x_hat).mean() + self.perceptual * self.see(self.unit(x), self.unit(x_hat)).mean()  # course 5.4

    def fooled(self, x_hat):
        """What of L_GAN depends on the autoencoder."""
        return hinge_generator(self.discriminator(x_hat))

    def ramp(self) -> float:
        """The weight of L_GAN beside lambda: 0 until it enters, then rising to w."""
        return self.weight * min(1.0, max(0.0, (self.done - self.enters) / RISE))

    def last_layer(self):
        """W of eq. 7."""
        return self.decoder.layers[-1].weight

    def discriminator_loss(self, batch, rng):
        x = self.standard(batch["x"])
        with no_grad():
            x_hat = self.decoder(self.codebook.lookup(self.codebook.encode(self.encoder(x).data)))
        a_data, a_fake = self.discriminator(x), self.discriminator(x_hat)  # (N, 1, h, w)
        return {"hinge": hinge_discriminator(a_data, a_fake), "D(x)": a_data.detach().mean(),
                "D(x_hat)": a_fake.detach().mean()}

    def measure(self, batch, rng):
        x, codes = batch["x"], self.encode(batch["x"])
        x_hat, images = self.decode(codes), self.space.drawn(x)
        mean = np.broadcast_to(images.mean(axis=0), images.shape)
        return [reconstruction_error(self.space, x, x_hat, self.bits, self.floor),
                *sharpness_measures(self.space, x, x_hat),
                Measure("perceptual distance", *mean_interval(self.seen(images, x_hat)), "",
                        f"to the classifier it was trained with; the mean image {self.seen(images, mean).mean():.3f}"),
                *usage_measures(codes, self.codebook.K)]

    def seen(self, x, x_hat):
        """The perceptual distance of images (N, C, H, W) in [0, 1], NumPy arrays: (N,)."""
        with no_grad():
            return in_chunks(lambda i: self.see(asarray(x[i]), asarray(x_hat[i])).data, np.arange(len(x)), EXAMPLES)
