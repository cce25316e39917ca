"""Reading a picture of shapes back into its scene, by comparison with renderings: no part of it is learned.

    1. each pixel is given to the nearest of the six colours, as a multiple of it: the share that is covered
    2. connected pixels of one colour are a part
    3. each part is held against 1,536 renderings of each shape and size (at three radii, on sub-pixel places, sharp and
       blurred), each at its best brightness g: the one with the least |part - g rendering|^2 says what it is and where
    4. what no rendering comes near to is "broken", what is too dark "faint"; a bit too small for an object is a
       "speck", and light that belongs to no part a "ghost"

So a caption's truth is a formula of what is read (captions.py), and a picture is flagged where it is no picture of a
scene. How often reading errs, on pictures blurred and with noise, is measured in tests/minigen/data/test_shapes.py; at
16 x 16 do not trust it with shapes in pictures that are softer than a blur of 0.75 pixels.

Symbols: n side of the image, t side of a rendering, K renderings. Read before this: drawing.py, captions.py.
"""
import functools
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .drawing import COLOURS, RADII, REACH, RGB, SHAPES, SIZES, Object, coverage

BLURS = 0.0, 0.5, 0.8, 1.1  # pixels, of renderings
RADIUS_FACTORS = 0.93, 1.0, 1.07
QUARTERS = -0.375, -0.125, 0.125, 0.375  # places of a centre within a pixel, from its middle
GAINS = 0.4, 1.1  # the brightness of a rendering, at least and at most
EMPTY = 0.2  # a picture without a pixel as bright as this shows nothing
SOLID = 0.45  # share of a pixel, from which it is of a part
SMALLEST = 0.35  # share of a small object's area, from which a part is one
BROKEN = 0.10  # squared error over the rendering's energy
FAINT = 0.55  # brightness
SPECK = 1.0  # pixels covered, below SMALLEST
GHOST = 0.15  # brightest light, blurred by a pixel, that belongs to no part


class Reading(NamedTuple):
    """scene: the Objects that were found. complaints: what is wrong with the picture, in words; none of a picture of a
    scene. side: of the picture, n."""

    scene: list
    complaints: list
    side: int


class _Renderings(NamedTuple):
    pictures: np.ndarray  # (K, t t)
    energy: np.ndarray  # (K,)
    what: list  # (shape, size, dx, dy) of each
    side: int


@functools.cache
def _renderings(n):
    half = int(np.ceil(max(RADII[n]) * max(map(max, REACH)))) + 2
    t, pictures, what = 2 * half + 1, [], []
    middle = t / 2
    for shape in range(len(SHAPES)):
        for size, radius in enumerate(RADII[n]):
            for factor in RADIUS_FACTORS:
                for dy in QUARTERS:
                    for dx in QUARTERS:
                        sharp = coverage(shape, factor * radius, middle + dx, middle + dy, t)
                        pictures += [ndimage.gaussian_filter(sharp, blur) if blur else sharp for blur in BLURS]
                        what += [(shape, size, dx, dy)] * len(BLURS)
    pictures = np.stack(pictures).reshape(len(what), t * t)
    return _Renderings(pictures, (pictures**2).sum(axis=1), what, t)


def read(x) -> Reading:
    """What a picture x (3, n, n) on [0, 1] shows, n 16 or 32."""
    n = x.shape[-1]
    x = np.clip(x, 0, 1)
    share, colour = _shares(x)
    brightest = share.max()
    if brightest < EMPTY:
        return Reading([], ["empty"], n)
    solid = share > SOLID * min(1.0, brightest)
    scene, complaints, explained = [], [], np.zeros_like(solid)
    for c in range(len(COLOURS)):
        labels, parts = ndimage.label((colour == c) & solid)
        for part in (labels == k for k in range(1, parts + 1)):
            covered = share[part].sum()
            if covered < SMALLEST * np.pi * min(RADII[n])**2:
                complaints += ["speck"] * bool(covered > SPECK)
                continue
            near = ndimage.binary_dilation(part, np.ones((3, 3)), iterations=2) & ~(solid & ~part)
            explained |= near
            thing, error, gain = _nearest(share * near, share * part, c, n)  # step 3; course 12.12
            scene.append(thing)
            complaints += [f"broken {COLOURS[c]} ({error:.2f})"] * bool(error > BROKEN)
            complaints += [f"faint {COLOURS[c]}"] * bool(gain < FAINT)
    rest = ndimage.gaussian_filter(share * ~explained, 1.0).max()
    return Reading(scene, complaints + [f"ghost ({rest:.2f})"] * bool(rest > GHOST), n)


def _shares(x):
    """(share of each pixel that is covered, the nearest colour), both (n, n): min over c and a of |x - a RGB_c|^2."""
    along = np.einsum("dhw,cd->chw", x, RGB)
    shares = along / (RGB**2).sum(axis=1)[:, None, None]
    colour = ((x**2).sum(axis=0) - shares * along).argmin(axis=0)
    return np.take_along_axis(shares, colour[None], axis=0)[0], colour


def _nearest(around, part, colour, n):
    """(Object, its error, its brightness) of the rendering nearest to what is seen `around` a part, both (n, n)."""
    bank = _renderings(n)
    t, rows, columns = bank.side, np.arange(n), np.arange(n)
    row = int(np.floor((part.sum(axis=1) * rows).sum() / part.sum() + 0.5))
    column = int(np.floor((part.sum(axis=0) * columns).sum() / part.sum() + 0.5))
    padded = np.pad(around, t)
    places = [(row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]  # of the rendering's middle
    corners = [(y + t - t // 2, x + t - t // 2) for y, x in places]
    windows = np.stack([padded[y : y + t, x : x + t].ravel() for y, x in corners])  # (9, t t)
    along = windows @ bank.pictures.T  # (9, K)
    gain = np.clip(along / bank.energy, *GAINS)
    error = ((windows**2).sum(axis=1, keepdims=True) - 2 * gain * along + gain**2 * bank.energy) / (
        bank.energy * gain**2)
    which, best = np.unravel_index(error.argmin(), error.shape)
    shape, size, dx, dy = bank.what[best]
    y, x = places[which]
    thing = Object(shape, colour, size, x + 0.5 + dx, y + 0.5 + dy)
    return thing, error[which, best], gain[which, best]


def describe(reading) -> str:
    """What was read, in words: "small red cross at (4.1, 9.9); broken blue (0.31)"."""
    things = [f"{SIZES[thing.size]} {COLOURS[thing.colour]} {SHAPES[thing.shape]} at ({thing.x:.1f}, {thing.y:.1f})"
              for thing in reading.scene]
    return "; ".join([*things, *reading.complaints]) or "nothing"
