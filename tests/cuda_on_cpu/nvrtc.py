"""NVIDIA's runtime compiler, without a GPU and without CuPy: compile_cubin(source, options) -> machine code.

The library is that of the wheel nvidia-cuda-nvrtc (pip install ".[nvrtc]") or of an installed CUDA toolkit.
"""
import ctypes
import functools
import importlib.util
import os
from ctypes.util import find_library
from pathlib import Path


@functools.cache
def library():
    """The compiler, or None where there is none."""
    places = []
    wheels = importlib.util.find_spec("nvidia")
    for root in wheels.submodule_search_locations if wheels else []:
        places += sorted(Path(root).glob("**/libnvrtc.so.*"))
    for root in filter(None, (os.environ.get("CUDA_PATH"), "/usr/local/cuda")):
        places += sorted(Path(root).glob("lib64/libnvrtc.so*"))
    places += filter(None, [find_library("nvrtc")])
    for place in places:
        try:
            return ctypes.CDLL(str(place))
        except OSError:
            continue
    return None


def compile_cubin(source, options):
    """The machine code. RuntimeError with the compiler's messages if it refuses, or warns."""
    nvrtc, program = library(), ctypes.c_void_p()
    text = source.encode()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"kernels.cu", 0, None, None)
    try:
        arguments = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
        status = nvrtc.nvrtcCompileProgram(program, len(options), arguments)
        log = _read(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).rstrip(b"\0\n").decode()
        if status or log:
            raise RuntimeError(f"NVRTC: {log}")
        return _read(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _read(get_size, get, program):
    size = ctypes.c_size_t()
    get_size(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    get(program, buffer)
    return buffer.raw
