"""Networks that translate: an image in, an image of the same height and width out.

    UNetTranslator      (C_s, H, W) -> halved until 2 pixels are left, and doubled as often, with a bridge at each size
    ResNetTranslator    (C_s, H, W) -> halved once or twice, then blocks x + f(x), then doubled as often; the last layer
                        sees the source again (not in the paper: in so small images halving loses too much)

The bridges bring the lines of a drawing straight to the picture, so that only what is between them has to be found. The
U-Net has no way to say the same twice in different words, but for dropout: half of its innermost channels are left out
at random. That is its noise, and is there whenever an image is drawn, not in training only; so it takes the generator
as an argument. (Noise as a further input it would learn to ignore: Isola et al., section 3.2.1.)

In both each image is normalized by itself, in groups of channels or each channel by its own. With the statistics of a
batch a picture would depend on what else is translated at the time. An instance norm of a map of one pixel would be
0 / 0; so no map is of fewer than 2 x 2.

Sources: Isola et al. 2017, appendix 6.1.1 (U-Net, with 4 x 4 filters); Johnson, Alahi & Fei-Fei 2016, and Zhu et al.
2017, appendix 7.2 (residual). Symbols: N images, C_s C channels of source and image, H W size, w width.
Read before this: nn/unet.py, patch.py. Read next: models/adversarial/pix2pix.py.
"""
from functools import partial

from autograd import concatenate, dropout, leaky_relu, relu, tanh
from autograd.resample import interpolate

from ..nn import Conv2d, ConvTranspose2d, GroupNorm, InstanceNorm2d, Module, ModuleList, Sequential

GROUPS, WIDEST, SLOPE = 8, 4, 0.2  # of the norms; times the width; of leaky rectifiers


class UNetTranslator(Module):
    """Images (N, C_s, H, W) -> images (N, C, H, W) in [-1, 1]. shapes: (C_s, H, W) and (C, H, W), H and W powers of 2,
    4 at least. width: channels at half the resolution. dropped: the share of the innermost channels that is left out;
    deep: on so many maps of the way up."""

    def __init__(self, source_shape, shape, width=32, dropped=0.5, deep=2, *, rng):
        H, W = shape[1:]
        if tuple(source_shape[1:]) != (H, W) or min(H, W) < 4 or H & (H - 1) or W & (W - 1):
            raise ValueError(f"UNetTranslator: from {tuple(source_shape)} to {tuple(shape)}, expected images of one "
                             "size whose sides are powers of 2, 4 or more")
        if width % GROUPS:
            raise ValueError(f"UNetTranslator: width is {width}, expected a multiple of {GROUPS}")
        self.source_shape, self.shape, self.dropped, self.deep = tuple(source_shape), tuple(shape), dropped, deep
        halvings = min(H, W).bit_length() - 2
        channels = [width * min(2**i, WIDEST) for i in range(halvings)]  # after each halving
        self.down, self.up = ModuleList(), ModuleList()
        for i, (C_in, C_out) in enumerate(zip([source_shape[0], *channels], channels)):
            conv = Conv2d(C_in, C_out, 4, stride=2, padding=1, rng=rng)
            self.down.append(Sequential(conv, GroupNorm(GROUPS, C_out)) if i else conv)
        for i in reversed(range(halvings)):
            C_in = channels[i] * (1 if i == halvings - 1 else 2)  # what came up, and the bridge
            C_out = channels[i - 1] if i else shape[0]
            conv = ConvTranspose2d(C_in, C_out, 4, stride=2, padding=1, rng=rng)
            self.up.append(Sequential(conv, GroupNorm(GROUPS, C_out)) if i else conv)

    def forward(self, source, rng):
        h, bridges = source, []
        for i, layer in enumerate(self.down):
            h = layer(leaky_relu(h, SLOPE) if i else h)
            bridges.append(h)
        h = None
        for i, layer in enumerate(self.up):
            bridge = bridges.pop()
            h = layer(relu(bridge if h is None else concatenate([h, bridge], axis=1)))
            if i < self.deep:
                h = dropout(h, self.dropped, rng=rng)
        return tanh(h)


class ResNetTranslator(Module):
    """Images (N, C_s, H, W) -> images (N, C, H, W) in [-1, 1]; a label may be among the C_s, as maps. width: channels
    at full resolution, doubled where it is halved. halvings: of the resolution. blocks: residual ones."""

    def __init__(self, C_s, C, width=16, halvings=1, blocks=3, *, rng):
        if min(width, blocks) < 1 or halvings < 0:
            raise ValueError(f"ResNetTranslator: width is {width}, halvings {halvings}, blocks {blocks}; expected at "
                             "least 1, 0, 1")
        self.net = Sequential(*_normalized(Conv2d(C_s, width, 5, padding=2, rng=rng)))
        for i in range(halvings):
            for layer in _normalized(Conv2d(width * 2**i, width * 2 ** (i + 1), 4, stride=2, padding=1, rng=rng)):
                self.net.append(layer)
        for _ in range(blocks):
            self.net.append(Residual(width * 2**halvings, rng=rng))
        for i in reversed(range(halvings)):
            self.net.append(doubled)
            for layer in _normalized(Conv2d(width * 2 ** (i + 1), width * 2**i, 3, padding=1, rng=rng)):
                self.net.append(layer)
        self.last = Conv2d(width + C_s, C, 5, padding=2, rng=rng)

    def forward(self, x):
        return tanh(self.last(concatenate([self.net(x), x], axis=1)))


class Residual(Module):
    """x + f(x), two convolutions."""

    def __init__(self, width, *, rng):
        first, second = (Conv2d(width, width, 3, padding=1, rng=rng) for _ in range(2))
        self.f = Sequential(*_normalized(first), *_normalized(second)[:-1])

    def forward(self, x):
        return x + self.f(x)


def _normalized(conv):
    """The convolution, a norm of each channel of each image, and a rectifier."""
    return [conv, InstanceNorm2d(conv.out_channels, affine=True), relu]


doubled = partial(interpolate, scale_factor=2, mode="nearest")
