"""Makes faces.npz, shipped in minigen/data/shipped: python tests/make_faces.py FOLDER

    pip install dicebear-core==10.7.0 dicebear-styles==10.6.0 resvg-py

A part drawn in colour c over a picture b gives t b + a c + k, as alpha compositing is linear in both. Three drawings
(black on black, white on black, black on white) give k, a and t exactly. At the end the faces that these layers compose
are compared with DiceBear's own drawings. Source: "Pixel Art" by DiceBear, CC0 1.0.
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

SLOTS = {"head": "skin", "accessories": "accessories", "clothes": "clothing", "eyes": "eyes", "glasses": "glasses",
         "beard": "hair", "mouth": "mouth", "hair": "hair", "hat": "hat"}  # part, in order -> its colour
STYLE = json.loads((importlib.resources.files("dicebear_styles") / "pixel-art.json").read_text("utf-8"))


def markup(element, colour):
    """SVG of an element of the style's tree. The mask of a beard takes the luminance of the hair's colour: here it is
    white, so that a beard is linear too."""
    if element["type"] == "component":
        return ""
    colour = "#ffffff" if element["name"] == "mask" else colour
    attributes = " ".join(f'{key}="{colour if isinstance(value, dict) else value}"'
                          for key, value in element.get("attributes", {}).items())
    inner = "".join(markup(child, colour) for child in element.get("children", []))
    return f'<{element["name"]} {attributes}>{inner}</{element["name"]}>'


def draw(elements, transform, colour, ground):
    body = "".join(markup(element, colour) for element in elements)
    svg = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" width="16" height="16">'
           f'<g transform="{transform}">{body}</g></svg>')
    return rendered(svg, ground).astype(np.int16)


def rendered(svg, ground):
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=16, height=16, background=ground))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def layer(elements, transform):
    """t, a and k of a part, (16, 16, 5)."""
    k = draw(elements, transform, "#000000", "#000000")
    a = draw(elements, transform, "#ffffff", "#000000") - k
    t = draw(elements, transform, "#000000", "#ffffff") - k
    if (a != a[..., :1]).any() or (t != t[..., :1]).any() or min(a.min(), t.min()) < 0:
        raise ValueError("a part is no layer of one colour")
    return np.concatenate([t[..., :1], a[..., :1], k], axis=-1).astype(np.uint8)


def stored():
    """The arrays of the file."""
    canvas = STYLE["canvas"]["elements"]
    places = {element["name"]: element.get("attributes", {}).get("transform", "")
              for element in canvas if element["type"] == "component"}
    arrays = {}
    for part in SLOTS:
        head = {"head": {"elements": [element for element in canvas if element["type"] == "element"]}}
        variants = head if part == "head" else STYLE["components"][part]["variants"]
        arrays[part] = np.stack([layer(variant["elements"], places.get(part, "")) for variant in variants.values()])
        arrays[f"{part}_name"] = np.array(list(variants))
    for slot, colour in STYLE["colors"].items():
        arrays[f"colour_{slot}"] = np.array([rgb(value) for value in colour["values"]], np.uint8)
    return arrays


def rgb(text):
    return [int(text[i : i + 2], 16) for i in (1, 3, 5)]


def largest_difference(arrays, faces=500):
    """From DiceBear's own drawings, of 255; of faces without a beard."""
    style, largest = Style(STYLE), 0.0
    for seed in range(faces):
        avatar = Avatar(style, {"seed": str(seed), "size": 16})
        options = avatar.to_json()["options"]
        if options.get("beardVariant"):
            continue
        x = np.full((16, 16, 3), 255.0)
        for part, slot in SLOTS.items():
            variant = "head" if part == "head" else options.get(f"{part}Variant")
            if variant:
                t, a, k = np.split(arrays[part][list(arrays[f"{part}_name"]).index(variant)] / 1.0, (1, 2), axis=-1)
                x = t / 255 * x + a / 255 * np.array(rgb(options[f"{slot}Color"][0])) + k
        largest = max(largest, abs(x - rendered(avatar.to_string(), "#ffffff")).max())
    return largest


if __name__ == "__main__":
    found = stored()
    np.savez_compressed(Path(sys.argv[1]) / "faces.npz", **found)
    print(f"faces.npz; largest difference from DiceBear's drawings, of 255: {largest_difference(found):.2f}")
