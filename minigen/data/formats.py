"""Decoders: the bytes of a file -> arrays. Each raises ValueError that says what is wrong, and trusts no size.

IDX:    magic 0 0 type ndim, then ndim big-endian uint32 sizes, then the values (yann.lecun.com/exdb/mnist).
amat:   text, one image per line, '0' and '1' separated by spaces (Larochelle's binarized MNIST).
CIFAR:  files of records, each 1 label byte + 3072 pixel bytes, planes R G B, each 32x32 row by row; ten thousand in a
        file (www.cs.toronto.edu/~kriz/cifar.html). They come in a tar archive. In the version for Python they are
        pickles, which run code when they are loaded: here they are not loaded, but looked through.
npy:    NumPy's arrays, and npz, a zip archive of them (numpy.org/doc/stable/reference/generated/numpy.lib.format.html).

A small file can promise gigabytes, or unpack to them. So headers are read before values, and values up to a limit.
"""

import io
import itertools
import lzma
import math
import pickletools
import struct
import tarfile
import tokenize
import zipfile
import zlib

import numpy as np

CIFAR_N, CIFAR_RECORD = 10_000, 3073  # records in a file, bytes in a record
MEMBERS, INSTRUCTIONS = 64, 200_000  # of an archive and of a pickle that are looked at; CIFAR-10's have 9 and 31,000

# What reading a damaged archive raises, besides ValueError
BROKEN = (EOFError, KeyError, MemoryError, NotImplementedError, OSError, OverflowError, RuntimeError, SyntaxError,
          TypeError, struct.error, tokenize.TokenError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)


def idx(raw):
    """IDX file of unsigned bytes -> uint8 array of the shape in its header."""
    return read_idx(io.BytesIO(raw), len(raw))


