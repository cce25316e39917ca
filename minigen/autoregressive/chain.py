"""Autoregressive models: the probability of an example as a product, one number of it after the other.

    p(x) = prod_i p(x_i | x_1 .. x_{i-1})                   the chain rule, exact whatever the order
    log p(x) = sum_i log p(x_i | x_<i)                      so the loss is -log p itself: no bound, no adversary
    x_i ~ p(x_i | x_<i),   i = 1 .. D                       sampling: each number is drawn before the next is asked for

In training all of x is known, so a network that sees to it that output i depends on x_<i alone gives all D conditionals
in one pass. In sampling that pass would be made D times over: the slow way, `recompute` below. Each model has a faster
one, which computes only what the number drawn last has changed; the slow one is its twin in the tests.

The order of an image is that in which one reads: row by row, in a row pixel by pixel, in a pixel red, green, blue. A
"sequence" is an example in that order, (N, D).

Source: Larochelle & Murray 2011 (NADE), eq. 1. Symbols: N examples, D numbers of an example, K levels of a number, i
its place in the order, C H W image.
Read before this: data/space.py, densities.py, player.py. Read next: models/autoregressive/nade.py.
"""
import math

import numpy as np
from tqdm import tqdm

from autograd import no_grad
from autograd.backend import asarray, to_numpy, uniform, xp

from ..data import Space, binarize
from ..densities import log_categorical
from ..metrics import Measure, mean_interval
from ..nn.chunks import in_chunks
from ..nn.module import Module
from ..player import Player

MEASURED = 2**22  # numbers that evaluation holds at a time
DRAWN = 500  # examples that are drawn at a time


