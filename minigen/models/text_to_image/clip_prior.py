"""The prior of unCLIP: a diffusion that draws CLIP's vector of an image from the words of its caption.

Ramesh, Dhariwal, Nichol, Chu & Chen, "Hierarchical Text-Conditional Image Generation with CLIP Latents", 2022
(DALL-E 2), section 2.2:

    P(x | y) = P(x | z_i, y) P(z_i | y)                        decoder: unclip.py; prior: this file          (eq. 1)
    L_prior  = E |f_theta(z_i^(t), t, y) - z_i|^2              it predicts z_i itself, not the noise         (eq. 2)

    s_1 .. s_T  z_t  t  z_i^(t)  ?   ->   f_theta              a causal transformer: words, CLIP's vector of the
                                                               caption, the time, the noised vector, and a last token,
                                                               at whose place z_i is read off

A caption leaves open what the image shows beside it, and so there are many z_i of it, and they are not z_t: images and
captions lie on different parts of CLIP's sphere. Of two draws the one with the larger z_i . z_t is kept. One caption in
ten is dropped, words and z_t, so that the prior can be guided.

Vectors on the unit sphere have numbers of variance 1 / d, and unit noise would drown them at nearly every t: so all
vectors here are sqrt(d) long, those of images and captions, in training and in sampling, and in what is handed on.

Whether it has read the caption is not told by the loss, nor by the cosine to the true z_i, which a mean of all z_i has
too: `measure` sets beside it the cosine to the z_i of another pair.

Symbols: N pairs, d width of CLIP's vectors, D width of the transformer, T tokens, S diffusion steps. Read before this:
clip.py, diffusion/predict.py. Read next: unclip.py. Course: 10.4.
"""
import math

import numpy as np

from autograd import Tensor, broadcast_to, concatenate, mse_loss, no_grad, parameter, silu, where
from autograd.backend import asarray, normal, to_numpy, xp

from ...diffusion import check_guidance, classifier_free, ddim, denoiser
from ...metrics import Measure, mean_interval
from ...nn import Embedding, Linear, Module, Sequential, Transformer, init
from ...nn.attention import sinusoidal_code
from ...nn.chunks import in_chunks
from ...nn.transformer import STD, initialize
from ...player import Player
from ...text_to_image.text_encoder import padding

CHUNK = 500  # vectors that are drawn at a time
MEASURED = 300  # pairs in `measure`: each takes `steps` passes through the network, twice
KEPT_OF = 2  # draws of a caption, of which one is kept


class PriorNetwork(Module):
    """f_theta: (z (N, d), t (N,), text (N, T), z_t (N, d), dropped (N,) booleans) -> (N, d)."""

    def __init__(self, text, d, width=96, blocks=3, heads=4, *, rng):
        self.d, self.width, T = d, width, text.size
        self.word, self.place = Embedding(text.levels, width, rng=rng), Embedding(T + 4, width, rng=rng)
        self.null = parameter(init.normal((T + 1, width), std=STD, rng=rng))  # in the place of words and z_t
        self.from_text, self.from_image = Linear(d, width, rng=rng), Linear(d, width, rng=rng)
        self.time = Sequential(Linear(width, width, rng=rng), silu, Linear(width, width, rng=rng))
        self.transformer = Transformer(width, blocks, heads, causal=True, rng=rng)
        self.head = Linear(width, d, rng=rng)
        for layer in (self.word, self.place, self.from_text, self.from_image):
            initialize(layer, rng)

    def forward(self, z, t, text, z_t, dropped):
        N = len(text)
        told = concatenate([self.word(asarray(text)), self.from_text(z_t)[:, None]], axis=1)  # (N, T + 1, D)
        told = where(asarray(dropped)[:, None, None], self.null, told)
        time = self.time(Tensor(sinusoidal_code(asarray(t), self.width)))
        asked = broadcast_to(xp.zeros((1, 1, self.width), np.float32), (N, 1, self.width))
        h = concatenate([told, time[:, None], self.from_image(z)[:, None], asked], axis=1) + self.place.weight
        unread = xp.concatenate([padding(text) & ~asarray(dropped)[:, None], xp.zeros((N, 4), bool)], axis=1)
        return self.head(self.transformer(h, padding=unread)[:, -1])


