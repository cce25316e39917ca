"""CaptionLM: a language model of captions, which learns to read by guessing the next word. Imagen's text encoder.

    p(s) = prod_i p(s_i | s_1 .. s_(i-1)),   p(s_i | ...) = softmax(W h_(i-1))      up to and with the end

h_i is the vector that a causal transformer makes of the words 1 .. i, and h_0 a trained one, as nothing comes before.
No picture is seen: captions alone are plentiful, and what a word can be followed by says much of what it means. Imagen
takes such an encoder (T5-XXL, trained on text alone) and freezes it: the vectors of a corpus can be computed once, and
the larger the encoder, the better are the pictures, more so than with a larger diffusion network.

Who only guesses what comes next keeps of a word what that depends on, and may forget the rest. Here no square is red,
nor is one magenta: both are followed by the same, h makes one word of them, and after "circle" the colour is gone. So
what goes out is both ends of the network, h beside the embeddings (ELMo, Peters et al. 2018, has all layers), and
embeddings begin as T5's, as N(0, 1): words do not resemble each other until they are told to.

Deviations: T5 is an encoder and a decoder that fills in spans which were left out; this one guesses what comes next.

Sources: Saharia et al. 2022 (Imagen), section 2.1; Raffel et al. 2020 (T5); Radford et al. 2018 (a causal language
model as a reader). Symbols: N captions, T tokens, K words, D width. Read before this: text_to_image/text_encoder.py.
Read next: imagen.py.
Course: 10.5.
"""
import numpy as np

from autograd import broadcast_to, concatenate, cross_entropy, no_grad, parameter
from autograd.backend import asarray, to_numpy
from autograd.batch import denominator

from ...autoregressive.chain import categorical
from ...metrics import Measure, mean_interval
from ...nn import Linear, Module, init
from ...nn.transformer import initialize
from ...player import Player
from ...text_to_image import TextEncoder
from ...text_to_image.text_encoder import padding


class CaptionLM(Module):
    """text: Space of the captions' tokens. width: D. The other arguments are TextEncoder's."""

    def __init__(self, text, width=64, blocks=2, heads=4, dropout=0.0, *, rng):
        self.encoder = TextEncoder(text, width, blocks, heads, dropout, std=1.0, rng=rng)
        self.text, self.width = text, 2 * width  # of what it returns
        self.h_0 = parameter(init.normal((1, 1, width), std=1.0, rng=rng))  # as large as the others
        self.next = Linear(width, text.levels, rng=rng)
        initialize(self.next, rng)

    def forward(self, text):
        """Of tokens (N, T) what each word is beside what is made of it, (N, T, 2 D), for who goes on with it."""
        words = self.encoder.embedded(text)
        return concatenate([words, self.encoder.transformer(words)], axis=2)

    def logits(self, text):
        """Of every word, by those before it: (N, T, K)."""
        h_0 = broadcast_to(self.h_0, (len(text), 1, self.h_0.size))
        return self.next(concatenate([h_0, self.encoder(text)[:, :-1]], axis=1))

    def word_nats(self, text):
        """-log p of every word (N, T), and 0 behind the end."""
        nats = cross_entropy(self.logits(text).swapaxes(1, 2), asarray(text), reduction="none")
        return nats * ~padding(text)

    def players(self):
        return [Player("language model", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        text = batch["text"]
        return {"nats/word": self.word_nats(text).sum() / denominator(words(text).sum())}

    def log_prob(self, text):
        """log p(s) in nats of captions (N, T), a NumPy array (N,)."""
        with no_grad():
            return -to_numpy(self.word_nats(text).sum(axis=1).data)

    def write(self, n, rng):
        """n captions, word by word: tokens (n, T)."""
        text, going = np.zeros((n, *self.text.shape), np.int64), np.ones(n, bool)
        with no_grad():
            for i in range(text.shape[1] - 1):  # the last is the end
                chosen = to_numpy(categorical(self.logits(text)[:, i].data, rng))
                text[:, i] = chosen * going
                going &= chosen > 0
        return text

    def measure(self, batch, rng):
        text = batch["text"]
        each = np.bincount(text[~to_numpy(padding(text))]) / words(text).sum()
        entropy = -sum(share * np.log(share) for share in each if share)
        nats, half_width = mean_interval(-self.log_prob(text))
        length = words(text).mean()
        return [Measure("NLL", nats / length, half_width / length, "nats/word",
                        f"{len(text):,} captions; entropy of single words {entropy:.3f}")]


def words(text):
    """How many words each caption has, the end among them: (N,)."""
    return to_numpy((~padding(text)).sum(axis=1))
