"""Captions of scenes of shapes: their grammar, when one is true, and pairs of caption and scene drawn at random.

    a [size] [colour] SHAPE [at the left | right | top | bottom]                 40 % of pairs
    two | three | four [size] [colour] SHAPEs                                     20 %
    a X left of | right of | above | below | and a Y                              40 %

SHAPE may be "shape". Shape and colour are each left out with probability 0.1, the size with 0.7: so most captions have
many true pictures, and what they leave open can be counted in the pictures that a model draws of them.

A caption is true of a scene that shows what it says and nothing else. It is written only where that is clear, and
accepted where it is true: between the two lie 1.2 pixels, so that no borderline case is counted.

Six of the 24 pairs of a shape and a colour are withheld from training: each shape and each colour is seen, but no red
square. Who has learned what the words mean can draw one.

Source: the forms of ShapeWorld (Kuhnle & Copestake 2017), whose captions are formulas too. Symbols: n side of the image
in pixels, T tokens. Read before this: drawing.py.
"""
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .drawing import COLOURS, MOST, SHAPES, SIZES, place

WITHHELD = frozenset((SHAPES.index(shape), COLOURS.index(colour)) for colour, shape in (
    ("red", "square"), ("magenta", "square"), ("green", "circle"), ("cyan", "circle"), ("blue", "triangle"),
    ("yellow", "cross")))
NUMBERS = {2: "two", 3: "three", 4: "four"}
FORMS = {"one": 0.4, "many": 0.2, "two": 0.4}  # how often each is drawn
SAID = (0.9, 0.9, 0.3)  # how often shape, colour and size are
SPOKEN = {"one": 0.5, "two": 0.75}  # how often a place is, a relation other than "and", where one is clear
SLACK = 0.6  # pixels, either way
PLACES = {  # name -> how far, in pixels, an object is beyond where the name begins to be true
    "left": lambda thing, n: n * 5 / 12 - thing.x, "right": lambda thing, n: thing.x - n * 7 / 12,
    "top": lambda thing, n: n * 5 / 12 - thing.y, "bottom": lambda thing, n: thing.y - n * 7 / 12}
RELATIONS = {  # the same, of one object beside another
    "left of": lambda a, b: b.x - a.x - 2, "right of": lambda a, b: a.x - b.x - 2,
    "above": lambda a, b: b.y - a.y - 2, "below": lambda a, b: a.y - b.y - 2,
    "and": lambda a, b: np.inf}
PLURALS = tuple(f"{shape}es" if shape == "cross" else f"{shape}s" for shape in (*SHAPES, "shape"))
WORDS = ("a", *NUMBERS.values(), *SIZES, *COLOURS, *SHAPES, "shape", *PLURALS, *PLACES, "at", "the", "of", "above",
         "below", "and")
VOCABULARY = ("", *WORDS)  # of the tokens 0, 1, ...; 0 is the rest of a shorter caption
LONGEST = 10  # words
T = LONGEST + 1  # tokens, so that every caption ends with a 0


class Kind(NamedTuple):
    """What a caption says of an object: places in SHAPES, COLOURS and SIZES, None for what it leaves open."""

    shape: int | None = None
    colour: int | None = None
    size: int | None = None

    def fits(self, thing) -> bool:
        return all(said in (None, is_) for said, is_ in zip(self, thing))

    def text(self, plural=False) -> str:
        noun = len(SHAPES) if self.shape is None else self.shape
        adjectives = [names[said] for names, said in ((SIZES, self.size), (COLOURS, self.colour)) if said is not None]
        return " ".join([*adjectives, PLURALS[noun] if plural else (*SHAPES, "shape")[noun]])


@dataclass(frozen=True)
class Caption:
    """One Kind, `number` times and perhaps at a place; or two, in a relation."""

    kinds: tuple
    number: int = 1
    place: str | None = None
    relation: str | None = None

    @property
    def form(self) -> str:
        """"two", "many" or "one"."""
        return "two" if self.relation else "many" if self.number > 1 else "one"

    @property
    def withheld(self) -> bool:
        """Whether it names a pair of shape and colour that is never trained on."""
        return any(kind[:2] in WITHHELD for kind in self.kinds)

    def holds(self, scene, n) -> bool:
        """Whether a scene of Objects shows this and nothing else."""
        if self.form == "many":
            return len(scene) == self.number and all(map(self.kinds[0].fits, scene))
        if self.form == "one":
            return (len(scene) == 1 and self.kinds[0].fits(scene[0])
                    and (self.place is None or PLACES[self.place](scene[0], n) > -SLACK))
        return len(scene) == 2 and any(
            self.kinds[0].fits(a) and self.kinds[1].fits(b) and RELATIONS[self.relation](a, b) > -SLACK
            for a, b in (scene, scene[::-1]))

    def __str__(self):
        first, *second = self.kinds
        if self.form == "many":
            return f"{NUMBERS[self.number]} {first.text(plural=True)}"
        if self.form == "one":
            return f"a {first.text()}" + (f" at the {self.place}" if self.place else "")
        return f"a {first.text()} {self.relation} a {second[0].text()}"


