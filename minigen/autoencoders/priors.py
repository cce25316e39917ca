"""Priors: distributions that the codes of an autoencoder are to follow, all of them.

A VAE needs to know log p(z). An adversary, or a distance between samples, needs draws only, so p(z) may be anything
that can be drawn from. What a model asks of a prior is this, and a reader's own class needs no more:

    latent              Z
    draw(n, rng, y)     codes z (n, Z); where y (n,) is given, z_i is from the part of the prior that is class y_i's
    classes             how many such parts there are; 0 if there are none, and then y is never given
    apart               E |z - z'|^2 of two independent draws: the scale on which codes are near or far

Source: Makhzani et al., "Adversarial Autoencoders", 2015 (arXiv:1511.05644), section 2.3 and its pictures: the mixture,
and the roll, whose tenths go to the ten classes. Symbols: N codes, Z latent, K classes.
Read before this: data/toys.py. Read next: matched.py.
"""
import numpy as np

from autograd.backend import asarray, default_dtype, rng

from ..data import Space, sample_toy
from ..data.toys import ROLL_RANGE, ROLL_SIGMA, TOYS, roll

DRAWS = 10_000  # from which `apart` is estimated where no formula gives it


class Prior:
    """A prior defines `points(n, rng, y)`, a NumPy array (n, Z)."""

    classes = 0

    def draw(self, n, rng, y=None):
        """z (n, Z), an array on the device in use; y: integers 0 .. K - 1, (n,)."""
        if y is not None:
            if not self.classes:
                raise ValueError(f"{type(self).__name__}.draw: y is given, and this prior has no classes; leave it out")
            Space((), self.classes).check(y, "y")
            if len(y) != n:
                raise ValueError(f"{type(self).__name__}.draw: y has {len(y)} entries for n = {n} codes")
        return asarray(self.points(n, rng, y).astype(default_dtype))

    @property
    def apart(self):
        z = np.float64(self.points(DRAWS, rng(0), None))
        return float(2 * z.var(axis=0).sum())  # E |z - z'|^2 = 2 tr Cov


class Normal(Prior):
    """N(0, sigma^2 I)."""

    def __init__(self, latent, sigma=1.0):
        if latent < 1 or not sigma > 0:
            raise ValueError(f"Normal: latent is {latent}, sigma is {sigma}, expected at least 1 and more than 0")
        self.latent, self.sigma = latent, sigma

    def points(self, n, rng, y):
        return self.sigma * rng.standard_normal((n, self.latent))

    @property
    def apart(self):
        return 2 * self.latent * self.sigma**2


class Petals(Prior):
    """K Gaussians in the plane around a circle, each long in the direction of its radius: the petals of a flower.

    A code is radius + sigmas[0] eps_1 along its petal and sigmas[1] eps_2 across it, turned by 2 pi y / K.
    """

    latent = 2

    def __init__(self, classes=10, radius=3.0, sigmas=(0.7, 0.25)):
        if classes < 1:
            raise ValueError(f"Petals: classes is {classes}, expected at least 1")
        self.classes, self.radius, self.sigmas = classes, radius, sigmas

    def points(self, n, rng, y):
        y = rng.integers(self.classes, size=n) if y is None else np.asarray(y)
        along, across = rng.standard_normal((n, 2)).T * np.reshape(self.sigmas, (2, 1)) + [[self.radius], [0.0]]
        c, s = np.cos(2 * np.pi * y / self.classes), np.sin(2 * np.pi * y / self.classes)
        return np.stack([c * along - s * across, s * along + c * across], axis=1)


class SwissRoll(Prior):
    """The roll of data/toys.py, cut into K pieces one after the other from the inside out, a class each."""

    latent = 2

    def __init__(self, classes=10):
        if classes < 1:
            raise ValueError(f"SwissRoll: classes is {classes}, expected at least 1")
        self.classes = classes

    def points(self, n, rng, y):
        y = rng.integers(self.classes, size=n) if y is None else np.asarray(y)
        low, high = ROLL_RANGE
        t = low + (high - low) * (y + rng.random(n)) / self.classes
        return roll(t) + ROLL_SIGMA * rng.standard_normal((n, 2))


class Toy(Prior):
    """Any of the distributions in data/toys.py, by its name, without classes."""

    latent = 2

    def __init__(self, name):
        if name not in TOYS:
            raise ValueError(f"Toy: name is {name!r}, expected one of {', '.join(TOYS)}")
        self.name = name

    def points(self, n, rng, y):
        return sample_toy(self.name, n, rng)[0]
