"""Every log-density, likelihood and KL divergence of the project, each formula once. All values are in nats.

Functions work elementwise with broadcasting and reduce nothing unless they say so: the log-probability of an
image is `log_bernoulli(x, logits).sum(axis=(1, 2, 3))`. Arguments are Tensors, arrays or numbers, results are
Tensors, and gradients flow into every floating argument, x included.

The formulas are arranged so that value and gradient are finite where the exact ones are: no exp can overflow
under a log, and no probability is formed only to take its logarithm. What is left are the number format's
limits: in float32, 1/sigma = exp(-logvar / 2) allows |logvar| < 170, 1/s = exp(-log_scale) |log_scale| < 80.

Symbols: x data, mu mean, logvar = log sigma^2, logits = log p/(1 - p), or log p_k + constant, K classes or
components; S the logistic function. Source, but where a function says another: Bishop, "Pattern Recognition and Machine
Learning", 2006, appendix B. Read before this: autograd/ops.py. Read next: models/.
"""
import math

import numpy as np

from autograd import (
    Tensor,
    as_tensor,
    astype,
    broadcast_to,
    exp,
    expand_dims,
    expm1,
    log,
    log_softmax,
    logsumexp,
    softplus,
    take_along_axis,
    where,
)
from autograd.backend import default_dtype, xp

LOG_2PI = math.log(2.0 * math.pi)


# Discrete data


def log_bernoulli(x, logits):
    """log Bernoulli(x | p), p = S(logits): x log p + (1 - x) log(1 - p) = x logits - softplus(logits).

    The second form follows from log(1 - p) = -softplus(logits) and log p = logits - softplus(logits).
    x: 0 or 1; a gray value between them gives the cross entropy, which is no log-probability.

    >>> log_bernoulli([0, 1], 0.0)  # - log 2
    Tensor([-0.6931 -0.6931], shape=(2,))
    """
    x, logits = _floating(x, logits)
    return x * logits - softplus(logits)  # course 1.2


def log_categorical(x, logits):
    """log Categorical(x | p), p = softmax(logits): log p_x.

    x: integers 0..K-1, (...); logits (..., K); returns (...). TypeError or ValueError if x holds others.
    """
    (logits,) = _floating(logits)
    x = _integers(x, logits.shape[-1], "log_categorical")
    log_p = log_softmax(logits, axis=-1)
    shape = np.broadcast_shapes(x.shape, log_p.shape[:-1])
    log_p = broadcast_to(log_p, (*shape, log_p.shape[-1]))
    return take_along_axis(log_p, broadcast_to(x, shape).data[..., None], axis=-1)[..., 0]  # course 1.2


def log_discretized_logistic(x, mu, log_scale, levels):
    """log P(x) of a logistic variable rounded to one of so many levels: x holds integers 0..levels-1.

    mu and s = exp(log_scale) are on the scale [-1, 1], where x stands for c = 2 x / (levels - 1) - 1 and owns
    the interval c +- h, h = 1 / (levels - 1); the lowest and the highest interval reach to infinity.

        P(x) = S(a) - S(b),   a = (c + h - mu) / s,  b = (c - h - mu) / s
             = S(a) S(-b) (1 - e^(b - a))

    Nothing cancels or underflows in the logarithm of the second form, however far out in a tail x is. (There
    PixelCNN++ approximates. It also bounds log_scale below by -7, which is left to the model.)
    Kingma et al. 2016 (IAF); Salimans et al. 2017 (PixelCNN++), eq. 2, there in units of one level.
    TypeError or ValueError if x holds anything but those integers.
    """
    if levels < 2:
        raise ValueError(f"log_discretized_logistic: levels is {levels}, expected at least 2")
    x = _integers(x, levels, "log_discretized_logistic").data
    mu, log_scale = _floating(mu, log_scale)
    h = 1.0 / (levels - 1)
    c = (2.0 * h * x - 1.0).astype(mu.dtype)
    lowest, highest = x == 0, x == levels - 1

    inverse_s = exp(-log_scale)
    a, b = (c + h - mu) * inverse_s, (c - h - mu) * inverse_s
    log_below = where(highest, 0.0, -softplus(-a))  # log S(a)
    log_above = where(lowest, 0.0, -softplus(b))  # log S(-b)
    log_between = where(lowest | highest, 0.0, log(-expm1(-2.0 * h * inverse_s)))  # log(1 - e^(b - a))
    return log_below + log_above + log_between


