"""What a network may predict about x_t, and how each prediction gives the others.

x_t = a x_0 + s eps: two unknowns, one equation. Whoever knows any one of these knows all:

    x0        the image itself
    eps       the noise in it                                   DDPM
    v         a eps - s x_0                                     Salimans & Ho 2022: where a^2 + s^2 = 1, the velocity
                                                                of x_t on the circle of a and s; x_0 = a x_t - s v
    velocity  eps - x_0                                         Lipman et al. 2023: where a = 1 - t, s = t, that of x_t
                                                                on its straight line; x_0 = x_t - s velocity
    score     grad log q(x_t), which is -E[eps | x_t] / s       Song & Ermon 2019; Vincent 2011

They differ in what a mean squared error in them means: one in eps weighs an error in x_0 by (a / s)^2, so that coarse
shapes, decided at large t, count for little. And x_0 from eps divides by a, which is nearly 0 at t = T.

A *denoiser* is a function denoise(x_t, level) -> x_0: arrays (N, ...) in and out, no graph, a Level as in levels.py.
It is the one interface between networks and samplers, as in Karras et al. 2022: whatever changes a prediction is a
function from denoiser to denoiser, and no sampler knows of it.

Read before this: levels.py. Read next: guidance.py, samplers.py.
"""
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from autograd import Tensor, mse_loss, no_grad
from autograd.backend import normal, xp

from .levels import noised, signal_and_noise


class Prediction(NamedTuple):
    """A quantity that stands for x_0. Both functions take a and s as arrays that broadcast."""

    target: Callable  # (x_0, eps, a, s) -> the quantity
    x_0: Callable  # (quantity, x_t, a, s) -> x_0


PREDICTIONS = {
    "x0": Prediction(lambda x_0, eps, a, s: x_0, lambda x_0, x_t, a, s: x_0),
    "eps": Prediction(lambda x_0, eps, a, s: eps, lambda eps, x_t, a, s: (x_t - s * eps) / a),
    "v": Prediction(lambda x_0, eps, a, s: a * eps - s * x_0, lambda v, x_t, a, s: (a * x_t - s * v) / (a * a + s * s)),
    # course 12.10
    "velocity": Prediction(lambda x_0, eps, a, s: eps - x_0, lambda u, x_t, a, s: (x_t - s * u) / (a + s)),
    "score": Prediction(lambda x_0, eps, a, s: -eps / s, lambda score, x_t, a, s: (x_t + s * s * score) / a),
}


def convert(quantity, source, target, x_t, level):
    """A prediction of one kind as one of another kind: names of PREDICTIONS. Arrays or Tensors of x_t's shape.

    ValueError where nothing follows from it: x_0 from eps or score where x_t is noise alone, those where it has none.
    """
    to_x_0, to_target = prediction(source, "source").x_0, prediction(target, "target").target
    if source in ("eps", "score") and np.any(np.equal(level.a, 0)):
        raise ValueError(f"convert: a is 0, and x_0 follows from {source} only where x_t has some of it; let the "
                         "network predict x0 or v")
    if target != "x0" and np.any(np.equal(level.s, 0)):
        raise ValueError(f"convert: s is 0, and there is no {target} where there is no noise")
    a, s = signal_and_noise(level, x_t)
    x_0 = to_x_0(quantity, x_t, a, s)
    return x_0 if target == "x0" else to_target(x_0, (x_t - a * x_0) / s, a, s)


def training_target(kind, x_0, eps, level):
    """What a network that predicts this kind should say about the x_t made of x_0 and eps."""
    return prediction(kind, "kind").target(x_0, eps, *signal_and_noise(level, x_0))


def prediction_error(network, kind, schedule, x_0, rng, **told):
    """The squared error of a prediction of this kind, a mean over the numbers of each of x_0 (N, ...), at a random t of
    a schedule: a Tensor (N,). network: (Tensor x_t, t (N,), **told) -> Tensor."""
    t = rng.integers(1, schedule.T + 1, size=len(x_0))
    eps, level = normal(rng, x_0.shape), schedule.level(t)
    said = network(Tensor(noised(x_0, eps, level)), t, **told)
    error = mse_loss(said, Tensor(training_target(kind, x_0, eps, level)), reduction="none")
    return error.reshape(len(x_0), -1).mean(axis=1)


def prediction(name, argument) -> Prediction:
    """The one of this name. ValueError that names the argument if there is none."""
    if name not in PREDICTIONS:
        raise ValueError(f"{argument} is {name!r}, expected one of {', '.join(PREDICTIONS)}")
    return PREDICTIONS[name]


# Denoisers


def denoiser(network, kind="eps", **condition):
    """The denoiser of a network: network(Tensor x_t, t (N,), **condition) -> Tensor, a prediction of this kind (one of
    PREDICTIONS)."""
    guess = differentiable(network, kind, **condition)

    def denoise(x_t, level):
        with no_grad():
            return guess(Tensor(x_t), level).data

    return denoise


def differentiable(network, kind="eps", **condition):
    """The same on Tensors, with a graph: (Tensor x_t, level) -> Tensor x_0. For likelihoods, which ask how x_0 moves
    with x_t."""
    prediction(kind, "kind")

    def guess(x_t, level):
        quantity = network(x_t, np.full(len(x_t), level.t), **condition)
        return convert(quantity, kind, "x0", x_t, level)

    return guess


def clipped(denoise, low=-1.0, high=1.0):
    """denoise, with its x_0 limited to where images are. An x_0 from eps can leave it far behind at large t."""
    return lambda x_t, level: xp.clip(denoise(x_t, level), low, high)


def dynamically_clipped(denoise, percentile=99.5):
    """denoise, with each image's x_0 clipped to [-s, s] and divided by s: Imagen's dynamic thresholding (Saharia et al.
    2022, section 2.3). s is this percentile of its |x_0|, and at least 1.

    Strong guidance drives x_0 far out of [-1, 1] everywhere: `clipped` saturates all that it drove, this pulls it in.
    """
    if not 0.0 < percentile <= 100.0:
        raise ValueError(f"dynamically_clipped: percentile is {percentile}, expected above 0 and at most 100")

    def denoise_and_threshold(x_t, level):
        x_0 = denoise(x_t, level)
        rows = abs(x_0).reshape(len(x_0), math.prod(x_0.shape[1:]))
        s = xp.percentile(rows, percentile, axis=1)  # (N,): of each image on its own
        s = xp.maximum(s, 1.0).astype(x_0.dtype).reshape(-1, *[1] * (x_0.ndim - 1))  # an x_0 within [-1, 1] stays
        return xp.clip(x_0, -s, s) / s

    return denoise_and_threshold


def recorded(denoise, frames):
    """denoise, which also appends every (level, x_t, x_0) to the list frames: what happens inside a sampler."""

    def denoise_and_record(x_t, level):
        x_0 = denoise(x_t, level)
        frames.append((level, x_t, x_0))
        return x_0

    return denoise_and_record
