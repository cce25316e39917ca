"""StarGAN: one translator for all edits: it is told the labels that an image is to have, and learns from single images.

Choi, Choi, Kim, Ha, Kim & Choo, "StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image
Translation", CVPR 2018 (arXiv:1711.09020); equation numbers are that paper's.

    x an image, c' the labels that it has, c others, at random;   G(x, c) the image with c
    L_adv   = E[D_src(x)] - E[D_src(G(x, c))] - lambda_gp E[(|grad D_src(x_hat)| - 1)^2]        a critic    (eqs. 1, 7)
    L_cls^r = E[-log D_cls(c' | x)]                 D learns to name what real images have                  (eq. 2)
    L_cls^f = E[-log D_cls(c | G(x, c))]            and G to draw what is then named                        (eq. 3)
    L_rec   = E[|x - G(G(x, c), c')|]               what c does not speak of must be there still            (eq. 4)
    D minimizes -L_adv + lambda_cls L_cls^r                                                                 (eq. 5)
    G minimizes  L_adv + lambda_cls L_cls^f + lambda_rec L_rec                                              (eq. 6)

With K labels a CycleGAN for each pair of domains would be K (K - 1) translators, each of which sees the images of two
domains only. No image is needed in two versions.

D learns names from real images alone (eq. 2). If it were told that G's images show c, too, it would learn G's mistakes
as names. And a G that does nothing at all has L_rec = 0, fools D_src, and is named rightly wherever c is c': only edits
that change something tell, so it is these that are measured, by an exact reader (judges.py).

Deviations: faces of 16 x 16 pixels, small networks. Labels are bits, each with a cross entropy of its own.

Symbols: N images, C H W, K labels, h w grid of patches. Read before this: wgan_gp.py, cyclegan.py,
adversarial/translators.py.
Course: 7.7.
"""
from functools import partial

import numpy as np

from autograd import as_tensor, binary_cross_entropy_with_logits, broadcast_to, concatenate, leaky_relu, no_grad
from autograd.backend import asarray, default_dtype, uniform
from autograd.batch import whole

from ...adversarial.penalties import gradient_penalty
from ...metrics import Measure, mean_interval
from ...nn import Conv2d, Module, Sequential
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 100  # images that are translated at a time


