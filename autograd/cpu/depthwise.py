"""Convolution by one filter per channel: too little arithmetic for products, so images are shifted and added up.

    y[n,c,p,q] = sum_rs w[c,r,s] x[n, c, stride p + dilation r - padding, ...]

Each of the R*S terms is a view of the image times a number per channel, added to y: two ufuncs over a few images at a
time, which stay in the cache.

Symbols: x (N, C, H, W), w (C, 1, R, S), y (N, C, P, Q). Source: Chollet, "Xception: deep learning with depthwise
separable convolutions", 2017. Read before this: columns.py.
"""
from ..backend import xp
from .channels import add_bias, along_rows, image_sums, rows_sum
from .threads import even_part
from .windows import frames

BLOCK = 1 << 17  # numbers of y computed at a time: 512 KiB in float32, beside as many products and what they are of


def fits(C, O, groups):
    """Whether a convolution is of this kind."""
    return groups == C == O > 1


def convolve(x, w, bias, geometry, groups):
    """y = conv(x, w) + bias, channels-last in memory; bias may be None."""
    y = xp.zeros((len(x), *geometry.output, len(w)), x.dtype).transpose(0, 3, 1, 2)
    for images, product, taps in _blocks(x, geometry):
        block = y[images]
        for seen, weight in zip(taps, w.reshape(len(w), -1).T):
            xp.multiply(seen, along_rows(weight, product), out=product)
            block += product
    add_bias(y.transpose(0, 2, 3, 1), bias)
    return y


def filter_gradient(x, y, geometry, groups):
    """w[c,r,s] = sum_npq y[n,c,p,q] x[n, c, stride p + dilation r - padding, ...]."""
    C, (R, S) = x.shape[1], geometry.kernel
    w = xp.zeros((R * S, C), x.dtype)
    for images, product, taps in _blocks(x, geometry):
        for total, seen in zip(w, taps):
            xp.multiply(seen, y[images], out=product)
            total += rows_sum(image_sums(product))
    return w.T.reshape(C, 1, R, S)


def _blocks(x, geometry):
    """Yields (images, a scratch array (n, C, P, Q), what each tap sees of those images)."""
    N, C, (P, Q) = *x.shape[:2], geometry.output
    images = even_part(N, BLOCK // max(1, P * Q * C))
    scratch = xp.empty((images, P, Q, C), x.dtype).transpose(0, 3, 1, 2)
    for n, frame in frames(x, geometry, images):
        yield slice(n, n + images), scratch[: len(frame)], geometry.taps(frame)
