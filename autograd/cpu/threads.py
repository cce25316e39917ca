"""A batch split over the processor's cores.

NumPy lets go of Python's lock inside its copies, ufuncs and matrix products, so two Python threads do that work at the
same time, each on its own part of a batch. For many small products with copies between them that is faster than the
threads of the BLAS library, which share each product and leave the copies to one core. And for milliseconds after each
product those keep a core busy with waiting for the next, which our threads need. So BLAS has one thread while our
products run, and its own number again when they are done: the program around them keeps what it had.

How many threads: as many as BLAS would use when this is first asked, which its own variables set
(OPENBLAS_NUM_THREADS, MKL_NUM_THREADS). The parts depend on nothing but the batch and that number, so the same seed
gives the same run. A child forked from this process makes threads of its own.

Read before this: backend.py. Read next: columns.py.
"""
import contextlib
import contextvars
import ctypes
import functools
import importlib
import os
from concurrent.futures import ThreadPoolExecutor

from ..backend import device, in_memory_order, xp

PART = 1 << 16  # numbers that a chain of ufuncs goes through at a time: 256 KiB in float32, which stay in the cache
WORTHWHILE = 1 << 20  # numbers gone through, at least: about 0.4 ms, several times what handing work over costs
PRODUCTS = 16  # of two numbers in a matrix product take the time of one number that a ufunc goes through
# Products of two numbers, at most, in a product of matrices, or with a vector, that OpenBLAS leaves to one thread
ALONE, ALONE_BY_VECTOR = 1 << 18, 1 << 13
LITTLE = 1 << 12  # numbers gone through whose products are that few


_in_a_part = contextvars.ContextVar("in_a_part", default=False)


def parallel_for(work, N, numbers):
    """[work(part), ...] for slices that cut range(N) into even parts, computed at the same time.

    work must not write where another part does. numbers: about how many numbers it goes through in all; if there are
    few, or if this is called by the work of a part, work(slice(0, N)) is all that happens.
    """
    if numbers < LITTLE or _in_a_part.get() or device() != "cpu":
        return [work(slice(0, N))]
    count = min(threads(), N) if numbers >= WORTHWHILE else 1
    if count <= 1:
        return [with_one_blas_thread(work, slice(0, N))]
    return with_one_blas_thread(_in_parts, work, [slice(N * i // count, N * (i + 1) // count) for i in range(count)])


def _in_parts(work, parts):

    def part_of_work(part):
        _in_a_part.set(True)  # for a thread that waits for others could be what they wait for
        return work(part)

    first, *others = parts
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
    """a @ b for a (..., M, K) or (K,) and b (..., K, N): each core computes a part of the batch, or of the rows or
    columns of one product, whichever are more, as each core reads all of the other matrix."""
    products = a.size * b.shape[-1]
    by_vector = a.ndim == 1 or a.shape[-2] == 1 or b.shape[-1] == 1
    if products <= (ALONE_BY_VECTOR if by_vector else ALONE):
        return xp.matmul(a, b)
    numbers = products // PRODUCTS
    if a.ndim == 1 or numbers < WORTHWHILE or threads() == 1 or b.ndim > 2 and a.shape[:-2] != b.shape[:-2]:
        return with_one_blas_thread(xp.matmul, a, b)
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


# How many threads there are


@functools.cache
def threads() -> int:
    """How many threads NumPy's BLAS had, when first asked; 1 if it does not say."""
    return _blas()[0]()


@functools.cache
def _pool():
    return ThreadPoolExecutor(threads() - 1, thread_name_prefix="autograd")


if hasattr(os, "register_at_fork"):  # of all threads, a forked child has only the one that forked
    os.register_at_fork(after_in_child=_pool.cache_clear)


def with_one_blas_thread(f, *arguments):
    """f(*arguments), while what any thread multiplies it multiplies alone."""
    read, write = _blas()
    threads()  # before it is one
    count = read()
    if count == 1:  # also within another call of this
        return f(*arguments)
    write(1)
    try:
        return f(*arguments)
    finally:
        write(count)


@contextlib.contextmanager
def one_thread():
    """Context in which nothing is divided, in a process that is one of several: they have the other cores."""
    read, write = _blas()
    count = read()
    write(1)
    threads.cache_clear()
    try:
        yield
    finally:
        write(count)
        threads.cache_clear()


@functools.cache
def _blas():
    """(read, write): NumPy's BLAS's own functions for its number of threads. One that is unknown has one thread."""
    found = importlib.import_module("threadpoolctl").ThreadpoolController().select(user_api="blas").info()
    paths = [library["filepath"] for library in found]
    for path in [path for path in paths if "numpy" in path] or paths:  # SciPy and others may have brought their own
        library = ctypes.PyDLL(path)
        for read, write in SYMBOLS:
            if hasattr(library, read):
                return getattr(library, read), getattr(library, write)
    return (lambda: 1), (lambda count: None)


SYMBOLS = [(f"{prefix}openblas_get_num_threads{suffix}", f"{prefix}openblas_set_num_threads{suffix}")
           for prefix in ("", "scipy_") for suffix in ("", "64_", "_64")]
SYMBOLS += [("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
            ("bli_thread_get_num_threads", "bli_thread_set_num_threads")]
