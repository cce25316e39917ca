"""CycleGAN: two translators, there and back, learned from two sets of images of which none belong together.

Zhu, Park, Isola & Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017
(arXiv:1703.10593); equation numbers are that paper's. Its X and Y are a and b here.

    G: a -> b,  F: b -> a     translators;     D_a, D_b     each tells its set from what is translated into it
    L_GAN(G, D_b) = E_b[log D_b(b)] + E_a[log(1 - D_b(G(a)))], and so with F and D_a                            (eq. 1)
    L_cyc(G, F)   = E_a[|F(G(a)) - a|] + E_b[|G(F(b)) - b|]                                                     (eq. 2)
    L             = L_GAN(G, D_b) + L_GAN(F, D_a) + lambda L_cyc,   lambda = 10                                 (eq. 3)
    G*, F* = arg min over G, F  max over D_a, D_b  of  L                                                        (eq. 4)
    L_identity    = E_b[|G(b) - b|] + E_a[|F(a) - a|],   times lambda / 2                              (section 5.2)

D alone asks that G(a) be some b: any. That one can get back to a from it (L_cyc) asks that nothing of a be lost. Not
that G(a) be a's counterpart: a permutation of all b would do, or a negative of every picture. What helps is that G
finds the way of the least change first; and L_identity says that what is of b already is to be left as it is.

**A small L_cyc proves nothing.** G can hide a in its picture, in differences that nobody sees, and F can read them
(Chu, Zhmoginov & Sandler 2017). A test: a little noise on the picture must not break the way back. So L_cyc is measured
with and without it; and what counts is measured where the truth is known, in judges.py.

As in the paper (section 4) the objective is that of least squares, D's are shown earlier pictures too (pool.py), and
the learning rate falls in the second half. One optimizer moves G and F, one each D.

Symbols: N images, a b (N, C, H, W), lambda. Read before this: pix2pix.py, adversarial/translators.py,
adversarial/pool.py. Read next: stargan.py.
Course: 7.6.
"""
import numpy as np

from autograd import no_grad
from autograd.backend import asarray, default_dtype

from ...adversarial.objectives import squares_discriminator, squares_generator
from ...adversarial.pool import ImagePool
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 100  # images that are translated at a time
NOISE = 0.05  # standard deviation, of 1, in the test of the way back


class CycleGAN(Module):
    """G, F: Modules from images (N, C, H, W) in [-1, 1] of a to those of b, and back. D_a, D_b: Modules from images to
    logits. a, b: Spaces. weight: lambda. identity: of L_identity, times lambda. pool: images in each pool."""

    conditions = ("a",)

    def __init__(self, G, F, D_a, D_b, a, b, weight=10.0, identity=0.5, pool=50):
        if weight < 0 or identity < 0:
            raise ValueError(f"CycleGAN: weight is {weight}, identity {identity}, expected 0 or more")
        if identity and a.shape != b.shape:
            raise ValueError(f"CycleGAN: images of a have shape {a.shape}, those of b {b.shape}: they cannot be "
                             "compared; use identity=0")
        self.G, self.F, self.D_a, self.D_b, self.a, self.b = G, F, D_a, D_b, a, b
        self.weight, self.identity = weight, identity
        self.pool_a, self.pool_b = ImagePool(a.shape, pool), ImagePool(b.shape, pool)

    def players(self):
        return [Player("D_a", self.D_a.parameters(), self.loss_a), Player("D_b", self.D_b.parameters(), self.loss_b),
                Player("G and F", self.G.parameters() + self.F.parameters(), self.translators_loss)]

    def loss_a(self, batch, rng):
        """Of D_a (eq. 1)."""
        a, b = self.images(batch)
        return self.tell_apart(self.D_a, a, self.F, b, self.pool_a, rng)

    def loss_b(self, batch, rng):
        a, b = self.images(batch)
        return self.tell_apart(self.D_b, b, self.G, a, self.pool_b, rng)

    def tell_apart(self, D, real, translate, source, pool, rng):
        with no_grad():
            fake = translate(source).data
        shown = pool.exchange(fake, rng) if self.training else fake
        return {"squares": squares_discriminator(D(real), D(shown))}

    def translators_loss(self, batch, rng):
        """Eq. 3 and L_identity, in images of [-1, 1]."""
        a, b = self.images(batch)
        G_a, F_b = self.G(a), self.F(b)
        L_GAN = squares_generator(self.D_b(G_a)) + squares_generator(self.D_a(F_b))
        L_cyc = abs(self.F(G_a) - a).mean() + abs(self.G(F_b) - b).mean()  # course 7.6
        terms = {"L_GAN": L_GAN, "L_cyc": L_cyc}
        L = L_GAN + self.weight * L_cyc
        if self.identity:
            terms["L_identity"] = abs(self.G(b) - b).mean() + abs(self.F(a) - a).mean()
            L = L + self.weight * self.identity * terms["L_identity"]
        return {"L": L, **terms}

    def images(self, batch):
        """(a, b) on [-1, 1] of a batch."""
        missing = [name for name in ("a", "b") if name not in batch]
        if missing:
            raise ValueError(f"CycleGAN: the data have columns {', '.join(batch)}, and no '{missing[0]}'; use two "
                             "sets, data.Unpaired with a and b")
        return self.a.signed(batch["a"]), self.b.signed(batch["b"])

    def sample(self, n, rng, a):
        """Images (n, C, H, W) of b on [0, 1], translated from a (n, C, H, W)."""
        return self.translate(a[:n])

    def translate(self, a):
        """G(a) of images in their own units, as they are drawn."""
        return self.b.from_signed(_through(self.G, self.a.signed(a)))

    def measure(self, batch, rng):
        """The way there and back, and the same with noise on the picture in the middle, in images of [0, 1]."""
        a = self.a.signed(batch["a"])
        middle = _through(self.G, a)
        noise = 2 * NOISE * rng.standard_normal(middle.shape, dtype=np.float32)
        plain, noisy = (abs(self.a.from_signed(_through(self.F, m)) - self.a.drawn(batch["a"])).mean(axis=(1, 2, 3))
                        for m in (middle, middle + noise))
        return [Measure("cycle L1", *mean_interval(plain), "", "of 1, from a to b and back"),
                Measure("cycle L1 with noise", *mean_interval(noisy), "",
                        f"{noisy.mean() / plain.mean():.1f} times that; noise of {NOISE:g} on the picture of b: above "
                        "3 the way back is hidden there")]


def _through(network, images):
    """Images (N, C, H, W) in [-1, 1] -> what a network makes of them, NumPy."""
    with no_grad():
        return in_chunks(lambda x: network(asarray(x, default_dtype)).data, images, CHUNK)
