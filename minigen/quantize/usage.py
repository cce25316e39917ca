"""How many codes are in use, and how evenly: counted over many examples.

    p_k = share of code k                   H = -sum_k p_k log p_k   in nats             perplexity = exp(H)

The perplexity is K if all codes are equally frequent, and 1 if there is but one: the number of codes that one feels to
be there. It must be counted over an epoch. In a batch of few images not every code can occur, so that its perplexity is
smaller, and says as much of the size of the batch as of the codebook.

H is also what the best model that knows no neighbours would need per code: a prior must be below it.
Symbols: K codes. Read before this: nothing. Used by: codebook.py, the models in models/codes/.
"""
import numpy as np

from autograd.backend import to_numpy


def code_counts(codes, K):
    """How often each of K codes occurs, (K,) integers, among integers of any shape. Those of batches can be added."""
    codes = np.asarray(to_numpy(codes)).reshape(-1)
    if codes.size and not 0 <= codes.min() <= codes.max() < K:
        raise ValueError(f"code_counts: codes from {codes.min()} to {codes.max()}, expected 0 to {K - 1}")
    return np.bincount(codes, minlength=K)


def entropy(counts) -> float:
    """H in nats, of counts (K,), or of weights that are not negative. 0 where nothing was counted.

    >>> round(entropy([5, 5]), 4)
    0.6931
    """
    p = np.float64(to_numpy(counts))
    p = p[p > 0] / max(p.sum(), 1e-300)
    return max(0.0, float(-(p * np.log(p)).sum()))


def perplexity(counts) -> float:
    """exp(H), from 1 to K."""
    return float(np.exp(entropy(counts)))


def used(counts) -> int:
    """How many codes occur at all."""
    return int((np.asarray(counts) > 0).sum())
