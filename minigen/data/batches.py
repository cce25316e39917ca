"""Batches: an endless stream of minibatches over a Dataset, which can be resumed exactly. Drawn: one whose examples are
made as they are needed. Together: several at once.

Each epoch's order comes from one integer seed drawn from `rng`. So the position of the stream is three integers
(epoch, position, seed) and not a permutation of the whole data set. Read before this: dataset.py.
"""
import numpy as np


class Batches:
    """Endless iterator: next(batches) -> {column: NumPy array (batch_size, ...)} in the data's own units.

    With drop_last the tail of an epoch that does not fill a batch is left out (another one each epoch, when shuffled).
    Without shuffle the order is the stored one and `rng` is not touched.
    ValueError if batch_size is below 1, or above the dataset's size with drop_last.
    """

    def __init__(self, dataset, batch_size, rng, shuffle=True, drop_last=True):
        if batch_size < 1 or (drop_last and batch_size > len(dataset)):
            raise ValueError(f"batch_size={batch_size}: {dataset.name} {dataset.split} has {len(dataset)} "
                             f"examples; choose 1..{len(dataset)}")
        self.dataset, self.batch_size, self.rng = dataset, int(batch_size), rng
        self.shuffle, self.drop_last = shuffle, drop_last
        self.epoch = 0
        self._start_epoch()

    def __len__(self):
        """Batches in an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full if self.drop_last or rest == 0 else full + 1

    def __iter__(self):
        return self

    def __next__(self):
        if self.position == len(self):
            self.epoch += 1
            self._start_epoch()
        start = self.position * self.batch_size
        self.position += 1
        return self.dataset.batch(self.order[start:start + self.batch_size])

    def _start_epoch(self):
        self.position = 0  # in batches
        self.seed = int(self.rng.integers(2**63)) if self.shuffle else None
        self._set_order()

    def _set_order(self):
        N = len(self.dataset)
        self.order = np.arange(N) if self.seed is None else np.random.default_rng(self.seed).permutation(N)

    def state_dict(self):
        """Where the stream stands, as plain numbers for JSON. The state of `rng` is its owner's to save."""
        return {"examples": len(self.dataset), "batch_size": self.batch_size,
                "epoch": self.epoch, "position": self.position, "seed": self.seed}

    def load_state_dict(self, state):
        """Continue from `state`: with `rng` restored too, the future is the same bit for bit.

        ValueError if the state is that of another dataset size, batch size or shuffling.
        """
        here = self.state_dict()
        for key in ("examples", "batch_size"):
            if state[key] != here[key]:
                raise ValueError(f"cannot resume: the saved run had {key}={state[key]}, this one has "
                                 f"{key}={here[key]}; use the same data and batch size")
        if (state["seed"] is None) == self.shuffle:
            raise ValueError(f"cannot resume: shuffle={self.shuffle} differs from the saved run's")
        self.epoch, self.position, self.seed = state["epoch"], state["position"], state["seed"]
        self._set_order()


class Drawn:
    """Endless iterator over batches that are drawn anew each time, draw(batch_size, rng) -> {column: array}, so that no
    example is seen twice. All of its state is that of `rng`."""

    def __init__(self, draw, batch_size, rng):
        self.draw, self.batch_size, self.rng = draw, int(batch_size), rng

    def __iter__(self):
        return self

    def __next__(self):
        return self.draw(self.batch_size, self.rng)

    def state_dict(self):
        return {"batch_size": self.batch_size}

    def load_state_dict(self, state):
        """ValueError if the state is that of another batch size, or of another kind of stream."""
        if state != self.state_dict():
            raise ValueError(f"cannot resume: the saved run's stream was {state}, this one is {self.state_dict()}; use "
                             "the same data and batch size")


class Together:
    """Several streams side by side, each in its own order: next -> {"a": ..., "b": ...}, the x of each under the
    stream's name; another column y of stream a is "a_y"."""

    def __init__(self, **streams):
        self.streams = streams

    def __len__(self):
        """Batches until the shortest has been seen once."""
        return min(map(len, self.streams.values()))

    def __iter__(self):
        return self

    def __next__(self):
        return {renamed(name, column): values
                for name, stream in self.streams.items() for column, values in next(stream).items()}

    def state_dict(self):
        return {name: stream.state_dict() for name, stream in self.streams.items()}

    def load_state_dict(self, state):
        """As that of Batches, for each."""
        if state.keys() != self.streams.keys():
            raise ValueError(f"cannot resume: the saved run had sets {list(state)}, this one has {list(self.streams)}")
        for name, stream in self.streams.items():
            stream.load_state_dict(state[name])


def renamed(name, column):
    """What a column of the set of this name is called beside the columns of others."""
    return name if column == "x" else f"{name}_{column}"