class Autoregressive(Module):
    """What all have in common. A model defines `logits`, and a `predictor` that is faster than `recompute`.

    space: of images, codes or other integers. levels: K, how many values a number can take; left out, those of the
    space. With levels=2 on images of more, a gray level is the probability of white and is drawn anew each time
    (dynamic binarization). conditions: column -> Space of what the model is told, p(x | y): {"y": labels}, {"source":
    image}; it is handed to `logits` and `predictor` by name, in the data's own units.
    """

    dtype = np.int64  # of the numbers that are drawn

    def __init__(self, space, levels=None, conditions=None):
        self.space, self.D, self.K = space, space.size, levels or space.levels
        self.conditions = dict(conditions or {})
        if space.levels is None or self.K not in (2, space.levels):
            raise ValueError(f"{type(self).__name__}: models integers of {self.K or 'no'} levels, and {space.shape} "
                             f"has {space.levels or 'real numbers'}; pass levels=2 or leave it out, for data with "
                             "levels")
        self.integers = Space(space.shape, self.K)  # as they are modelled

    def logits(self, x, **condition):
        """Of all conditionals at once: Tensor (N, D, K) in the order of drawing, of integers x (N, *shape)."""
        raise NotImplementedError(f"{type(self).__name__} defines no logits")

    def predictor(self, n, **condition):
        """predict(i, x) -> array (n, K), the logits of number i, of sequences x (n, D) that hold numbers 0 .. i - 1.

        It is called for i = 0, 1, 2, ... in turn, so it may keep what it has computed.
        """
        return self.recompute(**condition)

    def recompute(self, **condition):
        """The slow predictor: all of the network anew for each number."""
        return lambda i, x: self.logits(self.from_sequence(x), **condition).data[:, i]

    # Likelihood

    def log_prob(self, x, **condition):
        """log p(x) in nats, Tensor (N,), of integers x (N, *shape), 0 .. K - 1."""
        return self.log_conditionals(x, **condition).sum(axis=-1)  # course 1.1, 1.4

    def log_conditionals(self, x, **condition):
        """log p(x_i | x_<i), Tensor (N, D) in the order of drawing."""
        self.integers.check(x)
        self._check(len(x), condition)
        return log_categorical(self.to_sequence(x), self.logits(x, **condition))

    def players(self):
        return [Player("model", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        """-log p(x), in nats per example and bits per number."""
        nats = -self.log_prob(self.observe(batch["x"], rng), **self.told(batch)).mean()
        return {"nats": nats, "bits/dim": nats / (self.D * math.log(2))}

    def measure(self, batch, rng):
        x, condition = self.observe(batch["x"], rng), self.told(batch)
        rows = lambda i: -self.log_prob(x[i], **{name: c[i] for name, c in condition.items()}).data
        with no_grad():
            nats = in_chunks(rows, np.arange(len(x)), MEASURED // self.held)
        detail = "exact" if self.K == self.space.levels else "dynamic binarization, one draw"
        return [Measure("NLL", *mean_interval(nats), "nats", detail),
                Measure("NLL", *mean_interval(nats / (self.D * math.log(2))), "bits/dim",
                        f"of {math.log2(self.K):.3g}; {detail}")]

    @property
    def held(self):
        """How many numbers evaluation holds for each example: its logits, or what in a network is larger."""
        return self.D * self.K

    # Sampling

    def draw(self, n, rng, given=None, known=0, **condition):
        """n examples as integers (n, *shape), NumPy.

        given: integers (n, *shape), of which the first `known` numbers in the order are kept, and the rest is drawn.
        """
        self._check(n, condition)
        if not 0 <= known <= (0 if given is None else self.D):
            raise ValueError(f"{type(self).__name__}.draw: known is {known}, expected at most D = {self.D}, and given "
                             "images to take them from")
        given = np.zeros((n, self.D), self.dtype) if given is None else to_numpy(self.to_sequence(given))
        parts = [slice(i, i + DRAWN) for i in range(0, max(n, 1), DRAWN)]
        bar = tqdm(total=len(parts) * self.D, desc="drawing", unit="number", disable=None, leave=False, delay=2)
        with bar, no_grad():
            drawn = [self._draw(asarray(given[part]), known, {name: c[part] for name, c in condition.items()}, rng, bar)
                     for part in parts]
        return to_numpy(self.from_sequence(np.concatenate(drawn)))

    def _draw(self, given, known, condition, rng, bar):
        """Sequences (n, D) that begin as given; all that a predictor sees of what is not drawn yet is zeros."""
        x = xp.zeros_like(given)
        predict = self.predictor(len(x), **condition)
        for i in range(self.D):
            h = predict(i, x)
            x[:, i] = given[:, i] if i < known else self.pick(h, rng)
            bar.update()
        return to_numpy(x)

    def pick(self, logits, rng):
        """One number for each row of what predict gave."""
        return categorical(logits, rng)

    def sample(self, n, rng, **condition):
        return self.as_drawn(self.draw(n, rng, **condition))

    def complete(self, x, known, rng, **condition):
        """Examples x (N, *shape), as integers, with all but their first `known` numbers drawn anew; as they are drawn.
        The upper half of an image is its first D // 2 numbers."""
        return self.as_drawn(self.draw(len(x), rng, given=x, known=known, **condition))

    def as_drawn(self, x):
        """Integers 0 .. K - 1 on [0, 1]."""
        return self.space.from_unit(np.float32(x) / np.float32(self.K - 1))

    # Integers

    def observe(self, x, rng):
        """The data as they are modelled: integers (N, *shape), 0 .. K - 1, on the device in use."""
        self.space.check(x)
        bits = self.K < self.space.levels
        return asarray(binarize(x, self.space.levels, rng).astype(np.int64) if bits else np.int64(x))

    def told(self, batch):
        """The columns of a batch that the model is told, by name."""
        missing = [name for name in self.conditions if name not in batch]
        if missing:
            raise ValueError(f"{type(self).__name__}: is conditioned on {', '.join(self.conditions)}, and the data "
                             f"have no column '{missing[0]}', only {', '.join(batch)}")
        return {name: batch[name] for name in self.conditions}

    def to_sequence(self, x):
        """(N, *shape) -> (N, D) in the order of drawing."""
        return (x.transpose(0, 2, 3, 1) if self.space.is_image else x).reshape(len(x), self.D)

    def from_sequence(self, x):
        """(N, D) -> (N, *shape)."""
        if not self.space.is_image:
            return x.reshape(len(x), *self.space.shape)
        C, H, W = self.space.shape
        return x.reshape(len(x), H, W, C).transpose(0, 3, 1, 2)

    def _check(self, n, condition):
        """ValueError unless all that the model is to be told is there, n of each."""
        if condition.keys() != self.conditions.keys():
            raise ValueError(f"{type(self).__name__}: is conditioned on {', '.join(self.conditions) or 'nothing'}, and "
                             f"was told {', '.join(condition) or 'nothing'}")
        for name, values in condition.items():
            self.conditions[name].check(values, name)
            if len(values) != n:
                raise ValueError(f"{type(self).__name__}: {name} has {len(values)} entries for {n} examples")


def categorical(logits, rng):
    """One draw for each row of logits (n, K): where the distribution function of softmax(logits) passes u ~ U(0, 1)."""
    p = xp.exp((logits - logits.max(axis=-1, keepdims=True)).astype(np.float64))
    cdf = p.cumsum(axis=-1)
    u = uniform(rng, (len(logits), 1), np.float64) * cdf[:, -1:]
    return (u >= cdf[:, :-1]).sum(axis=-1)
