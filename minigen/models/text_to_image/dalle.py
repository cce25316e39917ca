"""DALL-E: one transformer writes a caption and then the picture, as one stream of tokens.

Ramesh et al., "Zero-Shot Text-to-Image Generation", ICML 2021 (arXiv:2102.12092):

    log p(x, s) >= E_q(z | x) [log p(x | z) - beta KL(q(s, z | x), p(s, z))]                                (eq. 1)
    stage 1    dVAE: image x -> grid of codes z -> x             models/codes/dvae.py, now frozen
    stage 2    p(s, z) = prod_i p(s_i | s_<i) prod_j p(z_j | s, z_<j)       a transformer, causal, over both
    L = 1/8 cross entropy of text tokens + 7/8 of image tokens                                        (section 2.2)

    start s_1 .. s_T z_1 .. z_(L-1)   ->   s_1 .. s_T z_1 .. z_L             what goes in, and what is to come out

So the picture is drawn by continuing the text. Codes are the likeliest of q(z | x), not drawn from it (section 2.2);
each code sees all words and all codes before it. An end token stands at every place after the caption, and has a vector
of its own at each, as a place's is added to it.

    best of n: draw n pictures of one caption, keep the one that CLIP finds most like it              (section 2.6)

It is the pictures that CLIP compares: codes mean nothing to it.

Deviations: full attention, where 1,280 tokens need a sparse one; places of the grid as in transformer.py.

Symbols: N examples, T text tokens, L = h w codes, K of how many, D width. Read before this: models/codes/dvae.py,
models/autoregressive/transformer.py. Read next: clip.py.
Course: 10.2.
"""
import numpy as np

from autograd import concatenate, cross_entropy, no_grad
from autograd.backend import asarray, to_numpy, xp

from ...autoregressive.chain import categorical
from ...metrics import Measure, mean_interval
from ...nn import Embedding, Linear, Module, Transformer
from ...nn.chunks import in_chunks
from ...nn.transformer import initialize
from ...player import Player
from ...text_to_image.text_encoder import check_captions

CHUNK = 256  # sequences that are scored, or drawn, at a time


class DALLE(Module):
    """tokenizer: a frozen DVAE with a grid of codes. text: Space of the captions' tokens. weight: of the image tokens
    in the loss; the rest is the text's."""

    conditions = ("text",)
    judged = 600  # samples at most: they are drawn code by code

    def __init__(self, tokenizer, text, width=96, blocks=4, heads=4, dropout=0.1, weight=7 / 8, *, rng):
        if not text.is_text:
            raise ValueError(f"DALLE: text has shape {text.shape} and {text.levels or 'no'} levels, expected tokens "
                             "(T,)")
        self.tokenizer, self.text, self.weight = tokenizer, text, weight
        self.space, self.T, self.L, self.K = tokenizer.space, text.size, tokenizer.codes.size, tokenizer.codes.levels
        self.start, self.word = Embedding(1, width, rng=rng), Embedding(text.levels, width, rng=rng)
        self.code = Embedding(self.K, width, rng=rng)
        self.place = Embedding(self.T + self.L, width, rng=rng)
        self.transformer = Transformer(width, blocks, heads, causal=True, dropout=dropout, rng=rng)
        self.next_word, self.next_code = Linear(width, text.levels, rng=rng), Linear(width, self.K, rng=rng)
        for layer in (self.start, self.word, self.code, self.place, self.next_word, self.next_code):
            initialize(layer, rng)

    def codes(self, x):
        """z (N, L) of images in their own units."""
        return self.tokenizer.encode(x).reshape(len(x), self.L)

    def logits(self, text, z):
        """Of the text (N, T, words) and of the codes (N, L, K), for tokens (N, T) and codes (N, L)."""
        self.text.check(text, "text")
        start = self.start(xp.zeros((len(text), 1), int))
        h = concatenate([start, self.word(asarray(text)), self.code(asarray(z)[:, :-1])], axis=1) + self.place.weight
        h = self.transformer(h)  # (N, T + L, D)
        return self.next_word(h[:, :self.T]), self.next_code(h[:, self.T:])

    def players(self):
        return [Player("transformer", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        text, z = batch["text"], self.codes(batch["x"])
        words, codes = self.logits(text, z)
        of_text = cross_entropy(words.swapaxes(1, 2), asarray(text))
        of_image = cross_entropy(codes.swapaxes(1, 2), asarray(z))
        return {"loss": self.weight * of_image + (1 - self.weight) * of_text, "nats/code": of_image,  # course 10.2
                "nats/word": of_text}

    def sample(self, n, rng, text=None):
        """Images on [0, 1] (n, C, H, W). text: tokens (n, T); if left out, the captions are drawn too."""
        if text is not None:
            check_captions("DALLE", self.text, text, n)
        rows = np.arange(n)[:, None] if text is None else text
        with no_grad():
            z = in_chunks(lambda some: asarray(self.draw(len(some), rng, None if text is None else some)), rows, CHUNK)
        return self.tokenizer.decode(to_numpy(z).reshape(n, *self.tokenizer.codes.shape))

    def draw(self, n, rng, text=None):
        """Codes (n, L), one after the other, with the cache of keys and values."""
        cache, token, z = self.transformer.cache(), self.start(xp.zeros((n, 1), int)), []
        for i in range(self.T + self.L):
            h = self.transformer(token + self.place.weight[i : i + 1], cache=cache)[:, 0]
            if i < self.T:
                chosen = asarray(text)[:, i] if text is not None else categorical(self.next_word(h).data, rng)
                token = self.word(chosen)[:, None]
            else:
                z.append(categorical(self.next_code(h).data, rng))
                token = self.code(z[-1])[:, None]
        return np.stack([to_numpy(each) for each in z], axis=1)

    def best_of(self, candidates, clip, rng, text):
        """For each caption (n, T) the one of so many pictures that CLIP finds most like it: images (n, C, H, W)."""
        n, C, H, W = len(text), *self.space.shape
        drawn = self.sample(n * candidates, rng, text=np.repeat(text, candidates, axis=0))
        seen = np.rint(drawn * (self.space.levels - 1)).astype(self.space.dtype)
        groups = seen.reshape(n, candidates, C, H, W)
        best = [clip.similarity(group, text[i : i + 1])[:, 0].argmax() for i, group in enumerate(groups)]  # course 10.2
        return drawn.reshape(n, candidates, C, H, W)[np.arange(n), best]

    def measure(self, batch, rng):
        """Nats per code under the right caption and under another's, and per word."""
        text, z = batch["text"], self.codes(batch["x"])
        own, words = self.nats(text, z)
        others, _ = self.nats(np.roll(text, 1, axis=0), z)
        return [Measure("NLL of the codes", *mean_interval(own), "nats/code", f"uniform {np.log(self.K):.3f}"),
                Measure("what another's caption adds", *mean_interval(others - own), "nats/code"),
                Measure("NLL of the text", *mean_interval(words), "nats/word")]

    def nats(self, text, z) -> tuple:
        """(of the codes, of the words): -log p of each example, a mean over its tokens, (N,) and (N,)."""
        found = []
        for start in range(0, len(z), CHUNK):
            some = text[start : start + CHUNK], z[start : start + CHUNK]
            with no_grad():
                words, codes = self.logits(*some)
                found.append([to_numpy(cross_entropy(out.swapaxes(1, 2), asarray(right), reduction="none").data)
                              .mean(axis=1) for out, right in ((codes, some[1]), (words, some[0]))])
        of_codes, of_words = zip(*found)
        return np.concatenate(of_codes), np.concatenate(of_words)
