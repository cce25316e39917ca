"""Divergences between two densities that are known on a grid: what training of one on the other can minimize.

    forward KL      KL(p || q) = int p log p/q          = -E_p[log q] - H(p): maximum likelihood, as H(p) is given
    reverse KL      KL(q || p) = int q log q/p          = -E_q[log p] - H(q): needs p, and no draws of it
    Jensen-Shannon  1/2 KL(p || m) + 1/2 KL(q || m),  m = (p + q) / 2          at most log 2
    Wasserstein     W_1 = int |P(x) - Q(x)| dx, P and Q the distribution functions, in one dimension: how far mass is
                    to be moved, in units of x, to make one density of the other

They agree on what is best, q = p, and on nothing else. The forward one is infinite where p has mass and q none, so q
covers all of p; the reverse one where q has mass and p none, so q keeps to where p is. Wasserstein's asks how far.

p and q come as log-densities at M points, each the middle of a cell of volume `cell`: integrals are sums. Arguments are
Tensors or arrays (..., M), results Tensors (...), in nats, and gradients flow into both. -inf is a density of 0.

Sources: Kullback & Leibler 1951, Lin 1991 (Jensen-Shannon), Vallender 1974 (the formula for W_1). Closed forms of KL
are in densities.py. Symbols: p data, q model. Read before this: densities.py. Read next:
models/basics/kernel_density.py, examples/2_autoencoders/19_learning_signals.py.
"""
import math

from autograd import abs, as_tensor, cumsum, exp, logaddexp, logsumexp, where


def normalized(log_f, cell):
    """log f - log int f: the log-density that is proportional to f."""
    log_f = as_tensor(log_f)
    return log_f - logsumexp(log_f, axis=-1, keepdims=True) - math.log(cell)


def kl(log_p, log_q, cell):
    """KL(p || q) = int p log p/q; 0 log 0 is 0."""
    log_p, log_q = as_tensor(log_p), as_tensor(log_q)
    empty = log_p.data == -math.inf
    some = where(empty, 0.0, log_p)
    return cell * where(empty, 0.0, exp(some) * (some - log_q)).sum(axis=-1)  # course 1.5, 1.7


def jensen_shannon(log_p, log_q, cell):
    """The mean of the KL divergences of p and of q from their mixture in equal parts: 0 to log 2."""
    log_m = logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * (kl(log_p, log_m, cell) + kl(log_q, log_m, cell))  # course 1.7, 7.2


def wasserstein_1d(log_p, log_q, cell):
    """W_1 of densities at evenly spaced points of a line, `cell` apart and in ascending order; in units of x."""
    return cell * abs(cell * cumsum(exp(as_tensor(log_p)) - exp(as_tensor(log_q)), axis=-1)).sum(axis=-1)  # course 1.7
