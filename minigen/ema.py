"""A moving average of the weights along the way of training: often a better model than the last weights are.

    ema = EMA(model.generator, decay=0.999)
    ...; optimizer.step(grads); ema.update()        # once a step
    with evaluating(model, ema):                    # in here the model computes with the averaged weights
        images = model.sample(16, rng)

Source: Polyak & Juditsky 1992 (averaging of iterates); this exponential form as in Ho et al. 2020 (DDPM).
Symbols: theta weights, bar their average, d decay, t number of the update. Read before this: optim.py.
"""
import contextlib

import numpy as np

from autograd.backend import to_numpy, xp

from .nn.module import copy_into, in_eval_mode
from .optim import blocks


class EMA:
    """Keeps bar <- bar + (1 - d) (theta - bar) for every parameter theta of a Module: of what samples are drawn with.

    d = min(decay, (1 + t) / (10 + t)) at update t = 1, 2, ...: at first the average spans only about the last
    tenth of the way, so that a short run too forgets the initial weights (TensorFlow's rule for num_updates).
    Buffers, such as the running moments of batch normalization, are not averaged.
    """

    def __init__(self, module, decay):
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"EMA: decay is {decay}, expected at least 0 and below 1")
        self._params = dict(module.named_parameters())
        self._bars = {name: p.data.copy() for name, p in self._params.items()}
        self._swapped = False  # whether the parameters hold the averages, and _bars the weights
        self.decay = decay
        self.updates = 0

    def continue_from(self, earlier) -> None:
        """Takes over the averages of an earlier EMA of the same module, which may have had fewer parameters."""
        for name, bar in earlier._bars.items():
            if name in self._bars and self._bars[name].shape == bar.shape:
                self._bars[name][...] = bar
        self.updates = earlier.updates

    def settle(self) -> None:
        """Makes the averages the weights."""
        self._refuse_inside_average("settle")
        for name, p in self._params.items():
            p.data[...] = self._bars[name]
            p.mark_changed()

    def update(self) -> None:
        """Takes in the present weights."""
        self._refuse_inside_average("update")
        self.updates += 1
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, p in self._params.items():
            theta, bar = p.data, self._bars[name]
            for rows in blocks(bar):
                bar[rows] += (1 - d) * (theta[rows] - bar[rows])

    @contextlib.contextmanager
    def average(self):
        """Context in which the parameters hold the averages; on leaving it the weights are back."""
        self._refuse_inside_average("average")
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self):
        for name, p in self._params.items():
            p.data, self._bars[name] = self._bars[name], p.data
            p.mark_changed()
        self._swapped = not self._swapped

    def _refuse_inside_average(self, caller):
        if self._swapped:
            raise RuntimeError(f"EMA.{caller}: the parameters hold the averages now; leave average() first")

    def state_dict(self) -> dict:
        """"updates", and "average.<name>" of every parameter: NumPy arrays, copies."""
        self._refuse_inside_average("state_dict")
        averages = {name: np.array(to_numpy(array)) for name, array in self._arrays().items()}
        return {"updates": np.array(self.updates), **averages}

    def load_state_dict(self, state) -> None:
        """Restores a state_dict bit for bit. ValueError names what is missing, unknown or misshapen."""
        self._refuse_inside_average("load_state_dict")
        updates = xp.zeros((), np.int64)
        copy_into({"updates": updates, **self._arrays()}, state, "EMA.load_state_dict")
        self.updates = int(updates)

    def _arrays(self):
        return {f"average.{name}": bar for name, bar in self._bars.items()}


@contextlib.contextmanager
def evaluating(model, ema=None):
    """The model as it is used rather than trained: in eval mode, with the averaged weights of an EMA if there is one.
    On leaving it, each of its modules is in the mode in which it was."""
    with in_eval_mode(model), ema.average() if ema else contextlib.nullcontext():
        yield model
