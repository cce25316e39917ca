"""What is measured on pictures of captioned shapes: does each show what its caption says?

Every picture is read (data/shapes/reader.py), and a caption's truth is a formula of what was read: nothing is learned,
so nothing is overlooked that a network would overlook. The columns are those of GenEval (Ghosh et al. 2023), whose
judges are detectors:

    single object   "a ..."                         colours       "a ..." that names a colour
    two objects     "a ... a ..."                   position      a place, or a relation other than "and"
    counting        "two ..."                       attribution   "a ... a ..." that names both shapes and both colours

Beside them stand chance, each picture under the caption of the next, and how the first real pictures of the split do.
Read before this: data/shapes/captions.py, data/shapes/reader.py. Used by: judges.py.
"""
from dataclasses import replace

import numpy as np

from .data.shapes.captions import VOCABULARY, WITHHELD, Caption, decode, encode, exchanged, one_changed, parse
from .data.shapes.drawing import COLOURS, GAP, RADII, REACH, SHAPES, SIZES, coverage
from .data.shapes.likelihood import log_probability
from .data.shapes.reader import read
from .metrics import Measure, mean_interval

REAL = 200  # pictures of the split that are read for comparison
AMONG = 100  # captions

COLUMNS = {  # name -> whether a Caption belongs to it
    "single object": lambda c: c.form == "one",
    "two objects": lambda c: c.form == "two",
    "counting": lambda c: c.form == "many",
    "colours": lambda c: c.form == "one" and c.kinds[0].colour is not None,
    "position": lambda c: c.place is not None or c.relation not in (None, "and"),
    "attribution": lambda c: c.form == "two" and all(None not in kind[:2] for kind in c.kinds)}


def shape_measures(samples, x, tokens, told) -> list:
    """The Measures of samples (N, 3, n, n) on [0, 1].

    told: tokens (N, T) of the caption that each was drawn for; None of a model that is told nothing. x, tokens: real
    pictures, on [0, 1], and their captions.
    """
    readings = [read(sample) for sample in samples]
    real = [read(picture) for picture in x[:REAL]]
    flagged, flagged_real = (np.array([bool(each.complaints) for each in some]) for some in (readings, real))
    flags = Measure("flagged", *mean_interval(flagged), "",
                    f"share of {len(samples):,} pictures that are no clean scene; real ones: {flagged_real.mean():.3f}")
    if told is None:
        return [flags]
    captions, captions_real = ([parse(text) for text in decode(each)] for each in (told, tokens[:REAL]))
    true, true_real, chance = (truth(some, all_) for some, all_ in (
        (captions, readings), (captions_real, real), (captions[1:] + captions[:1], readings)))
    seen = np.array([not caption.withheld for caption in captions])
    floor = f"real pictures: {true_real.mean():.3f}, under the next one's caption: {chance.mean():.3f}"
    measures = [_share("caption accuracy", true[seen], floor), flags,
                _share("true and not flagged", (true & ~flagged)[seen])]
    if not seen.all():
        measures.append(_share("caption accuracy, withheld pairs", true[~seen], "shape and colour never trained on"))
    for name, belongs in COLUMNS.items():
        chosen = np.array([belongs(caption) for caption in captions]) & seen
        if chosen.any():
            measures.append(_share(name, true[chosen]))
    return measures


