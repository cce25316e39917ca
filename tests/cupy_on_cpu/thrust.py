"""In the place of cupy.cuda.thrust: sorting, by NumPy."""
import ctypes

import numpy as np

available = True


def sort(dtype, data, keys, shape):
    _seen(dtype, data, shape).sort(axis=-1)


def argsort(dtype, index, data, keys, shape):
    _seen(np.intp, index, shape)[...] = np.argsort(_seen(dtype, data, shape), axis=-1, kind="stable")


def _seen(dtype, address, shape):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(tuple(shape))
