"""Blocks of a U-Net as ADM has them: what time and class do to a block, how resolutions change, how branches are added.

    AdaGN(h, y) = y_s GroupNorm(h) + y_b,   [y_s, y_b] a linear function of the code                    section 3
    BigGAN's way between resolutions: the residual block itself halves or doubles both of its branches
    (x + branch) / sqrt(2), as in Song et al. 2021: of two branches of variance 1 the sum has variance 1

They take the places of ResBlock, Downsample and Upsample of blocks.py: UNet(block=AdaGNBlock, down=ResDownsample,
up=ResUpsample). ADM's other two choices are arguments of the U-Net: attention at several levels, and more heads. Its
blocks between resolutions are told the code as well; these are not, but those on both sides of them are.

Sources: Dhariwal & Nichol 2021, section 3; Brock et al. 2019 (BigGAN), appendix B. Symbols: N batch, C / O channels in
/ out, H W image, D width of the code. Read before this: blocks.py, unet.py.
"""
import math

from autograd import silu
from autograd.resample import avg_pool2d, interpolate

from .blocks import ResBlock
from .conv import Conv2d
from .init import zeroed
from .layers import Linear
from .module import Module
from .norms import GroupNorm


class AdaGNBlock(ResBlock):
    """A residual block whose code scales the second norm as well as shifts it: (N, C, H, W), (N, D) -> (N, O, H, W)."""

    def __init__(self, in_channels, out_channels, condition=None, groups=8, dropout=0.0, *, rng):
        if not condition:
            raise ValueError("AdaGNBlock: condition is None, and the code is what scales and shifts; use ResBlock")
        super().__init__(in_channels, out_channels, condition, groups, dropout, rng=rng)
        self.shift = Linear(condition, 2 * out_channels, rng=rng)  # the scale, as 1 + y_s, and the shift

    def forward(self, x, c):
        h = self.conv1(silu(self.norm1(x)))  # (N, O, H, W)
        y = self.shift(c)[:, :, None, None]  # (N, 2 O, 1, 1)
        O = h.shape[1]
        h = (1.0 + y[:, :O]) * self.norm2(h) + y[:, O:]  # AdaGN
        h = self.conv2(self.dropout(silu(h)))
        return h + (self.shortcut(x) if self.shortcut else x)


class RescaledBlock(ResBlock):
    """A residual block over sqrt(2), so that a chain of them does not grow."""

    def forward(self, x, c=None):
        return super().forward(x, c) / math.sqrt(2.0)


class Resampling(Module):
    """y = change(x) + conv(silu(norm(h))), h = conv(change(silu(norm(x)))): change halves or doubles the resolution. It
    begins as the change alone."""

    def __init__(self, channels, *, rng):
        groups = math.gcd(8, channels)
        self.norm1, self.norm2 = GroupNorm(groups, channels), GroupNorm(groups, channels)
        self.conv1 = Conv2d(channels, channels, 3, padding=1, rng=rng)
        self.conv2 = zeroed(Conv2d(channels, channels, 3, padding=1, rng=rng))

    def between(self, x, change):
        h = self.conv1(change(silu(self.norm1(x))))
        return change(x) + self.conv2(silu(self.norm2(h)))


class ResDownsample(Resampling):
    """Half the resolution, an odd size rounded up, by means of 2 x 2 pixels: (N, C, H, W) -> (N, C, H/2, W/2)."""

    def forward(self, x):
        return self.between(x, lambda h: avg_pool2d(h, 2, ceil_mode=True))


class ResUpsample(Resampling):
    """To a given resolution by repeating pixels."""

    def forward(self, x, size):
        return self.between(x, lambda h: interpolate(h, size=size, mode="nearest"))
