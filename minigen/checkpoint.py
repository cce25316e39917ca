"""Checkpoints: arrays (safetensors) and a small JSON in one file, which is replaced as a whole or not at all.

The file is written under another name, forced to the disk, and renamed over the old one. Rename is atomic:
whenever the program is killed, what stands under the real name is the whole of some checkpoint. Were the JSON
a file of its own, a kill between two renames could pair the new arrays with the old step; so it travels in
the header of the safetensors file, which has room for text. With it travels a digest of all arrays: a bit that flips on
the disk is noticed.

Arrays have dotted names, "model.encoder.0.weight": `add_prefix` puts the first word on, `with_prefix` takes it off.
Format: github.com/huggingface/safetensors. It holds numbers only: unlike a pickle, loading one runs no code.
"""
import hashlib
import json
import math
import os
import secrets
import stat
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

FORMAT = 2  # of the metadata; raised when an older program could misread it


def save(path, tensors: dict, metadata: dict) -> None:
    """Writes arrays by name and anything that JSON can hold to `path`, atomically. ValueError for what it cannot."""
    # safetensors writes the memory of an array as it lies, so a transposed one would come back scrambled.
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    metadata = {**metadata, "format": FORMAT, "digest": digest(arrays)}
    write(path, to_bytes(arrays, metadata={"minigen": to_json(metadata)}))


def load(path) -> tuple[dict, dict]:
    """The (tensors, metadata) that `save` wrote. FileNotFoundError: there is none. ValueError: it is damaged, or not
    ours."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at '{path}'")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {})["minigen"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError, AttributeError) as error:  # also bfloat16
        raise ValueError(f"'{path}' is damaged, or not a checkpoint of minigen ({type(error).__name__}: "
                         f"{str(error)[:100]}); delete it and train again") from error
    if not isinstance(metadata, dict):
        raise ValueError(f"'{path}' is not a checkpoint of minigen, or damaged: its metadata are no dictionary")
    found = metadata.pop("format", 1)
    if found != FORMAT:
        raise ValueError(f"'{path}' has format {str(found)[:20]}, and this version of minigen reads {FORMAT}: train "
                         "again, or use the version that wrote it")
    if metadata.pop("digest", None) != digest(tensors):
        raise ValueError(f"'{path}' is damaged: its arrays are not those that were written; delete it and train again")
    return tensors, metadata


def digest(tensors: dict) -> str:
    """A checksum of all arrays, their names and shapes."""
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        array = np.asarray(tensors[name], order="C")
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return total.hexdigest()


def write(path, contents: bytes) -> None:
    """Replaces the file at `path`. Whoever reads it meanwhile sees all of the old file, or all of the new.

    FileExistsError if what is there is no regular file: a device, a pipe, a link. If the disk is full, nothing is left
    behind.
    """
    path = Path(path)
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        kind = "a folder" if path.is_dir() else "a link" if path.is_symlink() else "no regular file"
        raise FileExistsError(f"'{path}' is {kind}, and is not replaced; choose another name")
    # The name is this writer's own, and new: nobody else writes there, and no link that lies there is followed.
    unfinished = path.with_name(f".{secrets.token_hex(8)}.unfinished")
    try:
        with open(unfinished, "xb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())  # the contents must reach the disk before the name does
        os.replace(unfinished, path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def to_json(value, indent=None) -> str:
    """JSON that every reader takes: NumPy's numbers and arrays and paths as plain ones. ValueError for what has no such
    form, a NaN among them."""
    try:
        return json.dumps(value, indent=indent, default=_plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata cannot be written as JSON: {error}") from error


def finite(value: float) -> float | None:
    """The number; None, JSON's null, in the place of NaN and infinities."""
    return value if math.isfinite(value) else None


def _plain(value):
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def add_prefix(prefix: str, tensors: dict) -> dict:
    """The same arrays, named prefix.name."""
    return {f"{prefix}.{name}": array for name, array in tensors.items()}


def with_prefix(prefix: str, tensors: dict) -> dict:
    """The arrays named prefix.name, under name alone."""
    return {name[len(prefix) + 1:]: array for name, array in tensors.items() if name.startswith(f"{prefix}.")}
