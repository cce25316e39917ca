"""The catalogue: a data set by its name."""

import difflib

import numpy as np

from . import toys
from .dataset import SPLITS, Dataset, check_split, describe
from .images import IMAGE_SETS
from .space import Space

TOY_SIZES = {"train": 20_000, "valid": 5_000, "test": 5_000}


def names():
    """Every name that `load` knows, images first."""
    return [*IMAGE_SETS, *toys.TOYS]


def load(name, split="train", root=None):
    """The `split` ("train", "valid", "test") of a data set as a Dataset. Splits are the same every time.

    `digits`, `mnist10k` and the 2-D toys need no network. The others are looked for in the folder `root`
    (default: the environment variable MINIGEN_DATA), then in the cache, then downloaded once and checked.
    Raises ValueError for an unknown name or split and for broken files, FileNotFoundError where a file
    can be had from nowhere.
    """
    check_split(split)
    if name in IMAGE_SETS:
        read, levels, source, classes = IMAGE_SETS[name]
        x, y = read(split, root)
    elif name in toys.TOYS:
        rng = np.random.default_rng([SPLITS.index(split), *name.encode()])  # no seed that a user would choose
        x, y = toys.sample_toy(name, TOY_SIZES[split], rng)
        levels, source, classes = None, "sampled with a fixed seed", ()
    else:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names())}"
        raise ValueError(f"unknown data set {name!r}: {hint}")
    space = Space(x.shape[1:], levels)
    columns, spaces = {"x": x}, {"x": space}
    if y is not None:
        columns["y"], spaces["y"] = y, Space((), len(classes) or toys.TOYS[name].components, classes)
    return Dataset(name, split, columns, spaces, describe(name, split, x, space, source))
