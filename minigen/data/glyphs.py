"""Glyphs: letters in two weights of one typeface, 16 x 16, for translation without pairs; drawn when asked for.

    a    letters in DejaVu Sans                  b    letters in DejaVu Sans Bold

In training the two sets are of different letters: nobody has seen one in both weights. In the valid and test splits row
i of both is the same letter, so that a translation has a truth to be held against. The fonts come with matplotlib, so
that there is nothing to ship.

Each letter is drawn four times as large, its baseline and the middle of its advance at one place, and averaged. Letters
that no longer fit, and those that look like one before (A in Greek and in Cyrillic), are left out.

Source: DejaVu fonts 2.37, from Bitstream Vera. Symbols: N letters. Read before this: dataset.py.
"""
import functools
import importlib
import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .dataset import Dataset, Unpaired
from .space import Space

SIZE, SCALE, LEVELS = 16, 4, 256
EM, BASELINE = 12, 12  # of the font, and from the top, in pixels
FONTS = {"a": "DejaVuSans.ttf", "b": "DejaVuSans-Bold.ttf"}
SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "DIGIT")
ALIKE = 1.0  # mean difference of pixels, of 255, below which two letters look the same
HELD_OUT = {"test": 400, "valid": 100}  # letters


def load(split) -> Unpaired:
    """The split of the set "glyphs": columns a and b, (N, 1, 16, 16), black is 0."""
    letters, drawn = _letters()
    order = np.random.default_rng(0).permutation(len(letters))
    test, valid, train = np.split(order, np.cumsum(list(HELD_OUT.values())))
    half = len(train) // 2
    rows = {"train": (train[:half], train[half : 2 * half]), "valid": [valid] * 2, "test": [test] * 2}[split]
    space = Space((1, SIZE, SIZE), LEVELS)
    source = "DejaVu Sans and Sans Bold, as matplotlib has them"
    sets = {name: Dataset("glyphs", split, {"x": drawn[name][chosen]}, {"x": space}, FONTS[name])
            for name, chosen in zip(FONTS, rows)}
    what = "letters and as many others" if split == "train" else "letters in both"
    note = f"glyphs {split} split, {len(rows[0])} {what}, {SIZE}x{SIZE} ({source})"
    return Unpaired("glyphs", split, sets, note, aligned=split != "train")


@functools.cache
def _letters():
    """(the letters, name -> (N, 1, 16, 16) in each weight)."""
    folder = Path(importlib.import_module("matplotlib").get_data_path()) / "fonts" / "ttf"
    charmap = importlib.import_module("matplotlib.ft2font").FT2Font
    known = set.intersection(*(set(charmap(str(folder / file)).get_charmap()) for file in FONTS.values()))
    letters = [chr(code) for code in sorted(known) if unicodedata.name(chr(code), "").split(" ")[0] in SCRIPTS]
    drawn = {}
    for name, file in FONTS.items():
        font = ImageFont.truetype(str(folder / file), EM * SCALE)
        drawn[name] = [_draw(letter, font) for letter in letters]
    kept = []
    seen = np.zeros((0, SIZE * SIZE), np.float32)
    for i, pair in enumerate(zip(*drawn.values())):
        if any(image is None for image in pair):
            continue
        flat = np.float32(pair[0]).reshape(1, -1)
        if not len(seen) or abs(seen - flat).mean(axis=1).min() > ALIKE:
            seen = np.concatenate([seen, flat])
            kept.append(i)
    return [letters[i] for i in kept], {name: np.stack([images[i] for i in kept])[:, None]
                                        for name, images in drawn.items()}


def _draw(letter, font):
    """(16, 16) uint8, black on white; None for one that does not fit, or is blank."""
    side = SIZE * SCALE
    picture = Image.new("L", (3 * side, 3 * side), 255)
    ImageDraw.Draw(picture).text((1.5 * side, side + BASELINE * SCALE), letter, font=font, fill=0, anchor="ms")
    pixels = np.asarray(picture)
    inside = pixels[side : 2 * side, side : 2 * side]
    if (pixels < 255).sum() != (inside < 255).sum() or inside.min() == 255:
        return None
    return np.rint(inside.reshape(SIZE, SCALE, SIZE, SCALE).mean(axis=(1, 3))).astype(np.uint8)
