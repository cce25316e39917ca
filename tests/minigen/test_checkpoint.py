"""A checkpoint is read back as it was written, replaced whole or not at all, and says so if it is damaged."""
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import save as to_bytes

from minigen import checkpoint

TENSORS = {
    "model.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "model.transposed": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    "empty": np.zeros((0, 3), np.float32),
    "steps": np.array(12),
    "mask": np.array([True, False]),
    "nan": np.array([np.nan, -0.0, np.inf], np.float32),
}
META = {"step": 12, "rng": np.random.default_rng(3).bit_generator.state, "name": "vae, β = ½"}


def test_what_was_saved_is_loaded_bit_for_bit(tmp_path):
    path = tmp_path / "a folder with spaces" / "c.safetensors"
    path.parent.mkdir()
    checkpoint.save(path, TENSORS, META)
    tensors, meta = checkpoint.load(path)
    assert meta == META
    assert sorted(tensors) == sorted(TENSORS)
    for name, array in TENSORS.items():
        assert (tensors[name].dtype, tensors[name].shape) == (array.dtype, array.shape)
        assert tensors[name].tobytes() == array.tobytes()
    assert [file.name for file in path.parent.iterdir()] == ["c.safetensors"]


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the package catches it."""


@pytest.mark.parametrize("moment", ["open", "fsync", "before replace", "after replace"])
def test_killed_at_any_moment_the_old_or_the_new_one_is_there(tmp_path, monkeypatch, moment):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, TENSORS, {"step": 1})
    replace = os.replace

    def killed(*args, **kwargs):
        if moment == "after replace":
            replace(*args)
        raise Killed

    if moment == "open":
        monkeypatch.setattr(checkpoint, "open", killed, raising=False)
    else:
        monkeypatch.setattr(os, "fsync" if moment == "fsync" else "replace", killed)
    with pytest.raises(Killed):
        checkpoint.save(path, {"other": np.zeros(3)}, {"step": 2})
    monkeypatch.undo()

    tensors, meta = checkpoint.load(path)
    new = moment == "after replace"
    assert meta == {"step": 2 if new else 1}
    assert sorted(tensors) == (["other"] if new else sorted(TENSORS))  # arrays and step of the same moment
    checkpoint.save(path, TENSORS, {"step": 3})  # what the kill left behind is in nobody's way
    assert checkpoint.load(path)[1] == {"step": 3}


def test_contents_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (order.append("fsync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("replace"), replace(*names)))
    checkpoint.write(tmp_path / "file", b"contents")
    assert order == ["fsync", "replace"]
    assert (tmp_path / "file").read_bytes() == b"contents"


def test_missing():
    with pytest.raises(FileNotFoundError, match="no checkpoint at 'nowhere/c.safetensors'"):
        checkpoint.load("nowhere/c.safetensors")


@pytest.mark.parametrize("damage", [
    lambda good: b"",
    lambda good: good[:5],
    lambda good: good[: len(good) // 2],
    lambda good: good[:-1],
    lambda good: b"\x00" * len(good),
    lambda good: good.replace(b"minigen", b"maxigen"),
    lambda good: good.replace(b'{\\"step', b'[\\"step'),
], ids=["empty", "five bytes", "half", "one byte less", "zeros", "no metadata", "broken JSON"])
def test_damaged(tmp_path, damage):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, TENSORS, {"step": 1})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="c.safetensors' is damaged, or not a checkpoint") as error:
        checkpoint.load(path)
    assert "\n" not in str(error.value)


def test_names():
    both = {**checkpoint.add_prefix("a", {"x.y": 1}), **checkpoint.add_prefix("ab", {"x": 2})}
    assert both == {"a.x.y": 1, "ab.x": 2}
    assert checkpoint.with_prefix("a", both) == {"x.y": 1}
    assert checkpoint.with_prefix("b", both) == {}


def test_metadata_are_what_every_json_reader_takes(tmp_path):
    path = tmp_path / "c.safetensors"
    sfc = np.random.Generator(np.random.SFC64(3))
    sfc.random(5)
    meta = {"batch size": np.int64(7), "rate": np.float32(0.5), "data": tmp_path, "sizes": np.arange(3),
            "rng": sfc.bit_generator.state}
    checkpoint.save(path, {}, meta)
    _, read = checkpoint.load(path)
    assert (read["batch size"], read["rate"], read["data"], read["sizes"]) == (7, 0.5, str(tmp_path), [0, 1, 2])
    again = np.random.Generator(np.random.SFC64(0))
    again.bit_generator.state = {**read["rng"], "state": {"state": np.array(read["rng"]["state"]["state"], np.uint64)}}
    assert again.random() == sfc.random()
    for bad in (np.nan, np.inf, {1, 2}, object()):
        with pytest.raises(ValueError, match="metadata cannot be written as JSON"):
            checkpoint.save(path, {}, {"bad": bad})
    assert checkpoint.load(path)[1]["rate"] == 0.5  # what was there still is


@pytest.mark.parametrize("metadata", ["[1, 2]", "5", '"text"', "null", "[" * 100_000, '{"format": 2}', '{"format": [2]}',
                                      "{}"])
def test_json_that_is_not_ours_is_one_line(tmp_path, metadata):
    path = tmp_path / "c.safetensors"
    path.write_bytes(to_bytes({"a": np.zeros(3, np.float32)}, metadata={"minigen": metadata}))
    with pytest.raises(ValueError) as error:
        checkpoint.load(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_bit_that_flips_is_noticed(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, TENSORS, {"step": 1})
    good = path.read_bytes()
    for place in (-1, -5, -20):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        with pytest.raises(ValueError, match="its arrays are not those that were written"):
            checkpoint.load(path)


def test_only_regular_files_are_replaced_and_links_are_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, kind in (("link", "a link"), ("pipe", "no regular file"), ("folder", "a folder")):
        with pytest.raises(FileExistsError, match=f"{name}' is {kind}, and is not replaced"):
            checkpoint.write(tmp_path / name, b"new")
    assert target.read_text() == "mine" and sorted(os.listdir(tmp_path)) == ["folder", "link", "pipe", "target"]
    checkpoint.write(target, b"new")
    assert target.read_text() == "new"


def test_writers_at_once_leave_a_whole_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([i]) * 100_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: [checkpoint.write(path, data) for _ in range(5)], contents))
    assert path.read_bytes() in contents and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("dtype, size", [("BF16", 2), ("F8_E4M3", 1)])
def test_numbers_that_numpy_lacks_are_one_line(tmp_path, dtype, size):
    header = json.dumps({"__metadata__": {"minigen": "{}"}, "a": {"dtype": dtype, "shape": [2],
                                                                  "data_offsets": [0, 2 * size]}}).encode()
    path = tmp_path / "c.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(2 * size))
    with pytest.raises(ValueError, match="is damaged, or not a checkpoint of minigen") as error:
        checkpoint.load(path)
    assert "\n" not in str(error.value)
