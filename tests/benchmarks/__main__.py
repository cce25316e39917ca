"""Compares minigen with PyTorch on this machine, and prints one table.

    python tests/benchmarks                       # every row
    python tests/benchmarks vae conv              # rows whose name contains a word
    python tests/benchmarks --json results.json   # also as JSON

Each row is one piece of work that both libraries do with the same numbers (rows.py; test_rows.py shows that their
results agree). Every measurement runs in a process of its own, because two thread pools in one process slow each
other; the two libraries take turns, and the ratio is the median over pairs, so that a machine whose speed drifts
slows both. A ratio below 1 means that minigen is faster, or needs less memory. A second table shows minigen alone on
more images and on larger ones: the time per pixel should stay as it is, but for what each call costs at least.

Memory is the peak of the resident set above what it was when the library had been imported. OPENBLAS_CORETYPE is
unset: it would change NumPy's kernels and leave PyTorch's alone.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    options = parse()
    environment = clean_environment(options.threads)
    listed = child(["--list"], environment)
    asked = lambda names: [name for name in names if not options.words or any(word in name for word in options.words)]
    about = describe(environment, options.threads)
    print(about["text"])
    results = {"machine": about, "rows": {}, "scaling": {}}

    print(f"{'row':34}{'minigen':>12}{'PyTorch':>12}{'time ratio':>12}{'memory':>10}{'PyTorch':>10}{'ratio':>8}")
    for name in asked(listed["rows"]):
        pairs = [[run(name, library, environment, options.seconds) for library in ("minigen", "torch")]
                 for _ in range(options.pairs)]
        results["rows"][name] = row = summary(pairs)
        print(f"{name:34}{row['minigen_ms']:9.3f} ms{row['torch_ms']:9.3f} ms{row['time_ratio']:12.2f}"
              f"{row['minigen_mb']:7.1f} MB{row['torch_mb']:7.1f} MB{row['memory_ratio']:8.2f}", flush=True)

    print(f"\n{'scaling':34}{'minigen':>12}{'per pixel':>12}")
    for name in asked(listed["scaling"]):
        ms = statistics.median(run(name, "minigen", environment, options.seconds)["ms"] for _ in range(options.pairs))
        results["scaling"][name] = {"minigen_ms": ms, "pixels": listed["scaling"][name]}
        print(f"{name:34}{ms:9.3f} ms{1e6 * ms / listed['scaling'][name]:9.1f} ns", flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="rows whose name contains one of these; all if there is none")
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each library (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a measurement (default %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for each library (default %(default)s)")
    parser.add_argument("--json", help="file to write the results to")
    return parser.parse_args()


def clean_environment(threads):
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[variable] = str(threads)
    path = [str(HERE.parent.parent), *filter(None, [environment.get("PYTHONPATH")])]
    return environment | {"PYTHONPATH": os.pathsep.join(path)}


def run(name, library, environment, seconds):
    return child([name, library, str(seconds)], environment)


def child(arguments, environment):
    if arguments[0] == "import":
        command = [sys.executable, str(HERE / "import_time.py"), arguments[1]]
    else:
        command = [sys.executable, str(HERE / "measure.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def summary(pairs):
    """Medians over the pairs; a ratio is that of a pair."""
    median = lambda f: statistics.median(f(ours, theirs) for ours, theirs in pairs)
    return {
        "minigen_ms": median(lambda ours, theirs: ours["ms"]),
        "torch_ms": median(lambda ours, theirs: theirs["ms"]),
        "time_ratio": median(lambda ours, theirs: ours["ms"] / theirs["ms"]),
        "minigen_mb": median(lambda ours, theirs: ours["mb"]),
        "torch_mb": median(lambda ours, theirs: theirs["mb"]),
        "memory_ratio": median(lambda ours, theirs: ours["mb"] / max(theirs["mb"], 0.1)),
    }


def describe(environment, threads):
    """What was measured on."""
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
               platform.processor()) if os.path.exists("/proc/cpuinfo") else platform.processor()
    blas = child(["--blas"], environment)
    versions = {name: version(name) for name in ("numpy", "scipy", "torch")} | {"python": platform.python_version()}
    text = (f"{cpu}, {threads} threads; BLAS {blas}; "
            + ", ".join(f"{name} {number}" for name, number in versions.items()))
    return {"cpu": cpu, "threads": threads, "blas": blas, "versions": versions, "text": text}


main()
