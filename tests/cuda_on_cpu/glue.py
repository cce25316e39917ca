"""Compiles the text of a .cu file with g++ and runs its kernels on NumPy arrays, in the place of CuPy's RawModule.

    function = compile_source(source, options)          # as autograd.gpu.launch.compile_source
    function("name")(grid, block, arguments)            # RuntimeError tells what a kernel did wrong

Every array is copied for the launch to lie between two pages that cannot be accessed, as far back as its alignment
allows: an access outside is noticed where it happens, read or write. The few bytes that are left over are checked.
"""
import ctypes
import hashlib
import mmap
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HEADER = Path(__file__).with_name("cuda_on_cpu.h")
FLAGS = ("-O1", "-shared", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE", "-w",
         "-Wl,-Bsymbolic")  # a kernel may have the name of a function of the C library
ALIGNMENT = 16  # bytes, of the widest access
GUARD = 1 << 24  # a multiple of the page; addresses only, as no memory stands behind pages that nobody touches
PATTERN = 0xFF  # of the bytes beside an array: NaN if they are read

reason = ("needs Linux and g++" if not sys.platform.startswith("linux") or not shutil.which("g++") else None)
libc = ctypes.CDLL(None, use_errno=True) if reason is None else None


def compile_source(source, options, reverse=False):
    """The function from a kernel's name to what launches it. reverse: threads run in descending order."""
    library = _library(source, tuple(options))

    def function(name):
        run = getattr(library, f"run_{name}")
        return lambda grid, block, arguments: _launch(library, run, name, grid, block, arguments, reverse)

    return function


def _library(source, options):
    names = re.findall(r'extern "C" __global__ void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)', source)
    runners = "".join(
        f'extern "C" int run_{name}(const int* grid, const int* block, void** arguments, int reversed) {{\n'
        f"  return cpu::launch([](void** a) {{ cpu::call({name}, a); }}, grid, block, arguments, reversed);\n}}\n"
        for name in names)
    text = f'#include "{HEADER}"\n#line 1\n{source}\n{runners}' \
           'extern "C" const char* last_message() { return cpu::message; }\n'
    key = hashlib.sha256("\0".join([text, HEADER.read_text(), *FLAGS, *options]).encode()).hexdigest()[:20]
    folder = Path(tempfile.gettempdir()) / f"minigen-cuda-on-cpu-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    path = folder / f"{key}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as own:  # other processes may be at it too
            source, made = Path(own, "kernels.cpp"), Path(own, "kernels.so")
            source.write_text(text)
            command = ["g++", *FLAGS, *options, str(source), "-o", str(made)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"g++: {done.stderr[:4000]}")
            made.replace(path)  # whole, whoever looks
    library = ctypes.CDLL(str(path))
    library.last_message.restype = ctypes.c_char_p
    return library


def _launch(library, run, name, grid, block, arguments, reverse):
    rooms = {}  # address of an array -> the room that stands for it, one for both if it is passed twice
    pointers = (ctypes.c_void_p * len(arguments))()
    kept = []
    for i, value in enumerate(arguments):
        if isinstance(value, np.ndarray) and value.dtype.kind != "V":
            room = rooms.setdefault(value.ctypes.data, None) or Room(value)
            rooms[value.ctypes.data] = room
            held = ctypes.c_void_p(room.address)
        else:  # a number, or a structure passed by value
            held = ctypes.create_string_buffer(value.tobytes(), value.nbytes)
        kept.append(held)
        pointers[i] = ctypes.addressof(held)
    sizes = [(ctypes.c_int * 3)(*grid, *(1,) * (3 - len(grid))) for grid in (grid, block)]
    failed = run(*sizes, pointers, int(reverse))
    try:
        if failed:
            raise RuntimeError(f"{name}: {library.last_message().decode()}")
        for room in rooms.values():
            room.give_back(name)
    finally:
        for room in rooms.values():
            room.free()


class Room:
    """A copy of an array at the end of its pages, with GUARD forbidden bytes on either side."""

    def __init__(self, array):
        page = mmap.PAGESIZE
        self.array = array
        space = -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        pages = max(1, -(-space // page))
        self.size = pages * page + 2 * GUARD
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        self.start = libc.mmap(None, self.size, mmap.PROT_READ | mmap.PROT_WRITE,
                               mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        inside = self.start + GUARD
        for forbidden in (self.start, inside + pages * page):
            libc.mprotect(ctypes.c_void_p(forbidden), ctypes.c_size_t(GUARD), 0)
        self.bytes = np.ctypeslib.as_array((ctypes.c_ubyte * (pages * page)).from_address(inside))
        self.offset = pages * page - space
        self.address = inside + self.offset
        self.bytes[:] = PATTERN
        self.inner[:] = np.frombuffer(array.tobytes(), np.uint8)

    @property
    def inner(self):
        return self.bytes[self.offset : self.offset + self.array.nbytes]

    def give_back(self, name):
        for beside in (self.bytes[: self.offset], self.bytes[self.offset + self.array.nbytes :]):
            if (beside != PATTERN).any():
                raise RuntimeError(f"{name}: write outside an array of shape {self.array.shape}")
        if self.array.flags.writeable:
            self.array[...] = self.inner.view(self.array.dtype).reshape(self.array.shape)

    def free(self):
        self.bytes = None
        libc.munmap(ctypes.c_void_p(self.start), ctypes.c_size_t(self.size))
