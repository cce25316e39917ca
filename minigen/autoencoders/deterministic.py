"""What autoencoders share whose encoder and decoder are functions: the code of an example is a point, nothing is drawn.

    z = f(x),  x_hat = g(z)             rows (N, D) -> codes (N, Z) -> rows (N, D)
    |x - x_hat|^2                       summed over the D pixels or coordinates

A model defines f as `code`, g as `generate`, and what it minimizes. Here is what follows from the two: codes and
reconstructions of images in their own units, many at a time. Source: Hinton & Salakhutdinov 2006. Symbols: N examples,
D pixels, Z latent. Read before this: nn/module.py, data/space.py. Read next: models/autoencoders/ae.py.
"""
from autograd import no_grad
from autograd.backend import asarray, default_dtype

from ..metrics import Measure, mean_interval
from ..nn import Module
from ..nn.chunks import in_chunks
from ..player import Player

EXAMPLES = 1000  # that are encoded or decoded at a time


class DeterministicAutoencoder(Module):
    """A model has `space`, `latent`, Z, and defines `code(x)`, `generate(z)` and `loss(batch, rng)`."""

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def codes_and_error(self, x):
        """z (N, Z) of examples x in their own units, and the mean of |x - x_hat|^2 over them."""
        x = self.space.rows(x)  # (N, D)
        z = self.code(x)  # (N, Z)
        return z, ((x - self.generate(z)) ** 2).sum(axis=1).mean()  # course 3.1

    def encode(self, x):
        """The codes z (N, Z) of images or points x, a NumPy array."""
        with no_grad():
            return in_chunks(lambda x: self.code(self.space.rows(x)).data, x, EXAMPLES)

    def decode(self, z):
        """g(z) for codes z (N, Z), as images in [0, 1] or points."""
        with no_grad():
            return in_chunks(lambda z: self.space.from_unit(self.generate(z).data), asarray(z, default_dtype), EXAMPLES)

    def reconstruct(self, x):
        """g(f(x)), as images in [0, 1] or points."""
        return self.decode(self.encode(x))

    def squared_error(self, x, code="codes of {} numbers") -> Measure:
        """|x - x_hat|^2 over examples x. code: what passes from encoder to decoder, in words."""
        error = ((self.space.drawn(x) - self.reconstruct(x)) ** 2).reshape(len(x), -1).sum(axis=1)
        return Measure("squared error", *mean_interval(error), "", f"|x - x_hat|^2, {code.format(self.latent)}")
