"""python engine.py METHOD SIZE [raise | hang]: a few sums among processes, and what they are found to be; with `raise` the
last worker raises an exception, with `hang` it waits to be killed."""
import os
import sys
import time

import numpy as np

from minigen.parallel.shared_memory import ROOM, processes


def numbers(rank):
    """Arrays of several sizes and dtypes, one of which needs more room than there is at first."""
    draw = np.random.default_rng(rank)
    return [np.float32(draw.normal(size=(3, 5))), draw.integers(0, 9, 4), draw.normal(size=7),
            np.float32(draw.normal(size=ROOM + 3)), draw.normal(size=ROOM // 16), np.zeros(0, np.float32)]


def work(world, end):
    world.all_reduce(numbers(world.rank))
    world.gather(world.broadcast() + world.rank)
    if end and world.rank == world.size - 1:
        if end == "raise":
            raise ValueError("this one is wrong")
        print(os.getpid(), flush=True)
        time.sleep(60)
    world.all_reduce(numbers(world.rank))


def main(method, size, end=""):
    began = time.perf_counter()
    try:
        with processes(size, work, end, method=method) as world:
            sums = world.all_reduce(numbers(0))
            world.broadcast(40)
            assert world.gather(40) == [40 + rank for rank in range(size)]
            for i, total in enumerate(sums):
                expected = numbers(0)[i]
                for rank in range(1, size):
                    expected = expected + numbers(rank)[i]
                np.testing.assert_array_equal(total, expected)
                assert total.dtype == expected.dtype
            if end == "hang":
                world.processes[-1].kill()
                time.sleep(60)  # worker 0 waits for nobody
            world.all_reduce(numbers(0))
        print("sums are right")
    except RuntimeError as error:
        print(f"{error} | in time: {time.perf_counter() - began < 20} | left: {len(os.listdir('/dev/shm'))}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
