"""Judges: what is measured on samples. It belongs to the data, not to the model that drew them.

A judge compares samples with examples of a data set, both as they are drawn (points, or images in [0, 1]), and returns
Measures:

    classifier    digits, mnist, mnist10k: Frechet and kernel distance, precision and recall, density and coverage,
                  legibility, classes; and where the model was told a class, how often the classifier sees it
    reader        faces: of which parts and colours a sample is composed, and how near to that it is; and where the
                  model was told the colour of the hair, how often that is what it drew
    pairs         emoji, face_edits, glyphs: how near the translation is to the true picture; of faces, which edits
                  were made
    modes         eight_gaussians: how many modes are covered, how many samples are good
    molecules     qm9: how many lines are molecules, how many of these are different, how many are new
    people        emoji_people: which person each picture is nearest to (people_judge.py), and who finds it by its name
    shapes        shapes16, shapes32: how often a caption is true of what was drawn for it, and more (shapes_judge.py)
    slices        colour images: are the patches alike, on each scale (sliced.py)?
    spread        images of a model that was told a class: are they as different as examples of it?
    energy        every set of points or images: are the two alike at all?

Read before this: metrics.py, models/classifiers/cnn.py. Read next: evaluate.py.
"""
import functools
from dataclasses import replace

import numpy as np

from . import data
from .data import EIGHT_CENTRES, EIGHT_SIGMA
from .data.catalog import CAPTIONED, NAMED
from .data.face_reader import read, shows
from .data.faces import HAIR_COLOURS
from .data.molecules import decode
from .data.smiles import fingerprint, parse
from .data.translations import HAIR
from .metrics import (
    Measure,
    class_histogram,
    density_coverage,
    energy_distance,
    frechet_distance,
    kernel_distance,
    legible,
    mean_interval,
    modes,
    nearest_is_own,
    precision_recall,
    ratio_interval,
    saturation,
    spread_within,
)
from .models.basics import NGram
from .models.classifiers.cnn import SHIPPED, pretrained
from .people_judge import found_by_name, people_measures
from .shapes_judge import caption_measures, redrawn_measures, retrieval_measures, shape_measures
from .sliced import sliced_distances

PARTS = 10  # that samples and examples are cut into: the spread of the parts' distances gives the interval
ORDERS = 4, 7, 11  # of the n-grams beside which drawn molecules are held
READ, REAL = 300, 60  # faces that are read, drawn ones and real ones
NEAR = 12.0  # a face is what is that near to a composition, root mean square, of 255
LEAST = 100  # images from which a classifier's features can be compared: there are 64 of them
SLICED = 1000  # images at most whose patches are compared


def judge(samples, train, test, condition) -> list:
    """The Measures of samples of the data set that train and test are splits of.

    samples: (N, ...), as drawn. condition: name -> (N, ...), what the model was told for each sample; may be empty.
    """
    if train.spaces["x"].is_text:
        return molecule_measures(samples, train)
    x = test.spaces["x"].drawn(test["x"][:len(samples)])
    measures = []
    if train.name in CAPTIONED:
        measures += shape_measures(samples, x, test["text"][:len(samples)], condition.get("text"))
    if train.name == "emoji_people":
        measures += people_measures(samples, x, test.spaces["text"], condition.get("text"))
    if train.name == "eight_gaussians":
        measures += mode_measures(samples, x, EIGHT_CENTRES, EIGHT_SIGMA)
    if train.name == "faces":
        measures += face_measures(samples, x, condition.get("y"))
    if train.name in SHIPPED and min(len(samples), len(x)) >= LEAST:
        seen = train.spaces["x"].drawn(train["x"][:len(samples)])
        measures += image_measures(pretrained(train.name).judge, samples, seen, x, condition.get("y"), test.split)
    if train.spaces["x"].is_image and train.spaces["x"].shape[0] == 3 and min(len(samples), len(x)) >= LEAST:
        measures += sliced_measures(samples, train.spaces["x"].drawn(train["x"][:len(samples)]), x)
    if "y" in condition and x.ndim == 4 and min(len(samples), len(x)) >= LEAST:
        measures.append(spread_measure(samples, x, condition["y"]))
    if "source" in condition and len(x) > 1:
        source = test.spaces["source"].drawn(condition["source"][:len(x)])
        measures += pair_measures(samples, x, train.spaces["x"].drawn(train["x"]), source=source)
    if train.name == "face_edits" and len(x) > 1:
        measures += edit_measures(samples, test)
    distance = distance_measure(samples, x)
    if train.spaces["x"].is_image and train.name not in SHIPPED:
        distance = replace(distance, detail=f"{distance.detail}; of pixels: no classifier is shipped for these images")
    return [*measures, distance]


