"""One number per channel, and images: sums over pixels, a bias added, a factor laid out to be multiplied with.

A channels-last image is a matrix of pixels times channels. A ufunc that broadcasts (C,) against it starts its inner
loop anew for every pixel; these do not.

Symbols: x (N, C, H, W) in either layout, C channels. Read before this: threads.py.
"""
from ..backend import xp
from .threads import parallel_for

RUN = 1 << 12  # pixels in one product, which adds them one after the other: of equal ones in float32, no digit is lost


def image_sums(x):
    """Sums over the pixels of each image and channel, (N, C, H, W) -> (N, C), as a product, which is fast."""
    N, C, H, W = x.shape
    pixels = x.reshape(N, C, H * W).swapaxes(1, 2)  # a view in both layouts
    starts = range(0, H * W, RUN)
    ones, sums = xp.ones((1, min(RUN, H * W)), x.dtype), xp.empty((len(starts), N, 1, C), x.dtype)

    def work(part):
        for run, start in zip(sums, starts):
            seen = pixels[part, start : start + RUN]
            xp.matmul(ones[:, : seen.shape[1]], seen, out=run[part])

    parallel_for(work, N, 2 * x.size)
    return rows_sum(sums.reshape(len(starts), N * C)).reshape(N, C)


def rows_sum(t):
    """The sum of t's rows, (N, C) -> (C,). Along the contiguous axis NumPy adds pairs, then pairs of those and so on,
    along the others one row after the other, which in float32 comes to a halt after 2^24 equal numbers."""
    return t[0] if len(t) == 1 else xp.ascontiguousarray(t.T).sum(axis=1)


def along_rows(t, x):
    """t (N, C) or (C,) shaped to broadcast against x (N, C, H, W). Where x is channels-last it is repeated
    along W, since a ufunc's inner loop then runs over W*C numbers instead of C."""
    *N, C = t.shape
    if x.strides[1] != x.itemsize:
        return t.reshape(*N, C, 1, 1)
    rows = xp.broadcast_to(t.reshape(*N, 1, 1, C), (*N, 1, x.shape[3], C)).copy()
    return xp.moveaxis(rows, -1, -3)


def add_bias(y, bias):
    """Adds the bias (C,) to y (n, p, q, C) in place, a row at a time."""
    if bias is not None:
        y += xp.tile(bias, (y.shape[2], 1))
