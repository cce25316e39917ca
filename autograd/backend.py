"""Where arrays live: NumPy on the CPU, or CuPy on an NVIDIA GPU. Decided here and nowhere else.

    from autograd.backend import xp, special   # the array library in use, and its special functions
    xp.exp(...)                                # numpy.exp, or cupy.exp after use("cuda")
    special.erf(...)                           # scipy.special.erf, or cupyx.scipy.special.erf

The device is NumPy's unless the environment says MINIGEN_DEVICE=cuda (and MINIGEN_TF32=1) or the program calls
use("cuda") before it makes its first array. `xp` and `special` are module objects whose names are those of the library
in use, so every file may hold on to them, and a lookup costs no more than after `import numpy as xp`. CuPy's ufuncs
are made to do as NumPy's (`KeepsOrder`). Where a GPU has a kernel of this project's own, `by_device` chooses between it
and the function on arrays.

Random numbers are always drawn by a NumPy Generator that is handed in as an argument (`rng`): the same seed then
gives the same run on both devices.

Read before this: nothing. Read next: tensor.py.
"""
import ctypes
import functools
import importlib
import os
import sys
import types

import numpy as np


class _Later(types.ModuleType):
    """A module with the names of another, find(), which is imported when the first of them is asked for."""

    def __getattr__(self, name):
        functions = self.find()
        vars(self).update(vars(functions))
        return getattr(functions, name)


xp = types.ModuleType("xp", "The array library in use: NumPy or CuPy.")
special = _Later("special", "The special functions of the array library in use: SciPy's, slow to import, or CuPy's.")
default_dtype = np.dtype(np.float32)
_products = {"tf32": False}  # how products are computed on a GPU; chosen with the device

_CUDA_HELP = (
    "device 'cuda' needs CuPy and an NVIDIA GPU with its driver: {reason}. "
    'Install with: pip install "minigen[cuda]"; or go on with the CPU: --device cpu, or MINIGEN_DEVICE=cpu'
)


def use(device: str, tf32: bool | None = None) -> None:
    """Chooses the device of all arrays made from here on: "cpu" or "cuda". RuntimeError says what is missing.

    tf32: on "cuda", products of float32 arrays (convolution, matmul) run on tensor cores, which round their factors to
    10 bits of mantissa. Without it they are float32 throughout. Left out, it is what the environment says:
    MINIGEN_TF32=1.
    """
    if device == "cpu":
        names, functions = vars(np), lambda: importlib.import_module("scipy.special")
    elif device == "cuda":
        names, functions = _names(_cupy()), lambda: importlib.import_module("cupyx.scipy.special")
    else:
        raise ValueError(f"use: device is {device!r}, expected 'cpu' or 'cuda'")
    vars(xp).clear()
    vars(xp).update(names)
    vars(special).clear()
    special.find = functions
    tf32 = os.environ.get("MINIGEN_TF32") == "1" if tf32 is None else tf32
    _products["tf32"] = tf32 and device == "cuda"


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
    capability = cupy.cuda.Device().compute_capability  # "90" for 9.0
    if int(capability) < 80:
        raise RuntimeError(_CUDA_HELP.format(
            reason=f"the kernels are for compute capability 8.0 (Ampere) and newer, this GPU has "
                   f"{capability[:-1]}.{capability[-1]}"))
    return cupy


def _names(cupy):
    one_result = lambda value: isinstance(value, cupy.ufunc) and value.nout == 1
    return {name: KeepsOrder(value) if one_result(value) else value for name, value in vars(cupy).items()}


class KeepsOrder:
    """A ufunc of CuPy's whose result lies in memory as its inputs do. NumPy's do that; CuPy's give C order, and what
    is channels-last would be copied to C order and back around each of them."""

    def __init__(self, ufunc):
        self.ufunc = ufunc

    def __getattr__(self, name):
        return getattr(self.ufunc, name)

    def __call__(self, *inputs, **options):
        if len(inputs) > self.ufunc.nin or "out" in options:
            return self.ufunc(*inputs, **options)
        return in_memory_order(lambda *arrays: self.ufunc(*arrays, **options), *inputs)


