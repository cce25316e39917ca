"""Encoder and decoder whose code is itself a small image: a vector for each patch, rather than one for all.

    x (N, C, 28, 28) -> (width, 14, 14) -> (width, 7, 7) -> residual blocks -> z (N, D, 7, 7)         two halvings
    h (N, C, 28, 28) <- (width, 14, 14) <- (width, 7, 7) <- residual blocks <- z

Each vector of the grid sees its patch and what is around. Halvings are convolutions of 4 x 4 at stride 2, doublings
their transposes, as in van den Oord et al. 2017, section 4.1, and so is a residual block:
x + conv 1x1(relu(conv 3x3(relu(x)))).

There is no normalization, and so the initial weights matter: with variance 2 / fan_in signals keep their size (He et
al. 2015), with torch's 1 / (3 fan_in) little of an image reaches the code. Residual branches start as 0.

Symbols: N examples, C channels, H W image, h w grid, D channels of the code. Read before this: autoencoder.py.
Read next: models/codes/vqvae.py.
"""
from autograd import parameter, relu

from . import init
from .autoencoder import HALVING, sizes
from .conv import Conv2d, ConvTranspose2d
from .layers import Sequential
from .module import Module


def conv(in_channels, out_channels, kernel_size, stride=1, padding=0, *, rng):
    """A Conv2d whose weights have variance 2 / fan_in."""
    layer = Conv2d(in_channels, out_channels, kernel_size, stride, padding, rng=rng)
    layer.weight = parameter(init.kaiming_uniform(layer.weight.shape, nonlinearity="relu", rng=rng))
    return layer


class Residual(Module):
    """x + conv 1x1(relu(conv 3x3(relu(x)))), half as wide inside: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels, *, rng):
        self.conv1 = conv(channels, channels // 2, 3, padding=1, rng=rng)
        self.conv2 = init.zeroed(Conv2d(channels // 2, channels, 1, rng=rng))

    def forward(self, x):
        return x + self.conv2(relu(self.conv1(relu(x))))


class GridEncoder(Module):
    """Images (N, C, H, W) -> z (N, D, h, w), `halvings` times halved. shape: (C, H, W). grid: (h, w)."""

    def __init__(self, shape, D, width=32, halvings=2, blocks=2, *, rng):
        self.grid = sizes(type(self).__name__, shape, (width,) * halvings)[-1]
        self.layers = Sequential()
        for i in range(halvings):
            self.layers.append(conv(width if i else shape[0], width, **HALVING, rng=rng)).append(relu)
        self.layers.append(conv(width, width, 3, padding=1, rng=rng))
        for _ in range(blocks):
            self.layers.append(Residual(width, rng=rng))
        self.layers.append(relu).append(conv(width, D, 1, rng=rng))

    def forward(self, x):
        return self.layers(x)


class GridDecoder(Module):
    """z (N, D, h, w) -> images (N, C, H, W), any real numbers. shape: (C, H, W)."""

    def __init__(self, D, shape, width=32, halvings=2, blocks=2, *, rng):
        *larger, _ = sizes(type(self).__name__, shape, (width,) * halvings)
        self.layers = Sequential(conv(D, width, 3, padding=1, rng=rng))
        for _ in range(blocks):
            self.layers.append(Residual(width, rng=rng))
        for i, (H, W) in enumerate(larger[::-1]):
            O = width if i < halvings - 1 else shape[0]
            self.layers.append(relu)
            self.layers.append(ConvTranspose2d(width, O, **HALVING, output_padding=(H % 2, W % 2), rng=rng))

    def forward(self, z):
        return self.layers(z)
