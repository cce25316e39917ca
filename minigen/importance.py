"""Importance weights: bounds on log p(x) of a model with latent variables, from draws of its encoder.

    w_i = p(x | z_i) p(z_i) / q(z_i | x),   z_i ~ q,   i = 1 .. k
    ELBO = E[log w]  <=  E[log 1/k sum_i w_i]  <=  log p(x)

The middle one rises to the right with k; both are computed from the same draws. Burda, Grosse & Salakhutdinov,
"Importance Weighted Autoencoders", ICLR 2016 (theorem 1).

Symbols: N examples, D pixels, k draws of z. Read before this: likelihoods.py, metrics.py. Used by: the models with an
encoder, in `measure`.
"""
import math

import numpy as np
from tqdm import tqdm

from autograd import logsumexp, no_grad
from autograd.backend import to_numpy

from .metrics import Measure, mean_interval

HELD = 2**20  # numbers of a decoder's output that evaluation holds at a time


def bounds(log_weights, x, k, likelihood, rng, detail="") -> list:
    """The Measures -ELBO and -IW bound, in nats, of the examples x (N, *shape), a few at a time.

    log_weights(x, k, rng) -> log w, Tensor (n, k). likelihood: that of the decoder, as in likelihoods.py. detail: what
    else decides the values.
    """
    size = max(1, HELD // (k * likelihood.space.size * likelihood.size))
    elbo, bound = [], []
    with no_grad():
        for i in tqdm(range(0, len(x), size), desc="evaluating", unit="chunk", disable=None, leave=False):
            log_w = log_weights(x[i : i + size], k, rng)  # (n, k)
            elbo.append(to_numpy(log_w.mean(axis=1).data))
            bound.append(to_numpy(logsumexp(log_w, axis=1).data) - math.log(k))
    modelled = likelihood.detail + detail
    return [Measure("-ELBO", *mean_interval(-np.concatenate(elbo)), "nats", f"{modelled}; {k} draws of z"),
            Measure("-IW bound", *mean_interval(-np.concatenate(bound)), "nats", f"{modelled}; k = {k}")]
