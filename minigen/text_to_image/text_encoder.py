"""TextEncoder: a causal transformer that reads a caption, a vector for each of its words and one for all of it.

    h_0 = token[s] + place                 s: the words, then 0, the end
    h = transformer(h_0)                   word i has seen the words 0 .. i
    h[end]                                 the place of the first 0: it has seen all of the caption, and nothing else

Radford et al. 2021 (CLIP), section 2.4: "The activations of the highest layer of the transformer at the [EOS] token are
treated as the feature representation of the text". What stands after the end is seen by no word before it; a model that
looks at the words one by one is told by `padding` which they are.

Symbols: N captions, T tokens, D width. Read before this: nn/transformer.py, data/space.py.
"""
from autograd.backend import asarray, xp

from ..nn import Embedding, Module, Transformer, init
from ..nn.transformer import STD


class TextEncoder(Module):
    """space: Space of the tokens, (T,). width: D. std: of the vectors of words and places, to begin with; 1 where rates
    are high, as of who is trained along with a network that draws: Adam moves each number by about the rate, at first
    all words the same way, and small vectors are soon alike. The other arguments are Transformer's."""

    def __init__(self, space, width=64, blocks=2, heads=4, dropout=0.0, std=STD, *, rng):
        if not space.is_text:
            raise ValueError(f"TextEncoder: the space has shape {space.shape} and {space.levels or 'no'} levels, "
                             "expected tokens (T,)")
        self.space, self.width = space, width
        self.token = Embedding(space.levels, width, rng=rng)
        self.place = Embedding(space.size, width, rng=rng)
        self.transformer = Transformer(width, blocks, heads, causal=True, dropout=dropout, rng=rng)
        for layer in (self.token, self.place):
            layer.weight.assign(init.normal(layer.weight.shape, std=std, rng=rng))

    def forward(self, text):
        """Tokens (N, T) -> Tensor (N, T, D)."""
        return self.transformer(self.embedded(text))

    def embedded(self, text):
        """h_0 (N, T, D): each word and its place, before any of them has seen another."""
        self.space.check(text, "text")
        return self.token(asarray(text)) + self.place.weight

    def end(self, text):
        """What is made of the whole caption: (N, D)."""
        return self(text)[xp.arange(len(text)), asarray(end_of(text))]


class Reader:
    """Whoever has `text`, the Space of captions, and read(text) -> h (N, T, D), a vector for each word: what it tells a
    network that looks at words by cross-attention, and is told one vector for all of them with the time."""

    def words(self, text):
        """The network's keyword arguments, of captions (N, T). ValueError for what is none."""
        self.text.check(text, "text")
        h = self.read(text)  # (N, T, D)
        return {"condition": self.pooled(h, text), "context": h, "padding": padding(text)}

    def pooled(self, h, text):
        """One vector for each caption: that of its end, which has seen all of it. (N, D)"""
        return h[xp.arange(len(text)), asarray(end_of(text))]


def check_captions(name, space, text, n, of="samples"):
    """ValueError, of the model of this name, unless these are captions (n, T) of this space, one for each of n."""
    space.check(text, "text")
    if len(text) != n:
        raise ValueError(f"{name}: {len(text)} captions for {n} {of}; give one for each")


def end_of(text):
    """The place of the first 0 of each row of tokens (N, T); the last place where there is none."""
    ends = text == 0
    return ends.argmax(axis=1) + (text.shape[1] - 1) * ~ends.any(axis=1)


def padding(text):
    """(N, T), True at tokens after the end, which are not to be looked at."""
    return xp.arange(text.shape[1]) > asarray(end_of(text))[:, None]
