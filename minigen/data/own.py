"""A user's own data, by the path where they are: a folder of images, or a file of arrays, images or points.

Read before this: examples.py, then folder.py or arrays.py. Used by: catalog.py.
"""
import os
import re
from pathlib import Path

from . import arrays, files
from .dataset import Dataset
from .examples import split_of
from .folder import read_folder
from .pictures import ENDINGS

TEXTS, NUMPY = (".csv", ".tsv", ".txt"), (".npy", ".npz")


def exists(path) -> bool:
    """Whether there is a file or a folder. False for what can be no path."""
    return os.path.exists(_expanded(path))


def load_own(path, split, size=None) -> Dataset:
    """One split of what is at a path. size: that images are to have, None for that which they have.

    The Dataset is named after the whole path. ValueError says what is wrong with the data; OSError where they cannot be
    read.
    """
    path = Path(os.path.abspath(_expanded(path)))
    size = None if size is None else parse_size(size)
    if path.is_dir():
        return split_of(read_folder(path, size), split, str(path), path)
    try:
        examples = _read_file(path, size)
    except ValueError as error:
        raise ValueError(f"'{path}' is not usable: {error}") from error
    return split_of(examples, split, str(path), path)


def _read_file(path, size):
    ending = path.suffix.lower()
    if not path.is_file():
        raise ValueError("it is neither a folder nor a regular file")
    if ending in NUMPY:
        return arrays.read_numpy(path, size)
    if ending in TEXTS:
        if size:
            raise ValueError("it holds points, and --size is for images")
        return arrays.read_points(path)
    if ending in ENDINGS:
        raise ValueError("one image is no data set; give the folder that it is in")
    try:
        with files.opened(path) as stream:
            magic = stream.read(3)
    except files.BROKEN as error:
        raise ValueError(f"cut off or damaged, {error}") from error
    if magic == b"\x00\x00\x08":
        return arrays.read_idx_pair(path, size)
    raise ValueError(f"it is none of what is read here: a folder of images ({' '.join(ENDINGS)}), arrays "
                     f"({' '.join(NUMPY)}), IDX, or points ({' '.join(TEXTS)})")


def parse_size(size) -> tuple:
    """(H, W) of 32, "32", "32x48" (height first) or (32, 48). ValueError for anything else."""
    text = size if isinstance(size, str) else "x".join(map(str, size if isinstance(size, (tuple, list)) else [size]))
    match = re.fullmatch(r"([1-9]\d{0,3})(?:x([1-9]\d{0,3}))?", text, re.ASCII)
    if not match:
        raise ValueError(f"size is '{text[:40]}', expected pixels, such as 32, or height and width, such as 32x48")
    return int(match[1]), int(match[2] or match[1])


def _expanded(path):
    return os.path.expanduser(os.fspath(path))
