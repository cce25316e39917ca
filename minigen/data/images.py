"""The image sets: where each comes from and how it is split.

  digits           1,797 8x8, values 0..16. Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI
                   1998; 1000/350/447 in stored order (Tomczak's convention, the only published one)
  mnist10k         the first 10,000 MNIST training images, shipped; 8000/1000/1000 in stored order
  mnist            60,000 + 10,000 28x28. LeCun, Bottou, Bengio & Haffner 1998; 50,000/10,000/10,000
  fashion_mnist    the same sizes and format. Xiao, Rasul & Vollgraf 2017
  binarized_mnist  MNIST drawn once as bits: the files of Larochelle & Murray 2011 that published
                   likelihoods refer to (Salakhutdinov & Murray 2008); 50,000/10,000/10,000, no labels
  cifar10          50,000 + 10,000 3x32x32. Krizhevsky 2009; 45,000/5,000/10,000
  critters         4,000 drawings of small creatures 3x32x32, values 0..31, shipped; no two are alike. Labels are the
                   14 shapes of body. DiceBear, CC0; 3200/400/400 in stored order
  kinds            8 kinds of drawing, 540 of each: creatures, people, landscapes, ..., as critters. DiceBear and Pablo
                   Stanley, CC0; 3456/432/432, as many of each kind in every split
  faces            faces 3x16x16, composed at random, each split with its own seed; labels are the colours of hair. See
                   faces.py, which knows the picture of every edit. DiceBear, CC0; 10,000/1,000/1,000

Where a set has one training file, its last images are the valid split. The loaders take (split, root) and
return x uint8 (N, C, H, W), y int64 (N,) or None.

What is read is the published set, or an error: by its SHA-256 where that is known, else by what is known of it, how
many examples each class has and how bright the mean pixel is. Black images of the right shape are no data set.
"""

import hashlib
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import faces as drawn_faces
from . import formats
from .files import SHIPPED, Remote, contents, find, read, user_folder

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_BINARIZED = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"

TRAIN_X, TRAIN_Y = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_X, TEST_Y = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
IDX_BYTES = {TRAIN_X: 16 + 60_000 * 784, TRAIN_Y: 8 + 60_000, TEST_X: 16 + 10_000 * 784, TEST_Y: 8 + 10_000}


def _idx_file(home, name, **checksum):
    return Remote(home, name, IDX_BYTES[name], **checksum)


