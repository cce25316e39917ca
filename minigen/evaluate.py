"""Evaluation: what a model alone can measure, and what judges say of its samples; and the pictures of samples.

A model measures its likelihood, a bound, an error: `measure(batch, rng)`. Its samples are measured by the judges of the
data (judges.py). A conditional model, p(x | y), is told the conditions of the split that it is held against, so that
its samples should be distributed as that split is.

Read before this: judges.py. Used by: the command line, examples.
"""
from functools import partial

import numpy as np

from . import judges, plot
from .data import text
from .data.molecules import decode
from .data.smiles import layout, parse

JUDGED = 5000  # samples at most, of a model that does not say fewer: one whose samples take long
REDRAWN = 400  # examples, of which those that can be are drawn anew, in part
IMAGES, MOLECULES, POINTS = 64, 24, 2000  # samples that make a good picture
EACH = 8  # samples for each condition in a picture
FIRST_STAGES = "codes", "latent_shape", "first_stage"  # a model with one of these is, or has, a stage before a prior


def evaluate(model, split, rng, train=None) -> list:
    """The Measures of a model on a split of its data: its own, and its judges'.

    Images that were translated without pairs are held against the truth, where the split has one.

    train: the Dataset that the model was trained on, for the floor beside the judges' numbers. None leaves judges out,
    as does a model that draws nothing. Judges also see the reconstructions of a model with discrete codes or latents,
    which are about the best that a prior of these can draw, how a model finds images and captions similar, the
    captions that it writes, and what it draws anew.
    """
    measures = model.measure(split.columns, rng)
    if train is not None and hasattr(model, "sample") and "x" in split.spaces and len(split) > 1:
        n = min(len(split), getattr(model, "judged", JUDGED))
        condition = {name: split[name][:n] for name in conditions(model)}
        measures += judges.judge(model.sample(n, rng, **condition), train, split, condition)
    if train is not None and getattr(split, "aligned", False) and len(split) > 1:
        measures += judges.judge_translations(model.sample(len(split), rng, a=split["a"]), split)
    if train is not None and hasattr(model, "reconstruct") and any(map(partial(hasattr, model), FIRST_STAGES)):
        measures += judges.judge_reconstructions(model.reconstruct(split["x"][:JUDGED]), train, split)
    if train is not None and hasattr(model, "similarity"):
        measures += judges.judge_similarity(model.similarity, split.first(JUDGED))
    if train is not None and hasattr(model, "write"):
        measures += judges.judge_captions(model, split.first(JUDGED), rng)
    if train is not None and hasattr(model, "redraw"):
        measures += judges.judge_redrawn(model.redraw, split.first(REDRAWN), rng)
    return measures


def conditions(model) -> tuple:
    """The columns that `sample` may be told: a model says so where there are any."""
    return getattr(model, "conditions", ())


def spread(model, data, n=None, asked=None) -> dict:
    """What to tell a model for n samples that are to be shown: {condition: array (n, ...)}; {} if it takes none.

    asked: condition -> the entries (k, ...) that are wanted. One that is not asked for runs through all classes, or
    through the first examples of `data`; several samples of each follow one another.
    """
    asked, chosen = asked or {}, {}
    n = n or default_count(model, data)
    for name in conditions(model):
        space = data.spaces[name]
        if name in asked:
            entries = np.asarray(asked[name])
        elif space.shape == () and space.levels <= 100:
            entries = np.arange(space.levels)
        else:
            entries = data[name][:max(1, n // EACH)]
        chosen[name] = entries[np.arange(n) * len(entries) // n]
    return chosen


def default_count(model, data) -> int:
    """How many samples make a good picture."""
    labels = [data.spaces[name].levels for name in conditions(model) if data.spaces[name].shape == ()]
    if labels and labels[0] <= 100:
        return EACH * labels[0]
    space = output_space(data)
    return IMAGES if space.is_image else MOLECULES if space.is_text else POINTS


def output_space(data):
    """The Space of what models of this data draw: of x, or of the first of unpaired sets."""
    return data.spaces.get("x") or next(iter(data.spaces.values()))


def draw_samples(model, n, rng, path, data, asked=None) -> list:
    """Draws n samples (None: a good number): images as a grid, a row for each condition, beside its words if it is a
    text; points over those of data; texts as the molecules that they are. Returns them as lines, where they are texts.
    """
    n = n or default_count(model, data)
    condition = spread(model, data, n, asked)
    samples = model.sample(n, rng, **condition)
    if output_space(data).is_text:
        return draw_molecules(decode(samples), path)
    if samples.ndim == 2:
        plot.scatter(samples, path, data=data["x"][:2000])
    elif texts := _row_texts(condition, data, n):
        plot.captioned(samples, texts, path)
    else:
        plot.grid(samples, path, columns=columns(condition, n))
    return []


def _row_texts(condition, data, n) -> list:
    """What each row of pictures was told, where that is a text."""
    for name, entries in condition.items():
        each = columns(condition, n)
        space = data.spaces[name]
        if space.is_text and space.names and each:  # attributes, as face_edits has them, are numbers without names
            return text.decode(entries[::each], space)
    return []


def draw_molecules(texts, path) -> list:
    """Draws the structures of lines of SMILES, and those that are no molecules as what they are. Returns the lines."""
    plot.molecules([structure(text) for text in texts], path)
    return texts


def structure(text) -> tuple:
    """(the text, places of the atoms, their names, bonds) of a line of SMILES; of one that is no molecule no atoms."""
    try:
        molecule = parse(text)
    except ValueError:
        return text, np.zeros((0, 2)), [], {}
    names = [atom.element + "+" * atom.charge + "-" * -atom.charge for atom in molecule.atoms]
    return text, layout(molecule), names, molecule.bonds


def columns(condition, n):
    """As many columns as each condition has samples, so that every row is of one; a square if there are none."""
    for entries in condition.values():
        distinct = len(np.unique(entries.reshape(n, -1), axis=0))
        if 1 < distinct < n and n % distinct == 0:
            return n // distinct
    return None
