"""Compares minigen with PyTorch on this machine, and prints one table.

    python tests/benchmarks                       # every row
    python tests/benchmarks vae conv              # rows whose name contains a word
    python tests/benchmarks --record docs/cpu     # also as docs/cpu.json and docs/cpu.md

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
    results = {"machine": about, "rows": {}, "scaling": {}}
    lines = []

    def say(*cells):
        lines.append(f"| {' | '.join(cells)} |")
        print(f"{cells[0]:34}" + "".join(f"{cell:>14}" for cell in cells[1:]), flush=True)

    print(about["text"])
    say("row", "minigen", "PyTorch", "time ratio", "minigen", "PyTorch", "memory ratio")
    lines.append("|---" + "|--:" * 6 + "|")
    for name in asked(listed["rows"]):
        pairs = [[run(name, library, environment, options.seconds) for library in ("minigen", "torch")]
                 for _ in range(options.pairs)]
        results["rows"][name] = row = summary(pairs)
        say(name, f"{row['minigen_ms']:.3g} ms", f"{row['torch_ms']:.3g} ms", f"{row['time_ratio']:.2f}",
            f"{row['minigen_mb']:.1f} MB", f"{row['torch_mb']:.1f} MB", f"{row['memory_ratio']:.2f}")

    lines.append("")
    say("scaling", "minigen", "per pixel")
    lines.append("|---|--:|--:|")
    for name in asked(listed["scaling"]):
        ms = statistics.median(run(name, "minigen", environment, options.seconds)["ms"] for _ in range(options.pairs))
        results["scaling"][name] = {"minigen_ms": ms, "pixels": listed["scaling"][name]}
        say(name, f"{ms:.3g} ms", f"{1e3 * ms / listed['scaling'][name]:.3g} us")
    if options.record:
        Path(f"{options.record}.json").write_text(json.dumps(results, indent=1) + "\n")
        title = f"# minigen beside PyTorch\n\n    python tests/benchmarks {' '.join(sys.argv[1:])}\n\n{about['text']}"
        Path(f"{options.record}.md").write_text("\n".join([f"{title}\n", *lines, ""]))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="rows whose name contains one of these; all if there is none")
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each library (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a measurement (default %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for each library (default %(default)s)")
    parser.add_argument("--record", metavar="PATH", help="write PATH.json and PATH.md")
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
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True)
    commit = git.stdout.strip() or "unknown"
    text = (f"{cpu}, {threads} threads; BLAS {blas}; "
            + ", ".join(f"{name} {number}" for name, number in versions.items()) + f"; commit {commit}")
    return {"cpu": cpu, "threads": threads, "blas": blas, "versions": versions, "commit": commit, "text": text}


main()
