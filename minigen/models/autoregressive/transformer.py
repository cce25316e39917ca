"""ImageTransformer: a Transformer that reads an image as a text, and writes it one number after the other.

Chen et al., "Generative Pretraining from Pixels", ICML 2020 (image GPT), section 2; on a grid of codes in the place of
pixels, Esser, Rombach & Ommer, "Taming Transformers", CVPR 2021 (VQ-GAN), eqs. 8-9.

    p(s) = prod_i p(s_i | s_<i)            s: the numbers of an image, or of a grid of codes, in the order of drawing
    -log p(s)                              is minimized, in nats                                              (eq. 8)
    p(s | c) = prod_i p(s_i | s_<i, c)     c: a class, or a coarser grid of codes                             (eq. 9)

    h_0 = start + place_0,   h_i = token[s_{i-1}] + place_i,   i = 1 .. D - 1
    p(s_i = k | s_<i) = softmax(W transformer(h)_i)_k          causal: output i sees h_0 .. h_i, and so s_0 .. s_{i-1}

The sequence is shifted by one: input i is the number drawn last, and the place of the one that is to be drawn. So the
first has an input too, the start token, which holds the class where there is one; without it s_0 would have to be
predicted from nothing, or from itself. A place is the sum of a trained code for its row, one for its column and, in
colour, one for the channel: D places of an image from H + W + C codes. A coarser grid is a second sequence, not
shifted, at which every block looks by cross-attention.

All D conditionals take one pass in training. In sampling each number costs one token's work, thanks to the cache of
keys and values (nn/transformer.py); `recompute` of chain.py, its twin, takes the whole pass anew for every number.

Deviations: places by row and column, where image GPT has a code for each; dropout and small widths, for small data.

Symbols: N examples, D numbers of an example, K levels of a number, S numbers of a source, C H W image. Read before
this: autoregressive/chain.py, nn/transformer.py. Read next: recipes/autoregressive.py.
Course: 6.3.
"""
from autograd import concatenate
from autograd.backend import asarray, xp

from ...autoregressive import Autoregressive
from ...nn import Dropout, Embedding, Linear, Module, ModuleList, Transformer
from ...nn.transformer import initialize


class ImageTransformer(Autoregressive):
    """space: of images, grids of codes or other integers; levels: 2 for dynamic binarization (Autoregressive).

    conditions: {"y": Space((), classes)}, {"source": Space of a coarser grid of integers}, both, or none. width: of a
    token. heads: that divide it. dropout: in training, of the inputs and of every branch.
    """

    def __init__(self, space, levels=None, conditions=None, width=64, blocks=4, heads=4, dropout=0.1, *, rng):
        super().__init__(space, levels, conditions)
        for name, told in self.conditions.items():
            if name not in ("y", "source") or told.levels is None or (told.shape == ()) != (name == "y"):
                raise ValueError(f"ImageTransformer: cannot be told '{name}' of shape {told.shape} and "
                                 f"{told.levels or 'no'} levels; it takes labels y, and integers of a grid, source")
        source = self.conditions.get("source")
        self.start = Embedding(self.conditions["y"].levels if "y" in self.conditions else 1, width, rng=rng)
        self.token = Embedding(self.K, width, rng=rng)
        as_drawn = (*space.shape[1:], space.shape[0]) if space.is_image else space.shape  # (H, W, C)
        self.places = Places(as_drawn, width, rng=rng)
        self.source_token = Embedding(source.levels, width, rng=rng) if source else None
        self.source_places = Places(source.shape, width, rng=rng) if source else None
        self.dropout = Dropout(dropout, rng=rng)
        self.transformer = Transformer(width, blocks, heads, causal=True, context=width if source else None,
                                       dropout=dropout, rng=rng)
        self.head = Linear(width, self.K, rng=rng)
        for layer in (self.start, self.token, self.head, *([self.source_token] if source else [])):
            initialize(layer, rng)

    def logits(self, x, y=None, source=None):
        """Of integers x (N, *shape): Tensor (N, D, K)."""
        h = self.inputs(self.to_sequence(x), y)  # (N, D, width); course 6.3
        return self.head(self.transformer(h, self.context(source)))

    @property
    def held(self):
        return self.D * max(self.K, 8 * self.transformer.width)  # a block's hidden numbers, before and after gelu

    def predictor(self, n, y=None, source=None):
        """Takes each number as it is drawn, one step of the transformer, and keeps keys and values."""
        cache, start, places = self.transformer.cache(self.context(source)), self.first(n, y), self.places()

        def predict(i, x):
            if i != cache.length:
                raise ValueError(f"ImageTransformer.predictor: was asked for number {i}, and number {cache.length} "
                                 "is next")
            token = start if i == 0 else self.token(x[:, i - 1 : i])  # (n, 1, width)
            h = self.transformer(token + places[i], cache=cache)
            return self.head(h).data[:, 0]

        return predict

    def inputs(self, s, y=None):
        """What the transformer is given for sequences s (N, D), of which it does not see the last: (N, D, width)."""
        shifted = concatenate([self.first(len(s), y), self.token(s[:, :-1])], axis=1)
        return self.dropout(shifted + self.places())

    def first(self, n, y=None):
        """The start token (n, 1, width): the class's own, if there is one."""
        return self.start((xp.zeros(n, int) if y is None else asarray(y))[:, None])

    def context(self, source):
        """The tokens of a source (N, *its shape), (N, S, width); None if there is none."""
        if source is None:
            return None
        tokens = self.source_token(asarray(source).reshape(len(source), self.conditions["source"].size))
        return self.dropout(tokens + self.source_places())


class Places(Module):
    """A trained code for each number of an array of this shape, row after row: the sum of one for its index along each
    axis. Returns (D, width)."""

    def __init__(self, shape, width, *, rng):
        sizes = [size for size in shape if size > 1] or [1]
        self.codes = ModuleList(Embedding(size, width, rng=rng) for size in sizes)
        initialize(self, rng)

    def forward(self):
        n = len(self.codes)
        spread = [code.weight.reshape(*(len(code.weight) if a == axis else 1 for a in range(n)), -1)
                  for axis, code in enumerate(self.codes)]  # (H, 1, width), (1, W, width)
        return sum(spread[1:], spread[0]).reshape(-1, spread[0].shape[-1])