class StarGAN(Module):
    """G: a Module from images beside K maps of labels, (N, C + K, H, W), to images in [-1, 1]. D: StarDiscriminator.
    space: of the images. labels: Space (K,) of bits. n_critic: steps of D per step of G. cls, rec, gp: the lambdas."""

    conditions = ("source", "edit")

    def __init__(self, G, D, space, labels, n_critic=5, cls=1.0, rec=10.0, gp=10.0):
        if labels.levels != 2 or len(labels.shape) != 1:
            raise ValueError(f"StarGAN: labels have shape {labels.shape} and {labels.levels} levels, expected (K,) "
                             "and 2")
        if n_critic < 1 or min(cls, rec, gp) < 0:
            raise ValueError(f"StarGAN: n_critic is {n_critic}, cls {cls}, rec {rec}, gp {gp}; expected at least 1, "
                             "and no negative weights")
        self.G, self.D, self.space, self.labels = G, D, space, labels
        self.n_critic, self.cls, self.rec, self.gp = n_critic, cls, rec, gp

    def players(self):
        return [Player("D", self.D.parameters(), self.discriminator_loss, repeat=self.n_critic),
                Player("G", self.G.parameters(), self.generator_loss)]

    def discriminator_loss(self, batch, rng):
        """Eq. 5."""
        x, own, asked = self.triple(batch, rng)
        with no_grad():
            fake = self.edit(x, asked)
        src, named = self.D(x)
        distance = src.mean() - self.D(fake)[0].mean()
        t = uniform(rng, (len(x), 1, 1, 1))
        critic = lambda x: self.D(x)[0].mean(axis=(1, 2, 3))
        penalty = gradient_penalty(critic, t * x + (1.0 - t) * fake.data)
        L_cls = self.names(named, own)
        return {"-L_adv + L_cls": self.gp * penalty - distance + self.cls * L_cls, "distance": distance,
                "penalty": penalty, "L_cls^r": L_cls}

    def generator_loss(self, batch, rng):
        """Eq. 6."""
        x, own, asked = self.triple(batch, rng)
        drawn = self.edit(x, asked)
        src, named = self.D(drawn)
        L_cls, L_rec = self.names(named, asked), abs(x - self.edit(drawn, own)).mean()
        return {"L_adv + L_cls + L_rec": self.cls * L_cls + self.rec * L_rec - src.mean(), "L_cls^f": L_cls,
                "L_rec": L_rec}

    def triple(self, batch, rng):
        """(x on [-1, 1], its labels c', the labels c of another image of the batch) of a batch, arrays."""
        if "labels" not in batch or "source" not in batch:
            raise ValueError(f"StarGAN: the data have columns {', '.join(batch)}; expected source and its labels")
        self.labels.check(batch["labels"], "labels")
        own = asarray(batch["labels"], default_dtype)
        return self.space.signed(batch["source"]), own, whole(own)[rng.permutation(len(own))]

    def names(self, logits, labels):
        """-log D_cls of labels (N, K), summed over these."""
        return self.labels.size * binary_cross_entropy_with_logits(logits, labels)

    def edit(self, x, labels):
        """G(x, c): the labels (N, K) as maps beside x (N, C, H, W)."""
        x, (N, K) = as_tensor(x), labels.shape
        maps = broadcast_to(as_tensor(labels).reshape(N, K, 1, 1), (N, K, *x.shape[2:]))
        return self.G(concatenate([x, maps], axis=1))  # course 7.7

    def sample(self, n, rng, source, edit):
        """Images (n, C, H, W) on [0, 1]: those of source with the labels edit (n, K)."""
        return self.translate(source[:n], edit[:n])

    def translate(self, source, edit):
        """The same for images in their own units."""
        self.labels.check(edit, "edit")
        x, labels = self.space.signed(source), asarray(edit, default_dtype)
        draw = lambda i: self.space.from_signed(self.edit(x[i], labels[i]).data)
        with no_grad():
            return in_chunks(draw, np.arange(len(x)), CHUNK)

    def measure(self, batch, rng):
        """The way there and back, in images of [0, 1]. Whether edits are made is the judge's business."""
        x, own, asked = self.triple(batch, rng)
        with no_grad():
            back = in_chunks(lambda i: self.edit(self.edit(x[i], asked[i]), own[i]).data, np.arange(len(x)), CHUNK)
        L1 = abs(self.space.from_signed(back) - self.space.drawn(batch["source"])).mean(axis=(1, 2, 3))
        return [Measure("cycle L1", *mean_interval(L1), "", "of 1, to other labels and back")]


class StarDiscriminator(Module):
    """Images (N, C, H, W) -> D_src, what the critic says of each patch, (N, 1, h, w); logits of D_cls (N, K). shape:
    (C, H, W). K: labels. width: channels at half the resolution. halvings: of it, each of twice the channels."""

    def __init__(self, shape, K, width=32, halvings=3, *, rng):
        C, H, W = shape
        if min(H, W) % 2**halvings:
            raise ValueError(f"StarDiscriminator: {H} x {W} pixels cannot be halved {halvings} times; use fewer")
        self.body = Sequential()
        for i in range(halvings):
            self.body.append(Conv2d(width * 2 ** (i - 1) if i else C, width * 2**i, 4, stride=2, padding=1, rng=rng))
            self.body.append(partial(leaky_relu, negative_slope=0.01))
        D, grid = width * 2 ** (halvings - 1), (H // 2**halvings, W // 2**halvings)
        self.src = Conv2d(D, 1, 3, padding=1, bias=False, rng=rng)
        self.cls = Conv2d(D, K, grid, bias=False, rng=rng)

    def forward(self, x):
        h = self.body(x)
        return self.src(h), self.cls(h)[:, :, 0, 0]
