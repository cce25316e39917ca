"""Dataset: one split of one data set, in memory: named columns of one length, in the data's own units.

    {"x"}            images, or points in the plane                            p(x)
    {"x", "y"}       and labels                                                p(x | y)
    {"x", "text"}    and captions, as tokens (N, T)                            p(x | text)
    {"x"}            texts of their own, as tokens (N, T)                      p(x)
    {"x", "source"}  and the images to translate                               p(x | source)
    {"a", "b"}       two sets that are not paired: Unpaired, one Dataset each

Pixels stay integers 0..levels-1: what a model makes of them is the model's choice, and Space has the scalings.
Read before this: space.py. Read next: batches.py.
"""
from dataclasses import dataclass, replace

import numpy as np

from .batches import Batches, Together, renamed

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """One split.

    columns: name -> array (N, ...). spaces: name -> Space of its entries. note: one line for printed results: split,
    size, source. Each column has the dtype of its Space. ValueError where these do not hold.

    >>> from minigen import data
    >>> digits = data.load("digits")
    >>> digits
    <Dataset digits train split, 1,000 images 8x8, 17 levels (UCI, CC BY 4.0); x (1000, 1, 8, 8), y (1000,)>
    >>> digits["y"][:4]
    array([0, 1, 2, 3])
    """

    name: str
    split: str
    columns: dict
    spaces: dict
    note: str

    def __post_init__(self):
        check_split(self.split)
        if not self.columns or self.columns.keys() != self.spaces.keys():
            raise ValueError(f"{self.name}: columns are {list(self.columns)}, spaces {list(self.spaces)}; give a Space "
                             "for each column")
        for name, values in self.columns.items():
            space = self.spaces[name]
            space.check(values, f"{self.name}: column '{name}'")
            if values.dtype != space.dtype:
                raise ValueError(f"{self.name}: column '{name}' has dtype {values.dtype}, expected {space.dtype}")
            if space.levels is None and not np.isfinite(values).all():
                row = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))[0]
                raise ValueError(f"{self.name}: entry {row} of column '{name}' is {values[row]}; leave out what is NaN "
                                 "or infinite")
            if len(values) != len(self):
                raise ValueError(f"{self.name}: column '{name}' has {len(values)} entries, others have {len(self)}")
        if len(self) == 0:
            raise ValueError(f"{self.name}: the {self.split} split is empty")

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, column):
        """The whole column of this name."""
        return self.columns[column]

    def batch(self, rows) -> dict:
        """These rows of every column."""
        return {name: values[rows] for name, values in self.columns.items()}

    def first(self, n):
        """The Dataset of the first n examples; all for None."""
        return self if n is None else replace(self, columns=self.batch(slice(n)))

    def batches(self, batch_size, rng, shuffle=True, drop_last=True):
        """An endless stream of minibatches: see Batches."""
        return Batches(self, batch_size, rng, shuffle, drop_last)

    def __repr__(self):
        columns = ", ".join(f"{name} {values.shape}" for name, values in self.columns.items())
        return f"<Dataset {self.note}; {columns}>"


@dataclass(frozen=True, repr=False, eq=False)
class Unpaired:
    """Two or more sets whose examples have nothing to do with each other: sets, name -> Dataset with a column x.

    The x of set a is column "a", its y column "a_y". The sets may differ in size; the smallest counts. aligned: row i
    of all sets is the same thing, after all: a truth for those who judge, on which nobody trains.
    """

    name: str
    split: str
    sets: dict
    note: str
    aligned: bool = False

    def __len__(self):
        return min(map(len, self.sets.values()))

    @property
    def spaces(self):
        return {renamed(a, column): space for a, data in self.sets.items() for column, space in data.spaces.items()}

    @property
    def columns(self):
        """As many entries of each as the smallest set has."""
        return self.batch(slice(len(self)))

    def __getitem__(self, column):
        return self.columns[column]

    def batch(self, rows) -> dict:
        return {renamed(a, column): values[rows] for a, data in self.sets.items()
                for column, values in data.columns.items()}

    def first(self, n):
        return self if n is None else replace(self, sets={a: data.first(n) for a, data in self.sets.items()})

    def batches(self, batch_size, rng, shuffle=True, drop_last=True):
        """Each set in an order of its own."""
        return Together(**{a: data.batches(batch_size, rng, shuffle, drop_last) for a, data in self.sets.items()})

    def __repr__(self):
        return f"<Unpaired {self.note}; {', '.join(f'{a} {len(data)}' for a, data in self.sets.items())}>"


def check_split(split):
    """Raise ValueError unless `split` is one of SPLITS."""
    if split not in SPLITS:
        raise ValueError(f"split={split!r}: expected one of {', '.join(SPLITS)}")


def describe(name, split, x, space, source):
    """The `note` of a Dataset, e.g. 'digits test split, 447 images 8x8, 17 levels (UCI, CC BY 4.0)'."""
    if not space.is_image:
        return f"{name} {split} split, {len(x):,} {'texts' if space.is_text else 'points'} ({source})"
    C, H, W = space.shape
    size = f"{H}x{W}" if C == 1 else f"{C}x{H}x{W}"
    return f"{name} {split} split, {len(x):,} images {size}, {space.levels} levels ({source})"
