"""A case: a trained run as the doctor sees it; and a finding: what is wrong, the number it rests on, what to do.

A check is a function from a case to findings, none if all is well. It asks the model through what every model has
(players, sample, encode, denoise, ...), changes nothing, and takes seconds.

Read before this: train.py. Read next: training.py, and the file of a family.
"""
import functools
from dataclasses import dataclass, field

import numpy as np

from autograd import backend

from ..train import Run

LOOKED_AT = 256  # examples


@dataclass(frozen=True)
class Finding:
    """fault: its name, always the same. says: what was seen, with the number. do: what helps."""

    fault: str
    says: str
    do: str
    number: float

    def __str__(self):
        return f"{self.fault}: {self.says}\n    {self.do}"


@dataclass
class Case:
    """run: a Run, at its end or stopped. valid: a Dataset that it has not seen, or None. initial: dotted name -> weight
    at the beginning, or None."""

    run: Run
    valid: object = None
    initial: dict | None = None
    seed: int = 0
    model: object = field(init=False)

    def __post_init__(self):
        self.model = self.run.model

    def rng(self):
        """A new generator of random numbers, the same for each check."""
        return backend.rng(self.seed)

    @functools.cached_property
    def seen(self):
        """The training data as the last stage looks at them."""
        return self._viewed(self.run.data.first(4 * LOOKED_AT))

    @functools.cached_property
    def unseen(self):
        """The valid data, in the same view; None if there are none."""
        return None if self.valid is None else self._viewed(self.valid.first(4 * LOOKED_AT))

    def _viewed(self, data):
        view = self.run.stage and self.run.stage.view
        return view(data) if view else data

    def batch(self, n=LOOKED_AT) -> dict:
        """The first n examples of the training data."""
        return self.seen.batch(slice(n))

    def x(self, n=LOOKED_AT):
        """The column x of the training data, n of it at most, in its own units; None if there is no such column."""
        return self.seen["x"][:n] if "x" in self.seen.spaces else None

    def given_to(self, player, n=LOOKED_AT):
        """What a player's loss is called with."""
        return self.batch(n) if player.data else n

    @functools.cached_property
    def learned(self):
        """(name of its loss, first, last) of the only player: the first window of the history, and the mean of the last
        5 %; None where several play, whose losses tell nothing by themselves, or there are several stages, or none."""
        if len(self.run.players) != 1 or len(self.run.plan.stages) != 1 or not self.run.history.sums:
            return None
        name = next(name for name in self.run.history.sums if name.startswith("train/"))
        means = self.run.history.curves()[name][1]
        return name.partition("/")[2], float(means[0]), float(np.mean(means[-max(1, len(means) // 20):]))

    @functools.cached_property
    def valid_loss(self):
        """That loss with the last weights on data that the run has not seen; NaN if it is not finite."""
        return self.run.validate(self.valid).get(self.learned[0], float("nan"))