def log_discretized_logistic_mixture(x, logit_weights, mu, log_scale, levels):
    """log sum_k w_k P_k(x), w = softmax(logit_weights), P_k discretized logistics.

    x: integers 0..levels-1, (...); logit_weights, mu and log_scale (..., K); returns (...).
    Salimans et al. 2017 (PixelCNN++), eqs. 1-2, for one color at a time: coupling them is up to the model.
    """
    logit_weights, mu, log_scale = _floating(logit_weights, mu, log_scale)
    log_p = log_discretized_logistic(expand_dims(x, -1), mu, log_scale, levels)  # (..., K)
    return logsumexp(log_softmax(logit_weights, axis=-1) + log_p, axis=-1)


# Continuous data


def log_normal(x, mu, logvar):
    """log N(x | mu, sigma^2) = -1/2 (log 2 pi + logvar + ((x - mu) / sigma)^2)."""
    x, mu, logvar = _floating(x, mu, logvar)
    z = (x - mu) * exp(-0.5 * logvar)
    return -0.5 * (LOG_2PI + logvar + z * z)


def log_standard_normal(x):
    """log N(x | 0, 1) = -1/2 (log 2 pi + x^2)."""
    (x,) = _floating(x)
    return -0.5 * (LOG_2PI + x * x)


def log_normal_fixed(x, mu, sigma):
    """log N(x | mu, sigma^2), for a standard deviation above 0 that is given and not learned as a logvar."""
    x, mu, sigma = _floating(x, mu, sigma)
    z = (x - mu) / sigma
    return -0.5 * (LOG_2PI + z * z) - log(sigma)


# Kullback-Leibler divergences KL(q || p) = E_q[log q - log p]: q's parameters come first


def kl_normal(mu1, logvar1, mu2, logvar2):
    """KL(N(mu1, sigma1^2) || N(mu2, sigma2^2)) = 1/2 (r - 1 - log r + (mu1 - mu2)^2 / sigma2^2).

    r = sigma1^2 / sigma2^2. Near r = 1, expm1(log r) keeps the digits that exp(log r) - 1 loses.
    """
    mu1, logvar1, mu2, logvar2 = _floating(mu1, logvar1, mu2, logvar2)
    log_r = logvar1 - logvar2
    z = (mu1 - mu2) * exp(-0.5 * logvar2)
    return 0.5 * (expm1(log_r) - log_r + z * z)


def kl_standard_normal(mu, logvar):
    """KL(N(mu, sigma^2) || N(0, 1)) = 1/2 (sigma^2 - 1 - logvar + mu^2). Kingma & Welling 2014, app. B."""
    mu, logvar = _floating(mu, logvar)
    return 0.5 * (expm1(logvar) - logvar + mu * mu)  # course 4.3


def kl_categorical(logits1, logits2):
    """KL(Categorical(q) || Categorical(p)) = sum_k q_k (log q_k - log p_k), q = softmax(logits1), p = softmax(logits2).

    Over the last axis: (..., K) and (..., K) -> (...). Zeros as logits2 are the uniform p: then it is log K - H(q).

    >>> kl_categorical([100.0, 0.0, 0.0], [0.0, 0.0, 0.0])  # log 3
    Tensor(1.0986, shape=())
    """
    log_q, log_p = (log_softmax(logits, axis=-1) for logits in _floating(logits1, logits2))
    return (exp(log_q) * (log_q - log_p)).sum(axis=-1)


def _floating(*xs):
    """The arguments as Tensors of one floating dtype. Numbers and integers, such as uint8 pixels, take that
    of the others: an int64 array beside a float32 one would widen everything after it to float64."""
    floats = [x.dtype for x in xs if isinstance(x, (Tensor, xp.ndarray, np.ndarray)) and x.dtype.kind == "f"]
    dtype = np.result_type(*floats) if floats else default_dtype
    xs = [x if isinstance(x, Tensor) else Tensor(xp.asarray(x, dtype)) for x in xs]
    return [x if x.dtype == dtype else astype(x, dtype) for x in xs]


def _integers(x, count, caller):
    x = as_tensor(x)
    if x.dtype.kind not in "iu":
        raise TypeError(f"{caller}: x has dtype {x.dtype}, expected integers from 0 to {count - 1}")
    if x.size and not (0 <= int(x.data.min()) and int(x.data.max()) < count):
        raise ValueError(f"{caller}: x holds values from {x.data.min()} to {x.data.max()}, "
                         f"expected integers from 0 to {count - 1}")
    return x
