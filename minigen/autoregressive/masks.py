"""Masks: which weights of a layer are 0, so that output i depends on x_<i alone.

A mask has the shape of the weight that it is multiplied by, and holds 1 where a weight may be and 0 where it may not.

Of a convolution, (O, C, R, S): an image is read row by row, so at a filter's taps above the centre, and left of it in
its row, lie pixels that came before; those below and right of it are still to come. Only at the centre itself the
colours count. Every channel of a hidden layer belongs to a colour: red's conditional is computed from the channels of
red, which must see neither green nor blue of their pixel.

    mask A    at the centre: earlier colours only                the first layer, whose input is the pixels themselves
    mask B    at the centre: earlier colours and its own         every later one: by then "red" has not seen red

Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel recurrent neural networks", section 3.4 and figure 2.
Symbols: C / O channels in / out, R S filter. Read before this: chain.py. Read next: masked_conv.py.
"""
import numpy as np


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
    mask[:, :, R // 2, S // 2] = into < out[:, None] if kind == "A" else into <= out[:, None]  # (O, C)
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
