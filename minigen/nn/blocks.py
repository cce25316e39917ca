"""The parts of a U-Net: residual block, attention to pixels and to tokens, halving and doubling of the resolution.

The last layer of every residual branch starts as 0: a new network is its skip connections, and each block begins by
doing nothing (DDPM's code; Goyal et al. 2017 for why it helps).

Symbols: N batch, C / O channels in / out, H W image, S = H W pixels, D width of a condition.
Sources: He et al. 2016 (residual), Ho et al. 2020, appendix B. Read before this: conv.py, norms.py, attention.py.
"""
import contextlib

from autograd import silu
from autograd.backend import to_numpy
from autograd.resample import interpolate

from .attention import MultiheadAttention
from .conv import Conv2d
from .init import zeroed
from .layers import Dropout, Linear
from .module import Module
from .norms import GroupNorm


class ResBlock(Module):
    """y = shortcut(x) + conv(silu(norm(h + W c))), h = conv(silu(norm(x))): (N, C, H, W) -> (N, O, H, W).

    c: a condition (N, D), such as a code of the time, that shifts every channel as a whole; none if condition is None.
    """

    def __init__(self, in_channels, out_channels, condition=None, groups=8, dropout=0.0, *, rng):
        self.norm1 = GroupNorm(groups, in_channels)
        self.conv1 = Conv2d(in_channels, out_channels, 3, padding=1, rng=rng)
        self.shift = Linear(condition, out_channels, rng=rng) if condition else None
        self.norm2 = GroupNorm(groups, out_channels)
        self.dropout = Dropout(dropout, rng=rng)
        self.conv2 = zeroed(Conv2d(out_channels, out_channels, 3, padding=1, rng=rng))
        self.shortcut = Conv2d(in_channels, out_channels, 1, rng=rng) if in_channels != out_channels else None

    def forward(self, x, c=None):
        h = self.conv1(silu(self.norm1(x)))  # (N, O, H, W)
        if self.shift:
            h = h + self.shift(c)[:, :, None, None]
        h = self.conv2(self.dropout(silu(self.norm2(h))))
        return h + (self.shortcut(x) if self.shortcut else x)


class SelfAttention2d(Module):
    """x + attention among all pixels of an image, each a token: (N, C, H, W) -> (N, C, H, W). Costs S^2 C."""

    def __init__(self, channels, heads=1, groups=8, *, rng):
        self.norm = GroupNorm(groups, channels)
        self.attention = MultiheadAttention(channels, heads, batch_first=True, rng=rng)
        zeroed(self.attention.out_proj)

    def forward(self, x):
        N, C, H, W = x.shape
        tokens = self.norm(x).reshape(N, C, H * W).swapaxes(1, 2)  # (N, S, C)
        y, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return x + y.swapaxes(1, 2).reshape(N, C, H, W)


class CrossAttention2d(Module):
    """x + attention of every pixel to the tokens of a context, e.g. the words of a caption: images (N, C, H, W) and
    context (N, T, D) -> (N, C, H, W). padding: (N, T), True at tokens that are not to be looked at. Rombach et al.
    2022, section 3.3: queries come from the image, keys and values from the context."""

    seen = None  # a list, inside `watching`

    def __init__(self, channels, context, heads=1, groups=8, *, rng):
        self.norm = GroupNorm(groups, channels)
        self.attention = MultiheadAttention(channels, heads, kdim=context, vdim=context, batch_first=True, rng=rng)
        zeroed(self.attention.out_proj)

    def forward(self, x, context, padding=None):
        N, C, H, W = x.shape
        tokens = self.norm(x).reshape(N, C, H * W).swapaxes(1, 2)  # (N, S, C)
        watched = self.seen is not None
        y, weights = self.attention(tokens, context, context, key_padding_mask=padding, need_weights=watched)
        if watched:
            self.seen.append(to_numpy(weights.data).swapaxes(1, 2).reshape(N, -1, H, W))
        return x + y.swapaxes(1, 2).reshape(N, C, H, W)


@contextlib.contextmanager
def watching(network):
    """Context in which it is seen where a network looks: yields a list, to which every CrossAttention2d appends its
    weights at each call, (N, T, H, W), a mean over the heads; they sum to 1 over the T tokens at each pixel."""
    layers, seen = [module for _, module in network.named_modules() if isinstance(module, CrossAttention2d)], []
    try:
        for layer in layers:
            layer.seen = seen
        yield seen
    finally:
        for layer in layers:
            layer.seen = None


class Downsample(Module):
    """Half the resolution, an odd size rounded up, by a convolution of stride 2: (N, C, H, W) -> (N, C, H/2, W/2)."""

    def __init__(self, channels, *, rng):
        self.conv = Conv2d(channels, channels, 3, stride=2, padding=1, rng=rng)

    def forward(self, x):
        return self.conv(x)


class Upsample(Module):
    """To a given resolution by repeating pixels, and a convolution that smooths them: no checkerboard, which a
    transposed convolution of stride 2 can draw (Odena et al. 2016)."""

    def __init__(self, channels, *, rng):
        self.conv = Conv2d(channels, channels, 3, padding=1, rng=rng)

    def forward(self, x, size):
        return self.conv(interpolate(x, size=size, mode="nearest"))
