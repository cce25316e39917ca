"""Implicit models: a generator makes examples out of noise, and nothing says how probable they are.

    x = G(z),  z ~ N(0, I)

Drawing from such a model is one pass through a network. But there is no log p(x), neither to train on (so a second
network has to say what is wrong with the samples: gan.py, wgan_gp.py) nor to report: all that can be done is to draw
samples and compare them with data (judge.py).

Source: Mohamed & Lakshminarayanan, "Learning in Implicit Generative Models", 2016. Symbols: N examples, Z latent.
Read before this: nn/module.py. Read next: gan.py.
"""
import numpy as np

from autograd import no_grad
from autograd.backend import asarray, default_dtype, normal

from ..data import to_signed, to_unit
from ..nn import Module
from .judge import distance_figure

CHUNK = 500  # examples that are decoded at a time
EVALUATED = 5000  # samples at most


class Implicit(Module):
    """What the models of this folder have in common: the generator, and a judge of its samples.

    generator: a Module with `latent` (Z) and `shape` (of an example) that maps z (N, Z) to points, or to images in
    [-1, 1]. other: the network it is trained against, a Module with `shape`. levels: gray levels of the images, None
    for points. judge: a function of samples and examples, both as drawn, that returns Figures; None for none.
    """

    def __init__(self, generator, other, levels, judge=None):
        name = type(self).__name__
        if generator.shape != other.shape:
            raise ValueError(f"{name}: the generator makes examples of shape {generator.shape}, its opponent takes "
                             f"{other.shape}; build both for one shape")
        if (levels is None) != (len(generator.shape) == 1):
            raise ValueError(f"{name}: levels is {levels}, but the generator makes examples of shape "
                             f"{generator.shape}; images have levels, points have none")
        self.generator, self.latent, self.shape = generator, generator.latent, generator.shape
        self.levels, self.judge = levels, judge

    def noise(self, n, rng):
        """z ~ N(0, I), (n, Z)."""
        return normal(rng, (n, self.latent))

    def real(self, x):
        """Examples x from the data's own units to those that the generator makes: points, or images in [-1, 1]."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"{type(self).__name__}: x has shape {x.shape}, expected {('N', *self.shape)}")
        return asarray(x if self.levels is None else to_signed(x, self.levels), default_dtype)

    def fake(self, n, rng):
        """G(z) for n new z, as a constant: for the opponent's loss, which does not move the generator."""
        with no_grad():
            return self.generator(self.noise(n, rng))

    def decode(self, z):
        """G(z) for z (N, Z): points, or images in [0, 1]. A NumPy array."""
        with no_grad():
            chunks = [self.generator(asarray(z[i : i + CHUNK], default_dtype)).numpy() for i in range(0, len(z), CHUNK)]
        x = np.concatenate(chunks)
        return x if self.levels is None else (x + 1) / 2

    def sample(self, n, rng):
        return self.decode(self.noise(n, rng))

    def evaluate(self, x, y, rng):
        """The judge's figures, if there is one, and the energy distance, of as many samples as there are examples."""
        x = x[:EVALUATED] if self.levels is None else to_unit(x[:EVALUATED], self.levels)
        samples = self.sample(len(x), rng)
        return [*(self.judge(samples, x) if self.judge else []), distance_figure(samples, x)]
