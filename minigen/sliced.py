"""The sliced Wasserstein distance of images, by scale: are the patches of two sets alike, coarse and fine?

    pyramid                     x -> blurred and halved -> ... ; a level is x minus what the next one holds of it, and
                                the last one is what is left: so each shows the structure of one scale
    descriptors                 patches of 7 x 7 pixels of a level, each channel to mean 0 and deviation 1
    sliced Wasserstein          mean over directions d of  W_1({d . a}, {d . b}) = mean |sort(d . a) - sort(d . b)|

In one dimension the cheapest way to move one heap of numbers onto another is in order: smallest to smallest. No network
is learned, so there is none that overlooks what its task does not need: it works for images of any kind.

Source: Karras et al. 2018 (ProGAN), section 5; Rabin et al. 2011 (sliced distance). Symbols: N images, C H W size,
P patches, D = 49 C numbers of one. Read before this: metrics.py.
"""
import numpy as np
from scipy.ndimage import convolve1d

LEAST = 16  # pixels of the coarsest level, but for images that are smaller
BINOMIAL = np.float32([1, 4, 6, 4, 1]) / 16
SIZE = 7  # of a patch
PATCHES, DIRECTIONS = 16, 256  # of each image, and of all


def sliced_distances(a, b, rng) -> dict:
    """side of a level in pixels -> the distance of images a from images b, both (N, C, H, W) on [0, 1], in units of the
    descriptors' deviation."""
    n = min(len(a), len(b))
    found = {}
    for of_a, of_b in zip(pyramid(a[:n]), pyramid(b[:n])):
        places = rng.random((n, PATCHES, 2))  # the same in both sets, so that borders are seen equally often
        found[of_a.shape[-1]] = sliced_wasserstein(descriptors(of_a, places), descriptors(of_b, places), rng)
    return found


def pyramid(images) -> list:
    """The levels of images (N, C, H, W), the finest first; the coarsest is the images themselves, made small."""
    levels, x = [], np.float32(images)
    while min(x.shape[2:]) >= 2 * LEAST:
        small = _blurred(x)[:, :, ::2, ::2]
        spread = np.zeros_like(x)
        spread[:, :, ::2, ::2] = 4 * small
        levels.append(x - _blurred(spread))
        x = small
    return [*levels, x]


def _blurred(x):
    return convolve1d(convolve1d(x, BINOMIAL, axis=2, mode="mirror"), BINOMIAL, axis=3, mode="mirror")


def descriptors(level, places) -> np.ndarray:
    """Patches (N P, D) of a level (N, C, H, W) at places (N, P, 2) in [0, 1)."""
    N, C, H, W = level.shape
    size = min(SIZE, H, W)
    row, column = (np.int64(places[..., i] * (side - size + 1)) for i, side in enumerate((H, W)))  # (N, P)
    patches = np.lib.stride_tricks.sliding_window_view(level, (size, size), axis=(2, 3))  # (N, C, ., ., 7, 7)
    patches = patches[np.arange(N)[:, None], :, row, column].reshape(-1, C, size * size)
    mean, deviation = patches.mean(axis=(0, 2), keepdims=True), patches.std(axis=(0, 2), keepdims=True)
    return ((patches - mean) / np.maximum(deviation, 1e-8)).reshape(len(patches), -1)


def sliced_wasserstein(a, b, rng, directions=DIRECTIONS) -> float:
    """The mean over random directions of the earth mover's distance of a (M, D) and b (M, D) along each."""
    if a.shape != b.shape:
        raise ValueError(f"sliced_wasserstein: a has shape {a.shape}, b {b.shape}; give as many points of each")
    d = rng.standard_normal((a.shape[1], directions)).astype(a.dtype)
    d /= np.linalg.norm(d, axis=0)
    return float(np.abs(np.sort(a @ d, axis=0) - np.sort(b @ d, axis=0)).mean())
