"""One file of numbers -> Examples: NumPy's arrays, a pair of IDX files, or points as text.

    x.npy, x.npz        images (N, H, W), (N, H, W, C) or (N, C, H, W), C being 1 or 3; or points (N, 2). uint8, or
                        floats in [0, 1], or bool for bits. In an npz they are its only array or that called x or
                        images; labels are called y or labels
    train-images-idx3-ubyte, .gz        images; the labels are beside them in train-labels-idx1-ubyte
    points.csv          two numbers a line, with commas, semicolons, tabs or blanks between; a header is passed over

What could be meant in two ways is refused, and the message says how to save it so that it cannot.
Read before this: formats.py, examples.py.
"""
import math
import re

import numpy as np
from PIL import Image

from . import files, formats
from .examples import Examples, row_hashes
from .pictures import FITTED, fitted

LARGEST = 2**32  # bytes that an array may have
SMALL, RATIO = 2**26, 250  # bytes that any may have, and how many times its file: what unpacks to more is no pictures
LARGEST_POINT = float(np.finfo(np.float32).max)
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
X, Y = ("x", "images", "image"), ("y", "labels", "label")  # names of arrays in an npz


def read_numpy(path, size=None) -> Examples:
    """The Examples in a .npy or .npz."""
    if path.suffix.lower() == ".npy":
        _require_size(path, *formats.npy_header(path))
        return of_arrays(np.load(path, allow_pickle=False), None, [], size)
    headers = formats.npz_headers(path)
    name, labels = _choose(headers)
    for each in filter(None, (name, labels)):
        _require_size(path, *headers[each])
    others = sorted(headers.keys() - {name, labels})
    facts = [f"array {name}"] + ([f"labels {labels}"] if labels else [])
    facts += [f"without {', '.join(others)[:80]}"] if others else []
    return of_arrays(formats.npz_array(path, name), labels and formats.npz_array(path, labels), facts, size)


def _choose(headers):
    """The names of the arrays of examples and of labels in an npz; None if there are no labels."""
    labels = [name for name in Y if name in headers]
    named, rest = [name for name in X if name in headers], [name for name in headers if name not in Y]
    chosen = named or rest
    if len(chosen) != 1 or len(labels) > 1:
        arrays = ", ".join(f"{name} {shape}" for name, (shape, _) in headers.items())[:200]
        raise ValueError(f"it holds {arrays or 'no arrays'}: call the images x and their labels, if any, y")
    return chosen[0], labels[0] if labels else None


def read_idx_pair(path, size=None) -> Examples:
    """The Examples in an IDX file of images, and in that of labels beside it if it has one of the usual names."""
    x = _idx(path)
    if x.ndim == 1:
        raise ValueError("it holds labels; give the file of the images, and they are found beside it")
    beside = path.name.replace("images", "labels").replace("idx3", "idx1")
    names = files.names_of(f"{beside.removesuffix('.gz').replace('.idx', '-idx')}.gz") if beside != path.name else []
    found = files.find(path.parent, ".", *names)
    return of_arrays(x, None if found is None else _idx(found),
                     [f"labels from '{found.name}'" if found else "no file of labels beside it"], size)


def _idx(path):
    with files.opened(path) as stream:
        try:
            return formats.read_idx(stream, _most(path))
        except files.BROKEN as error:
            raise ValueError(f"'{path.name}' is cut off or damaged, {error}") from error


def of_arrays(x, labels, facts, size=None) -> Examples:
    """The Examples of arrays: x (N, ...) as in the head of this file, labels (N,) or None. facts: what is known of them
    already. size: (H, W) that images are to have."""
    if x.ndim == 2 and x.shape[1] == 2 and len(x) and x.dtype.kind in "fiu":
        if size:
            raise ValueError("it holds points, and --size is for images")
        x, levels = _finite(x), None
        facts = [*facts, *_spread(x)]
    else:
        x, more = _channels_first(x)
        x, levels, scaled = _pixels(x)
        facts = [*facts, *more, *scaled]
        if size and x.shape[2:] != size:
            if levels != 256:
                raise ValueError("images of bits have no size in between: leave out --size")
            x, facts = _resized(x, size), [*facts, FITTED]
    if labels is not None:
        labels = _labels(labels, len(x))
    return Examples(x, levels, row_hashes(x), labels, facts)


def _finite(x):
    """Points as float32, where all of them are numbers that it has."""
    with np.errstate(over="ignore"):
        points = x.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        raise ValueError(f"row {bad[0]} is {x[bad[0]]}; leave out what is NaN or infinite")
    return points


