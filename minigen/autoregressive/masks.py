"""Masks that make a network autoregressive: weights held at zero, so that output d depends on what is before d alone.

Every unit of a network has a degree m: how many numbers, in the order of drawing, it may know of. An input's degree is
its place in the order, 1 .. D; a hidden unit's is drawn; an output of place m(d) may know of m(d) - 1 numbers. So a
weight may stand between two hidden units if the upper one may know as much, and before an output only if the lower one
knows less:

    hidden    M_k'k = 1 if m^l(k') >= m^{l-1}(k)        eq. 12, for every layer l from the inputs, m^0, upward
    output    M_dk  = 1 if m^0(d) > m^L(k)              eq. 13; from the inputs themselves with m^0 in the place of m^L

The product of all masks of a network counts its paths, and from input d to output d there are none.

Source: Germain, Gregor, Murray & Larochelle, "MADE", ICML 2015. Symbols: D numbers, m degrees, l layer, L hidden
layers. Read before this: chain.py. Read next: models/autoregressive/made.py.
"""
import numpy as np


def input_degrees(order):
    """m^0 (D,), of an order (D,), which lists the numbers as they are drawn: the degree of number order[0] is 1."""
    degrees = np.empty(len(order), np.int64)
    degrees[np.asarray(order)] = np.arange(1, len(order) + 1)
    return degrees


def hidden_degrees(D, widths, rng):
    """m^1 .. m^L, arrays (width,): drawn from 1 .. D - 1, but not below the least degree of the layer before, as
    such a unit would see nothing of it."""
    degrees, least = [], 1
    for width in widths:
        degrees.append(rng.integers(least, max(D, least + 1), width))
        least = degrees[-1].min()
    return degrees


def degree_masks(degrees):
    """The masks, booleans (units above, below), of a network whose inputs and outputs have the degrees m^0, its hidden
    layers m^1 .. m^L: of [m^0, m^1, .., m^L] the masks of all hidden layers, and that of the outputs."""
    hidden = [above[:, None] >= below for below, above in zip(degrees, degrees[1:])]
    return [*hidden, output_mask(degrees[0], degrees[-1])]


def output_mask(inputs, below):
    """(D, units below): m^0(d) > m(k)."""
    return inputs[:, None] > below
