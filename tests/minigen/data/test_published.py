"""The published sets in the folders that people have, and what is not taken for them. Stand-ins of their sizes, no
network."""
import bz2
import dataclasses
import functools
import gzip
import hashlib
import io
import lzma
import os
import pickle
import shutil
import struct
import tarfile

import numpy as np
import pytest

from minigen import data
from minigen.data import files, formats, images

NOWHERE = "http://127.0.0.1:1/"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no MINIGEN_DATA, and no server that could be asked."""
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("MINIGEN_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for files_of in (images.MNIST, images.FASHION):
        for split, pair in list(files_of.items()):
            monkeypatch.setitem(files_of, split, tuple(dataclasses.replace(remote, home=NOWHERE) for remote in pair))
    monkeypatch.setattr(images, "CIFAR", dataclasses.replace(images.CIFAR, home=NOWHERE))
    for split, remote in list(images.BINARIZED.items()):
        monkeypatch.setitem(images.BINARIZED, split, dataclasses.replace(remote, home=NOWHERE))


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


# -- MNIST and Fashion-MNIST ------------------------------------------------------------------------------

@functools.cache
def gray_images(N, value=73):
    """IDX file, as bright as Fashion-MNIST; the first pixel of image i is i % 251."""
    x = np.full((N, 28, 28), value, np.uint8)
    x[:, 0, 0] = np.arange(N) % 251
    return idx(x)


@functools.cache
def gzipped(raw):
    return gzip.compress(raw, compresslevel=1)


def fashion_files(folder, labels_of=lambda N: np.arange(N) % 10, value=73, name="{}-{}-idx{}-ubyte{}"):
    """Images and labels, the former gzipped, under the published names or others."""
    folder.mkdir(parents=True)
    for part, N in (("train", 60_000), ("t10k", 10_000)):
        (folder / name.format(part, "images", 3, ".gz")).write_bytes(gzipped(gray_images(N, value)))
        (folder / name.format(part, "labels", 1, "")).write_bytes(idx(labels_of(N).astype(np.uint8)))


def test_fashion_mnist_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    fashion_files(tmp_path / "fashion_mnist")
    start = 0
    for split, N in (("train", 50_000), ("valid", 10_000)):
        part = data.load("fashion_mnist", split)
        assert part["x"].shape == (N, 1, 28, 28) and part.spaces["x"].levels == 256
        assert np.array_equal(part["x"][:, 0, 0, 0], np.arange(start, start + N) % 251)
        assert np.array_equal(part["y"], np.arange(start, start + N) % 10)
        start += N
    assert len(data.load("fashion_mnist", "test")) == 10_000


@pytest.mark.parametrize("place", ["FashionMNIST/raw", "fashion-mnist", "fashion-mnist/data/fashion", "raw", "."])
@pytest.mark.parametrize("name", ["{}-{}-idx{}-ubyte{}", "{}-{}.idx{}-ubyte{}"], ids=["dash", "dot"])
def test_fashion_mnist_where_others_put_it(place, name, tmp_path):
    fashion_files(tmp_path / "root" / place if place != "." else tmp_path / "root", name=name)
    assert len(data.load("fashion_mnist", "test", tmp_path / "root")) == 10_000


def test_torchvisions_two_sets_in_one_folder_are_kept_apart(tmp_path, monkeypatch):
    fashion_files(tmp_path / "FashionMNIST" / "raw")
    fashion_files(tmp_path / "MNIST" / "raw", lambda N: np.arange(N) ** 2 % 10, value=33)
    raws = gray_images(10_000, 33), idx((np.arange(10_000) ** 2 % 10).astype(np.uint8))
    monkeypatch.setitem(images.MNIST, "test", [dataclasses.replace(remote, sha256=hashlib.sha256(raw).hexdigest())
                                               for remote, raw in zip(images.MNIST["test"], raws, strict=True)])
    assert data.load("mnist", "test", tmp_path)["y"][:4].tolist() == [0, 1, 4, 9]
    assert data.load("fashion_mnist", "test", tmp_path)["y"][:4].tolist() == [0, 1, 2, 3]


def test_mnist_under_the_name_of_fashion_mnist_is_noticed(tmp_path):
    fashion_files(tmp_path / "mixed", lambda N: np.arange(N) ** 2 % 10)
    with pytest.raises(ValueError, match="not Fashion-MNIST's labels.*folders"):
        data.load("fashion_mnist", root=tmp_path / "mixed")


@pytest.mark.parametrize("value", [0, 33, 255])
def test_black_images_are_not_fashion_mnist(value, tmp_path):
    fashion_files(tmp_path / "fashion_mnist", value=value)
    with pytest.raises(ValueError, match="fashion_mnist: .* their mean pixel is .*, expected 72.9"):
        data.load("fashion_mnist", "test", tmp_path)


def test_labels_beyond_the_classes_are_noticed(tmp_path):
    fashion_files(tmp_path / "fashion_mnist", lambda N: np.arange(N) % 20)
    with pytest.raises(ValueError, match="not Fashion-MNIST's labels"):
        data.load("fashion_mnist", "test", tmp_path)


def test_mnist_is_checked_by_its_sha256(tmp_path, monkeypatch):
    fashion_files(tmp_path / "mnist")
    with pytest.raises(ValueError, match="mnist: .*train-labels.*wrong checksum.*65a50cbbf4e9"):
        data.load("mnist", root=tmp_path)
    y = (tmp_path / "mnist" / "train-labels-idx1-ubyte").read_bytes()
    pair = [dataclasses.replace(remote, sha256=hashlib.sha256(raw).hexdigest())
            for remote, raw in zip(images.MNIST["train"], (gray_images(60_000), y), strict=True)]
    monkeypatch.setitem(images.MNIST, "train", pair)
    valid = data.load("mnist", "valid", root=tmp_path)
    assert valid["x"].shape == (10_000, 1, 28, 28) and valid["x"][0, 0, 0, 0] == 50_000 % 251 and valid["y"][3] == 3
    assert valid.note == "mnist valid split, 10,000 images 28x28, 256 levels (LeCun et al. 1998)"


def test_images_and_labels_of_different_sets_are_no_pair(tmp_path):
    fashion_files(tmp_path / "fashion_mnist", lambda N: np.arange(N // 2) % 10)
    with pytest.raises(ValueError, match=r"\(60000, 28, 28\).*\(30000,\).*not a pair"):
        data.load("fashion_mnist", root=tmp_path)


# -- binarized MNIST --------------------------------------------------------------------------------------

@pytest.fixture
def bits(monkeypatch):
    """10,000 images of random bits, as many ones as MNIST has, in the place of the valid split, with their checksum."""
    bits = (np.random.default_rng(1).random((10_000, 784)) < 0.131).astype(np.uint8)
    digest = hashlib.sha256(np.packbits(bits, axis=1).tobytes()).hexdigest()
    monkeypatch.setitem(images.BINARIZED_SHA256, "valid", digest)
    return bits


def test_binarized_mnist_from_the_packed_file(bits, tmp_path, monkeypatch):
    np.savez(tmp_path / "binarized_mnist.npz", valid=np.packbits(bits, axis=1))
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    valid = data.load("binarized_mnist", "valid")
    assert valid["x"].shape == (10_000, 1, 28, 28) and valid.spaces["x"].levels == 2 and list(valid.columns) == ["x"]
    assert np.array_equal(valid["x"].reshape(-1, 784), bits)


def text_of(bits):
    text = np.full((len(bits), 1568), ord(" "), np.uint8)
    text[:, ::2], text[:, -1] = bits + ord("0"), ord("\n")
    return text.tobytes()


def test_binarized_mnist_from_the_text_file(bits, tmp_path):
    (tmp_path / "binarized_mnist_valid.amat").write_bytes(text_of(bits))
    assert np.array_equal(data.load("binarized_mnist", "valid", tmp_path)["x"].reshape(-1, 784), bits)


def test_binarized_mnist_missing_split(bits, tmp_path, monkeypatch):
    np.savez(tmp_path / "binarized_mnist.npz", valid=np.packbits(bits, axis=1))
    with pytest.raises(FileNotFoundError, match="put binarized_mnist_test.amat into.*npz has no test split"):
        data.load("binarized_mnist", "test", tmp_path)


@pytest.mark.parametrize("change, message", [
    (lambda bits: bits[:-1], r"holds \(9999, 98\) of uint8, expected \(10000, 98\) of uint8"),
    (lambda bits: 1 - bits, "wrong checksum"),
])
def test_binarized_mnist_that_is_another(change, message, bits, tmp_path):
    np.savez(tmp_path / "binarized_mnist.npz", valid=np.packbits(change(bits), axis=1))
    with pytest.raises(ValueError, match=f"binarized_mnist.npz is not usable: .*{message}"):
        data.load("binarized_mnist", "valid", tmp_path)


@pytest.mark.parametrize("value", [0, 1])
def test_zeros_are_no_test_split(value, tmp_path):
    """Its checksum is not published: the share of ones tells."""
    (tmp_path / "binarized_mnist_test.amat").write_bytes(text_of(np.full((10_000, 784), value, np.uint8)))
    with pytest.raises(ValueError, match="not the published images: their mean pixel is"):
        data.load("binarized_mnist", "test", tmp_path)


def test_binarized_mnist_cut_off(bits, tmp_path):
    np.savez(tmp_path / "binarized_mnist.npz", valid=np.packbits(bits, axis=1))
    body = (tmp_path / "binarized_mnist.npz").read_bytes()
    for part in (body[:len(body) // 2], b"", b"text"):
        (tmp_path / "binarized_mnist.npz").write_bytes(part)
        with pytest.raises(ValueError, match="binarized_mnist.npz is not usable"):
            data.load("binarized_mnist", "valid", tmp_path)


def test_an_npz_bomb_in_its_place_is_not_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "binarized_mnist.npz", valid=np.zeros((2 * 10**6, 98), np.uint8))
    with pytest.raises(ValueError, match=r"holds \(2000000, 98\) of uint8, expected \(10000, 98\)"):
        data.load("binarized_mnist", "valid", tmp_path)


# -- CIFAR-10 ---------------------------------------------------------------------------------------------

PARTS = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
N = formats.CIFAR_N


@functools.cache
def records(shift=0, blue=114, classes=10):
    """CIFAR-10 records, as bright as they are: red i % 251 in image i, green 123, blue 114 but for the upper right
    corner. The label of image i is i + shift, modulo the number of classes."""
    x = np.zeros((N, 3, 32, 32), np.uint8)
    x[:, 0], x[:, 1], x[:, 2] = np.arange(N).reshape(-1, 1, 1) % 251, 123, blue
    x[:, 2, 0, 31] = 255
    y = ((np.arange(N) + shift) % classes).astype(np.uint8)
    return np.concatenate([y[:, None], x.reshape(N, -1)], axis=1).tobytes()


def tar(members):
    """name -> bytes, or a TarInfo -> archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in members.items():
            info = body if isinstance(body, tarfile.TarInfo) else tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            if info is not body:
                info.size = len(body)
            archive.addfile(info, None if info is body else io.BytesIO(body))
    return out.getvalue()


