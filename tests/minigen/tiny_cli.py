"""The command line with two recipes more, for tests that run, stop and kill it: python tiny_cli.py train tiny

`tiny` has all that a checkpoint must hold: two players (one of which moves twice a step), dropout, a buffer,
noise in the loss, Adam's moments, an average of the weights, clipping. `explodes` makes a NaN at step 7.

Environment: TINY_SLEEP, seconds per batch of tiny; TINY_SAVE and TINY_DRAW, seconds between checkpoints and
between pictures; TINY_EVALUATE=no, to leave out the evaluation at the end.
"""
import os
import sys
import time

import numpy as np

import minigen.cli
import minigen.train
from autograd import dropout, log, parameter
from autograd.backend import asarray
from minigen.metrics import Figure, mean_interval
from minigen.nn import Module
from minigen.optim import SGD, Adam
from minigen.recipes import RECIPES, Recipe
from minigen.train import Player


class Tiny(Module):
    """The mean image, learnt twice: by Adam from noisy images, and by SGD from images with pixels dropped."""

    def __init__(self, dataset, rng):
        self.levels, self.rng = dataset.levels, rng
        self.noisy = parameter(0.1 * rng.standard_normal(dataset.x[0].shape, dtype=np.float32))
        self.dropped = parameter(0.1 * rng.standard_normal(dataset.x[0].shape, dtype=np.float32))
        self.register_buffer("steps", np.zeros(1, np.float32))

    def players(self):
        return [Player("noisy", [self.noisy], self.noisy_loss, repeat=2),
                Player("dropped", [self.dropped], self.dropped_loss)]

    def noisy_loss(self, batch, rng):
        time.sleep(float(os.environ.get("TINY_SLEEP", 0)))
        if self.training:
            self.steps += 1
        x = batch[0] / (self.levels - 1) + 0.1 * rng.standard_normal(batch[0].shape)
        error = ((self.noisy - asarray(x.astype(np.float32))) ** 2).mean()
        return {"error": error, "weight": (self.noisy**2).mean()}

    def dropped_loss(self, batch, rng):
        x = asarray((batch[0] / (self.levels - 1)).astype(np.float32))
        x = dropout(x, 0.5, self.training, rng=self.rng)
        return {"error": ((self.dropped - x) ** 2).mean()}

    def sample(self, n, rng):
        noise = 0.1 * rng.standard_normal((n, *self.noisy.shape))
        return np.clip(self.noisy.numpy() + noise, 0, 1)

    def evaluate(self, x, y, rng):
        errors = ((x / (self.levels - 1) - self.noisy.numpy()) ** 2).mean(axis=(1, 2, 3))
        return [Figure("squared error", *mean_interval(errors), note="of the mean image")]


class Explodes(Tiny):
    """Tiny with a loss that leaves the domain of the logarithm at step 7."""

    def players(self):
        return [Player("explodes", [self.noisy], self.loss)]

    def loss(self, batch, rng):
        if self.training:
            self.steps += 1
        room = 7.5 - float(self.steps[0])
        return {"total": (self.noisy**2).mean(), "log of room": log((self.noisy**2).mean() * 0 + room)}


TINY = Recipe(
    "tiny", "the mean image, twice", "none", Tiny, steps=60, batch_size=50, ema=0.9, clip=1.0,
    optimizers={"noisy": lambda params: Adam(params, 0.05),
                "dropped": lambda params: SGD(params, 0.5, momentum=0.9)})
EXPLODES = Recipe(
    "explodes", "a NaN at step 7", "none", Explodes, steps=60, batch_size=50,
    optimizers={"explodes": lambda params: SGD(params, 0.1)})

if __name__ == "__main__":
    RECIPES |= {"tiny": TINY, "explodes": EXPLODES}
    minigen.train.SAVE_SECONDS = float(os.environ.get("TINY_SAVE", 15))
    minigen.train.DRAW_SECONDS = float(os.environ.get("TINY_DRAW", 15))
    if os.environ.get("TINY_EVALUATE") == "no":
        minigen.cli._evaluate = lambda *args, **kwargs: None
    sys.exit(minigen.cli.main())