def read_idx(stream, most):
    """The same from an open file, of which no more is read than the header says, and at most so many bytes."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != b"\x00\x00\x08":
        raise ValueError(f"not an IDX file of bytes: starts with {magic.hex(' ')}, expected 00 00 08")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError(f"IDX header is cut off: {4 + len(sizes)} bytes, the header alone has {4 + 4 * magic[3]}")
    shape = struct.unpack(f">{magic[3]}I", sizes)
    promised = math.prod(shape)
    if promised > most:
        raise ValueError(f"IDX header promises {shape}, {promised} bytes; {most} can follow at most")
    values = stream.read(promised + 1)
    if len(values) != promised:
        follow = "more" if len(values) > promised else len(values)
        raise ValueError(f"IDX header promises {shape}, {promised} bytes; {follow} follow")
    return np.frombuffer(values, np.uint8).reshape(shape)


def amat(raw):
    """Text of zeros and ones, 784 a line -> uint8 (N, 784)."""
    digits = raw.translate(None, b" \t\r\n")
    bits = np.frombuffer(digits, np.uint8) - ord("0")  # uint8 arithmetic: any other character exceeds 1
    if bits.size == 0 or bits.size % 784 or bits.max() > 1:
        raise ValueError(f"not a binarized MNIST text: expected 0 and 1, 784 a line; got {bits.size} "
                         "characters besides white space")
    return bits.reshape(-1, 784)


# -- CIFAR-10 --------------------------------------------------------------------------------------------

def cifar(raw, files):
    """Tar archive, names of the .bin files in it -> images uint8 (N, 3, 32, 32), labels uint8 (N,)."""
    wanted, found = {f"cifar-10-batches-bin/{file}" for file in files}, {}
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:  # which unpacks nothing a second time
            for member, _ in zip(archive, range(MEMBERS)):
                if member.name in wanted:
                    found[member.name.rpartition("/")[2]] = _cifar_member(archive, member)
    except (tarfile.TarError, *BROKEN) as error:
        raise ValueError(f"not the CIFAR-10 binary archive: {error}") from error
    missing = [file for file in files if file not in found]
    if missing:
        raise ValueError(f"not the CIFAR-10 binary archive: cifar-10-batches-bin/{missing[0]} is not in it")
    parts = [cifar_records(found[file]) for file in files]
    return tuple(np.concatenate(part) for part in zip(*parts))


def _cifar_member(archive, member):
    """The bytes of a file in the archive. A link in its place could lead anywhere, and back to itself."""
    if not member.isreg():
        kind = "a link" if member.issym() or member.islnk() else "a folder" if member.isdir() else "no regular file"
        raise ValueError(f"not the CIFAR-10 binary archive: {member.name} in it is {kind}")
    if member.size != CIFAR_N * CIFAR_RECORD:
        raise ValueError(f"CIFAR-10 archive: {member.name} has {member.size} bytes, expected {CIFAR_N * CIFAR_RECORD}")
    return archive.extractfile(member).read()


def cifar_records(raw):
    """One .bin file -> images uint8 (10000, 3, 32, 32), labels uint8 (10000,)."""
    if len(raw) != CIFAR_N * CIFAR_RECORD:
        raise ValueError(f"CIFAR-10 file is cut off, or of another kind: {len(raw)} bytes, expected "
                         f"{CIFAR_N * CIFAR_RECORD}")
    records = np.frombuffer(raw, np.uint8).reshape(CIFAR_N, CIFAR_RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def cifar_pickle(raw):
    """One file of the version for Python -> the same. Nothing is unpickled: of its instructions, which are listed and
    not carried out, the pixels are the long string after "data", and the labels the small numbers after "labels"."""
    pixels, labels, key = None, [], None
    try:
        for instruction, argument, _ in itertools.islice(pickletools.genops(raw), INSTRUCTIONS):
            if isinstance(argument, (str, bytes)):
                text = argument.encode("latin-1", "replace") if isinstance(argument, str) else argument
                if key == b"data" and len(text) == CIFAR_N * (CIFAR_RECORD - 1):
                    pixels = text
                elif text in (b"data", b"labels", b"batch_label", b"filenames"):
                    key = text
            elif key == b"labels" and instruction.name in ("BININT1", "BININT", "INT"):
                labels.append(argument)
    except (ValueError, *BROKEN) as error:
        raise ValueError(f"not a CIFAR-10 file for Python: {str(error)[:100]}") from error
    if pixels is None or len(labels) != CIFAR_N or not all(0 <= label < 256 for label in labels):
        raise ValueError(f"not a CIFAR-10 file for Python: it has {len(labels)} labels and "
                         f"{'no' if pixels is None else 'the'} pixels, expected {CIFAR_N} of each")
    return np.frombuffer(pixels, np.uint8).reshape(-1, 3, 32, 32), np.array(labels, np.uint8)


# -- NumPy's arrays --------------------------------------------------------------------------------------

def npy_header(path):
    """(shape, dtype) of a .npy file, whose length must be what they promise."""
    with open(path, "rb") as stream:
        return _header(stream, path.stat().st_size)


def npz_headers(path):
    """name -> (shape, dtype) of the arrays in an .npz, none of whose values are read."""
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".npy"):
                    with archive.open(member) as stream:
                        found[member.filename.removesuffix(".npy")] = _header(stream, member.file_size)
    except BROKEN as error:
        raise ValueError(f"not an .npz file, or damaged: {str(error)[:100]}") from error
    return found


def npz_array(path, name):
    """The values of one array in an .npz, whose header was found good."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[name]
    except BROKEN as error:
        raise ValueError(f"damaged: {str(error)[:100]}") from error


def _header(stream, length):
    """(shape, dtype) of the array in a stream of so many bytes. ValueError where it holds more or fewer."""
    try:
        if np.lib.format.read_magic(stream) != (1, 0):  # of the later ones, a header alone can have gigabytes
            raise ValueError("not written in format 1.0: save it again with np.save or np.savez")
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, *BROKEN) as error:
        raise ValueError(f"not a NumPy array, or damaged: {str(error)[:100]}") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not read: loading them could run code; save plain numbers")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != length - stream.tell():
        raise ValueError(f"its header promises {shape} of {dtype}, and {length - stream.tell()} bytes follow")
    return shape, dtype
