"""DCGAN: the convolutional networks with which the game of gan.py learns images.

Radford, Metz & Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", ICLR 2016 (arXiv:1511.06434). What made them train (section 3):

    no pooling, no unpooling              strided convolutions in D halve the image, transposed ones in G double it
    no fully connected hidden layers      only z to G's first feature map, and D's last one to the logit
    batch normalization in both           except at G's output and D's input, whose mean and variance are the image's
    rectifiers in G, tanh at its output   so that images are in [-1, 1]; leaky rectifiers, slope 0.2, in D
    all weights from N(0, 0.02^2)         and Adam with lr 2e-4 and beta1 = 0.5 in place of 0.9 (section 4): recipes/

Images are halved until 4 pixels or fewer are left, and where they are halved, the width w doubles:

    32 x 32    D:  (C, 32, 32) -> (w, 16, 16) -> (2w, 8, 8) -> (4w, 4, 4) -> a       G:  z -> the same backwards
    28 x 28        (C, 28, 28) -> (w, 14, 14) -> (2w, 7, 7) -> (4w, 4, 4) -> a
    8 x 8          (C, 8, 8) -> (w, 4, 4) -> (2w, 2, 2) -> a                         twice at least

The paper has 5 x 5 filters and z ~ U(-1, 1), and 64 x 64 pixels with w = 64 in D and 128 in G. Here z ~ N(0, I), and
filters are 4 x 4, as multiples of the stride cover all pixels equally often, and others draw checkerboards (Odena et
al. 2016); only an odd side, as in 7 -> 4, takes 3.

In training D normalizes a batch of data and one of samples each by its own statistics. G's running statistics, which
it uses in eval mode, are those of the weights of the last 1 / momentum steps.

Symbols: Z latent, w width, a logit of D. Read before this: gan.py, autograd/conv.py. Read next: latents.py.
Course: 7.4.
"""
import math
from functools import partial

from autograd import flatten, leaky_relu, relu, tanh

from ...nn import BatchNorm2d, Conv2d, ConvTranspose2d, Linear, Module, Sequential, init
from ...nn.conv import halved

STD = 0.02  # of the initial weights; course 7.4
SLOPE = 0.2  # of D's leaky rectifiers, for negative numbers


class ConvGenerator(Module):
    """z (N, Z) -> images (N, C, H, W) in [-1, 1]. latent: Z. width: channels of the finest feature map."""

    def __init__(self, latent, shape, width=64, *, rng):
        for name, value in ("latent", latent), ("width", width):
            if value < 1:
                raise ValueError(f"ConvGenerator: {name} is {value}, expected at least 1")
        sizes = image_sizes("ConvGenerator", shape)[::-1]  # from the coarsest map to the image
        channels = [*(width * 2**i for i in reversed(range(len(sizes) - 1))), shape[0]]
        self.latent, self.shape, self.first = latent, tuple(shape), (channels[0], *sizes[0])
        self.project = Linear(latent, math.prod(self.first), bias=False, rng=rng)
        self.net = Sequential()
        for c_in, c_out, size in zip(channels, channels[1:], sizes[1:]):
            last = size is sizes[-1]
            self.net.append(BatchNorm2d(c_in)).append(relu)
            self.net.append(ConvTranspose2d(c_in, c_out, kernel(size), stride=2, padding=1, bias=last, rng=rng))
        self.net.append(tanh)
        draw_weights(self, lambda shape: init.normal(shape, std=STD, rng=rng))

    def forward(self, z):
        return self.net(self.project(z).reshape(len(z), *self.first))


class ConvDiscriminator(Module):
    """Images (N, C, H, W) -> a number each (N,), in GAN the logit of D. width: channels of the finest feature map.
    norm: the normalization of a number of channels; None for none, then with weights that do without (He et al.)."""

    def __init__(self, shape, width=64, norm=BatchNorm2d, *, rng):
        if width < 1:
            raise ValueError(f"ConvDiscriminator: width is {width}, expected at least 1")
        sizes = image_sizes("ConvDiscriminator", shape)
        channels = [shape[0], *(width * 2**i for i in range(len(sizes) - 1))]
        self.shape = tuple(shape)
        self.net = Sequential()
        for i, (c_in, c_out, size) in enumerate(zip(channels, channels[1:], sizes)):
            normalized = norm is not None and i > 0
            self.net.append(Conv2d(c_in, c_out, kernel(size), stride=2, padding=1, bias=not normalized, rng=rng))
            if normalized:
                self.net.append(norm(c_out))
            self.net.append(partial(leaky_relu, negative_slope=SLOPE))
        self.logit = Linear(channels[-1] * math.prod(sizes[-1]), 1, rng=rng)
        he = lambda shape: init.kaiming_normal(shape, a=SLOPE, rng=rng)
        draw_weights(self, he if norm is None else lambda shape: init.normal(shape, std=STD, rng=rng))

    def features(self, x):
        """The last feature map, (N, D): what the logit is linear in."""
        return flatten(self.net(x), 1)

    def forward(self, x):
        return self.logit(self.features(x))[:, 0]


def image_sizes(name, shape):
    """The sizes (H, W), the image's first, each half of the one before, until the shorter side is below 5; at least
    two halvings. An odd side is rounded up."""
    if len(shape) != 3 or min(shape[1:]) < 5:
        raise ValueError(f"{name}: shape is {tuple(shape)}, expected an image, (C, H, W), of at least 5 x 5 pixels")
    times = max(2, math.ceil(math.log2(min(shape[1:]) / 4)))
    return halved(shape[1:], times, round_up=True)


def kernel(size):
    """The filter that takes an image of this size to half of it, with stride 2 and padding 1, and the transposed one
    back: 4 for an even side, 3 for an odd one."""
    return tuple(3 if side % 2 else 4 for side in size)


def draw_weights(module, draw):
    """All weights of convolutions and linear layers anew by draw(shape), their biases 0."""
    for _, layer in module.named_modules():
        if isinstance(layer, (Conv2d, ConvTranspose2d, Linear)):
            layer.weight.data[...] = draw(layer.weight.shape)
            if layer.bias is not None:
                layer.bias.data[...] = 0.0
