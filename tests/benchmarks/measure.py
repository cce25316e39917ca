"""Measures one library on one row, in this process, and prints the result as a line of JSON. See __main__.py.

    python tests/benchmarks/measure.py ROW minigen|torch SECONDS
    python tests/benchmarks/measure.py ROW NUMBER SECONDS       minigen with so many workers
    python tests/benchmarks/measure.py --list | --blas
"""
import json
import os
import statistics
import sys
import time

import model_rows  # noqa: F401  adds its rows
import numpy as np
import rows


def main(arguments):
    if arguments == ["--blas"]:
        return blas()
    if arguments == ["--list"]:
        return {"rows": ["import", *rows.ROWS], "shared": rows.SHARED,
                "scaling": {name: pixels for name, (pixels, _) in rows.SCALING.items()}}
    name, library, seconds = arguments
    if library.isdigit():
        return measure_workers(name, int(library), float(seconds))
    return measure(name, library, float(seconds))


def measure(name, library, seconds):
    """Median time of a step in ms, and the peak of memory above that after the imports in MB."""
    if library == "torch":
        import torch
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    else:
        import minigen.nn  # noqa: F401  memory is counted from here
    before = reset_peak()
    side = rows.SCALING[name][1] if name in rows.SCALING else rows.ROWS[name][library]
    times = time_steps(side(np.random.default_rng(0)).step, seconds)
    return {"ms": statistics.median(times) * 1e3, "mb": (status("VmHWM") - before) / 1024}


def time_steps(step, seconds, agreed=lambda going_on: going_on):
    """Durations of steps, the first third left out, in seconds. agreed: whether to go on -> whether all do."""
    warm = time.perf_counter() + seconds / 3
    first = step_time(step)
    while agreed(time.perf_counter() < warm):
        step()
    if agreed(first > 5 * seconds):  # it was long enough for its beginning not to matter
        return [first]
    times, end = [], time.perf_counter() + seconds
    while agreed(not times or time.perf_counter() < end):
        times.append(step_time(step))
    return times


def step_time(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def measure_workers(name, count, seconds):
    """As `measure`, of several workers: the time until all have made a step, and the memory of all."""
    from minigen.parallel.shared_memory import processes
    with processes(count, work, name, seconds) as world:
        times, mb = work(world, name, seconds)
        return {"ms": statistics.median(times) * 1e3, "mb": mb}


def work(world, name, seconds):
    import minigen.nn  # noqa: F401  memory is counted from here
    before = reset_peak()
    side = rows.ROWS[name]["minigen"](world.rng(0))
    side.world = world
    times = time_steps(side.step, seconds, world.broadcast)
    return times, sum(world.gather((status("VmHWM") - before) / 1024))


def reset_peak():
    """Resident memory in kB now, from which its peak is counted anew (Linux)."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return status("VmRSS")


def status(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))


def blas():
    from threadpoolctl import threadpool_info
    np.ones((2, 2)) @ np.ones((2, 2))
    return "; ".join(f"{p['internal_api']} {p['version']} {p['architecture']}" for p in threadpool_info()
                     if p["user_api"] == "blas")


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
