"""Importance weights: bounds on log p(x) of a model with latent variables, from draws of its encoder.

    w_i = p(x | z_i) p(z_i) / q(z_i | x),   z_i ~ q,   i = 1 .. k
    ELBO = E[log w]  <=  E[log 1/k sum_i w_i]  <=  log p(x)

The middle one rises to the right with k; both are computed from the same draws. Burda, Grosse & Salakhutdinov,
"Importance Weighted Autoencoders", ICLR 2016 (theorem 1).

Symbols: N examples, D pixels, k draws of z. Read before this: likelihoods.py, metrics.py. Used by: the models with an
encoder, in `measure`.
"""
import numpy as np
from tqdm import tqdm

from autograd import no_grad
from autograd.backend import to_numpy

from .metrics import Measure, mean_interval

HELD = 2**20  # numbers of a decoder's output that evaluation holds at a time


def bounds(log_weights, x, k, likelihood, rng, detail="") -> list:
    """The Measures -ELBO and -IW bound, in nats, of the examples x (N, *shape).

    log_weights, likelihood: as of `weigh`. detail: what else decides the values.
    """
    log_w = weigh(log_weights, x, k, likelihood, rng)
    modelled = likelihood.detail + detail
    return [Measure("-ELBO", *mean_interval(-bound(log_w, 1)), "nats", f"{modelled}; {k} draws of z"),
            Measure("-IW bound", *mean_interval(-bound(log_w, k)), "nats", f"{modelled}; k = {k}")]


def weigh(log_weights, x, k, likelihood, rng):
    """log w of k draws for each of the examples x (N, *shape), a few examples at a time: NumPy (N, k).

    log_weights(x, k, rng) -> log w, Tensor (n, k). likelihood: that of the decoder, as in likelihoods.py.
    """
    size = max(1, HELD // (k * likelihood.space.size * likelihood.size))
    with no_grad():
        chunks = tqdm(range(0, len(x), size), desc="evaluating", unit="chunk", disable=None, leave=False)
        return np.concatenate([to_numpy(log_weights(x[i : i + size], k, rng).data) for i in chunks])


def bound(log_w, k):
    """The bound of k draws, in nats (N,), from log w (N, n) of n: the mean over the n / k that there are. The ELBO for
    k = 1. ValueError if k does not divide n."""
    N, n = log_w.shape
    if n % k:
        raise ValueError(f"bound: {n} draws do not make groups of k = {k}")
    log_w = np.float64(log_w).reshape(N, n // k, k)
    most = log_w.max(axis=2, keepdims=True)
    return (most[..., 0] + np.log(np.exp(log_w - most).mean(axis=2))).mean(axis=1)
