"""Transformers: blocks of attention and a small network for each token, and a cache for making tokens one by one.

    x = x + attention(norm1(x))                    among the tokens of x; causal: token i looks at tokens 0 .. i
    x = x + attention(norm2(x), context)           to the tokens of something else, only where there is a context
    x = x + W_2 gelu(W_1 norm(x))                  each token on its own

and a last norm after all blocks. The norms stand inside the branches ("pre-norm"), so that a straight way leads from
the loss to every block: no branch scales down what passes by. Vaswani et al. 2017 had them after the sums.

A causal transformer that makes tokens one after the other need not begin anew at each: what the earlier tokens offer to
a later one are their keys and values, and these do not depend on it.

    k_i, v_i = W_K h_i, W_V h_i                    computed once, when token i arrives, and kept: the cache
    y_t = softmax(q_t [k_0 .. k_t]^T / sqrt(E)) [v_0 .. v_t]

So the T tokens of a sequence cost T tokens' work, not 1 + 2 + .. + T.

    cache = transformer.cache(context)
    for t in range(T):
        y_t = transformer(x_t, cache=cache)        # x_t (N, 1, D); several tokens at once may come too

What comes out is what the whole sequence at once gives, but for rounding: BLAS adds up a product of few rows in another
order than one of many, so the two differ in the last digits (1e-6 of the values in float32, 1e-14 in float64).

Initial weights as GPT-2's (Radford et al. 2019, section 2.3): N(0, 0.02^2), those of the last layer of each branch
divided by the root of the number of branches, as their sum would grow with it; biases 0.

Sources: Vaswani et al. 2017; Xiong et al. 2020 for the place of the norms. Parameters have the names and layouts of
torch.nn.TransformerEncoderLayer and, with a context, TransformerDecoderLayer (norm_first=True). gelu is GPT-2's, the
one by tanh.
Symbols: N batch, T tokens, S tokens that are looked at, D width, E = D / heads. Read before this: attention.py,
layers.py. Read next: models/autoregressive/transformer.py.
"""
import math

from autograd import Tensor, gelu
from autograd.backend import xp

from . import init
from .attention import MultiheadAttention
from .layers import Dropout, LayerNorm, Linear
from .module import Module, ModuleList

STD = 0.02  # of the initial weights


class TransformerBlock(Module):
    """(N, T, D) -> (N, T, D).

    width: D. context: the width of the tokens of a context, if there is one to look at. hidden: of the small network,
    4 D if left out. dropout: in training, of what each branch adds and of the weights of attention.
    """

    def __init__(self, width, heads, context=None, hidden=None, dropout=0.0, *, rng):
        hidden = hidden or 4 * width
        self.self_attn = MultiheadAttention(width, heads, dropout, batch_first=True, rng=rng)
        self.multihead_attn = MultiheadAttention(width, heads, dropout, kdim=context, vdim=context, batch_first=True,
                                                 rng=rng) if context else None
        self.linear1, self.linear2 = Linear(width, hidden, rng=rng), Linear(hidden, width, rng=rng)
        self.norm1, self.norm2 = LayerNorm(width), LayerNorm(width)
        self.norm3 = LayerNorm(width) if context else None
        self.dropout = Dropout(dropout, rng=rng)
        initialize(self, rng)

    def forward(self, x, context=None, mask=None, padding=None, context_padding=None, cache=None):
        """x (N, T, D), context (N, S, its width) -> (N, T, D).

        mask: (T, S) booleans, True where token t of x may not look at token s of x. padding (N, T), context_padding
        (N, S): True at tokens that nobody is to look at. cache: this block's BlockCache; mask and padding then count
        all tokens that it holds, and the context is the one that it was made for.
        """
        seen, of_context = (cache.seen, cache.context) if cache else (None, None)
        h = self.norm1(x)
        h, _ = self.self_attn(h, h, h, padding, need_weights=False, attn_mask=mask, cache=seen)
        x = x + self.dropout(h)
        if self.multihead_attn:
            h, _ = self.multihead_attn(self.norm2(x), context, context, context_padding, need_weights=False,
                                       cache=of_context)
            x = x + self.dropout(h)
        norm = self.norm3 if self.multihead_attn else self.norm2
        return x + self.dropout(self.linear2(gelu(self.linear1(norm(x)), "tanh")))

    def weights(self, x, mask=None, padding=None):
        """How much each token of x looks at each other: (N, heads, T, T)."""
        h = self.norm1(x)
        return self.self_attn(h, h, h, padding, attn_mask=mask, average_attn_weights=False)[1]

    def branches(self):
        """The last layer of each branch."""
        attentions = [self.self_attn] + ([self.multihead_attn] if self.multihead_attn else [])
        return [*(attention.out_proj for attention in attentions), self.linear2]


