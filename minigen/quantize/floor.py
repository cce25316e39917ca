"""Principal components in a given number of bits: what a codebook is held against.

Vector quantization spends B bits on an image. So does the oldest way of compressing one: turn it by PCA, and round each
coefficient to 2^b levels of its own. Bits go, one by one, to the coefficient whose error is largest at the time; a
Gaussian one of variance v and b bits has an error of about v 4^-b. The levels are fitted to the training images
(Lloyd 1982), so this is about the best that one can do without a network.

Sources: Huang & Schultheiss 1963 (bits for coefficients), Lloyd 1982. Symbols: N images, D pixels, B bits.
Read before this: nothing. Used by: the models in models/codes/.
"""
import functools

import numpy as np

ROUNDS, EXAMPLES = 20, 2000  # of Lloyd's iteration, and that it looks at
MOST = 8  # bits for a coefficient


class QuantizedPCA:
    """Fitted to rows x (N, D) on [0, 1] when first asked: in a few seconds for B of a few hundred."""

    def __init__(self, x, bits):
        self.x, self.bits = x, bits

    def reconstruct(self, x):
        """Rows x (N, D) from B bits each."""
        mean, components, levels = self._fitted
        coefficients = (x - mean) @ components.T  # (N, R)
        rounded = np.stack([of[_cell(c, of)] for c, of in zip(coefficients.T, levels)], axis=1)
        return mean + rounded @ components

    @functools.cached_property
    def _fitted(self):
        """(mean (D,), components (R, D), the levels of each coefficient)."""
        x = np.float32(self.x)
        mean = x.mean(axis=0)
        components = principal_components(x - mean, max(1, self.bits // 2))  # more than ever get a bit
        coefficients = (x - mean) @ components.T
        bits = allocate(coefficients.var(axis=0), self.bits)
        kept = bits > 0
        return mean, components[kept], [lloyd(c[:EXAMPLES], 2**b) for c, b in zip(coefficients.T[kept], bits[kept])]


def principal_components(x, R):
    """The first R of centred rows x (N, D), or as many as there are: orthonormal rows (R, D).

    Of a random subspace, turned thrice towards them by x^T x: much faster than all of them, and next to exact (Halko,
    Martinsson & Tropp 2011, algorithms 4.4 and 5.1).
    """
    q = np.random.default_rng(0).standard_normal((x.shape[1], min(R + 30, *x.shape)), dtype=np.float32)
    for _ in range(3):
        q, _ = np.linalg.qr(x.T @ (x @ q))
    _, _, turn = np.linalg.svd(x @ q, full_matrices=False)
    return (turn @ q.T)[:R]


def allocate(variances, bits):
    """How many bits each coefficient gets, (R,) integers with the sum `bits`, at most MOST each."""
    given, left = np.zeros(len(variances), int), np.float64(variances)
    for _ in range(min(bits, MOST * len(given))):
        i = int(left.argmax())
        given[i] += 1
        left[i] = left[i] / 4 if given[i] < MOST else -1
    return given


def lloyd(values, n):
    """n levels, ascending, for numbers (N,): each the mean of those that are nearest to it."""
    levels = np.quantile(values, (np.arange(n) + 0.5) / n)
    for _ in range(ROUNDS):
        cell = _cell(values, levels)
        count = np.bincount(cell, minlength=n)
        levels = np.where(count > 0, np.bincount(cell, values, minlength=n) / np.maximum(count, 1), levels)
    return levels


def _cell(values, levels):
    """Which of the ascending levels is nearest."""
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, values)
