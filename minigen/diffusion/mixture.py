"""A mixture of Gaussians: all that a diffusion has to learn is a formula here, and what was learnt can be checked.

    p(x_0)       = sum_k w_k N(m_k, c^2 I)
    p(x_t)       = sum_k w_k N(a m_k, V I),   V = a^2 c^2 + s^2               for x_t = a x_0 + s eps: a mixture again
    p(k | x_t)   = softmax_k(log w_k - |x_t - a m_k|^2 / 2V)                  the exact classifier
    score        = sum_k p(k | x_t) (a m_k - x_t) / V                         grad log p(x_t)
    E[x_0 | x_t] = (x_t + s^2 score) / a                                      the best denoiser (Tweedie)

On a line, D = 1, the equation without noise is solved too: its paths do not cross, so that as many points are below x_t
as are below where it leads, x_s = F_s^-1(F_t(x_t)), with F_t(x) = sum_k w_k Phi((x - a m_k) / sqrt V) = P(x_t <= x).

Symbols: N points, D dimensions, K components; a, s of a level. Read before this: levels.py.
"""
import math

import numpy as np

from autograd import as_tensor, log_softmax, logsumexp, stack
from autograd.backend import asarray, special, to_numpy, xp

from .levels import CLEAN


class Mixture:
    """weights (K,), means (K, D), sigma: the standard deviation c of every component, in every direction."""

    def __init__(self, weights, means, sigma):
        self.weights, self.means, self.sigma = np.asarray(weights, float), np.asarray(means, float), float(sigma)
        if self.weights.shape != self.means.shape[:1] or not math.isclose(self.weights.sum(), 1.0) or not sigma > 0:
            raise ValueError(f"Mixture: weights are {weights}, means have shape {self.means.shape}, sigma is {sigma}; "
                             "expected a weight for each mean, of sum 1, and sigma above 0")

    def draw(self, n, rng):
        """x (n, D) float64 and the component k (n,) that each is of."""
        k = rng.choice(len(self.weights), size=n, p=self.weights)
        return self.means[k] + self.sigma * rng.standard_normal((n, self.means.shape[1])), k

    def log_joint(self, x, level=CLEAN):
        """log p(k, x_t) as a Tensor (N, K), for points (N, D)."""
        x = as_tensor(x)
        V = (level.a * self.sigma) ** 2 + level.s**2
        constant = -0.5 * x.shape[1] * math.log(2.0 * math.pi * V)
        return stack([math.log(w) + constant - ((x - asarray(level.a * m, x.dtype)) ** 2).sum(axis=1) * (0.5 / V)
                      for w, m in zip(self.weights, self.means)], axis=1)

    def log_p(self, x, level=CLEAN):
        """log p(x_t), a Tensor (N,), nats."""
        return logsumexp(self.log_joint(x, level), axis=1)

    def log_class(self, x, level=CLEAN):
        """log p(k | x_t), a Tensor (N, K)."""
        return log_softmax(self.log_joint(x, level), axis=1)

    def score(self, x, level=CLEAN):
        """grad log p(x_t), an array (N, D)."""
        p = xp.exp(self.log_class(x, level).data)  # (N, K)
        V = (level.a * self.sigma) ** 2 + level.s**2
        return (p @ asarray(level.a * self.means, x.dtype) - x) / V

    def denoise(self, x_t, level):
        """E[x_0 | x_t], a denoiser as in predict.py."""
        p = xp.exp(self.log_class(x_t, level).data)
        V = (level.a * self.sigma) ** 2 + level.s**2
        kept = level.a * self.sigma**2 / V  # of x_t's distance from a m_k
        m = p @ asarray(self.means, x_t.dtype)
        return m + kept * (x_t - level.a * m)

    def share_below(self, x, level=CLEAN):
        """F_t(x), NumPy (N,), for points (N, 1)."""
        width = math.sqrt((level.a * self.sigma) ** 2 + level.s**2)
        away = (asarray(x) - asarray(level.a * self.means[:, 0])) / width  # (N, K)
        return to_numpy(special.ndtr(away)) @ self.weights

    def quantile(self, u, level=CLEAN):
        """F_t^-1 of shares u (N,), an array (N, 1): by halving."""
        reach = np.abs(level.a * self.means).max() + 10.0 * math.hypot(level.a * self.sigma, level.s)
        low, high = np.full((len(u), 1), -reach), np.full((len(u), 1), reach)
        for _ in range(50):
            middle = (low + high) / 2.0
            above = (self.share_below(middle, level) < u)[:, None]
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return asarray((low + high) / 2.0)

    def flow(self, x, t, s):
        """x_s (N, 1) on the paths of points x_t = x (N, 1), on a line."""
        return self.quantile(self.share_below(x, t), s)
