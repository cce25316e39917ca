"""Invertible layers: what normalizing flows are made of.

A layer is a one-to-one map x -> y whose Jacobian has a determinant that costs no more than the map itself.

    y, logdet = layer(x)      logdet (N,): log |det dy/dx| of every example, in nats
    x = layer.inverse(y)

By the change of variables a density moves with the map, and in a chain of layers the log-determinants add:

    log p_X(x) = log p_Y(y) + log |det dy/dx|

There are four ways to a cheap determinant here. Elementwise maps (ActNorm, Logit) have a diagonal Jacobian.
Couplings change one part of x by what the other part says: a triangular Jacobian. Squeeze only moves numbers
about: |det| = 1. InvertibleConv1x1 mixes channels by a matrix that it keeps as a
product of triangular ones.

Layers work on points (N, D) and on images (N, C, H, W); D takes the place of C. Everything is
differentiable, the inverses too. Sources: Dinh et al. 2017 (Real NVP), Kingma & Dhariwal 2018 (Glow).

Symbols: S = H*W pixels (1 for points), s log-scale, t shift, v a pixel in [0, 1].
Read before this: nn/module.py, examples/4_flows/30_change_of_variables.py. Read next: models/flows/realnvp.py.
"""
import math

import numpy as np
import scipy.linalg

from autograd import (
    as_tensor,
    broadcast_to,
    concatenate,
    exp,
    flatten,
    inv,
    log,
    parameter,
    pixel_shuffle,
    pixel_unshuffle,
    sigmoid,
    softplus,
    split,
    tanh,
    tril,
    triu,
)
from autograd.backend import asarray, default_dtype, xp
from autograd.batch import whole

from ..nn.module import Module, ModuleList


class Chain(ModuleList):
    """Layers one after the other."""

    def __init__(self, *layers):
        super().__init__(layers)

    def forward(self, x):
        logdet = 0.0
        for layer in self:
            x, change = layer(x)
            logdet = logdet + change
        return x, logdet

    def inverse(self, y):
        for layer in reversed(self.children()):
            y = layer.inverse(y)
        return y


