"""Pictures of the space of z: for every model with `decode` (z to images) whose z is drawn from N(0, I).

    slerp           from one z to another along the sphere on which such z lie
    interpolate     rows of images from G(z0) to G(z1)
    draw_like       z whose images have a property, found by drawing until there are enough
    arithmetic      mean z of A - mean z of B + mean z of C: "what A has and B has not", given to C

A generator has no encoder: the z of a given image is not known. So whoever wants z with a property draws z, looks at
G(z), and keeps those that have it (Radford et al. 2016, section 6.3.2, did so by eye).

Sources: Radford et al. 2016 (arithmetic); White, "Sampling Generative Networks", 2016 (slerp).
Symbols: N images, Z latent, t from 0 to 1. Read before this: dcgan.py.
"""
import numpy as np

from autograd.backend import to_numpy

TRIED = 500  # z that are decoded at a time


def slerp(z0, z1, t):
    """z at the part t of the way from z0 to z1, (..., Z) each: sin((1 - t) angle) z0 + sin(t angle) z1, over sin angle.

    In high dimensions all z ~ N(0, I) have a length near sqrt(Z), but the middle of the straight line between two of
    them only sqrt(Z / 2): a place that the generator hardly ever saw. This path keeps the length, wherever both ends
    have the same, and is the straight line where they have the same direction. t broadcasts against (..., 1).
    """
    unit = lambda z: z / np.linalg.norm(z, axis=-1, keepdims=True)
    angle = np.arccos(np.clip((unit(z0) * unit(z1)).sum(axis=-1, keepdims=True), -1, 1))
    if np.any(np.pi - angle < 1e-4):
        raise ValueError("slerp: z0 and z1 are opposite, so that no way around the sphere is the shortest")
    curved = angle > 1e-4
    sine = np.where(curved, np.sin(angle), 1.0)
    weight = lambda t: np.where(curved, np.sin(t * angle) / sine, t)
    return weight(1 - t) * z0 + weight(t) * z1


def interpolate(model, z0, z1, steps=8, path=slerp):
    """A row of images per pair z0, z1 (N, Z), at t from 0 to 1: (N * steps, C, H, W) for plot.grid with `steps`
    columns. path: slerp, or another function of (z0, z1, t)."""
    z0, z1, t = to_numpy(z0), to_numpy(z1), np.linspace(0, 1, steps)[:, None]
    return model.decode(path(z0[:, None], z1[:, None], t).reshape(-1, z0.shape[-1]))


def draw_like(model, wanted, n, rng, most=20_000):
    """n draws of z (n, Z) whose images are wanted; wanted: images (N, C, H, W) in [0, 1] -> booleans (N,).

    RuntimeError if there are not enough among the `most` first.
    """
    found = np.zeros((0, model.latent), np.float32)
    for _ in range(0, most, TRIED):
        z = rng.standard_normal((TRIED, model.latent), dtype=np.float32)
        found = np.concatenate([found, z[wanted(model.decode(z))]])[:n]
        if len(found) == n:
            return found
    raise RuntimeError(f"draw_like: only {len(found)} of {most:,} samples are wanted, not {n}; train the model longer, "
                       "or want less")


def arithmetic(a, b, c):
    """mean(a) - mean(b) + mean(c), (Z,), for sets of z (N, Z): the mean of many has little but what they share."""
    return a.mean(axis=0) - b.mean(axis=0) + c.mean(axis=0)
