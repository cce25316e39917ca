"""n-gram: each character given the few before it, by counting. What every model of text has to beat.

    p(x) = prod_t p(x_t | x_{t-n+1} .. x_{t-1}),      up to and with the first end; before the text there are ends
    p(k | c) = (n(c, k) + delta) / (n(c) + K delta)   n(c, k) how often k follows the context c of n - 1 characters

Markov 1913, Shannon 1948. The longer the context, the more of a draw is copied: with n as long as the text the model is
the training set. A context that was never seen makes every character equally likely; draws hardly come into one.

Symbols: N texts, T tokens, K characters, n order; token 0 is the end. Read before this: markov_chain.py.
Read next: models/autoencoders/molecule_vae.py.
Course: 12.11.
"""
import numpy as np

from autograd.backend import asarray, to_numpy

from ...metrics import Measure, mean_interval
from ...nn import Module

DELTA = 1e-3  # added to every count


class NGram(Module):
    """space: of texts. x: the training set, tokens (N, T). order: n, from 1, single characters, on."""

    def __init__(self, space, x, order=4):
        if not space.is_text:
            raise ValueError(f"NGram: reads texts, and x has shape {space.shape}; choose texts, e.g. qm9")
        if order < 1 or space.levels ** order >= 2**63:
            raise ValueError(f"NGram: order is {order}, expected at least 1, and {space.levels}^order below 2^63")
        space.check(x)
        self.space, self.order, self.K = space, order, space.levels
        codes, following = (a[inside(x)] for a in (self._contexts(x), x))
        seen, numbers = np.unique(codes, return_inverse=True)
        counts = np.zeros((len(seen), self.K))
        np.add.at(counts, (numbers, following), 1)
        self.register_buffer("seen", asarray(seen))  # contexts as numbers to the base K, in ascending order
        self.register_buffer("counts", asarray(counts))  # (contexts, K)

    def num_parameters(self):
        return self.counts.size

    def players(self):
        return []

    def log_prob(self, x):
        """log p(x) in nats of texts x (N, T), a NumPy array (N,)."""
        self.space.check(x)
        p = self._following(self._contexts(x).ravel()).reshape(*x.shape, self.K)
        chosen = np.take_along_axis(p, np.asarray(x)[..., None], axis=-1)[..., 0]
        return (np.log(chosen) * inside(x)).sum(axis=1)

    def sample(self, n, rng):
        x = np.zeros((n, *self.space.shape), np.int64)
        codes, going = np.zeros(n, np.int64), np.ones(n, bool)
        for t in range(x.shape[1] - 1):  # the last is the end
            cdf = self._following(codes).cumsum(axis=1)
            x[:, t] = (rng.random((n, 1)) >= cdf[:, :-1]).sum(axis=1) * going
            going &= x[:, t] > 0
            codes = self._moved(codes, x[:, t])
        return x

    def measure(self, batch, rng):
        return [Measure("NLL", *mean_interval(-self.log_prob(batch["x"])), "nats", f"exact; n = {self.order}"),
                Measure("contexts", len(self.seen))]

    def _following(self, codes):
        """p(k | c) of contexts (n,): (n, K)."""
        seen, counts = to_numpy(self.seen), to_numpy(self.counts)
        at = np.minimum(np.searchsorted(seen, codes), len(seen) - 1)
        found = np.where((seen[at] == codes)[:, None], counts[at], 0.0) + DELTA
        return found / found.sum(axis=1, keepdims=True)  # course 12.11

    def _contexts(self, x):
        """The context of every token, as a number: (N, T)."""
        codes = np.zeros(x.shape, np.int64)
        for t in range(1, x.shape[1]):
            codes[:, t] = self._moved(codes[:, t - 1], np.asarray(x)[:, t - 1])
        return codes

    def _moved(self, codes, token):
        """The contexts one token further."""
        return (codes * self.K + token) % self.K ** (self.order - 1)


def inside(x):
    """Which tokens of texts (N, T) belong to them: up to and with the first end, (N, T) booleans."""
    return np.cumsum(np.asarray(x) == 0, axis=1) - (np.asarray(x) == 0) == 0
