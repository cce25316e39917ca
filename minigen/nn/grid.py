"""Encoder and decoder whose code is itself a small image: a vector for each patch, rather than one for all.

    x (N, C, 28, 28) -> (width, 14, 14) -> (width, 7, 7) -> residual blocks -> z (N, D, 7, 7)         two halvings
    h (N, C, 28, 28) <- (width, 14, 14) <- (width, 7, 7) <- residual blocks <- z

Each vector of the grid sees its patch and what is around. Halvings are convolutions of 4 x 4 at stride 2, doublings
their transposes, as in van den Oord et al. 2017, section 4.1, and so is a residual block:
x + conv 1x1(relu(conv 3x3(relu(x)))).

Symbols: N examples, C channels, H W image, h w grid, D channels of the code. Read before this: autoencoder.py.
Read next: models/codes/vqvae.py.
"""
from autograd import relu

from .autoencoder import HALVING, sizes
from .conv import Conv2d, ConvTranspose2d
from .layers import Sequential
from .module import Module


class Residual(Module):
    """x + conv 1x1(relu(conv 3x3(relu(x)))), half as wide inside: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels, *, rng):
        self.conv1 = Conv2d(channels, channels // 2, 3, padding=1, rng=rng)
        self.conv2 = Conv2d(channels // 2, channels, 1, rng=rng)

    def forward(self, x):
        return x + self.conv2(relu(self.conv1(relu(x))))


class GridEncoder(Module):
    """Images (N, C, H, W) -> z (N, D, h, w), `halvings` times halved. shape: (C, H, W). grid: (h, w)."""

    def __init__(self, shape, D, width=32, halvings=2, blocks=2, *, rng):
        self.grid = sizes(type(self).__name__, shape, (width,) * halvings)[-1]
        self.layers = Sequential()
        for i in range(halvings):
            self.layers.append(Conv2d(width if i else shape[0], width, **HALVING, rng=rng)).append(relu)
        self.layers.append(Conv2d(width, width, 3, padding=1, rng=rng))
        for _ in range(blocks):
            self.layers.append(Residual(width, rng=rng))
        self.layers.append(relu).append(Conv2d(width, D, 1, rng=rng))

    def forward(self, x):
        return self.layers(x)


class GridDecoder(Module):
    """z (N, D, h, w) -> images (N, C, H, W), any real numbers. shape: (C, H, W)."""

    def __init__(self, D, shape, width=32, halvings=2, blocks=2, *, rng):
        *larger, _ = sizes(type(self).__name__, shape, (width,) * halvings)
        self.layers = Sequential(Conv2d(D, width, 3, padding=1, rng=rng))
        for _ in range(blocks):
            self.layers.append(Residual(width, rng=rng))
        for i, (H, W) in enumerate(larger[::-1]):
            O = width if i < halvings - 1 else shape[0]
            self.layers.append(relu)
            self.layers.append(ConvTranspose2d(width, O, **HALVING, output_padding=(H % 2, W % 2), rng=rng))

    def forward(self, z):
        return self.layers(z)
