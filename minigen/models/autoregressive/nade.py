"""NADE: each pixel from a hidden layer that has seen the pixels before it, at the price of a single hidden layer.

Larochelle & Murray, "The Neural Autoregressive Distribution Estimator", AISTATS 2011; Uria et al., "Neural
Autoregressive Distribution Estimation", JMLR 2016, whose equation numbers and algorithm 1 these are.

    p(x_i = 1 | x_<i) = sigm(b_i + V_i h_i)                                              (eq. 3)
    h_i = sigm(a_i),   a_i = c + sum_{j<i} x_j W_j                                       (eq. 4)

There are D hidden layers, one for each pixel, and they share their weights: W_j is what pixel j adds to all layers
after it, whichever. So a is kept and not computed anew,

    a_1 = c,   a_{i+1} = a_i + x_i W_i            only after x_i has been predicted: else it would predict itself

and all D conditionals cost O(H D) in the place of O(H D^2). Going backward, algorithm 1 subtracts what it had added, so
that no more than one a is ever in memory. With g_i = dL/d(logit i), i from D down to 1:

    dL/db_i = g_i    dL/dV_i = g_i h_i    dL/da_i = g_i V_i h_i (1 - h_i)    dL/dW_i = x_i sum_{j>i} dL/da_j

Two ways to compute them are below. The slow one has all a_i at once, (N, D, H): on a CPU it takes many times as long,
and is what the other is tested against; on a GPU it is the one that runs.

Symbols: N images, D pixels, H hidden units, i place in the order; W_j and V_i are rows here, (D, H) both. Read before
this: autoregressive/chain.py. Read next: made.py, where masks do the work of the order; rnade.py.
Course: 6.1.
"""
from autograd import Tensor, concatenate, cumsum, expand_dims, flip, parameter, sigmoid, stack
from autograd.backend import asarray, by_device, default_dtype, xp
from autograd.mode import recording
from autograd.tensor import as_tensor, joint, record

from ...autoregressive import Autoregressive
from ...densities import log_bernoulli
from ...nn import init

HELD = 2**26  # numbers of a that are held at a time, where all a_i are computed at once


class NADE(Autoregressive):
    """space: of images or other integers; more than two levels are drawn as bits, anew each time. hidden: H."""

    def __init__(self, space, hidden=500, *, rng):
        if hidden < 1:
            raise ValueError(f"NADE: hidden is {hidden}, expected at least 1 unit")
        super().__init__(space, levels=2)
        self.W = parameter(init.normal((self.D, hidden), std=0.05, rng=rng))
        self.V = parameter(init.normal((self.D, hidden), std=0.05, rng=rng))
        self.b = parameter(xp.zeros(self.D, default_dtype))
        self.c = parameter(xp.zeros(hidden, default_dtype))

    def log_conditionals(self, x):
        self.integers.check(x)
        return log_bernoulli(self.to_sequence(x), self.logit(x))

    def logits(self, x):
        logit = self.logit(x)
        return stack([logit * 0.0, logit], axis=-1)  # (N, D, 2): those of black and of white

    def logit(self, x):
        """b_i + V_i h_i for all i, Tensor (N, D), of bits x (N, *shape): constants, or a Tensor with a gradient."""
        x = as_tensor(x if isinstance(x, Tensor) else asarray(x, self.W.dtype))
        way = all_at_once if x.requires_grad else one_after_the_other
        return way(self.to_sequence(x), self.W, self.V, self.b, self.c)

    def predictor(self, n):
        W, V, b = self.W.data, self.V.data, self.b.data
        a = xp.repeat(self.c.data[None], n, axis=0)  # (n, H)

        def predict(i, x):
            if i > 0:
                a[...] += asarray(x[:, i - 1 : i], a.dtype) * W[i - 1]
            logit = sigmoid(a).data @ V[i] + b[i]
            return xp.stack([xp.zeros_like(logit), logit], axis=1)

        return predict


# All conditionals: Tensor (N, D) of logits, from x (N, D), W and V (D, H), b (D,), c (H,)


def all_at_once(x, W, V, b, c):
    """The slow way: a_i for all i, by a running sum. As many examples at a time as HELD allows."""
    size = max(1, HELD // W.size)
    return concatenate([(_hidden(x[n : n + size], W, c) * V).sum(axis=-1) + b for n in range(0, max(1, len(x)), size)])


def _hidden(x, W, c):
    """h_i, (N, D, H)."""
    added = expand_dims(x, -1) * W  # x_j W_j
    return sigmoid(c + cumsum(added, axis=1) - added)  # without x_i's own; course 6.1


def _one_after_the_other(x, W, V, b, c):
    """Algorithm 1, in the memory of one hidden layer. x: a constant, of bits. Where x_i = 0 nothing is added, and h
    stays as it is: most pixels of a digit are black."""
    white = [xp.flatnonzero(x_i) for x_i in x.data.T]  # in which images pixel i is
    a = xp.repeat(c.data[None], len(x), axis=0)  # (N, H)
    h, logits = sigmoid(a).data, xp.empty((len(b), len(x)), a.dtype)
    for i, on in enumerate(white):
        logits[i] = h @ V.data[i]
        if len(on):
            a[on] += W.data[i]
            h[on] = sigmoid(a[on]).data

    def gradients(g):
        if recording():
            return _gradients(x, W, V, c, g)
        return _gradients_backward(white, W.data, V.data, a.copy(), g.data)

    return record(logits.T + b.data, *joint((W, V, b, c), gradients))


one_after_the_other = by_device(_one_after_the_other, all_at_once)


def _gradients(x, W, V, c, g):
    """dL/d(W, V, b, c) with all a_i at once: differentiable again."""
    h, g = _hidden(x, W, c), expand_dims(g, -1)
    da = g * V * h * (1.0 - h)  # (N, D, H)
    after = flip(cumsum(flip(da, 1), axis=1), 1) - da  # the sum over j > i
    return [(expand_dims(x, -1) * after).sum(axis=0), (g * h).sum(axis=0), g.sum(axis=(0, 2)), da.sum(axis=(0, 1))]


def _gradients_backward(white, W, V, a, g):
    """The same with one a, that after the last pixel, from which each W_i is subtracted in turn. dL/dh is summed up as
    long as h stays what it is."""
    h, da, dh = sigmoid(a).data, xp.zeros_like(a), xp.zeros_like(a)  # (N, H)
    dW, dV, added = xp.zeros_like(W), xp.empty_like(V), xp.empty_like(a)
    for i, g_i in reversed(list(enumerate(xp.ascontiguousarray(g.T)))):
        on = white[i]
        if len(on):
            h_on = h[on]
            da[on] += dh[on] * (h_on * (1 - h_on))
            dh[on] = 0
            dW[i] = da[on].sum(axis=0)
            a[on] -= W[i]
            h[on] = sigmoid(a[on]).data
        dV[i] = g_i @ h
        dh += xp.multiply(g_i[:, None], V[i], out=added)
    da += dh * h * (1 - h)
    return [Tensor(d) for d in (dW, dV, g.sum(axis=0), da.sum(axis=0))]
