"""einsum, outer product and trace; inverse, determinants, Cholesky factor and equations, batched over leading axes.

Source of the pullbacks: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", 2008. Symbols: A a matrix, C = A^-1, g = dL/dy. Read before this: ops.py, shape.py, reduce.py.
"""
import string

import numpy as np

from .backend import xp
from .ops import matmul
from .reduce import sum
from .shape import diagonal, expand_dims, getitem, named, reshape, swapaxes
from .sweep import broadcast_to
from .tensor import as_tensor, record


def einsum(subscripts, *operands):
    """Einstein's sum, by NumPy's notation ("ij,jk->ik"), ellipses and repeated letters included; also with lists of
    numbers in the place of letters, einsum(a, [0, 1], b, [1, 2], [0, 2]).

    The gradient of one operand is the einsum of g with the other operands, with that operand's letters as output.
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _letters(subscripts, *operands)
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


def _letters(*arguments):
    """(subscripts, operands) of the form with lists: operand, list, operand, list, ..., maybe a list for the output."""
    n = len(arguments) // 2 * 2
    operands, lists = arguments[0:n:2], [*arguments[1:n:2], *arguments[n:]]
    try:
        texts = ["".join("..." if i is Ellipsis else string.ascii_letters[i] for i in part) for part in lists]
    except (TypeError, IndexError) as error:
        raise ValueError("einsum: each operand must be followed by a list of its axes, numbers from 0 to 51 or Ellipsis"
                         ) from error
    return ",".join(texts[: n // 2]) + ("->" + texts[-1] if len(arguments) > n else ""), operands


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


def outer(a, b):
    """The products of each element of a with each of b: a (M,), b (N,) -> (M, N); others are flattened first."""
    return reshape(a, -1, 1) * reshape(b, -1)


def trace(x, offset=0, axis1=0, axis2=1):
    """Sum of the diagonal of two axes; see diagonal."""
    x = as_tensor(x)
    if x.ndim < 2:
        raise ValueError(f"trace: x has shape {x.shape}, expected two axes at least")
    return sum(diagonal(x, offset, axis1, axis2), -1)


def inv(A):
    """A^-1 for A (..., n, n). dC = -C dA C, so dL/dA = -C^T g C^T. A singular A raises LinAlgError."""
    A = _square(A, "inv")
    transposed = lambda C: swapaxes(C, -1, -2)
    value = named("inv", A, _inverse)
    return record(value, (A, lambda g, C: -matmul(transposed(C), matmul(g, transposed(C)))), keep_output=True)


def _inverse(A):
    return _finite(xp.linalg.inv(A), A)


def _finite(value, *inputs):
    """value, made by CuPy out of matrices: where NumPy says that one is singular, CuPy returns what is not finite."""
    if not xp.isfinite(value).all() and all(xp.isfinite(x).all() for x in inputs):
        raise np.linalg.LinAlgError("Singular matrix")
    return value


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


def solve(A, b):
    """x with A x = b, for A (..., n, n) and b (..., n, k), or one vector (n,). A singular A raises LinAlgError.

    A dx = db - dA x, so dL/db = A^-T g and dL/dA = -(A^-T g) x^T.
    """
    A, b = _square(A, "solve"), as_tensor(b)
    if b.ndim == 1:
        return solve(A, reshape(b, -1, 1))[..., 0]
    try:
        value = _finite(xp.linalg.solve(A.data, b.data), A.data, b.data)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"solve: {error}; A has shape {A.shape}") from error
    except ValueError as error:
        raise ValueError(f"solve: A {A.shape} and b {b.shape} do not fit: b is (..., n, k) or (n,)") from error
    back = lambda g: solve(swapaxes(A, -1, -2), g)
    return record(value, (A, lambda g, x: -matmul(back(g), swapaxes(x, -1, -2))), (b, lambda g, x: back(g)),
                  keep_output=True)


def cholesky(A):
    """L, lower triangular with a positive diagonal, with L L^T = A symmetric and positive definite, (..., n, n). Its
    lower triangle is read. The gradient is symmetric. LinAlgError if A is not positive definite.

    dL = L P(L^-1 dA L^-T), where P takes the lower triangle and half of the diagonal; so with S = L^-T P(L^T g) L^-1
    dL/dA = (S + S^T) / 2. Murray 2016, "Differentiation of the Cholesky decomposition", eq. 9 and 10.
    """
    A = _square(A, "cholesky")
    transposed = lambda x: swapaxes(x, -1, -2)

    def pullback(g, L):
        n = A.shape[-1]
        half = xp.tril(xp.ones((n, n), A.dtype)) - 0.5 * xp.eye(n, dtype=A.dtype)
        P = matmul(transposed(L), g) * half
        S = transposed(solve(transposed(L), transposed(solve(transposed(L), P))))  # L^-T P L^-1
        return 0.5 * (S + transposed(S))

    return record(named("cholesky", A, xp.linalg.cholesky), (A, pullback), keep_output=True)


def _square(A, name):
    A = as_tensor(A)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"{name}: A has shape {A.shape}; its last two axes must be equal, (..., n, n)")
    return A
