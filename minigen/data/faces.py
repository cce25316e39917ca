"""Faces: drawings of 16 x 16 pixels, composed of parts, so that the picture of any edit is known exactly.

    x <- t x + a c + k          for each part in turn, from the head to the hat: a layer drawn in colour c over the rest

t, a (16, 16) and k (16, 16, 3) are stored for each of 140 parts: alpha compositing is linear in what lies below and in
the colour. So there are as many labelled faces as one likes, and for each the same face with other hair, or with
glasses: what a model of edits should have drawn.

A face is described by its attributes: the number of each part's variant, 0 where there is none, and the number of each
colour. The numbers are drawn independently of each other.

Source: "Pixel Art" by DiceBear, CC0 (shipped/ATTRIBUTION.md). Symbols: n faces. Read before this: space.py.
"""
import functools

import numpy as np

from .dataset import SPLITS
from .files import SHIPPED

SIZE = 16
PARTS = {  # name -> how often a face has it
    "head": 1.0, "accessories": 0.1, "clothes": 1.0, "eyes": 1.0, "glasses": 0.3, "beard": 0.15, "mouth": 1.0,
    "hair": 1.0, "hat": 0.2}
COLOURS = {  # name -> the parts that have it
    "skin": ("head",), "accessories": ("accessories",), "clothing": ("clothes",), "eyes": ("eyes",),
    "glasses": ("glasses",), "hair": ("beard", "hair"), "mouth": ("mouth",), "hat": ("hat",)}
HAIR_COLOURS = ("sand", "brown", "hazel", "ash", "maroon", "chestnut", "auburn", "black", "blue", "red", "green")
SIZES = {"train": 10_000, "valid": 1000, "test": 1000}
CHUNK = 1000  # faces that are composed at a time


@functools.cache
def layers():
    """(part -> (t, a, k) of its variants, the first of which changes nothing; colour name -> (number, 3), 0 .. 255)."""
    with np.load(SHIPPED / "faces.npz") as arrays:
        parts = {name: _with_none(np.float32(arrays[name])) for name in PARTS}
        return parts, {name: np.float32(arrays[f"colour_{name}"]) for name in COLOURS}


def _with_none(stored):
    """stored (variants, 16, 16, 5): t, a and the three of k, 0 .. 255."""
    t, a, k = stored[..., :1] / 255, stored[..., 1:2] / 255, stored[..., 2:]
    nothing = lambda x, value: np.concatenate([np.full_like(x[:1], value), x])
    return nothing(t, 1), nothing(a, 0), nothing(k, 0)


def counts() -> dict:
    """attribute -> how many values it can take. Parts are called by their name, colours "hair colour" and so on."""
    parts, colours = layers()
    return {name: len(t) for name, (t, _, _) in parts.items()} | {
        f"{name} colour": len(values) for name, values in colours.items()}


def draw_attributes(n, rng) -> dict:
    """attribute -> (n,) integers, drawn at random, each independently of the others."""
    drawn = {}
    for name, count in counts().items():
        if name in PARTS:
            variant = rng.integers(1, count, n)
            drawn[name] = np.where(rng.random(n) < PARTS[name], variant, 0)
        else:
            drawn[name] = rng.integers(count, size=n)
    return drawn


def of_split(split) -> dict:
    """The attributes of the faces in a split of the data set `faces`, in its order."""
    return draw_attributes(SIZES[split], np.random.default_rng([SPLITS.index(split), *b"faces"]))


def compose(attributes) -> np.ndarray:
    """The faces (n, 3, 16, 16), uint8, that attributes describe. ValueError for one that is missing or unknown."""
    numbers = counts()
    for name in {**numbers, **attributes}:
        if name not in attributes or name not in numbers:
            known = "is missing" if name in numbers else f"is none of {', '.join(numbers)}"
            raise ValueError(f"faces: attribute '{name}' {known}")
        values = np.asarray(attributes[name])
        if values.dtype.kind not in "iu" or values.size and not (0 <= values.min() and values.max() < numbers[name]):
            raise ValueError(f"faces: attribute '{name}' must be integers from 0 to {numbers[name] - 1}, got {values}")
    n = len(attributes["head"])
    faces = [_composed({name: values[i : i + CHUNK] for name, values in attributes.items()})
             for i in range(0, n, CHUNK)]
    return np.concatenate([np.zeros((0, 3, SIZE, SIZE), np.uint8), *faces])


def _composed(attributes):
    parts, colours = layers()
    colour_of = {part: name for name, painted in COLOURS.items() for part in painted}
    x = np.full((len(attributes["head"]), SIZE, SIZE, 3), 255, np.float32)
    for name, (t, a, k) in parts.items():
        variant = attributes[name]
        colour = colours[colour_of[name]][attributes[f"{colour_of[name]} colour"]]
        x = t[variant] * x + a[variant] * colour[:, None, None] + k[variant]
    return np.rint(x).clip(0, 255).astype(np.uint8).transpose(0, 3, 1, 2)


def edited(attributes, **changes) -> dict:
    """The attributes with some of them set to one value for all faces: edited(a, glasses=3, hair_colour=8)."""
    n = len(attributes["head"])
    return attributes | {name.replace("_", " "): np.full(n, value) for name, value in changes.items()}
