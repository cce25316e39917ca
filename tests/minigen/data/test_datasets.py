"""The catalogue, Dataset and Unpaired, and the two shipped sets, which must load with no network."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from minigen import data
from minigen.data import Dataset, Space, Unpaired, images, toys


def joined(name):
    parts = [data.load(name, split) for split in data.SPLITS]
    return (np.concatenate([part[column] for part in parts]) for column in "xy")


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


def test_critters_are_in_stored_order_and_labelled():
    x, y = joined("critters")
    assert x.shape == (4000, 3, 32, 32) and x.dtype == np.uint8 and (x.min(), x.max()) == (0, 31)
    digest = hashlib.sha256(x.transpose(0, 2, 3, 1).tobytes() + y.astype(np.uint8).tobytes()).hexdigest()
    assert digest == "0f1a3cba01ddd381811afe13f198b82ccc60aef8be5f39ba0b47c72877666748"
    assert len(np.unique(x.reshape(4000, -1), axis=0)) == 4000
    with np.load(images.SHIPPED / "critters.npz") as arrays:
        assert [name.replace("wedgeInv", "inverse wedge") for name in arrays["body_name"]] == list(images.BODIES)


def test_kinds_are_equally_frequent_in_every_split():
    parts = [data.load("kinds", split) for split in data.SPLITS]
    for part in parts:
        assert len(set(np.bincount(part["y"], minlength=8))) == 1
        assert part.spaces["x"] == Space((3, 32, 32), 32) and part.spaces["y"].names == images.KINDS
    with np.load(images.SHIPPED / "kinds.npz") as arrays:
        stored = arrays["image"][arrays["label"] == 5].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(np.concatenate([part["x"][part["y"] == 5] for part in parts]), stored)


def test_independent_pixels_on_digits_reach_the_published_figure():
    """106.4 nats on the test split: fails if the split, its order or the levels are off."""
    train, test = (data.load("digits", split)["x"].reshape(-1, 64) for split in ("train", "test"))
    counts = np.stack([(train == level).sum(axis=0) for level in range(17)]) + 1.0  # add-one smoothing
    log_p = np.log(counts / counts.sum(axis=0))
    nll = -log_p[test, np.arange(64)].sum(axis=1).mean()
    assert nll == pytest.approx(106.4, abs=0.5)


@pytest.mark.parametrize("name, sizes", [("digits", (1000, 350, 447)), ("mnist10k", (8000, 1000, 1000)),
                                         ("critters", (3200, 400, 400)), ("kinds", (3456, 432, 432)), ("faces", (10_000, 1000, 1000)),
                                         ("emoji", (1138, 126, 316)), ("emoji_people", (1050, 150, 150)),
                                         ("emoji_names", (1138, 126, 316)), ("face_edits", (4000, 500, 500))])
def test_splits_have_their_sizes(name, sizes):
    assert tuple(len(data.load(name, split)) for split in data.SPLITS) == sizes


def test_shipped_files_are_small_and_attributed():
    files = {path.name: path for path in images.SHIPPED.iterdir()}
    assert set(files) == {"digits.npz", "mnist10k.npz", "critters.npz", "kinds.npz", "faces.npz", "qm9.npz",
                          "emoji.npz", "people.npz", "ATTRIBUTION.md"}
    assert all(path.stat().st_size < 2e6 for path in files.values())
    assert all(name in files["ATTRIBUTION.md"].read_text() for name in files if name.endswith("npz"))
    assert "CC BY 4.0" in files["ATTRIBUTION.md"].read_text()
    for holder in "2024 Raghu", "Microsoft Corporation":  # the notices that MIT asks for
        assert f"Copyright (c) {holder}" in files["ATTRIBUTION.md"].read_text()
    assert files["ATTRIBUTION.md"].read_text().count("THE SOFTWARE IS PROVIDED") == 2


def test_shipped_sets_load_without_any_socket():
    code = ("import socket\n"
            "def refuse(*a, **k): raise AssertionError('network touched')\n"
            "socket.socket.connect = socket.getaddrinfo = refuse\n"
            "from minigen import data\n"
            "print(*(len(data.load(name)) for name in ('digits', 'mnist10k', 'qm9', 'ring')))")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                         cwd=images.SHIPPED.parents[2])
    assert run.stdout.split() == ["1000", "8000", "65831", "20000"], run.stderr


def test_note_and_repr_name_split_size_and_source():
    test = data.load("digits", "test")
    assert test.note == "digits test split, 447 images 8x8, 17 levels (UCI, CC BY 4.0)"
    assert repr(test) == f"<Dataset {test.note}; x (447, 1, 8, 8), y (447,)>"
    assert data.load("ring", "valid").note == "ring valid split, 5,000 points (sampled with a fixed seed)"


def test_toys_are_the_same_every_time_and_differ_between_splits():
    for name in toys.TOYS:
        first, again = data.load(name), data.load(name)
        assert first["x"].dtype == np.float32 and first.spaces["x"] == Space((2,))
        assert np.array_equal(first["x"], again["x"])
        assert not np.array_equal(data.load(name, "valid")["x"], data.load(name, "test")["x"])


def test_toys_are_not_what_a_user_gets_with_a_small_seed():
    for seed in range(3):
        fresh, _ = data.sample_toy("ring", 5000, np.random.default_rng(seed))
        assert not any(np.array_equal(fresh, data.load("ring", split)["x"]) for split in ("valid", "test"))


def test_names_lists_everything():
    assert set(data.names()) == {
        "digits", "mnist10k", "mnist", "fashion_mnist", "binarized_mnist", "cifar10", "critters", "kinds", "faces", "shapes16",
        "shapes32", "emoji", "emoji_people", "emoji_names", "face_edits", "glyphs", "qm9",
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


@pytest.mark.parametrize("name, spaces", [
    ("digits", {"x": Space((1, 8, 8), 17), "y": Space((), 10, tuple("0123456789"))}),
    ("mnist10k", {"x": Space((1, 28, 28), 256), "y": Space((), 10, tuple("0123456789"))}),
    ("eight_gaussians", {"x": Space((2,)), "y": Space((), 8)}),
    ("two_moons", {"x": Space((2,)), "y": Space((), 2)}),
    ("ring", {"x": Space((2,))}),
    ("u1", {"x": Space((2,))}),
])
def test_spaces(name, spaces):
    assert data.load(name, "valid").spaces == spaces


# Columns

IMAGES = np.arange(16, dtype=np.uint8).reshape(4, 1, 2, 2)
COLUMNS = {  # one of each kind
    "x": IMAGES,
    "y": np.array([0, 1, 2, 1]),
    "text": np.array([[1, 2, 0], [3, 0, 0], [1, 1, 1], [0, 0, 0]]),
    "source": IMAGES[:, :, :1].repeat(3, axis=1),
    "at": np.float32([[0.5, -1.0]] * 4),
}
SPACES = {"x": Space((1, 2, 2), 256), "y": Space((), 3, ("cat", "dog", "cow")),
          "text": Space((3,), 4, ("nothing", "red", "big", "dot")), "source": Space((3, 1, 2), 256), "at": Space((2,))}


def dataset(**changes):
    return Dataset(**{"name": "d", "split": "train", "columns": COLUMNS, "spaces": SPACES, "note": "four", **changes})


def test_columns_of_every_kind():
    four = dataset()
    assert len(four) == 4 and len(four.first(3)) == 3 and four.first(None) is four
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(four[name], values)
        np.testing.assert_array_equal(four.first(3)[name], values[:3])
        np.testing.assert_array_equal(four.batch([2, 0])[name], values[[2, 0]])
    batch = next(four.batches(2, np.random.default_rng(0)))
    assert {name: column.shape for name, column in batch.items()} == {
        "x": (2, 1, 2, 2), "y": (2,), "text": (2, 3), "source": (2, 3, 1, 2), "at": (2, 2)}
    rows = [int(np.flatnonzero((COLUMNS["x"] == x).all(axis=(1, 2, 3)))[0]) for x in batch["x"]]
    for name, values in COLUMNS.items():  # an example stays in one piece
        np.testing.assert_array_equal(batch[name], values[rows])
    assert repr(four) == "<Dataset four; x (4, 1, 2, 2), y (4,), text (4, 3), source (4, 3, 1, 2), at (4, 2)>"


def changed(name, values):
    return {"columns": {**COLUMNS, name: values}}


NOT_FINITE = COLUMNS["at"] + np.float32([[0], [0], [np.nan], [np.inf]])


@pytest.mark.parametrize("message, change", [
    ("column 'x' has dtype float32, expected integers from 0 to 255", changed("x", IMAGES.astype(np.float32))),
    ("column 'x' has dtype int64, expected uint8", changed("x", IMAGES.astype(np.int64))),
    (r"column 'x' has shape \(4, 2, 2\), expected \(N, 1, 2, 2\)", changed("x", IMAGES[:, 0])),
    ("column 'x' holds values from 0 to 15, expected 0 to 14", {"spaces": {**SPACES, "x": Space((1, 2, 2), 15)}}),
    ("column 'source' has 3 entries, others have 4", changed("source", COLUMNS["source"][:3])),
    ("column 'y' has 3 entries, others have 4", changed("y", COLUMNS["y"][:3])),
    ("column 'y' has dtype uint8, expected int64", changed("y", COLUMNS["y"].astype(np.uint8))),
    ("column 'y' has dtype float64, expected integers from 0 to 2", changed("y", COLUMNS["y"] / 1)),
    (r"column 'y' has shape \(4, 1\), expected \(N,\)", changed("y", COLUMNS["y"][:, None])),
    ("column 'y' holds values from -1 to 1, expected 0 to 2", changed("y", COLUMNS["y"] - 1)),
    (r"column 'text' has shape \(4, 2\), expected \(N, 3\)", changed("text", COLUMNS["text"][:, :2])),
    ("column 'text' has dtype int32, expected int64", changed("text", COLUMNS["text"].astype(np.int32))),
    ("column 'text' holds values from 1 to 4, expected 0 to 3", changed("text", COLUMNS["text"] + 1)),
    ("column 'at' has dtype float64, expected float32", changed("at", COLUMNS["at"].astype(float))),
    (r"entry 2 of column 'at' is \[nan nan\]; leave out", changed("at", NOT_FINITE)),
    ("the train split is empty", {"columns": {name: values[:0] for name, values in COLUMNS.items()}}),
    (r"columns are \['x'\], spaces \['x', 'y', .*; give a Space for each", {"columns": {"x": IMAGES}}),
    (r"columns are \[\], spaces \[\]", {"columns": {}, "spaces": {}}),
    ("split='all'", {"split": "all"}),
])
def test_dataset_rejects(message, change):
    with pytest.raises(ValueError, match=message) as error:
        dataset(**change)
    assert "\n" not in str(error.value)


def test_unpaired():
    both = Unpaired("pair", "train", {"a": dataset(), "b": data.load("digits").first(7)}, "four and seven")
    assert len(both) == 4 and len(both.first(3)) == 3 and both.first(None) is both
    assert list(both.columns) == ["a", "a_y", "a_text", "a_source", "a_at", "b", "b_y"] == list(both.spaces)
    assert both.spaces["a_text"] == SPACES["text"] and both.spaces["b"] == Space((1, 8, 8), 17)
    np.testing.assert_array_equal(both["b"], data.load("digits")["x"][:4])  # as many as the smallest set has
    np.testing.assert_array_equal(both.batch(slice(1, 3))["a"], IMAGES[1:3])
    seen = np.concatenate([next(batches)["b_y"] for batches in [both.batches(3, np.random.default_rng(0))]
                           for _ in range(20)])
    assert set(seen) == set(range(7))  # training sees all of the larger set
    assert repr(both) == "<Unpaired four and seven; a 4, b 7>"