def retrieval_measures(similarity, x, tokens, pictures) -> list:
    """The Measures of a model that says how well images and captions agree: similarity(x, tokens) -> (N, M).

    x (N, 3, n, n) in its own units; pictures: the same on [0, 1]; tokens (N, T). Each image looks for its caption among
    100, and there may be several that are true of it; and says whether its caption is the better of two: of itself and
    one with a single thing changed, and of itself and one whose two shapes have changed places, a bag of the same
    words.
    """
    captions = [parse(text) for text in decode(tokens)]
    readings = [read(picture) for picture in pictures]
    seen = np.array([not caption.withheld for caption in captions])
    measures = []
    for name, chosen in (("", seen), (", withheld pairs", ~seen)):
        rows = np.flatnonzero(chosen)
        rows = rows[:len(rows) // AMONG * AMONG]
        own, true = [], []
        for group in rows.reshape(-1, AMONG):
            best = similarity(x[group], tokens[group]).argmax(axis=1)
            own += [captions[i] == captions[group[j]] for i, j in zip(group, best)]
            true += [captions[group[j]].holds(readings[i].scene, readings[i].side) for i, j in zip(group, best)]
        if len(rows):
            chance = f"; chance {1 / AMONG:.2f}"
            measures += [_share(f"own caption of {AMONG}{name}", np.array(own), f"by cosine{chance}"),
                         _share(f"true caption of {AMONG}{name}", np.array(true), "read off the image")]
    better = lambda others: _preferred(similarity, x, tokens, captions, readings, others)
    swaps = lambda caption: [exchanged(caption)] * bool(exchanged(caption))
    for name, others, detail in (("one thing changed", one_changed, "the true caption is preferred"),
                                 ("shapes exchanged", swaps, "preferred to the same words in another order")):
        right = better(others)
        if len(right):
            measures.append(_share(name, right, f"{detail}; chance 0.5"))
    return measures


def _preferred(similarity, x, tokens, captions, readings, others):
    """For each image and each other caption that is false of it: whether its own is nearer."""
    right = []
    for rows in np.array_split(np.arange(len(x)), max(1, len(x) // AMONG)):
        false = [[other for other in others(captions[i]) if not other.holds(readings[i].scene, readings[i].side)]
                 for i in rows]
        told = np.concatenate([tokens[rows], encode([other for some in false for other in some])])
        cosines = similarity(x[rows], told)  # (rows, rows and all that is false of one of them)
        owner = np.repeat(np.arange(len(rows)), [len(some) for some in false])
        right.append(cosines[owner, owner] > cosines[owner, len(rows) + np.arange(len(owner))])
    return np.concatenate(right)


def caption_measures(log_prob, written, tokens, n) -> list:
    """The Measures of a language model of captions: how far it is above the entropy of the rules by which they are
    drawn, in images of n pixels, and how many of those that it writes keep to these rules.

    log_prob(tokens (N, T)) -> nats (N,). written, tokens: captions of the model's and of the split.
    """
    captions = [parse(text) for text in decode(tokens)]
    seen = np.array([not caption.withheld for caption in captions])
    known = np.array([log_probability(caption, n) for caption in captions if not caption.withheld])
    words = (tokens[seen] > 0).sum(axis=1).mean() + 1  # with the end
    gap, half = mean_interval((known - log_prob(tokens[seen])) / words)
    found = [_parsed(text) for text in decode(written)]
    return [Measure("above the entropy", gap, half, "nats/word", f"which is {-known.mean() / words:.3f}, by the rules"),
            _share("by the rules", np.array([caption is not None for caption in found]), "captions that it wrote"),
            _share("withheld pairs", np.array([caption is not None and caption.withheld for caption in found]),
                   "of captions that it wrote; in training there were none")]


def edit_tasks(pictures, tokens) -> tuple:
    """What may be asked of one who edits: (rows, masks (K, 1, n, n), tokens (K, T)) of those pictures (N, 3, n, n) on
    [0, 1] whose caption names two objects by shape and colour. The mask is True but for a box around the second, and
    the new caption asks for another shape and colour in its place."""
    n, found = pictures.shape[-1], []
    for row, caption in enumerate(map(parse, decode(tokens))):
        first, second = caption.kinds[0], caption.kinds[-1]
        if not COLUMNS["attribution"](caption):
            continue
        things = [thing for thing in read(pictures[row]).scene if second.fits(thing) and not first.fits(thing)]
        if len(things) == 1:
            kind = second._replace(shape=(second.shape + 1 + row % 3) % 4, colour=(second.colour + 1 + row % 5) % 6)
            if kind[:2] not in (first[:2], *WITHHELD):
                found.append((row, ~_box(things[0], n), replace(caption, kinds=(first, kind))))
    rows, masks, asked = zip(*found) if found else ((), np.zeros((0, 1, n, n), bool), ())
    return np.array(rows, int), np.array(masks), encode(asked)


def _box(thing, n):
    """(1, n, n), True at the pixels whose centres are in the box of an object, or half a gap around it: no other object
    reaches that far."""
    r, (side, up, down) = RADII[n][thing.size], REACH[thing.shape]
    at = np.arange(n) + 0.5
    rows = (at > thing.y - r * up - GAP / 2) & (at < thing.y + r * down + GAP / 2)
    columns = (at > thing.x - r * side - GAP / 2) & (at < thing.x + r * side + GAP / 2)
    return (rows[:, None] & columns)[None]


def redrawn_measures(redraw, x, pictures, tokens) -> list:
    """The Measures of redraw(x, masks, tokens) -> pictures on [0, 1], as x where a mask is True; x: pictures in their
    own units, which `pictures` are on [0, 1]."""
    rows, masks, asked = edit_tasks(pictures, tokens)
    if not len(rows):
        return []
    edited = redraw(x[rows], masks, asked)
    readings, captions = [read(picture) for picture in edited], [parse(text) for text in decode(asked)]
    changed = np.abs(edited - pictures[rows]).max(axis=1, keepdims=True) > 0
    before = truth(captions, [read(picture) for picture in pictures[rows]])
    flagged = np.array([bool(reading.complaints) for reading in readings])
    return [_share("edits made", truth(captions, readings), f"not edited: {before.mean():.3f}"),
            _share("edited and flagged", flagged),
            Measure("pixels changed that were to stay", int((changed & masks).sum()))]


def _parsed(text):
    """The Caption, or None where the grammar has none."""
    try:
        return parse(text)
    except ValueError:
        return None


def looking_measure(samples, tokens, maps) -> Measure:
    """Whether a model looked at the word of a colour where it drew that colour: the mean intersection over union of the
    object, as it was read, and of the pixels where the word's map has at least half of its maximum.

    samples (N, 3, n, n) on [0, 1], for captions, tokens (N, T); maps (N, T, n, n), of each word. Asked of captions that
    are true of the picture and of colours that they name once. Beside it, the same with the maps of the next picture.
    """
    own, others = [], []
    for i, sample in enumerate(samples):
        caption, words = parse(decode(tokens[i : i + 1])[0]), [VOCABULARY[token] for token in tokens[i]]
        reading = read(sample)
        if caption.form == "many" or not caption.holds(reading.scene, reading.side):
            continue
        for thing in reading.scene:
            if words.count(COLOURS[thing.colour]) == 1 == [each.colour for each in reading.scene].count(thing.colour):
                at, n = words.index(COLOURS[thing.colour]), reading.side
                drawn = coverage(thing.shape, RADII[n][thing.size], thing.x, thing.y, n) > 0.5
                for found, which in (own, i), (others, (i + 1) % len(samples)):
                    looked = maps[which, at] >= 0.5 * maps[which, at].max()
                    found.append((looked & drawn).sum() / (looked | drawn).sum())
    value = mean_interval(own) if len(own) > 1 else (own[0] if own else 0.0, None)
    return Measure("IoU of a colour's map", *value, "", f"of {len(own):,} objects and where their colour's word was "
                   f"looked at; with the next picture's map {np.mean(others) if others else 0.0:.3f}")


def truth(captions, readings) -> np.ndarray:
    """(N,) bool: whether each Caption holds of the scene that was read beside it."""
    return np.array([caption.holds(reading.scene, reading.side) for caption, reading in zip(captions, readings)], bool)


def _share(name, true, detail=""):
    share, half = mean_interval(true) if len(true) > 1 else (float(true[0]), None)
    return Measure(name, share, half, "", f"of {len(true):,}" + (f"; {detail}" if detail else ""))


def diversity(caption: Caption, readings) -> dict:
    """What readings of pictures of one and the same caption do with what it leaves open: name -> entropy over the most
    that there can be, from 0 (always the same) to 1 (all alike often), over the pictures of which the caption is true.

    A real split's is a little below 1, as few pictures are unevenly spread by chance.
    """
    things = [thing for reading in readings if caption.holds(reading.scene, reading.side) for thing in reading.scene
              if caption.kinds[0].fits(thing)]
    open_ = [name for name, said in zip(("shape", "colour", "size"), caption.kinds[0]) if said is None]
    names = {"shape": SHAPES, "colour": COLOURS, "size": SIZES}
    return {name: _evenness([getattr(thing, name) for thing in things], len(names[name])) for name in open_}


def _evenness(values, count):
    """Entropy of the values' frequencies, over log count; NaN of none."""
    p = np.bincount(values, minlength=count) / max(1, len(values))
    return float(-(p[p > 0] * np.log(p[p > 0])).sum() / np.log(count)) if len(values) else float("nan")
