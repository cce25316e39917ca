"""Where windows meet an image: the sizes that convolution, unfolding and pooling share, and their views.

A window with R x S taps is laid on the image P x Q times. Along each axis, tap r of window p is at

    i = stride p + dilation r - padding

of the image. The span of all i is the frame: it begins `padding` pixels ahead of the image, may reach past its
end, and what of it lies outside the image holds zeros (for max pooling, -inf).

Symbols: image H W, taps R S, windows P Q, C channels, n images. Read before this: backend.py.
"""
import functools
import math
import operator
from typing import NamedTuple

from .backend import xp


class Sizes(NamedTuple):
    """Every field is a pair: (vertical, horizontal)."""

    image: tuple  # H, W
    kernel: tuple  # R, S
    output: tuple  # P, Q
    stride: tuple
    padding: tuple  # above and left of the image; what is below and right follows from the sizes
    dilation: tuple


class Geometry(Sizes):
    """Sizes, and what follows from them: computed when first asked for, and kept."""

    @functools.cached_property
    def frame(self):
        """Height and width of the frame."""
        sizes = zip(self.output, self.stride, self.kernel, self.dilation)
        return tuple((p - 1) * stride + (r - 1) * dilation + 1 for p, stride, r, dilation in sizes)

    @functools.cached_property
    def overlap(self):
        """Where the image lies in its frame, and which part of the image that is: two indices of (n, C, H, W)."""
        in_frame, in_image = [...], [...]
        for framed, size, padding in zip(self.frame, self.image, self.padding):
            start = max(0, padding)
            end = max(start, min(framed, padding + size))
            in_frame.append(slice(start, end))
            in_image.append(slice(start - padding, end - padding))
        return tuple(in_frame), tuple(in_image)

    @functools.cached_property
    def tap_indices(self):
        """For each tap, in scan order, the index of what it sees in a frame (n, C, *frame)."""
        axes = zip(self.kernel, self.output, self.stride, self.dilation)
        rows, columns = ([slice(r * d, r * d + (p - 1) * s + 1, s) for r in range(taps)] for taps, p, s, d in axes)
        return [(..., row, column) for row in rows for column in columns]

    @functools.cached_property
    def phases(self):
        """The transposed map as convolutions at stride 1: [(pixels, taps, their geometry), ...].

        Pixels i, i + stride, i + 2 stride, ... of the image are reached by the same taps. What reaches them is a
        convolution of y (n, O, P, Q) with those taps in reverse. pixels, taps: indices of (n, C, H, W), (O, C, R, S).
        """
        found = []
        for rows, reach_h, *sizes_h in self._phases_along(0):
            for columns, reach_w, *sizes_w in self._phases_along(1):
                kernel, output, padding, dilation = zip(sizes_h, sizes_w)
                phase = Geometry(self.output, kernel, output, (1, 1), padding, dilation)
                found.append(((..., rows, columns), (..., reach_h, reach_w), phase))
        return found

    def _phases_along(self, axis):
        """(pixels, taps, how many taps, how many pixels, padding, dilation) of each phase. Pixel i is sent something
        by window p through tap r where i = stride p + dilation r - padding, so p grows where r falls."""
        size, kernel, _, stride, padding, dilation = (pair[axis] for pair in self)
        step = stride // math.gcd(stride, dilation)  # between neighbours among the taps
        for i in range(min(stride, size)):
            taps = [r for r in range(kernel) if (i + padding - dilation * r) % stride == 0]
            pixels = slice(i, None, stride)
            count = len(range(i, size, stride))
            if taps:
                reversed_taps = slice(taps[-1], taps[0] - 1 if taps[0] else None, -step)
                yield (pixels, reversed_taps, len(taps), count, (dilation * taps[-1] - i - padding) // stride,
                       step * dilation // stride)
            else:
                yield pixels, slice(0), 0, count, 0, 1

    def framed(self, x, fill=0):
        """x (n, C, H, W) in its frame, `fill` outside, in x's memory order; a view if nothing is outside."""
        in_frame, in_image = self.overlap
        inside = x[in_image]
        if inside.shape[2:] == self.frame:
            return inside
        frame = xp.full_like(x, fill, shape=x.shape[:2] + self.frame)
        frame[in_frame] = inside
        return frame

    def unframed(self, frame):
        """The image in a frame, zero where the frame does not reach; framed's transpose."""
        in_frame, in_image = self.overlap
        inside = frame[in_frame]
        if inside.shape[2:] == self.image:
            return inside
        x = xp.zeros_like(frame, shape=frame.shape[:2] + self.image)
        x[in_image] = inside
        return x

    def taps(self, frame):
        """What each tap sees in all windows, in scan order: views (n, C, P, Q) of a frame (n, C, *frame)."""
        return [frame[index] for index in self.tap_indices]


def geometry_of(*sizes):
    """The Geometry of these Sizes along one axis, which are those of images with one row, or along two."""
    neutral = Sizes(image=1, kernel=1, output=1, stride=1, padding=0, dilation=1)
    return Geometry(*(pair if len(pair) == 2 else (one, *pair) for pair, one in zip(sizes, neutral)))


def output_size(size, kernel, stride, before, after, dilation):
    """How many windows there are along an axis; 0 or less if the window does not fit even once.
    before, after: the padding on either side."""
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def pair(op, argument, value, least, dims=2):
    """An argument that is one integer for all `dims` axes, or one for each, as a tuple."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    try:
        values = tuple(map(operator.index, values))
    except TypeError:
        raise TypeError(f"{op}: {argument} is {value!r}, expected an integer or {dims} of them") from None
    values = values * dims if len(values) == 1 else values
    if len(values) != dims:
        raise ValueError(f"{op}: {argument} is {value!r}, expected one integer or {dims}")
    if min(values) < least:
        raise ValueError(f"{op}: {argument} is {value!r}, expected {least} or more")
    return values