def parse(text) -> Caption:
    """The Caption that a text spells. ValueError if the grammar has none."""
    words = text.split()
    numbers = {word: number for number, word in NUMBERS.items()}
    if words and words[0] in numbers:
        kind, rest = _kind(words[1:], PLURALS)
        if kind and not rest:
            return Caption((kind,), numbers[words[0]])
    first, rest = _kind(words[1:], (*SHAPES, "shape")) if words[:1] == ["a"] else (None, words)
    if first and not rest:
        return Caption((first,))
    if first and rest[:2] == ["at", "the"] and len(rest) == 3 and rest[2] in PLACES:
        return Caption((first,), place=rest[2])
    for relation in RELATIONS if first else ():
        length = len(relation.split())
        if " ".join(rest[:length]) == relation and rest[length:length + 1] == ["a"]:
            second, end = _kind(rest[length + 1:], (*SHAPES, "shape"))
            if second and not end:
                return Caption((first, second), relation=relation)
    raise ValueError(f"'{text[:80]}' is no caption of shapes: write \"a small red square\", \"a cross at the top\", "
                     "\"two blue circles\" or \"a red shape left of a green cross\"")


def _kind(words, nouns):
    """(the Kind that these words begin with, or None; the words after it)."""
    said, rest = {}, list(words)
    for name, names in (("size", SIZES), ("colour", COLOURS)):
        if rest and rest[0] in names:
            said[name] = names.index(rest.pop(0))
    if not rest or rest[0] not in nouns:
        return None, words
    shape = nouns.index(rest.pop(0))
    return Kind(None if shape == len(SHAPES) else shape, said.get("colour"), said.get("size")), rest


def encode(texts) -> np.ndarray:
    """Captions as tokens, int64 (N, 11), the rest of each row 0."""
    tokens = np.zeros((len(texts), T), np.int64)
    for row, text in zip(tokens, texts):
        words = str(text).split()
        row[:len(words)] = [VOCABULARY.index(word) for word in words]
    return tokens


def decode(tokens) -> list:
    """Tokens (N, T) as texts, whatever they say."""
    return [" ".join(VOCABULARY[token] for token in row if token) for row in np.asarray(tokens)]


OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top", "left of": "right of",
            "right of": "left of", "above": "below", "below": "above"}


def one_changed(caption) -> list:
    """The captions that say one thing otherwise: another shape, colour, size or number, or the opposite place."""
    found = []
    for i, kind in enumerate(caption.kinds):
        for field, names in (("shape", SHAPES), ("colour", COLOURS), ("size", SIZES)):
            said = getattr(kind, field)
            for other in range(len(names)) if said is not None else ():
                if other != said:
                    kinds = [*caption.kinds]
                    kinds[i] = kind._replace(**{field: other})
                    found.append(replace(caption, kinds=tuple(kinds)))
    if caption.number > 1:
        found += [replace(caption, number=number) for number in NUMBERS if number != caption.number]
    if caption.place:
        found.append(replace(caption, place=OPPOSITE[caption.place]))
    if caption.relation in OPPOSITE:
        found.append(replace(caption, relation=OPPOSITE[caption.relation]))
    return found


def exchanged(caption) -> Caption | None:
    """The caption of two objects whose shapes have changed places: the same words, another scene. None if it does not
    name two different shapes and two different colours."""
    if caption.form != "two":
        return None
    a, b = caption.kinds
    if None in (a.shape, b.shape, a.colour, b.colour) or a.shape == b.shape or a.colour == b.colour:
        return None
    return replace(caption, kinds=(a._replace(shape=b.shape), b._replace(shape=a.shape)))


def draw_pair(n, rng, withheld=False, form=None) -> tuple:
    """(Caption, scene) at random. withheld: the caption names a pair that is never trained on; else the scene shows
    none."""
    form = form or tuple(FORMS)[np.searchsorted(np.cumsum([*FORMS.values()])[:2], rng.random())]
    while True:
        u = rng.random(16).tolist()
        kinds = [Kind(int(4 * u[i]), int(6 * u[i + 1]), int(2 * u[i + 2])) for i in (0, 3)]
        number = 2 + int((MOST[n] - 1) * u[6]) if form == "many" else 1
        if form == "two" and kinds[0][:2] == kinds[1][:2]:
            continue
        shown = kinds if form == "two" else kinds[:1] * number
        if any(kind[:2] in WITHHELD for kind in shown) != withheld:
            continue
        shape, colour, size = SAID
        said = tuple(Kind(kind.shape if withheld or a < shape else None,
                          kind.colour if withheld or b < colour else None,
                          kind.size if c < size else None) for kind, a, b, c in zip(kinds, u[8:10], u[10:12], u[12:14]))
        scene = place(shown, n, rng)
        if scene is not None:
            return _written(form, said, number, scene, n, u[14:16]), scene


def _written(form, said, number, scene, n, u):
    """A caption of what is clearly so; u: two random numbers."""
    if form == "many":
        return Caption(said[:1], number)
    if form == "one":
        clear = [name for name, beyond in PLACES.items() if beyond(scene[0], n) > SLACK]
        return Caption(said[:1], place=clear[int(u[1] * len(clear))] if clear and u[0] < SPOKEN[form] else None)
    clear = [name for name, beyond in RELATIONS.items() if name != "and" and beyond(*scene) > SLACK]
    return Caption(said, relation=clear[int(u[1] * len(clear))] if clear and u[0] < SPOKEN[form] else "and")
