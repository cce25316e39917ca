"""Makes the data files that are shipped in minigen/data/shipped: python tests/make_data.py FOLDER

FOLDER holds digits.npz (images (1797, 8, 8) and labels, the test part of UCI's Optical Recognition of
Handwritten Digits) and mnist/ with the original IDX files. The first 10,000 MNIST training images are taken.
Sources are checked by SHA-256 before anything is written.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from minigen.data import formats
from minigen.data.files import read
from minigen.data.images import MNIST, SHIPPED

# Of the images, then the labels, as bytes.
DIGITS_SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def main(folder):
    with np.load(Path(folder) / "digits.npz") as source:
        digits = source["images"], source["labels"]
    if hashlib.sha256(digits[0].tobytes() + digits[1].tobytes()).hexdigest() != DIGITS_SHA256:
        raise ValueError(f"{folder}/digits.npz is not the expected data")
    mnist = [read("mnist", remote, formats.idx, root=folder)[:10_000] for remote in MNIST["train"]]

    for name, (images, labels) in {"digits": digits, "mnist10k": mnist}.items():
        path = SHIPPED / f"{name}.npz"
        np.savez_compressed(path, images=images, labels=labels)
        print(f"{path.name}: {len(images)} images, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
