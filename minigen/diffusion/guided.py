"""Guided: how a diffusion model that can be led to classes draws; who leads, and how, is the model's own.

Symbols: N images, y class, w how much. Read before this: guidance.py. Read next: models/diffusion/classifier_free.py,
models/diffusion/classifier_guided.py.
"""
import numpy as np

from autograd import one_hot
from autograd.backend import normal

from ..nn import Module

CHUNK = 250  # images that are drawn at a time


class Classes:
    """What a network is told of classes. labels: their Space; column: of a batch, where they are."""

    column = "y"

    def __init__(self, labels):
        self.labels = labels

    def __call__(self, y):
        """Its keyword arguments, of classes (N,). ValueError for what is none."""
        self.labels.check(y, self.column)
        return {"condition": one_hot(y, self.labels.levels)}


class Guided(Module):
    """A Module with `space` of the images, `labels`: Space of the classes, `sampler`, `levels`, the default `w`, and
    guided(y, w): the denoiser that is led to classes y (N,)."""

    conditions = ("y",)

    def sample(self, n, rng, y=None, w=None):
        """Images (n, C, H, W) on [0, 1]. y: the class (n,) of each; one after the other if left out. w: the model's, if
        left out."""
        y = np.arange(n) % self.labels.levels if y is None else np.asarray(y)
        w = self.w if w is None else w
        self.labels.check(y, "y")
        if len(y) != n:
            raise ValueError(f"{type(self).__name__}: y has {len(y)} classes, expected {n}, one for each sample")
        drawn = [np.zeros((0, *self.space.shape), np.float32)]
        for i in range(0, n, CHUNK):
            part = y[i : i + CHUNK]
            drawn.append(self.images(self.draw(part, w, rng)))
        return np.concatenate(drawn)

    def draw(self, y, w, rng):
        """Images (N, C, H, W) on [-1, 1] of classes y (N,)."""
        x_T = normal(rng, (len(y), *self.space.shape))
        return self.sampler(self.guided(y, w), x_T, self.levels, rng=rng)

    def images(self, x_0):
        """What `draw` returns, on [0, 1]."""
        return self.space.from_signed(x_0)
