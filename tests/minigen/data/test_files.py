"""Finding, downloading and decoding files, against a server on 127.0.0.1; nothing leaves this machine."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import socket
import struct
import sys
import tarfile
import threading

import numpy as np
import pytest

from minigen import data
from minigen.data import files, formats, images
from minigen.data.files import Remote, read


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
CONTENTS = idx(ARRAY)
PACKED = gzip.compress(CONTENTS, mtime=0)
SHA256 = hashlib.sha256(CONTENTS).hexdigest()
default_cache_folder = files.cache_folder


class Server:
    """Serves `bodies` (path -> bytes) and counts requests; `promised` overrides a Content-Length."""

    def __init__(self):
        self.bodies, self.promised, self.requests = {}, {}, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                body = outer.bodies.get(self.path)
                if body is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", outer.promised.get(self.path, len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.home = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no MINIGEN_DATA, no proxy."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(files, "cache_folder", lambda: folder)
    monkeypatch.delenv("MINIGEN_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder


def stored(cache):
    return [path for path in cache.rglob("*") if path.is_file()]


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def fails(kind, remote, cache, *parts):
    """read() raises `kind` with one line that has all `parts` and both cures, and leaves nothing behind."""
    with pytest.raises(kind) as caught:
        read("toyset", remote, formats.idx)
    message = str(caught.value)
    expected = ("toyset", remote.home + remote.name, str(cache / "toyset"), "MINIGEN_DATA", *parts)
    assert "\n" not in message and all(part in message for part in expected), message
    assert stored(cache) == []


# -- downloads -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("check", [
    {"sha256": SHA256}, {"md5": hashlib.md5(PACKED).hexdigest()}, {}], ids=["sha256", "md5", "none"])
def test_download_once_then_from_the_cache(check, server, cache, capfd):
    server.bodies["/a.gz"] = PACKED
    remote = Remote(server.home, "a.gz", **check)
    for _ in range(3):
        assert np.array_equal(read("toyset", remote, formats.idx), ARRAY)
    assert server.requests == ["/a.gz"] and stored(cache) == [cache / "toyset" / "a.gz"]
    assert capfd.readouterr() == ("", "")  # no terminal, no progress


def test_progress_is_shown_on_a_terminal(server, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    server.bodies["/a.gz"] = PACKED
    read("toyset", Remote(server.home, "a.gz"), formats.idx)
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("check", [
    {"sha256": SHA256}, {"md5": hashlib.md5(PACKED).hexdigest()}, {}], ids=["sha256", "md5", "none"])
@pytest.mark.parametrize("length", [0, 1, 30, len(PACKED) - 1])
def test_truncated_download(check, length, server, cache):
    """Content-Length promises more than comes."""
    server.bodies["/a.gz"], server.promised["/a.gz"] = PACKED[:length], len(PACKED)
    fails(FileNotFoundError, Remote(server.home, "a.gz", **check), cache, "broke off")


@pytest.mark.parametrize("length", [3, 30, len(PACKED) - 1])
def test_short_file_with_an_honest_length(length, server, cache):
    """The server itself holds a truncated file: gzip notices, without any checksum."""
    server.bodies["/a.gz"] = PACKED[:length]
    fails(ValueError, Remote(server.home, "a.gz"), cache, "cut off")


def test_truncated_text_without_gzip_or_checksum(server, cache):
    server.bodies["/a"] = CONTENTS[:-1]
    fails(ValueError, Remote(server.home, "a"), cache, "24 bytes; 23 follow")


@pytest.mark.parametrize("check", [{"sha256": "0" * 64}, {"md5": "0" * 32}], ids=["sha256", "md5"])
def test_wrong_checksum(check, server, cache):
    server.bodies["/a.gz"] = PACKED
    fails(ValueError, Remote(server.home, "a.gz", **check), cache, "wrong checksum")


def test_missing_on_the_server(server, cache):
    fails(FileNotFoundError, Remote(server.home, "a.gz"), cache, "answers 404")


def test_no_network(cache):
    fails(FileNotFoundError, Remote(closed_port(), "a.gz", sha256=SHA256), cache, "no connection")


def test_cache_that_cannot_be_written(server, cache):
    cache.write_text("a file where the folder should be")
    server.bodies["/a.gz"] = PACKED
    with pytest.raises(FileNotFoundError, match="MINIGEN_DATA") as caught:
        read("toyset", Remote(server.home, "a.gz"), formats.idx)
    assert "\n" not in str(caught.value) and cache.read_text().startswith("a file")


@pytest.mark.parametrize("online", [True, False])
def test_copy_damaged_in_the_cache_is_replaced_or_removed(online, server, cache):
    server.bodies["/a.gz"] = PACKED
    remote = Remote(server.home if online else closed_port(), "a.gz", sha256=SHA256)
    (cache / "toyset").mkdir(parents=True)
    (cache / "toyset" / "a.gz").write_bytes(PACKED[:-9])
    if online:
        assert np.array_equal(read("toyset", remote, formats.idx), ARRAY)
        assert (cache / "toyset" / "a.gz").read_bytes() == PACKED
    else:
        fails(FileNotFoundError, remote, cache, "no connection")


def test_file_put_into_the_cache_by_hand_as_the_message_says(cache):
    remote = Remote(closed_port(), "a.gz", sha256=SHA256)
    fails(FileNotFoundError, remote, cache)
    (cache / "toyset").mkdir(parents=True, exist_ok=True)
    (cache / "toyset" / "a.gz").write_bytes(PACKED)
    assert np.array_equal(read("toyset", remote, formats.idx), ARRAY)


def test_default_cache_has_the_projects_name():
    assert "minigen" in default_cache_folder().parts


# -- the user's folder -----------------------------------------------------------------------------------

@pytest.mark.parametrize("place", ["", "toyset"])
@pytest.mark.parametrize("name, body", [("a.gz", PACKED), ("a", CONTENTS)], ids=["gzipped", "plain"])
@pytest.mark.parametrize("by", ["variable", "argument"])
def test_users_folder_comes_first(place, name, body, by, server, cache, tmp_path, monkeypatch):
    (tmp_path / "my data" / place).mkdir(parents=True)
    (tmp_path / "my data" / place / name).write_bytes(body)
    root = str(tmp_path / "my data")
    if by == "variable":
        monkeypatch.setenv("MINIGEN_DATA", root)
        root = None
    remote = Remote(server.home, "a.gz", sha256=SHA256)
    assert np.array_equal(read("toyset", remote, formats.idx, root), ARRAY)
    assert server.requests == [] and stored(cache) == []


def test_the_sub_folder_wins_over_the_folder(tmp_path):
    (tmp_path / "toyset").mkdir()
    (tmp_path / "toyset" / "a").write_bytes(CONTENTS)
    (tmp_path / "a.gz").write_bytes(b"another set's file of the same name")
    assert np.array_equal(read("toyset", Remote(closed_port(), "a.gz"), formats.idx, tmp_path), ARRAY)


def test_users_folder_without_the_file_falls_through_to_the_download(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    server.bodies["/a.gz"] = PACKED
    assert np.array_equal(read("toyset", Remote(server.home, "a.gz"), formats.idx), ARRAY)


def test_users_folder_without_the_file_and_no_network(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    fails(FileNotFoundError, Remote(closed_port(), "a.gz"), cache, f"{tmp_path} has no such file")


def test_users_broken_file_is_named_and_kept(server, tmp_path):
    (tmp_path / "a.gz").write_bytes(PACKED[:-9])
    server.bodies["/a.gz"] = PACKED
    remote = Remote(server.home, "a.gz")
    with pytest.raises(ValueError, match="not usable: cut off.*replace it by http") as caught:
        read("toyset", remote, formats.idx, tmp_path)
    assert str(tmp_path / "a.gz") in str(caught.value) and (tmp_path / "a.gz").exists()
    assert server.requests == []


def test_users_folder_that_does_not_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="MINIGEN_DATA=.*nowhere: no such folder"):
        data.load("mnist")


# -- formats ---------------------------------------------------------------------------------------------

def test_idx():
    assert np.array_equal(formats.idx(CONTENTS), ARRAY)
    assert formats.idx(idx(np.zeros((0, 28, 28), np.uint8))).shape == (0, 28, 28)


@pytest.mark.parametrize("raw, message", [
    (b"", "not an IDX file"),
    (b"\x89PNG\r\n", "starts with 89 50 4e 47"),
    (b"\0\0\x0d" + CONTENTS[3:], "not an IDX file of bytes"),  # floats
    (CONTENTS[:9], "header is cut off: 9 bytes, the header alone has 16"),
    (CONTENTS[:-1], r"promises \(2, 3, 4\), 24 bytes; 23 follow"),
    (CONTENTS + b"\0", "24 bytes; 25 follow"),
    (CONTENTS[:4] + b"\xff" * 12 + CONTENTS[16:], "24 follow"),
])
def test_idx_rejects(raw, message):
    with pytest.raises(ValueError, match=message):
        formats.idx(raw)


def amat(bits, end="\n"):
    return "".join(" ".join(map(str, row)) + end for row in bits).encode()


BITS = np.random.default_rng(0).integers(0, 2, (5, 784), dtype=np.uint8)


@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
def test_amat(end):
    assert np.array_equal(formats.amat(amat(BITS, end)), BITS)


@pytest.mark.parametrize("raw", [
    b"", amat(BITS)[:-2], amat(BITS).replace(b"1", b"2", 1), b"<html>" + amat(BITS)[12:]])
def test_amat_rejects(raw):
    with pytest.raises(ValueError, match="not a binarized MNIST text"):
        formats.amat(raw)


def tar(**members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def records(N, label):
    """N CIFAR records: red i in image i, green 100, blue 200 but for the upper right corner."""
    x = np.zeros((N, 3, 32, 32), np.uint8)
    x[:, 0], x[:, 1], x[:, 2] = np.arange(N).reshape(-1, 1, 1) % 256, 100, 200
    x[:, 2, 0, 31] = 255
    return np.concatenate([np.full((N, 1), label, np.uint8), x.reshape(N, -1)], axis=1).tobytes()


@pytest.mark.parametrize("raw, message", [
    (b"", "not the CIFAR-10 binary archive"),
    (b"x" * 2000, "not the CIFAR-10 binary archive"),
    (tar(other=b"1"), "test_batch.bin"),
    (tar(test_batch=records(2, 1)), "cut off: 6146 bytes in 1 files, expected 30730000"),
    (tar(test_batch=records(2, 1))[:3000], "not the CIFAR-10 binary archive"),
])
def test_cifar_rejects(raw, message):
    with pytest.raises(ValueError, match=message):
        formats.cifar(raw, ["test_batch.bin"])


# -- the sets, with stand-ins of the published sizes ------------------------------------------------------

@functools.cache
def blank_images(N):
    """gzipped IDX file; the first pixel of image i is i % 251."""
    x = np.zeros((N, 28, 28), np.uint8)
    x[:, 0, 0] = np.arange(N) % 251
    return gzip.compress(idx(x), compresslevel=1)


def mnist_files(folder, labels_of):
    """Blank images and labels under MNIST's file names."""
    folder.mkdir()
    for part, N in (("train", 60_000), ("t10k", 10_000)):
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(blank_images(N))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels_of(N).astype(np.uint8)))