def judge_translations(samples, pairs) -> list:
    """The Measures of translations (N, C, H, W) of the images a of pairs, an Unpaired that is aligned, into those of b,
    beside what a itself would have: the floor of doing nothing."""
    a, b = (pairs.spaces[name].drawn(pairs[name][:len(samples)]) for name in "ab")
    return pair_measures(samples, b, b, "all", a)


def judge_reconstructions(x_hat, train, test) -> list:
    """The Measures of reconstructions x_hat (N, ...), as drawn, of the first N examples of test: their Frechet distance
    from these, and of captioned shapes, how often the caption is still true. Nothing where there is neither a
    classifier nor a caption, or too few of them."""
    if len(x_hat) < LEAST or train.name not in (*SHIPPED, *CAPTIONED):
        return []
    n = min(len(x_hat), len(train))
    x = test.spaces["x"].drawn(test["x"][:n])
    if train.name in CAPTIONED:
        told, n = test["text"][:READ], min(n, READ)
        return [replace(measure, name=f"reconstructions: {measure.name}") for measure in
                shape_measures(x_hat[:n], x, told[:n], told[:n]) if measure.name in ("caption accuracy", "flagged")]
    see = pretrained(train.name).judge
    (drawn, _), (held, _), (seen, _) = (see(images[:n]) for images in (
        x_hat, x, train.spaces["x"].drawn(train["x"][:n])))
    return [Measure("reconstruction Frechet distance", frechet_distance(drawn, held), None, "",
                    f"N = {n:,} against the same images of the {test.split} split; the training set: "
                    f"{frechet_distance(seen, held):.4g}")]


def judge_similarity(similarity, test) -> list:
    """The Measures of similarity(x, text) -> (N, M) on a data set whose captions can be read off the images, and of
    pictures with names; none elsewhere."""
    if test.name in NAMED:
        return found_by_name(similarity, test)
    if test.name not in CAPTIONED:
        return []
    return retrieval_measures(similarity, test["x"], test["text"], test.spaces["x"].drawn(test["x"]))


def judge_captions(model, test, rng) -> list:
    """The Measures of a model that writes captions, write(n, rng) and log_prob(text), where their rules are known."""
    if test.name not in CAPTIONED:
        return []
    return caption_measures(model.log_prob, model.write(len(test), rng), test["text"], test.spaces["x"].shape[-1])


def judge_redrawn(redraw, test, rng) -> list:
    """The Measures of redraw(x, m, text, rng), which draws anew where m is False, if what came out can be read."""
    if test.name not in CAPTIONED:
        return []
    return redrawn_measures(lambda x, m, text: redraw(x, m, text, rng), test["x"], test.spaces["x"].drawn(test["x"]),
                         test["text"])


def image_measures(judge, samples, train, test, y=None, split="test") -> list:
    """Measures of drawn images beside those of real ones, all from the same number of images.

    judge(images) -> (features (N, D), probabilities (N, K)), for instance a classifier's. samples, train, test: images
    on [0, 1], (N, C, H, W); only the first n of each are used, n the number of the fewest. y: the class (N,) that each
    sample was to be of. split: the name of the split that test is of.
    """
    n = min(len(samples), len(train), len(test))
    (drawn, p), (seen, p_seen), (held, _) = (judge(images[:n]) for images in (samples, train, test))
    detail = lambda floor: f"N = {n:,} against the {split} split; the training set: {floor}"
    kernel, (kernel_floor, half_width) = kernel_distance(drawn, held), kernel_distance(seen, held)
    (precision, recall), (precision_floor, recall_floor) = precision_recall(held, drawn), precision_recall(held, seen)
    (density, coverage), (density_floor, coverage_floor) = density_coverage(held, drawn), density_coverage(held, seen)
    counts = class_histogram(p)
    measures = [
        Measure("Frechet distance", frechet_distance(drawn, held), None, "",
                detail(f"{frechet_distance(seen, held):.4g}")),
        Measure("kernel distance", *kernel, "", detail(f"{kernel_floor:.2g} ± {half_width:.2g}")),
        Measure("precision", precision, None, "", detail(f"{precision_floor:.3f}")),
        Measure("recall", recall, None, "", detail(f"{recall_floor:.3f}")),
        Measure("density", density, None, "", detail(f"{density_floor:.3f}")),
        Measure("coverage", coverage, None, "", detail(f"{coverage_floor:.3f}")),
        Measure("legibility", *mean_interval(legible(p)), "",
                f"share given >= 0.9 to one class, N = {n:,}; the training set: {legible(p_seen).mean():.3f}"),
        Measure("classes", int((counts > 0).sum()), None, "",
                f"of {len(counts)}; counts {' '.join(map(str, counts))}; the training set: "
                f"{' '.join(map(str, class_histogram(p_seen)))}"),
    ]
    if y is not None:
        measures.append(Measure("class accuracy", *mean_interval(p.argmax(axis=1) == y[:n]), "",
                                f"share in which the classifier sees the class asked for, N = {n:,}"))
    return measures


