"""Random numbers without a state: a function of the seed, the number of the step and the place in the array.

    normals(seed, step, shape)         the draws that step `step` of a run sees, whoever asks, in any order, any device

A generator such as NumPy's must be advanced draw by draw, and only one processor can. Philox mixes a counter (which
draw?) with a key (the seed) in ten rounds of multiplication and exclusive or, so that each of a GPU's threads makes its
own, a replayed CUDA graph sees new ones when the step it reads has changed, and noise need not be stored to be used
twice. This is the variant 4x32-10, four words of 32 bits; NumPy's is 4x64.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". The same in CUDA:
autograd/gpu/diffusion.cu. Read before this: nothing.
"""
import math

import numpy as np

NOISE, TIMES = 0, 1  # streams: different uses of one step do not see the same numbers


def philox(counter, key):
    """Four words for each counter: (4, ...) and (2,) of integers below 2^32 -> (4, ...) uint64, below 2^32."""
    c0, c1, c2, c3 = np.asarray(counter, np.uint64)
    k0, k1 = (int(k) for k in key)
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        product0, product1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = ((product1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), product1 & low,
                          (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1), product0 & low)
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def words(seed, step, count, stream):
    """(4, count): the words of counters (0..count-1, step, stream, 0)."""
    counter = np.zeros((4, count), np.uint64)
    counter[0], counter[1], counter[2] = np.arange(count), int(step), stream
    return philox(counter, (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF))


def normals(seed, step, shape, dtype=np.float32):
    """Standard normal draws; number 4 i + j of the flattened array comes from the words of counter i."""
    size = math.prod(shape)
    dtype = np.dtype(dtype)
    u = (words(seed, step, -(-size // 4), NOISE) >> np.uint64(9)).astype(dtype)
    u = ((u + 0.5) * 2.0**-23).astype(dtype, copy=False)  # between 0 and 1, exact, never 0 or 1
    radius, angle = np.sqrt(-2 * np.log(u[::2])), 2 * np.pi * u[1::2].astype(np.float64)
    z = np.stack([radius * np.cos(angle).astype(dtype), radius * np.sin(angle).astype(dtype)], axis=1)  # (2, 2, ...)
    return z.reshape(4, -1).T.ravel()[:size].reshape(shape)


def times(seed, step, n, last):
    """n integers, uniform on 1..last: int32."""
    return (1 + (words(seed, step, n, TIMES)[0] * np.uint64(last) >> np.uint64(32))).astype(np.int32)