def test_fashion_mnist_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    mnist_files(tmp_path / "fashion_mnist", lambda N: np.arange(N) % 10)
    start = 0
    for split, N in (("train", 50_000), ("valid", 10_000)):
        part = data.load("fashion_mnist", split)
        assert part.x.shape == (N, 1, 28, 28) and part.levels == 256
        assert np.array_equal(part.x[:, 0, 0, 0], np.arange(start, start + N) % 251)
        assert np.array_equal(part.y, np.arange(start, start + N) % 10)
        start += N
    assert len(data.load("fashion_mnist", "test")) == 10_000


def test_mnist_under_the_name_of_fashion_mnist_is_noticed(tmp_path):
    mnist_files(tmp_path / "mixed", lambda N: np.arange(N) ** 2 % 10)
    with pytest.raises(ValueError, match="not Fashion-MNIST's labels.*folders"):
        data.load("fashion_mnist", root=tmp_path / "mixed")


def test_mnist_is_checked_by_its_sha256(tmp_path, monkeypatch):
    mnist_files(tmp_path / "mnist", lambda N: np.arange(N) % 10)
    with pytest.raises(ValueError, match="mnist: .*train-labels.*wrong checksum.*65a50cbbf4e9"):
        data.load("mnist", root=tmp_path)
    x = gzip.decompress(blank_images(60_000))
    y = (tmp_path / "mnist" / "train-labels-idx1-ubyte").read_bytes()
    pair = [dataclasses.replace(remote, sha256=hashlib.sha256(contents).hexdigest())
            for remote, contents in zip(images.MNIST["train"], (x, y), strict=True)]
    monkeypatch.setitem(images.MNIST, "train", pair)
    valid = data.load("mnist", "valid", root=tmp_path)
    assert valid.x.shape == (10_000, 1, 28, 28) and valid.x[0, 0, 0, 0] == 50_000 % 251 and valid.y[3] == 3
    assert valid.note == "mnist valid split, 10,000 images 28x28, 256 levels (LeCun et al. 1998)"


