"""Pictures of a codebook: how often each code is used, what it draws, and what it was chosen for.

    usage            the share of each code over many images, for a histogram
    what_codes_draw  an image for each code: of a grid that holds nothing else, or where it stands alone among others
    mean_patches     a patch for each code: the mean of what the images show where it was chosen

They are for any model with `codes` (the Space of its grids), encode and decode, such as models/codes/vqvae.py. Images
and patches are (K, C, H, W) in [0, 1] for plot.sheet. Symbols: N images, K codes, h w grid.
Read before this: models/codes/vqvae.py.
"""
import numpy as np

from .usage import code_counts


def usage(model, x):
    """The share that each code has among all codes of images x, (K,), which sums to 1."""
    counts = code_counts(model.encode(x), model.codes.levels)
    return counts / counts.sum()


def what_codes_draw(model, among=None):
    """The images (K, C, H, W) of grids that hold one code everywhere; or, with the number of a code as `among`, only in
    the middle, and that one all around: what it draws on a blank sheet, if the other is the code of nothing."""
    (_, h, w), K = model.codes.shape, model.codes.levels
    everywhere = np.arange(K).reshape(K, 1, 1, 1).repeat(h, axis=2).repeat(w, axis=3)  # (K, 1, h, w)
    if among is None:
        return model.decode(everywhere)
    grids = np.full_like(everywhere, among)
    grids[:, :, h // 2, w // 2] = np.arange(K)[:, None]
    return model.decode(grids)


def mean_patches(model, x):
    """The mean of the patches of images x (N, C, H, W) at the places of a grid where each code was chosen,
    (K, C, H / h, W / w), what is left over at the right and below cut off; white where a code never was."""
    (_, h, w), K = model.codes.shape, model.codes.levels
    codes, images = model.encode(x).reshape(-1), model.space.drawn(x)
    N, C, H, W = images.shape
    p, q = H // h, W // w
    patches = images[:, :, : p * h, : q * w].reshape(N, C, h, p, w, q).transpose(0, 2, 4, 1, 3, 5)  # (N, h, w, C, p, q)
    sums = np.zeros((K, C, p, q))
    np.add.at(sums, codes, patches.reshape(-1, C, p, q))
    n = code_counts(codes, K).reshape(K, 1, 1, 1)
    return np.where(n > 0, sums / np.maximum(n, 1), 1.0)
