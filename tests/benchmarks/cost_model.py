"""Measures the constants by which autograd/cpu chooses a way, a block or a number of threads.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/cost_model.py      # about half a minute

Each line names a constant, its value in the source, and what this machine says. Blocks and least numbers are round
powers of two near the best of a flat curve, which is printed: relative times, 1 for what the source has. COPY, WRITE,
PACK and PRODUCTS are ratios of two speeds that differ from shape to shape; it is enough that they are right to a third.
"""
import statistics
import time

import numpy as np
from convolution import turn

from autograd.cpu import columns, depthwise, threads, windows, winograd
from autograd.geometry import Geometry

RNG = np.random.default_rng(0)


def main():
    print(f"threads {threads.threads()}; times of a number, in those of a multiplication in a product:")
    speeds()
    print("times relative to the value in the source, by another value:")
    x, w = images(32, 32, 28), filters(32, 32, 3)
    by_value(columns, "BLOCK", (14, 16, 18, 19, 20, 22, 24), lambda: columns.convolve(x, w, None, geometry(28, 3), 1))
    g = geometry(28, 3)
    by_value(winograd, "BLOCK", (12, 14, 16, 17, 18, 19, 20, 22), lambda: winograd.convolve(x, w, None, g, 1))
    single = filters(32, 1, 3)
    by_value(depthwise, "BLOCK", (13, 15, 16, 17, 18, 19, 21), lambda: depthwise.convolve(x, single, None, g, 32))
    y = images(64, 32, 28)
    by_value(threads, "PART", (10, 12, 14, 15, 16, 17, 18, 20), lambda: threads.map_chunks(sigmoid, y))
    few()
    channels()
    handing_over()


def images(N, C, side):
    """Channels-last."""
    return np.moveaxis(RNG.standard_normal((N, side, side, C), np.float32), -1, 1)


def filters(O, C, taps):
    return RNG.standard_normal((O, C, taps, taps), np.float32)


def geometry(side, taps):
    """At stride 1, as many windows as pixels."""
    return Geometry((side,) * 2, (taps,) * 2, (side,) * 2, (1, 1), (taps // 2,) * 2, (1, 1))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def fastest(*works, rounds=7, clock=time.thread_time):
    """The median turn of each, in seconds of this thread; they take turns."""
    turns = [[turn(work, 0.02, clock) for work in works] for _ in range(rounds)]
    return [statistics.median(times) for times in zip(*turns)]


def speeds():
    a, b = RNG.standard_normal((2, 512, 512), np.float32)
    thin, out = np.ascontiguousarray(a[:, :8]), np.empty((512, 512), np.float32)
    x, g = images(8, 32, 28), geometry(28, 3)

    def unfold():
        for _ in windows.column_blocks(x, g, 1, columns.BLOCK):
            pass

    z = RNG.standard_normal(1 << 16).astype(np.float32)
    d, w = RNG.standard_normal((20, 25, 512), np.float32), RNG.standard_normal((25, 512, 256), np.float32)
    product, short, copies, ufunc, tiles = fastest(
        lambda: np.matmul(a, b, out=out), lambda: np.matmul(thin, b[:8], out=out), unfold,
        lambda: np.maximum(z, 0, out=z), lambda: np.matmul(d.swapaxes(0, 1), w))
    multiplication = product / 512**3
    say("winograd.COPY", winograd.COPY, copies / (8 * windows.columns_size(32, g)) / multiplication)
    say("winograd.WRITE", winograd.WRITE, (short / 512**2 - 8 * multiplication) / multiplication)
    say("winograd.PACK", winograd.PACK, (tiles / w.size - len(d) * multiplication) / multiplication)
    say("threads.PRODUCTS", threads.PRODUCTS, ufunc / z.size / multiplication)


def say(name, value, measured):
    print(f"  {name:20} is {value:<6} here {measured:.3g}")


def by_value(module, name, exponents, work):
    """Times of work() with the constant at other powers of two."""
    value = getattr(module, name)

    def at(exponent):
        def run():
            setattr(module, name, 1 << exponent)
            work()
            setattr(module, name, value)

        return run

    times = fastest(work, *map(at, exponents))
    line = ", ".join(f"2^{exponent} {t / times[0]:.2f}" for exponent, t in zip(exponents, times[1:]))
    print(f"  {module.__name__.rpartition('.')[2]}.{name:9} is 2^{value.bit_length() - 1}: {line}")


def few():
    """Columns laid out along the windows, in place of along the channels."""
    line = []
    for C in (2, 4, 8, 16):
        x, w = images(32, C, 28), filters(32, C, 3)

        def at(least):
            def run():
                windows.FEW = least
                columns.convolve(x, w, None, geometry(28, 3), 1)

            return run

        value = windows.FEW
        along_channels, along_windows = fastest(at(0), at(C + 1))
        windows.FEW = value
        line.append(f"{C} channels {along_windows / along_channels:.2f}")
    print(f"  windows.FEW        is {windows.FEW}: time along windows / along channels: {', '.join(line)}")


def channels():
    line = []
    for C in (4, 8, 12, 16, 32, 64):
        x, w, g = images(32, C, 28), filters(C, C, 3), geometry(28, 3)
        by_columns, by_tiles = fastest(lambda: columns.convolve(x, w, None, g, 1),
                                       lambda: winograd.convolve(x, w, None, g, 1, M=4))
        line.append(f"{C} {by_tiles / by_columns:.2f}")
    print(f"  winograd.CHANNELS  is {winograd.CHANNELS}: time by tiles / by columns: {', '.join(line)}")


def handing_over():
    """What a second thread costs, in numbers that a ufunc goes through meanwhile."""
    pool = threads.ThreadPoolExecutor(1)
    pool.submit(int).result()
    x = RNG.standard_normal(1 << 16).astype(np.float32)
    there, ufunc = fastest(lambda: pool.submit(time.perf_counter).result(), lambda: np.maximum(x, 0, out=x),
                           clock=time.perf_counter)
    say("threads.WORTHWHILE", threads.WORTHWHILE, there / (ufunc / x.size))
    print("  (numbers that a ufunc goes through while work is handed over; dividing pays for several times that)")
    pool.shutdown()


if __name__ == "__main__":
    main()
