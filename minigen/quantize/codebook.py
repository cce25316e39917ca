"""Codebook: K vectors that stand for all others, and the two ways in which they learn where to lie.

    L = -log p(x | z_q) + |sg[z] - e|^2 + beta |z - sg[e]|^2          sg: stop-gradient               (eq. 3)
        \\ reconstruction   \\ codebook: e moves    \\ commitment: z moves

Codebook      e moves by the gradient of the second term.
EMACodebook   e is the mean of the z that chose it, over about the last 1 / (1 - gamma) batches: online k-means, with no
              learning rate, and without the second term. With n_i of the batch's z nearest to code i,

    N_i <- gamma N_i + (1 - gamma) n_i                                                      (eq. 6)
    m_i <- gamma m_i + (1 - gamma) sum_j z_j,  those nearest to i                           (eq. 7)
    e_i =  m_i / N_i                                                                        (eq. 8)

Laplace smoothing, (N_i + eps) / (N + K eps) N in the place of N_i, keeps eq. 8 from 0 / 0 for a code that nothing
chooses any more.

Such a code stays where it is, while the others move, and is never chosen again: the codebook collapses. Two things
help. The first codes are outputs of the encoder, chosen far from each other (`far_apart`); and one that no batch has
used for long is put on an output of the encoder that no code is near. The paper does neither, and starts with small
uniform numbers.

van den Oord, Vinyals & Kavukcuoglu 2017, eq. 3 and appendix A.1. Squares are means over all numbers here, where eq. 3
has sums, so that the weights of the terms do not depend on sizes. `far_apart`: Arthur & Vassilvitskii 2007 (k-means++).

Symbols: N examples, D channels, H W grid, M = N H W vectors z, K codes e. Read before this: nearest_code.py, usage.py.
Read next: autoencoder.py, models/codes/vqvae.py.
"""
import numpy as np

from autograd import Tensor, embedding, parameter
from autograd.backend import asarray, default_dtype, to_numpy, uniform, xp
from autograd.batch import batch_sum, whole

from ..nn import Module
from .nearest_code import nearest, straight_through
from .usage import perplexity

SMOOTHING = 1e-5  # eps of Laplace smoothing


