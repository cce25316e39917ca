"""Implicit models: a generator makes examples out of noise, and nothing says how probable they are.

    x = G(z),  z ~ N(0, I)

Drawing from such a model is one pass through a network. But there is no log p(x), neither to train on (so a second
network has to say what is wrong with the samples: gan.py, wgan_gp.py) nor to report: all that can be done is to draw
samples and compare them with data (judges.py).

Source: Mohamed & Lakshminarayanan, "Learning in Implicit Generative Models", 2016. Symbols: N examples, Z latent.
Read before this: nn/module.py. Read next: models/adversarial/gan.py.
"""
from autograd import no_grad
from autograd.backend import asarray, default_dtype, normal

from ..nn import Module
from ..nn.chunks import in_chunks

CHUNK = 500  # examples that are decoded at a time


class Implicit(Module):
    """What adversarial models have in common: the generator.

    generator: a Module with `latent` (Z) and `shape` (of an example) that maps z (N, Z) to points, or to images in
    [-1, 1]. other: the network it is trained against, a Module with `shape`. space: of the examples.
    """

    def __init__(self, generator, other, space):
        for network, does in (generator, "generator makes"), (other, "opponent takes"):
            if network.shape != space.shape:
                raise ValueError(f"{type(self).__name__}: the {does} examples of shape {network.shape}, the data's "
                                 f"have {space.shape}; build both networks for the data")
        self.generator, self.latent, self.space = generator, generator.latent, space

    def noise(self, n, rng):
        """z ~ N(0, I), (n, Z)."""
        return normal(rng, (n, self.latent))

    def fake(self, n, rng):
        """G(z) for n new z, as a constant: for the opponent's loss, which does not move the generator."""
        with no_grad():
            return self.generator(self.noise(n, rng))

    def decode(self, z):
        """G(z) for z (N, Z): points, or images in [0, 1]. A NumPy array."""
        with no_grad():
            return in_chunks(lambda z: self.space.from_signed(self.generator(asarray(z, default_dtype)).data), z, CHUNK)

    def sample(self, n, rng):
        return self.decode(self.noise(n, rng))

    def measure(self, batch, rng):
        """Nothing: there is no likelihood, and its samples are their judges' business."""
        return []
