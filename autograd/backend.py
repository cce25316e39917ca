"""Where arrays live: NumPy on the CPU, or CuPy on an NVIDIA GPU. Decided here and nowhere else.

    from autograd.backend import xp, special   # the array library in use, and its special functions
    xp.exp(...)                                # numpy.exp, or cupy.exp after use("cuda")
    special.erf(...)                           # scipy.special.erf, or cupyx.scipy.special.erf

The device is NumPy's unless the environment says MINIGEN_DEVICE=cuda or the program calls use("cuda") before it
makes its first array. `xp` and `special` are module objects whose names are those of the library in use, so every
file may hold on to them, and a lookup costs no more than after `import numpy as xp`.

Random numbers are always drawn by a NumPy Generator that is handed in as an argument (`rng`): the same seed then
gives the same run on both devices.

Read before this: nothing. Read next: tensor.py.
"""
import importlib
import os
import types

import numpy as np


class _Later(types.ModuleType):
    """A module with the names of another, library(), which is imported when the first of them is asked for."""

    def __getattr__(self, name):
        functions = self.library()
        vars(self).update(vars(functions))
        return getattr(functions, name)


xp = types.ModuleType("xp", "The array library in use: NumPy or CuPy.")
special = _Later("special", "The special functions of the array library in use: SciPy's, slow to import, or CuPy's.")
default_dtype = np.dtype(np.float32)

_CUDA_HELP = (
    "device 'cuda' needs CuPy and an NVIDIA GPU with its driver: {reason}. "
    'Install with: pip install "minigen[cuda]"; or go on with the CPU: --device cpu'
)


def use(device: str) -> None:
    """Chooses the device of all arrays made from here on: "cpu" or "cuda". RuntimeError says what is missing."""
    if device == "cpu":
        arrays, functions = np, lambda: importlib.import_module("scipy.special")
    elif device == "cuda":
        arrays, functions = _cupy(), lambda: importlib.import_module("cupyx.scipy.special")
    else:
        raise ValueError(f"use: device is {device!r}, expected 'cpu' or 'cuda'")
    vars(xp).clear()
    vars(xp).update(vars(arrays))
    vars(special).clear()
    special.library = functions


def _cupy():
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise RuntimeError(_CUDA_HELP.format(reason=f"CuPy cannot be imported ({error})")) from error
    try:
        found = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(_CUDA_HELP.format(reason=f"CuPy finds no usable GPU ({error})")) from error
    if found == 0:
        raise RuntimeError(_CUDA_HELP.format(reason="CuPy finds no GPU"))
    return cupy


def device() -> str:
    """The device in use, "cpu" or "cuda"."""
    return "cpu" if xp.ndarray is np.ndarray else "cuda"


def asarray(x, dtype=None):
    """x as an array on the device in use; no copy where none is needed."""
    return xp.asarray(x, dtype=dtype)


def to_numpy(x) -> np.ndarray:
    """x, an array of either library, as a NumPy array."""
    return x.get() if hasattr(x, "get") else np.asarray(x)


def rng(seed: int) -> np.random.Generator:
    """The generator that all randomness of a run is drawn from."""
    return np.random.default_rng(seed)


def normal(rng: np.random.Generator, shape, dtype=default_dtype):
    """Standard normal draws, an array of the given shape on the device in use."""
    return asarray(rng.standard_normal(shape, dtype=np.dtype(dtype)))


def uniform(rng: np.random.Generator, shape, dtype=default_dtype):
    """Uniform draws in [0, 1), an array of the given shape on the device in use."""
    return asarray(rng.random(shape, dtype=np.dtype(dtype)))


use(os.environ.get("MINIGEN_DEVICE", "cpu"))
