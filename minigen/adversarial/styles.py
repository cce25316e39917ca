"""The generator of StyleGAN: the latent does not enter as an image, but sets the style of every layer.

Karras, Laine & Aila, "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019, figure 1:

    w = f(z)                                    mapping network: W need not be a ball, as Z must; rate x 0.01
    h = a trained constant (w0, 4, 4)           no input at all
    each layer:   h = conv(h) + B noise         noise: a number for each pixel, B one for each channel
                  h = AdaIN(act(h), A w)        A: an affine map of w to a scale and a shift of each channel

    AdaIN(h_i, y) = y_s,i (h_i - mu(h_i)) / sigma(h_i) + y_b,i                                              (eq. 1)

Each AdaIN forgets the statistics that the one before has set: so a style rules one layer only. And what is random
(hair, freckles) need not come from z, as the noise is there.

Symbols: N images, Z latent, W width of a style, L layers, C H W image. Read before this: equalized.py. Read next:
models/adversarial/stylegan.py.
"""
import math

import numpy as np

from autograd import as_tensor, instance_norm, leaky_relu, parameter, stack
from autograd.backend import asarray, default_dtype, normal, xp
from autograd.resample import interpolate

from ..nn import Module, ModuleList
from .equalized import EqualizedConv2d, EqualizedLinear, pixel_norm

FIRST = 4  # pixels


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
        return (1.0 + y[:, 0]) * instance_norm(h) + y[:, 1]  # course 7.9


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
