"""Dequantization: from integer pixels to the real numbers that a flow has a density for.

Fitted to the integers themselves a density would grow without bound on a few values. So an integer x stands
for its cell, the v in [x, x + 1) / levels, and its probability is the density's integral over the cell.
With any q(v | x) on the cell,

    log P(x) = log int p(v) dv  >=  E_q[log p(v) - log q(v | x)]

with equality if q(v | x) is p(v) / P(x). Called with integers, a layer here draws v and gives log q(v | x)
with it.

    uniform       v = (x + u) / levels, u ~ U[0, 1): log q = D log levels    Theis et al. 2016, section 3.1
    variational   u from a small flow that sees x: q learns where in the     Ho et al. 2019 (Flow++), section 3.1
                  cell p puts its mass, and the bound is tighter

Symbols: N images, D numbers of an image, u in [0, 1) the place in the cell.
Read before this: layers.py, data/pixels.py. Read next: normalizing_flow.py.
"""
import math

import numpy as np

from autograd import as_tensor, sigmoid, softplus
from autograd.backend import asarray, default_dtype, normal, xp

from ..data import dequantize
from ..densities import log_standard_normal
from ..nn.module import Module, ModuleList
from .layers import MaskedCoupling, checkerboard


class UniformDequantization(Module):
    """space: of an image, with at most 256 levels."""

    detail = "uniform dequantization"

    def __init__(self, space):
        self.space, self.levels = space, _levels(space, "UniformDequantization")

    def forward(self, x, rng):
        """v (N, C, H, W) in [0, 1) and log q(v | x) (N,), for integers x."""
        self.space.check(x)
        v = as_tensor(asarray(dequantize(x, self.levels, rng)))
        return v, as_tensor(xp.full(len(x), v[0].size * math.log(self.levels), default_dtype))


class VariationalDequantization(Module):
    """u = sigmoid(couplings(eps; x)), eps ~ N(0, I): checkerboard couplings whose networks see x as well.

    space: of an image. net: a function (channels in, channels out) -> network. couplings: how many.
    """

    detail = "variational dequantization"

    def __init__(self, space, net, couplings=4):
        self.space, self.levels = space, _levels(space, "VariationalDequantization")
        C, H, W = space.shape
        self.couplings = ModuleList(MaskedCoupling(checkerboard(H, W, first=i % 2), net(2 * C, 2 * C))
                                    for i in range(couplings))

    def forward(self, x, rng):
        """v (N, C, H, W) in [0, 1] and log q(v | x) (N,), for integers x; gradients flow into q."""
        seen = as_tensor(self.space.signed(x))
        u = as_tensor(normal(rng, x.shape))  # eps
        log_q = _total(log_standard_normal(u))
        for coupling in self.couplings:
            u, logdet = coupling(u, context=seen)
            log_q = log_q - logdet
        log_q = log_q + _total(softplus(u) + softplus(-u))  # d sigmoid(u) / du = sigmoid(u) sigmoid(-u)
        v = (asarray(np.float32(x)) + sigmoid(u)) * (1 / self.levels)
        return v, log_q + u[0].size * math.log(self.levels)


def _total(per_element):
    """Sum over each image: (N, C, H, W) -> (N,)."""
    return per_element.sum(axis=(1, 2, 3))


def _levels(space, name):
    if space.levels is None or not 2 <= space.levels <= 256:
        raise ValueError(f"{name}: levels is {space.levels}, expected 2 to 256, how many values a pixel can take")
    return space.levels
