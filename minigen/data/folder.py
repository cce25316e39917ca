"""A folder of image files -> Examples: decoded once, then kept in the cache.

    photos/a.png b.jpg ...              no labels
    photos/cats/a.png dogs/b.jpg ...    the sub-folder is the label, whatever lies deeper

What could be meant in two ways is asked, not guessed: images of several sizes without `size`, images beside
sub-folders with images, sub-folders that are called train and test. Damaged files are named and left out.

The cache holds the pixels of each folder and size under a key of where the folder is, with a digest of its listing
(names, sizes and times of all images): files that change are decoded again.
Read before this: pictures.py, examples.py.
"""
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import checkpoint
from . import files
from .examples import Examples, content_hash
from .pictures import ENDINGS, FITTED, fitted, read_picture

DECODING = 1  # raised when what is made of a file changes, so that no older cache is used
LARGEST, LARGEST_FILE = 2**32, 2**28  # bytes of all pixels together, and of one file
SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}


def read_folder(folder, size=None) -> Examples:
    """The images in a folder. size: (H, W), or None if they all have one size.

    ValueError where there is nothing to decode, or a choice to be made; the message says which.
    """
    found, others = image_files(folder)
    if not found:
        raise ValueError(f"'{folder}' holds no images ({' '.join(ENDINGS)}); it holds {files.listing(folder)}")
    labels = sub_folders(folder, found)
    listing = _listing_digest(folder, found)
    key = hashlib.blake2b(f"{os.fspath(folder)} {size}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    cached = files.cache_folder() / "own" / f"{key}.safetensors"
    tensors, kept = _from_cache(cached, listing)
    if tensors is None:
        tensors, kept = _decode(folder, found, size)
        kept["listing"] = listing
        _into_cache(cached, tensors, kept)
    facts = list(kept["facts"])
    if others:
        facts.append(f"files of other kinds not read: {others:,}")
    labels = None if labels is None else np.array(labels)[tensors["rows"]]
    return Examples(tensors["x"], 256, tensors["hashes"], labels, facts)


def image_files(folder):
    """(the paths of all image files in and below a folder, sorted, how many other files there are). Hidden ones, and
    those of macOS's archives, do not count. Links are followed, but into no folder twice."""
    found, others, seen = [], 0, set()
    for place, folders, names in os.walk(folder, followlinks=True):
        here = os.stat(place)
        if (here.st_dev, here.st_ino) in seen:
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in names:
            path = Path(place, name)
            if name.startswith(".") or not path.is_file():  # a pipe would be waited for
                continue
            if path.suffix.lower() in ENDINGS:
                found.append(path)
            else:
                others += 1
    return sorted(found), others


def sub_folders(folder, found):
    """The name of the sub-folder of each file, its label; None where all lie in the folder itself, or in one below."""
    parents = [path.relative_to(folder).parts[0] if path.parent != folder else None for path in found]
    names = set(parents) - {None}
    if None in parents and names:
        raise ValueError(f"'{folder}' holds images, and sub-folders with images ({_few(sorted(names))}): are those "
                         "labels? Put every image into a sub-folder, its label, or none")
    if names and {name.lower() for name in names} <= SPLIT_NAMES:
        raise ValueError(f"'{folder}' holds sub-folders {_few(sorted(names))}, which are splits rather than labels; "
                         f"splits are made here, by content: give one of them, e.g. '{folder / min(names)}'")
    return parents if len(names) > 1 else None


# -- decoding --------------------------------------------------------------------------------------------

def _decode(folder, found, size):
    """(arrays x uint8 (N, C, H, W), hashes, rows: which files they are from; facts: in words, what was done)."""
    pixels, hashes, rows, done, broken, shape, first = None, [], [], set(), [], size, None
    for row, path in enumerate(tqdm(found, desc="decoding images", unit="file", disable=None, leave=False)):
        name = path.relative_to(folder)
        try:
            raw = _contents(path)
            picture, to_it = read_picture(raw)
        except (OSError, ValueError) as error:
            broken.append(f"'{name}' ({getattr(error, 'strerror', None) or error})")
            continue
        H, W = picture.height, picture.width
        if shape is None:
            shape, first = (H, W), name
        if (H, W) != shape and size is None:
            raise ValueError(f"images in '{folder}' have several sizes: '{first}' is {shape[0]}x{shape[1]} (height"
                             f" x width), '{name}' {H}x{W}; give one size for all, e.g. --size 32")
        if (H, W) != shape:
            picture, to_it = fitted(picture, shape), {*to_it, FITTED}
        if pixels is None:
            pixels = _room(len(found), shape)
        pixels[len(rows)] = np.asarray(picture).transpose(2, 0, 1)
        hashes.append(content_hash(raw))
        rows.append(row)
        done |= to_it
    if not rows:
        raise ValueError(f"none of the {len(found):,} images in '{folder}' can be read: {_few(broken)}")
    if broken:
        _say(f"left out {len(broken):,} of {len(found):,} files in '{folder}': {_few(broken)}")
        done.add(f"damaged files left out: {len(broken):,}")
    x = pixels[:len(rows)]
    gray = np.array_equal(x[:, 0], x[:, 1]) and np.array_equal(x[:, 0], x[:, 2])
    x = x[:, :1] if gray else x
    facts = [f"{len(rows):,} image files, {'gray' if gray else 'RGB'}", *sorted(done)]
    return {"x": x, "hashes": np.array(hashes, np.uint64), "rows": np.array(rows, np.int64)}, {"facts": facts}


def _room(N, shape):
    if N * 3 * shape[0] * shape[1] > LARGEST:
        raise ValueError(f"{N:,} images of {shape[0]}x{shape[1]} pixels do not fit into memory: give a smaller size, "
                         "e.g. --size 32")
    return np.empty((N, 3, *shape), np.uint8)


def _contents(path):
    """The bytes of an image file. ValueError where it is too large to be one."""
    with open(path, "rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise ValueError(f"more than {LARGEST_FILE:,} bytes")
    return raw


# -- the cache -------------------------------------------------------------------------------------------

def _listing_digest(folder, found):
    """Changes with the name, the size and the time of any file."""
    total = hashlib.blake2b(str(DECODING).encode(), digest_size=16)
    for path in found:
        about = path.stat()
        total.update(os.fsencode(path.relative_to(folder)) + f"\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
    return total.hexdigest()


def _from_cache(path, listing):
    """What was decoded of this very listing; (None, None) if it was not, or is damaged."""
    try:
        tensors, kept = checkpoint.load(path)
    except (OSError, ValueError):
        return None, None
    return (tensors, kept) if kept.get("listing") == listing else (None, None)


def _into_cache(path, tensors, kept):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, tensors, kept)
    except OSError as error:
        _say(f"what was decoded is not kept ({error.strerror}: '{path}'), and will be decoded again")


def _few(names, most=5):
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _say(line):
    tqdm.write(line, file=sys.stderr)
