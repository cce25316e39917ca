"""The catalogue, the Dataset and the two shipped sets, which must load with no network."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from minigen import data
from minigen.data import images, toys
from minigen.data.dataset import Dataset


def joined(name):
    parts = [data.load(name, split) for split in data.SPLITS]
    return np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])


def test_digits_are_the_published_ones_in_stored_order():
    x, y = joined("digits")
    assert x.shape == (1797, 1, 8, 8) and x.dtype == np.uint8 and x.max() == 16
    assert x[0, 0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]  # scikit-learn's documented first row
    assert y[:10].tolist() == list(range(10)) and y.dtype == np.int64
    digest = hashlib.sha256(x.tobytes() + y.astype(np.uint8).tobytes()).hexdigest()
    assert digest == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_mnist10k_is_the_head_of_the_training_file():
    x, y = joined("mnist10k")
    assert x.shape == (10_000, 1, 28, 28) and x.max() == 255
    assert y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    digest = hashlib.sha256(x.tobytes() + y.astype(np.uint8).tobytes()).hexdigest()
    assert digest == "2e49afdffc567fd5f9f306a04e2bafced2432146ae04f4b9a58b25505ba05b2e"


def test_independent_pixels_on_digits_reach_the_published_figure():
    """106.4 nats on the test split: fails if the split, its order or the levels are off."""
    train, test = (data.load("digits", split).x.reshape(-1, 64) for split in ("train", "test"))
    counts = np.stack([(train == level).sum(axis=0) for level in range(17)]) + 1.0  # add-one smoothing
    log_p = np.log(counts / counts.sum(axis=0))
    nll = -log_p[test, np.arange(64)].sum(axis=1).mean()
    assert nll == pytest.approx(106.4, abs=0.5)


@pytest.mark.parametrize("name, sizes", [("digits", (1000, 350, 447)), ("mnist10k", (8000, 1000, 1000))])
def test_splits_have_their_sizes(name, sizes):
    assert tuple(len(data.load(name, split)) for split in data.SPLITS) == sizes


def test_shipped_files_are_small_and_attributed():
    files = {path.name: path for path in images.SHIPPED.iterdir()}
    assert set(files) == {"digits.npz", "mnist10k.npz", "ATTRIBUTION.md"}
    assert all(path.stat().st_size < 2e6 for path in files.values())
    assert "CC BY 4.0" in files["ATTRIBUTION.md"].read_text()


def test_shipped_sets_load_without_any_socket():
    code = ("import socket\n"
            "def refuse(*a, **k): raise AssertionError('network touched')\n"
            "socket.socket.connect = socket.getaddrinfo = refuse\n"
            "from minigen import data\n"
            "print(len(data.load('digits')), len(data.load('mnist10k')), len(data.load('ring')))")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                         cwd=images.SHIPPED.parents[2])
    assert run.stdout.split() == ["1000", "8000", "20000"], run.stderr


def test_note_and_repr_name_split_size_and_source():
    test = data.load("digits", "test")
    assert test.note == "digits test split, 447 images 8x8, 17 levels (UCI, CC BY 4.0)"
    assert repr(test) == f"<Dataset {test.note}; 10 classes>"
    assert test.image_shape == (1, 8, 8) and test.levels == 17
    assert data.load("ring", "valid").note == "ring valid split, 5,000 points (sampled with a fixed seed)"


def test_toys_are_the_same_every_time_and_differ_between_splits():
    for name in toys.TOYS:
        first, again = data.load(name), data.load(name)
        assert first.x.dtype == np.float32 and first.levels is None and first.image_shape == (2,)
        assert np.array_equal(first.x, again.x)
        assert not np.array_equal(data.load(name, "valid").x, data.load(name, "test").x)


def test_toys_are_not_what_a_user_gets_with_a_small_seed():
    for seed in range(3):
        fresh, _ = data.sample_toy("ring", 5000, np.random.default_rng(seed))
        assert not any(np.array_equal(fresh, data.load("ring", split).x) for split in ("valid", "test"))


def test_names_lists_everything():
    assert set(data.names()) == {
        "digits", "mnist10k", "mnist", "fashion_mnist", "binarized_mnist", "cifar10",
        "two_moons", "eight_gaussians", "pinwheel", "checkerboard", "swiss_roll", "ring", "u1", "u2", "u3", "u4"}


@pytest.mark.parametrize("wrong, right", [
    ("mnsit", "mnist"), ("digit", "digits"), ("FashionMNIST", "known are"), ("two_moon", "two_moons")])
def test_unknown_name_suggests_the_nearest(wrong, right):
    with pytest.raises(ValueError, match=right) as caught:
        data.load(wrong)
    assert wrong in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_split_lists_the_splits():
    with pytest.raises(ValueError, match="'validation'.*train, valid, test"):
        data.load("digits", "validation")


IMAGES = np.zeros((4, 1, 2, 2), np.uint8)
POINTS = np.zeros((4, 2), np.float32)


@pytest.mark.parametrize("message, change", [
    ("uint8", {"x": IMAGES.astype(np.float32)}),
    (r"\(N, C, H, W\)", {"x": IMAGES[:, 0]}),
    ("levels=2 allows values 0..1, found 2", {"x": IMAGES + np.uint8(2), "levels": 2}),
    ("float32", {"x": POINTS.astype(float), "levels": None}),
    ("need levels", {"x": IMAGES, "levels": None}),
    ("point 2 is .*nan.*; leave out", {"x": POINTS + np.float32([[0], [0], [np.nan], [np.inf]]), "levels": None}),
    ("empty", {"x": IMAGES[:0], "y": None}),
    (r"int64 \(4,\)", {"y": np.zeros(3, np.int64)}),
    ("int64", {"y": np.zeros(4, np.uint8)}),
    ("split='all'", {"split": "all"}),
])
def test_dataset_rejects(message, change):
    good = {"name": "d", "split": "train", "x": IMAGES, "y": np.zeros(4, np.int64), "levels": 256, "note": ""}
    Dataset(**good)
    with pytest.raises(ValueError, match=message):
        Dataset(**(good | change))