# (images, labels); SHA-256 of the decompressed files
MNIST = {
    "train": (
        _idx_file(_MNIST, TRAIN_X, sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        _idx_file(_MNIST, TRAIN_Y, sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5")),
    "test": (
        _idx_file(_MNIST, TEST_X, sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        _idx_file(_MNIST, TEST_Y, sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")),
}

# MD5 of the gzipped files, as their authors publish them
FASHION = {
    "train": (
        _idx_file(_FASHION, TRAIN_X, md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        _idx_file(_FASHION, TRAIN_Y, md5="25c81989df183df01b3e8a0aad5dffbe")),
    "test": (
        _idx_file(_FASHION, TEST_X, md5="bef4ecab320f06d8554ea6380940ec79"),
        _idx_file(_FASHION, TEST_Y, md5="bb300cfdad3c16e7a12a480ee83cd310")),
}
FASHION_MEAN = (72.9,)  # of all pixels; of the test images it is 73.1

BINARIZED_SIZE = {"train": 50_000, "valid": 10_000, "test": 10_000}
BINARIZED = {split: Remote(_BINARIZED, f"binarized_mnist_{split}.amat", N * 784 * 2 + 2 * N)
             for split, N in BINARIZED_SIZE.items()}
BINARIZED_SHA256 = {  # of the bits, packed eight to a byte; of the test file only size and mean are checked
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
}
BINARIZED_MEAN = (0.131,)  # of the training bits; MNIST's test images have a mean of 0.1325

CIFAR_FOLDERS = {"cifar-10-batches-bin": (".bin", formats.cifar_records),
                 "cifar-10-batches-py": ("", formats.cifar_pickle)}
CIFAR_MEAN = (125.3, 123.0, 113.9)  # red, green, blue; of the test images 126.0, 123.7, 114.8
CIFAR = Remote("https://www.cs.toronto.edu/~kriz/", "cifar-10-binary.tar.gz", 200_000_000,
               md5="c32a1d4ab5d03f1284b67883e8d87530")


def digits(split, root):
    return _shipped("digits.npz", split, {"train": 1000, "valid": 350, "test": 447})


def mnist10k(split, root):
    return _shipped("mnist10k.npz", split, {"train": 8000, "valid": 1000, "test": 1000})


def critters(split, root):
    with np.load(SHIPPED / "critters.npz") as arrays:
        return _cut(_channels_first(arrays["image"]), arrays["body"], split,
                    {"train": 3200, "valid": 400, "test": 400})


def critters_parts(split):
    """The parts that each is composed of, integers (N, 8): body, eyes, ..."""
    with np.load(SHIPPED / "critters.npz") as arrays:
        parts = np.stack([arrays[part] for part in CRITTER_PARTS], axis=1)
        return _cut(parts, parts, split, {"train": 3200, "valid": 400, "test": 400})[1]


def kinds(split, root):
    """Stored kind by kind; here one of each in turn."""
    with np.load(SHIPPED / "kinds.npz") as arrays:
        in_turn = np.arange(8 * 540).reshape(8, 540).T.ravel()
        return _cut(_channels_first(arrays["image"][in_turn]), arrays["label"][in_turn], split,
                    {"train": 3456, "valid": 432, "test": 432})


def faces(split, root):
    attributes = drawn_faces.of_split(split)
    return drawn_faces.compose(attributes), attributes["hair colour"]


def mnist(split, root):
    return _idx_pair("mnist", MNIST, _plain, split, root)


def fashion_mnist(split, root):
    return _idx_pair("fashion_mnist", FASHION, _checked_fashion, split, root)


def binarized_mnist(split, root):
    """From binarized_mnist.npz in the user's folder (bits packed along axis 1) if it has the split, else
    from the text file."""
    packed = find(user_folder(root), "binarized_mnist", "binarized_mnist.npz")
    if packed:
        try:
            headers = formats.npz_headers(packed)
            if split in headers:
                expected = ((BINARIZED_SIZE[split], 98), np.dtype(np.uint8))
                if headers[split] != expected:
                    raise ValueError("{} holds {} of {}, expected {} of {}".format(split, *headers[split], *expected))
                return _bit_images(np.unpackbits(formats.npz_array(packed, split), axis=1), split), None
        except ValueError as error:
            raise ValueError(f"binarized_mnist: {packed} is not usable: {error}") from error
    try:
        return read("binarized_mnist", BINARIZED[split],
                    lambda raw: _bit_images(formats.amat(raw), split), root), None
    except FileNotFoundError as error:
        if packed:
            raise FileNotFoundError(f"{error} ({packed} has no {split} split)") from error
        raise


def cifar10(split, root):
    """From the folder into which the archive, or that for Python, is unpacked if the user has one, else from it."""
    parts = ["test_batch"] if split == "test" else [f"data_batch_{i}" for i in range(1, 6)]
    unpacked = _unpacked_cifar(parts, root)
    if unpacked is None:
        bins = [f"{part}.bin" for part in parts]
        unpacked = read("cifar10", CIFAR, lambda raw: _checked_cifar(*formats.cifar(raw, bins)), root)
    x, y = unpacked
    return _cut(x, y, split, {"test": 10_000} if split == "test" else {"train": 45_000, "valid": 5_000})


class ImageSet(NamedTuple):
    load: Callable  # (split, root) -> x, y
    levels: int
    source: str
    classes: tuple = ()  # their names; none where there are no labels
    parts: Callable | None = None  # split -> integers (N, A), where it is known what an image is composed of


NUMERALS = tuple("0123456789")
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BODIES = ("bell", "blob", "block", "chimney", "dome", "lean", "peak", "round", "squat", "steps", "tilt", "tower",
          "wedge", "inverse wedge")
CRITTER_PARTS = "body", "eyes", "mouth", "top", "pattern", "cheeks", "body_colour", "background_colour"
KINDS = "critters", "people", "landscape", "planets", "voxel art", "moods", "sprouts", "cutouts"

IMAGE_SETS = {
    "digits": ImageSet(digits, 17, "UCI, CC BY 4.0", NUMERALS),
    "mnist10k": ImageSet(mnist10k, 256, "from MNIST's first 10,000 training images", NUMERALS),
    "mnist": ImageSet(mnist, 256, "LeCun et al. 1998", NUMERALS),
    "fashion_mnist": ImageSet(fashion_mnist, 256, "Xiao et al. 2017", CLOTHES),
    "binarized_mnist": ImageSet(binarized_mnist, 2, "fixed binarization, Larochelle & Murray 2011"),
    "cifar10": ImageSet(cifar10, 256, "Krizhevsky 2009", THINGS),
    "critters": ImageSet(critters, 32, "DiceBear, CC0", BODIES, critters_parts),
    "faces": ImageSet(faces, 256, "DiceBear, CC0", drawn_faces.HAIR_COLOURS),
    "kinds": ImageSet(kinds, 32, "DiceBear and Pablo Stanley, CC0", KINDS),
}


def _shipped(file, split, sizes):
    with np.load(SHIPPED / file) as arrays:
        return _cut(arrays["images"][:, None], arrays["labels"], split, sizes)


def _channels_first(x):
    """(N, H, W, C) -> (N, C, H, W)."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _idx_pair(name, files, checked, split, root):
    """Images and labels in two IDX files; checked: (x, y) -> None raises ValueError where they are not the published
    ones."""
    images, labels = files["test" if split == "test" else "train"]
    y = read(name, labels, formats.idx, root)
    x = read(name, images, formats.idx, root)
    if x.shape[1:] != (28, 28) or y.shape != (len(x),):
        raise ValueError(f"{name}: {images.name} holds {x.shape}, {labels.name} {y.shape}: not a pair")
    try:
        checked(x, y)
    except ValueError as error:
        raise ValueError(f"{name}: {images.name} and {labels.name} are not usable: {error}") from error
    sizes = {"test": 10_000} if split == "test" else {"train": 50_000, "valid": 10_000}
    return _cut(x[:, None], y, split, sizes)


def _plain(x, y):
    """Their SHA-256 was right."""


def _checked_fashion(x, y):
    """Its files have MNIST's names; but its classes are equally frequent, and MNIST's are not."""
    if np.ptp(np.bincount(y, minlength=10)) or y.max(initial=0) > 9:
        raise ValueError("these are not Fashion-MNIST's labels, whose classes are equally frequent; "
                         "keep the two sets in folders mnist and fashion_mnist")
    _require_mean(x[:, None], FASHION_MEAN, 2)


def _unpacked_cifar(parts, root):
    """(x, y) from the .bin files, or from those for Python, in the user's folder; None if they are not there."""
    folder = user_folder(root)
    for name, (suffix, decode) in CIFAR_FOLDERS.items():
        found = [find(folder, "cifar10", f"{name}/{part}{suffix}", f"{part}{suffix}") for part in parts]
        if all(found):
            try:
                decoded = [decode(contents(path, 2**25)) for path in found]  # they have 31 MB
                return _checked_cifar(*(np.concatenate(part) for part in zip(*decoded)))
            except ValueError as error:
                raise ValueError(f"cifar10: {found[0].parent} is not usable: {error}; replace it by what is in "
                                 f"{CIFAR.home}{CIFAR.name}") from error
    return None


def _checked_cifar(x, y):
    if y.max() > 9 or np.ptp(np.bincount(y, minlength=10)):
        counts = dict(zip(*(values.tolist() for values in np.unique(y, return_counts=True))))
        raise ValueError(f"these are not CIFAR-10's labels, 0 to 9 and equally frequent; they are {str(counts)[:200]}")
    _require_mean(x, CIFAR_MEAN, 3)
    return x, y


def _bit_images(bits, split):
    """Bits (N, 784) -> images (N, 1, 28, 28), after a check that they are the published ones."""
    if bits.shape != (BINARIZED_SIZE[split], 784):
        raise ValueError(f"{split} holds {bits.shape}, expected {(BINARIZED_SIZE[split], 784)}")
    digest = hashlib.sha256(np.packbits(bits, axis=1).tobytes()).hexdigest()
    if digest != BINARIZED_SHA256.get(split, digest):
        raise ValueError(f"wrong checksum, SHA-256 of the packed bits is {digest}")
    x = bits.reshape(-1, 1, 28, 28)
    _require_mean(x, BINARIZED_MEAN, 0.005)
    return x


def _require_mean(x, expected, tolerance):
    """ValueError unless the mean pixel of each channel is within the tolerance of the published images'."""
    means = [float(channel.mean()) for channel in x.swapaxes(0, 1)]
    if not all(math.isclose(a, b, abs_tol=tolerance) for a, b in zip(means, expected)):
        found, wanted = (", ".join(f"{mean:.4g}" for mean in each) for each in (means, expected))
        raise ValueError(f"these are not the published images: their mean pixel is {found}, expected {wanted} "
                         f"within {tolerance}")


def _cut(x, y, split, sizes):
    """The part of x, y that `split` names; `sizes` in stored order. A copy, so that the rest can be freed."""
    if len(x) != sum(sizes.values()):
        raise ValueError(f"expected {sum(sizes.values())} examples, found {len(x)}")
    start = sum(list(sizes.values())[:list(sizes).index(split)])
    chosen = slice(start, start + sizes[split])
    return x[chosen].copy(), y[chosen].astype(np.int64)