def pair_measures(samples, x, others, named="the training set", source=None) -> list:
    """Measures of translated images (N, C, H, W) against the true ones x (N, C, H, W), all on [0, 1]. others: images
    whose median is the best guess without a source, of a set that is named so. source: what was translated; where it
    has the shape of x, that is the floor of doing nothing."""
    n = min(len(samples), len(x))
    samples, x = samples[:n], x[:n]
    L1 = lambda guess: abs(x - guess).mean(axis=(1, 2, 3))
    measures = [
        Measure("L1", *mean_interval(L1(samples)), "", f"to the true image, of 1; white {L1(1.0).mean():.4f}, the "
                f"median of {named} {L1(np.median(others, axis=0)).mean():.4f}"),
        Measure("top-1", *mean_interval(nearest_is_own(samples, x)), "",
                f"share nearer to its own true image than to all of the {n:,}; chance {1 / n:.3f}")]
    colour = x.shape[1] == 3
    strength = saturation if colour else lambda images: (1 - images).mean(axis=(1, 2, 3))
    measures.append(Measure("saturation" if colour else "ink", *ratio_interval(strength(samples), strength(x)), "",
                            f"over that of the true images, {strength(x).mean():.3f}"))
    if source is not None and source.shape[1:] == x.shape[1:]:
        floors = pair_measures(source, x, others, named)
        measures = [replace(measure, detail=f"{measure.detail}; the source as it is: {floor.value:.4f}")
                    for measure, floor in zip(measures, floors)]
    return measures


def edit_measures(samples, test) -> list:
    """Whether edited faces (N, 3, 16, 16) on [0, 1] show the labels that they were to have, by the exact reader. Those
    that were to change, and those that were to stay, apart: who does nothing has all of the latter."""
    samples = 255 * samples[:READ]
    edit, labels = (test[name][:len(samples)] for name in ("edit", "labels"))
    found, _ = read(samples, starts=2)
    hair = np.array([HAIR_COLOURS.index(colour) for colour in HAIR])[edit[:, :len(HAIR)].argmax(axis=1)]
    right = np.stack([shows(samples, found, "hair colour", hair), (found["glasses"] > 0) == edit[:, -2],
                      (found["hat"] > 0) == edit[:, -1]], axis=1)
    changed = np.stack([(edit != labels)[:, :len(HAIR)].any(axis=1), *(edit != labels)[:, len(HAIR):].T], axis=1)
    each = " ".join(f"{right[:, j][changed[:, j]].mean():.3f}" for j in range(3) if changed[:, j].any())
    return [Measure(name, *mean_interval(right[which]), "",
                    f"share of {which.sum():,} labels that were to {what}{more}")
            for name, which, what, more in (("edits made", changed, "change", f"; hair, glasses, hat {each}"),
                                            ("others kept", ~changed, "stay", "")) if which.sum() > 1]


def spread_measure(samples, x, y) -> Measure:
    """Whether a model that was told y (N,) draws a class in as many ways as the examples x (N, ...) of the same y."""
    n = min(len(samples), len(x))
    return Measure("spread within classes", *spread_within(samples[:n], x[:n], y[:n]), "",
                   "squared distance from the mean of the class, over that of examples; 1 if they are alike")


