"""U-Net: down to a small image with many channels, up again, and at each resolution a bridge from the way down.

    stem ->  blocks  ------------------------------->  blocks -> head        H x W
               v  half                            ^ double
             blocks  ------------------------->  blocks                     H/2 x W/2
               v  half                      ^ double
             blocks  ------------------->  blocks                           H/4 x W/4
                       block attention block

On the way down every block and every halving leaves its output behind; on the way up every block takes one of them
back, as further channels of its input. So the network sees the whole image at its bottom, and has the fine detail
beside it when it puts the result together.

It can be told three things beside the image. The time t and a condition, one vector for each image (a class, an
embedding of a text), are added up in a code that shifts every block's channels; a context, several tokens for each
image (the words of a text), is looked at by cross-attention wherever there is attention. Whoever leaves a condition out
gets the *null*, a trained one that says nothing: for guidance without a classifier, a share of the examples is
`dropped` to it in training.

Sources: Ronneberger, Fischer & Brox 2015 (for segmentation); Ho et al. 2020, appendix B (this form, told the time t):
with width=128, multipliers=(1, 2, 2, 2), attention=(1,), groups=32, DDPM's network for CIFAR-10, 35.7 M parameters;
Ho & Salimans 2021 (null condition); Rombach et al. 2022 (context).

Symbols: N batch, C channels, H W image, t diffusion step, D = 4 width the width of the code, T tokens of the context.
Read before this: blocks.py. Read next: models/diffusion/ddpm.py.
"""
import numpy as np

from autograd import Tensor, as_tensor, broadcast_to, concatenate, parameter, silu, where
from autograd.backend import asarray, xp
from autograd.resample import pixel_shuffle, pixel_unshuffle

from . import init
from .attention import sinusoidal_code
from .blocks import CrossAttention2d, Downsample, ResBlock, SelfAttention2d, Upsample
from .conv import Conv2d
from .init import zeroed
from .layers import Linear, Sequential
from .module import Module, ModuleList
from .norms import GroupNorm


