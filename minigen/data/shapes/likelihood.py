"""How likely each caption is, by the rules by which captions are drawn.

So their entropy is known, which no language model of them gets below.

    p(caption) = p(form) * p(what is left out) * sum over what it may stand for of p(kinds, number, place or relation)

Kinds are even among those that are not withheld, and shape, colour and size are left out independently of each other.
Only geometry has no formula: how often objects find room beside each other (two large triangles never do, and are drawn
anew), and how often one is clearly left of the other. That is counted, once, over thousands of scenes of each pair.

Symbols: n side of the image in pixels, K kinds: (shape, colour, size). Read before this: captions.py. Used by:
shapes_judge.py.
"""
import functools
import math

import numpy as np

from .captions import FORMS, PLACES, RELATIONS, SAID, SLACK, SPOKEN, WITHHELD
from .drawing import CANDIDATES, COLOURS, MOST, SHAPES, SIZES, TRIES, Object, scattered

KINDS = [(shape, colour, size) for shape in range(len(SHAPES)) for colour in range(len(COLOURS))
         for size in range(len(SIZES)) if (shape, colour) not in WITHHELD]
SCENES = 4000  # that are counted, of each pair of a shape and a size with another
CROWDED = 40_000  # of several objects, which seldom find room


def log_probability(caption, n) -> float:
    """log p of a Caption of the training split, in images of n pixels; -inf of one that names a withheld pair."""
    rows = np.ix_(*(_meant(kind) for kind in caption.kinds))
    said = {"one": caption.place, "many": caption.number, "two": caption.relation}[caption.form]
    meant = _shares(n)[caption.form, said][rows].sum()
    p = FORMS[caption.form] * math.prod(map(_left_out, caption.kinds)) * meant
    return math.log(p) if p > 0 else -math.inf


def _left_out(kind):
    """The chance that just this is said of a kind, and the rest left out."""
    return math.prod(1 - share if said is None else share for said, share in zip(kind, SAID))


def _meant(kind):
    """The numbers of the KINDS that it may stand for."""
    return np.flatnonzero([all(said in (None, is_) for said, is_ in zip(kind, each)) for each in KINDS])


@functools.cache
def _shares(n):
    """(form, what is said) -> the share of each kind (K,), or of each two (K, K), in scenes of this form of which this
    is said; together 1 for each form."""
    rng, found = np.random.default_rng(0), {}
    alike = np.array([[a[:2] == b[:2] for b in KINDS] for a in KINDS])  # no scene of two
    for form, axes, numbers in (("one", 1, [1]), ("two", 2, [1]), ("many", 1, range(2, MOST[n] + 1))):
        looks = {look: _count(form, look, numbers, n, rng) for look in np.ndindex(*(len(SHAPES), len(SIZES)) * axes)}
        looks = {name: np.array([counts[name] for counts in looks.values()]).reshape(*(len(SHAPES), len(SIZES)) * axes)
                 for name in looks[next(iter(looks))]}
        shape, _, size = np.array(KINDS).T
        at = (shape, size) if axes == 1 else (shape[:, None], size[:, None], shape, size)
        tables = {name: counts[at] * (1 if axes == 1 else ~alike) for name, counts in looks.items()}
        whole = sum(table.sum() for table in tables.values())
        found |= {(form, name): table / whole for name, table in tables.items()}
    return found


def _count(form, look, numbers, n, rng):
    """What is said -> how often it is, of objects of these shapes and sizes, times the chance that they find room."""
    kinds = [(shape, None, size) for shape, size in zip(look[::2], look[1::2])]
    if form == "many":
        return {number: _room(scattered(kinds * number, n, rng, CROWDED)[1]) for number in numbers}
    centres, apart = scattered(kinds, n, rng, SCENES)
    things = [Object(*kind, *xy.T) for kind, xy in zip(kinds, centres[apart].swapaxes(0, 1))]
    beyond = {name: far(*things, n) for name, far in PLACES.items()} if form == "one" else {
        name: far(*things) for name, far in RELATIONS.items() if name != "and"}
    clear = np.array(list(beyond.values())) > SLACK  # (names, scenes)
    each = SPOKEN[form] * clear / np.maximum(1, clear.sum(axis=0))  # of those that are clear, each as often
    room, shares = _room(apart), each.sum(axis=1) / max(1, apart.sum())
    return {None if form == "one" else "and": room * (1 - shares.sum()),
            **{name: room * share for name, share in zip(beyond, shares)}}


def _room(apart):
    """The chance that `place` finds room."""
    return 1 - (1 - apart.mean()) ** (TRIES * CANDIDATES)
