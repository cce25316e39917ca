"""CLIP: two networks, one for images and one for captions, whose vectors agree where the two belong together.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, figure 3:

    I = W_i f(x) / |W_i f(x)|                 f: image encoder                    (N, D), on the unit sphere
    T = W_t g(s) / |W_t g(s)|                 g: text encoder                     (N, D)
    logits = exp(t) I T^T                     t: a trained log of a temperature   (N, N)
    L = 1/2 (cross entropy of rows + of columns)            the right column of row i is i, and the other way round

So among the N captions of a batch each image is to find its own, and each caption its image among the N images. L is
ln N for one who knows nothing, and ln N - L is a lower bound of the mutual information of image and caption (van den
Oord et al. 2018, InfoNCE, section 2.3): it cannot say more than ln N.

t starts at ln(1 / 0.07), and exp(t) is kept below 100 as in section 2.5: a temperature that rises without end makes the
gradient of one hard pair that of the whole batch. Two images of a batch may have the same caption: telling them apart
is impossible, and so such pairs are left out of the sum.

What is known only by relations, which shape has which colour, is told by no pair of captions in most batches: a bag of
words is nearly enough. How far CLIP goes beyond one, `retrieval_measures` of shapes_judge.py counts.

A CLIP that is to lead a diffusion must read x_t, an image with noise: NoisedCLIP is trained on those, of all t, and
told t (Nichol et al. 2022, GLIDE, section 3.4). Of what is nearly noise alone nobody can say what it shows, and a loss
near ln N is right there. For a perfect one exp(t) f(x_t) . g(s) is log p(s | x_t), but for a function of x_t.

Deviations: networks for 16 x 16 and 32 x 32 pixels; the image's features keep their places, as captions speak of them.

Symbols: N pairs, D width of the vectors, C H W image, T tokens; t is the log of the scale, or a step of diffusion. Read
before this: text_to_image/text_encoder.py, nn/blocks.py. Read next: recipes/text_to_image.py, shapes_judge.py.
Course: 10.1.
"""
import math

import numpy as np

from autograd import Tensor, as_tensor, cross_entropy, exp, flatten, no_grad, parameter, silu, sqrt, where
from autograd.backend import asarray, normal, to_numpy, xp
from autograd.batch import whole

from ...metrics import Measure, mean_interval
from ...nn import Conv2d, Downsample, GroupNorm, Linear, Module, ResBlock, Sequential, sinusoidal_code
from ...nn.chunks import in_chunks
from ...player import Player
from ...text_to_image import TextEncoder

LOWEST, HIGHEST = math.log(1 / 0.07), math.log(100)  # of t: where it starts, and where it ends
AMONG = 100  # pairs that are told apart in `measure`
CHUNK = 500  # images or captions that are encoded at a time
CODE = 32  # sines and cosines of t


class ImageEncoder(Module):
    """Images (N, C, H, W) on [-1, 1] -> (N, features): a residual block at each resolution, down to 4 x 4. told: width
    of a code (N, told) that the blocks are told; None for none."""

    def __init__(self, shape, width=32, features=128, told=None, *, rng):
        C, H, W = shape
        self.body = Sequential(Conv2d(C, width, 3, padding=1, rng=rng))
        while min(H, W) > 4:
            self.body.append(Downsample(width, rng=rng))
            H, W = (H + 1) // 2, (W + 1) // 2
            self.body.append(ResBlock(width, 2 * width, told, rng=rng))
            width *= 2
        self.body.append(GroupNorm(8, width))
        self.body.append(silu)
        self.body.append(flatten_images)
        self.head = Linear(width * H * W, features, rng=rng)

    def forward(self, x, code=None):
        for layer in self.body:
            x = layer(x, code) if isinstance(layer, ResBlock) else layer(x)
        return self.head(x)


def flatten_images(x):
    return flatten(x, 1)


