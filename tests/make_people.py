"""Draws people.npz, shipped in minigen/data/shipped: python tests/make_people.py SOURCE FOLDER

SOURCE: as for make_emoji.py, of which only the flat colours and Unicode's names are needed.

Every role that Fluent has as a person, a woman and a man, each in yellow and in the five tones of skin, drawn as there,
and averaged to 24x24. `image` (roles, 3, 6, 24, 24, 3): gender, tone. A role is what Unicode's name says beside the
gender; one without a word for it ("farmer") is a person's.
"""
import sys
from pathlib import Path

import numpy as np
from make_emoji import FLAT, NAMES, draw, icons, key, load

TONES = ("1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff")
GENDERS = ("person", "woman", "man")


def role_and_gender(name):
    for gender in GENDERS:
        if name.startswith(f"{gender} "):
            return name[len(gender) + 1:], gender
    return name, "person"


def main(source):
    flat, words = icons(source / FLAT / "package")
    named = {key("-".join(f"{ord(c):x}" for c in emoji)): facts["name"]
             for emoji, facts in load(source / NAMES / "package" / "data-by-emoji.json").items()}
    found = {}
    for code, name in load(source / FLAT / "package" / "chars.json").items():
        name, points = words.get(name, name), key(code).split("-")
        tones = [TONES.index(point) for point in points if point in TONES]
        base = "-".join(point for point in points if point not in TONES)
        if base in named and name in flat and len(tones) <= 1:
            role, gender = role_and_gender(named[base])
            found.setdefault(role, {})[gender, 1 + tones[0] if tones else 0] = name
    cells = [(gender, tone) for gender in GENDERS for tone in range(6)]
    roles = sorted(role for role, drawn in found.items() if all(cell in drawn for cell in cells))
    image = np.stack([[draw(*flat[found[role][cell]], 24) for cell in cells] for role in roles])
    image = np.rint(image * (31 / 255)).astype(np.uint8)
    return {"image": image.reshape(len(roles), len(GENDERS), 6, *image.shape[2:]), "role": np.array(roles)}


if __name__ == "__main__":
    arrays = main(Path(sys.argv[1]))
    path = Path(sys.argv[2]) / "people.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path}: {len(arrays['role'])} roles, {path.stat().st_size:,} bytes")
