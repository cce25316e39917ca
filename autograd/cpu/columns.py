"""Convolution on arrays: the three maps of conv.py as matrix products that stay in the cache.

    y[n,o,p,q] = sum_crs w[o,c,r,s] x[n, c, stride p + dilation r - before, (the same with q, s)]

For one pixel (p, q) the sum is a vector times a matrix: the column of the C*R*S numbers of x that the
filter sees there, times the filters as a (C*R*S, O) matrix. Writing all columns down (im2col) makes
convolution one big product. Here a few images at a time are unfolded into one small buffer (windows.py), which
is multiplied while it is still in the processor's cache, and then overwritten. That is several times faster
than one big im2col, np.tensordot on windows, or np.einsum.

Any layout may come in; what goes out is channels-last, so that a product gives whole pixels, and elementwise ufuncs
keep it so.

Square filters on a dozen channels or more take a fraction of the multiplications: winograd.py; with stride 2, on
squares of pixels: space_to_depth.py.

conv.py calls convolve, transpose, filter_gradient and image_sums, in whose place a GPU has kernels
(kernels/convolution.py), and unfold and fold.

Symbols: x (N, C, H, W), w (O, C/G, R, S), y (N, O, P, Q), G groups; columns are (G, pixels, R*S*C/G).
Source: Chellapilla, Puri & Simard, "High performance convolutional neural networks for document
processing", 2006 (im2col). Read before this: conv.py, windows.py.
"""
import functools
import math
import operator

from . import space_to_depth, winograd
from ..backend import xp
from ..geometry import Geometry
from .threads import even_part, parallel_for, shared_matmul
from .windows import column_blocks, columns_size, frames, window_views

BLOCK = 1 << 19  # numbers in the buffer of columns: 2 MiB in float32, about a core's second-level cache


