"""A classifier of noisy images, p(y | x_t), that is told the time t: it leads diffusion models to a class.

    stem -> residual block, half the resolution -> ... -> mean over pixels -> logits            each block told t

The way down of a U-Net. It is trained on x_t of all t: of an image that is nearly all noise nobody can say what it
shows, and to be near chance there is right. A classifier of clean images is sure of everything, noise too, and its
gradient there leads nowhere.

Source: Dhariwal & Nichol 2021, section 4 (there with attention as the last step). Symbols: N images, K classes, t =
1..T diffusion step. Read before this: nn/blocks.py, diffusion/schedule.py. Read next:
models/diffusion/classifier_guided.py.
Course: 9.9.
"""
import numpy as np

from autograd import Tensor, cross_entropy, log_softmax, no_grad, silu
from autograd.backend import asarray, normal, to_numpy

from ...metrics import Measure, mean_interval
from ...nn import Conv2d, Downsample, GroupNorm, Linear, Module, ModuleList, ResBlock, Sequential, sinusoidal_code
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 500  # images that are judged at a time


class NoisyClassifier(Module):
    """space: of an image, scaled to [-1, 1]. labels: Space of the classes. multipliers: channels after each halving, in
    units of width."""

    def __init__(self, space, labels, schedule, width=16, multipliers=(1, 2), groups=8, *, rng):
        if not space.is_image or space.levels is None or labels.shape != ():
            raise ValueError(f"NoisyClassifier: shape is {space.shape}, labels {labels.shape}; expected images, and a "
                             "class for each")
        self.space, self.labels, self.schedule, self.width = space, labels, schedule, width
        D = 4 * width
        self.time = Sequential(Linear(width, D, rng=rng), silu, Linear(D, D, rng=rng), silu)
        self.stem = Conv2d(space.shape[0], width, 3, padding=1, rng=rng)
        self.blocks, self.halve, C = ModuleList(), ModuleList(), width
        for multiplier in multipliers:
            self.blocks.append(ResBlock(C, multiplier * width, D, groups, rng=rng))
            C = multiplier * width
            self.halve.append(Downsample(C, rng=rng))
        self.norm, self.head = GroupNorm(groups, C), Linear(C, labels.levels, rng=rng)

    def forward(self, x_t, t):
        """Logits (N, K) of images x_t (N, C, H, W), a Tensor, at times t (N,)."""
        code = self.time(Tensor(sinusoidal_code(asarray(t), self.width)))
        h = self.stem(x_t)
        for block, halve in zip(self.blocks, self.halve):
            h = halve(block(h, code))
        return self.head(silu(self.norm(h)).mean(axis=(2, 3)))

    def log_class(self, y):
        """(Tensor x_t, level) -> log p(y | x_t), Tensor (N,), for classes y (N,): what guidance climbs."""
        rows = np.arange(len(y))
        return lambda x_t, level: log_softmax(self(x_t, np.full(len(rows), level.t)), axis=1)[rows, np.asarray(y)]

    def players(self):
        return [Player("classifier", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x_0, y = self._checked(batch)
        t = rng.integers(1, self.schedule.T + 1, size=len(x_0))
        logits = self(Tensor(self.schedule.q_sample(x_0, t, normal(rng, x_0.shape))), t)
        wrong = logits.data.argmax(axis=1) != asarray(y)
        return {"cross entropy": cross_entropy(logits, asarray(y)), "errors": Tensor(wrong.mean(dtype=np.float32))}

    def measure(self, batch, rng):
        """Accuracy, with little noise and with much."""
        x_0, y = self._checked(batch)
        measures = []
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            t = max(1, round(share * self.schedule.T))
            x_t = self.schedule.q_sample(x_0, t, normal(rng, x_0.shape))
            with no_grad():
                classes = in_chunks(lambda x, t=t: self(Tensor(x), np.full(len(x), t)).data.argmax(axis=1), x_t, CHUNK)
            level = self.schedule.level(t)
            measures.append(Measure(f"accuracy, t = {t}", *mean_interval(classes == y), "",
                                    f"a = {level.a:.2f}, s = {level.s:.2f}; by chance {1 / self.labels.levels:.2f}"))
        return measures

    def _checked(self, batch):
        if "y" not in batch:
            raise ValueError("NoisyClassifier: these images have no labels; a classifier needs them, in column 'y'")
        self.labels.check(batch["y"], "y")
        return self.space.signed(batch["x"]), to_numpy(batch["y"])
