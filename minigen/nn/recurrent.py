"""GRU: a layer that reads a sequence, one step after the other, and keeps what it needs in a state.

    r = S(W_ir x + b_ir + W_hr h + b_hr)                reset: how much of the state the candidate sees
    z = S(W_iz x + b_iz + W_hz h + b_hz)                update: how much of the state stays
    n = tanh(W_in x + b_in + r (W_hn h + b_hn))         candidate
    h <- (1 - z) n + z h

Cho et al. 2014, in the form of torch.nn.GRU (there r multiplies behind the matrix, not before it), with its names and
layouts: the three gates lie one under another in each weight. A step is `step`; a decoder, which is to see its own last
output, calls that. Symbols: N batch, T steps, S the logistic function, H width of the state.
Read before this: layers.py.
"""
import math

from autograd import linear, parameter, sigmoid, split, stack, tanh
from autograd.backend import default_dtype, xp

from . import init
from .module import Module


class GRU(Module):
    """torch.nn.GRU of one layer, batch_first: x (N, T, input_size) and h (N, hidden_size), zeros if left out, ->
    (states after each step (N, T, hidden_size), the last of them)."""

    def __init__(self, input_size, hidden_size, *, rng):
        if min(input_size, hidden_size) < 1:
            raise ValueError(f"GRU: from {input_size} to {hidden_size} numbers, expected at least 1 each")
        k = 1.0 / math.sqrt(hidden_size)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih_l0 = parameter(init.uniform((3 * hidden_size, input_size), -k, k, rng=rng))
        self.weight_hh_l0 = parameter(init.uniform((3 * hidden_size, hidden_size), -k, k, rng=rng))
        self.bias_ih_l0 = parameter(init.uniform((3 * hidden_size,), -k, k, rng=rng))
        self.bias_hh_l0 = parameter(init.uniform((3 * hidden_size,), -k, k, rng=rng))

    def forward(self, x, h=None):
        if len(x.shape) != 3 or x.shape[2] != self.input_size or x.shape[1] < 1:
            raise ValueError(f"GRU: x has shape {x.shape}, expected (N, T, {self.input_size}) with T >= 1")
        h = xp.zeros((len(x), self.hidden_size), default_dtype) if h is None else h
        states = []
        for t in range(x.shape[1]):
            h = self.step(x[:, t], h)
            states.append(h)
        return stack(states, axis=1), h

    def step(self, x, h):
        """The state (N, H) after one step more: x (N, input_size), h (N, H)."""
        x_r, x_z, x_n = split(linear(x, self.weight_ih_l0, self.bias_ih_l0), 3, axis=-1)
        h_r, h_z, h_n = split(linear(h, self.weight_hh_l0, self.bias_hh_l0), 3, axis=-1)
        z = sigmoid(x_z + h_z)
        n = tanh(x_n + sigmoid(x_r + h_r) * h_n)
        return n + z * (h - n)

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}"
