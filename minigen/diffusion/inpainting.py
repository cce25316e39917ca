"""Inpainting: some pixels are known, and a diffusion that was not trained for it draws the others; a sampler.

    x_s, known     = a_s x_0 + s_s eps                      the known pixels, with as much noise as the others now have
    x_s, unknown   = one step of any sampler from x_t
    x_s            = m known + (1 - m) unknown                                                               (eq. 8)

That is replacement (Song et al. 2021, appendix I.2). What is drawn fits to the known pixels badly: each step sees them
as they are at t, with noise of their own, and by the time that they are clear the rest has been decided. RePaint goes
up again from s to t, by the process's own noise, and steps down anew, r times in all: so the drawn part and the known
one get to fit before there is less noise. With jumps of j levels the way up is longer, and more can still change.

At the last level there is no noise: known pixels are what they were, bit for bit.

`fill_in` does so with any trained model that has a denoiser:

    trained = runs.load("runs/ddpm")
    with trained.evaluating():
        images = fill_in(trained.model, x, mask, rng)

Source: Lugmayr et al. 2022 (RePaint), algorithm 1: r = 10, j = 10, T = 250. Symbols: m mask, 1 where a pixel is known.
Read before this: samplers.py. Read next: models/diffusion/inpainting_ddpm.py, which is trained for it.
"""
import math
from functools import reduce

import numpy as np

from autograd.backend import asarray, normal, xp
from autograd.batch import own, whole

from .levels import noised, posterior
from .samplers import ancestral_tilde, descent


def fill_in(model, x, mask, rng, resample=10, jump=1):
    """Images (N, C, H, W) as they are drawn, of which the pixels in mask are those of x (N, C, H, W), in its own units;
    the others the model draws. mask: booleans that broadcast against x, for instance (H, W). model: has space, denoise
    and levels, as a DDPM. resample = 1 is replacement."""
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != x.shape[x.ndim - mask.ndim:] and mask.shape not in (
            (len(x), 1, *x.shape[2:]), (1, *x.shape[2:])):
        raise ValueError(f"fill_in: mask is {mask.dtype} of shape {mask.shape}, expected booleans, True where a pixel "
                         f"is known, of shape {x.shape[2:]} or of {(len(x), 1, *x.shape[2:])}")
    known = model.space.signed(x)
    drawn = repaint(model.denoise, normal(rng, known.shape), model.levels, rng=rng, known=known, mask=mask,
                    resample=resample, jump=jump)
    return np.where(mask, model.space.drawn(x), model.space.from_signed(drawn))


def seam(x, mask):
    """The mean difference of neighbouring pixels across the border of a mask (H, W), of each of images x (N, C, H, W):
    (N,). Of whole images it is what a seam that is none has."""
    down = np.abs(np.diff(x, axis=2)) * (mask[1:] != mask[:-1])
    right = np.abs(np.diff(x, axis=3)) * (mask[:, 1:] != mask[:, :-1])
    pairs = x.shape[1] * ((mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum())
    return (down.sum(axis=(1, 2, 3)) + right.sum(axis=(1, 2, 3))) / pairs


def repaint(denoise, x, levels, *, rng, known, mask, resample=10, jump=1, sampler=ancestral_tilde):
    """known: images (N, ...) of x's shape; mask: booleans that broadcast against them, True where known is to stay.
    resample: r, how often each stretch of `jump` levels is gone down; 1 is replacement. sampler: of the steps."""
    if known.shape != x.shape:
        raise ValueError(f"repaint: known has shape {known.shape}, expected that of x, {x.shape}")
    if min(resample, jump) < 1:
        raise ValueError(f"repaint: resample is {resample}, jump is {jump}, expected at least 1 each")
    known, mask = asarray(known, x.dtype), xp.broadcast_to(asarray(mask, bool), x.shape)
    steps = descent(levels)
    for start in range(0, len(steps), jump):
        stretch = steps[start : start + jump]
        for again in reversed(range(resample)):
            for t, s in stretch:
                x = sampler(denoise, x, [t, s], rng=rng)
                x = xp.where(mask, noised(known, normal(rng, x.shape, x.dtype), s), x)  # course 9.11
            if again:
                x = _up(x, stretch[-1][1], stretch[0][0], rng)
    return x


def _up(x, s, t, rng):
    """A draw of q(x_t | x_s)."""
    added = posterior(t, s)[3]
    return t.a / s.a * x + math.sqrt(added) * normal(rng, x.shape, x.dtype)


# What is trained to complete images


def take_over(network, pretrained):
    """Gives a U-Net the weights of one, frozen, that sees fewer channels; those of the further ones are 0."""
    for name, p in network.named_parameters():
        weight = reduce(getattr, name.split("."), pretrained).data
        if name == "stem.weight":
            if p.shape[1] < weight.shape[1]:
                raise ValueError(f"take_over: the new network sees {p.shape[1]} channels, the pretrained one "
                                 f"{weight.shape[1]}; build it with more")
            p.data[...] = 0.0
            p.data[:, :weight.shape[1]] = weight
        else:
            p.data[...] = weight
        p.mark_changed()


def random_masks(N, H, W, rng):
    """Booleans (N, 1, H, W), False in a box of each image: of random sides, from a quarter of the image's to the whole,
    and at a random place."""
    inside = []
    for size in (H, W):
        side = rng.integers(max(1, size // 4), size + 1, size=N)
        start = own(rng.integers(0, size - whole(side) + 1))
        place = np.arange(size)
        inside.append((place >= start[:, None]) & (place < (start + side)[:, None]))  # (N, size)
    return ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])