def _channels_first(x):
    """x (N, H, W), (N, H, W, C) or (N, C, H, W) -> (N, C, H, W), and in words which it was."""
    if x.ndim == 3 and x.shape[2] > 4:
        return x[:, None], ["gray"]
    first, last = (x.ndim == 4 and x.shape[axis] in (1, 3) for axis in (1, 3))
    if first and last:
        raise ValueError(f"it has shape {x.shape}: is its axis 1 or its axis 3 the channels? Both could be; pad the "
                         "images, so that height and width are neither 1 nor 3")
    if not first and not last:
        hint = "; one image alone is no data set" if x.ndim in (2, 3) else "; leave out an alpha channel, x[..., :3]"
        raise ValueError(f"it has shape {x.shape}, expected images (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 "
                         f"channels, or points (N, 2){hint}")
    x = x if first else x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x), [f"{'gray' if x.shape[1] == 1 else 'RGB'}, channels {'first' if first else 'last'}"]


def _pixels(x):
    """Images as they are stored -> uint8, how many levels, in words how they were scaled."""
    if not x.size or x.dtype.kind not in "fiub":
        raise ValueError(f"it holds {x.dtype} of shape {x.shape}, expected numbers, and some")
    if x.dtype == bool:
        return x.astype(np.uint8), 2, ["bits"]
    low, high = x.min(), x.max()
    if x.dtype.kind == "f" and 0 <= low and high <= 1:  # false for NaN
        return (x * x.dtype.type(255) + x.dtype.type(0.5)).astype(np.uint8), 256, ["floats times 255, rounded"]
    if x.dtype != np.uint8:
        raise ValueError(f"it holds {x.dtype} from {low} to {high}, expected uint8, floats in [0, 1], bool for bits; "
                         "save it so, e.g. (x + 1) / 2 for [-1, 1], x.astype('uint8') for integers up to 255")
    if high < 32:
        raise ValueError(f"it holds uint8 from {low} to {high}, and white is 255: save bits as bool, and other levels "
                         f"stretched, e.g. x / {max(high, 1)}")
    return x, 256, []


def _resized(x, size):
    """The middle of images uint8 (N, C, H, W), resized."""
    pictures = (Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)) for image in x)
    y = np.stack([np.asarray(fitted(picture, size)) for picture in pictures])
    return y[:, None] if x.shape[1] == 1 else np.ascontiguousarray(y.transpose(0, 3, 1, 2))


def _labels(labels, N):
    if labels.shape != (N,) or labels.dtype.kind not in "iuU":
        raise ValueError(f"its labels are {labels.dtype} of shape {labels.shape}, expected ({N},) of integers or "
                         "strings, one for each example")
    return labels


def _require_size(path, shape, dtype):
    size = math.prod(shape) * dtype.itemsize
    if size > _most(path):
        raise ValueError(f"it holds {shape} of {dtype}, {size:,} bytes; no more than {_most(path):,} are read from a "
                         "file of its size")


def _most(path):
    """How many bytes are read from a file, unpacked."""
    return min(LARGEST, max(SMALL, RATIO * path.stat().st_size))


# -- points ----------------------------------------------------------------------------------------------

def read_points(path) -> Examples:
    """The points in a text: two numbers a line. ValueError names the first line that is anything else."""
    points, header = [], None
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                fields = _fields(line)
                if header is None and not points and fields and not any(map(NUMBER.fullmatch, fields)):
                    header = line.strip()[:40]
                elif fields:
                    points.append(_point(fields, f"line {number} is '{line.strip()[:40]}'"))
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    if not points:
        raise ValueError("it holds no points: expected two numbers a line")
    x = np.array(points, np.float32)
    return Examples(x, None, row_hashes(x), None, ([f"header '{header}'"] if header else []) + _spread(x))


def _fields(line):
    """What stands between tabs, else semicolons, else commas, else blanks; nothing of an empty line."""
    mark = next((mark for mark in "\t;," if mark in line), None)
    return [field.strip() for field in line.split(mark)] if line.strip() else []


def _point(fields, where):
    """(x1, x2) as two fields spell it. Python would also take 1_000, and 1e39 is no float32."""
    if len(fields) == 2 and all(map(NUMBER.fullmatch, fields)):
        point = tuple(map(float, fields))
        if max(map(abs, point)) <= LARGEST_POINT:
            return point
    raise ValueError(f"{where}, expected two numbers, finite ones")


def _spread(x):
    """In words, where points lie: nothing scales them, and models here are made for a few units around 0."""
    return [f"from {x.min():.3g} to {x.max():.3g}, not scaled"]
