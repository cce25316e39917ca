"""Drawing scenes of shapes: what an object is, where it may be, and its pixels.

A scene is a few objects on black, 1 to 3 on 16 x 16 pixels, 1 to 4 on 32 x 32, no two of which touch. The four shapes
are equal in area at equal size: so area tells size and outline tells shape, and neither gives away the other. The six
colours are the corners of the cube of red, green and blue, without black and white: a pixel is

    x = (share of it that the object covers) * colour

and so keeps its hue where it is half covered, and two hues never mix. Centres lie on multiples of 1/8 of a pixel, so
that one bank of sprites holds every picture of an object that there can be.

Symbols: n side of the image in pixels, r radius of the disc of equal area. Read next: captions.py, reader.py.
"""
import functools
from typing import NamedTuple

import numpy as np

SHAPES = "square", "circle", "triangle", "cross"
COLOURS = "red", "green", "blue", "yellow", "magenta", "cyan"
SIZES = "small", "large"
RGB = np.float32([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]])
RADII = {16: (1.9, 3.0), 32: (3.0, 5.0)}  # n -> r of each size
MOST = {16: 3, 32: 4}  # n -> objects in a scene
STEPS = 8  # places for a centre along a side of a pixel
LINES = 32  # across a pixel, whose ends are where the shape's outline is
GAP = 1.5  # pixels between the boxes of two objects, at least
MARGIN = 0.5  # between a box and the border


class Object(NamedTuple):
    """shape, colour and size as places in SHAPES, COLOURS and SIZES; x, y of its centre in pixels from the upper left
    corner, to the right and down."""

    shape: int
    colour: int
    size: int
    x: float
    y: float


SQUARE_SIDE = np.sqrt(np.pi)  # of shapes of area pi, r = 1
TRIANGLE_SIDE = np.sqrt(4 * np.pi / np.sqrt(3))
TRIANGLE_HEIGHT = TRIANGLE_SIDE * np.sqrt(3) / 2
CROSS_ARM = np.sqrt(9 * np.pi / 20)  # its half length; its half width is a third: area 4 a^2 (1/3 + 1/3 - 1/9)
REACH = (  # of each: to either side, up and down
    (SQUARE_SIDE / 2, SQUARE_SIDE / 2, SQUARE_SIDE / 2),
    (1.0, 1.0, 1.0),
    (TRIANGLE_SIDE / 2, TRIANGLE_HEIGHT * 2 / 3, TRIANGLE_HEIGHT / 3),
    (CROSS_ARM, CROSS_ARM, CROSS_ARM))


def half_width(shape, v) -> np.ndarray:
    """How far the shape of area pi, its centre of gravity the origin, reaches to either side at heights v (down)."""
    if SHAPES[shape] == "square":
        return np.where(abs(v) <= SQUARE_SIDE / 2, SQUARE_SIDE / 2, 0)
    if SHAPES[shape] == "circle":
        return np.sqrt(np.maximum(0, 1 - v * v))
    if SHAPES[shape] == "triangle":  # it points up
        below_top = v + TRIANGLE_HEIGHT * 2 / 3
        return np.where(v <= TRIANGLE_HEIGHT / 3, np.maximum(0, below_top) / np.sqrt(3), 0)
    bar = np.where(abs(v) <= CROSS_ARM / 3, CROSS_ARM, CROSS_ARM / 3)
    return np.where(abs(v) <= CROSS_ARM, bar, 0)


def coverage(shape, r, x, y, n) -> np.ndarray:
    """(n, n): the share of each pixel that a shape of radius r at (x, y) covers: its lines are cut exactly."""
    lines = (np.arange(n * LINES) + 0.5) / LINES
    reach = r * half_width(shape, (lines - y) / r)[:, None]  # (n LINES, 1)
    left = np.arange(n)
    within = np.minimum(x + reach, left + 1) - np.maximum(x - reach, left)
    return np.maximum(0, within).reshape(n, LINES, n).mean(axis=1, dtype=np.float32)


@functools.cache
def sprites(n):
    """(4 shapes, 2 sizes, 8, 8, t, t): every object that there can be in an image of n pixels, by its centre's place
    within a pixel, down and to the right, in eighths; the pixel is the middle one of t."""
    half = int(np.ceil(max(RADII[n]) * max(map(max, REACH)))) + 1
    t = 2 * half + 1
    eighths = np.arange(STEPS) / STEPS
    return np.stack([[[[coverage(shape, r, half + dx, half + dy, t) for dx in eighths] for dy in eighths]
                      for r in RADII[n]] for shape in range(len(SHAPES))])


def render(scene, n) -> np.ndarray:
    """The picture (3, n, n) of a scene of Objects, float32 on [0, 1]. Centres are rounded to eighths of a pixel."""
    bank = sprites(n)
    half = bank.shape[-1] // 2
    x = np.zeros((3, n + 2 * half, n + 2 * half), np.float32)
    for shape, colour, size, centre_x, centre_y in scene:
        column, dx = divmod(round(centre_x * STEPS), STEPS)
        row, dy = divmod(round(centre_y * STEPS), STEPS)
        window = x[:, row : row + 2 * half + 1, column : column + 2 * half + 1]
        window += RGB[colour][:, None, None] * bank[shape, size, dy, dx]
    return x[:, half : half + n, half : half + n]


TRIES, CANDIDATES = 4, 128


def place(kinds, n, rng) -> list | None:
    """A scene of objects of these (shape, colour, size), uniform among those in which no two touch: candidates are
    drawn, all of their objects at once, and the first that will do is taken. None if there is none."""
    for _ in range(TRIES):
        centres, apart = scattered(kinds, n, rng, CANDIDATES)
        if apart.any():
            found = centres[apart.argmax()].tolist()
            return [Object(*kind, x, y) for kind, (x, y) in zip(kinds, found)]
    return None


def scattered(kinds, n, rng, candidates) -> tuple:
    """(centres (candidates, objects, 2) anywhere in the image, (candidates,) booleans: whether no two objects
    touch)."""
    side, up, down = (np.array([REACH[shape][i] * RADII[n][size] for shape, _, size in kinds]) for i in range(3))
    low = np.stack([side, up], axis=1)  # (objects, 2): reach to the left and up, to the right and down
    high = np.stack([side, down], axis=1)
    first, second = np.triu_indices(len(kinds), 1)
    room = np.stack([high[first] + low[second], low[first] + high[second]]) + GAP  # (2, pairs, 2)
    centres = MARGIN + low + rng.random((candidates, len(kinds), 2)) * (n - 2 * MARGIN - low - high)
    centres = np.round(centres * STEPS) / STEPS
    step = centres[:, second] - centres[:, first]
    return centres, ((step > room[0]) | (-step > room[1])).any(axis=-1).all(axis=-1)  # in x or in y, for every pair
