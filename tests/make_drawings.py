"""Draws critters.npz and kinds.npz, shipped in minigen/data/shipped: python tests/make_drawings.py FOLDER

    pip install dicebear-core==10.7.0 dicebear-styles==10.6.0 resvg-py

Drawings are random compositions of parts, one for each seed. They are drawn at 96x96, averaged to 32x32, and each colour
is rounded to 5 bits: a stored 31 is a colour's 255. Every style says of itself that it is CC0 1.0, or nothing is drawn.
"""
import importlib.resources
import io
import json
import sys
from pathlib import Path

import numpy as np
import resvg_py
from dicebear import Avatar, Style
from PIL import Image

KINDS = "critters", "open-peeps", "landscape", "planets", "voxel-art", "moods", "sprouts", "cutouts"
PARTS = "body", "eyes", "mouth", "top", "pattern", "cheeks"
COLOURS = "body", "background"


def load(name):
    """The style of this name."""
    definition = json.loads((importlib.resources.files("dicebear_styles") / f"{name}.json").read_text("utf-8"))
    if definition["meta"]["license"]["name"] != "CC0 1.0":
        raise ValueError(f"{name} is not CC0: it cannot be shipped")
    return Style(definition)


def draw(style, seed):
    """(the drawing (32, 32, 3), 0..31; what it is composed of)."""
    avatar = Avatar(style, {"seed": seed, "size": 96})
    png = bytes(resvg_py.svg_to_bytes(svg_string=avatar.to_string(), width=96, height=96, background="#ffffff"))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float32)
    small = pixels.reshape(32, 3, 32, 3, 3).mean(axis=(1, 3))
    return np.rint(small * (31 / 255)).astype(np.uint8), avatar.to_json()["options"]


def kinds(each=540):
    image = [draw(style, f"{name}{i}")[0] for name in KINDS for style in [load(name)] for i in range(each)]
    return {"image": np.stack(image), "label": np.repeat(np.arange(len(KINDS)), each).astype(np.uint8),
            "kind": np.array(KINDS)}


def critters(n=4000):
    style = load("critters")
    image, options = zip(*(draw(style, str(i)) for i in range(n)))
    labels = {part: [option.get(f"{part}Variant") or "none" for option in options] for part in PARTS}
    labels |= {f"{part}_colour": [option[f"{part}Color"][0] for option in options] for part in COLOURS}
    arrays = {"image": np.stack(image)}
    for name, values in labels.items():
        arrays[f"{name}_name"], places = np.unique(values, return_inverse=True)
        arrays[name] = places.astype(np.uint8)
    return arrays


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    np.savez_compressed(folder / "critters.npz", **critters())
    np.savez_compressed(folder / "kinds.npz", **kinds())
