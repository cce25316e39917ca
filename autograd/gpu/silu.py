"""SiLU by silu.cu, on float32 or float64 arrays in any memory order, which results keep. Read before this: silu.cu."""
from ..backend import in_memory_order, xp
from .launch import load

THREADS = 256


def silu(x):
    """x sigmoid(x)."""
    return in_memory_order(lambda x: _launch("silu", "y", x=x), x)


def silu_gradient(x, g):
    """dL/dx for g = dL/dy."""
    return in_memory_order(lambda x, g: _launch("silu_gradient", "dx", x=x, g=g), x, g)


def _launch(name, result, **arrays):
    shape = arrays["x"].shape  # () is none that ascontiguousarray keeps
    arrays = {key: xp.ascontiguousarray(a) for key, a in arrays.items()}
    y = xp.empty_like(arrays["x"])
    load("silu.cu", y.dtype).launch(name, (-(-y.size // THREADS),), (THREADS,), size=y.size, **arrays, **{result: y})
    return y.reshape(shape)
