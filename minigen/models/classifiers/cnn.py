"""A small convolutional classifier, p(y | x): the judge of what generative models draw.

    two 3x3 convolutions, batch norm, relu, then half the resolution by max pooling      three times, wider each time
    a layer of 64 numbers, the features                                                  then logits of the classes

It is trained on images moved by a few pixels at random, as a digit is the same digit wherever it stands. What it says
of drawn images, and its features of them, are compared with those of real ones in judges.py. Weights for MNIST, the 8x8
digits and the critters are shipped: `pretrained`.

Where it is known what parts an image is composed of, it learns to name all of them: to tell shapes of body apart the
features need no colours and no eyes, and could not judge them.

Sources: LeCun et al. 1998 (convolution, pooling, shifts); Simonyan & Zisserman 2015 (pairs of 3x3 convolutions).
Symbols: N images, C H W channels and size, K classes, A parts. Read before this: nn/conv.py, nn/norms.py, player.py.
Course: 1.1, 11.2.
"""
from pathlib import Path

import numpy as np

from autograd import Tensor, cross_entropy, flatten, grad, log_softmax, no_grad, parameter, relu, softmax
from autograd.backend import asarray, to_numpy
from autograd.resample import max_pool2d

from ... import checkpoint
from ...data import Space
from ...metrics import Measure, mean_interval
from ...nn import BatchNorm2d, Conv2d, Linear, Module, Sequential
from ...nn.chunks import in_chunks
from ...player import Player

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
SHIPPED = {  # data set -> file, and spaces of the images and the labels that it was trained on
    "mnist": ("mnist_classifier.safetensors", Space((1, 28, 28), 256), Space((), 10)),
    "mnist10k": ("mnist_classifier.safetensors", Space((1, 28, 28), 256), Space((), 10)),
    "digits": ("digits_classifier.safetensors", Space((1, 8, 8), 17), Space((), 10)),
    "critters": ("critters_classifier.safetensors", Space((3, 32, 32), 32), Space((8,), 19)),
}
CHUNK = 500  # images that are judged at a time