@pytest.mark.parametrize("raw, message", [
    (b"", "not the CIFAR-10 binary archive"),
    (b"x" * 2000, "not the CIFAR-10 binary archive"),
    (tar({"other": b"1"}), "test_batch.bin is not in it"),
    (tar({"test_batch": records()[:6146]}), "test_batch.bin has 6146 bytes, expected 30730000"),
    (tar({"test_batch": records()})[:3000], "not the CIFAR-10 binary archive"),
], ids=["empty", "text", "other", "short", "cut"])
def test_cifar_rejects(raw, message):
    with pytest.raises(ValueError, match=message):
        formats.cifar(raw, ["test_batch.bin"])


def special(kind, target=""):
    info = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("member, kind", [
    (special(tarfile.SYMTYPE, "test_batch.bin"), "a link"),  # to itself
    (special(tarfile.LNKTYPE, "cifar-10-batches-bin/test_batch.bin"), "a link"),
    (special(tarfile.SYMTYPE, "/etc/passwd"), "a link"),
    (special(tarfile.DIRTYPE), "a folder"),
    (special(tarfile.FIFOTYPE), "no regular file"),
    (special(tarfile.CHRTYPE), "no regular file"),
], ids=["itself", "hard", "outside", "folder", "pipe", "device"])
def test_members_that_are_no_files_are_refused(member, kind):
    with pytest.raises(ValueError, match=f"test_batch.bin in it is {kind}"):
        formats.cifar(tar({"test_batch": member}), ["test_batch.bin"])