def test_images_and_labels_of_different_sets_are_no_pair(tmp_path):
    mnist_files(tmp_path / "fashion_mnist", lambda N: np.arange(N // 2) % 10)
    with pytest.raises(ValueError, match=r"\(60000, 28, 28\).*\(30000,\).*not a pair"):
        data.load("fashion_mnist", root=tmp_path)


@pytest.fixture
def bits(monkeypatch):
    """10,000 images of random bits in the place of the valid split, with their checksum."""
    bits = np.random.default_rng(1).integers(0, 2, (10_000, 784), dtype=np.uint8)
    digest = hashlib.sha256(np.packbits(bits, axis=1).tobytes()).hexdigest()
    monkeypatch.setitem(images.BINARIZED_SHA256, "valid", digest)
    return bits


def test_binarized_mnist_from_the_packed_file(bits, tmp_path, monkeypatch):
    np.savez(tmp_path / "binarized_mnist.npz", valid=np.packbits(bits, axis=1))
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    valid = data.load("binarized_mnist", "valid")
    assert valid.x.shape == (10_000, 1, 28, 28) and valid.levels == 2 and valid.y is None
    assert np.array_equal(valid.x.reshape(-1, 784), bits)


def test_binarized_mnist_from_the_text_file(bits, tmp_path):
    text = np.full((10_000, 1568), ord(" "), np.uint8)
    text[:, ::2], text[:, -1] = bits + ord("0"), ord("\n")
    (tmp_path / "binarized_mnist_valid.amat").write_bytes(text.tobytes())
    assert np.array_equal(data.load("binarized_mnist", "valid", tmp_path).x.reshape(-1, 784), bits)


def test_binarized_mnist_missing_split(bits, tmp_path, monkeypatch):
    np.savez(tmp_path / "binarized_mnist.npz", valid=np.packbits(bits, axis=1))
    monkeypatch.setitem(images.BINARIZED, "test", Remote(closed_port(), "binarized_mnist_test.amat"))
    with pytest.raises(FileNotFoundError, match="put binarized_mnist_test.amat into.*npz has no test split"):
        data.load("binarized_mnist", "test", tmp_path)


@pytest.mark.parametrize("change, message", [
    (lambda bits: bits[:-1], r"holds \(9999, 784\), expected \(10000, 784\)"),
    (lambda bits: 1 - bits, "wrong checksum"),
])
def test_binarized_mnist_that_is_another(change, message, bits, tmp_path):
    np.savez(tmp_path / "binarized_mnist.npz", valid=np.packbits(change(bits), axis=1))
    with pytest.raises(ValueError, match=f"binarized_mnist.npz is not usable: .*{message}"):
        data.load("binarized_mnist", "valid", tmp_path)


def test_binarized_mnist_cut_off(bits, tmp_path):
    np.savez(tmp_path / "binarized_mnist.npz", valid=np.packbits(bits, axis=1))
    body = (tmp_path / "binarized_mnist.npz").read_bytes()
    for part in (body[:len(body) // 2], b"", b"text"):
        (tmp_path / "binarized_mnist.npz").write_bytes(part)
        with pytest.raises(ValueError, match="binarized_mnist.npz is not usable"):
            data.load("binarized_mnist", "valid", tmp_path)


def test_cifar10_splits(tmp_path):
    batches = {f"data_batch_{i}": records(10_000, i) for i in range(1, 6)}
    body = tar(**batches, test_batch=records(10_000, 9))
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(body, compresslevel=1))
    train, valid, test = (data.load("cifar10", split, tmp_path) for split in data.SPLITS)
    assert train.x.shape == (45_000, 3, 32, 32) and len(valid) == 5_000 and len(test) == 10_000
    assert train.y[[0, 9_999, 10_000, -1]].tolist() == [1, 1, 2, 5]
    assert set(valid.y) == {5} and set(test.y) == {9}
    assert train.x[7, :, 1, 2].tolist() == [7, 100, 200] and train.x[7, 2, 0, 31] == 255
    assert valid.x[0, 0, 0, 0] == 5_000 % 256
    assert test.note == "cifar10 test split, 10,000 images 3x32x32, 256 levels (Krizhevsky 2009)"


def test_nothing_is_ever_unpickled(tmp_path):
    """A hostile archive in the place of data is an error, not code."""
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    np.savez(tmp_path / "binarized_mnist.npz", valid=np.array([Evil()], dtype=object))
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(pickle.dumps(Evil()))
    for name in ("binarized_mnist", "cifar10"):
        with pytest.raises(ValueError, match="not usable"):
            data.load(name, "valid", tmp_path)
    assert not (tmp_path / "owned").exists()
