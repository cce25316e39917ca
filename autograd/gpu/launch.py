"""CUDA kernels: text read from a .cu file, compiled once for each set of macros, launched with every argument checked.

    module = load("adam.cu", np.float32, BLOCK=256)                        # compiled at the first launch
    module.launch("adam", grid, threads, theta=theta, g=g, lr=1e-3, n=1000)

A kernel gets bare addresses. It would read a transposed view as if it were none, float64 as float32, and go on past
the end of an array, without a word. So a signature in a .cu file says what it takes, as C and in comments,

    extern "C" __global__ void scale(const T* x, // (N, C)
                                     T* y, // (N, C)
                                     const T* b, // (C) or none
                                     T factor, int N, int C)

and launch holds the arguments, which go by name, against it: a dtype, C order, as many elements as the sizes say, no
more than an int32 can count (that is what kernels calculate addresses with), and integers in int32's range.

T is the macro REAL, float or double: (-DREAL=float, typedef REAL T). Read before this: backend.py. Read next: conv.cu.
"""
import functools
import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..backend import xp

FOLDER = Path(__file__).parent
INT32_MAX = 2**31 - 1
MOST_ELEMENTS = 2**31 - 2**16  # of an array: the indices of a grid's last block go a little beyond its end
REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
DTYPES = {"int": np.int32, "unsigned": np.uint32, "float": np.float32, "double": np.float64}

KERNEL = re.compile(r'extern "C" __global__ void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\((.*?)\)\s*\{', re.DOTALL)
PARAMETER = re.compile(r"(?:const\s+)?(\w+)(\*?)\s+(\w+)\s*(?:,|$)\s*(?://([^\n]*))?")
INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)


class Parameter(NamedTuple):
    type: str  # as in C, without const and *
    name: str
    is_array: bool
    shape: tuple  # of an array: names of other parameters, and numbers
    optional: bool


def compile_source(source, options):
    """A function from the name of a kernel to what launches it: f(grid, block, arguments)."""
    return xp.RawModule(code=source, options=options).get_function


class Kernels:
    """The kernels of one source, for one type of real numbers and one set of macros."""

    def __init__(self, source, real, macros):
        self.real, self.macros = np.dtype(real), dict(macros)
        if self.real not in REALS:
            raise TypeError(f"CUDA kernels are written for float32 and float64, not {self.real}; use astype")
        self.source = _with_includes(source)
        self.options = ("-std=c++17", f"-DREAL={REALS[self.real]}", *(f"-D{k}={v}" for k, v in self.macros.items()))
        self.kernels = {name: _parameters(name, text) for name, text in KERNEL.findall(self.source)}
        self._function = None

    def launch(self, name, grid, block, **arguments) -> None:
        """Runs kernel `name` on grid x block threads. TypeError or ValueError names the argument that does not fit.

        Arguments that the kernel does not take are ignored: one dict of sizes may serve several kernels.
        """
        parameters = self.kernels[name]
        values = {p.name: self._value(name, p, arguments) for p in parameters if not p.is_array}  # sizes before shapes
        values |= {p.name: self._value(name, p, arguments) for p in parameters if p.is_array}
        grid, block = (tuple(map(int, (*size, 1, 1)[:3])) for size in (grid, block))
        if grid[0] > INT32_MAX or max(grid[1:]) > 65535 or math.prod(block) > 1024:
            raise ValueError(f"{name}: a launch of {grid} blocks of {block} threads is more than a GPU takes")
        if 0 in grid:
            return
        if self._function is None:
            self._function = functools.cache(compile_source(self.source, self.options))
        self._function(name)(grid, block, tuple(values[p.name] for p in parameters))

    def _value(self, kernel, p, arguments):
        if p.name not in arguments:
            raise TypeError(f"{kernel}: argument {p.name} is missing")
        value = arguments[p.name]
        dtype = self.real.type if p.type == "T" else DTYPES.get(p.type)
        if p.is_array:
            return self._array(f"{kernel}: {p.name}", p, value, dtype, arguments)
        if dtype is None:  # a structure, passed by value
            if not isinstance(value, np.ndarray) or value.dtype.kind != "V":
                raise TypeError(f"{kernel}: {p.name} is {type(value).__name__}, expected a NumPy structure {p.type}")
            return value
        if p.type == "int" and not -INT32_MAX <= value <= INT32_MAX:
            raise ValueError(f"{kernel}: {p.name} is {value}, more than an int32 holds")
        return dtype(value)

    def _array(self, what, p, value, dtype, arguments):
        if value is None and p.optional:
            return np.uint64(0)
        if not isinstance(value, xp.ndarray):
            raise TypeError(f"{what} is {type(value).__name__}, expected an array on the device in use")
        if value.dtype != dtype:
            raise TypeError(f"{what} has dtype {value.dtype}, expected {np.dtype(dtype)}; use astype")
        if not value.flags.c_contiguous:
            raise ValueError(f"{what} is not in C order, which kernels cannot see; use ascontiguousarray")
        expected = math.prod(n if isinstance(n, int) else arguments[n] for n in p.shape)
        if value.size != expected:
            raise ValueError(f"{what} has {value.size} elements, expected {expected}, ({', '.join(map(str, p.shape))})")
        if value.size > MOST_ELEMENTS:
            raise ValueError(f"{what} has {value.size} elements, more than an int32 counts; cut the batch")
        return value


@functools.cache
def load(file, real=np.float32, **macros) -> Kernels:
    """The kernels of a .cu file of this folder, with T = real and macros as given. The same call, the same Kernels."""
    return Kernels((FOLDER / file).read_text(encoding="utf-8"), real, macros)


def _with_includes(source):
    """The source with each file of this folder that it includes put in the place of the line, once."""
    done = set()

    def content(match):
        name = match[1]
        if name in done:
            return ""
        done.add(name)
        return INCLUDE.sub(content, (FOLDER / name).read_text(encoding="utf-8"))

    return INCLUDE.sub(content, source)


def _parameters(kernel, text):
    """The parameters in a signature's text. Every array says its shape."""
    found, end = [], 0
    for match in PARAMETER.finditer(text.strip()):
        type_, star, name, comment = match.groups()
        shape = re.search(r"\(([^)]*)\)", comment or "") if star else None
        if star and shape is None:
            raise ValueError(f"{kernel}: array {name} has no shape in its signature; add a comment such as // (N, C)")
        sizes = tuple(int(n) if n.isdigit() else n for n in re.findall(r"\w+", shape[1])) if star else ()
        found.append(Parameter(type_, name, bool(star), sizes, "or none" in (comment or "")))
        end = match.end()
    if end != len(text.strip()):
        raise ValueError(f"{kernel}: cannot read its signature from {text.strip()[end:]!r} on")
    return found


def vector(*arrays, along):
    """How many elements one access of 16 bytes takes: 4 or 2 where rows of `along` elements begin at its multiples in
    all these arrays, else 1."""
    count = 16 // arrays[0].itemsize
    return count if along % count == 0 and all(address(a) % 16 == 0 for a in arrays) else 1


def address(array) -> int:
    """Where its first number lies."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
