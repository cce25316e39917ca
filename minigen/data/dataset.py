"""Dataset: one split of one data set, in memory, in the data's own units.

Symbols: N examples, C channels, H W height and width; levels = number of values a pixel can take.
Pixels stay integers 0..levels-1: what a model makes of them (bits, [0, 1], [-1, 1]) is the model's
choice and is written in the model; pixels.py has the scalings.
"""

from dataclasses import dataclass

import numpy as np

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """One split.

    x:      uint8 images (N, C, H, W) with values 0..levels-1, or float32 points (N, 2)
    y:      int64 labels (N,), or None
    levels: number of values of a pixel; None for points
    note:   one line for printed results: split, size, source
    Raises ValueError where these do not hold.
    """

    name: str
    split: str
    x: np.ndarray
    y: np.ndarray | None
    levels: int | None
    note: str

    def __post_init__(self):
        check_split(self.split)
        x, y = self.x, self.y
        if self.levels is None:
            if x.dtype != np.float32 or x.shape[1:] != (2,):
                raise ValueError(f"{self.name}: points must be float32 (N, 2), got {x.dtype} {x.shape}; "
                                 "images need levels=")
            if not np.isfinite(x).all():
                row = np.flatnonzero(~np.isfinite(x).all(axis=1))[0]
                raise ValueError(f"{self.name}: point {row} is {x[row]}; leave out what is NaN or infinite")
        elif x.dtype != np.uint8 or x.ndim != 4:
            raise ValueError(f"{self.name}: images must be uint8 (N, C, H, W), got {x.dtype} {x.shape}")
        elif x.size and x.max() >= self.levels:
            raise ValueError(f"{self.name}: levels={self.levels} allows values 0..{self.levels - 1}, "
                             f"found {x.max()}")
        if len(x) == 0:
            raise ValueError(f"{self.name}: the {self.split} split is empty")
        if y is not None and (y.dtype != np.int64 or y.shape != (len(x),)):
            raise ValueError(f"{self.name}: labels must be int64 ({len(x)},), got {y.dtype} {y.shape}")

    def __len__(self):
        return len(self.x)

    @property
    def image_shape(self):
        """Shape of one example: (C, H, W), or (2,) for points."""
        return self.x.shape[1:]

    def __repr__(self):
        labels = "no labels" if self.y is None else f"{len(np.unique(self.y))} classes"
        return f"<Dataset {self.note}; {labels}>"


def check_split(split):
    """Raise ValueError unless `split` is one of SPLITS."""
    if split not in SPLITS:
        raise ValueError(f"split={split!r}: expected one of {', '.join(SPLITS)}")


def describe(name, split, x, levels, source):
    """The `note` of a Dataset, e.g. 'digits test split, 447 images 8x8, 17 levels (UCI, CC BY 4.0)'."""
    if levels is None:
        return f"{name} {split} split, {len(x):,} points ({source})"
    C, H, W = x.shape[1:]
    size = f"{H}x{W}" if C == 1 else f"{C}x{H}x{W}"
    return f"{name} {split} split, {len(x):,} images {size}, {levels} levels ({source})"
