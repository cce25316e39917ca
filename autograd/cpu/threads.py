"""A batch split over the processor's cores.

NumPy lets go of Python's lock inside its copies, ufuncs and matrix products, so two Python threads do that work at the
same time, each on its own part of a batch. For many small products with copies between them that is faster than the
threads of the BLAS library, which share each product and leave the copies to one core. Theirs are switched off for
good: for milliseconds after each product they keep a core busy with waiting for the next, which our threads need.

How many threads: as many as BLAS would use, which its own variables set (OPENBLAS_NUM_THREADS, MKL_NUM_THREADS). The
parts depend on nothing but the batch and that number, so the same seed gives the same run.

Read before this: backend.py. Read next: columns.py.
"""
import contextvars
import functools
import importlib
from concurrent.futures import ThreadPoolExecutor

from ..backend import device, in_memory_order, xp

PART = 1 << 16  # numbers that a chain of ufuncs goes through at a time: 256 KiB in float32, which stay in the cache
WORTHWHILE = 1 << 20  # numbers gone through, at least: about 0.4 ms, several times what handing work over costs
PRODUCTS = 16  # of two numbers in a matrix product take the time of one number that a ufunc goes through


_in_a_part = contextvars.ContextVar("in_a_part", default=False)


def parallel_for(work, N, numbers):
    """[work(part), ...] for slices that cut range(N) into even parts, computed at the same time.

    work must not write where another part does. numbers: about how many numbers it goes through in all; if there are
    few, or if this is called by the work of a part, work(slice(0, N)) is all that happens.
    """
    count = min(threads(), N) if numbers >= WORTHWHILE and device() == "cpu" and not _in_a_part.get() else 1
    if count <= 1:
        return [work(slice(0, N))]

    def part_of_work(part):
        _in_a_part.set(True)  # for a thread that waits for others could be what they wait for
        return work(part)

    first, *others = (slice(N * i // count, N * (i + 1) // count) for i in range(count))
    # each in the caller's context, so that NumPy's error settings are the caller's too
    futures = [_pool().submit(contextvars.copy_context().run, part_of_work, part) for part in others]
    return [contextvars.copy_context().run(part_of_work, first), *(future.result() for future in futures)]


def map_chunks(f, *arrays):
    """f(*arrays) for a chain of ufuncs f on arrays of one shape: in parts that stay in the cache, on all cores."""
    x = arrays[0]
    if device() != "cpu":
        return in_memory_order(f, *arrays)
    if x.size <= PART or x.dtype.kind != "f":
        return f(*arrays)
    y, step = xp.empty_like(x), max(1, PART * len(x) // x.size)

    def work(part):
        for i in range(part.start, part.stop, step):
            rows = slice(i, min(i + step, part.stop))
            y[rows] = f(*(array[rows] for array in arrays))

    parallel_for(work, len(x), 4 * x.size)  # f is several ufuncs, and some are slow
    return y


def shared_matmul(a, b):
    """a @ b for a (..., M, K) and b (..., K, N): each core computes a part of the batch, or of the rows or columns of
    one product, whichever are more, as each core reads all of the other matrix."""
    numbers = a.size * b.shape[-1] // PRODUCTS
    if threads() == 1 or numbers < WORTHWHILE or b.ndim > 2 and a.shape[:-2] != b.shape[:-2]:
        return xp.matmul(a, b)
    y = xp.empty((*a.shape[:-1], b.shape[-1]), xp.result_type(a, b))
    if b.ndim > 2:
        parallel_for(lambda part: xp.matmul(a[part], b[part], out=y[part]), len(a), numbers)
    elif a.ndim > 2 or len(a) >= b.shape[1]:
        parallel_for(lambda part: xp.matmul(a[part], b, out=y[part]), len(a), numbers)
    else:
        parallel_for(lambda part: xp.matmul(a, b[:, part], out=y[:, part]), b.shape[1], numbers)
    return y


def even_part(total, limit):
    """The size of a part when total is cut into as few even parts as possible of at most `limit`, or of 1."""
    parts = -(-total // max(1, limit))
    return max(1, -(-total // max(1, parts)))


@functools.cache
def threads() -> int:
    """How many threads BLAS had, when first asked; 1 if it does not say. From then on it has one."""
    blas = importlib.import_module("threadpoolctl").ThreadpoolController().select(user_api="blas")
    count = max((library["num_threads"] for library in blas.info()), default=1)
    blas.limit(limits=1)
    return count


@functools.cache
def _pool():
    return ThreadPoolExecutor(threads() - 1, thread_name_prefix="autograd")
