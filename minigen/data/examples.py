"""Examples of a user's own, and how they are cut into splits: by what they are, not by what they are called.

A hash of each example's content says which split it is in: 80 % train, 10 % valid, 10 % test. So the splits are the
same whatever the files are called and in whatever order they come, a copy of an example is in the same split as the
example, and no example changes its split when others are added.

Symbols: N examples. Read next: own.py.
"""
import hashlib
from typing import NamedTuple

import numpy as np

from .dataset import Dataset, describe
from .space import Space

TENTHS = {"train": range(8), "valid": range(8, 9), "test": range(9, 10)}


class Examples(NamedTuple):
    """x: (N, ...) as a Dataset holds it. levels: of its pixels, None for points. hashes: uint64 (N,), of each content.
    labels: (N,) of strings or integers, or None. facts: in words, what was decided on the way."""

    x: np.ndarray
    levels: int | None
    hashes: np.ndarray
    labels: np.ndarray | None
    facts: list


def content_hash(raw) -> int:
    """64 bits of BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big")


def row_hashes(x):
    """uint64 (N,): the hash of each row of an array (N, ...)."""
    return np.fromiter((content_hash(row.tobytes()) for row in x), np.uint64, len(x))


def split_of(examples, split, name, path) -> Dataset:
    """The Dataset of one split. name: of the Dataset. path: where the examples are from. ValueError if it would be
    empty."""
    order = np.argsort(examples.hashes, kind="stable")
    chosen = order[np.isin(examples.hashes[order] % 10, TENTHS[split])]
    if not len(chosen):
        raise ValueError(f"'{path}' has {len(examples.x):,} examples, and none of them falls into the {split} split; "
                         "each has its split by a hash of its content, a tenth are valid, a tenth test: add examples")
    x = examples.x[chosen]
    columns, spaces, facts = {"x": x}, {"x": Space(x.shape[1:], examples.levels)}, examples.facts
    if examples.labels is not None:
        y, spaces["y"] = classes(examples.labels)
        columns["y"] = y[chosen]
        facts = [*facts, f"{spaces['y'].levels} classes"]
    note = describe(path.name[:60], split, x, spaces["x"], f"{path}: {', '.join(facts)}")
    return Dataset(name, split, columns, spaces, note)


def classes(labels):
    """Labels (N,) of strings or integers -> y int64 (N,), their Space. The names of classes are the strings, or the
    integers where these are not 0..K-1 as they stand."""
    values, y = np.unique(labels, return_inverse=True)
    plain = labels.dtype.kind in "iu" and values[0] == 0 and values[-1] == len(values) - 1
    return y.astype(np.int64), Space((), len(values), () if plain else tuple(map(str, values)))