def face_measures(samples, x, y=None) -> list:
    """Measures of drawn faces (N, 3, 16, 16) on [0, 1], by their nearest compositions, beside those of real ones x.
    y: the colour of hair (N,) that each sample was to have."""
    samples = 255 * samples[:READ]
    found, error = read(samples, starts=2)
    _, real = read(255 * x[:REAL], starts=2)
    near = error <= NEAR
    colours = np.bincount(found["hair colour"][near], minlength=len(HAIR_COLOURS))
    measures = [
        Measure("distance to a composition", *mean_interval(error), "",
                f"root mean square, of 255; N = {len(error):,}; real faces: {real.mean():.2g}"),
        Measure("faces", *mean_interval(near), "",
                f"share within {NEAR:g} of a composition; real faces: {(real <= NEAR).mean():.3f}"),
        Measure("hair colours", int((colours > 0).sum()), None, "",
                f"of {len(colours)} among these; counts {' '.join(map(str, colours))}")]
    if y is not None:
        right = shows(samples, found, "hair colour", y[:READ])
        measures.append(Measure("class accuracy", *mean_interval(right), "",
                                f"share whose nearest composition has the hair asked for, N = {len(right):,}"))
    return measures


def mode_measures(samples, x, centres, sigma) -> list:
    """Measures of samples from a mixture of K equal Gaussians, as in metrics.modes."""
    good, covered = modes(samples, centres, sigma)
    of_data = modes(x, centres, sigma)[0].mean()
    return [Measure("modes covered", int(covered.sum()), None, "", f"of {len(covered)}"),
            Measure("good samples", *mean_interval(good), "",
                    f"share within 3 sigma of a centre; of the data {of_data:.3f}")]


def molecule_measures(samples, train) -> list:
    """Measures of drawn lines of SMILES, tokens (N, T), beside those of n-grams of the same training set.

    Each is easy alone: one molecule over and over is valid, random letters are new. A model of whole molecules has all
    three, and says by its reconstructions that its codes mean something.
    """
    (valid, unique, new), floors = _molecules(samples, train), []
    for order in ORDERS:
        texts = NGram(train.spaces["x"], train["x"], order).sample(len(samples), np.random.default_rng(0))
        floors.append([np.mean(share) if len(share) else 0.0 for share in _molecules(texts, train)])
    measures = []
    for name, share, what, of in zip(("valid", "unique", "novel"), (valid, unique, new),
                                     ("lines that are molecules", "valid ones that are different molecules",
                                      "different ones that the training set has not"), zip(*floors)):
        value = mean_interval(share) if len(share) > 1 else (float(np.mean(share)) if len(share) else 0.0, None)
        detail = ", ".join(f"{floor:.2f}" for floor in of)
        measures.append(Measure(name, *value, "", f"share of {len(share):,} {what}; "
                                f"n-grams of {', '.join(map(str, ORDERS))} characters: {detail}"))
    return measures


def _molecules(samples, train):
    """Three arrays of booleans: which lines are molecules; which of these is the first of its kind; which of the first
    ones is not in the training set."""
    found = [_fingerprint(text) for text in decode(samples)]
    molecules = [number for number in found if number is not None]
    kinds = list(dict.fromkeys(molecules))
    first = np.zeros(len(molecules), bool)
    first[:len(kinds)] = True  # in an order of its own: only how many they are is asked
    known = known_molecules(train.name) if kinds else ()
    return np.array([number is not None for number in found]), first, np.array([kind not in known for kind in kinds])


def _fingerprint(text):
    """Of a line of SMILES; None if it is no molecule."""
    try:
        return fingerprint(parse(text))
    except ValueError:
        return None


@functools.cache
def known_molecules(name) -> frozenset:
    """The fingerprints of a data set's training split."""
    return frozenset(map(_fingerprint, decode(data.load(name)["x"])))


def sliced_measures(samples, train, test) -> list:
    """The sliced Wasserstein distances of images on [0, 1], level by level, beside those of as many real ones."""
    n = min(len(samples), len(train), len(test), SLICED)
    drawn, floor = (sliced_distances(images[:n], test[:n], np.random.default_rng(0)) for images in (samples, train))
    return [Measure(f"sliced distance, {side} pixels", value, None, "",
                    f"N = {n:,}; the training set: {floor[side]:.3g}") for side, value in drawn.items()]


def distance_measure(samples, x) -> Measure:
    """The energy distance; its interval comes from disjoint parts, and holds 0 where the two cannot be told apart."""
    n = min(len(samples), len(x))
    parts = max(1, min(PARTS, n // 2))
    pairs = zip(np.array_split(samples[:n], parts), np.array_split(x[:n], parts))
    values = [energy_distance(a, b) for a, b in pairs]
    value, half_width = mean_interval(values) if parts > 1 else (values[0], None)
    return Measure("energy distance", value, half_width, "", f"{n:,} samples and examples; 0 if they are alike")