class CNN(Module):
    """space: of an image, at least 8 x 8. labels: Space of column "y", () of K classes, or of column "parts", (A,), the
    first of which is the class. shift: how many pixels images are moved by at most in training; 1 for each 14 of their
    height, if left out."""

    def __init__(self, space, labels=Space((), 10), widths=(16, 32, 64), features=64, shift=None, *, rng):
        if not space.is_image or space.levels is None or min(space.shape[1:]) < 2 ** len(widths):
            raise ValueError(f"CNN: shape is {space.shape}, expected images (C, H, W) of at least "
                             f"{2 ** len(widths)} x {2 ** len(widths)} pixels")
        C, H, W = space.shape
        self.space, self.labels, self.column = space, labels, "parts" if labels.shape else "y"
        self.shift = max(1, H // 14) if shift is None else shift
        self.body = Sequential()
        for width in widths:
            for C_in, C_out in ((C, width), (width, width)):
                self.body.append(Conv2d(C_in, C_out, 3, padding=1, bias=False, rng=rng))
                self.body.append(BatchNorm2d(C_out))
                self.body.append(relu)
            self.body.append(half_resolution)
            C, H, W = width, H // 2, W // 2
        self.body.append(flatten_images)
        self.body.append(Linear(C * H * W, features, rng=rng))
        self.body.append(relu)
        self.head = Linear(features, labels.size * labels.levels, rng=rng)

    def forward(self, x):
        """Logits (N, K), or (N, K, A) where there are parts, of images (N, C, H, W) on [0, 1]."""
        return self.logits(self.body(x))

    def logits(self, features):
        return self.head(features).reshape(len(features), self.labels.levels, *self.labels.shape)

    def players(self):
        return [Player("classifier", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x, y = self._checked(batch)
        logits = self(asarray(shifted(x, self.shift, rng) if self.training else x))  # (N, K) or (N, K, A)
        wrong = logits.data.argmax(axis=1) != asarray(y)
        # course 1.1
        return {"cross entropy": cross_entropy(logits, asarray(y)), "errors": Tensor(wrong.mean(dtype=np.float32))}

    def judge(self, images):
        """(features (N, 64), probabilities (N, K) of the classes) of images on [0, 1], NumPy arrays."""
        features, p = self._judge(images)
        return features, p if p.ndim == 2 else p[:, :, 0]

    def _judge(self, images):
        """The same with the probabilities of all parts, (N, K, A)."""
        with no_grad():
            features = in_chunks(lambda x: self.body(asarray(x, np.float32)).data, images, CHUNK)
            return features, softmax(self.logits(asarray(features)), axis=1).numpy()

    def measure(self, batch, rng):
        x, y = self._checked(batch)
        _, p = self._judge(x)
        right = (p.argmax(axis=1) == y).reshape(len(y), -1)  # (N, 1) or (N, A)
        nll = -np.log(np.maximum(np.take_along_axis(p, y[:, None], axis=1), 1e-30)).reshape(len(y), -1)
        by_part = "" if self.column == "y" else f"; by part {' '.join(f'{share:.3f}' for share in right.mean(axis=0))}"
        return [Measure("accuracy", *mean_interval(right.mean(axis=1)), "", f"{(~right).sum()} errors{by_part}"),
                Measure("cross entropy", *mean_interval(nll.mean(axis=1)), "nats")]

    def imagine(self, n, rng):
        """Images that it takes for 0, 1, 2, ... with near certainty: noise, moved uphill on log p(y | x).

        They are no digits. Knowing p(y | x) is not knowing p(x), and that is what the other models here are for.
        """
        x = rng.random((n, *self.space.shape), dtype=np.float32)
        y = np.arange(n) % self.labels.levels
        for _ in range(50):
            leaf = parameter(asarray(x))
            g = to_numpy(grad(log_softmax(self(leaf), axis=1)[np.arange(n), y].sum(), leaf).data)
            norm = np.sqrt((g * g).sum(axis=(1, 2, 3), keepdims=True))
            x = np.clip(x + 0.3 * g / np.maximum(norm, 1e-12), 0, 1)
        return x

    def _checked(self, batch):
        """Images on [0, 1] and labels of a batch, NumPy arrays."""
        if self.column not in batch:
            raise ValueError(f"CNN: these images have no labels; a classifier needs them, in column '{self.column}'")
        self.labels.check(batch[self.column], self.column)
        return self.space.drawn(batch["x"]), batch[self.column]


def half_resolution(x):
    """Every second pixel: the largest of each square of four."""
    return max_pool2d(x, 2)


def flatten_images(x):
    """(N, C, H, W) -> (N, C H W)."""
    return flatten(x, 1)


def shifted(x, most, rng):
    """Each image of x (N, C, H, W) moved by up to `most` pixels along both axes; what comes in is 0."""
    N, _C, H, W = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (most, most), (most, most)))
    rows = rng.integers(0, 2 * most + 1, (N, 1)) + np.arange(H)  # (N, H)
    columns = rng.integers(0, 2 * most + 1, (N, 1)) + np.arange(W)  # (N, W)
    moved = padded[np.arange(N)[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (N, H, W, C)
    return moved.transpose(0, 3, 1, 2)


def pretrained(name):
    """The shipped classifier for the images of a data set, in eval mode. ValueError where there is none.

    tests/make_weights.py made its weights; the file's metadata say by what command, and how good it is.
    """
    if name not in SHIPPED:
        raise ValueError(f"no classifier is shipped for {name}; there is one for {', '.join(SHIPPED)}")
    file, space, labels = SHIPPED[name]
    model = CNN(space, labels, rng=np.random.default_rng(0))
    tensors, _ = checkpoint.load(WEIGHTS / file)
    model.load_state_dict(tensors)
    return model.eval()
