"""Emoji with names: people, whose names have a grammar, and all others, whose names are whatever they are.

    emoji_people    x 3 x 24 x 24, values 0..31; text "a woman firefighter with dark skin": 75 roles, three genders, six
                    tones of skin, and for each of the 1,350 a picture. Of each role two cells are in the valid split,
                    two in test, fourteen in training: each role, gender and tone is seen, but not all together. Who has
                    learned what the words mean knows the others
    emoji_names     x 3 x 32 x 32, values 0..31; text the name that Unicode has for it, in pieces of words (text.py),
                    1,580, the pictures of `emoji`. There is one picture to a name: enough to find it, not to draw it

Source: Fluent Emoji by Microsoft, MIT (shipped/ATTRIBUTION.md). In these pictures the gender sets the colour of the
clothes too, and the tone that of the hair. Symbols: N pictures. Read before this: text.py, dataset.py. Read next:
people_judge.py.
"""
import functools

import numpy as np

from .dataset import Dataset, check_split, describe
from .files import SHIPPED
from .space import Space
from .text import encode, learn_pieces, pieces_of, words_of
from .translations import emoji_rows

GENDERS = ("person", "woman", "man")
TONES = ("yellow", "light", "medium-light", "medium", "medium-dark", "dark")
CELLS = len(GENDERS) * len(TONES)  # of a role
IN_VALID, IN_TEST = 2, 2  # of them
PIECES = 512


@functools.cache
def people() -> tuple:
    """(pictures (1350, 3, 24, 24), names of the roles (75,)); picture 18 r + 6 g + t has role r, gender g, tone t."""
    with np.load(SHIPPED / "people.npz") as arrays:
        image, roles = arrays["image"], tuple(map(str, arrays["role"]))
    return np.ascontiguousarray(image.reshape(-1, *image.shape[3:]).transpose(0, 3, 1, 2)), roles


def caption(cell) -> str:
    """The text of the picture of this number."""
    role = people()[1][cell // CELLS]
    if role.endswith(("hair", "beard")):
        role = f"with {role}"
    return f"a {GENDERS[cell % CELLS // len(TONES)]} {role} with {TONES[cell % len(TONES)]} skin".lower()


@functools.cache
def cell_of() -> dict:
    """Caption -> the number of its picture."""
    return {caption(cell): cell for cell in range(len(people()[0]))}


def cells_of(split) -> np.ndarray:
    """The numbers of the pictures in a split. What is withheld of a role has four different tones: so each role is
    seen with each gender, and with each tone."""
    check_split(split)
    rng, roles = np.random.default_rng(75), len(people()[1])
    tone = rng.permuted(np.tile(np.arange(len(TONES)), (roles, 1)), axis=1)[:, :IN_VALID + IN_TEST]
    cells = CELLS * np.arange(roles)[:, None] + len(TONES) * rng.integers(len(GENDERS), size=tone.shape) + tone
    withheld = {"valid": cells[:, :IN_VALID], "test": cells[:, IN_VALID:]}
    return np.sort(withheld[split].ravel()) if split in withheld else np.setdiff1d(np.arange(CELLS * roles), cells)


@functools.cache
def _people_text():
    names = words_of(cell_of())
    return Space((1 + max(len(text.split()) for text in cell_of()),), len(names), names)


def emoji_people(split) -> Dataset:
    cells, text = cells_of(split), _people_text()
    x = people()[0][cells]
    return _captioned("emoji_people", split, x, encode([caption(cell) for cell in cells], text), text)


@functools.cache
def _names_text(names):
    """The Space of pieces that come often in these names of the training split; all letters are known."""
    with np.load(SHIPPED / "emoji.npz") as arrays:
        everything = [str(name) for name in arrays["name"]]
    pieces = learn_pieces(names, PIECES, letters=set("".join(everything)) - {" "})
    return Space((1 + max(len(pieces_of(name, pieces)) for name in everything),), len(pieces), pieces)


def emoji_names(split) -> Dataset:
    with np.load(SHIPPED / "emoji.npz") as arrays:
        names = [str(name) for name in arrays["name"]]
        rows = emoji_rows(split)
        x = np.ascontiguousarray(arrays["image"][rows].transpose(0, 3, 1, 2))
    text = _names_text(tuple(names[row] for row in emoji_rows("train")))
    return _captioned("emoji_names", split, x, encode([names[row] for row in rows], text), text)


def _captioned(name, split, x, text, space):
    spaces = {"x": Space(x.shape[1:], 32), "text": space}
    return Dataset(name, split, {"x": x, "text": text}, spaces,
                   describe(name, split, x, spaces["x"], "with their names; Microsoft, MIT"))


NAMED_SETS = {"emoji_people": emoji_people, "emoji_names": emoji_names}


def load(name, split) -> Dataset:
    """The split of one of them."""
    check_split(split)
    return NAMED_SETS[name](split)
