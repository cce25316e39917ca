"""NormalizingFlow: what follows once data can be mapped, one to one, to standard normal numbers.

    z, logdet = flow(v)                                   v: the data, z ~ N(0, I)
    log p(v) = log N(z | 0, I) + log |det dz/dv|          change of variables; exact, so -log p is the loss
    v = flow^-1(z)                                        sampling

Points are v themselves. Images are integers, whose probability is the integral of p over a cell; v is drawn
from the cell (dequantization.py), and what is minimized and reported is a bound on -log P(x):

    log P(x) >= E_q[log p(v) - log q(v | x)]

A model says what its flow is; the rest is here. The latents have as many numbers as the data, and nothing is
lost on the way to them.

Sources: Dinh et al. 2017 (Real NVP), eq. 3; Theis et al. 2016, section 3.1, for the bound.
Symbols: N examples, D numbers of an example, z latents. Read before this: layers.py, dequantization.py.
Read next: models/flows/realnvp.py.
"""
import math

import numpy as np

from autograd import as_tensor, no_grad
from autograd.backend import asarray, default_dtype, normal

from ..densities import log_standard_normal
from ..metrics import Measure, mean_interval
from ..nn.chunks import in_chunks
from ..nn.module import Module
from ..player import Player

CHUNK = 100_000  # numbers of data that are worked on at a time


class NormalizingFlow(Module):
    """flow: a layer from v (N, *shape) to z (N, D). space: of examples. dequantization: of images; None for points."""

    def __init__(self, flow, space, dequantization=None):
        if space.levels is not None and dequantization is None:
            raise ValueError(f"{type(self).__name__}: images {space.shape} hold integers, which have no density; pass "
                             "UniformDequantization(space)")
        self.flow, self.dequantization = flow, dequantization
        self.space, self.D = space, space.size
        self.latent, self.levels = self.D, space.levels

    def log_prob(self, v):
        """log p(v) in nats, (N,): of points v (N, 2), or of images v (N, C, H, W) with real values in [0, 1)."""
        z, logdet = self.flow(as_tensor(v))
        return log_standard_normal(z).sum(axis=1) + logdet  # course 8.1

    def bound(self, x, rng):
        """In nats, (N,): log p(x) of points; of integer images one draw of the lower bound on log P(x)."""
        if self.dequantization is None:
            return self.log_prob(self.space.unit(x))
        v, log_q = self.dequantization(x, rng)
        return self.log_prob(v) - log_q  # course 12.7

    def players(self):
        return [Player("flow", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        nats = -self.bound(batch["x"], rng).mean()
        if self.levels is None:
            return {"NLL": nats}
        return {"nats": nats, "bits/dim": nats / (self.D * math.log(2))}

    def encode(self, x):
        """z (N, D) of points or integer images x, a NumPy array. An image is taken at the middle of its cell."""
        self.space.check(x)
        v = x if self.levels is None else (np.float32(x) + 0.5) / self.levels
        with no_grad():
            return self._in_chunks(lambda v: self.flow(as_tensor(v))[0].numpy(), asarray(v, default_dtype))

    def decode(self, z):
        """Points, or images in [0, 1] with the data's gray levels, of z (N, D): a NumPy array (N, *shape)."""
        with no_grad():
            v = self._in_chunks(lambda z: self.flow.inverse(as_tensor(z)).numpy(), asarray(z, default_dtype))
        if self.levels is None:
            return v
        return self.space.from_unit(np.floor(v * self.levels) / np.float32(self.levels - 1))

    def reconstruct(self, x):
        """decode(encode(x)): x itself, up to rounding."""
        return self.decode(self.encode(x))

    def sample(self, n, rng, temperature=1.0):
        """temperature: scales z. Below 1 samples are likelier and more alike (Glow, section 6)."""
        return self.decode(temperature * normal(rng, (n, self.D)))

    def measure(self, batch, rng, draws=4):
        """The bound over examples x, each with so many draws of the noise; exact for points."""
        x = batch["x"]
        if self.levels is None:
            with no_grad():
                nats = -self._in_chunks(lambda x: self.bound(x, rng).numpy(), x)
            return [Measure("NLL", *mean_interval(nats), "nats", "exact")]
        with no_grad():
            nats = [-self._in_chunks(lambda x: self.bound(x, rng).numpy(), x) for _ in range(draws)]
        nats = np.mean(nats, axis=0)
        bits = nats / (self.D * math.log(2))
        detail = f"{self.dequantization.detail}, {draws} draws"
        return [Measure("-bound", *mean_interval(nats), "nats", detail),
                Measure("-bound", *mean_interval(bits), "bits/dim", f"of {math.log2(self.levels):.2f}; {detail}")]

    def _in_chunks(self, f, x):
        return in_chunks(f, x, CHUNK // self.D)
