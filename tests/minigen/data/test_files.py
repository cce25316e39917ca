"""Finding, downloading and decoding files, against a server on 127.0.0.1; nothing leaves this machine."""

import gzip
import hashlib
import http.server
import io
import socket
import struct
import sys
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest

from minigen import data
from minigen.data import files, formats
from minigen.data.files import Remote, read


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
CONTENTS = idx(ARRAY)
PACKED = gzip.compress(CONTENTS, mtime=0)
MOST = len(CONTENTS) + 1  # bytes that it can have: one more, so that a longer one is told by its header
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
    remote = Remote(server.home, "a.gz", MOST, **check)
    for _ in range(3):
        assert np.array_equal(read("toyset", remote, formats.idx), ARRAY)
    assert server.requests == ["/a.gz"] and stored(cache) == [cache / "toyset" / "a.gz"]
    assert capfd.readouterr() == ("", "")  # no terminal, no progress


def test_progress_is_shown_on_a_terminal(server, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    server.bodies["/a.gz"] = PACKED
    read("toyset", Remote(server.home, "a.gz", MOST), formats.idx)
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("check", [
    {"sha256": SHA256}, {"md5": hashlib.md5(PACKED).hexdigest()}, {}], ids=["sha256", "md5", "none"])
@pytest.mark.parametrize("length", [0, 1, 30, len(PACKED) - 1])
def test_truncated_download(check, length, server, cache):
    """Content-Length promises more than comes."""
    server.bodies["/a.gz"], server.promised["/a.gz"] = PACKED[:length], len(PACKED)
    fails(FileNotFoundError, Remote(server.home, "a.gz", MOST, **check), cache, "broke off")


@pytest.mark.parametrize("length", [3, 30, len(PACKED) - 1])
def test_short_file_with_an_honest_length(length, server, cache):
    """The server itself holds a truncated file: gzip notices, without any checksum."""
    server.bodies["/a.gz"] = PACKED[:length]
    fails(ValueError, Remote(server.home, "a.gz", MOST), cache, "cut off")


def test_truncated_text_without_gzip_or_checksum(server, cache):
    server.bodies["/a"] = CONTENTS[:-1]
    fails(ValueError, Remote(server.home, "a", MOST), cache, "24 bytes; 23 follow")


@pytest.mark.parametrize("check", [{"sha256": "0" * 64}, {"md5": "0" * 32}], ids=["sha256", "md5"])
def test_wrong_checksum(check, server, cache):
    server.bodies["/a.gz"] = PACKED
    fails(ValueError, Remote(server.home, "a.gz", MOST, **check), cache, "wrong checksum")


def test_missing_on_the_server(server, cache):
    fails(FileNotFoundError, Remote(server.home, "a.gz", MOST), cache, "answers 404")


def test_no_network(cache):
    fails(FileNotFoundError, Remote(closed_port(), "a.gz", MOST, sha256=SHA256), cache, "no connection")


def test_cache_that_cannot_be_written(server, cache):
    cache.write_text("a file where the folder should be")
    server.bodies["/a.gz"] = PACKED
    with pytest.raises(FileNotFoundError, match="MINIGEN_DATA") as caught:
        read("toyset", Remote(server.home, "a.gz", MOST), formats.idx)
    assert "\n" not in str(caught.value) and cache.read_text().startswith("a file")


@pytest.mark.parametrize("online", [True, False])
def test_copy_damaged_in_the_cache_is_replaced_or_removed(online, server, cache):
    server.bodies["/a.gz"] = PACKED
    remote = Remote(server.home if online else closed_port(), "a.gz", MOST, sha256=SHA256)
    (cache / "toyset").mkdir(parents=True)
    (cache / "toyset" / "a.gz").write_bytes(PACKED[:-9])
    if online:
        assert np.array_equal(read("toyset", remote, formats.idx), ARRAY)
        assert (cache / "toyset" / "a.gz").read_bytes() == PACKED
    else:
        fails(FileNotFoundError, remote, cache, "no connection")


def test_file_put_into_the_cache_by_hand_as_the_message_says(cache):
    remote = Remote(closed_port(), "a.gz", MOST, sha256=SHA256)
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
    remote = Remote(server.home, "a.gz", MOST, sha256=SHA256)
    assert np.array_equal(read("toyset", remote, formats.idx, root), ARRAY)
    assert server.requests == [] and stored(cache) == []


def test_the_sub_folder_wins_over_the_folder(tmp_path):
    (tmp_path / "toyset").mkdir()
    (tmp_path / "toyset" / "a").write_bytes(CONTENTS)
    (tmp_path / "a.gz").write_bytes(b"another set's file of the same name")
    assert np.array_equal(read("toyset", Remote(closed_port(), "a.gz", MOST), formats.idx, tmp_path), ARRAY)


def test_users_folder_without_the_file_falls_through_to_the_download(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    server.bodies["/a.gz"] = PACKED
    assert np.array_equal(read("toyset", Remote(server.home, "a.gz", MOST), formats.idx), ARRAY)


def test_users_folder_without_the_file_and_no_network(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    fails(FileNotFoundError, Remote(closed_port(), "a.gz", MOST), cache, f"{tmp_path} has no such file")


def test_users_broken_file_is_named_and_kept(server, tmp_path):
    (tmp_path / "a.gz").write_bytes(PACKED[:-9])
    server.bodies["/a.gz"] = PACKED
    remote = Remote(server.home, "a.gz", MOST)
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
    (CONTENTS + b"\0", "24 bytes; more follow"),
    (CONTENTS[:4] + b"\xff" * 12 + CONTENTS[16:], "bytes; 40 can follow at most"),
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


# -- no more than a file may hold -------------------------------------------------------------------------

def peak(function, *args):
    """(what it raised, the largest number of bytes that Python had at once meanwhile)."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            function(*args)
        return caught.value, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(10**8), compresslevel=1))  # 100 MB of zeros in 0.5 MB
    error, most = peak(read, "toyset", Remote(closed_port(), "a.gz", 10_000), formats.idx, tmp_path)
    assert "more than the 10,000 bytes that it can have" in str(error) and most < 5e6


def test_a_large_plain_file_is_not_read(tmp_path):
    with open(tmp_path / "a", "wb") as file:
        file.truncate(10**8)  # a hole, which takes no room on the disk
    error, most = peak(read, "toyset", Remote(closed_port(), "a.gz", 10_000), formats.idx, tmp_path)
    assert "more than the 10,000 bytes" in str(error) and most < 5e6


@pytest.mark.parametrize("promised", [(10**9, 28, 28), (2, 3, 4)], ids=["much", "little"])
def test_of_an_idx_file_the_header_is_read_first(promised, tmp_path):
    header = b"\0\0\x08\x03" + struct.pack(">3I", *promised)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(header + bytes(10**8), compresslevel=1))

    def decode():
        with files.opened(tmp_path / "bomb.gz") as stream:
            formats.read_idx(stream, 10**6)

    error, most = peak(decode)
    assert "promises" in str(error) and most < 5e6


def npz(path, compression=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, body in members.items():
            archive.writestr(f"{name}.npy", body)


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_headers_of_an_npz_are_read_without_values(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", large=np.zeros(10**8, np.uint8), small=ARRAY)
    tracemalloc.start()
    found = formats.npz_headers(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()
    assert found == {"large": ((10**8,), np.dtype("uint8")), "small": ((2, 3, 4), np.dtype("uint8"))}
    assert np.array_equal(formats.npz_array(tmp_path / "a.npz", "small"), ARRAY)


@pytest.mark.parametrize("body, message", [
    (npy(ARRAY)[:-1], r"promises \(2, 3, 4\) of uint8, and 23 bytes follow"),
    (npy(ARRAY) + b"\0", "25 bytes follow"),
    (npy(ARRAY).replace(b"(2, 3, 4)", b"(9, 9, 9)"), r"promises \(9, 9, 9\)"),
    (npy(ARRAY).replace(b"(2, 3, 4)", b"(-2,-3,4)"), "promises"),
    (npy(np.array([object()], object)), "Python objects, which are not read"),
    (b"\x93NUMPY\x02\x00" + b"\xff\xff\xff\x7f" + bytes(10**7), "not written in format 1.0"),  # a header of 2 GB
    (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "not a NumPy array, or damaged"),
    (b"", "not a NumPy array, or damaged"),
], ids=["short", "long", "forged", "negative", "objects", "header", "nested", "empty"])
def test_npz_headers_reject(body, message, tmp_path):
    npz(tmp_path / "a.npz", x=body)
    with pytest.raises(ValueError, match=message):
        formats.npz_headers(tmp_path / "a.npz")
    (tmp_path / "a.npy").write_bytes(body)
    with pytest.raises(ValueError, match=message):
        formats.npy_header(tmp_path / "a.npy")


def test_a_damaged_npz_is_an_error_of_one_line(tmp_path):
    npz(tmp_path / "a.npz", x=npy(np.arange(5000)))
    body = bytearray((tmp_path / "a.npz").read_bytes())
    for at in range(0, len(body), 7):
        (tmp_path / "b.npz").write_bytes(body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1:])
        try:
            if "x" in formats.npz_headers(tmp_path / "b.npz"):
                formats.npz_array(tmp_path / "b.npz", "x")
        except ValueError as error:
            assert "\n" not in str(error)


# -- folders and names ------------------------------------------------------------------------------------

@pytest.mark.parametrize("given", ["~nosuchuser/data", "x" * 250, "x" * 5000, "nowhere"])
def test_a_folder_that_cannot_be_is_named_in_one_line(given, monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", given)
    with pytest.raises(FileNotFoundError, match="MINIGEN_DATA=") as caught:
        data.load("mnist")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_the_error_lists_what_is_in_the_folder(cache, tmp_path):
    (tmp_path / "here" / "sub").mkdir(parents=True)
    for i in range(10):
        (tmp_path / "here" / f"file{i}.bin").write_bytes(b"")
    (tmp_path / "here" / ("long" * 60)).write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="it holds file0.bin, file1.bin, .*and 4 more") as caught:
        read("toyset", Remote(closed_port(), "a.gz", MOST), formats.idx, tmp_path / "here")
    assert "\n" not in str(caught.value)


def test_a_folder_of_the_files_name_can_hold_it(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a").write_bytes(CONTENTS)
    assert np.array_equal(read("toyset", Remote(closed_port(), "a.gz", MOST), formats.idx, tmp_path), ARRAY)
