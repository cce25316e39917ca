"""What several workers add up in a step of training: how often, how many bytes, and how long it takes on this machine.

    python tests/benchmarks/sums.py                            # prints it; on a machine at rest, about a minute
    python tests/benchmarks/sums.py --record docs/parallel.md  # also behind the mark in that file
    python tests/benchmarks/sums.py --counts                   # what is counted only, the same on every machine

Counted in the rows of whole models (model_rows.py), by workers that are threads (tests/minigen/parallel/simulated.py).
Timed among processes: a sum of 8 numbers, which goes through pipes, and one of 16 MiB, which goes through shared memory.
"""
import argparse
import os
import runpy
import statistics
import time
from pathlib import Path

import model_rows  # noqa: F401  adds its rows
import numpy as np
import rows

from minigen.parallel.shared_memory import SMALL, processes

MARK = "<!-- figures: written by tests/benchmarks/sums.py -->\n"
together = runpy.run_path(str(Path(__file__).parents[1] / "minigen" / "parallel" / "simulated.py"))["together"]
LARGE = np.zeros(1 << 22, np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", metavar="FILE")
    parser.add_argument("--counts", action="store_true")
    options = parser.parse_args()
    lines = [*counts(), *([] if options.counts else ["", *timings()])]
    print("\n".join(lines))
    if options.record:
        path = Path(options.record)
        path.write_text(path.read_text().partition(MARK)[0] + MARK + "\n" + "\n".join(lines) + "\n")


def counts():
    """For each row that trains: the sums of a step, two workers."""
    yield "| a step of | sums through pipes | their bytes | sums in shared memory | their bytes |"
    yield "|---|--:|--:|--:|--:|"
    for name in rows.SHARED:
        if "DDIM" not in name:
            calls = together(2, lambda world, name=name: sums_of_a_step(world, name))[0]
            small, large = ([each for each in calls if (each <= SMALL) == kind] for kind in (True, False))
            yield f"| {name} | {len(small)} | {sum(small):,} | {len(large)} | {sum(large):,} |"


def sums_of_a_step(world, name):
    side = rows.ROWS[name]["minigen"](world.rng(0))
    side.world = world
    world.calls.clear()
    side.step()
    return world.calls


def timings():
    """For several numbers of workers: how long a sum takes."""
    yield f"| workers, on {os.cpu_count()} cores | a sum of 8 numbers | a sum of 16 MiB | bytes of gradient a second |"
    yield "|--:|--:|--:|--:|"
    for size in (2, 4, 8):
        with processes(size, work) as world:
            small, large = work(world)
        yield f"| {size} | {1e6 * small:.0f} us | {1e3 * large:.1f} ms | {LARGE.nbytes / large / 1e9:.2f} GB |"


def work(world):
    """Seconds that each of two sums takes, the median."""
    return [median_time(lambda: world.add_flat([np.zeros(8)]), 300),
            median_time(lambda: world.add_flat([LARGE], lasting=False), 20)]


def median_time(f, times):
    found = []
    for _ in range(times):
        began = time.perf_counter()
        f()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


if __name__ == "__main__":
    main()
