"""MaskedMLP: layers whose weights are masked, so that output i depends on x_<i alone; and on all of a context.

    h^1 = relu(b^1 + (W^1 * M^1) x + C h),   h^l = relu(b^l + (W^l * M^l) h^{l-1})
    output = c + (V * M^V) h^L + (A * M^A) x + B h                       * elementwise; M as in autoregressive/masks.py

Source: Germain, Gregor, Murray & Larochelle, "MADE", ICML 2015; a context as in Kingma et al. 2016 (IAF). Symbols: D
numbers, h context, L hidden layers. Read before this: layers.py, autoregressive/masks.py. Read next:
flows/posterior.py, models/autoencoders/lossy_vae.py.
"""
import numpy as np

from autograd import linear, relu
from autograd.backend import asarray, default_dtype

from ..autoregressive.masks import degree_masks, hidden_degrees, input_degrees, output_mask
from .layers import Linear
from .module import Module, ModuleList


class MaskedMLP(Module):
    """x (..., D) and context (..., H) -> (..., outputs, D). order: that in which the D numbers come. hidden: widths of
    the hidden layers, at least one. outputs: numbers for each number of x. context: H."""

    def __init__(self, order, hidden, outputs, context, *, rng):
        if not hidden:
            raise ValueError("MaskedMLP: hidden is empty, expected the width of at least one layer")
        D, degrees = len(order), input_degrees(order)
        self.outputs = outputs
        *masks, last = degree_masks([degrees, *hidden_degrees(D, hidden, rng)])
        self.masks = [asarray(mask, default_dtype) for mask in (*masks, np.tile(last, (outputs, 1)))]
        self.straight_mask = asarray(np.tile(output_mask(degrees, degrees), (outputs, 1)), default_dtype)
        self.layers = ModuleList(Linear(i, o, rng=rng) for i, o in zip((D, *hidden), (*hidden, outputs * D)))
        self.straight = Linear(D, outputs * D, bias=False, rng=rng)
        self.context = Linear(context, hidden[0], bias=False, rng=rng)
        self.direct = Linear(context, outputs * D, bias=False, rng=rng)  # the first number has no unit to see it by

    def forward(self, x, context):
        seen = self.context(context)
        *below, (V, c) = [(layer.weight * mask, layer.bias) for layer, mask in zip(self.layers, self.masks)]
        h = x
        for W, b in below:
            h, seen = relu(linear(h, W, b) + seen), 0.0
        y = linear(h, V, c) + linear(x, self.straight.weight * self.straight_mask) + self.direct(context)
        return y.reshape(*y.shape[:-1], self.outputs, y.shape[-1] // self.outputs)