def test_an_archive_packed_twice_is_not_unpacked_twice():
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        with pytest.raises(ValueError, match="not the CIFAR-10 binary archive") as caught:
            formats.cifar(pack(tar({"test_batch": bytes(formats.CIFAR_N * formats.CIFAR_RECORD)})), ["test_batch.bin"])
        assert "\n" not in str(caught.value)


def test_an_archive_of_endless_members_is_left():
    members = {f"m{i}": b"" for i in range(100)} | {"test_batch": records()}
    with pytest.raises(ValueError, match="test_batch.bin is not in it"):
        formats.cifar(tar(members), ["test_batch.bin"])


def as_pickle(shift=0, protocol=2):
    """A file of the version for Python, which was written by Python 2: byte strings of protocol 2, in this order."""
    raw = np.frombuffer(records(shift), np.uint8).reshape(N, -1)
    pixels = raw[:, 1:].tobytes()
    labels = b"".join(b"(" + b"".join(b"K" + bytes([y]) for y in raw[start:start + 1000, 0]) + b"e"
                      for start in range(0, N, 1000))
    short = lambda text: b"U" + bytes([len(text)]) + text
    return (b"\x80\x02}(" + short(b"batch_label") + short(b"training batch 1 of 5") + short(b"labels") + b"]" + labels
            + short(b"data") + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short(b"b")
            + b"\x87R(K\x01M\x10'M\x00\x0c\x86cnumpy\ndtype\n" + short(b"u1") + b"K\x00K\x01\x87R(K\x03" + short(b"|")
            + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", len(pixels)) + pixels + b"tb"
            + short(b"filenames") + b"](" + short(b"a.png") + short(b"data") + b"eu.")


