"""Molecules as text: QM9, 130,831 small ones, each a line of SMILES with three properties that were computed for it.

    x             tokens (N, 29): characters of the line, then 0, "end", to the end
    properties    (N, 3): gap in hartree (between the highest orbital that is full and the lowest that is empty), dipole
                  moment in debye, polarizability in bohr^3

Ramakrishnan, Dral, Rupp & von Lilienfeld, "Quantum chemistry structures and properties of 134 kilo molecules",
Scientific Data 1, 2014: all molecules of at most nine atoms C N O F, and hydrogens, that chemistry allows, by the rules
of GDB-17. Stored order goes by size, so splits are of a fixed random order. The test split is large on purpose: what a
model has drawn and the training set has not can be looked up in it, with its true properties.

Symbols: N molecules, T tokens, K characters. Read before this: smiles.py, space.py. Read next: catalog.py.
"""
import functools
from pathlib import Path

import numpy as np

CHARACTERS = "CONF12345=#()[]H+-"
NAMES = ("end", *CHARACTERS)  # of the tokens 0, 1, ...
LONGEST = 28  # characters
PROPERTIES = ("gap", "dipole", "polarizability")
UNITS = {"gap": 1e-4, "dipole": 1e-2, "polarizability": 1e-2}  # that the file counts in
SIZES = {"train": 65_831, "valid": 10_000, "test": 55_000}
SHIPPED = Path(__file__).parent / "shipped"


def encode(texts) -> np.ndarray:
    """Lines of SMILES as tokens, int64 (N, 29). ValueError for other characters, or lines that are too long."""
    x = np.zeros((len(texts), LONGEST + 1), np.int64)
    for row, text in zip(x, texts):
        if len(text) > LONGEST or not set(text) <= set(CHARACTERS):
            raise ValueError(f"'{text[:60]}' is no line of at most {LONGEST} of the characters {CHARACTERS}")
        row[:len(text)] = [NAMES.index(character) for character in text]
    return x


def decode(x) -> list:
    """Tokens (N, T) as lines of SMILES: what stands before the first end."""
    return ["".join(NAMES[token] for token in row).partition("end")[0] for row in np.asarray(x)]


@functools.cache
def _all():
    """x and properties of all molecules, in stored order."""
    with np.load(SHIPPED / "qm9.npz") as arrays:
        text = arrays["text"]
        properties = np.stack([np.float32(arrays[name] * UNITS[name]) for name in PROPERTIES], axis=1)
    token = np.zeros(128, np.int64)
    token[[ord(character) for character in CHARACTERS]] = np.arange(1, len(NAMES))
    ends = np.flatnonzero(np.append(text, ord("\n")) == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(LONGEST + 1)
    inside = place < (ends - starts)[:, None]
    at = np.minimum(starts[:, None] + place, len(text) - 1)
    return np.where(inside, token[text[at]], 0), properties


def qm9(split):
    """(x, properties) of a split."""
    x, properties = _all()
    order = np.random.default_rng(9).permutation(len(x))
    start = sum(list(SIZES.values())[:list(SIZES).index(split)])
    chosen = order[start:start + SIZES[split]]
    return x[chosen], properties[chosen]
