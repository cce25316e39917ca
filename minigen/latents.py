"""Pictures of a latent space: for every model with `decode` (codes to images), and for some with `encode` too.

    reconstructions images, and below them what encoding and decoding makes of them
    interpolate     from one code to another, along a line or along the sphere
    traverse        one latent at a time, the others held; of codes, traverse_codes
    direction       the way from the mean code of one set of images to that of another
    resynthesize    encode, shift, decode; of codes, shift_codes
    edit_errors     how far an edit by a shift of the code is from the true picture of that edit, and the floors
    arithmetic      "what A has and B has not", given to C
    draw_like       codes whose images have a property, found by drawing until there are enough
    manifold        the whole of a 2-D latent space, laid out as a sheet of images
    scatter         where a 2-D latent space puts its examples

A VAE or a flow encodes: the code of a given image is known. A GAN's generator does not; whoever wants a z with a
property draws z, looks at G(z), and keeps those that have it (Radford et al. 2016, section 6.3.2, did so by eye).

Functions return images (rows * columns, C, H, W) in [0, 1] for plot.grid, row by row, or codes (N, Z).
Sources: Kingma & Welling 2014, figure 4 (manifold); Radford et al. 2016 (arithmetic); White, "Sampling Generative
Networks", 2016 (slerp). Symbols: N images, Z latent, t from 0 to 1. Read before this: a model, for instance
models/autoencoders/vae.py.
"""
import numpy as np
from scipy.special import ndtri

from autograd.backend import to_numpy

from . import plot

TRIED = 500  # codes that are decoded at a time


def reconstructions(model, x, columns=8):
    """Rows of `columns` images of x (N, C, H, W), and below each row its reconstructions. N: a multiple of columns."""
    if len(x) % columns:
        raise ValueError(f"reconstructions: {len(x)} images do not fill rows of {columns}; pass fewer, or columns")
    pairs = np.stack([model.space.drawn(x), model.reconstruct(x)], axis=1)  # (N, 2, C, H, W)
    rows = pairs.reshape(-1, columns, *pairs.shape[1:]).swapaxes(1, 2)  # (N / columns, 2, columns, C, H, W)
    return rows.reshape(-1, *x.shape[1:])


# From code to code


def line(z0, z1, t):
    """z at the part t of the way from z0 to z1 (..., Z); t broadcasts against (..., 1)."""
    return (1 - t) * z0 + t * z1


def slerp(z0, z1, t):
    """z at the part t of the way around: sin((1 - t) angle) z0 + sin(t angle) z1, over sin angle; as `line`.

    In high dimensions all z ~ N(0, I) have a length near sqrt(Z), but the middle of the straight line between two of
    them only sqrt(Z / 2): a place that the generator hardly ever saw. This path keeps the length, wherever both ends
    have the same, and is the straight line where they have the same direction.
    """
    unit = lambda z: z / np.linalg.norm(z, axis=-1, keepdims=True)
    angle = np.arccos(np.clip((unit(z0) * unit(z1)).sum(axis=-1, keepdims=True), -1, 1))
    if np.any(np.pi - angle < 1e-4):
        raise ValueError("slerp: z0 and z1 are opposite, so that no way around the sphere is the shortest")
    curved = angle > 1e-4
    sine = np.where(curved, np.sin(angle), 1.0)
    weight = lambda t: np.where(curved, np.sin(t * angle) / sine, t)
    return weight(1 - t) * z0 + weight(t) * z1  # course 4.7


def interpolate(model, z0, z1, steps=8, path=line):
    """A row of `steps` images for each pair of codes z0, z1 (N, Z), at t from 0 to 1. path: line or slerp."""
    z0, z1, t = to_numpy(z0), to_numpy(z1), np.linspace(0, 1, steps)[:, None]
    return model.decode(path(z0[:, None], z1[:, None], t).reshape(-1, z0.shape[-1]))


