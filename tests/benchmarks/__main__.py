"""Compares minigen with PyTorch on this machine, and prints one table.

    python tests/benchmarks                       # every row
    python tests/benchmarks vae conv              # rows whose name contains a word
    python tests/benchmarks --record docs/cpu     # also as docs/cpu.json and docs/cpu.md

minigen is measured twice: as one process with as many threads as PyTorch, and as so many workers of one thread each
(docs/parallel.md), which only the rows of whole models have. Each row is one piece of work that both libraries do with the same numbers (rows.py; test_rows.py shows that their
results agree). Every measurement runs in a process of its own, because two thread pools in one process slow each
other; they take turns, and a ratio is the median over pairs, so that a machine whose speed drifts slows both; the times
beside it are those of that pair. A ratio below 1 means that minigen is faster, or needs less memory. A second table shows minigen alone on
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
        print(f"{cells[0]:36}" + "".join(f"{cell:>11}" for cell in cells[1:]), flush=True)

    print(about["text"])
    workers = f"{options.workers} workers"
    say("row", "minigen", "PyTorch", "ratio", workers, "PyTorch", "ratio", "minigen", workers, "PyTorch", "ratio", "ratio")
    lines.append("|---" + "|--:" * 11 + "|")
    for name in asked(listed["rows"]):
        sides = ["minigen", *[str(options.workers)] * (name in listed["shared"]), "torch"]
        rounds = [{side: run(name, side, environment, options.seconds) for side in sides} for _ in range(options.pairs)]
        results["rows"][name] = row = summary(rounds)
        one, several = row["minigen"], row.get(str(options.workers))
        say(name, *times(one), *times(several), megabytes(one, "mb"), megabytes(several, "mb"), megabytes(one, "torch_mb"),
            *(f"{each['memory_ratio']:.2f}" if each else "" for each in (one, several)))

    lines.append("")
    say("scaling", "minigen", "per pixel")
    lines.append("|---|--:|--:|")
    for name in asked(listed["scaling"]):
        ms = statistics.median(run(name, "minigen", environment, options.seconds)["ms"] for _ in range(options.pairs))
        results["scaling"][name] = {"minigen_ms": ms, "pixels": listed["scaling"][name]}
        say(name, duration(ms), f"{1e3 * ms / listed['scaling'][name]:.3g} us")
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
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="of one thread each (default %(default)s)")
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


def summary(rounds):
    """For each side but PyTorch's: the times of the pair whose ratio is the median, and medians of memory."""
    found = {}
    for side in rounds[0].keys() - {"torch"}:
        ours, theirs = sorted(((each[side], each["torch"]) for each in rounds),
                              key=lambda pair: pair[0]["ms"] / pair[1]["ms"])[len(rounds) // 2]
        mb, torch_mb = (statistics.median(each[library]["mb"] for each in rounds) for library in (side, "torch"))
        found[side] = {"ms": ours["ms"], "torch_ms": theirs["ms"], "time_ratio": ours["ms"] / theirs["ms"],
                       "mb": mb, "torch_mb": torch_mb, "memory_ratio": mb / max(torch_mb, 0.1)}
    return found


def times(row):
    return (duration(row["ms"]), duration(row["torch_ms"]), f"{row['time_ratio']:.2f}") if row else ("", "", "")


def duration(ms):
    return f"{ms / 1000:.3g} s" if ms >= 9999.5 else f"{ms:,.0f} ms" if ms >= 999.5 else f"{ms:.3g} ms"


def megabytes(row, key):
    return f"{row[key]:.1f} MB" if row else ""


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