class UNet(Module):
    """(N, in_channels, H, W) and, with time, t (N,) -> (N, out_channels, H, W). H and W may be any sizes.

    width: channels at full resolution; multipliers: how many times that at each level, one level for each, and each of
    half the resolution of the one before. blocks: residual blocks per level on the way down, one more on the way up.
    attention: the levels, from 0, whose blocks are followed by attention; heads: of each. groups: of the group norms,
    must divide width. time: False for a network without t. patch: the network works on squares of patch x patch pixels
    as channels, that is on an image smaller by so much; H and W must divide by it. condition, context: widths of what
    else it is told, a vector (N, condition) and tokens (N, T, context); None for what there is not. block, down, up:
    the classes of its residual blocks and of the ways between levels; others are in adm_blocks.py.
    """

    def __init__(self, in_channels, out_channels=None, *, width=64, multipliers=(1, 2, 2), blocks=2, attention=(),
                 heads=1, groups=8, dropout=0.0, time=True, patch=1, condition=None, context=None, block=ResBlock,
                 down=Downsample, up=Upsample, rng):
        if width % groups:
            raise ValueError(f"UNet: width={width} does not divide into groups={groups}; pass groups={_groups(width)}")
        if any(level not in range(len(multipliers)) for level in attention):
            raise ValueError(f"UNet: attention={tuple(attention)} names levels, expected 0 to {len(multipliers) - 1}")
        self.in_channels, self.out_channels = in_channels, out_channels or in_channels
        self.width, self.patch = width, patch
        D = 4 * width
        self.time = Sequential(Linear(width, D, rng=rng), silu, Linear(D, D, rng=rng), silu) if time else None
        self.condition = Sequential(Linear(condition, D, rng=rng), silu, Linear(D, D, rng=rng)) if condition else None
        self.null_condition = parameter(init.normal((condition,), std=0.02, rng=rng)) if condition else None
        self.null_context = parameter(init.normal((context,), std=0.02, rng=rng)) if context else None
        told = D if time or condition else None

        def step(C_in, C_out, attends):
            return Step(block(C_in, C_out, told, groups, dropout, rng=rng), C_out, heads if attends else 0, context,
                        groups, rng=rng)

        self.stem = Conv2d(in_channels * patch**2, width, 3, padding=1, rng=rng)
        C, kept = width, [width]  # channels of the present image, and of those left behind
        self.down, self.up = ModuleList(), ModuleList()
        for level, multiplier in enumerate(multipliers):
            steps = ModuleList()
            for _ in range(blocks):
                steps.append(step(C, multiplier * width, level in attention))
                C = multiplier * width
                kept.append(C)
            last = level == len(multipliers) - 1
            self.down.append(Level(steps, None if last else down(C, rng=rng)))
            kept += [] if last else [C]

        self.middle = ModuleList([step(C, C, True), step(C, C, False)])
        for level, multiplier in reversed(list(enumerate(multipliers))):
            steps = ModuleList()
            for _ in range(blocks + 1):
                steps.append(step(C + kept.pop(), multiplier * width, level in attention))
                C = multiplier * width
            self.up.append(Level(steps, up(C, rng=rng) if level else None))

        last = zeroed(Conv2d(C, self.out_channels * patch**2, 3, padding=1, rng=rng))
        self.head = Sequential(GroupNorm(groups, C), silu, last)

    def forward(self, x, t=None, condition=None, context=None, padding=None, dropped=None, code=None):
        """padding: (N, T), True at tokens of the context that say nothing. dropped: (N,), True where condition and
        context are left out in favour of the null. code: (N, D), of what else is told, added to those of t and
        condition."""
        x = as_tensor(x)
        self._check(x, t, condition, context)
        c = self._code(x, t, condition, dropped)  # (N, D)
        c = c if code is None else c + code
        if self.null_context is not None:
            context = _or_null(context, self.null_context, dropped, (len(x), 1, *self.null_context.shape))
        told = c, context, padding
        h = self.stem(pixel_unshuffle(x, self.patch) if self.patch > 1 else x)  # (N, width, H, W)
        kept = [h]
        for level in self.down:
            for step in level.steps:
                h = step(h, *told)
                kept.append(h)
            if level.resample:
                h = level.resample(h)
                kept.append(h)
        for step in self.middle:
            h = step(h, *told)
        for level in self.up:
            for step in level.steps:
                h = step(concatenate([h, kept.pop()], axis=1), *told)  # course 2.3
            if level.resample:
                h = level.resample(h, kept[-1].shape[2:])
        h = self.head(h)
        return pixel_shuffle(h, self.patch) if self.patch > 1 else h

    def _code(self, x, t, condition, dropped):
        """What the blocks are told, (N, D): the time's code, and the condition's added to it. None if there is
        neither."""
        code = None
        if self.time:
            code = self.time(Tensor(sinusoidal_code(t.data if isinstance(t, Tensor) else asarray(t), self.width)))
        if self.condition:
            c = _or_null(condition, self.null_condition, dropped, (len(x), *self.null_condition.shape))
            code = self.condition(c) if code is None else code + self.condition(c)
        return code

    def _check(self, x, t, condition, context):
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(f"UNet: input has shape {x.shape}, expected (N, {self.in_channels}, H, W)")
        if x.shape[2] % self.patch or x.shape[3] % self.patch:
            raise ValueError(f"UNet: patch={self.patch} does not divide the image of {x.shape[2]} x {x.shape[3]}; pad "
                             "the images, or build the network with patch=1, which takes any size")
        if (t is None) != (self.time is None):
            raise ValueError("UNet: t is missing; pass t of shape (N,)" if t is None else
                             "UNet: t is given to a network without time; build it with time=True")
        if t is not None and np.shape(t) != x.shape[:1]:
            raise ValueError(f"UNet: t has shape {np.shape(t)}, expected one number per image of {x.shape}: "
                             f"({len(x)},)")
        for name, given, null, axes in (("condition", condition, self.null_condition, 2),
                                        ("context", context, self.null_context, 3)):
            if given is not None and null is None:
                raise ValueError(f"UNet: {name} is given to a network without one; build it with {name}=width")
            if given is not None and (given.ndim != axes or len(given) != len(x) or given.shape[-1] != null.size):
                expected = (len(x), *["T"] * (axes - 2), null.size)
                raise ValueError(f"UNet: {name} has shape {given.shape}, expected {expected}")

    def extra_repr(self):
        return f"{self.in_channels}, {self.out_channels}, width={self.width}"


class Level(Module):
    """The steps at one resolution, and the way to the next: one that halves or doubles it, or None."""

    def __init__(self, steps, resample):
        self.steps, self.resample = steps, resample


class Step(Module):
    """A residual block, followed by attention with so many heads (0 for none): to pixels, and to a context if there
    is."""

    def __init__(self, block, channels, heads, context, groups, *, rng):
        self.block = block
        self.attend = SelfAttention2d(channels, heads, groups, rng=rng) if heads else None
        self.look = CrossAttention2d(channels, context, heads, groups, rng=rng) if heads and context else None

    def forward(self, x, c, context=None, padding=None):
        x = self.block(x, c)
        x = self.attend(x) if self.attend else x
        return self.look(x, context, padding) if self.look else x


def _or_null(given, null, dropped, shape):
    """What is given, with the null for the examples that are dropped; the null for all of this shape if there is
    nothing. The null is part of the graph whether or not any example has it."""
    if given is None:
        return broadcast_to(null, shape)
    dropped = xp.zeros(len(given), bool) if dropped is None else asarray(dropped)
    return where(dropped.reshape(-1, *[1] * (given.ndim - 1)), null, given)


def _groups(width):
    """The largest number of groups up to 32 that divides width."""
    return max(g for g in range(1, 33) if width % g == 0)