class Transformer(Module):
    """A stack of blocks with a norm at the end: (N, T, D) -> (N, T, D).

    causal: token t looks at tokens 0 .. t only. The other arguments are TransformerBlock's.
    """

    def __init__(self, width, blocks, heads, causal=False, context=None, hidden=None, dropout=0.0, *, rng):
        if blocks < 1:
            raise ValueError(f"Transformer: blocks is {blocks}, expected at least 1")
        self.width, self.causal, self.context = width, causal, context
        self.layers = ModuleList(TransformerBlock(width, heads, context, hidden, dropout, rng=rng)
                                 for _ in range(blocks))
        self.norm = LayerNorm(width)
        branches = [layer for block in self.layers for layer in block.branches()]
        for layer in branches:
            layer.weight.assign(layer.weight.data / math.sqrt(len(branches)))

    def forward(self, x, context=None, padding=None, context_padding=None, cache=None):
        """x (N, T, D), context (N, S, its width) -> (N, T, D). padding (N, T), context_padding (N, S): True at tokens
        that nobody is to look at. cache: from `cache`, which is then given the context too; x are the tokens that
        follow those that it holds, and results are without gradients for them."""
        self._check(x, context, padding, cache)
        if cache is None:
            mask = causal_mask(x.shape[1]) if self.causal else None
            for layer in self.layers:
                x = layer(x, context, mask, padding, context_padding)
            return self.norm(x)
        mask, padding = cache.advance(*x.shape[:2], padding)
        for layer, own in zip(self.layers, cache.blocks):
            x = layer(x, None, mask, padding, cache.context_padding, own)
        return self.norm(x)

    def cache(self, context=None, context_padding=None):
        """A Cache of no tokens, for sequences that look at this context."""
        if not self.causal:
            raise ValueError("Transformer.cache: the transformer is not causal, a token changes what those before it "
                             "are; pass causal=True")
        self._check_context(context)
        cache = Cache(len(self.layers), context_padding)
        if self.context:
            for layer, own in zip(self.layers, cache.blocks):
                _, k, v = layer.multihead_attn.project(None, context, context)
                own.context = KeysValues()
                own.context.extend(k, v, len(context))
        return cache

    def weights(self, x, context=None, padding=None):
        """How much each token looks at each other, by block: a list of arrays (N, heads, T, T), rows that sum to 1."""
        self._check(x, context, padding)
        mask, found = causal_mask(x.shape[1]) if self.causal else None, []
        for layer in self.layers:
            found.append(layer.weights(x, mask, padding).data)
            x = layer(x, context, mask, padding)
        return found

    def _check(self, x, context, padding, cache=None):
        if x.ndim != 3 or x.shape[-1] != self.width:
            raise ValueError(f"Transformer: x has shape {x.shape}, expected (N, T, {self.width})")
        if padding is not None and padding.shape != x.shape[:2]:
            raise ValueError(f"Transformer: padding has shape {padding.shape}, expected {x.shape[:2]}, that of x")
        if cache is None:
            self._check_context(context)
        elif context is not None:
            raise ValueError("Transformer: the cache knows the context already; pass it to cache() alone")

    def _check_context(self, context):
        if (context is None) != (self.context is None):
            raise ValueError(f"Transformer: it was made with context={self.context}, and was given "
                             f"{'none' if context is None else f'one of shape {context.shape}'}")
        if context is not None and (context.ndim != 3 or context.shape[-1] != self.context):
            raise ValueError(f"Transformer: context has shape {context.shape}, expected (N, S, {self.context})")


def causal_mask(T, earlier=0):
    """(T, earlier + T) booleans, True where token t, which follows `earlier` others, may not look: at those after it.
    None where there is nothing to hide."""
    return None if T == 1 else ~xp.tri(T, earlier + T, earlier, dtype=bool)


def initialize(module, rng):
    """Weights N(0, STD^2), biases 0, of all attentions and linear layers in a module; norms stay as they are."""
    for name, p in module.named_parameters():
        if p.ndim == 2:
            p.assign(init.normal(p.shape, std=STD, rng=rng))
        elif name.endswith("bias"):
            p.assign(0.0)


# What is kept of earlier tokens


class Cache:
    """What a causal Transformer keeps of the tokens that it has seen: keys and values of each block, and which of the
    tokens were padding. length: how many tokens."""

    def __init__(self, blocks, context_padding=None):
        self.blocks = [BlockCache() for _ in range(blocks)]
        self.length, self.padding, self.context_padding = 0, None, context_padding

    def advance(self, N, T, padding):
        """Counts T more tokens; their mask (T, length) and the padding (N, length) of all."""
        if padding is not None or self.padding is not None:
            parts = [xp.zeros((N, self.length), bool) if self.padding is None else self.padding,
                     xp.zeros((N, T), bool) if padding is None else xp.asarray(padding)]
            self.padding = xp.concatenate(parts, axis=1)
        mask = causal_mask(T, self.length)
        self.length += T
        return mask, self.padding


class BlockCache:
    """Of one block: the keys and values of the tokens seen, and those of the context, if there is one."""

    def __init__(self):
        self.seen, self.context = KeysValues(), None


class KeysValues:
    """Keys and values, (N, heads, S, E) each, that one attention has computed so far."""

    def __init__(self):
        self.S, self.arrays = 0, None  # arrays: with room for more, doubled when it is full

    def extend(self, k, v, N):
        """Takes in those of T more tokens, (N, heads, T, E), or None; returns all of them, as constants."""
        if self.arrays is not None and len(self.arrays[0]) != N:
            raise ValueError(f"KeysValues: the cache is of {len(self.arrays[0])} sequences, and was given {N}")
        if k is None and self.arrays is None:
            raise ValueError("KeysValues: the cache holds no tokens yet, and was given none")
        if k is not None:
            T = k.shape[2]
            if self.arrays is None or self.S + T > self.arrays[0].shape[2]:
                self._make_room(k.data, max(2 * self.S, self.S + T))
            for array, new in zip(self.arrays, (k, v)):
                array[:, :, self.S : self.S + T] = new.data
            self.S += T
        return [Tensor(array[:, :, : self.S]) for array in self.arrays]

    def _make_room(self, like, S):
        """Arrays of S tokens that begin with what is here already."""
        larger = [xp.empty((*like.shape[:2], S, like.shape[3]), like.dtype) for _ in range(2)]
        for array, old in zip(larger, self.arrays or ()):
            array[:, :, : self.S] = old[:, :, : self.S]
        self.arrays = larger
