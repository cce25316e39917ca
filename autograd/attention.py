"""Attention: each query takes a mean of the values, weighted by how well it matches their keys.

    A = softmax(scale Q K^T + mask)            (..., L, S), rows sum to one
    Y = A V                                    (..., L, Ev)

    dV = A^T g        dA = g V^T               and with D = A (dA - sum_S A dA), the gradient of the scores,
    dQ = scale D K    dK = scale D^T Q

A is by far the largest array, and nothing outside needs it. So it is made for a few images at a time, used
while in cache, dropped, and made again for the gradients: the idea of FlashAttention (Dao et al. 2022). While
a graph is recorded, the same functions run on the whole batch at once.

Source: Vaswani et al. 2017, eq. 1. Symbols: L queries, S keys, E their width, Ev width of a value, ... batch
and heads, g = dL/dY. Read before this: reduce.py.
"""
import numpy as np

from .backend import by_device, uniform, xp
from .mode import no_grad, recording
from .ops import where
from .reduce import softmax, sum
from .shape import concatenate, reshape, swapaxes
from .sweep import broadcast_to
from .tensor import Tensor, as_tensor, joint, record

block = by_device(lambda: 1 << 18, lambda: 1 << 26)  # numbers of A in memory at a time: 1 MiB in float32, 256 on a GPU


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, *, rng=None
):
    """query (..., L, E), key (..., S, E), value (..., S, Ev) -> (..., L, Ev); leading axes broadcast.

    attn_mask, broadcast to (..., L, S): booleans (may a query look there?) or numbers added to the scores.
    is_causal: query i looks at keys 0..i. A query that may look nowhere gets zeros. scale None: 1 / sqrt(E).
    dropout_p > 0: weights are dropped with that probability, by draws from rng.
    """
    q, k, v = as_tensor(query), as_tensor(key), as_tensor(value)
    batch = _check(q, k, v)
    shape = (*(batch or (1,)), q.shape[-2], k.shape[-2])
    scale = max(1, q.shape[-1]) ** -0.5 if scale is None else float(scale)
    bias, fully_masked = _mask(attn_mask, is_causal, shape, q.dtype)
    dropout_mask = _dropout_mask(dropout_p, rng, shape, q.dtype)
    q, k, v = (_spread(t, shape[:-2] + t.shape[-2:]) for t in (q, k, v))
    if bias is not None and bias.requires_grad:
        (y,) = _weighted_mean(q, k, v, bias, fully_masked, dropout_mask, scale)
    else:
        y = _attention(q, k, v, bias, fully_masked, dropout_mask, scale)
    return reshape(y, *batch, *y.shape[-2:])


def _attention(q, k, v, bias, fully_masked, dropout_mask, scale):
    arguments = q, k, v, bias, fully_masked, dropout_mask, scale
    gradients = lambda g: (_gradients if recording() else _in_blocks(_gradients))(*arguments, g)
    value = _in_blocks(_weighted_mean)(*arguments)[0].data
    return record(value, *joint((q, k, v), gradients))


def _weighted_mean(q, k, v, bias, fully_masked, dropout_mask, scale):
    A = _weights(q, k, bias, fully_masked, scale)
    return [(A if dropout_mask is None else A * dropout_mask) @ v]


def _gradients(q, k, v, bias, fully_masked, dropout_mask, scale, g):
    """dL/d(q, k, v)."""
    A = _weights(q, k, bias, fully_masked, scale)
    dA = g @ swapaxes(v, -1, -2)
    if dropout_mask is not None:
        dA = dA * dropout_mask
    D = A * (dA - sum(A * dA, -1, keepdims=True)) * scale
    dv = swapaxes(A if dropout_mask is None else A * dropout_mask, -1, -2) @ g
    return [D @ k, swapaxes(D, -1, -2) @ q, dv]


def _weights(q, k, bias, fully_masked, scale):
    scores = (q * scale) @ swapaxes(k, -1, -2)
    A = softmax(scores if bias is None else scores + bias)
    return A if fully_masked is None else where(fully_masked.data, 0.0, A)


def _in_blocks(f):
    """f, computed for a few entries of the first axis of its Tensors at a time, without a graph."""

    def in_blocks(q, k, *others):
        step = max(1, block() // max(1, int(np.prod(q.shape[1:-1])) * k.shape[-2]))
        arguments = (q, k, *others)
        with no_grad():
            parts = [
                f(*(Tensor(t.data[n : n + step]) if isinstance(t, Tensor) else t for t in arguments))
                for n in range(0, max(1, len(q)), step)
            ]
            return [concatenate(outputs) for outputs in zip(*parts)]

    return in_blocks


# Arguments

OP = "scaled_dot_product_attention"


def _check(q, k, v):
    """The leading axes of the result."""
    shapes = f"query {q.shape}, key {k.shape}, value {v.shape}"
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise ValueError(f"{OP}: all must have at least two axes, tokens and width: {shapes}")
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(f"{OP}: query and key must have one width, key and value as many tokens: {shapes}")
    if not q.dtype == k.dtype == v.dtype or q.dtype.kind != "f":
        raise TypeError(f"{OP}: query, key and value must have one floating dtype, got {q.dtype}, {k.dtype}, "
                        f"{v.dtype}; use astype")
    try:
        return np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except ValueError:
        raise ValueError(f"{OP}: leading axes do not broadcast: {shapes}") from None


def _mask(attn_mask, is_causal, shape, dtype):
    """(bias, fully_masked), Tensors of `shape` or None: what is added to the scores, and which queries may look
    nowhere. These get a bias of 0, since softmax would divide 0 by 0, and weights of 0 afterwards."""
    if is_causal:
        if attn_mask is not None:
            raise ValueError(f"{OP}: pass either attn_mask or is_causal=True")
        attn_mask = xp.tril(xp.ones(shape[-2:], bool))
    if attn_mask is None:
        return None, None
    bias = as_tensor(attn_mask)
    if bias.dtype not in (bool, dtype):
        raise TypeError(f"{OP}: attn_mask has dtype {bias.dtype}, expected bool or the query's {dtype}")
    if bias.dtype == bool:
        bias = Tensor(xp.where(bias.data, 0.0, -xp.inf).astype(dtype))
    try:
        spread = _spread(bias, shape)
    except ValueError:
        raise ValueError(f"{OP}: attn_mask {bias.shape} does not broadcast to {shape}, (..., L, S)") from None
    fully_masked = (bias.data == -xp.inf).all(axis=-1, keepdims=True)
    if not fully_masked.any():
        return spread, None
    return _spread(where(fully_masked, 0.0, bias), shape), _spread(Tensor(fully_masked), shape[:-1] + (1,))


def _dropout_mask(dropout_p, rng, shape, dtype):
    """What dropout multiplies A with: 0 or 1 / (1 - p); or None."""
    if not 0.0 <= dropout_p <= 1.0:
        raise ValueError(f"{OP}: dropout_p is {dropout_p}, expected a probability from 0 to 1")
    if dropout_p == 0.0:
        return None
    if rng is None:
        raise ValueError(f"{OP}: dropout_p > 0 needs a generator: pass rng")
    scale = 1.0 / (1.0 - dropout_p) if dropout_p < 1.0 else 0.0
    return Tensor((uniform(rng, shape, dtype) >= dropout_p).astype(dtype) * scale)


def _spread(t, shape):
    return t if t.shape == shape else broadcast_to(t, shape)