class CLIP(Module):
    """space: of the images; text: Space of the captions' tokens. width: D."""

    def __init__(self, space, text, width=64, *, rng):
        if not space.is_image:
            raise ValueError(f"CLIP: x has shape {space.shape}, expected images (C, H, W)")
        self.space, self.text = space, text
        self.image_encoder = ImageEncoder(space.shape, rng=rng)
        self.text_encoder = TextEncoder(text, width=64, blocks=2, heads=4, rng=rng)
        self.W_i, self.W_t = Linear(128, width, bias=False, rng=rng), Linear(64, width, bias=False, rng=rng)
        self.t = parameter(np.float32(LOWEST))

    def image_vectors(self, x):
        """I (N, D) of images on [-1, 1]."""
        return on_the_sphere(self.W_i(self.image_encoder(as_tensor(x))))

    def text_vectors(self, text):
        """T (N, D) of tokens."""
        return on_the_sphere(self.W_t(self.text_encoder.end(text)))

    def similarity(self, x, text) -> np.ndarray:
        """I T^T, the cosines (N, M) of images (N, C, H, W) and captions (M, T), both in their own units."""
        with no_grad():
            I = in_chunks(lambda some: self.image_vectors(self.space.signed(some)).data, x, CHUNK)
            T = in_chunks(lambda some: self.text_vectors(some).data, text, CHUNK)
            return np.asarray(I) @ np.asarray(T).T

    def agreement(self, text):
        """(Tensor x_t, level) -> exp(t) f(x_t) . g(s), Tensor (N,), for captions (N, T): what guidance climbs."""
        with no_grad():
            T = (exp(self.t) * self.text_vectors(text)).detach()
        return lambda x_t, level: (self.at(x_t, level) * T).sum(axis=1)

    def at(self, x_t, level):
        """I of images with the noise of a level: as if they had none."""
        return self.image_vectors(x_t)

    def players(self):
        return [Player("CLIP", self.parameters(), self.loss)]

    def seen(self, batch, rng):
        """I of a batch, as training sees it."""
        return self.image_vectors(self.space.signed(batch["x"]))

    def logits(self, I, text):
        """exp(t) I T^T (N, N), -1e9 where another image has the same caption. ValueError for one pair."""
        I, T, text = whole(I), whole(self.text_vectors(text)), whole(text)
        if len(text) < 2:
            raise ValueError(f"CLIP: a batch of {len(text)} pairs has nothing to tell apart; choose at least 2")
        return where(asarray(repeated(text)), -1e9, exp(self.t) * I @ T.T)

    def loss(self, batch, rng):
        if self.training:
            self.t.assign(min(float(self.t.data), HIGHEST))
        logits = self.logits(self.seen(batch, rng), batch["text"])
        found = (logits.data.argmax(axis=1) == xp.arange(len(logits))).mean(dtype=np.float32)
        return {"contrastive loss": contrastive(logits).mean(), "captions found": Tensor(found), "scale": exp(self.t)}

    def measure(self, batch, rng):
        size = min(len(batch["x"]), AMONG)
        loss, half = mean_interval(np.concatenate([to_numpy(contrastive(logits)) for logits in self.told_apart(
            batch, lambda x: self.image_vectors(self.space.signed(x)))]))
        return [Measure("contrastive loss", loss, half, "nats", f"among {size}; ln {size} = {math.log(size):.3f}"),
                Measure("mutual information", math.log(size) - loss, half, "nats", "at least, by InfoNCE")]

    def told_apart(self, batch, see):
        """The logits (100, 100) of every hundred pairs of a batch, or of all; see(x) -> I."""
        N = len(batch["x"])
        size = min(N, AMONG)
        rows = [slice(i, i + size) for i in range(0, N - size + 1, size)]
        with no_grad():
            return [self.logits(see(batch["x"][some]), batch["text"][some]).data for some in rows]


class NoisedCLIP(CLIP):
    """CLIP of images x_t with the noise of a schedule, that is told t."""

    def __init__(self, space, text, schedule, width=64, *, rng):
        super().__init__(space, text, width, rng=rng)
        self.schedule = schedule
        self.time = Sequential(Linear(CODE, 2 * CODE, rng=rng), silu, Linear(2 * CODE, 2 * CODE, rng=rng), silu)
        self.image_encoder = ImageEncoder(space.shape, told=2 * CODE, rng=rng)

    def image_vectors(self, x_t, t=1):
        """I (N, D) of images x_t at t, a number or (N,): an image without noise is one at t = 1."""
        code = self.time(Tensor(sinusoidal_code(xp.broadcast_to(asarray(t), len(x_t)), CODE)))
        return on_the_sphere(self.W_i(self.image_encoder(as_tensor(x_t), code)))

    def at(self, x_t, level):
        return self.image_vectors(x_t, level.t)

    def seen(self, batch, rng):
        return self.noisy_vectors(batch["x"], rng.integers(1, self.schedule.T + 1, size=len(batch["x"])), rng)

    def noisy_vectors(self, x, t, rng):
        """I of images in their own units, after noise of step t has been added."""
        x_0 = self.space.signed(x)
        return self.image_vectors(self.schedule.q_sample(x_0, t, normal(rng, x_0.shape)), t)

    def measure(self, batch, rng):
        """How many captions are found, with little noise and with much."""
        measures, size = [], min(len(batch["x"]), AMONG)
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            t = max(1, round(share * self.schedule.T))
            logits = self.told_apart(batch, lambda x, t=t: self.noisy_vectors(x, np.full(len(x), t), rng))
            found = np.concatenate([to_numpy(each).argmax(axis=1) == np.arange(size) for each in logits])
            measures.append(Measure(f"own caption found, t = {t}", *mean_interval(found), "",
                                    f"among {size}, by chance {1 / size:.2f}; s / a = "
                                    f"{self.schedule.level(t).s / self.schedule.level(t).a:.2g}"))
        return measures


def contrastive(logits):
    """The loss of each of N pairs, (N,): image i must find caption i, and caption i image i."""
    i = xp.arange(len(logits))
    # course 10.1
    return 0.5 * (cross_entropy(logits, i, reduction="none") + cross_entropy(logits.T, i, reduction="none"))


def repeated(text):
    """(N, N) booleans, True where captions i and j are the same and i is not j."""
    text = np.asarray(text)
    return (text[:, None] == text).all(axis=-1) & ~np.eye(len(text), dtype=bool)


def on_the_sphere(v):
    """v / |v| along the last axis."""
    return v / sqrt((v * v).sum(axis=-1, keepdims=True) + 1e-12)