def test_the_stand_in_is_a_pickle_of_what_it_should_be():
    held = pickle.loads(as_pickle(3), encoding="bytes")
    assert held[b"data"].shape == (N, 3072) and held[b"labels"][:3] == [3, 4, 5]


def test_a_file_for_python_is_read_without_unpickling(monkeypatch):
    x, y = formats.cifar_pickle(as_pickle(3))
    expected = formats.cifar_records(records(3))
    assert np.array_equal(x, expected[0]) and np.array_equal(y, expected[1])
    again = pickle.dumps({b"data": x.reshape(N, -1), b"labels": y.tolist()}, protocol=4)  # by a Python of today
    assert all(np.array_equal(a, b) for a, b in zip(formats.cifar_pickle(again), expected))


def test_a_pickle_of_endless_instructions_is_left():
    with pytest.raises(ValueError, match="has 0 labels and no pixels"):
        formats.cifar_pickle(b"\x80\x02" + b"N0" * formats.INSTRUCTIONS + as_pickle()[2:])


@pytest.mark.parametrize("raw", [b"", b"no pickle", pickle.dumps({"labels": [1] * N}), as_pickle()[:10_000_000]],
                         ids=["empty", "text", "no pixels", "cut"])
def test_cifar_pickle_rejects(raw):
    with pytest.raises(ValueError, match="not a CIFAR-10 file for Python"):
        formats.cifar_pickle(raw)


