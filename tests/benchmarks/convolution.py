"""Measures every rung of docs/convolution.md on this machine: the ways of autograd/cpu, each on what it is made for.

    python tests/benchmarks/convolution.py                             # prints the table, in about a minute
    python tests/benchmarks/convolution.py --record docs/convolution   # also as .json, and in the .md

For each convolution the ways take turns, so that a machine whose speed drifts slows all of them. A turn is the fastest
call within a twentieth of a second; a time is the median over the rounds, and so is a ratio, that of a round. GFLOP/s
count two operations for each term of the sum as it is written, whatever a way really computes. All ways have one
thread, and times are those that it ran, so that other programs count little. With --threads there is one more line for
each convolution, the chosen way on so many threads; its time is that on the wall, and needs a machine at rest. Results
are held against the einsum's before they are timed.
"""
import argparse
import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- figures: written by tests/benchmarks/convolution.py -->\n", "<!-- end of figures -->\n"

CASES = {  # name -> N, C, O, groups, side of the images, taps, stride, padding
    "3x3": (32, 32, 32, 1, 28, 3, 1, 1),
    "1x1": (32, 64, 64, 1, 28, 1, 1, 0),
    "depthwise 3x3": (32, 64, 64, 64, 28, 3, 1, 1),
    "6x6 stride 2": (32, 32, 64, 1, 28, 6, 2, 2),
    "4x4 stride 2, transposed": (32, 32, 64, 1, 28, 4, 2, 1),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each way (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of one more line (default: none)")
    parser.add_argument("--record", metavar="PATH", help="write PATH.json, and the table into PATH.md")
    parser.add_argument("--measure", metavar="CASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return print(json.dumps(measure(options.measure, options.rounds)))
    about, results = machine(), {}
    lines = [f"Measured on {about}.", "", "| convolution | way | ms | GFLOP/s | times rung 1 |", "|---|---|--:|--:|--:|"]
    for name in CASES:
        results[name] = child(name, options, 1)
        chosen = results[name].pop("chosen")
        if options.threads > 1:
            together = child(name, options, options.threads)[chosen]
            together["speedup"] = results[name]["einsum"]["ms"] / together["ms"]
            results[name][f"{options.threads} threads"] = together
        for way, row in results[name].items():
            lines.append(f"| {name} | {way}{' (chosen)' * (way == chosen)} | {row['ms']:.3g} | {row['gflops']:.3g} | "
                         f"{row['speedup']:.3g} |")
            print(lines[-1], flush=True)
    if options.record:
        record = {"machine": about, "rounds": options.rounds, "rows": results}
        Path(f"{options.record}.json").write_text(json.dumps(record, indent=1) + "\n")
        page = Path(f"{options.record}.md")
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(before + BEGIN + "\n".join(["", *lines, "", ""]) + END + rest.partition(END)[2])


def child(name, options, threads):
    """Measures a case in a process of its own, with so many threads."""
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    environment |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    environment["PYTHONPATH"] = str(HERE.parents[1])
    command = [sys.executable, str(HERE / "convolution.py"), "--measure", name, "--rounds", str(options.rounds)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(name, rounds):
    """way -> its time, its rate, and how many times faster than the first it is; and which one the engine chooses."""
    from autograd.cpu import threads
    from autograd.geometry import Geometry

    N, C, O, G, side, taps, stride, padding = CASES[name]
    places = (side + 2 * padding - taps) // stride + 1
    geometry = Geometry((side,) * 2, (taps,) * 2, (places,) * 2, (stride,) * 2, (padding,) * 2, (1, 1))
    rng = np.random.default_rng(0)
    last = lambda n, c, h: np.moveaxis(rng.standard_normal((n, h, h, c), np.float32), -1, 1)  # channels-last
    x, y, w = last(N, C, side), last(N, O, places), rng.standard_normal((O, C // G, taps, taps), np.float32)
    found = ways(name, x, y, w, geometry, G)
    chosen = found.pop("chosen")
    if threads.threads() > 1:
        found = {chosen: found[chosen]}
    expected = next(iter(found.values()))()
    for way in found.values():
        assert np.abs(way() - expected).max() < 1e-4 * np.abs(expected).max()
    times, clock = {way: [] for way in found}, time.thread_time if threads.threads() == 1 else time.perf_counter
    for _ in range(rounds):
        for way, work in found.items():
            times[way].append(turn(work, clock=clock))
    first, operations = next(iter(times.values())), 2 * N * O * C // G * taps**2 * places**2
    rows = {way: {"ms": statistics.median(t) * 1e3, "gflops": operations / statistics.median(t) / 1e9,
                  "speedup": statistics.median(a / b for a, b in zip(first, t))} for way, t in times.items()}
    return rows | {"chosen": chosen}


def turn(work, seconds=0.05, clock=time.perf_counter):
    """The time of the fastest call of those that fit."""
    times, end = [], clock() + seconds
    while not times or clock() < end:
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def ways(name, x, y, w, geometry, G):
    """way -> what computes this convolution so, the slowest first; and "chosen", the one that the engine takes."""
    from autograd.cpu import columns, convolution, depthwise, einsum, pointwise, space_to_depth, winograd

    if name.endswith("transposed"):
        back = {"einsum": einsum.conv_transpose, "columns": columns.conv_transpose, "gather": convolution.gather,
                "gather_blocks": convolution.gather_blocks}
        found = {way: functools.partial(f, y, w, None, geometry, G) for way, f in back.items()}
        return found | {"chosen": convolution.way_back(x.shape[1], len(w), geometry, G).__name__}
    last = {"3x3": winograd, "1x1": pointwise, "depthwise 3x3": depthwise, "6x6 stride 2": space_to_depth}[name]
    label = lambda module: module.__name__.rpartition(".")[2]
    found = {label(module): functools.partial(module.convolve, x, w, None, geometry, G)
             for module in (einsum, columns, last)}

    def one_im2col():
        product = np.matmul(w.reshape(len(w), -1), columns.unfold(x, geometry))
        return product.reshape(len(x), len(w), *geometry.output)

    if G == 1:
        found = {"einsum": found.pop("einsum"), "one im2col": one_im2col} | found
    return found | {"chosen": label(convolution.way(x.shape[1], len(w), geometry, G, x.dtype))}


def machine():
    """What is measured on."""
    import threadpoolctl
    info = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.processor())
    blas = "; ".join(f"{p['internal_api']} {p['version']} {p['architecture']}" for p in threadpoolctl.threadpool_info()
                     if p["user_api"] == "blas")
    return f"{cpu}, BLAS {blas}, numpy {np.__version__}, python {sys.version.split()[0]}"


if __name__ == "__main__":
    main()
