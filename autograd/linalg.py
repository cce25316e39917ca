"""einsum, and the inverse and determinants of square matrices, batched over leading axes.

Source of the pullbacks: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", 2008. Symbols: A a matrix, C = A^-1, g = dL/dy. Read before this: ops.py, shape.py, reduce.py.
"""
import string

import numpy as np

from .backend import xp
from .ops import matmul
from .shape import diagonal, expand_dims, getitem, named, swapaxes
from .tensor import as_tensor, broadcast_to, record


def einsum(subscripts, *operands):
    """Einstein's sum, by NumPy's notation ("ij,jk->ik"), ellipses and repeated letters included.

    The gradient of one operand is the einsum of g with the other operands, with that operand's letters as output.
    """
    xs = [as_tensor(x) for x in operands]
    inputs, output = _explicit(subscripts, xs)
    for i, (letters, x) in enumerate(zip(inputs, list(xs))):  # a letter repeated within one operand takes its diagonal
        while len(set(letters)) < len(letters):
            twice = next(c for c in letters if letters.count(c) > 1)
            first, second = letters.index(twice), letters.rindex(twice)
            if xs[i].shape[first] != xs[i].shape[second]:
                raise ValueError(f"einsum: {twice!r} names axes of unequal size in operand {i} of shape {x.shape}")
            xs[i] = diagonal(xs[i], 0, first, second)
            letters = letters[:first] + letters[first + 1 : second] + letters[second + 1 :] + twice
        inputs[i] = letters
    return _einsum(inputs, output, xs)


def _einsum(inputs, output, xs):
    """einsum with letters spelled out and none repeated within an operand."""
    try:
        value = xp.einsum(",".join(inputs) + "->" + output, *(x.data for x in xs), optimize=len(xs) > 2)
    except ValueError as error:
        raise ValueError(f"einsum: {','.join(inputs)}->{output} does not fit shapes {[x.shape for x in xs]}: {error}"
                         ) from error

    def pullback(g, i):
        others = [j for j in range(len(xs)) if j != i]
        present = set(output).union(*(inputs[j] for j in others))
        kept = "".join(c for c in inputs[i] if c in present)  # the rest was summed alone: its gradient is constant
        y = _einsum([output] + [inputs[j] for j in others], kept, [g] + [xs[j] for j in others])
        y = expand_dims(y, tuple(k for k, c in enumerate(inputs[i]) if c not in present))
        return broadcast_to(y, np.broadcast_shapes(y.shape, xs[i].shape))

    return record(value, *((x, lambda g, i=i: pullback(g, i)) for i, x in enumerate(xs)))


def _explicit(subscripts, xs):
    """The letters of each operand and of the output, with ellipses spelled out and the output made explicit."""
    left, arrow, output = subscripts.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(xs):
        raise ValueError(f"einsum: {subscripts!r} names {len(inputs)} operands, {len(xs)} were given")
    free = [c for c in string.ascii_letters if c not in subscripts]
    widest = 0
    for i, (letters, x) in enumerate(zip(inputs, xs)):
        width = x.ndim - len(letters.replace("...", ""))
        if width < 0 or width > 0 and "..." not in letters or letters.count(".") not in (0, 3):
            raise ValueError(f"einsum: operand {i} has shape {x.shape}, but its subscripts are {letters!r}")
        widest = max(widest, width)
        inputs[i] = letters.replace("...", "".join(free[:width][::-1]))  # counted from the last axis
    ellipsis = "".join(free[:widest][::-1])
    if not arrow:
        plain = left.replace(",", "").replace(".", "")
        return inputs, ellipsis + "".join(sorted(c for c in set(plain) if plain.count(c) == 1))
    return inputs, output.replace("...", ellipsis)


def inv(A):
    """A^-1 for A (..., n, n). dC = -C dA C, so dL/dA = -C^T g C^T. A singular A raises LinAlgError."""
    A = _square(A, "inv")
    transposed = lambda C: swapaxes(C, -1, -2)
    value = named("inv", A, _inverse)
    return record(value, (A, lambda g, C: -matmul(transposed(C), matmul(g, transposed(C)))), keep_output=True)


def _inverse(A):
    """A^-1. That of a singular matrix is an error with CuPy too, which would return numbers that are not finite."""
    C = xp.linalg.inv(A)
    if not xp.isfinite(C).all() and xp.isfinite(A).all():
        raise np.linalg.LinAlgError("Singular matrix")
    return C


def det(A):
    """Determinant of A (..., n, n). dL/dA = g times the matrix of cofactors, which is det(A) A^-T."""
    A = _square(A, "det")
    return record(xp.linalg.det(A.data), (A, lambda g: expand_dims(g, (-1, -2)) * cofactors(A)))


def cofactors(A):
    """The matrix of cofactors of A (..., n, n), C_ij = (-1)^(i+j) det(A without row i and column j).

    It is det(A) A^-T, which costs one inverse; a singular A has no inverse but has cofactors, n^2 determinants.
    """
    n = A.shape[-1]
    if A.size == 0 or xp.all(xp.linalg.cond(A.data) < xp.finfo(A.dtype).eps ** -0.5):
        return expand_dims(det(A), (-1, -2)) * swapaxes(inv(A), -1, -2)
    without = xp.asarray([[j for j in range(n) if j != i] for i in range(n)], dtype=int).reshape(n, n - 1)
    minors = getitem(A, (Ellipsis, without[:, None, :, None], without[None, :, None, :]))  # (..., n, n, n-1, n-1)
    sign = (-1.0) ** (xp.arange(n)[:, None] + xp.arange(n))
    return sign.astype(A.dtype) * det(minors)


def slogdet(A):
    """(sign, log |det|) of A (..., n, n); the sign is a constant. d log |det A| / dA = A^-T."""
    A = _square(A, "slogdet")
    sign, logabsdet = xp.linalg.slogdet(A.data)
    gradient = lambda g: expand_dims(g, (-1, -2)) * swapaxes(inv(A), -1, -2)
    return as_tensor(sign), record(logabsdet, (A, gradient))


def _square(A, name):
    A = as_tensor(A)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"{name}: A has shape {A.shape}; its last two axes must be equal, (..., n, n)")
    return A