class ClipPrior(Module):
    """clip: a frozen CLIP. schedule: of the noise. p_uncond: share of captions that are dropped. w: guidance, 0 for
    none. steps: of DDIM, in which a vector is drawn."""

    def __init__(self, clip, schedule, width=96, blocks=3, heads=4, p_uncond=0.1, w=0.0, steps=25, *, rng):
        check_guidance("ClipPrior", p_uncond, w)
        self.clip, self.space, self.text, self.d = clip, clip.space, clip.text, len(clip.W_t.weight)
        self.scale = math.sqrt(self.d)  # of CLIP's vectors, which are of length 1
        self.schedule, self.p_uncond, self.w, self.levels = schedule, p_uncond, w, schedule.levels(steps)
        self.network = PriorNetwork(self.text, self.d, width, blocks, heads, rng=rng)

    def of_images(self, x):
        """z_i (N, d), an array, of images on [-1, 1]."""
        with no_grad():
            return self.scale * self.clip.image_vectors(x).data

    def of_captions(self, text):
        """z_t (N, d), an array, of tokens (N, T)."""
        with no_grad():
            return self.scale * self.clip.text_vectors(text).data

    def players(self):
        return [Player("prior", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        text, z_i = batch["text"], self.of_images(self.space.signed(batch["x"]))
        dropped = rng.random(len(text)) < self.p_uncond
        t = rng.integers(1, self.schedule.T + 1, size=len(text))
        z = self.schedule.q_sample(z_i, t, normal(rng, z_i.shape))
        said = self.network(Tensor(z), t, text, Tensor(self.of_captions(text)), dropped)
        return {"L_prior": mse_loss(said, Tensor(z_i))}  # eq. 2, as a mean over the d numbers; course 10.4

    def denoise(self, text, w):
        """The denoiser of vectors that is told captions (N, T)."""
        told = dict(text=text, z_t=Tensor(self.of_captions(text)))
        conditional = denoiser(self.network, "x0", dropped=np.zeros(len(text), bool), **told)
        if not w:
            return conditional
        return classifier_free(conditional, denoiser(self.network, "x0", dropped=np.ones(len(text), bool), **told), w)

    def draw(self, text, rng, w=None):
        """z_i (N, d) for captions (N, T): of two draws the one that is more like z_t."""
        self.text.check(text, "text")
        return in_chunks(lambda some: self._better(some, rng, self.w if w is None else w), text, CHUNK)

    def _better(self, text, rng, w):
        denoise, N = self.denoise(np.repeat(text, KEPT_OF, axis=0), w), len(text)
        z = to_numpy(ddim(denoise, normal(rng, (KEPT_OF * N, self.d)), self.levels)).reshape(N, KEPT_OF, self.d)
        likeness = (z * to_numpy(self.of_captions(text))[:, None]).sum(axis=-1)  # (N, 2)
        return z[np.arange(N), likeness.argmax(axis=1)]

    def measure(self, batch, rng):
        x, text = batch["x"][:MEASURED], batch["text"][:MEASURED]
        true, drawn = to_numpy(self.of_images(self.space.signed(x))), self.draw(text, rng)
        own, other = cosine(drawn, true), cosine(drawn, np.roll(true, 1, axis=0))
        as_text = cosine(to_numpy(self.of_captions(text)), true)
        length = np.linalg.norm(drawn, axis=1) / self.scale
        return [Measure("cosine to the true vector", *mean_interval(own), "", f"N = {len(x)}; of the caption's own "
                        f"vector: {as_text.mean():.3f}"),
                Measure("cosine to another's", *mean_interval(other), "", "the vector of the pair before; of real "
                        f"ones: {cosine(true, np.roll(true, 1, axis=0)).mean():.3f}"),
                Measure("difference", *mean_interval(own - other), "", "0 of one who does not read"),
                Measure("length", *mean_interval(length), "", "over that of real ones")]


def cosine(a, b):
    """Of the rows of a and b (N, d): (N,)."""
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
