"""MADE: an autoencoder in which weights are masked, so that its outputs are the conditionals of an order.

Germain, Gregor, Murray & Larochelle, "MADE: Masked Autoencoder for Distribution Estimation", ICML 2015.

    h^l = relu(b^l + (W^l * M^l) h^{l-1}),   h^0 = x
    logits = c + (V * M^V) h^L + (A * M^A) x             * elementwise; M from degrees, in autoregressive/masks.py
    p(x) = prod_i p(x_o(i) | x_o(1) .. x_o(i-1))         o an order of the numbers

One pass gives all conditionals, as in NADE, and the network can be deep; but a unit is shared only by the outputs whose
degree is above its own. Other masks make the same weights an autoregressive model of another order (section 4.2). With
several, the training takes one after the other, batch by batch, and what is reported is their mixture, which is again a
distribution that sums to one:

    p(x) = 1/R sum_r p_r(x)

(A mean of the logits instead, taken of orders in which a number knows of others, is no likelihood of anything: the
number would be predicted by itself.) The first order is that in which one reads, so that the lower half of an image can
be drawn given the upper; the others are random.

Symbols: N examples, D numbers of an example, K levels, R orders, r one of them, L hidden layers; a number has k = 1
input and logit if K = 2, else k = K of them (one-hot). Read before this: nade.py, autoregressive/masks.py. Read next:
rnade.py.
Course: 12.9.
"""
import math

import numpy as np

from autograd import Tensor, linear, logsumexp, one_hot, relu, stack
from autograd.backend import asarray, default_dtype, to_numpy, xp

from ...autoregressive import Autoregressive
from ...autoregressive.masks import degree_masks, hidden_degrees, input_degrees, output_mask
from ...nn import Linear, ModuleList


class MADE(Autoregressive):
    """space, levels: as in Autoregressive. hidden: widths of the L hidden layers. orders: R. direct: whether weights
    A lead straight from inputs to outputs."""

    def __init__(self, space, hidden=(500,), orders=1, levels=None, direct=True, *, rng):
        super().__init__(space, levels)
        if orders < 1 or len(hidden) < 1:
            raise ValueError(f"MADE: orders is {orders}, hidden is {hidden}, expected at least one order and layer")
        self.k = 1 if self.K == 2 else self.K
        *below, last = (self.D * self.k, *hidden)
        self.layers = ModuleList(Linear(i, o, rng=rng) for i, o in zip(below, hidden))
        self.output = Linear(last, self.D * self.k, rng=rng)
        self.direct = Linear(self.D * self.k, self.D * self.k, bias=False, rng=rng) if direct else None
        reading = np.arange(self.D)
        self.register_buffer("orders", np.array([reading] + [rng.permutation(reading) for _ in range(1, orders)]))
        self.widths = tuple(hidden)
        self.register_buffer("degrees", np.array([np.concatenate(hidden_degrees(self.D, hidden, rng))
                                                  for _ in range(orders)]))  # (R, hidden units)
        self.register_buffer("turn", np.zeros((), np.int64))  # whose turn it is to be trained

    def in_order(self, r):
        """The autoregressive model p_r of one of the orders, r = 0 .. R - 1, with these weights."""
        if not 0 <= r < len(self.orders):
            raise ValueError(f"MADE.in_order: r is {r}, expected 0 to {len(self.orders) - 1}")
        return InOrder(self, r)

    def log_prob(self, x):
        """log p(x) of the mixture, Tensor (N,)."""
        R = len(self.orders)
        return logsumexp(stack([self.in_order(r).log_prob(x) for r in range(R)]), axis=0) - math.log(R)

    def loss(self, batch, rng):
        if not self.training:
            return super().loss(batch, rng)
        r = int(self.turn)
        self.turn[...] = (r + 1) % len(self.orders)
        return self.in_order(r).loss(batch, rng)

    def draw(self, n, rng, given=None, known=0):
        """As in Autoregressive; each example in an order drawn for it, or if some are given in that of reading."""
        if given is not None:
            return self.in_order(0).draw(n, rng, given, known)
        r = rng.integers(len(self.orders), size=n)
        x = np.zeros((n, *self.space.shape), np.int64)
        for each in np.unique(r):
            x[r == each] = self.in_order(each).draw((r == each).sum(), rng)
        return x