def convolve(x, w, bias, geometry, groups):
    """y = conv(x, w) + bias; bias may be None."""
    N, C, O, G = *x.shape[:2], len(w), groups
    if M := winograd.tile_size(C, O, geometry, G, x.dtype):
        return winograd.convolve(x, w, bias, geometry, M)
    if _pays_in_squares(C, O, geometry, G, x.dtype):
        inner = space_to_depth.on_squares(geometry)
        return convolve(space_to_depth.from_image(x, geometry), space_to_depth.from_filters(w), bias, inner, 1)
    if _is_pointwise(geometry, G):
        y = shared_matmul(_pixels(x), w.reshape(O, C).T).reshape(N, *geometry.output, O)
        _add(y, bias)
    elif G == C == O > 1:
        y = _depthwise(x, w, geometry)
        _add(y, bias)
    else:
        y = xp.empty((N, *geometry.output, O), x.dtype)
        matrix = _by_group(w, G).transpose(0, 3, 4, 2, 1).reshape(G, -1, O // G)  # (G, R*S*C/G, O/G)

        def work(part):
            for images, rows, columns in column_blocks(x[part], geometry, G, BLOCK):
                block = y[part][images, rows]
                xp.matmul(columns, matrix, out=_pixels_by_group(block, G))
                _add(block, bias)

        parallel_for(work, N, N * columns_size(C, geometry))
    return y.transpose(0, 3, 1, 2)


def filter_gradient(x, y, geometry, groups):
    """w[o,c,r,s] = sum_npq y[n,o,p,q] x[n, c, stride p + dilation r - before, ...]: columns^T times y."""
    C, O, G, (R, S) = x.shape[1], y.shape[1], groups, geometry.kernel
    if M := winograd.tile_size(C, O, geometry, G, x.dtype):
        return winograd.filter_gradient(x, y, geometry, M)
    if _pays_in_squares(C, O, geometry, G, x.dtype):
        inner = space_to_depth.on_squares(geometry)
        return space_to_depth.to_filters(filter_gradient(space_to_depth.from_image(x, geometry), y, inner, 1))
    if _is_pointwise(geometry, G):
        seen, g = _pixels(x), _pixels(y)
        if seen.ndim != g.ndim:  # one is channels-last and one NCHW: both image by image
            seen, g = seen.reshape(len(x), -1, C), g.reshape(len(x), -1, O)
        return shared_matmul(g.swapaxes(-1, -2), seen).reshape(-1, O, C).sum(axis=0).reshape(O, C, 1, 1)
    if G == C == O > 1:
        return _depthwise_filter_gradient(x, y, geometry)
    y = y.transpose(0, 2, 3, 1)

    def work(part):
        total = xp.zeros((G, R * S * C // G, O // G), x.dtype)
        term = xp.empty_like(total)
        for images, rows, columns in column_blocks(x[part], geometry, G, BLOCK):
            xp.matmul(columns.swapaxes(1, 2), _pixels_by_group(y[part][images, rows], G), out=term)
            total += term
        return total

    total = functools.reduce(operator.iadd, parallel_for(work, len(x), len(x) * columns_size(C, geometry)))
    return total.reshape(G, R, S, C // G, O // G).transpose(0, 4, 3, 1, 2).reshape(O, C // G, R, S)


def transpose(y, w, bias, geometry, groups):
    """x = conv^T(y, w) + bias, what y's pixels send back along the taps; bias may be None.

    There are two ways to form these sums. Gather: a pixel of x collects what reaches it, R*S*O numbers, of which a
    stride leaves one in stride^2. Scatter: a pixel of y stamps its filter on x, R*S*C numbers. Squares are gathered,
    for 4 C channels at a time in place of C, and that makes products of few channels twice as fast.
    """
    C, O = w.shape[1] * groups, len(w)
    gathered = math.prod(geometry.image) * O / math.prod(geometry.stride)
    scattered = math.prod(geometry.output) * C * 3  # adding to memory moves three numbers, a copy one
    if space_to_depth.fits(geometry, groups) and gathered <= 4 * scattered:
        sent = transpose(y, space_to_depth.from_filters(w), None, space_to_depth.on_squares(geometry), 1)
        x = space_to_depth.to_image(sent, geometry)
        _add(x.transpose(0, 2, 3, 1), bias)
        return x
    return (_gather if gathered <= scattered else _scatter)(y, w, bias, geometry, groups)


def image_sums(x):
    """Sums over the pixels of each image and channel, (N, C, H, W) -> (N, C), as a product, which is fast."""
    N, C, H, W = x.shape
    pixels = x.reshape(N, C, H * W).swapaxes(1, 2)  # a view in both layouts
    ones, sums = xp.ones((1, H * W), x.dtype), xp.empty((N, 1, C), x.dtype)
    parallel_for(lambda part: xp.matmul(ones, pixels[part], out=sums[part]), N, 2 * x.size)
    return sums.reshape(N, C)


def along_rows(t, x):
    """t (N, C) or (C,) shaped to broadcast against x (N, C, H, W). Where x is channels-last it is repeated
    along W, since a ufunc's inner loop then runs over W*C numbers instead of C."""
    *N, C = t.shape
    if x.strides[1] != x.itemsize:
        return t.reshape(*N, C, 1, 1)
    rows = xp.broadcast_to(t.reshape(*N, 1, 1, C), (*N, 1, x.shape[3], C)).copy()
    return xp.moveaxis(rows, -1, -3)


def _pays_in_squares(C, O, geometry, groups, dtype):
    """Whether stride 2 becomes faster as stride 1 on squares."""
    return space_to_depth.fits(geometry, groups) and winograd.tile_size(4 * C, O, space_to_depth.on_squares(geometry), 1, dtype)


def _by_group(w, G):
    return w.reshape(G, len(w) // G, *w.shape[1:])  # (G, O/G, C/G, R, S)


def _pixels_by_group(block, G):
    """A block (n, p, q, O) as (G, pixels, O/G): a view if it is contiguous."""
    n, p, q, O = block.shape
    return block.reshape(n * p * q, G, O // G).swapaxes(0, 1)


def _add(y, bias):
    """Adds the bias (O,) to y (n, p, q, O) in place, a row at a time."""
    if bias is not None:
        y += xp.tile(bias, (y.shape[2], 1))


# The transposed map


def _gather(y, w, bias, geometry, groups):
    """Pixels i, i + stride, i + 2 stride, ... of x are reached by the same taps, and what reaches them is a
    convolution of y, at stride 1, with those taps in reverse: x is stride^2 convolutions, interleaved."""
    G, (H, W), (sh, sw) = groups, geometry.image, geometry.stride
    w = _by_group(w, G).swapaxes(1, 2)  # the filters' inputs and outputs exchange roles
    w = w.reshape(w.shape[1] * G, *w.shape[2:])  # (C, O/G, R, S)
    x = xp.empty((len(y), H, W, len(w)), y.dtype).transpose(0, 3, 1, 2)
    for i in range(min(sh, H)):
        for j in range(min(sw, W)):
            rows, before_h, dilation_h = _reaching_taps(i, geometry, 0)
            columns, before_w, dilation_w = _reaching_taps(j, geometry, 1)
            phase = Geometry(
                image=y.shape[2:],
                kernel=(len(rows), len(columns)),
                output=(len(range(i, H, sh)), len(range(j, W, sw))),
                stride=(1, 1),
                before=(before_h, before_w),
                dilation=(dilation_h, dilation_w),
            )
            part = convolve(y, w[:, :, rows][:, :, :, columns], bias, phase, G)
            if (sh, sw) == (1, 1):
                return part
            x[:, :, i::sh, j::sw] = part
    return x


def _reaching_taps(i, geometry, axis):
    """The taps r that reach pixel i from some place p, i = stride p + dilation r - before, last first, as p
    grows where r falls; and the `before` and `dilation` of the convolution over p that collects them."""
    stride, dilation, before = geometry.stride[axis], geometry.dilation[axis], geometry.before[axis]
    taps = [r for r in reversed(range(geometry.kernel[axis])) if (i + before - dilation * r) % stride == 0]
    if not taps:
        return taps, 0, 1
    step = stride // math.gcd(stride, dilation)  # between neighbours in the list
    return taps, (dilation * taps[0] - i - before) // stride, step * dilation // stride


def _scatter(y, w, bias, geometry, groups):
    """The columns that y's pixels send, y times the filters' transpose, added up a few images at a time."""
    G, (P, Q), (R, S) = groups, geometry.output, geometry.kernel
    N, O, C = *y.shape[:2], w.shape[1] * groups
    x = xp.empty((N, *geometry.image, C), y.dtype).transpose(0, 3, 1, 2)
    matrix = _by_group(w, G).transpose(0, 1, 3, 4, 2).reshape(G, O // G, -1)  # (G, O/G, R*S*C/G)
    images = even_part(N, BLOCK // max(1, columns_size(C, geometry)))

    def work(part):
        for n in range(part.start, part.stop, images):
            block = slice(n, min(n + images, part.stop))
            pixels = _pixels_by_group(y[block].transpose(0, 2, 3, 1), G)
            sent = xp.matmul(pixels, matrix).reshape(G, -1, P, Q, R * S, C // G)
            sent = sent.transpose(4, 1, 0, 5, 2, 3).reshape(R * S, -1, C, P, Q)
            x[block] = _add_up(sent, geometry)

    parallel_for(work, N, N * columns_size(C, geometry))
    _add(x.transpose(0, 2, 3, 1), bias)
    return x


def _add_up(sent, geometry):
    """Images (n, C, H, W) with sent[t] (n, C, P, Q) added where tap t looks."""
    n, C = sent.shape[1:3]
    height, width = geometry.frame
    frame = xp.zeros((n, height, width, C), sent.dtype).transpose(0, 3, 1, 2)
    for seen, value in zip(geometry.taps(frame), sent):
        seen += value
    return geometry.unframed(frame)


def unfold(x, geometry):
    """All columns written down: (N, C*R*S, P*Q)."""
    seen = window_views(geometry.framed(x), geometry, 1)[0]  # (N, P, Q, R, S, C)
    N, P, Q, R, S, C = seen.shape
    return seen.transpose(0, 5, 3, 4, 1, 2).reshape(N, C * R * S, P * Q)


def fold(columns, geometry):
    """All columns (N, C*R*S, P*Q) added up, each where unfold takes it from: (N, C, H, W)."""
    taps = math.prod(geometry.kernel)
    sent = columns.reshape(len(columns), columns.shape[1] // taps, taps, *geometry.output)
    return _add_up(sent.transpose(2, 0, 1, 3, 4), geometry)


# Depthwise, one filter per channel: too little arithmetic for products, so images are shifted and added up


def _depthwise(x, w, geometry):
    """conv(x, w) as (N, P, Q, C)."""
    y = xp.zeros((len(x), *geometry.output, len(w)), x.dtype)
    for images, product, taps in _depthwise_blocks(x, geometry):
        block = y[images].transpose(0, 3, 1, 2)
        for seen, weight in zip(taps, w.reshape(len(w), -1).T):
            xp.multiply(seen, along_rows(weight, product), out=product)
            block += product
    return y


def _depthwise_filter_gradient(x, y, geometry):
    C, (R, S) = x.shape[1], geometry.kernel
    w = xp.zeros((R * S, C), x.dtype)
    for images, product, taps in _depthwise_blocks(x, geometry):
        for total, seen in zip(w, taps):
            xp.multiply(seen, y[images], out=product)
            total += image_sums(product).sum(axis=0)
    return w.T.reshape(C, 1, R, S)


def _depthwise_blocks(x, geometry):
    """Yields (images, a scratch array (n, C, P, Q), what each tap sees of those images)."""
    N, C, (P, Q) = *x.shape[:2], geometry.output
    images = even_part(N, BLOCK // 4 // max(1, P * Q * C))
    scratch = xp.empty((images, P, Q, C), x.dtype).transpose(0, 3, 1, 2)
    for n, frame in frames(x, geometry, images):
        yield slice(n, n + images), scratch[: len(frame)], geometry.taps(frame)


# 1x1 filters: the image is its own columns


def _is_pointwise(geometry, groups):
    return (
        groups == 1
        and geometry.kernel == geometry.stride == (1, 1)
        and geometry.before == (0, 0)
        and geometry.image == geometry.output
    )


def _pixels(x):
    """x without a copy, as the matrix of all pixels (N H W, C) if channels-last, else as one for each image."""
    N, C, H, W = x.shape
    last = x.transpose(0, 2, 3, 1)
    if last.flags.c_contiguous:
        return last.reshape(N * H * W, C)
    return x.reshape(N, C, H * W).swapaxes(1, 2)
