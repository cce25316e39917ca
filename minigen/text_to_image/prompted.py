"""Prompted: a diffusion of images that is told a caption, and led by what the caption changes.

Who reads the caption, and how far x_0 may go, is the model's own.

    h = read(s)                                       a vector for each word of the caption s
    L = E |v - v_theta(x_t, t, h)|^2                  v = a eps - s x_0, the prediction of Salimans & Ho 2022
    D(x_t | s; w) = (1 + w) D(x_t | s) - w D(x_t)     Ho & Salimans 2021, eq. 6: D is x_0 by v; w = 0: as it was told

The network looks at the words by cross-attention, at all up to the end and at nothing behind it, and is told with the
time one vector for all of them. With probability p_uncond, drawn for each image on its own, it is told nothing. `told`
is the one way by which training and sampling say either: a network that had learned one "nothing" and is guided by
another is led anywhere.

v, not eps: x_0 = (x_t - s eps) / a multiplies the error of eps by s / a, without end at t = T, where the caption
decides what there will be; guidance would multiply it once more. DPM-Solver++ works on x_0, as limits do.

Symbols: N images, T tokens, D width, w how much guidance. Read before this: text_encoder.py, diffusion/guidance.py.
Read next: models/text_to_image/imagen.py.
"""
import numpy as np

from autograd import no_grad
from autograd.backend import normal, to_numpy

from ..diffusion import check_guidance, classifier_free, denoiser, dpm_pp, prediction_error
from ..metrics import Measure, mean_interval
from ..nn import Module
from ..player import Player
from .text_encoder import Reader, check_captions

CHUNK = 100  # images that are drawn, or measured, at a time


class Prompted(Reader, Module):
    """network: UNet(..., condition=D, context=D), or what else takes its arguments, of images like those of `space`.
    text: Space of the captions' tokens. p_uncond: the share of images that are told nothing in training. w, sampler,
    steps: how `sample` draws.

    A model has read(text) -> Tensor (N, T, D) and limited(denoise) -> denoise; one that adds noise to something else
    than pixels has its own encode and decode, and the `shape` of what is between.
    """

    conditions = ("text",)
    judged = 300  # samples for the judges, and images that are measured

    def __init__(self, network, schedule, space, text, p_uncond, w, sampler=dpm_pp, steps=20):
        name = type(self).__name__
        if not space.is_image or not text.is_text:
            raise ValueError(f"{name}: x has shape {space.shape}, text {text.shape}; expected images (C, H, W) and "
                             "tokens (T,)")
        check_guidance(name, p_uncond, w)
        self.network, self.schedule, self.space, self.text = network, schedule, space, text
        self.p_uncond, self.w, self.sampler, self.levels = p_uncond, w, sampler, schedule.levels(steps)

    @property
    def shape(self):
        return self.space.shape

    def encode(self, x):
        """x_0 of images in their own units."""
        return self.space.signed(x)

    def decode(self, x_0):
        """Images on [0, 1]."""
        return self.space.from_signed(x_0)

    def told(self, text, dropped):
        """What the network is told of captions (N, T), but for the dropped (N,): its keyword arguments."""
        return {**self.words(text), "dropped": dropped}

    def players(self):
        return [Player("diffusion", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x_0 = self.encode(batch["x"])
        dropped = rng.random(len(x_0)) < self.p_uncond  # of each image on its own
        return {"|v - v_theta|^2": self.errors(x_0, self.told(batch["text"], dropped), rng).mean()}

    def errors(self, x_0, told, rng):
        """|v - v_theta|^2, a mean over the numbers of each image: (N,), at random t."""
        return prediction_error(self.network, "v", self.schedule, x_0, rng, **told)

    # Drawing

    def conditional(self, text, **more):
        """The denoiser that is told captions (N, T); and whatever more the model's `told` takes."""
        return self._denoiser(text, np.zeros(len(text), bool), more)

    def unconditional(self, text, **more):
        """The denoiser of as many images that is told nothing."""
        return self._denoiser(text, np.ones(len(text), bool), more)

    def _denoiser(self, text, dropped, more):
        with no_grad():
            return denoiser(self.network, "v", **self.told(text, dropped, **more))

    def guided(self, text, w, **more):
        """The denoiser for captions (N, T) that samples are drawn with. w = 0 asks the network once, not twice."""
        told = self.conditional(text, **more)
        return self.limited(classifier_free(told, self.unconditional(text, **more), w) if w else told)

    def sample(self, n, rng, text=None, w=None):
        """Images (n, C, H, W) on [0, 1]. text: tokens (n, T) of the caption of each; if left out, the network is told
        nothing, which is w = -1. w: the model's, if left out."""
        text, w = asked(self, n, text, w)
        return self.draw_all(lambda some: self.guided(some, w), text, rng)

    def draw(self, text, w, rng):
        """x_0 (n, *shape) for captions (n, T)."""
        return self.from_noise(self.guided(text, w), len(text), rng)

    def draw_all(self, led, text, rng):
        """Images on [0, 1] for captions (n, T), by the denoisers led(captions)."""
        drawn = [np.zeros((0, *self.space.shape), np.float32)]
        for i in range(0, len(text), CHUNK):
            some = text[i : i + CHUNK]
            drawn.append(self.decode(self.from_noise(led(some), len(some), rng)))
        return np.concatenate(drawn)

    def from_noise(self, denoise, n, rng):
        """x_0 (n, *shape) by this denoiser, from noise."""
        return self.sampler(denoise, normal(rng, (n, *self.shape)), self.levels, rng=rng)

    def measure(self, batch, rng):
        """The loss under an image's own caption, and how much larger it is under another's, and under none."""
        x, text, seed = batch["x"][:self.judged], batch["text"][:self.judged], int(rng.integers(2**63))
        found = []
        for i in range(0, len(x), CHUNK):
            rows = slice(i, i + CHUNK)
            x_0, none = self.encode(x[rows]), np.zeros(len(x[rows]), bool)
            with no_grad():  # the same noise for all three
                found.append([to_numpy(self.errors(x_0, self.told(words, dropped), np.random.default_rng(seed)).data)
                              for words, dropped in ((text[rows], none), (np.roll(text, 1, axis=0)[rows], none),
                                                     (text[rows], ~none))])
        own, other, nothing = np.concatenate(found, axis=1)
        detail = f"N = {len(x):,}, one t for each"
        return [Measure("|v - v_theta|^2", *mean_interval(own), "", detail),
                Measure("what another's caption adds", *mean_interval(other - own)),
                Measure("what no caption adds", *mean_interval(nothing - own))]


def asked(model, n, text, w):
    """(captions (n, T), w) that `sample` of a model with `text` and a default `w` is asked for. ValueError for captions
    that are not n."""
    if text is None:
        return np.zeros((n, *model.text.shape), np.int64), -1.0
    text = np.asarray(text)
    check_captions(type(model).__name__, model.text, text, n)
    return text, model.w if w is None else w
