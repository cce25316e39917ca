"""A batch split over the processor's cores.

NumPy lets go of Python's lock inside its copies, ufuncs and matrix products, so two Python threads do that work at the
same time, each on its own part of a batch. For many small products with copies between them that is faster than the
threads of the BLAS library, which share each product and leave the copies to one core. Theirs are switched off
meanwhile: the two kinds would wait for each other.

How many threads: as many as BLAS would use, which its own variables set (OPENBLAS_NUM_THREADS, MKL_NUM_THREADS). The
parts depend on nothing but the batch and that number, so the same seed gives the same run.

Read before this: backend.py. Read next: columns.py.
"""
import contextvars
import functools
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import ThreadpoolController

from .backend import device, xp

PART = 1 << 16  # numbers that a chain of ufuncs goes through at a time: 256 KiB in float32, which stay in the cache
WORTHWHILE = 1 << 18  # numbers gone through, at least: about 0.1 ms, several times what starting a thread costs


def over_threads(work, N, numbers):
    """[work(part), ...] for slices that cut range(N) into even parts, computed at the same time.

    work must not write where another part does. numbers: about how many numbers it goes through in all; if there are
    few, work(slice(0, N)) is all that happens.
    """
    count = min(threads(), N) if numbers >= WORTHWHILE and device() == "cpu" else 1
    if count <= 1:
        return [work(slice(0, N))]
    first, *others = (slice(N * i // count, N * (i + 1) // count) for i in range(count))
    with _blas().limit(limits=1):
        # each in the caller's context, so that NumPy's error settings are the caller's too
        futures = [_pool().submit(contextvars.copy_context().run, work, part) for part in others]
        return [work(first), *(future.result() for future in futures)]


def in_parts(f, *arrays):
    """f(*arrays) for a chain of ufuncs f on arrays of one shape: in parts that stay in the cache, on all cores."""
    x = arrays[0]
    if x.size <= PART or x.dtype.kind != "f" or device() != "cpu":
        return f(*arrays)
    y, step = xp.empty_like(x), max(1, PART * len(x) // x.size)

    def work(part):
        for i in range(part.start, part.stop, step):
            rows = slice(i, min(i + step, part.stop))
            y[rows] = f(*(array[rows] for array in arrays))

    over_threads(work, len(x), x.size)
    return y


@functools.cache
def threads() -> int:
    """How many threads BLAS uses, when first asked for; 1 if it does not say."""
    return max((library["num_threads"] for library in _blas().info()), default=1)


@functools.cache
def _blas():
    return ThreadpoolController().select(user_api="blas")


@functools.cache
def _pool():
    return ThreadPoolExecutor(threads() - 1, thread_name_prefix="autograd")
