"""StyleGAN: the latent does not enter as an image, but sets the style of every layer.

Karras, Laine & Aila, "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019
(arXiv:1812.04948), figure 1; equations 1 to 3 are its. Sections named 2020 are of "Analyzing and Improving the Image
Quality of StyleGAN", CVPR 2020.

    w = f(z),   G(z) = g(w, .., w)              the networks, and eq. 1, are in adversarial/styles.py

A style rules one layer only, the coarse ones shape and pose, the fine ones colour: so images may be mixed, the coarse
styles of one, the fine ones of another. In training a share of the batches is, from a random layer on.

    L_D = -V + gamma / 2 E |grad D(x)|^2        V: that of gan.py; R1, at data, every 16th step times 16   (2020, 2.2)
    L_G = nonsaturating + 2 E (|J_w^T y| - a)^2           path lengths, every 4th step times 4             (2020, 3.2)

a is a running mean of the lengths. w_bar, a running mean of w, serves truncation: w' = w_bar + psi (w - w_bar), fewer
odd images and less variety. With few images D sees augmented ones (adversarial/augment.py).

    path length in W: E |G(w_t) - G(w_t+e)|^2 / e^2,  w_t on the line between two w; in Z on the sphere     (eqs. 2, 3)

Deviations: no growing; the images are of pixels, not features of VGG, where path lengths are measured.

Symbols: N images, Z latent, W width of a style, L layers, psi truncation. Read before this: progan.py,
adversarial/styles.py. Read next: latents.py.
Course: 7.9.
"""
import numpy as np

from autograd import as_tensor, no_grad, sigmoid, where
from autograd.backend import asarray, default_dtype, to_numpy, xp
from autograd.backend import rng as new_rng
from autograd.batch import batch_mean

from ...adversarial.augment import augmented
from ...adversarial.implicit import CHUNK, Implicit
from ...adversarial.objectives import discriminator_loss, nonsaturating
from ...adversarial.penalties import path_lengths, r1
from ...latents import line, slerp
from ...metrics import Measure, mean_interval
from ...nn.chunks import in_chunks
from ...player import Player

LAZY_R1, LAZY_PATH = 16, 4  # every so many steps
LENGTHS, STYLES = 0.01, 0.005  # how fast the running means of path lengths and of w follow
STEP, PATHS = 1e-2, 200  # of a path, and how many are measured