class InOrder(Autoregressive):
    """p_r: the network of a MADE under the masks of one order. made: its MADE. r: the order's number."""

    def __init__(self, made, r):
        super().__init__(made.space, made.K)
        self.made, self.order = made, to_numpy(made.orders[r]).tolist()
        inputs = input_degrees(self.order)
        hidden = np.split(to_numpy(made.degrees[r]), np.cumsum(made.widths)[:-1])
        masks = [*degree_masks([inputs, *hidden]), output_mask(inputs, inputs)]
        masks[0] = masks[0].repeat(made.k, axis=1)  # the inputs, and then the outputs, of one number share its mask
        masks[-2:] = masks[-2].repeat(made.k, axis=0), masks[-1].repeat(made.k, axis=0).repeat(made.k, axis=1)
        *self.masks, self.direct_mask = (asarray(mask, default_dtype) for mask in masks)

    def to_sequence(self, x):
        return super().to_sequence(x)[:, self.order]

    def from_sequence(self, x):
        return super().from_sequence(x[:, np.argsort(self.order).tolist()])

    def logits(self, x):
        v = self.inputs(super().to_sequence(asarray(x)))
        logits = self(v.reshape(len(x), -1)).reshape(len(x), self.D, self.made.k)[:, self.order]
        return stack([logits[..., 0] * 0.0, logits[..., 0]], axis=-1) if self.made.k == 1 else logits

    def inputs(self, x):
        """Integers (..., n) as what the network sees of them, (..., n, k)."""
        return Tensor(asarray(x, default_dtype)[..., None]) if self.made.k == 1 else one_hot(x, self.K)

    def forward(self, v):
        """Logits (N, D k) of inputs v (N, D k), both in the order in which one reads."""
        *hidden, (V, c) = zip(self.weights(), [layer.bias for layer in (*self.made.layers, self.made.output)])
        h = v
        for W, b in hidden:
            h = relu(linear(h, W, b))
        logits = linear(h, V, c)
        return logits if self.made.direct is None else logits + linear(v, self.made.direct.weight * self.direct_mask)

    def weights(self):
        """The masked weights of the hidden layers and of the output."""
        return [layer.weight * mask for layer, mask in zip((*self.made.layers, self.made.output), self.masks)]

    def predictor(self, n):
        """Keeps what the first layer sums up; above it, of the outputs those of one number alone are computed."""
        made = self.made
        (W, *deeper, V), k = [weight.data for weight in self.weights()], made.k
        A = None if made.direct is None else made.direct.weight.data * self.direct_mask
        v = xp.zeros((n, self.D * k), default_dtype)
        a = xp.repeat(made.layers[0].bias.data[None], n, axis=0)  # (n, width)

        def predict(i, x):
            if i > 0:
                known = slice(self.order[i - 1] * k, (self.order[i - 1] + 1) * k)
                v[:, known] = self.inputs(x[:, i - 1]).data
                a[...] += v[:, known] @ W[:, known].T
            h = xp.maximum(a, 0)
            for layer, U in zip(list(made.layers)[1:], deeper):
                h = xp.maximum(h @ U.T + layer.bias.data, 0)
            asked = slice(self.order[i] * k, (self.order[i] + 1) * k)
            logits = h @ V[asked].T + made.output.bias.data[asked]
            logits = logits if A is None else logits + v @ A[asked].T
            return xp.concatenate([xp.zeros_like(logits), logits], axis=1) if k == 1 else logits

        return predict
