"""TimedMLP: for points what a U-Net is for images, a network that is told the time t.

    h_0     = x
    h_{l+1} = silu(W_l h_l + V_l c + b_l),   c = silu(W code(t) + b)        and a last layer, linear

The code of t is the sinusoidal one of attention.py, as in the U-Net, and shifts every layer. The last layer starts as
0, as the U-Net's: a new network says nothing.

Symbols: N points, D numbers in each. Read before this: layers.py. Read next: unet.py.
"""
import numpy as np

from autograd import Tensor, silu
from autograd.backend import asarray

from .attention import sinusoidal_code
from .init import zeroed
from .layers import Linear
from .module import Module, ModuleList

FREQUENCIES = 32  # numbers in the code of t


class TimedMLP(Module):
    """(N, D) and t (N,) -> (N, D). hidden: widths of the layers between."""

    def __init__(self, D, hidden=(128, 128, 128), *, rng):
        self.time = Linear(FREQUENCIES, hidden[0], rng=rng)
        self.layers = ModuleList([Linear(a, b, rng=rng) for a, b in zip((D, *hidden), hidden)])
        self.shifts = ModuleList([Linear(hidden[0], b, bias=False, rng=rng) for b in hidden])
        self.head = zeroed(Linear(hidden[-1], D, rng=rng))

    def forward(self, x, t):
        if np.shape(t) != x.shape[:1]:
            raise ValueError(f"TimedMLP: t has shape {np.shape(t)}, expected one number per point of {x.shape}: "
                             f"({len(x)},)")
        c = silu(self.time(Tensor(sinusoidal_code(asarray(t), FREQUENCIES))))
        h = x
        for layer, shift in zip(self.layers, self.shifts):
            h = silu(layer(h) + shift(c))
        return self.head(h)
