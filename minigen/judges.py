"""Judges: what is measured on samples. It belongs to the data, not to the model that drew them.

A judge compares samples with examples of a data set, both as they are drawn (points, or images in [0, 1]), and returns
Measures:

    classifier    digits, mnist, mnist10k: Frechet and kernel distance, precision and recall, density and coverage,
                  legibility, classes; and where the model was told a class, how often the classifier sees it
    modes         eight_gaussians: how many modes are covered, how many samples are good
    energy        every set of points or images: are the two alike at all?

Read before this: metrics.py, models/classifiers/cnn.py. Read next: evaluate.py.
"""
from dataclasses import replace

import numpy as np

from .data import EIGHT_CENTRES, EIGHT_SIGMA
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
    precision_recall,
)
from .models.classifiers.cnn import SHIPPED, pretrained

PARTS = 10  # that samples and examples are cut into: the spread of the parts' distances gives the interval
LEAST = 100  # images from which a classifier's features can be compared: there are 64 of them


def judge(samples, train, test, condition) -> list:
    """The Measures of samples of the data set that train and test are splits of.

    samples: (N, ...), as drawn. condition: name -> (N, ...), what the model was told for each sample; may be empty.
    """
    x = test.spaces["x"].drawn(test["x"][:len(samples)])
    measures = []
    if train.name == "eight_gaussians":
        measures += mode_measures(samples, x, EIGHT_CENTRES, EIGHT_SIGMA)
    if train.name in SHIPPED and min(len(samples), len(x)) >= LEAST:
        seen = train.spaces["x"].drawn(train["x"][:len(samples)])
        measures += image_measures(pretrained(train.name).judge, samples, seen, x, condition.get("y"), test.split)
    distance = distance_measure(samples, x)
    if train.spaces["x"].is_image and train.name not in SHIPPED:
        distance = replace(distance, detail=f"{distance.detail}; of pixels: no classifier is shipped for these images")
    return [*measures, distance]


def judge_reconstructions(x_hat, train, test) -> list:
    """The Frechet distance of reconstructions x_hat (N, ...), as drawn, of the first N examples of test from these;
    nothing where there is no classifier, or too few of them."""
    if train.name not in SHIPPED or len(x_hat) < LEAST:
        return []
    see, n = pretrained(train.name).judge, min(len(x_hat), len(train))
    (drawn, _), (held, _), (seen, _) = (see(images[:n]) for images in (
        x_hat, test.spaces["x"].drawn(test["x"][:n]), train.spaces["x"].drawn(train["x"][:n])))
    return [Measure("reconstruction Frechet distance", frechet_distance(drawn, held), None, "",
                    f"N = {n:,} against the same images of the {test.split} split; the training set: "
                    f"{frechet_distance(seen, held):.4g}")]


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


def mode_measures(samples, x, centres, sigma) -> list:
    """Measures of samples from a mixture of K equal Gaussians, as in metrics.modes."""
    good, covered = modes(samples, centres, sigma)
    of_data = modes(x, centres, sigma)[0].mean()
    return [Measure("modes covered", int(covered.sum()), None, "", f"of {len(covered)}"),
            Measure("good samples", *mean_interval(good), "",
                    f"share within 3 sigma of a centre; of the data {of_data:.3f}")]


def distance_measure(samples, x) -> Measure:
    """The energy distance; its interval comes from disjoint parts, and holds 0 where the two cannot be told apart."""
    n = min(len(samples), len(x))
    parts = max(1, min(PARTS, n // 2))
    pairs = zip(np.array_split(samples[:n], parts), np.array_split(x[:n], parts))
    values = [energy_distance(a, b) for a, b in pairs]
    value, half_width = mean_interval(values) if parts > 1 else (values[0], None)
    return Measure("energy distance", value, half_width, "", f"{n:,} samples and examples; 0 if they are alike")
