"""Draws emoji.npz, shipped in minigen/data/shipped: python tests/make_emoji.py SOURCE FOLDER

    npm pack @iconify-json/fluent-emoji-flat@1.2.6 @iconify-json/fluent-emoji-high-contrast@1.2.6 unicode-emoji-json@0.9.0
    (each unpacked in SOURCE, into a folder of the archive's name)        pip install resvg-py==0.5.0

Every emoji that Fluent has both in flat colours and as a line drawing, and that Unicode names, without those of other
skin tones. They are drawn at 96x96 on white, and averaged to 32x32; colours are rounded to 5 bits (a stored 31 is 255),
the gray of lines to 4 (15). Both styles say of themselves that they are MIT, or nothing is drawn.
"""
import io
import json
import sys
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

FLAT, LINES = "iconify-json-fluent-emoji-flat-1.2.6", "iconify-json-fluent-emoji-high-contrast-1.2.6"
NAMES = "unicode-emoji-json-0.9.0"
TONES = {"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"}


def load(path):
    return json.loads(path.read_text("utf-8"))


def icons(package):
    """(name -> the icon's SVG, name -> the name that it is another word for) of a style."""
    if load(package / "info.json")["license"]["spdx"] != "MIT":
        raise ValueError(f"{package} is not MIT: it cannot be shipped like this")
    known = load(package / "icons.json")
    aliases = {name: alias["parent"] for name, alias in known.get("aliases", {}).items() if set(alias) == {"parent"}}
    size = known.get("width", 16), known.get("height", 16)
    return {name: (icon["body"], icon.get("width", size[0]), icon.get("height", size[1]))
            for name, icon in known["icons"].items()}, aliases


def key(code):
    """Code points without the one that only asks for colours."""
    return "-".join(point for point in code.lower().split("-") if point != "fe0f")


def draw(body, width, height, size=32):
    """(size, size, 3) on [0, 255]."""
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="96" height="96" '
           f'viewBox="0 0 {width} {height}" color="#000">{body}</svg>')
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=96, height=96, background="#ffffff"))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float32)
    return pixels.reshape(size, 96 // size, size, 96 // size, 3).mean(axis=(1, 3))


def main(source):
    flat, words = icons(source / FLAT / "package")
    lines, _ = icons(source / LINES / "package")
    unicode = load(source / NAMES / "package" / "data-by-emoji.json")
    named = {key("-".join(f"{ord(c):x}" for c in emoji)): facts["name"] for emoji, facts in unicode.items()}
    found = {}
    for code, name in load(source / FLAT / "package" / "chars.json").items():
        name, code = words.get(name, name), key(code)
        if name in flat and name in lines and code in named and not TONES & set(code.split("-")):
            found[code] = name
    codes = sorted(found)
    image = np.stack([draw(*flat[found[code]]) for code in codes])
    gray = np.stack([draw(*lines[found[code]])[..., 0] for code in codes])
    return {"name": np.array([named[code] for code in codes]), "image": np.rint(image * (31 / 255)).astype(np.uint8),
            "lines": np.rint(gray * (15 / 255)).astype(np.uint8)}


if __name__ == "__main__":
    arrays = main(Path(sys.argv[1]))
    path = Path(sys.argv[2]) / "emoji.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path}: {len(arrays['name']):,} emoji, {path.stat().st_size:,} bytes")
