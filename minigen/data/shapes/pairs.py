"""Pairs of pictures and captions as data sets: shapes16 and shapes32, and a stream of them that never ends.

    x       (N, 3, n, n), values 0 .. 255
    text    tokens (N, 11): the words of the caption, then 0

Splits are drawn with fixed seeds. In the test split every third caption names a pair of shape and colour that is
withheld from training. A model that sees the same 10,000 pairs again and again learns them by heart: `fresh` is the
view of a training split that draws every batch anew.

Read before this: captions.py, ../dataset.py. Used by: catalog.py, recipes/.
"""
import functools
from dataclasses import dataclass, replace

import numpy as np

from ..batches import Drawn
from ..dataset import SPLITS, Dataset
from ..space import Space
from .captions import VOCABULARY, T, draw_pair, encode
from .drawing import render

SIDES = {"shapes16": 16, "shapes32": 32}  # pixels
SIZES = {"train": 10_000, "valid": 1000, "test": 1500}
TEXT = Space((T,), len(VOCABULARY), VOCABULARY)
NOTE = "scenes and captions drawn at random"


def load_shapes(name, split) -> Dataset:
    """The split of shapes16 or shapes32."""
    n, columns = SIDES[name], _columns_of(name, split)
    detail = "; every third names a pair of shape and colour that is withheld from training" * (split == "test")
    note = f"{name} {split} split, {SIZES[split]:,} images 3x{n}x{n} with captions, 256 levels ({NOTE}{detail})"
    return Dataset(name, split, columns, {"x": Space((3, n, n), 256), "text": TEXT}, note)


@functools.cache
def _pairs_of(name, split):
    rng = np.random.default_rng([SPLITS.index(split), *name.encode()])
    return [draw_pair(SIDES[name], rng, withheld=split == "test" and i % 3 == 2) for i in range(SIZES[split])]


@functools.cache
def _columns_of(name, split):
    return _columns(_pairs_of(name, split), SIDES[name])


def _columns(pairs, n):
    pictures = np.stack([render(scene, n) for _, scene in pairs])
    return {"x": np.rint(255 * pictures).astype(np.uint8), "text": encode([caption for caption, _ in pairs])}


def _wrong(pairs, n, rng):
    """Tokens (N, 11) of a caption for each pair that is false of its scene: that of another random pair."""
    found = []
    for _, scene in pairs:
        caption, _ = draw_pair(n, rng)
        while caption.holds(scene, n):
            caption, _ = draw_pair(n, rng)
        found.append(caption)
    return encode(found)


@dataclass(frozen=True, repr=False, eq=False)
class Fresh(Dataset):
    """A training split whose batches are drawn anew, from the same distribution. Its columns are the fixed ones."""

    def batches(self, batch_size, rng, shuffle=True, drop_last=True):
        return Drawn(self.draw, batch_size, rng) if shuffle else super().batches(batch_size, rng, shuffle, drop_last)

    def draw(self, n, rng) -> dict:
        """n pairs, as columns."""
        side = SIDES[self.name]
        pairs = [draw_pair(side, rng) for _ in range(n)]
        return _columns(pairs, side) | ({"wrong": _wrong(pairs, side, rng)} if "wrong" in self.columns else {})


def fresh(data) -> Dataset:
    """The view of a Stage that is to see no pair twice. The valid split stays what it is, and so do sets of pictures
    that are not drawn here."""
    drawn = data.split == "train" and data.name in SIDES
    return Fresh(data.name, data.split, data.columns, data.spaces, data.note) if drawn else data


def contrasted(data) -> Dataset:
    """`fresh`, with a further column: "wrong", tokens of a caption that is false of the picture."""
    n, pairs = SIDES[data.name], _pairs_of(data.name, data.split)[:len(data)]
    wrong = _wrong(pairs, n, np.random.default_rng(0))
    return fresh(replace(data, columns={**data.columns, "wrong": wrong}, spaces={**data.spaces, "wrong": TEXT}))