class StyleGAN(Implicit):
    """generator: a StyleGenerator. discriminator: a Module with `shape`, images -> (N,). gamma: of R1. path: the weight
    of path lengths; 0 leaves them out, and R1 stays. mixing: the share of batches with mixed styles. augment: whether D
    sees augmented images. psi: truncation of samples; 1 for none."""

    def __init__(self, generator, discriminator, space, gamma=1.0, path=2.0, mixing=0.9, augment=False, psi=1.0):
        super().__init__(generator, discriminator, space)
        self.discriminator, self.gamma, self.path, self.mixing = discriminator, gamma, path, mixing
        self.augment, self.psi = augment, psi
        for name in ("steps_D", "steps_G", "length"):  # made so far, and a: kept with the weights, so a run goes on
            self.register_buffer(name, np.zeros(1, np.float32))

    def players(self):
        return [Player("D", self.discriminator.parameters(), self.discriminator_loss),
                Player("G", self.generator.parameters(), self.generator_loss, data=False)]

    def due(self, counter, every) -> bool:
        """Whether it is the turn of a penalty that comes every so many steps; never where nobody trains."""
        if not self.training:
            return False
        steps = getattr(self, counter)
        steps += 1
        return int(steps[0] - 1) % every == 0

    def shown(self, x, rng):
        """Images as D sees them, real and generated ones alike."""
        return augmented(x, rng) if self.augment else as_tensor(x)

    def discriminator_loss(self, batch, rng):
        x = self.shown(self.space.signed(batch["x"]), rng).data
        with no_grad():
            fake = self.shown(self.generator.draw(self.mixed(len(x), rng), rng), rng)
        a_data, a_fake = self.discriminator(x), self.discriminator(fake)
        loss = V = discriminator_loss(a_data, a_fake)
        if self.gamma and self.due("steps_D", LAZY_R1):
            loss = V + LAZY_R1 * 0.5 * self.gamma * r1(self.discriminator, x)
        return {"loss": loss, "-V": V, "D(x)": sigmoid(a_data.detach()).mean(), "D(G)": sigmoid(a_fake.detach()).mean()}

    def generator_loss(self, n, rng):
        w = self.mixed(n, rng)
        x = self.generator.draw(w, rng)
        loss = nonsaturating_loss = nonsaturating(self.discriminator(self.shown(x, rng)))
        if self.path and self.due("steps_G", LAZY_PATH):
            lengths = path_lengths(x, w, rng)
            mean = batch_mean(lengths.data)
            self.length += LENGTHS * (mean - self.length) if self.length[0] else mean
            deviations = lengths - asarray(self.length)
            loss = loss + LAZY_PATH * self.path * (deviations * deviations).mean()
        return {"loss": loss, "nonsaturating": nonsaturating_loss}

    def mixed(self, n, rng):
        """Styles (n, L, W) of n new z; in most batches those of a second z from a random layer on."""
        w = self.generator.styles(self.noise(n, rng))
        if self.training:
            self.generator.w_bar += STYLES * (batch_mean(to_numpy(w.data)) - self.generator.w_bar)
        styles = self.generator.every_layer(w)
        if rng.random() >= self.mixing:
            return styles
        crossover = int(rng.integers(1, len(self.generator.layers)))
        other = self.generator.every_layer(self.generator.styles(self.noise(n, rng)))
        first = xp.arange(len(self.generator.layers))[None, :, None] < crossover
        return where(first, styles, other)

    def truncated(self, w):
        """w_bar + psi (w - w_bar): w (N, W), an array."""
        w_bar = asarray(self.generator.w_bar)
        return w_bar + np.float32(self.psi) * (w - w_bar)

    def decode(self, z, rng=None):
        """Images on [0, 1] of z (N, Z); with noise that is always the same, if no rng is given."""
        rng = rng or new_rng(0)
        with no_grad():
            return in_chunks(lambda z: self.drawn(self.generator.every_layer(
                as_tensor(self.truncated(self.generator.styles(asarray(z, default_dtype)).data))), rng), z, CHUNK)

    def drawn(self, w, rng):
        """Images on [0, 1] of styles (N, L, W)."""
        return self.space.from_signed(self.generator.draw(w, rng).data)

    def mix(self, z_coarse, z_fine, crossover):
        """Images on [0, 1] with the styles of z_coarse (N, Z) in the first `crossover` layers, and those of z_fine in
        the others; noise as in `decode`."""
        with no_grad():
            coarse, fine = (self.generator.every_layer(as_tensor(self.truncated(self.generator.styles(
                asarray(z, default_dtype)).data))) for z in (z_coarse, z_fine))
            first = xp.arange(len(self.generator.layers))[None, :, None] < crossover
            return self.drawn(where(first, coarse, fine), new_rng(0))

    def sample(self, n, rng):
        return self.decode(self.noise(n, rng), rng)

    def measure(self, batch, rng):
        """Eqs. 2 and 3: how far the image moves on the way between two latents, in Z and in W."""
        z0, z1 = (to_numpy(self.noise(PATHS, rng)) for _ in range(2))
        t = rng.random((PATHS, 1)).astype(np.float32)
        with no_grad():
            w0, w1 = (to_numpy(self.generator.styles(asarray(z)).data) for z in (z0, z1))
            in_z = [to_numpy(self.generator.styles(asarray(np.float32(slerp(z0, z1, t + e)))).data) for e in (0, STEP)]
            in_w = [line(w0, w1, t + e) for e in (0, STEP)]
            moved = []
            for ends in (in_z, in_w):
                a, b = (self.drawn(self.generator.every_layer(as_tensor(asarray(w))), new_rng(0)) for w in ends)
                moved.append(((a - b) ** 2).sum(axis=(1, 2, 3)) / STEP**2)
        return [Measure(f"path length in {name}", *mean_interval(lengths), "", f"{PATHS} paths, squared pixels")
                for name, lengths in zip("ZW", moved)]
