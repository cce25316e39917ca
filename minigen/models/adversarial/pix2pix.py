"""pix2pix: an image is translated into another, of pairs; what is right is said by a distance, what looks right by D.

Isola, Zhu, Zhou & Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017
(arXiv:1611.07004); equation numbers are that paper's. Its letters are x for the source and y for the picture; here the
picture is x, as everywhere, and the source s.

    L_cGAN(G, D) = E_s,x[log D(s, x)] + E_s,z[log(1 - D(s, G(s, z)))]                                           (eq. 1)
    L_L1(G)      = E_s,x,z[|x - G(s, z)|]                                                                       (eq. 3)
    G* = arg min over G max over D of  L_cGAN(G, D) + lambda L_L1(G),    lambda = 100                           (eq. 4)

A drawing does not say its colours. Of all that it may be, L1 alone asks for the median of each pixel: a brownish gray,
which is nothing that anybody would draw. To D that gives itself away, and so with D the picture takes a side: it is
coloured, now and then in other colours than the truth, so that L1 rises. Both are measured: L1, and saturation.

D must see the drawing beside the picture: if not, G may draw any picture that looks right. It sees patches of 16 pixels
along a side, by itself and sharp; the picture as a whole is L1's matter. The noise z is dropout in G, when pictures are
drawn too: translators.py. D's loss is halved, so that it learns more slowly than G.

Symbols: N pairs, s source (C_s, H, W), x picture (C, H, W). Read before this: conditional_gan.py,
adversarial/patch.py, adversarial/translators.py. Read next: cyclegan.py, which has no pairs.
Course: 7.5.
"""
import numpy as np

from autograd import as_tensor, concatenate, no_grad, sigmoid
from autograd.backend import asarray, default_dtype

from ...adversarial.objectives import discriminator_loss, nonsaturating
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 100  # images that are translated at a time


class Pix2Pix(Module):
    """generator: a Module from sources (N, C_s, H, W) and a generator of random numbers to pictures in [-1, 1], with
    `source_shape` and `shape`. discriminator: a Module from both together, (N, C_s + C, H, W), to logits, with `shape`;
    None for L1 alone. source, space: of sources and pictures. weight: lambda."""

    conditions = ("source",)

    def __init__(self, generator, discriminator, source, space, weight=100.0):
        both = (source.shape[0] + space.shape[0], *space.shape[1:])
        if (generator.source_shape, generator.shape) != (source.shape, space.shape):
            raise ValueError(f"Pix2Pix: the generator takes {generator.source_shape} to {generator.shape}, the data "
                             f"have {source.shape} and {space.shape}; build it for the data")
        if discriminator is not None and discriminator.shape != both:
            raise ValueError(f"Pix2Pix: the discriminator takes images of shape {discriminator.shape}, expected "
                             f"{both}: it sees source and picture")
        self.generator, self.discriminator, self.weight = generator, discriminator, weight
        self.source, self.space = source, space

    def players(self):
        G = Player("G", self.generator.parameters(), self.generator_loss)
        return [G] if self.discriminator is None else [
            Player("D", self.discriminator.parameters(), self.discriminator_loss), G]

    def discriminator_loss(self, batch, rng):
        s, x = self.pair(batch)
        with no_grad():
            fake = self.generator(s, rng)
        a_data, a_fake = self.judge(s, x), self.judge(s, fake)  # (N, 1, h, w)
        return {"-L_cGAN / 2": 0.5 * discriminator_loss(a_data, a_fake),
                "D(s, x)": sigmoid(a_data.detach()).mean(), "D(s, G(s))": sigmoid(a_fake.detach()).mean()}

    def generator_loss(self, batch, rng):
        s, x = self.pair(batch)
        drawn = self.generator(s, rng)
        L1 = abs(x - drawn).mean()
        if self.discriminator is None:
            return {"L1": L1}
        fooled = nonsaturating(self.judge(s, drawn))
        return {"L_cGAN + lambda L1": fooled + self.weight * L1, "L_cGAN": fooled, "L1": L1}  # course 7.5

    def judge(self, s, x):
        """D's logits of pictures x beside their sources s."""
        return self.discriminator(concatenate([as_tensor(s), as_tensor(x)], axis=1))

    def pair(self, batch):
        """(s, x) on [-1, 1] of a batch."""
        if "source" not in batch:
            raise ValueError(f"Pix2Pix: the data have columns {', '.join(batch)}, and what is to be translated is in a "
                             "column 'source'; use data that are pairs")
        return self.source.signed(batch["source"]), self.space.signed(batch["x"])

    def sample(self, n, rng, source):
        """Pictures (n, C, H, W) on [0, 1] of sources (n, C_s, H, W)."""
        return self.translate(source[:n], rng)

    def translate(self, source, rng):
        """Pictures of sources in their own units, as they are drawn. Drawn again, they differ a little."""
        draw = lambda s: self.space.from_signed(self.generator(asarray(s, default_dtype), rng).data)
        with no_grad():
            return in_chunks(draw, self.source.signed(source), CHUNK)

    def measure(self, batch, rng):
        """How much the noise changes. How near pictures are to the truth is the judge's business."""
        s = batch["source"]
        change = np.abs(self.translate(s, rng) - self.translate(s, rng)).mean(axis=(1, 2, 3))
        return [Measure("change by noise", *mean_interval(change), "", "L1 of two pictures of the same source")]
