"""PatchDiscriminator: a discriminator that judges every patch of an image by itself, by one convolutional network.

    (C, H, W) -> (w, H/2, W/2) -> ... -> two convolutions 4x4 of stride 1 -> a (1, h, w)

Each logit of the grid a sees a window of the image, here of 16, 34 or 70 pixels for one, two or three halvings: whether
the strokes in it are sharp, the texture right. What the image shows as a whole it cannot see, and needs not where there
is another loss that says so: a distance to the image that was asked for. That is its use, in translation of images
(pix2pix, CycleGAN) and in autoencoders (VQ-GAN). It has few weights, and takes images of any size.

Isola, Zhu, Zhou & Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, section 3.2.2
and appendix 6.1.2: 4x4 filters, leaky rectifiers of slope 0.2, normalization but in the first layer, weights from
N(0, 0.02^2). "PatchGAN of 70 x 70" is three halvings, and that of 16 x 16 is one.

Symbols: N images, C H W image, w width, a logits. Read before this: objectives.py. Read next: models/codes/vqgan.py.
"""
from functools import partial

from autograd import leaky_relu

from ..nn import BatchNorm2d, Conv2d, Module, Sequential, init

STD, SLOPE = 0.02, 0.2  # of the initial weights; of the rectifiers for negative numbers
WIDEST = 8  # times the width


class PatchDiscriminator(Module):
    """Images (N, C, H, W) -> logits (N, 1, h, w). shape: (C, H, W). width: channels after the first layer. halvings: of
    the image; `window`: how many pixels (along a side) a logit sees. norm: the normalization of a number of channels;
    None for none, then with weights that do without (He et al.)."""

    def __init__(self, shape, width=64, halvings=3, norm=BatchNorm2d, *, rng):
        if min(width, halvings) < 1:
            raise ValueError(f"PatchDiscriminator: width is {width} and halvings {halvings}, expected at least 1 each")
        if len(shape) != 3 or min(shape[1:]) // 2**halvings < 3:  # two convolutions of 4 x 4 each take a pixel away
            raise ValueError(f"PatchDiscriminator: shape is {tuple(shape)}, expected an image, (C, H, W), of at least "
                             f"{3 * 2**halvings} x {3 * 2**halvings} pixels for {halvings} halvings")
        self.shape, self.window = tuple(shape), window(halvings)
        channels = [shape[0], *(width * min(2**i, WIDEST) for i in range(halvings + 1))]
        self.net = Sequential()
        for i, (c_in, c_out) in enumerate(zip(channels, channels[1:])):
            normalized, stride = norm is not None and i > 0, 2 if i < halvings else 1
            self.net.append(Conv2d(c_in, c_out, 4, stride=stride, padding=1, bias=not normalized, rng=rng))
            if normalized:
                self.net.append(norm(c_out))
            self.net.append(partial(leaky_relu, negative_slope=SLOPE))
        self.net.append(Conv2d(channels[-1], 1, 4, stride=1, padding=1, rng=rng))
        for _, layer in self.named_modules():
            if isinstance(layer, Conv2d):
                draw = partial(init.normal, std=STD) if norm else partial(init.kaiming_normal, a=SLOPE)
                layer.weight.data[...] = draw(layer.weight.shape, rng=rng)
                if layer.bias is not None:
                    layer.bias.data[...] = 0.0

    def forward(self, x):
        return self.net(x)


def window(halvings) -> int:
    """How many pixels along a side one logit sees, from the last layer back to the image.

    >>> [window(halvings) for halvings in (1, 2, 3)]
    [16, 34, 70]
    """
    seen = 4 + 3  # through the two convolutions of stride 1
    for _ in range(halvings):
        seen = 2 * (seen - 1) + 4
    return seen