class Inverse(Module):
    """A layer turned round."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x):
        y = self.layer.inverse(x)
        return y, -self.layer(y)[1]

    def inverse(self, y):
        return self.layer(y)[0]


# Couplings


class MaskedCoupling(Module):
    """y = b x + (1 - b) (x exp(s) + t), where s and t are functions of b x alone. Real NVP, eq. 9.

    mask: b, zeros and ones that broadcast against an example. net: from b x to s and t, side by side along
    the channels: (N, 2C, ...). s = alpha tanh(...), with a learned alpha, as in the authors' code: however
    far the net strays, exp(s) and exp(-s) stay finite. context: more channels for the net to look at.
    """

    def __init__(self, mask, net):
        mask = asarray(mask, default_dtype)
        if not xp.isin(mask, xp.asarray([0, 1])).all():
            raise ValueError("MaskedCoupling: mask holds other numbers than 0 and 1; what is partly kept and "
                             "partly changed cannot be undone")
        if mask.min() == mask.max():
            raise ValueError(f"MaskedCoupling: mask, of shape {mask.shape}, is {mask.flat[0]:g} everywhere; a "
                             "coupling needs a part to keep and a part to change")
        self.register_buffer("mask", mask)
        self.net = net
        self.alpha = parameter(1.0)

    def forward(self, x, context=None):
        s, t = self._scale_and_shift(x, context)
        return x * exp(s) + t, _total(s)  # course 12.6

    def inverse(self, y, context=None):
        s, t = self._scale_and_shift(y, context)  # b y = b x: the net sees what it saw
        return (y - t) * exp(-s)

    def _scale_and_shift(self, x, context):
        """s and t, both 0 where b = 1."""
        kept = self.mask * x
        raw, t = split(self.net(kept if context is None else concatenate([kept, context], axis=1)), 2, axis=1)
        changed = 1 - self.mask
        return changed * (self.alpha * tanh(raw)), changed * t


class ChannelCoupling(Module):
    """y_a = exp(s) x_a + t, y_b = x_b for the two halves of the channels; s and t from x_b. Glow, table 1.

    channels: C, even. net: (N, C/2, ...) to s and t, (N, C, ...). s = alpha tanh(...), as in
    MaskedCoupling. (The authors' code has exp(s) = sigmoid(...), which may come as near 0 as it likes; its
    inverse then overflows.)
    """

    def __init__(self, channels, net):
        if channels % 2 or channels < 2:
            raise ValueError(f"ChannelCoupling: {channels} channels have no two equal halves; squeeze images "
                             "first, or use a MaskedCoupling")
        self.net = net
        self.alpha = parameter(1.0)

    def forward(self, x):
        x_a, x_b = split(x, 2, axis=1)  # (N, C/2, ...)
        s, t = self._scale_and_shift(x_b)
        return concatenate([exp(s) * x_a + t, x_b], axis=1), _total(s)

    def inverse(self, y):
        y_a, y_b = split(y, 2, axis=1)
        s, t = self._scale_and_shift(y_b)
        return concatenate([(y_a - t) * exp(-s), y_b], axis=1)

    def _scale_and_shift(self, x_b):
        raw, t = split(self.net(x_b), 2, axis=1)
        return self.alpha * tanh(raw), t


def checkerboard(H, W, first=1):
    """A mask (1, H, W) of alternating pixels; `first` is the value of the corner. Real NVP, figure 3, left."""
    if H * W < 2:
        raise ValueError(f"checkerboard: an image of {H}x{W} has no two pixels to alternate between")
    return (np.indices((1, H, W)).sum(axis=0) + first) % 2


def half_of(channels, first=1):
    """A mask (channels,) with the value `first` in its first half, the other in its second. Figure 3, right."""
    if channels % 2 or channels < 2:
        raise ValueError(f"half_of: {channels} channels have no two equal halves")
    return np.repeat([first, 1 - first], channels // 2)


# Normalization: an elementwise map per channel, so that every layer gets inputs of about unit size


class ActNorm(Module):
    """y = exp(s) x + b with s and b per channel, (C,). Glow, section 3.1.

    The first batch in training sets them so that its y have mean 0 and variance 1; from then on they are
    trained.
    """

    def __init__(self, channels):
        self.s = parameter(xp.zeros(channels, default_dtype))
        self.b = parameter(xp.zeros(channels, default_dtype))
        self.register_buffer("initialized", np.zeros((), bool))

    def forward(self, x):
        if self.training and not self.initialized:
            self._fit(whole(x.data))
        s = _per_channel(self.s, x)
        return x * exp(s) + _per_channel(self.b, x), _same_for_all(self.s.sum() * _pixels(x), x)

    def inverse(self, y):
        return (y - _per_channel(self.b, y)) * exp(-_per_channel(self.s, y))

    def _fit(self, x):
        axes = _all_but_channels(x)
        std = x.std(axis=axes) + 1e-6
        self.s.data[...] = -xp.log(std)
        self.b.data[...] = -x.mean(axis=axes) / std
        self.initialized[...] = True


# Mixing the channels, between couplings


class InvertibleConv1x1(Module):
    """y = W x over the channels at every pixel: a permutation that is learned. Glow, section 3.2.

        W = P L (U + diag(sign * exp(s)))          eq. 10
        log |det| = S sum(s)                       eq. 11, with S pixels

    L is lower triangular with ones on its diagonal, U upper with zeros, and P stays the permutation it
    starts as, from the LU decomposition of a random rotation. The determinant costs C additions in the
    place of C^3, and as exp(s) is never 0, W can always be inverted.
    """

    def __init__(self, channels, *, rng):
        rotation = scipy.linalg.qr(rng.standard_normal((channels, channels)))[0]
        P, L, U = scipy.linalg.lu(rotation)
        diagonal = np.diag(U)
        self.register_buffer("P", asarray(P, default_dtype))
        self.register_buffer("sign", asarray(np.sign(diagonal), default_dtype))
        self.L = parameter(np.tril(L, -1), default_dtype)
        self.U = parameter(np.triu(U, 1), default_dtype)
        self.s = parameter(np.log(np.abs(diagonal)), default_dtype)

    def weight(self):
        """W, (C, C)."""
        one = xp.eye(len(self.s), dtype=self.s.dtype)
        return self.P @ (tril(self.L, -1) + one) @ (triu(self.U, 1) + one * (self.sign * exp(self.s)))

    def forward(self, x):
        return _mix(self.weight(), x), _same_for_all(self.s.sum() * _pixels(x), x)

    def inverse(self, y):
        return _mix(inv(self.weight()), y)


def _mix(W, x):
    return (W @ x.reshape(*x.shape[:2], _pixels(x))).reshape(x.shape)  # (C, C) @ (N, C, S)


# Images: from pixels to channels, to the real line, to several scales


class Squeeze(Module):
    """Every 2x2 block of pixels becomes 4 channels: (N, C, H, W) -> (N, 4C, H/2, W/2). Real NVP, section 3.6."""

    def forward(self, x):
        if x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"Squeeze: images of {x.shape[2]}x{x.shape[3]} do not divide into 2x2 blocks")
        return pixel_unshuffle(x, 2), _same_for_all(as_tensor(0.0), x)

    def inverse(self, y):
        return pixel_shuffle(y, 2)


class Logit(Module):
    """y = logit(alpha + (1 - 2 alpha) v): from [0, 1] to the real line, short of its ends. Real NVP, section 4.1.

    (There alpha + (1 - alpha) v, which leaves v = 1 at infinity; the authors' code does as here.)
    """

    def __init__(self, alpha):
        if not 0 < alpha < 0.5:
            raise ValueError(f"Logit: alpha is {alpha}, expected above 0, where 0 has a logit, and below 1/2")
        self.alpha = alpha

    def forward(self, v):
        p = self.alpha + (1 - 2 * self.alpha) * v
        y = log(p) - log(1.0 - p)
        return y, _total(softplus(y) + softplus(-y) + math.log(1 - 2 * self.alpha))  # dy/dp = 1 / (p (1 - p))

    def inverse(self, y):
        return (sigmoid(y) - self.alpha) * (1 / (1 - 2 * self.alpha))


class MultiScale(Module):
    """Half of the channels leaves after each level but the last. Real NVP, section 3.6, eqs. 13-16.

    levels: layers for images; shapes: the (C, H, W) that each puts out. The halves that left and the last
    level's output make one row per example, y (N, D): the coarsest comes last. Fine detail then passes few
    layers and the deep ones work on small images.
    """

    def __init__(self, levels, shapes):
        for C, H, W in shapes[:-1]:
            if C % 2:
                raise ValueError(f"MultiScale: a level puts out {C}x{H}x{W}, channels that have no two equal halves")
        self.levels = ModuleList(levels)
        self.shapes = shapes

    def forward(self, x):
        gone, logdet = [], 0.0
        for i, level in enumerate(self.levels):
            x, change = level(x)
            logdet = logdet + change
            if i + 1 < len(self.levels):
                z, x = split(x, 2, axis=1)
                gone.append(z)
        return concatenate([flatten(z, 1) for z in (*gone, x)], axis=1), logdet

    def inverse(self, y):
        *leaving, last = self.shapes
        sizes = [math.prod(shape) // 2 for shape in leaving]
        *gone, x = split(y, np.cumsum(sizes), axis=1)
        x = x.reshape(len(y), *last)
        for i in reversed(range(len(self.levels))):
            if i + 1 < len(self.levels):
                x = concatenate([gone[i].reshape(x.shape), x], axis=1)
            x = self.levels[i].inverse(x)
        return x


# What the layers share


def _total(per_element):
    """Sum over each example: (N, ...) -> (N,)."""
    return per_element.sum(axis=tuple(range(1, per_element.ndim)))


def _same_for_all(logdet, x):
    """A log-determinant that does not depend on x, once per example: () -> (N,)."""
    return broadcast_to(logdet, (len(x),))


def _pixels(x):
    return math.prod(x.shape[2:])


def _all_but_channels(x):
    return (0, *range(2, x.ndim))


def _per_channel(p, x):
    """p (C,), shaped to broadcast against x (N, C, ...)."""
    return p.reshape(-1, *(1 for _ in x.shape[2:]))
