"""Where windows meet an image: the sizes that convolution, unfolding and pooling share, and their views.

A window with R x S taps is laid on the image at P x Q places. Along each axis, tap r of place p is at

    i = stride p + dilation r - before

of the image. The span of all i is the frame: it begins `before` pixels ahead of the image, may reach past its
end, and what of it lies outside the image holds zeros (for max pooling, -inf).

Symbols: image H W, taps R S, places P Q, C channels, n images. Read before this: backend.py.
"""
import operator
from typing import NamedTuple

from .backend import xp


class Geometry(NamedTuple):
    """Every field is a pair: (vertical, horizontal)."""

    image: tuple  # H, W
    kernel: tuple  # R, S
    output: tuple  # P, Q
    stride: tuple
    before: tuple  # the padding above and left of the image; what is below and right follows from the sizes
    dilation: tuple

    @property
    def frame(self):
        """Height and width of the frame."""
        sizes = zip(self.output, self.stride, self.kernel, self.dilation)
        return tuple((p - 1) * stride + (r - 1) * dilation + 1 for p, stride, r, dilation in sizes)

    def overlap(self):
        """Where the image lies in its frame, and which part of the image that is: two pairs of slices."""
        in_frame, in_image = [], []
        for framed, size, before in zip(self.frame, self.image, self.before):
            start = max(0, before)
            end = max(start, min(framed, before + size))
            in_frame.append(slice(start, end))
            in_image.append(slice(start - before, end - before))
        return tuple(in_frame), tuple(in_image)

    def framed(self, x, fill=0):
        """x (n, C, H, W) in its frame, `fill` outside, in x's memory order; a view if nothing is outside."""
        in_frame, in_image = self.overlap()
        inside = x[(..., *in_image)]
        if inside.shape[2:] == self.frame:
            return inside
        frame = xp.full_like(x, fill, shape=x.shape[:2] + self.frame)
        frame[(..., *in_frame)] = inside
        return frame

    def unframed(self, frame):
        """The image in a frame, zero where the frame does not reach; framed's transpose."""
        in_frame, in_image = self.overlap()
        inside = frame[(..., *in_frame)]
        if inside.shape[2:] == self.image:
            return inside
        x = xp.zeros_like(frame, shape=frame.shape[:2] + self.image)
        x[(..., *in_image)] = inside
        return x

    def taps(self, frame):
        """What each tap sees at all places, in scan order: views (n, C, P, Q) of a frame (n, C, *frame)."""
        (P, Q), (R, S) = self.output, self.kernel
        (sh, sw), (dh, dw) = self.stride, self.dilation
        for r in range(R):
            for s in range(S):
                rows = slice(r * dh, r * dh + (P - 1) * sh + 1, sh)
                yield frame[:, :, rows, s * dw : s * dw + (Q - 1) * sw + 1 : sw]


def places(size, kernel, stride, before, after, dilation):
    """How many places there are along an axis; 0 or less if the window does not fit even once."""
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def pair(op, argument, value, least, dims=2):
    """An argument that is one integer for all `dims` axes, or one for each, as a tuple."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    try:
        values = tuple(operator.index(v) for v in values)
    except TypeError:
        raise TypeError(f"{op}: {argument} is {value!r}, expected an integer or {dims} of them") from None
    values = values * dims if len(values) == 1 else values
    if len(values) != dims:
        raise ValueError(f"{op}: {argument} is {value!r}, expected one integer or {dims}")
    if min(values) < least:
        raise ValueError(f"{op}: {argument} is {value!r}, expected {least} or more")
    return values
