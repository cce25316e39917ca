"""Space: what one entry of a column is, and the way from the data's units to a network's and back.

    own units     integers 0..levels-1 as data sets have them (pixels, labels, tokens), or real numbers
    unit          pixels on [0, 1], x / (levels - 1): what decoders of probabilities and losses on pixels work on
    signed        pixels on [-1, 1], 2 x / (levels - 1) - 1: what noise of mean 0 is added to
    drawn         what models draw and pictures show: a NumPy array, pixels on [0, 1]

Real numbers are the same on every scale. No model spells out a scaling or checks what it is given: both are here.
Symbols: N examples, C channels, H W image. Read before this: autograd/backend.py. Read next: dataset.py.
"""
import difflib
import math
from dataclasses import dataclass

import numpy as np

from autograd.backend import asarray, default_dtype, to_numpy


@dataclass(frozen=True)
class Space:
    """What one entry of a column is.

    shape: (C, H, W) of an image, (D,) of a point, (T,) of a text, () of a label. levels: how many integers each number
    of it can be, None for real numbers. names: of these integers, where they have any: classes, tokens.

    >>> digits = Space((1, 8, 8), levels=17)
    >>> digits.signed(np.array([0, 8, 16]).repeat(64).reshape(3, 1, 8, 8))[:, 0, 0, 0]
    array([-1.,  0.,  1.], dtype=float32)
    """

    shape: tuple = ()
    levels: int | None = None
    names: tuple = ()

    def __post_init__(self):
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "names", tuple(self.names))
        if self.names and len(self.names) != self.levels:
            raise ValueError(f"Space: {len(self.names)} names for {self.levels} levels; give a name to each")
        if self.is_image and self.levels and min(self.shape[:2]) >= 8 and self.shape[2] in (1, 3):
            H, W, C = self.shape
            raise ValueError(f"Space: shape is {self.shape}, and an image is (C, H, W): use {(C, H, W)}, and "
                             "x.transpose(0, 3, 1, 2) for its images")

    @property
    def size(self) -> int:
        """How many numbers an entry has: D."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def dtype(self) -> str:
        """Of a column of a Dataset: images of at most 256 levels are many, and take a byte for each number."""
        return "float32" if self.levels is None else "uint8" if self.is_image and self.levels <= 256 else "int64"

    @property
    def is_text(self) -> bool:
        """Whether an entry is a row of tokens, (T,)."""
        return len(self.shape) == 1 and self.levels is not None

    def check(self, x, name="x") -> None:
        """ValueError unless x (N, *shape) holds entries of this space, in their own units."""
        expected = "(" + ", ".join(map(str, ("N", *self.shape))) + ("," if not self.shape else "") + ")"
        if x.shape[1:] != self.shape or x.ndim == 0:
            raise ValueError(f"{name} has shape {x.shape}, expected {expected}{_transposed(x.shape, self.shape)}")
        if self.levels is None:
            if x.dtype.kind not in "fiu":
                raise ValueError(f"{name} has dtype {x.dtype}, expected real numbers")
        elif x.dtype.kind not in "iu":
            raise ValueError(f"{name} has dtype {x.dtype}, expected integers from 0 to {self.levels - 1}, "
                             "as data sets have them: they are scaled here")
        elif x.size and not (0 <= x.min() and x.max() < self.levels):
            raise ValueError(f"{name} holds values from {x.min()} to {x.max()}, expected 0 to {self.levels - 1}")

    def unit(self, x):
        """x (N, *shape) on [0, 1], both ends reached: an array of floats on the device in use."""
        self.check(x)
        x = asarray(x, default_dtype)
        return x if self.levels is None else x / np.float32(self.levels - 1)

    def signed(self, x):
        """x (N, *shape) on [-1, 1], both ends reached: an array of floats on the device in use."""
        unit = self.unit(x)
        return unit if self.levels is None else unit * np.float32(2) - np.float32(1)

    def rows(self, x):
        """x (N, *shape) on [0, 1], as rows (N, D)."""
        return self.unit(x).reshape(len(x), self.size)

    def from_unit(self, u) -> np.ndarray:
        """What a network made on [0, 1], (N, *shape) or rows (N, D), as it is drawn. What lies outside is cut off."""
        u = to_numpy(u).reshape(len(u), *self.shape)
        return u if self.levels is None else u.clip(0, 1)

    def from_signed(self, s) -> np.ndarray:
        """What a network made on [-1, 1], as it is drawn."""
        return self.from_unit(s if self.levels is None else (s + 1) / 2)

    def drawn(self, x) -> np.ndarray:
        """x in its own units, as it is drawn."""
        return self.from_unit(self.unit(x))

    def index(self, text: str) -> int:
        """The integer that has this name, or that this text spells. ValueError if there is none."""
        if text in self.names:
            return self.names.index(text)
        if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < (self.levels or 0):
            return int(text)
        near = difflib.get_close_matches(text, self.names, n=1)
        known = f"0 to {(self.levels or 1) - 1}" + (f", or {', '.join(self.names[:20])}" if self.names else "")
        raise ValueError(f"'{text[:40]}' is none of {known}" + (f"; did you mean '{near[0]}'?" if near else ""))


def _transposed(found, expected):
    """A hint for images whose channels come last."""
    if len(expected) == 3 and found[1:] == (*expected[1:], expected[0]):
        return ": channels come first, use x.transpose(0, 3, 1, 2)"
    return ""