def unpacked(folder, kind, **settings):
    folder.mkdir(parents=True)
    for i, part in enumerate(PARTS):
        body = as_pickle(i) if kind == "py" else records(i, **settings)
        (folder / (part if kind == "py" else f"{part}.bin")).write_bytes(body)


def archive_in(folder):
    folder.mkdir(parents=True)
    body = tar({part: records(i) for i, part in enumerate(PARTS)})
    (folder / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(body, compresslevel=1))


@pytest.mark.parametrize("place, make", [
    ("", archive_in),
    ("cifar10", archive_in),
    ("cifar-10-batches-bin", lambda folder: unpacked(folder, "bin")),
    ("cifar10/cifar-10-batches-bin", lambda folder: unpacked(folder, "bin")),
    ("", lambda folder: unpacked(folder, "bin")),
    ("cifar-10-batches-py", lambda folder: unpacked(folder, "py")),
], ids=["archive", "archive below", "bin", "bin below", "bin itself", "py"])
def test_cifar10_splits(place, make, tmp_path):
    make(tmp_path / "root" / place if place else tmp_path / "root")
    train, valid, test = (data.load("cifar10", split, tmp_path / "root") for split in data.SPLITS)
    assert train["x"].shape == (45_000, 3, 32, 32) and len(valid) == 5_000 and len(test) == 10_000
    assert train["y"][[0, 9_999, 10_000, 44_999]].tolist() == [0, 9, 1, 3]
    assert valid["y"][0] == 4 and test["y"][0] == 5
    assert train["x"][7, :, 1, 2].tolist() == [7, 123, 114] and train["x"][7, 2, 0, 31] == 255
    assert valid["x"][0, 0, 0, 0] == 5_000 % 251
    assert test.note == "cifar10 test split, 10,000 images 3x32x32, 256 levels (Krizhevsky 2009)"


@pytest.mark.parametrize("settings, message", [
    ({"blue": 0}, "mean pixel is 124.6, 123, 0.249, expected 125.3, 123, 113.9"),
    ({"classes": 77}, "not CIFAR-10's labels"),
    ({"classes": 1}, "not CIFAR-10's labels"),
    ({"classes": 9}, "not CIFAR-10's labels"),
])
def test_what_is_not_cifar10_is_noticed(settings, message, tmp_path):
    unpacked(tmp_path / "cifar-10-batches-bin", "bin", **settings)
    for split in ("train", "test"):
        with pytest.raises(ValueError, match=message):
            data.load("cifar10", split, tmp_path)
    shutil.rmtree(tmp_path / "cifar-10-batches-bin")
    body = tar({part: records(**settings) for part in PARTS})
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(body, compresslevel=1))
    with pytest.raises(ValueError, match=f"tar.gz is not usable: .*{message}"):
        data.load("cifar10", "test", tmp_path)


def test_nothing_is_ever_unpickled(tmp_path):
    """A hostile file in the place of data is an error, not code."""
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    np.savez(tmp_path / "binarized_mnist.npz", valid=np.array([Evil()], dtype=object))
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(pickle.dumps(Evil()))
    for name in ("binarized_mnist", "cifar10"):
        with pytest.raises(ValueError, match="not usable"):
            data.load(name, "valid", tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    for part in PARTS:
        (tmp_path / "cifar-10-batches-py" / part).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="cifar-10-batches-py is not usable: not a CIFAR-10 file for Python"):
        data.load("cifar10", "valid", tmp_path)
    assert not (tmp_path / "owned").exists()
