"""Conditions on the command line: what a model can be told, as options made from its data's Spaces.

    labels     --y 3 7, --y trouser           numbers or names of classes; a row of samples for each
    texts      --text "a red square" ...      words, each one of the tokens' names, in small or capital letters
    images     --source drawing.png, --source test     a file, or the first images of a split

Read before this: data/space.py, evaluate.py. Used by: cli.py.
"""
import importlib
from pathlib import Path

import numpy as np

from . import data
from .data.text import encode
from .evaluate import conditions

SHOWN = 8  # images of a split


def asked_conditions(model, dataset, arguments, parser_class) -> dict:
    """condition -> entries (k, ...) of what the arguments of the command line ask for. Ends the program, with one line,
    for arguments that the model does not know."""
    parser = parser_class(prog="minigen sample RUN", add_help=False)
    for name in conditions(model):
        parser.add_argument(f"--{name}", nargs="+", metavar="VALUE")
    known = vars(parser.parse_args(arguments))
    return {name: entries(values, name, dataset) for name, values in known.items() if values}


def entries(values, name, dataset) -> np.ndarray:
    """Texts of the command line as entries (k, ...) of a column. ValueError that names the option."""
    space = dataset.spaces[name]
    try:
        if space.is_image:
            return np.concatenate([_images(value, name, dataset) for value in values])
        return np.stack([_parsed(value, space) for value in values])
    except ValueError as error:
        raise ValueError(f"--{name}: {error}") from None


def _parsed(text, space):
    """One entry of labels or tokens. Texts are padded with token 0."""
    if space.shape == ():
        return np.int64(space.index(text))
    return encode([text], space)[0]


def _images(value, name, dataset):
    """The first images of a split, or the image in a file."""
    if value in data.SPLITS:
        return data.load(dataset.name, value)[name][:SHOWN]
    C, H, W = dataset.spaces[name].shape
    if not Path(value).is_file():
        raise ValueError(f"'{value}' is neither a file nor one of {', '.join(data.SPLITS)}")
    try:
        with importlib.import_module("PIL.Image").open(value) as picture:
            pixels = np.asarray(picture.convert("L" if C == 1 else "RGB"))
    except OSError as error:
        raise ValueError(f"'{value}' is not an image that can be read ({error})") from None
    if pixels.shape[:2] != (H, W):
        raise ValueError(f"'{value}' has {pixels.shape[1]} x {pixels.shape[0]} pixels, expected {W} x {H}")
    levels = dataset.spaces[name].levels
    quantized = np.round(pixels / 255 * (levels - 1)).astype(np.uint8)
    return quantized.reshape(1, H, W, C).transpose(0, 3, 1, 2)
