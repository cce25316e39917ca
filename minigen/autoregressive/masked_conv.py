"""A convolution with a mask on its weight, and the memory with which it goes on pixel by pixel.

    y = conv(x, mask * weight) + bias                     (N, C, H, W) -> (N, O, H, W)

In training all pixels are known, and a layer computes all of its columns at once; a *column* is what a layer gives at
one pixel, (N, O, 1, 1). In sampling one pixel is new, and so is one column of every layer: as masks let no column
depend on later pixels, those that are computed stay as they are. A `Cache` keeps what every layer was given at the
pixels so far, as a transformer's keeps keys and values. A layer that is handed the cache and its newest input looks up
what its filters see around there, and convolves that window alone. The rest of a network does not care how large an
image is.

    slow    D passes over D pixels          fast    D passes over one pixel

Source of the mask: van den Oord et al. 2016; of the cache: Ramachandran et al. 2017, "Fast generation for convolutional
autoregressive models". Symbols: N examples, C / O channels in / out, R S filter, H W image, D numbers of an image.
Read before this: masks.py, nn/conv.py. Read next: image_model.py.
"""
import math

from autograd import conv2d, parameter
from autograd.backend import asarray, default_dtype, xp

from ..nn import Module, init


class MaskedConv2d(Module):
    """mask: (O, C, R, S), R and S odd. The weight starts as U(-b, b), b = 1 / sqrt(fan_in), as in torch's Conv2d; only
    inputs that the mask lets through are counted."""

    def __init__(self, mask, *, rng):
        fan_in = mask.sum(axis=(1, 2, 3)).max()
        b = 1.0 / math.sqrt(max(1.0, fan_in))
        self.mask = asarray(mask, default_dtype)
        self.weight = parameter(init.uniform(mask.shape, -b, b, rng=rng))
        self.bias = parameter(init.uniform(mask.shape[:1], -b, b, rng=rng))

    def forward(self, x, cache=None):
        """x: whole images, or with a cache, what is new at its place."""
        weight = self.weight * self.mask
        if cache is not None:
            return conv2d(cache.window(self, x), weight, self.bias)
        R, S = self.mask.shape[2:]
        return conv2d(x, weight, self.bias, padding=(R // 2, S // 2))

    def extra_repr(self):
        O, C, R, S = self.mask.shape
        return f"{C}, {O}, kernel_size=({R}, {S}), {self.mask.mean():.0%} of the weight"


class Cache:
    """What every layer was given at the pixels so far of images of H x W; zeros elsewhere, and in a margin around them.

    place: the part of the image that is computed now, an index such as `pixel(row, column)`.
    """

    def __init__(self, H, W):
        self.H, self.W, self.place = H, W, pixel(0, 0)
        self.given = {}  # layer -> (n, C, H + R - 1, W + S - 1)

    def window(self, layer, x):
        """Puts down x, the layer's input at the place, and returns what its filters see there, with what is around."""
        self.put(layer, x, self.place)
        _, _, rows, columns = self.place
        R, S = layer.mask.shape[2:]
        return self.given[layer][:, :, rows.start : rows.stop + R - 1, columns.start : columns.stop + S - 1]

    def put(self, layer, x, place):
        """Puts down x, Tensor (n, C, h, w), the layer's input at a place of that size."""
        _, _, rows, columns = place
        R, S = layer.mask.shape[2:]
        if layer not in self.given:
            n, C = x.shape[:2]
            empty = xp.zeros((n, self.H + R - 1, self.W + S - 1, C), x.dtype)
            self.given[layer] = empty.transpose(0, 3, 1, 2)  # channels last in memory: a column is a run of numbers
        top, left = R // 2, S // 2  # the margin
        self.given[layer][:, :, top + rows.start : top + rows.stop, left + columns.start : left + columns.stop] = x.data


def pixel(row, column):
    """The index of one pixel of images (N, C, H, W), which keeps all four axes."""
    return slice(None), slice(None), slice(row, row + 1), slice(column, column + 1)
