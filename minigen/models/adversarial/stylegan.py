"""StyleGAN: the latent does not enter as an image, but sets the style of every layer.

Karras, Laine & Aila, "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019
(arXiv:1812.04948), figure 1; equations 1 to 3 are its. Sections named 2020 are of "Analyzing and Improving the Image
Quality of StyleGAN", CVPR 2020.

    w = f(z)                                    mapping network: W need not be a ball, as Z must; rate x 0.01
    h = a trained constant (w0, 4, 4)           no input at all
    each layer:   h = conv(h) + B noise         noise: a number for each pixel, B one for each channel
                  h = AdaIN(act(h), A w)        A: an affine map of w to a scale and a shift of each channel

    AdaIN(h_i, y) = y_s,i (h_i - mu(h_i)) / sigma(h_i) + y_b,i                                              (eq. 1)

Each AdaIN forgets the statistics that the one before has set: so a style rules one layer only, the coarse ones shape
and pose, the fine ones colour; and what is random (hair, freckles) need not come from z, as the noise is there. Images
may so be mixed: coarse styles of one, fine ones of another. In training a share of images is, from a random layer on.

    L_D = -V + gamma / 2 E |grad D(x)|^2        V: that of gan.py; R1, at data, every 16th step times 16   (2020, 2.2)
    L_G = nonsaturating + 2 E (|J_w^T y| - a)^2           path lengths, every 4th step times 4             (2020, 3.2)

a is a running mean of the lengths. w_bar, a running mean of w, serves truncation: w' = w_bar + psi (w - w_bar), fewer
odd images and less variety. With few images D sees augmented ones (adversarial/augment.py).

    path length in W: E |G(w_t) - G(w_t+e)|^2 / e^2,  w_t on the line between two w; in Z on the sphere     (eqs. 2, 3)

Deviations: no growing; the images are of pixels, not features of VGG, where path lengths are measured.

Symbols: N images, Z latent, W width of a style, L layers, psi truncation. Read before this: progan.py. Read next:
latents.py.
"""
import math

import numpy as np

from autograd import as_tensor, instance_norm, leaky_relu, no_grad, parameter, sigmoid, stack, where
from autograd.backend import asarray, default_dtype, normal, to_numpy, xp
from autograd.backend import rng as new_rng
from autograd.resample import interpolate

from ...adversarial.augment import augmented
from ...adversarial.equalized import EqualizedConv2d, EqualizedLinear, pixel_norm
from ...adversarial.implicit import CHUNK, Implicit
from ...adversarial.objectives import discriminator_loss, nonsaturating
from ...adversarial.penalties import path_lengths, r1
from ...latents import line, slerp
from ...metrics import Measure, mean_interval
from ...nn import Module, ModuleList
from ...nn.chunks import in_chunks
from ...player import Player

FIRST = 4  # pixels
LAZY_R1, LAZY_PATH = 16, 4  # every so many steps
LENGTHS, STYLES = 0.01, 0.005  # how fast the running means of path lengths and of w follow
STEP, PATHS = 1e-2, 200  # of a path, and how many are measured


def act(x):
    return leaky_relu(x, 0.2)


class StyleLayer(Module):
    """(N, C, H, W), w (N, W) -> (N, O, H, W): AdaIN(act(conv(h) + B noise), A w). conv: None for the first, which takes
    the constant as it is."""

    def __init__(self, in_channels, out_channels, style, conv=True, *, rng):
        self.conv = EqualizedConv2d(in_channels, out_channels, 3, rng=rng) if conv else None
        self.B = parameter(xp.zeros((1, out_channels, 1, 1), default_dtype))
        self.A = EqualizedLinear(style, 2 * out_channels, gain=1.0, rng=rng)

    def forward(self, h, w, rng):
        h = self.conv(h) if self.conv else h
        h = act(h + self.B * asarray(normal(rng, (len(w), 1, *h.shape[2:]))))
        return self.styled(h, w)

    def styled(self, h, w):
        """Eq. 1; a style of 0 changes nothing."""
        N, C = h.shape[:2]
        y = self.A(w).reshape(N, 2, C, 1, 1)
        return (1.0 + y[:, 0]) * instance_norm(h) + y[:, 1]


class StyleGenerator(Module):
    """latent: Z. shape: (C, H, W) of square images of 2^k pixels. width: channels at the first two resolutions. style:
    W. depth: of the mapping network."""

    def __init__(self, latent, shape, width=64, style=64, depth=4, *, rng):
        C, H, W = shape
        if H != W or H < 2 * FIRST or H & (H - 1):
            raise ValueError(f"StyleGenerator: shape is {tuple(shape)}, expected square images whose side is a power "
                             f"of 2, {2 * FIRST} at least")
        self.latent, self.shape, self.style = latent, tuple(shape), style
        sizes = [latent] + [style] * depth
        self.mapping = ModuleList(EqualizedLinear(a, b, rate=0.01, rng=rng) for a, b in zip(sizes, sizes[1:]))
        widths = [max(8, width >> max(0, i - 1)) for i in range(int(math.log2(H // FIRST)) + 1)]
        self.constant = parameter(normal(rng, (1, widths[0], FIRST, FIRST)))
        self.layers = ModuleList()
        for number, (coarse, fine) in enumerate(zip([widths[0], *widths], widths)):
            self.layers.append(StyleLayer(coarse, fine, style, conv=number > 0, rng=rng))
            self.layers.append(StyleLayer(fine, fine, style, rng=rng))
        self.to_rgb = EqualizedConv2d(widths[-1], C, 1, gain=1.0, rng=rng)
        self.register_buffer("w_bar", np.zeros(style, np.float32))

    def styles(self, z):
        """w (N, W) of z (N, Z)."""
        w = pixel_norm(as_tensor(z))
        for layer in self.mapping:
            w = act(layer(w))
        return w

    def every_layer(self, w):
        """w (N, W) as the styles of all layers, (N, L, W)."""
        return stack([w] * len(self.layers), axis=1)

    def draw(self, w, rng):
        """Images (N, C, H, W) of styles w (N, L, W), about in [-1, 1]."""
        h = self.constant * xp.ones((w.shape[0], 1, 1, 1), default_dtype)
        for i, layer in enumerate(self.layers):
            if i and i % 2 == 0:
                h = interpolate(h, scale_factor=2, mode="nearest")
            h = layer(h, w[:, i], rng)
        return self.to_rgb(h)

    def forward(self, z, rng):
        return self.draw(self.every_layer(self.styles(z)), rng)


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
            mean = lengths.data.mean()
            self.length += LENGTHS * (mean - self.length) if self.length[0] else mean
            deviations = lengths - asarray(self.length)
            loss = loss + LAZY_PATH * self.path * (deviations * deviations).mean()
        return {"loss": loss, "nonsaturating": nonsaturating_loss}

    def mixed(self, n, rng):
        """Styles (n, L, W) of n new z; in most batches those of a second z from a random layer on."""
        w = self.generator.styles(self.noise(n, rng))
        if self.training:
            self.generator.w_bar += STYLES * (to_numpy(w.data).mean(axis=0) - self.generator.w_bar)
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