class Codebook(Module):
    """codes: K. dim: D. beta: weight of the commitment. restart: after so many batches without use a code is put
    elsewhere; None leaves it. spread: whether the first batch chooses the first codes, or they stay as drawn, uniform
    on [-1/K, 1/K] (the paper). decay: gamma, here only of the counts that `perplexity` shows."""

    def __init__(self, codes=64, dim=8, beta=0.25, decay=0.99, restart=100, spread=True, *, rng):
        if min(codes, dim) < 1:
            raise ValueError(f"{type(self).__name__}: codes is {codes} and dim {dim}, expected at least 1 each")
        if beta < 0 or not 0 <= decay < 1:
            raise ValueError(f"{type(self).__name__}: beta is {beta} and decay {decay}, expected beta >= 0 and "
                             "0 <= decay < 1")
        if restart is not None and restart < 1:
            raise ValueError(f"{type(self).__name__}: restart is {restart} batches, expected at least 1, or None")
        self.K, self.D, self.beta, self.decay, self.restart, self.spread = codes, dim, beta, decay, restart, spread
        self.register_buffer("counts", xp.ones(codes, default_dtype))  # N_i of eq. 6
        self.register_buffer("idle", xp.zeros(codes, np.int64))  # batches since a code was last used
        self.register_buffer("begun", xp.zeros((), np.int64))
        self._place((uniform(rng, (codes, dim)) * 2 - 1) / codes)

    def forward(self, z, rng):
        """Of vectors z, a Tensor (N, D, H, W): (z_q of that shape, their codes as integers (N, H, W), terms of the
        loss). In training mode the codebook takes note of the batch."""
        self._check(z)
        rows = z.data.transpose(0, 2, 3, 1).reshape(-1, self.D)  # (M, D)
        if self.training:
            self._revive(rows, rng)
        flat = nearest(rows, self.vectors())
        codes = flat.reshape(len(z), *z.shape[2:])
        e = self.lookup(codes)
        result = straight_through(z, e), codes, self.losses(z, e)
        if self.training:
            self.note(rows, flat[:, None] == xp.arange(self.K))
        return result

    def losses(self, z, e):
        """The last two terms of eq. 3."""
        # course 5.1
        return {"codebook": ((z.detach() - e) ** 2).mean(), "commitment": self.beta * ((z - e.detach()) ** 2).mean()}

    def note(self, rows, chosen) -> None:
        """Takes in a batch: vectors (M, D), and which code each has chosen, booleans (M, K)."""
        n = batch_sum(chosen.sum(axis=0))  # (K,)
        self.counts += (1 - self.decay) * (n.astype(default_dtype) - self.counts)  # eq. 6
        self.idle[...] = xp.where(n > 0, 0, self.idle + 1)

    def encode(self, z):
        """The codes (N, H, W) of an array z (N, D, H, W). Nothing is noted, in whatever mode."""
        self._check(z)
        return nearest(z.transpose(0, 2, 3, 1).reshape(-1, self.D), self.vectors()).reshape(len(z), *z.shape[2:])

    def lookup(self, codes):
        """The vectors of codes (N, H, W), a Tensor (N, D, H, W)."""
        return embedding(codes, self.embedding).transpose(0, 3, 1, 2)

    def perplexity(self) -> Tensor:
        """Of the use that the last 1 / (1 - decay) batches made of the codes."""
        return Tensor(np.float32(perplexity(self.counts)))

    # Where the codes lie

    def vectors(self):
        """The codes, an array (K, D)."""
        return self.embedding.data

    def _place(self, vectors):
        self.embedding = parameter(vectors)

    def _move(self, which, vectors):
        """Puts the codes of these numbers on other vectors."""
        self.vectors()[which] = vectors
        self.embedding.mark_changed()

    def _revive(self, rows, rng):
        """Puts all codes on outputs of the encoder in the first batch, later those that have long been of no use."""
        if self.spread and not int(self.begun):
            which = xp.arange(self.K)
            self._move(which, far_apart(whole(rows), self.K, rng))
        else:
            which = xp.flatnonzero(self.idle >= self.restart) if self.restart else xp.arange(0)
            if len(which):
                self._move(which, far_apart(whole(rows), len(which), rng, self.vectors()))
        self.idle[which] = 0
        self.begun[...] = 1

    def _check(self, z):
        if z.ndim != 4 or z.shape[1] != self.D:
            raise ValueError(f"{type(self).__name__}: z has shape {z.shape}, expected (N, {self.D}, H, W)")


class EMACodebook(Codebook):
    """Codebook whose codes are moving averages: not parameters, but buffers. Arguments as there."""

    def losses(self, z, e):
        """The last term of eq. 3."""
        return {"commitment": self.beta * ((z - e.detach()) ** 2).mean()}

    def note(self, rows, chosen) -> None:
        super().note(rows, chosen)
        self.sums += (1 - self.decay) * (batch_sum(chosen.astype(default_dtype).T @ rows) - self.sums)  # eq. 7
        total = self.counts.sum()
        smoothed = (self.counts + SMOOTHING) / (total + self.K * SMOOTHING) * total
        self.embedding[...] = self.sums / smoothed[:, None]  # eq. 8

    def vectors(self):
        return self.embedding

    def _place(self, vectors):
        self.register_buffer("embedding", vectors)
        self.register_buffer("sums", vectors)  # m_i, of counts that are 1

    def _move(self, which, vectors):
        self.embedding[which] = self.sums[which] = vectors
        self.counts[which] = 1  # little, so that it soon belongs to those that choose it


def far_apart(rows, n, rng, codes=None):
    """n of the vectors rows (M, D), each drawn with a probability in proportion to its squared distance from the
    nearest of those already there, `codes` (K, D) among them. Where no row is left that is not there yet, any."""
    distance = xp.full(len(rows), np.inf) if codes is None else _squared(rows, codes[nearest(rows, codes)])
    chosen = []
    for _ in range(n):
        d = np.float64(to_numpy(distance))
        first = not np.isfinite(d).all() or d.sum() <= 0
        i = int(rng.integers(len(rows)) if first else rng.choice(len(rows), p=d / d.sum()))
        chosen.append(i)
        distance = xp.minimum(distance, _squared(rows, rows[i]))
    return rows[asarray(np.array(chosen))]


def _squared(a, b):
    return ((a - b) ** 2).sum(axis=1)
