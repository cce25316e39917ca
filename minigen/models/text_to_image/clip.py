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

Deviations: networks for 16 x 16 and 32 x 32 pixels; the image's features keep their places, as captions speak of them.

Symbols: N pairs, D width of the vectors, C H W image, T tokens. Read before this: text_to_image/text_encoder.py,
nn/blocks.py. Read next: recipes/text_to_image.py, shapes_judge.py.
Course: 10.1.
"""
import math

import numpy as np

from autograd import Tensor, cross_entropy, exp, flatten, no_grad, parameter, silu, sqrt, where
from autograd.backend import asarray, to_numpy, xp
from autograd.batch import whole

from ...metrics import Measure, mean_interval
from ...nn import Conv2d, Downsample, GroupNorm, Linear, Module, ResBlock, Sequential
from ...nn.chunks import in_chunks
from ...player import Player
from ...text_to_image import TextEncoder

LOWEST, HIGHEST = math.log(1 / 0.07), math.log(100)  # of t: where it starts, and where it ends
AMONG = 100  # pairs that are told apart in `measure`
CHUNK = 500  # images or captions that are encoded at a time


class ImageEncoder(Module):
    """Images (N, C, H, W) on [-1, 1] -> (N, features): a residual block at each resolution, down to 4 x 4."""

    def __init__(self, shape, width=32, features=128, *, rng):
        C, H, W = shape
        self.body = Sequential(Conv2d(C, width, 3, padding=1, rng=rng))
        while min(H, W) > 4:
            self.body.append(Downsample(width, rng=rng))
            H, W = (H + 1) // 2, (W + 1) // 2
            self.body.append(ResBlock(width, 2 * width, rng=rng))
            width *= 2
        self.body.append(GroupNorm(8, width))
        self.body.append(silu)
        self.body.append(flatten_images)
        self.head = Linear(width * H * W, features, rng=rng)

    def forward(self, x):
        return self.head(self.body(x))


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
        return on_the_sphere(self.W_i(self.image_encoder(asarray(x))))

    def text_vectors(self, text):
        """T (N, D) of tokens."""
        return on_the_sphere(self.W_t(self.text_encoder.end(text)))

    def similarity(self, x, text) -> np.ndarray:
        """I T^T, the cosines (N, M) of images (N, C, H, W) and captions (M, T), both in their own units."""
        with no_grad():
            I = in_chunks(lambda some: self.image_vectors(self.space.signed(some)).data, x, CHUNK)
            T = in_chunks(lambda some: self.text_vectors(some).data, text, CHUNK)
            return np.asarray(I) @ np.asarray(T).T

    def players(self):
        return [Player("CLIP", self.parameters(), self.loss)]

    def logits(self, batch):
        """exp(t) I T^T (N, N) of a batch, -1e9 where another image has the same caption. ValueError for one pair."""
        I, T = whole(self.image_vectors(self.space.signed(batch["x"]))), whole(self.text_vectors(batch["text"]))
        text = whole(batch["text"])
        if len(text) < 2:
            raise ValueError(f"CLIP: a batch of {len(text)} pairs has nothing to tell apart; choose at least 2")
        agreement = exp(self.t) * I @ T.T
        return where(asarray(repeated(text)), -1e9, agreement)

    def loss(self, batch, rng):
        if self.training:
            self.t.assign(min(float(self.t.data), HIGHEST))
        logits = self.logits(batch)
        found = (logits.data.argmax(axis=1) == xp.arange(len(logits))).mean(dtype=np.float32)
        return {"contrastive loss": contrastive(logits).mean(), "captions found": Tensor(found), "scale": exp(self.t)}

    def measure(self, batch, rng):
        N = len(batch["x"])
        size = min(N, AMONG)
        starts = range(0, N - size + 1, size)
        with no_grad():
            losses = np.concatenate([to_numpy(contrastive(self.logits(
                {name: values[i : i + size] for name, values in batch.items()}))) for i in starts])
        loss, half = mean_interval(losses)
        return [Measure("contrastive loss", loss, half, "nats", f"among {size}; ln {size} = {math.log(size):.3f}"),
                Measure("mutual information", math.log(size) - loss, half, "nats", "at least, by InfoNCE")]


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
