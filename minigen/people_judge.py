"""What is measured on drawn emoji people, and on who finds them by their names.

All 1,350 pictures that the grammar of the names has are known, also those that were withheld from training: so what was
drawn is the nearest of them, and its role, gender and tone are read off its name. Each of the three can be right while
the others are not; `exact` is all of them. Beside them stand chance, each picture under the name of the next, and the
squared distance to the nearest, without which a gray picture would be somebody.

Read before this: data/named.py. Used by: judges.py.
"""
import numpy as np

from .data.named import CELLS, GENDERS, TONES, cell_of, people
from .data.text import decode
from .metrics import Measure, mean_interval

AMONG = 100  # names


def parts_of(cells) -> dict:
    """name -> (N,) of the role, the gender and the tone of pictures with these numbers."""
    cells = np.asarray(cells)
    return {"role": cells // CELLS, "gender": cells % CELLS // len(TONES), "tone": cells % len(TONES)}


def nearest(samples) -> tuple:
    """(the number of the nearest picture of each sample (N, 3, 24, 24) on [0, 1], the mean squared distance to it)."""
    known = people()[0].reshape(len(people()[0]), -1).astype(np.float32) / 31
    samples = np.float32(samples).reshape(len(samples), -1)
    squared = (known**2).sum(axis=1) - 2 * samples @ known.T + (samples**2).sum(axis=1)[:, None]
    return squared.argmin(axis=1), squared.min(axis=1).clip(0) / known.shape[1]


def people_measures(samples, x, space, told) -> list:
    """The Measures of samples (N, 3, 24, 24) on [0, 1]. x: real ones; space: of the text; told: tokens (N, T) of the
    name that each was drawn for, None of a model that is told nothing. ValueError for what is nobody's name."""
    asked = None if told is None else np.array([_cell(text) for text in decode(told, space)])
    found, off = nearest(samples)
    far = Measure("distance to the nearest", *mean_interval(np.sqrt(off)), "",
                  f"root mean square, of 1; real ones: {np.sqrt(nearest(x)[1]).mean():.2g}")
    return [far] if told is None else [far, *_right(found, asked, "of the nearest picture")]


def found_by_name(similarity, test) -> list:
    """The Measures of similarity(x, text) -> (N, M) on a split of emoji: which of 100 names each picture finds; of
    people also how much of it is right."""
    rows = np.arange(len(test) // AMONG * AMONG if len(test) >= AMONG else len(test)).reshape(-1, min(AMONG, len(test)))
    best = np.concatenate([group[similarity(test["x"][group], test["text"][group]).argmax(axis=1)] for group in rows])
    own = Measure(f"own name of {rows.shape[1]}", *mean_interval(best == rows.ravel()), "",
                  f"of {rows.size:,}, by cosine; chance {1 / rows.shape[1]:.3f}")
    if test.name != "emoji_people":
        return [own]
    cells = np.array([_cell(text) for text in decode(test["text"], test.spaces["text"])])
    return [own, *_right(cells[best], cells[rows.ravel()], "of the name that is found")[1:]]


def _right(found, asked, what):
    """Measures of how often numbers of pictures agree, part by part."""
    right = {name: part == parts_of(asked)[name] for name, part in parts_of(found).items()}
    chance = {name: part == parts_of(np.roll(asked, 1))[name] for name, part in parts_of(found).items()}
    right, chance = ({"exact": np.logical_and.reduce(list(each.values())), **each} for each in (right, chance))
    return [Measure(name, *mean_interval(right[name]), "", f"{what}; under the next one's name: "
                    f"{chance[name].mean():.3f}") for name in right]


def _cell(text):
    if text not in cell_of():
        raise ValueError(f"'{text[:80]}' is nobody's name: write \"a woman firefighter with dark skin\"; genders are "
                         f"{', '.join(GENDERS)}, tones {', '.join(TONES)}")
    return cell_of()[text]
