"""Functions of many examples, a few at a time: in little memory, and with a bar where it takes long."""
import numpy as np
from tqdm import tqdm

from autograd.backend import to_numpy


def in_chunks(f, x, size) -> np.ndarray:
    """f(x) for a function of examples x (N, ...) that treats each on its own, `size` of them at a time.

    x: an array, or anything else that slices cut. f returns an array, of which the first axis is that of the examples.
    """
    starts = tqdm(range(0, max(len(x), 1), max(1, size)), unit="chunk", disable=None, leave=False, delay=2)
    return np.concatenate([to_numpy(f(x[i : i + max(1, size)])) for i in starts])
