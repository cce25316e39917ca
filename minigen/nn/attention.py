"""Multi-head attention as a layer, and the codes that tell it where things are.

    MultiHead(Q, K, V) = concat(head_1, ..., head_h) W_O,   head_i = Attention(Q W_Q,i, K W_K,i, V W_V,i)

so each head compares D / heads numbers of its own choice. A sum over tokens has no order: what is to depend on place
needs a code of the place added to it, a fixed one (sinusoids) or a trained one.

Source: Vaswani et al. 2017, sections 3.2.2 and 3.5. Symbols: N batch, T tokens that ask, S tokens that are asked,
D width. Read before this: autograd/attention.py, layers.py.
"""
import math

import numpy as np

from autograd import Tensor, dropout, linear, parameter, softmax
from autograd.attention import scaled_dot_product_attention
from autograd.backend import constant, default_dtype, xp

from . import init
from .layers import Linear
from .module import Module


class MultiheadAttention(Module):
    """torch.nn.MultiheadAttention: query (T, N, D), key (S, N, kdim), value (S, N, vdim), N first with batch_first.

    Parameters: in_proj_weight (3 D, D), the rows for queries, keys and values one below the other, or q_proj_weight,
    k_proj_weight and v_proj_weight where kdim or vdim is not D; in_proj_bias (3 D,); out_proj. Weights start by
    Xavier's rule, biases as 0. dropout: of the weights of attention, in training.
    """

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, kdim=None, vdim=None, batch_first=False, *, rng):
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: embed_dim={embed_dim} does not divide into num_heads={num_heads}")
        D = embed_dim
        self.embed_dim, self.num_heads, self.dropout, self.rng = D, num_heads, dropout, rng
        self.kdim, self.vdim, self.batch_first = kdim or D, vdim or D, batch_first
        draw = lambda *shape: parameter(init.xavier_uniform(shape, rng=rng))
        if self.kdim == self.vdim == D:
            self.in_proj_weight = draw(3 * D, D)
        else:
            self.q_proj_weight, self.k_proj_weight = draw(D, D), draw(D, self.kdim)
            self.v_proj_weight = draw(D, self.vdim)
        self.in_proj_bias = parameter(xp.zeros(3 * D, default_dtype)) if bias else None
        self.out_proj = Linear(D, D, bias, rng=rng)
        if bias:
            self.out_proj.bias.assign(0.0)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
                average_attn_weights=True, cache=None):
        """(output, weights): output of query's shape; weights (N, T, S), the mean over the heads, or (N, heads, T, S),
        or None without need_weights, which is faster.

        Masks are True where nothing may be looked at (scaled_dot_product_attention means the opposite), or numbers
        that are added to the scores: attn_mask (T, S) or (N heads, T, S), key_padding_mask (N, S).

        cache, not in torch: the keys and values of earlier calls, transformer.py's KeysValues. It takes in what this
        call brings, and S counts all that it holds then. With key and value None this call brings nothing.
        """
        if cache is None or key is not None:
            self._check(query, key, value)
        if not self.batch_first:
            query, key, value = self._exchange(query, key, value)
        q, k, v = self.project(query, key, value)  # (N, heads, T or S, D / heads)
        if cache is not None:
            k, v = cache.extend(k, v, len(q))
        mask = self._added(attn_mask, key_padding_mask, q.shape, k.shape[2], q.dtype)
        if need_weights:
            scores = q @ k.swapaxes(-1, -2) * (1.0 / math.sqrt(q.shape[-1]))
            weights = softmax(scores if mask is None else scores + mask)  # (N, heads, T, S)
            weights = dropout(weights, self.dropout, self.training, rng=self.rng)
            y = weights @ v  # (N, heads, T, D / heads)
        else:
            p = self.dropout if self.training else 0.0
            weights, y = None, scaled_dot_product_attention(q, k, v, mask, p, rng=self.rng)
        N, _, T, _ = y.shape
        y = self.out_proj(y.swapaxes(1, 2).reshape(N, T, self.embed_dim))
        if need_weights and average_attn_weights:
            weights = weights.mean(axis=1)
        return y if self.batch_first else y.swapaxes(0, 1), weights

    def project(self, query, key, value):
        """Queries, keys and values of the heads, three of (N, heads, T or S, D / heads); None for what is None."""
        D, bias = self.embed_dim, self.in_proj_bias
        rows = [slice(i * D, (i + 1) * D) for i in range(3)]
        if self.kdim == self.vdim == D and query is key is value:  # one product instead of three
            qkv = linear(query, self.in_proj_weight, bias)  # (N, T, 3 D)
            return [self._heads(qkv[..., r]) for r in rows]
        if self.kdim == self.vdim == D:
            weights = [self.in_proj_weight[r] for r in rows]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        return [None if x is None else self._heads(linear(x, w, bias if bias is None else bias[r]))
                for x, w, r in zip((query, key, value), weights, rows)]

    def _heads(self, x):
        """(N, T, D) -> (N, heads, T, D / heads)."""
        N, T, D = x.shape
        return x.reshape(N, T, self.num_heads, D // self.num_heads).swapaxes(1, 2)

    @staticmethod
    def _exchange(query, key, value):
        """Batch and tokens exchanged; what was one tensor stays one."""
        exchanged = {id(x): x if x is None else x.swapaxes(0, 1) for x in (query, key, value)}
        return [exchanged[id(x)] for x in (query, key, value)]

    def _added(self, attn_mask, key_padding_mask, shape, S, dtype):
        """Both masks as numbers to be added to the scores (N, heads, T, S), or None."""
        N, heads, T, _ = shape
        masks = []
        for name, mask, shapes in (("attn_mask", attn_mask, {(T, S): (T, S), (N * heads, T, S): (N, heads, T, S)}),
                                   ("key_padding_mask", key_padding_mask, {(N, S): (N, 1, 1, S)})):
            if mask is None:
                continue
            mask = mask.data if isinstance(mask, Tensor) else xp.asarray(mask)
            if mask.shape not in shapes:
                raise ValueError(f"MultiheadAttention: {name} has shape {mask.shape}, expected one of {list(shapes)}")
            mask = mask.reshape(shapes[mask.shape])
            masks.append(xp.where(mask, -xp.inf, 0.0).astype(dtype) if mask.dtype == bool else mask.astype(dtype))
        return sum(masks[1:], masks[0]) if masks else None

    def _check(self, query, key, value):
        shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
        if not query.ndim == key.ndim == value.ndim == 3:
            raise ValueError(f"MultiheadAttention: each of them needs three axes: {shapes}")
        if (query.shape[-1], key.shape[-1], value.shape[-1]) != (self.embed_dim, self.kdim, self.vdim):
            raise ValueError(f"MultiheadAttention: widths must be embed_dim={self.embed_dim}, kdim={self.kdim}, "
                             f"vdim={self.vdim}: {shapes}")
        batch = 0 if self.batch_first else 1
        if key.shape[:2] != value.shape[:2] or query.shape[batch] != key.shape[batch]:
            raise ValueError(f"MultiheadAttention: keys and values must be as many, and batches equal: {shapes}")

    def extra_repr(self):
        return f"{self.embed_dim}, heads={self.num_heads}"


# Codes of place


def sinusoidal_code(positions, dim, max_period=10_000.0):
    """sin and cos of the positions (...) at dim / 2 frequencies, 1 down to about 1 / max_period: (..., dim) array.

        code = [sin(w_0 p), sin(w_1 p), ..., cos(w_0 p), cos(w_1 p), ...],   w_i = max_period^(-2 i / dim)

    Vaswani et al., section 3.5, who interleave sines and cosines: the same code in another order. Nearby positions
    have similar codes, and the code of p + k is a rotation of that of p.
    """
    if dim < 2 or dim % 2:
        raise ValueError(f"sinusoidal_code: dim is {dim}, expected an even number: half are sines, half cosines")
    frequencies = max_period ** (-np.arange(dim // 2) / (dim // 2))
    angles = xp.asarray(positions)[..., None] * constant(frequencies)
    return xp.concatenate([xp.sin(angles), xp.cos(angles)], axis=-1).astype(default_dtype)


class SinusoidalPositions(Module):
    """Adds the code of its place to each token: (N, T, D) -> (N, T, D), for any T."""

    def forward(self, input):
        _, T, D = input.shape
        return input + sinusoidal_code(np.arange(T), D)


class LearnedPositions(Module):
    """Adds a trained vector for its place to each token: (N, T, D) -> (N, T, D).

    Weight (max_tokens, D), from N(0, 0.02^2).
    """

    def __init__(self, max_tokens, embed_dim, *, rng):
        self.weight = parameter(init.normal((max_tokens, embed_dim), std=0.02, rng=rng))

    def forward(self, input):
        T = input.shape[1]
        if T > len(self.weight):
            raise ValueError(f"LearnedPositions: {T} tokens, but only {len(self.weight)} places were given a code; "
                             f"pass max_tokens={T}")
        return input + self.weight[:T]

    def extra_repr(self):
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"
