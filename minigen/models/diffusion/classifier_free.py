"""Classifier-free guidance: one network learns the noise with and without being told the class, and is led by what the
two differ in.

    loss        |eps - eps_theta(x_t, c)|^2,  c the class, or with probability p_uncond the null           algorithm 1
    sampling    eps~ = (1 + w) eps_theta(x_t, c) - w eps_theta(x_t)                                        eq. 6

eps is -s times a score, so the two differ by the score of p(c | x_t): a classifier that nobody trained, and w says
how much more of it there shall be. w = 0 is the plain conditional model; with w, samples look more like their class,
and more like each other: a distance to data falls while they spread too much, and then rises. (Others write the scale
1 + w, and call it s or w as well: with that, 1 changes nothing.)

The null is learned, and is no class: a network that is told "0" for nothing mixes it up with zeros. Who is told
it is drawn for each image of a batch on its own.

Source: Ho & Salimans 2022, "Classifier-free diffusion guidance". Symbols: N images, K classes, c a class as one-hot
vector, which the network's first layer makes an embedding of. Read before this: ddpm.py, diffusion/guidance.py.
Course: 9.10.
"""
import math

import numpy as np

from autograd import Tensor, mse_loss
from autograd.backend import normal

from ...diffusion import (
    Classes,
    Guided,
    ancestral_tilde,
    bits_per_dim,
    check_guidance,
    classifier_free,
    clipped,
    denoiser,
)
from ...metrics import Measure, mean_interval
from ...player import Player

CHUNK = 250  # images that are measured at a time
STRATA = 20  # terms of the bound that are measured, of T


class ClassifierFree(Guided):
    """network(x_t, t, condition=c (N, K), dropped=(N,) booleans) -> eps, for instance UNet(..., condition=K). labels:
    Space of the classes. p_uncond: the share of images that are told nothing in training. w, sampler, steps, limit: how
    `sample` draws; limit keeps x_0 where images are: clipped, or dynamically_clipped, which stronger guidance needs."""

    judged = 1000  # samples for the judges, and images whose bound is measured

    def __init__(self, network, schedule, space, labels, p_uncond=0.15, w=1.0, sampler=ancestral_tilde, steps=50,
                 limit=clipped):
        if not space.is_image or space.levels is None:
            raise ValueError(f"ClassifierFree: shape {space.shape} is that of points; this model takes images")
        check_guidance("ClassifierFree", p_uncond, w)
        self.network, self.schedule, self.space, self.labels = network, schedule, space, labels
        self.told, self.p_uncond, self.w, self.limit = Classes(labels), p_uncond, w, limit
        self.sampler, self.levels = sampler, schedule.levels(steps)

    def players(self):
        return [Player("ddpm", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        """Algorithm 1."""
        x_0, told = self.space.signed(batch["x"]), self.told(batch["y"])
        dropped = rng.random(len(x_0)) < self.p_uncond  # of each image on its own
        t = rng.integers(1, self.schedule.T + 1, size=len(x_0))
        eps = normal(rng, x_0.shape)
        x_t = self.schedule.q_sample(x_0, t, eps)
        return {"L_simple": mse_loss(self.network(Tensor(x_t), t, dropped=dropped, **told), Tensor(eps))}

    def conditional(self, y):
        """The denoiser that is told classes y (N,)."""
        return denoiser(self.network, "eps", **self.told(y))

    @property
    def unconditional(self):
        """The denoiser that is told nothing."""
        return denoiser(self.network, "eps")

    def guided(self, y, w):
        """The denoiser for classes y (N,) that samples are drawn with, kept within [-1, 1]."""
        return self.limit(classifier_free(self.conditional(y), self.unconditional, w))

    def measure(self, batch, rng):
        """The bound on -log p(x | y), and on -log p(x) by the same network told nothing."""
        x, y = batch["x"][:self.judged], batch["y"][:self.judged]
        bits = {"told the class": [], "told nothing": []}
        for i in range(0, len(x), CHUNK):
            x_0 = self.space.signed(x[i : i + CHUNK])
            for told, denoise in zip(bits, (self.conditional(y[i : i + CHUNK]), self.unconditional)):
                bits[told].append(bits_per_dim(clipped(denoise), x_0, self.schedule, self.space.levels, rng, STRATA))
        nats = self.space.size * math.log(2.0)
        detail = f"variational bound, N = {len(x):,}, T = {self.schedule.T}, {STRATA + 1} of its terms drawn per image"
        return [Measure("NLL", *(nats * number for number in mean_interval(np.concatenate(values))), "nats",
                        f"{told}; {detail}") for told, values in bits.items()]
