"""Pictures of a latent space: for every model with `encode` (examples to codes) and `decode` (codes to
images).

    interpolate     from one image to another: the codes on the line between theirs
    traverse        one latent at a time, the others held
    resynthesize    encode, shift, decode: e.g. by the way from one class to another
    manifold        the whole of a 2-D latent space, laid out as a sheet of images
    scatter         where a 2-D latent space puts its examples

Each but the last returns images (rows * columns, C, H, W) in [0, 1] for plot.grid, row by row; `draw` writes
those that suit a model.

Symbols: N examples, Z latent. Read before this: ae.py, vae.py.
"""
import numpy as np
from scipy.special import ndtri

from ... import plot


def reconstructions(model, x, columns=8):
    """Rows of `columns` images of x (N, C, H, W), and below each row its reconstructions. N: a multiple of
    columns."""
    pairs = np.stack([shown(model, x), model.reconstruct(x)], axis=1)  # (N, 2, C, H, W)
    rows = pairs.reshape(-1, columns, *pairs.shape[1:]).swapaxes(1, 2)  # (N / columns, 2, columns, C, H, W)
    return rows.reshape(-1, *x.shape[1:])


def interpolate(model, x0, x1, steps=8):
    """A row per pair of images x0, x1 (N, C, H, W): the decoded codes (1 - t) z0 + t z1 for t from 0 to 1."""
    t = np.linspace(0, 1, steps)[:, None]
    z0, z1 = model.encode(x0)[:, None], model.encode(x1)[:, None]  # (N, 1, Z)
    return model.decode(((1 - t) * z0 + t * z1).reshape(-1, z0.shape[-1]))


def traverse(model, x, rows=8, steps=9, span=2.5):
    """A row per latent, for those that vary most over the images x: it runs over its mean plus and minus
    `span` standard deviations, while the other latents stay with the code of x[0]."""
    z = model.encode(x)  # (N, Z)
    mean, std = z.mean(axis=0), z.std(axis=0)
    moved = np.argsort(-std)[:rows]
    path = np.tile(z[0], (len(moved), steps, 1))  # (rows, steps, Z)
    for row, j in zip(path, moved):
        row[:, j] = mean[j] + span * std[j] * np.linspace(-1, 1, steps)
    return model.decode(path.reshape(-1, z.shape[-1]))


def direction(model, x0, x1):
    """The mean code of images x1 minus that of x0, (Z,): the way from one class of images to another."""
    return model.encode(x1).mean(axis=0) - model.encode(x0).mean(axis=0)


def resynthesize(model, x, shift, steps=6):
    """A row per image of x: its decoded code, moved by t times `shift` (Z,), for t from 0 to 1."""
    z = model.encode(x)[:, None] + np.linspace(0, 1, steps)[:, None] * shift  # (N, steps, Z)
    return model.decode(z.reshape(-1, z.shape[-1]))


def manifold(model, steps=16):
    """steps * steps images over a 2-D latent space, at the quantiles of N(0, I): every image stands for an
    equal share of the prior. Kingma & Welling 2014, figure 4."""
    _require_plane(model, "manifold")
    at = ndtri((np.arange(steps) + 0.5) / steps)
    z = np.stack(np.meshgrid(at, at[::-1]), axis=-1)  # (steps, steps, 2): z1 to the right, z2 upwards
    return model.decode(z.reshape(-1, 2))


def scatter(model, x, y, path) -> None:
    """Draws the codes of examples x with labels y, for a 2-D latent space."""
    _require_plane(model, "scatter")
    plot.scatter(model.encode(x), path, labels=y, names=("z1", "z2"))


def draw(model, x, y, out) -> list:
    """Writes reconstructions.png, interpolation.png, traversal.png and, where Z = 2, manifold.png and
    scatter.png into the folder out, for at least 16 images x with labels y. Returns their paths."""
    sheets = {"reconstructions": (reconstructions(model, x[:32], columns=8), 8),
              "interpolation": (interpolate(model, x[:8], x[8:16], steps=8), 8),
              "traversal": (traverse(model, x, rows=8, steps=9), 9)}
    if model.latent == 2:
        sheets["manifold"] = manifold(model, steps=16), 16
        scatter(model, x, y, out / "scatter.png")
    for name, (images, columns) in sheets.items():
        plot.grid(images, out / f"{name}.png", columns)
    return [out / f"{name}.png" for name in (*sheets, *(["scatter"] if model.latent == 2 else []))]


def shown(model, x):
    """Images x in the data's units, as they are drawn: float in [0, 1]."""
    return np.float32(x) / (model.levels - 1)


def _require_plane(model, name):
    if model.latent != 2:
        raise ValueError(f"{name}: the latent space has {model.latent} dimensions, and a picture shows 2; "
                         "train a model with latent=2, or look at traverse()")
