"""Decoders: the bytes of a published file -> arrays. Each raises ValueError that says what is wrong.

IDX:    magic 0 0 type ndim, then ndim big-endian uint32 sizes, then the values (yann.lecun.com/exdb/mnist).
amat:   text, one image per line, '0' and '1' separated by spaces (Larochelle's binarized MNIST).
CIFAR:  tar of .bin files; a record is 1 label byte + 3072 pixel bytes, planes R G B, each 32x32 row by row
        (www.cs.toronto.edu/~kriz/cifar.html). The pickled version is not read: unpickling runs code.
"""

import io
import math
import struct
import tarfile

import numpy as np


def idx(raw):
    """IDX file of unsigned bytes -> uint8 array of the shape in its header."""
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"not an IDX file of bytes: starts with {raw[:4].hex(' ')}, expected 00 00 08")
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise ValueError(f"IDX header is cut off: {len(raw)} bytes, the header alone has {start}")
    shape = struct.unpack(f">{raw[3]}I", raw[4:start])
    if len(raw) - start != math.prod(shape):
        raise ValueError(f"IDX header promises {shape}, {math.prod(shape)} bytes; {len(raw) - start} follow")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def amat(raw):
    """Text of zeros and ones, 784 a line -> uint8 (N, 784)."""
    digits = raw.translate(None, b" \t\r\n")
    bits = np.frombuffer(digits, np.uint8) - ord("0")  # uint8 arithmetic: any other character exceeds 1
    if bits.size == 0 or bits.size % 784 or bits.max() > 1:
        raise ValueError(f"not a binarized MNIST text: expected 0 and 1, 784 a line; got {bits.size} "
                         "characters besides white space")
    return bits.reshape(-1, 784)


def cifar(raw, files):
    """Tar archive, names of the .bin files in it -> images uint8 (N, 3, 32, 32), labels uint8 (N,)."""
    try:
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            parts = [archive.extractfile(f"cifar-10-batches-bin/{file}").read() for file in files]
    except (tarfile.TarError, KeyError) as error:
        raise ValueError(f"not the CIFAR-10 binary archive: {error}") from error
    records = np.frombuffer(b"".join(parts), np.uint8)
    if records.size != len(files) * 10_000 * 3073:
        raise ValueError(f"CIFAR-10 archive is cut off: {records.size} bytes in {len(files)} files, "
                         f"expected {len(files) * 10_000 * 3073}")
    records = records.reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]
