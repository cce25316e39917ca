"""Sinkhorn's iteration: scores of pieces and places become shares, one piece to a place and one place to a piece.

    log P <- log P - logsumexp over a row,   then over a column,   again and again

Any square of positive numbers becomes doubly stochastic that way (Sinkhorn 1964): its rows and its columns sum to 1, a
permutation that is not yet decided. With scores divided by tau it comes near to the permutation of the largest sum of
scores as tau falls (Mena et al. 2018, theorem 1), and unlike that it has a gradient. The permutation itself is found by
`assignment`, the Hungarian method.

Symbols: N examples, P pieces and places. Read before this: autograd/reduce.py. Read next: models/adversarial/puzzle.py.
"""
import numpy as np
from scipy.optimize import linear_sum_assignment

from autograd import exp, logsumexp

ROUNDS = 20


def sinkhorn(scores, tau=1.0, rounds=ROUNDS):
    """Scores (N, P, P), piece by place -> shares (N, P, P): columns sum to 1, rows nearly."""
    log_p = scores / tau
    for _ in range(rounds):
        log_p = log_p - logsumexp(log_p, axis=2, keepdims=True)
        log_p = log_p - logsumexp(log_p, axis=1, keepdims=True)
    return exp(log_p)


def assignment(scores) -> np.ndarray:
    """place (N, P) of each piece: the permutation whose scores (N, P, P) have the largest sum."""
    return np.array([linear_sum_assignment(-square)[1] for square in scores]).reshape(scores.shape[:2])
