"""The ledger: a JSON file of results, each with all that it needs to be read, doubted, and had again.

    {"entries": [{"kind": "reproduced", "command": "minigen train vae", "measures": [...], ...},
                 {"kind": "printed", "command": "python examples/...", "text": "...", ...}]}

An entry of kind "reproduced" was made by `minigen reproduce`: the command, the split and how many of its examples,
every measure with its interval and what real data have, what it cost, on which machine, by which versions, at which
commit, and a fingerprint of the sources. One of kind "printed" is a sentence about what another command printed, at the
commit at which it was written down. Read before this: fingerprint.py. Read next: render.py.
"""
import contextlib
import json
import os
import platform
import re
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import scipy
from threadpoolctl import threadpool_info

from .. import checkpoint, runs
from .fingerprint import ROOTS

DIGITS = 7
FLOOR = re.compile(r"the training set: ([-\d.e+]+(?: ± [\d.e+-]+)?)\s*(?:$|[;,)])")


def load(path) -> list:
    """The entries of a ledger; none if there is no file yet. ValueError for what is no ledger."""
    path = Path(path)
    if not path.is_file():
        return []
    try:
        return json.loads(path.read_text(encoding="utf-8"))["entries"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{path}' is damaged, or no ledger ({type(error).__name__}: {str(error)[:100]})") from error


def save(path, entries) -> None:
    text = json.dumps({"entries": entries}, indent=1, ensure_ascii=False, allow_nan=False)  # for git, a field a line
    checkpoint.write(path, (text + "\n").encode())


def add(path, entry) -> list:
    """Puts an entry into the ledger, in the place of an earlier one of the same command; nobody else writes meanwhile.
    Returns all entries."""
    with _alone(Path(path).parent):
        entries = load(path)
        same = [i for i, old in enumerate(entries) if (old["kind"], old["command"]) == ("reproduced", entry["command"])]
        if same:
            entries[same[0]] = entry
        else:  # before the sentences, so that who adds one of these at the end is not in the way
            entries.insert(sum(old["kind"] == "reproduced" for old in entries), entry)
        save(path, entries)
    return entries


def current(entries, command, fingerprint) -> bool:
    """Whether there is an entry of this command by these sources."""
    return any(entry["kind"] == "reproduced" and entry["command"] == command and entry["fingerprint"] == fingerprint
               for entry in entries)


def measures(figures) -> list:
    """The measures of a figures.json, to DIGITS digits; beside each, where its detail tells it, what real data have."""
    return [{**figure, "value": _short(figure["value"]), "half_width": _short(figure["half_width"]),
             "floor": found[1] if (found := FLOOR.search(figure["detail"])) else None} for figure in figures]


def _short(number):
    return float(f"{number:.{DIGITS}g}") if isinstance(number, float) else number


def about_here() -> dict:
    """Machine, versions and commit, without names of hosts or folders."""
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {"machine": {"cpu": _cpu(), "cores": os.cpu_count(), "threads": max((pool["num_threads"] for pool in blas),
                                                                               default=1)},
            "versions": {"minigen": _version("minigen"), "python": platform.python_version(), "numpy": np.__version__,
                         "scipy": scipy.__version__, "blas": " ".join(sorted({
                             f"{pool['internal_api']} {pool['version']}" for pool in blas}))},
            "commit": _commit()}


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package):
    with contextlib.suppress(PackageNotFoundError):
        return version(package)
    return None


def _commit():
    """Of the sources that run; with a + if they have been changed since, None if git does not know them."""
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOTS["minigen"].parent), *words], capture_output=True, text=True,
                              check=True).stdout.strip()
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        changed = git("status", "--porcelain", "--untracked-files=no", "--", *ROOTS)
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    return None


@contextlib.contextmanager
def _alone(folder, patience=30.0):
    """Context in which no other process has this folder's lock; waits for it so many seconds."""
    until = time.monotonic() + patience
    while True:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(runs.locked(folder))
            except RuntimeError:
                if time.monotonic() > until:
                    raise
            else:
                yield
                return
        time.sleep(0.1)