def in_memory_order(f, *inputs):
    """f(*inputs), f elementwise, in the memory order of the input with the most elements. inputs: also numbers."""
    arrays = [a for a in inputs if isinstance(a, xp.ndarray)]
    like = max(arrays, key=lambda a: a.size, default=None)
    if like is None or like.flags.c_contiguous or any(a.ndim > like.ndim for a in arrays):
        return f(*inputs)
    axes = memory_order(like)
    turned = lambda a: a.reshape((1,) * (like.ndim - a.ndim) + a.shape).transpose(axes)
    return f(*(turned(a) if isinstance(a, xp.ndarray) else a for a in inputs)).transpose(np.argsort(axes).tolist())


def memory_order(x) -> list[int]:
    """The axes of x, from the one with the longest steps in memory to the shortest; 0, 1, ... if numbers repeat."""
    repeats = any(step == 0 and size > 1 for step, size in zip(x.strides, x.shape))
    return list(range(x.ndim)) if repeats else sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))


def device() -> str:
    """The device in use, "cpu" or "cuda"."""
    return "cpu" if xp.ndarray is np.ndarray else "cuda"


def tf32() -> bool:
    """Whether products of float32 arrays may round their factors to TF32."""
    return _products["tf32"]


def by_device(on_cpu, on_cuda):
    """A function that is on_cpu or on_cuda, whichever is for the device in use when it is called."""

    @functools.wraps(on_cpu)
    def chosen(*args, **kwargs):
        return (on_cpu if device() == "cpu" else on_cuda)(*args, **kwargs)

    return chosen


def multiprocessors() -> int:
    """How many blocks of threads the GPU runs at the same time, at least; 1 on the CPU."""
    return _multiprocessors(xp.cuda.Device().id) if device() == "cuda" else 1


@functools.cache
def _multiprocessors(number):
    return xp.cuda.Device(number).attributes["MultiProcessorCount"]


class Captured:
    """work() as one CUDA graph: a call does what work() does, from the third on by a replay, without Python.

    On the CPU a call is a call of work. In work there may be no copy between host and device, no decision by an array's
    values, no cuBLAS, and no array whose size changes; what is to differ from call to call is read from device memory.
    Arrays that work leaves behind (in attributes, say) hold the result of the latest call.
    """

    WARM_UP = 2  # calls as they are: kernels are compiled, constants copied, and memory has been asked for once

    def __init__(self, work):
        self.work, self.calls, self.graph = work, 0, None
        if device() == "cuda":
            self.stream = xp.cuda.Stream(non_blocking=True)
            self.pool = xp.cuda.MemoryPool()  # of its own: a replay writes to addresses that no one else may be given

    def __call__(self) -> None:
        if device() == "cpu":
            return self.work()
        outside = xp.cuda.get_current_stream()
        self.stream.wait_event(outside.record())
        if self.calls < self.WARM_UP:
            self._run()
        elif self.graph is None:
            self.stream.begin_capture()
            try:
                self._run()
            except BaseException:
                self.stream.end_capture()
                raise
            self.graph = self.stream.end_capture()
        if self.graph is not None:
            self.graph.launch(self.stream)
        self.calls += 1
        outside.wait_event(self.stream.record())

    def _run(self):
        with self.stream, xp.cuda.using_allocator(self.pool.malloc):
            self.work()


def constant(array: np.ndarray):
    """A small NumPy array on the device in use. It is kept: a second call with equal numbers copies nothing, which a
    captured graph must not do, and gives the same array, which nobody may write to."""
    return _constant(device(), array.dtype.str, array.shape, array.tobytes())


@functools.cache
def _constant(device, dtype, shape, data):
    return asarray(np.frombuffer(data, dtype).reshape(shape))


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


def keep_freed_memory() -> None:
    """Tells the C library, where it is glibc, to keep the memory of freed arrays for the next ones.

    Else it goes back to the system, which gives it out anew in pieces of 4 KiB, each of them zeroed at its first touch:
    a sixth of the time of a training step of DDPM.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1  # malloc.h
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # bytes: the most that it takes; larger arrays are still given back
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


keep_freed_memory()
try:
    use(os.environ.get("MINIGEN_DEVICE", "cpu"))
except (RuntimeError, ValueError) as error:
    raise RuntimeError(f"MINIGEN_DEVICE={os.environ['MINIGEN_DEVICE']}: {error}") from None
