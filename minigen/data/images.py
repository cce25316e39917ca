"""The image sets: where each comes from and how it is split.

  digits           1,797 8x8, values 0..16. Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI
                   1998; 1000/350/447 in stored order (Tomczak's convention, the only published one)
  mnist10k         the first 10,000 MNIST training images, shipped; 8000/1000/1000 in stored order
  mnist            60,000 + 10,000 28x28. LeCun, Bottou, Bengio & Haffner 1998; 50,000/10,000/10,000
  fashion_mnist    the same sizes and format. Xiao, Rasul & Vollgraf 2017
  binarized_mnist  MNIST drawn once as bits: the files of Larochelle & Murray 2011 that published
                   likelihoods refer to (Salakhutdinov & Murray 2008); 50,000/10,000/10,000, no labels
  cifar10          50,000 + 10,000 3x32x32. Krizhevsky 2009; 45,000/5,000/10,000

Where a set has one training file, its last images are the valid split. The loaders take (split, root) and
return x uint8 (N, C, H, W), y int64 (N,) or None.
"""

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from . import formats
from .dataset import SPLITS
from .files import Remote, find, read, user_folder

SHIPPED = Path(__file__).parent / "shipped"

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_BINARIZED = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"

# SHA-256 of the decompressed files; (images, labels).
MNIST = {
    "train": (
        Remote(_MNIST, "train-images-idx3-ubyte.gz",
               sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        Remote(_MNIST, "train-labels-idx1-ubyte.gz",
               sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5")),
    "test": (
        Remote(_MNIST, "t10k-images-idx3-ubyte.gz",
               sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        Remote(_MNIST, "t10k-labels-idx1-ubyte.gz",
               sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")),
}

# MD5 of the gzipped files, as their authors publish them.
FASHION = {
    "train": (
        Remote(_FASHION, "train-images-idx3-ubyte.gz", md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        Remote(_FASHION, "train-labels-idx1-ubyte.gz", md5="25c81989df183df01b3e8a0aad5dffbe")),
    "test": (
        Remote(_FASHION, "t10k-images-idx3-ubyte.gz", md5="bef4ecab320f06d8554ea6380940ec79"),
        Remote(_FASHION, "t10k-labels-idx1-ubyte.gz", md5="bb300cfdad3c16e7a12a480ee83cd310")),
}

BINARIZED = {split: Remote(_BINARIZED, f"binarized_mnist_{split}.amat") for split in SPLITS}
BINARIZED_SIZE = {"train": 50_000, "valid": 10_000, "test": 10_000}
BINARIZED_SHA256 = {  # of the bits, packed eight to a byte; of the test file only size and values are checked
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
}

CIFAR = Remote("https://www.cs.toronto.edu/~kriz/", "cifar-10-binary.tar.gz",
               md5="c32a1d4ab5d03f1284b67883e8d87530")


def digits(split, root):
    return _shipped("digits.npz", split, {"train": 1000, "valid": 350, "test": 447})


def mnist10k(split, root):
    return _shipped("mnist10k.npz", split, {"train": 8000, "valid": 1000, "test": 1000})


def mnist(split, root):
    return _idx_pair("mnist", MNIST, formats.idx, split, root)


def fashion_mnist(split, root):
    return _idx_pair("fashion_mnist", FASHION, _fashion_labels, split, root)


def binarized_mnist(split, root):
    """From binarized_mnist.npz in the user's folder (bits packed along axis 1) if it has the split, else
    from the text file."""
    packed = find(user_folder(root), "binarized_mnist", "binarized_mnist.npz")
    if packed:
        try:
            with np.load(packed) as arrays:
                if split in arrays:
                    return _bit_images(np.unpackbits(arrays[split], axis=1), split), None
        except (ValueError, TypeError, EOFError, BadZipFile, zlib.error) as error:
            raise ValueError(f"binarized_mnist: {packed} is not usable: {error}") from error
    try:
        return read("binarized_mnist", BINARIZED[split],
                    lambda contents: _bit_images(formats.amat(contents), split), root), None
    except FileNotFoundError as error:
        if packed:
            raise FileNotFoundError(f"{error} ({packed} has no {split} split)") from error
        raise


def cifar10(split, root):
    files = ["test_batch.bin"] if split == "test" else [f"data_batch_{i}.bin" for i in range(1, 6)]
    x, y = read("cifar10", CIFAR, lambda contents: formats.cifar(contents, files), root)
    return _cut(x, y, split, {"test": 10_000} if split == "test" else {"train": 45_000, "valid": 5_000})


class ImageSet(NamedTuple):
    load: Callable  # (split, root) -> x, y
    levels: int
    source: str
    classes: tuple = ()  # their names; none where there are no labels


NUMERALS = tuple("0123456789")
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

IMAGE_SETS = {
    "digits": ImageSet(digits, 17, "UCI, CC BY 4.0", NUMERALS),
    "mnist10k": ImageSet(mnist10k, 256, "from MNIST's first 10,000 training images", NUMERALS),
    "mnist": ImageSet(mnist, 256, "LeCun et al. 1998", NUMERALS),
    "fashion_mnist": ImageSet(fashion_mnist, 256, "Xiao et al. 2017", CLOTHES),
    "binarized_mnist": ImageSet(binarized_mnist, 2, "fixed binarization, Larochelle & Murray 2011"),
    "cifar10": ImageSet(cifar10, 256, "Krizhevsky 2009", THINGS),
}


def _shipped(file, split, sizes):
    with np.load(SHIPPED / file) as arrays:
        return _cut(arrays["images"][:, None], arrays["labels"], split, sizes)


def _idx_pair(name, files, decode_labels, split, root):
    images, labels = files["test" if split == "test" else "train"]
    y = read(name, labels, decode_labels, root)
    x = read(name, images, formats.idx, root)
    if x.shape[1:] != (28, 28) or len(x) != len(y):
        raise ValueError(f"{name}: {images.name} holds {x.shape}, {labels.name} {y.shape}: not a pair")
    sizes = {"test": 10_000} if split == "test" else {"train": 50_000, "valid": 10_000}
    return _cut(x[:, None], y, split, sizes)


def _fashion_labels(contents):
    """Its files have MNIST's names; but its classes are equally frequent, and MNIST's are not."""
    y = formats.idx(contents)
    if np.ptp(np.bincount(y.ravel(), minlength=10)):
        raise ValueError("these are not Fashion-MNIST's labels, whose classes are equally frequent; "
                         "keep the two sets in folders mnist and fashion_mnist")
    return y


def _bit_images(bits, split):
    """Bits (N, 784) -> images (N, 1, 28, 28), after a check that they are the published ones."""
    if bits.shape != (BINARIZED_SIZE[split], 784):
        raise ValueError(f"{split} holds {bits.shape}, expected {(BINARIZED_SIZE[split], 784)}")
    digest = hashlib.sha256(np.packbits(bits, axis=1).tobytes()).hexdigest()
    if digest != BINARIZED_SHA256.get(split, digest):
        raise ValueError(f"wrong checksum, SHA-256 of the packed bits is {digest}")
    return bits.reshape(-1, 1, 28, 28)


def _cut(x, y, split, sizes):
    """The part of x, y that `split` names; `sizes` in stored order. A copy, so that the rest can be freed."""
    if len(x) != sum(sizes.values()):
        raise ValueError(f"expected {sum(sizes.values())} examples, found {len(x)}")
    start = sum(list(sizes.values())[:list(sizes).index(split)])
    chosen = slice(start, start + sizes[split])
    return x[chosen].copy(), y[chosen].astype(np.int64)
