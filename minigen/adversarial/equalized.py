"""Parts of the networks of progressive GANs and StyleGAN: layers that learn at one speed, and two norms.

    y = (c w) * x,  w ~ N(0, 1),  c = gain / sqrt(fan_in)          runtime scaling: He's constant, at run time (4.1)

Adam's step is about as long as its rate whatever the scale of a weight: with w of one scale in all layers, all learn at
the same speed, and not the layers of small weights the fastest.

    b_(x,y) = a_(x,y) / sqrt(mean_j a_j(x,y)^2 + 1e-8)             pixel norm, over the channels of each place (4.2)
    the deviation of each number over a group of images, averaged to one number: one more feature map (3)

The last is how a discriminator sees variety: a batch of samples that are all alike has a deviation of 0, real ones do
not. It must see real and generated images in batches of their own, never one made of both.

Source: Karras, Aila, Laine & Lehtinen, "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
ICLR 2018, whose sections these are. Symbols: N C H W images. Read before this: nn/conv.py. Read next:
models/adversarial/progan.py.
"""
import math

from autograd import broadcast_to, concatenate, conv2d, linear, parameter, sqrt
from autograd.backend import normal, xp
from autograd.batch import own, whole

from ..nn import Module

GAIN = math.sqrt(2)  # of He et al. 2015, before rectifiers
GROUP = 4  # images whose deviation is taken


class EqualizedConv2d(Module):
    """A convolution that keeps the size, w (O, C, k, k), k odd. gain: 1 where no rectifier follows."""

    def __init__(self, in_channels, out_channels, kernel_size, gain=GAIN, *, rng):
        self.weight = parameter(normal(rng, (out_channels, in_channels, kernel_size, kernel_size)))
        self.bias = parameter(xp.zeros(out_channels, self.weight.dtype))
        self.scale, self.padding = gain / math.sqrt(in_channels * kernel_size**2), kernel_size // 2

    def forward(self, x):
        return conv2d(x, self.scale * self.weight, self.bias, padding=self.padding)


class EqualizedLinear(Module):
    """(N, in_features) -> (N, out_features). gain: 1 where no rectifier follows. rate: the layer learns so many times
    as fast as the others."""

    def __init__(self, in_features, out_features, gain=GAIN, rate=1.0, *, rng):
        self.weight = parameter(normal(rng, (out_features, in_features)) / rate)
        self.bias = parameter(xp.zeros(out_features, self.weight.dtype))
        self.scale, self.rate = rate * gain / math.sqrt(in_features), rate

    def forward(self, x):
        return linear(x, self.scale * self.weight, self.rate * self.bias)


def pixel_norm(a):
    """a (N, C, ...), each vector of C numbers scaled to a mean square of 1."""
    return a / sqrt((a * a).mean(axis=1, keepdims=True) + 1e-8)


def minibatch_deviation(x, group=GROUP):
    """x (N, C, H, W) with one more channel (N, C + 1, H, W): how much the images of a group differ, one number for all
    of the group. A rest that fills no group forms one with the last."""
    images = whole(x)
    N, _, H, W = images.shape
    groups = max(1, N // group)
    bounds = [i * N // groups for i in range(groups + 1)]
    maps = []
    for start, stop in zip(bounds, bounds[1:]):
        some = images[start:stop]
        centred = some - some.mean(axis=0, keepdims=True)
        deviation = sqrt((centred * centred).mean(axis=0) + 1e-8).mean()
        maps.append(broadcast_to(deviation, (stop - start, 1, H, W)))
    return concatenate([x, own(concatenate(maps, axis=0))], axis=1)