def traverse(model, x, rows=8, steps=9, span=2.5):
    """A row per latent, for those that vary most over the images x: it runs over its mean plus and minus `span`
    standard deviations, while the other latents stay with the code of x[0]."""
    return traverse_codes(model, model.encode(x), rows, steps, span)


def traverse_codes(model, z, rows=8, steps=9, span=2.5):
    """`traverse` for codes z (N, Z), for instance those that a GAN is given."""
    mean, std = z.mean(axis=0), z.std(axis=0)
    moved = np.argsort(-std)[:rows]
    path = np.tile(z[0], (len(moved), steps, 1))  # (rows, steps, Z)
    for row, j in zip(path, moved):
        row[:, j] = mean[j] + span * std[j] * np.linspace(-1, 1, steps)  # course 4.7
    return model.decode(path.reshape(-1, z.shape[-1]))


# Directions


def direction(model, x0, x1):
    """The mean code of images x1 minus that of x0, (Z,): the way from one class of images to another."""
    return model.encode(x1).mean(axis=0) - model.encode(x0).mean(axis=0)


def resynthesize(model, x, shift, steps=6):
    """A row per image of x: its decoded code, moved by t times `shift` (Z,), for t from 0 to 1."""
    return shift_codes(model, model.encode(x), shift, steps)


def shift_codes(model, z, shift, steps=6):
    """`resynthesize` for codes z (N, Z), for instance those that a GAN is given."""
    z = z[:, None] + np.linspace(0, 1, steps)[:, None] * shift  # (N, steps, Z); course 4.7
    return model.decode(z.reshape(-1, z.shape[-1]))


def edit_errors(model, x, truth, shift) -> dict:
    """What an edit is worth, where its true picture is known: name -> mean |difference| to it per image, (N,), over the
    pixels that the edit changes, on the scale [0, 1].

    x, truth: images before and after, in the data's own units. "edited" is decode(encode(x) + shift). It should be
    below "not edited", x itself, and "only reconstructed", and cannot be expected below "the truth, reconstructed".
    """
    x, truth, known = model.space.drawn(x), model.space.drawn(truth), (x, truth)
    changed = x != truth
    edit = model.decode(model.encode(known[0]) + shift)
    pictures = {"not edited": x, "only reconstructed": model.reconstruct(known[0]), "edited": edit,
                "the truth, reconstructed": model.reconstruct(known[1])}
    count = changed.reshape(len(x), -1).sum(axis=1)
    if not count.all():
        raise ValueError(f"edit_errors: {(count == 0).sum()} of {len(x)} images are as before the edit; leave them out")
    return {name: (np.abs(y - truth) * changed).reshape(len(x), -1).sum(axis=1) / count for name, y in pictures.items()}


def arithmetic(a, b, c):
    """mean(a) - mean(b) + mean(c), (Z,), for sets of z (N, Z): the mean of many has little but what they share."""
    return a.mean(axis=0) - b.mean(axis=0) + c.mean(axis=0)  # course 7.4


def draw_like(model, wanted, n, rng, most=20_000):
    """n draws of z ~ N(0, I), (n, Z), whose images are wanted; wanted: images (N, C, H, W) in [0, 1] -> booleans (N,).

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


# Planes


def manifold(model, steps=16):
    """steps * steps images over a 2-D latent space, at the quantiles of N(0, I): every image stands for an equal share
    of the prior."""
    _require_plane(model, "manifold")
    at = ndtri((np.arange(steps) + 0.5) / steps)
    z = np.stack(np.meshgrid(at, at[::-1]), axis=-1)  # (steps, steps, 2): z1 to the right, z2 upwards
    return model.decode(z.reshape(-1, 2))


def scatter(model, x, y, path) -> None:
    """Draws the codes of examples x with labels y, for a 2-D latent space."""
    _require_plane(model, "scatter")
    plot.scatter(model.encode(x), path, labels=y, names=("z1", "z2"))


def _require_plane(model, name):
    if model.latent != 2:
        raise ValueError(f"{name}: the latent space has {model.latent} dimensions, and a picture shows 2; "
                         "train a model with latent=2, or look at traverse()")
