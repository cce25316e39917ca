"""Masks: which weights of a layer are 0, so that output i depends on x_<i alone.

A mask has the shape of the weight that it is multiplied by, and holds 1 where a weight may be and 0 where it may not.

Of linear layers: every unit has a degree m, how many numbers, in the order of drawing, it may know of. An input's
degree is its place in the order, 1 .. D; a hidden unit's is drawn; an output of place m(d) may know of m(d) - 1
numbers. So a weight may stand between two hidden units if the upper one may know as much, and before an output only if
the lower one knows less:

    hidden    M_k'k = 1 if m^l(k') >= m^{l-1}(k)        eq. 12, for every layer l from the inputs, m^0, upward
    output    M_dk  = 1 if m^0(d) > m^L(k)              eq. 13; from the inputs themselves with m^0 in the place of m^L

The product of all masks of a network counts its paths, and from input d to output d there are none.

Of a convolution, (O, C, R, S): an image is read row by row, so at a filter's taps above the centre, and left of it in
its row, lie pixels that came before; those below and right of it are still to come. Only at the centre itself the
colours count. Every channel of a hidden layer belongs to a colour: red's conditional is computed from the channels of
red, which must see neither green nor blue of their pixel.

    mask A    at the centre: earlier colours only                the first layer, whose input is the pixels themselves
    mask B    at the centre: earlier colours and its own         every later one: by then "red" has not seen red

Sources: Germain, Gregor, Murray & Larochelle 2015, "MADE" (equation numbers are that paper's); van den Oord,
Kalchbrenner & Kavukcuoglu 2016, "Pixel recurrent neural networks", section 3.4 and figure 2. Symbols: D numbers, m
degrees, l layer, L hidden layers, C / O channels in / out, R S filter. Read before this: chain.py. Read next:
models/autoregressive/made.py; masked_conv.py.
"""
import numpy as np

# Linear layers


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
    return inputs[:, None] > below  # course 12.9


# Convolutions


def colours_of(channels, colours):
    """The colour, 0 .. colours - 1, of each of so many channels: (channels,). Channels of a colour lie side by side.

    >>> colours_of(6, 3)
    array([0, 0, 1, 1, 2, 2])
    """
    return np.arange(channels) * colours // channels


def causal_mask(kind, out, into, kernel_size):
    """Mask "A" or "B" of a convolution: float32 (O, C, R, S), R and S odd. out (O,), into (C,): the colours of its
    channels.

    >>> causal_mask("A", colours_of(1, 1), colours_of(1, 1), (3, 3))[0, 0]
    array([[1., 1., 1.],
           [1., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    if kind not in ("A", "B"):
        raise ValueError(f"causal_mask: kind is {kind!r}, expected 'A' or 'B'")
    R, S = _odd("causal_mask", kernel_size)
    before = np.arange(R * S).reshape(R, S) < R * S // 2
    mask = np.zeros((len(out), len(into), R, S), np.float32)
    mask[:, :, before] = 1
    mask[:, :, R // 2, S // 2] = into < out[:, None] if kind == "A" else into <= out[:, None]  # (O, C); course 6.2
    return mask


def rows_mask(out_channels, in_channels, kernel_size):
    """The mask of a convolution that sees whole rows, its own and those above: float32 (O, C, R, S)."""
    R, S = _odd("rows_mask", kernel_size)
    mask = np.zeros((out_channels, in_channels, R, S), np.float32)
    mask[:, :, : R // 2 + 1] = 1
    return mask


def _odd(name, kernel_size):
    R, S = kernel_size
    if R % 2 == 0 or S % 2 == 0:
        raise ValueError(f"{name}: kernel_size is {R} x {S}, and has no centre; expected odd numbers")
    return R, S
