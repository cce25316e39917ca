"""Draws of a category that gradients pass: the Gumbel-max trick, its relaxation, and straight-through.

    g_k = -log(-log u_k),  u_k ~ U(0, 1)                          Gumbel noise
    z = one_hot(argmax_k (log pi_k + g_k))                        eq. 1: exactly a draw of Categorical(pi)
    y_k = exp((log pi_k + g_k) / tau) / sum_j exp((log pi_j + g_j) / tau)         eq. 2: the relaxation
    z in the forward pass, dy in the backward one                 straight-through, section 2.2

Equation numbers are those of Jang, Gu & Poole, "Categorical Reparameterization with Gumbel-Softmax", ICLR 2017; the
distribution of y is the concrete one of Maddison, Mnih & Teh, ICLR 2017. As with
z = mu + sigma eps of a VAE, the noise is drawn first, and the draw is a function of it and of pi. An argmax has no
slope; a softmax has, and goes over into the argmax as tau -> 0.

The temperature tau trades one error for another. E[df(y)/dpi] is not the gradient of E[f(z)], as y is not z: that bias
falls with tau. The variance of df(y)/dpi grows as 1 / tau. So tau starts high and is lowered in training, and what is
reported is computed from z.

All take logits = log pi + constant, (..., K), with K categories on the last axis. Symbols: K codes, u uniform, g Gumbel
noise, y relaxed, z one-hot. Read before this: autograd/backend.py. Read next: models/codes/dvae.py.
"""
import math
from functools import partial

import numpy as np

from autograd import as_tensor, one_hot, record, softmax
from autograd.backend import default_dtype, uniform, xp


def gumbel(rng, shape, dtype=default_dtype):
    """Gumbel noise, an array of the given shape: mean 0.577, standard deviation pi / sqrt(6), always finite.

    A uniform draw can be 0, in float32 once in 2^24 times, and its noise would be -inf; half of the smallest step
    stands for it.
    """
    u = xp.maximum(uniform(rng, shape, dtype), float(np.finfo(dtype).epsneg) / 2)
    return -xp.log(-xp.log(u))


def gumbel_max(logits, rng):
    """A category for each row of logits (..., K): an array of integers (...). Eq. 1."""
    logits = as_tensor(logits).data
    return (logits + gumbel(rng, logits.shape, logits.dtype)).argmax(axis=-1)  # course 5.3


def gumbel_softmax(logits, tau, rng):
    """Points y of the simplex (..., K), near its corners for small tau. Eq. 2. ValueError unless tau > 0."""
    if not tau > 0:
        raise ValueError(f"gumbel_softmax: tau is {tau}, expected a temperature above 0; its limit is gumbel_max")
    logits = as_tensor(logits)
    return softmax((logits + gumbel(rng, logits.shape, logits.dtype)) * (1.0 / tau), axis=-1)  # course 5.3


def straight_through_gumbel(logits, tau, rng):
    """The corners (..., K) that are nearest to the y of `gumbel_softmax`, with the gradient of y. Section 2.2."""
    y = gumbel_softmax(logits, tau, rng)
    z = one_hot(y.data.argmax(axis=-1), y.shape[-1]).data.astype(y.dtype)
    return record(z, (y, lambda g: g))


def annealed(rate, lowest):
    """max(lowest, exp(-rate done)), Jang et al. section 4.2, there of the number of steps: a function from done, how
    much of the training is over, to tau. (DALL-E's is optim.cosine_decay.)

    >>> tau = annealed(2.0, 0.5)
    >>> tau(0.0), tau(1.0)
    (1.0, 0.5)
    """
    return partial(_annealed, rate, lowest)


def _annealed(rate, lowest, done):
    return max(lowest, math.exp(-rate * done))
