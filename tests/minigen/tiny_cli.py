"""The command line with a few recipes more, for tests that run, stop and kill it: python tiny_cli.py train tiny

`tiny` has all that a checkpoint must hold: two players (one of which moves twice a step), dropout, a buffer, noise in
the loss, Adam's moments, an average of the weights, clipping. `explodes` makes a NaN at step 7. `grows` has three
stages, in each of which its image gets twice the sides. `on_part` needs a trained `tiny`, frozen.

Environment: TINY_SLEEP, seconds per batch; TINY_SAVE and TINY_DRAW, seconds between checkpoints and between pictures;
TINY_EVALUATE=no, to leave out the evaluation at the end.
"""
import os
import sys
import time
from dataclasses import replace

import numpy as np

import minigen.cli
import minigen.journal
from autograd import dropout, log, parameter
from autograd.backend import asarray
from minigen.data import Space
from minigen.metrics import Measure, mean_interval
from minigen.nn import Linear, Module, ModuleList
from minigen.optim import adam, cosine_decay, sgd
from minigen.player import Player
from minigen.recipes import recipe
from minigen.train import Plan, Stage, one_stage


class Tiny(Module):
    """The mean image, learnt twice: by Adam from noisy images, and by SGD from images with pixels dropped."""

    def __init__(self, space, rng):
        self.space, self.rng = space, rng
        self.noisy = parameter(0.1 * rng.standard_normal(space.shape, dtype=np.float32))
        self.dropped = parameter(0.1 * rng.standard_normal(space.shape, dtype=np.float32))
        self.register_buffer("steps", np.zeros(1, np.float32))

    def players(self):
        return [Player("noisy", [self.noisy], self.noisy_loss, repeat=2),
                Player("dropped", [self.dropped], self.dropped_loss)]

    def noisy_loss(self, batch, rng):
        time.sleep(float(os.environ.get("TINY_SLEEP", 0)))
        if self.training:
            self.steps += 1
        x = self.space.drawn(batch["x"]) + 0.1 * rng.standard_normal(batch["x"].shape)
        error = ((self.noisy - asarray(x.astype(np.float32))) ** 2).mean()
        return {"error": error, "weight": (self.noisy**2).mean()}

    def dropped_loss(self, batch, rng):
        x = dropout(self.space.unit(batch["x"]), 0.5, self.training, rng=self.rng)
        return {"error": ((self.dropped - x) ** 2).mean()}

    def sample(self, n, rng):
        noise = 0.1 * rng.standard_normal((n, *self.noisy.shape))
        return np.clip(self.noisy.numpy() + noise, 0, 1)

    def measure(self, batch, rng):
        errors = ((self.space.drawn(batch["x"]) - self.noisy.numpy()) ** 2).mean(axis=(1, 2, 3))
        return [Measure("squared error", *mean_interval(errors), detail="of the mean image")]


class Explodes(Tiny):
    """Tiny with a loss that leaves the domain of the logarithm at step 7."""

    def players(self):
        return [Player("explodes", [self.noisy], self.loss)]

    def loss(self, batch, rng):
        if self.training:
            self.steps += 1
        room = 7.5 - float(self.steps[0])
        return {"total": (self.noisy**2).mean(), "log of room": log((self.noisy**2).mean() * 0 + room)}


class Grows(Module):
    """The mean image at 2x2 pixels, then at 4x4, then at 8x8: each stage adds a layer, which is faded in."""

    done = 1.0

    def __init__(self, space, rng):
        self.space, self.rng = space, rng
        self.layers = ModuleList([Linear(1, 4, rng=rng)])

    def side(self):
        return 2 ** len(self.layers)

    def grow(self):
        self.layers.append(Linear(1, (2 * self.side()) ** 2, rng=self.rng))

    def view(self, data):
        """The images at the present size."""
        size = self.space.shape[1] // self.side()
        x = data["x"].reshape(len(data), 1, self.side(), size, self.side(), size).mean(axis=(3, 5)).astype(np.uint8)
        return replace(data, columns={"x": x}, spaces={"x": Space(x.shape[1:], self.space.levels)})

    def forward(self):
        x = self.layers[0](asarray(np.ones((1, 1), np.float32))).reshape(2, 2)
        for layer in self.layers[1:]:
            larger = x[:, None, :, None] * asarray(np.ones((1, 2, 1, 2), np.float32))
            new = layer(asarray(np.ones((1, 1), np.float32))).reshape(2 * len(x), 2 * len(x))
            last = layer is self.layers[-1]
            x = larger.reshape(2 * len(x), 2 * len(x)) + (self.done if last else 1.0) * new
        return x

    def players(self):
        return [Player("grows", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        time.sleep(float(os.environ.get("TINY_SLEEP", 0)))
        x = asarray(np.float32(batch["x"][:, 0]) / (self.space.levels - 1))
        return {"error": ((self() - x) ** 2).mean() + 0.0 * float(rng.standard_normal())}

    def sample(self, n, rng):
        return np.clip(self().numpy() + 0.1 * rng.standard_normal((n, 1, self.side(), self.side())), 0, 1)

    def measure(self, batch, rng):
        return [Measure("side", self.side())]


class OnPart(Module):
    """A gain for the frozen mean image of another run."""

    def __init__(self, space, part):
        self.space, self.part, self.gain = space, part, parameter(np.float32([0.5]))

    def players(self):
        return [Player("gain", [self.gain], self.loss)]

    def loss(self, batch, rng):
        return {"error": ((self.gain * self.part.noisy - self.space.unit(batch["x"])) ** 2).mean()}

    def sample(self, n, rng):
        return np.clip(np.tile((self.gain * self.part.noisy).numpy(), (n, 1, 1, 1)), 0, 1)

    def measure(self, batch, rng):
        return [Measure("gain", self.gain.item())]


@recipe("the mean image, twice", "none")
def tiny(data, rng):
    optimizers = {"noisy": adam(0.05), "dropped": sgd(0.5, momentum=0.9)}
    return one_stage(Tiny(data.spaces["x"], rng), optimizers, steps=60, batch_size=50, ema=0.9, clip=1.0)


@recipe("a NaN at step 7", "none")
def explodes(data, rng):
    return one_stage(Explodes(data.spaces["x"], rng), sgd(0.1), steps=60, batch_size=50)


@recipe("the mean image, grown", "none")
def grows(data, rng):
    model = Grows(data.spaces["x"], rng)
    stages = [Stage(f"{2 ** (i + 1)} x {2 ** (i + 1)}", model.players, adam(cosine_decay(0.05)), 20, 50, model.view,
                    model.grow if i else None, ema=(model, 0.9)) for i in range(3)]
    return Plan(model, stages)


@recipe("the mean image, brighter", "none", needs={"mean": "tiny"})
def on_part(data, rng, mean):
    return one_stage(OnPart(data.spaces["x"], mean), sgd(0.1), steps=20, batch_size=50)


if __name__ == "__main__":
    minigen.journal.SAVE_SECONDS = float(os.environ.get("TINY_SAVE", 15))
    minigen.journal.DRAW_SECONDS = float(os.environ.get("TINY_DRAW", 15))
    if os.environ.get("TINY_EVALUATE") == "no":
        minigen.cli._evaluate = lambda *args, **kwargs: None
    sys.exit(minigen.cli.main())
