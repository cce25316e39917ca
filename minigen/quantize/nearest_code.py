"""The nearest code of a vector, and a gradient that passes the choice: the two steps of vector quantization.

    k = argmin_j |z - e_j|^2                 which of the K codes is nearest                       (eq. 1)
    z_q = e_k                                what the decoder sees                                 (eq. 2)
    dL/dz := dL/dz_q                         straight-through: the choice itself has no gradient

van den Oord, Vinyals & Kavukcuoglu, "Neural Discrete Representation Learning", 2017. A step of z changes z_q only where
z crosses into another code's cell: the true gradient is 0 or does not exist. But z and z_q lie close to each other, so
that what the decoder would like to see instead of z_q is a good direction for z.

Symbols: M vectors, K codes of D numbers, e the codes (K, D). Read before this: autograd/tensor.py (record).
Read next: codebook.py.
"""
from autograd import record
from autograd.backend import xp
from autograd.tensor import as_tensor

DISTANCES = 2**22  # that are held at a time


def nearest(z, codebook):
    """The number of the nearest code, integers (M,), for vectors z (M, D) and a codebook (K, D): arrays, no gradient.
    Of codes that are equally near it is the first.

    |z - e|^2 = |z|^2 - 2 z.e + |e|^2, of which |z|^2 is the same for all codes: one matrix product does it.

    >>> import numpy as np
    >>> nearest(np.float32([[0.9], [-3.0], [0.5]]), np.float32([[1.0], [0.0]]))
    array([0, 1, 0])
    """
    if z.ndim != 2 or codebook.ndim != 2 or z.shape[1] != codebook.shape[1] or len(codebook) == 0:
        raise ValueError(f"nearest: z has shape {z.shape} and the codebook {codebook.shape}, expected (M, D) and "
                         "(K, D) with K >= 1; move the channels last")
    centre = codebook.mean(axis=0)  # differences are left, of which few digits are lost far from 0
    e = codebook - centre
    length = (e * e).sum(axis=1)  # (K,)
    rows = max(1, DISTANCES // len(e))
    # course 5.1
    parts = [(length - 2 * ((z[i : i + rows] - centre) @ e.T)).argmin(axis=1) for i in range(0, max(len(z), 1), rows)]
    return xp.concatenate(parts)


def straight_through(z, e):
    """e in value, z in gradient: a Tensor of their common shape. Written by others as z + stop_gradient(e - z)."""
    z, e = as_tensor(z), as_tensor(e)
    if z.shape != e.shape:
        raise ValueError(f"straight_through: z has shape {z.shape} and e {e.shape}, expected the same")
    return record(e.data, (z, lambda g: g))  # course 5.1
