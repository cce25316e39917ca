"""Few labels: a data set of which all examples are seen, and the labels of some.

    few_labels(data, 100, seed)  ->  Unpaired, with columns x, every example; labelled and labelled_y, the 100

It is the view of a Stage that learns from both. What is hidden is not there: beside x there is no y at all, so that no
model can look at one by mistake. The choice is balanced, as many of each class, and depends on the seed only.
Read before this: dataset.py.
"""
from dataclasses import replace

import numpy as np

from autograd.backend import rng

from .dataset import Unpaired


def few_labels(data, n, seed) -> Unpaired:
    """Dataset with a column y -> Unpaired, in which n of its examples have labels, n / K of each of the K classes (all
    of a class that has fewer). ValueError if there are no labels, or n is below K."""
    if "y" not in data.spaces:
        raise ValueError(f"few_labels: {data.name} has columns {', '.join(data.spaces)}, and labels are y; use data "
                         "that have labels")
    rows = balanced(data["y"], n, data.spaces["y"].levels, rng(seed))
    alone = replace(data, columns={"x": data["x"]}, spaces={"x": data.spaces["x"]})
    some = replace(data, columns=data.batch(rows), note=f"{data.note}, {len(rows)} of them")
    return Unpaired(data.name, data.split, {"x": alone, "labelled": some}, f"{data.note}, {len(rows)} labels")


def balanced(y, n, classes, rng):
    """The rows of n labels y (N,), n // classes of each at random, in no order; fewer of a class that has fewer."""
    each = n // classes
    if each < 1:
        raise ValueError(f"balanced: n is {n}, expected at least one for each of the {classes} classes")
    return rng.permutation(np.concatenate([rng.permutation(np.flatnonzero(y == k))[:each] for k in range(classes)]))
