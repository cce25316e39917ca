"""Differentiable augmentation: D sees moved, recoloured and covered images only, real and generated ones alike.

A discriminator learns a few thousand images by heart. If real images alone were augmented, G would learn to draw the
augmented ones; if generated ones too, but by operations without a gradient, G would learn nothing. Here both pass
through the same kinds of operations, and G's gradient through them:

    colour          x + b,   then each pixel's distance from its gray times 2 u,   then x's from its mean times 0.5 + u
    translation     by up to an eighth of each side, 0 where nothing comes from
    cutout          a square of half the sides becomes 0

b ~ U(-1/2, 1/2), u ~ U(0, 1), drawn for each image. Zhao, Liu, Lin, Zhu & Han, "Differentiable Augmentation for
Data-Efficient GAN Training", NeurIPS 2020, section 3. Symbols: N C H W images on [-1, 1]. Read before this:
objectives.py. Read next: models/adversarial/stylegan.py.
"""
import numpy as np

from autograd import as_tensor, pad
from autograd.backend import asarray, default_dtype


def augmented(x, rng):
    """Images x (N, C, H, W), each changed in its own way: a Tensor."""
    return cutout(translated(recoloured(as_tensor(x), rng), rng), rng)


def recoloured(x, rng):
    u = lambda: asarray(rng.random((len(x), 1, 1, 1)), default_dtype)
    x = x + (u() - 0.5)
    gray = x.mean(axis=1, keepdims=True)
    x = gray + 2.0 * u() * (x - gray)
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    return mean + (0.5 + u()) * (x - mean)


def translated(x, rng):
    N, C, H, W = x.shape
    most = [max(1, side // 8) for side in (H, W)]
    rows, columns = (asarray(np.arange(side)[None] + rng.integers(0, 2 * by + 1, (N, 1)))
                     for side, by in zip((H, W), most))
    wide = pad(x, ((0, 0), (0, 0), (most[0], most[0]), (most[1], most[1])))
    n, c = np.arange(N)[:, None, None, None], np.arange(C)[None, :, None, None]
    return wide[asarray(n), asarray(c), rows[:, None, :, None], columns[:, None, None, :]]


def cutout(x, rng):
    N, _, H, W = x.shape
    kept = np.ones((N, 1, H, W), np.float32)
    tops, lefts = rng.integers(0, H - H // 2 + 1, N), rng.integers(0, W - W // 2 + 1, N)
    for mask, top, left in zip(kept, tops, lefts):
        mask[:, top : top + H // 2, left : left + W // 2] = 0
    return x * asarray(kept, default_dtype)
