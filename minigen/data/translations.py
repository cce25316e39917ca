"""Sets for translation: an image, and another into which it is to be translated.

    emoji         x a picture of 3 x 32 x 32, values 0..31; source its line drawing, 1 x 32 x 32, values 0..15. 1,580
                  pairs, Microsoft's Fluent, MIT; 1138/126/316, at random
    face_edits    source a face of faces.py; edit the labels (N, 5) that it is to have, one or two of them other than
                  its own; x the face with these, exactly; labels those of the source. What is learned without pairs
                  looks at source and labels only: x is the truth by which it is judged. 4,000/500/500
    glyphs        a, b letters in two weights of a typeface, other letters in each: see glyphs.py

Labels of a face: the colour of its hair, one of HAIR, then whether it has GLASSES, and a HAT. Each is one kind in one
colour, so that an edit has one right answer.

Symbols: N examples. Read before this: dataset.py, faces.py. Read next: catalog.py.
"""
import numpy as np

from . import faces, glyphs
from .dataset import SPLITS, Dataset, check_split, describe
from .files import SHIPPED
from .space import Space

EMOJI_SIZES = {"test": 316, "valid": 126, "train": 1138}
EDIT_SIZES = {"train": 4000, "valid": 500, "test": 500}
HAIR = ("sand", "black", "red")
GLASSES, HAT = {"glasses": 5, "glasses colour": 0}, {"hat": 2, "hat colour": 1}
LABELS = (*(f"{colour} hair" for colour in HAIR), "glasses", "hat")


def emoji_rows(split) -> np.ndarray:
    """The places of a split's emoji. Stored by code point, where families follow one another: so shuffled, once."""
    order = np.random.default_rng(0).permutation(sum(EMOJI_SIZES.values()))
    return dict(zip(EMOJI_SIZES, np.split(order, np.cumsum(list(EMOJI_SIZES.values()))[:-1])))[split]


def emoji(split) -> Dataset:
    with np.load(SHIPPED / "emoji.npz") as arrays:
        rows = emoji_rows(split)
        x = np.ascontiguousarray(arrays["image"][rows].transpose(0, 3, 1, 2))
        source = arrays["lines"][rows][:, None]
    spaces = {"x": Space((3, 32, 32), 32), "source": Space((1, 32, 32), 16)}
    return Dataset("emoji", split, {"x": x, "source": source}, spaces,
                   describe("emoji", split, x, spaces["x"], "Microsoft, MIT"))


def face_edits(split) -> Dataset:
    """Of hair, glasses and hat one changes in the first half of the examples, and two in the others."""
    n, rng = EDIT_SIZES[split], np.random.default_rng([SPLITS.index(split), *b"face_edits"])
    attributes = faces.draw_attributes(n, rng)
    kind = np.stack([rng.integers(len(HAIR), size=n), rng.random(n) < 0.5, rng.random(n) < 0.5], axis=1).astype(int)
    asked = kind.copy()
    asked[:, 0] = (kind[:, 0] + rng.integers(1, len(HAIR), n)) % len(HAIR)
    asked[:, 1:] = 1 - kind[:, 1:]
    order = rng.permuted(np.tile(np.arange(3), (n, 1)), axis=1)  # which of the three change, the first or two
    keeps = np.take_along_axis(np.arange(3) >= 1 + (np.arange(n) >= n // 2)[:, None], order.argsort(axis=1), axis=1)
    asked = np.where(keeps, kind, asked)
    source, x = (faces.compose(with_labels(attributes, each)) for each in (kind, asked))
    face, bits = Space((3, faces.SIZE, faces.SIZE), 256), Space((len(LABELS),), 2)
    return Dataset("face_edits", split, {"x": x, "source": source, "edit": _bits(asked), "labels": _bits(kind)},
                   {"x": face, "source": face, "edit": bits, "labels": bits},
                   describe("face_edits", split, x, face, "DiceBear, CC0; and the faces that they are edited from"))


def with_labels(attributes, kind):
    """The attributes of faces with kind (n, 3): hair among HAIR, glasses or not, hat or not."""
    hair = np.array([faces.HAIR_COLOURS.index(colour) for colour in HAIR])
    changed = attributes | {"hair colour": hair[kind[:, 0]]}
    for column, part in (1, GLASSES), (2, HAT):
        name, colour = part
        changed |= {name: kind[:, column] * part[name], colour: np.full(len(kind), part[colour])}
    return changed


def _bits(kind):
    """kind (n, 3) as labels (n, 5): 0 or 1."""
    return np.concatenate([np.eye(len(HAIR), dtype=np.int64)[kind[:, 0]], kind[:, 1:]], axis=1)


TRANSLATION_SETS = {"emoji": emoji, "face_edits": face_edits, "glyphs": glyphs.load}


def load(name, split):
    """The split of one of them."""
    check_split(split)
    return TRANSLATION_SETS[name](split)
