"""One step of Adam for all parameters by adam.cu. Read before this: adam.cu."""
import numpy as np

from ..backend import memory_order, xp
from .launch import MOST_ELEMENTS, address, load

MOST, BLOCK = 64, 256  # 64 x (4 addresses + 2 integers) are 2.5 of the 4 kB that arguments may take
ARRAYS = np.dtype([(name, np.uint64, MOST) for name in ("theta", "g", "m", "v")]
                  + [(name, np.int32, MOST) for name in ("size", "end")], align=True)


def adam(theta, g, m, v, *, lr, t, scale=1.0, beta1, beta2, eps, decay=0.0):
    """Writes step t into the arrays of the lists theta, m and v. g: their gradients, in any layout.

    lr, t: numbers, or arrays (1,) of float and int32 in device memory, which a captured graph reads when it runs.
    """
    lr_now, t_now = (a if isinstance(a, xp.ndarray) else None for a in (lr, t))
    lr, t = (0 if isinstance(a, xp.ndarray) else a for a in (lr, t))
    rows = [_as_it_lies(*row) for row in zip(theta, g, m, v)]  # copies, if any, live until the launch
    for dtype in dict.fromkeys(row[0].dtype for row in rows):
        alike = [row for row in rows if row[0].dtype == dtype and row[0].size]
        for first in range(0, len(alike), MOST):
            part = alike[first : first + MOST]
            arrays = np.zeros((), ARRAYS)
            for i, name in enumerate(("theta", "g", "m", "v")):
                arrays[name][: len(part)] = [address(row[i]) for row in part]
            arrays["size"][: len(part)] = sizes = [row[0].size for row in part]
            arrays["end"][: len(part)] = ends = np.cumsum([-(-n // BLOCK) for n in sizes])
            load("adam.cu", dtype, MOST=MOST, BLOCK=BLOCK).launch(
                "adam", (ends[-1],), (BLOCK,), arrays=arrays, lr_now=lr_now, t_now=t_now, lr=lr, t=t, scale=scale,
                beta1=beta1, beta2=beta2, eps=eps, decay=decay)


def _as_it_lies(theta, g, m, v):
    """The four with their axes in theta's order of memory, and checked: they go by address, so launch cannot."""
    for a in (theta, g, m, v):
        if not isinstance(a, xp.ndarray) or a.dtype != theta.dtype or a.shape != theta.shape:
            raise TypeError(f"adam: an array of {a.dtype} {a.shape} beside parameters of {theta.dtype} {theta.shape}")
    axes = memory_order(theta)
    theta, g, m, v = (a.transpose(axes) for a in (theta, g, m, v))
    row = theta, xp.ascontiguousarray(g), m, v
    for a in row:
        if not a.flags.c_contiguous or a.size > MOST_ELEMENTS:
            raise ValueError(f"adam: an array of shape {a.shape} has gaps, another order than its parameter, or more "
                             f"than {MOST_ELEMENTS} elements")
    return row
