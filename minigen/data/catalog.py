"""The catalogue: a data set by its name, or by the path of a user's own."""

import difflib
import os

import numpy as np

from . import molecules, named, own, toys, translations
from .dataset import SPLITS, Dataset, check_split, describe
from .images import IMAGE_SETS
from .shapes.pairs import SIDES, load_shapes
from .space import Space

TEXT_SETS = ("qm9",)  # of tokens
CAPTIONED = tuple(SIDES)  # images with captions, as many as one likes
NAMED = tuple(named.NAMED_SETS)  # pictures with names
TOY_SIZES = {"train": 20_000, "valid": 5_000, "test": 5_000}


def names():
    """Every name that `load` knows, images first."""
    return [*IMAGE_SETS, *CAPTIONED, *NAMED, *translations.TRANSLATION_SETS, *TEXT_SETS, *toys.TOYS]


def resolve(name) -> str:
    """A known name as it is, the path of a file or a folder made absolute. ValueError for what is neither, with the
    nearest that is."""
    name = os.fspath(name)
    if name in names():
        return name
    if own.exists(name):
        return os.path.abspath(os.path.expanduser(name))
    folder, last = os.path.split(name)
    beside = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
    near = difflib.get_close_matches(name, names(), n=1)
    near = near or [os.path.join(folder, file) for file in difflib.get_close_matches(last, beside, n=1)]
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names())}"
    raise ValueError(f"no data set, file or folder is called '{name[:200]}'; {hint}")


def load(name, split="train", root=None, size=None):
    """The `split` ("train", "valid", "test") of a data set as a Dataset. Splits are the same every time.

    name: a known name, or the path of a user's own data: see own.py. Those that are shipped or drawn need no network.
    The others are looked for in the folder `root` (default: the environment variable MINIGEN_DATA), then in the cache,
    then downloaded once and checked. size: of a user's own images, 32 or "32x48" (height first); they are
    cut to the shape, and resized.
    Raises ValueError for an unknown name or split and for broken files, FileNotFoundError where a file
    can be had from nowhere.
    """
    check_split(split)
    name = resolve(name)
    if name not in names():
        return own.load_own(name, split, size)
    if size is not None:
        raise ValueError(f"{name} has examples of one size: --size is for images of your own")
    if name in translations.TRANSLATION_SETS:
        return translations.load(name, split)
    if name in NAMED:
        return named.load(name, split)
    if name in TEXT_SETS:
        return _molecules(name, split)
    if name in CAPTIONED:
        return load_shapes(name, split)
    parts = None
    if name in IMAGE_SETS:
        read, levels, source, classes, parts = IMAGE_SETS[name]
        x, y = read(split, root)
    else:
        rng = np.random.default_rng([SPLITS.index(split), *name.encode()])  # no seed that a user would choose
        x, y = toys.sample_toy(name, TOY_SIZES[split], rng)
        levels, source, classes = None, "sampled with a fixed seed", ()
    space = Space(x.shape[1:], levels)
    columns, spaces = {"x": x}, {"x": space}
    if y is not None:
        columns["y"], spaces["y"] = y, Space((), len(classes) or toys.TOYS[name].components, classes)
    if parts is not None:
        columns["parts"] = parts(split)
        spaces["parts"] = Space(columns["parts"].shape[1:], int(parts("train").max()) + 1)
    return Dataset(name, split, columns, spaces, describe(name, split, x, space, source))


def _molecules(name, split):
    x, properties = molecules.qm9(split)
    spaces = {"x": Space(x.shape[1:], len(molecules.NAMES), molecules.NAMES), "properties": Space(properties.shape[1:])}
    note = describe(name, split, x, spaces["x"], "Ramakrishnan et al. 2014, MIT")
    return Dataset(name, split, {"x": x, "properties": properties}, spaces, note)
