"""Checkpoints: arrays (safetensors) and a small JSON in one file, which is replaced as a whole or not at all.

The file is written under another name, forced to the disk, and renamed over the old one. Rename is atomic:
whenever the program is killed, what stands under the real name is the whole of some checkpoint. Were the JSON
a file of its own, a kill between two renames could pair the new arrays with the old step; so it travels in
the header of the safetensors file, which has room for text.

Arrays have dotted names, "model.encoder.0.weight": `join` puts the first word on, `part` takes it off again.
Format: github.com/huggingface/safetensors. It holds numbers only: unlike a pickle, loading one runs no code.
"""
import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes


def save(path, tensors: dict, meta: dict) -> None:
    """Writes arrays by name and anything that JSON can hold to `path`, atomically."""
    # safetensors writes the memory of an array as it lies, so a transposed one would come back scrambled.
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    write(path, to_bytes(arrays, metadata={"minigen": json.dumps(meta)}))


def load(path) -> tuple[dict, dict]:
    """The (tensors, meta) that `save` wrote. FileNotFoundError: there is none. ValueError: it is damaged."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at '{path}'")
    try:
        with safe_open(path, framework="numpy") as file:
            meta = json.loads((file.metadata() or {})["minigen"])
            return {name: file.get_tensor(name) for name in file.keys()}, meta
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"'{path}' is damaged, or not a checkpoint of minigen ({type(error).__name__}: "
                         f"{error}); delete it and train again") from error


def write(path, contents: bytes) -> None:
    """Replaces the file at `path`. Whoever reads it meanwhile sees all of the old file, or all of the new."""
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.unfinished")
    with open(unfinished, "wb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())  # the contents must reach the disk before the name does
    os.replace(unfinished, path)


def join(prefix: str, tensors: dict) -> dict:
    """The same arrays, named prefix.name."""
    return {f"{prefix}.{name}": array for name, array in tensors.items()}


def part(prefix: str, tensors: dict) -> dict:
    """The arrays named prefix.name, under name alone."""
    return {name[len(prefix) + 1:]: array for name, array in tensors.items() if name.startswith(f"{prefix}.")}
