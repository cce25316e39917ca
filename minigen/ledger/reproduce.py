"""`minigen reproduce`: trains and measures recipes as they stand, and writes down what came of it.

Each setting is trained by `minigen train` and measured on the test split, on its first 10,000 examples at most, by
`minigen evaluate`, in processes of their own: so a recipe that fails, or takes all memory, ends alone, and what each
took of time and memory is its own. What is in the ledger by the present sources is not done again. A training that was
stopped or killed goes on where its last checkpoint stands, as its folder bears its fingerprint; so does a reproduction,
by the same command.

    reproduced/vae-digits-1a2ee151/         a run, as any other
    reproduced/logs/vae-digits.txt          what its processes said

Read before this: settings.py, book.py. Read next: render.py.
"""
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from .. import checkpoint, recipes, runs
from ..journal import CHECKPOINT, format_duration, say
from . import book, render
from . import fingerprint as sources
from .fingerprint import ROOTS, fingerprint
from .settings import NOTHING, settings

SPLIT, MEASURED = "test", 10_000  # and the first examples of it, at most
NUMBERS = 3  # of an entry that are said


def add_command(add) -> None:
    sub = add("reproduce", _reproduce, "Trains and measures recipes as they stand, and writes the results down.")
    sub.add_argument("names", metavar="NAME", nargs="*", help="recipes, or RECIPE:DATA; default: all of the scale")
    sub.add_argument("--scale", choices=["quick", "hour"], default="quick", help="quick: all recipes as they are; "
                     "hour: some on larger data; default: quick")
    sub.add_argument("--plan", action="store_true", help="only say what would be done, and how long it would take")
    sub.add_argument("--folder", default="reproduced", help="of the runs; default: reproduced")
    sub.add_argument("--ledger", metavar="FILE", help="default: docs/results.json where there is one, else "
                     "results.json in the folder of the runs; results.md, gallery and README are drawn beside it")


def _reproduce(args) -> int:
    chosen = settings(args.scale, args.names)
    folder, own = Path(args.folder).absolute(), Path("docs/results.json")
    ledger = Path(args.ledger) if args.ledger else own if own.is_file() else folder / "results.json"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    work = Work(folder, ledger, chosen)
    if not work.todo:
        say(f"all {len(chosen)} of these are in '{ledger}', by these sources")
        return 0
    say(work.announcement())
    return 0 if args.plan else work.carry_out()


class Stopped(Exception):
    """A signal asks for an end: 128 + its number."""


class Work:
    """What is to be done: `todo`, Settings in order, each after its parts."""

    def __init__(self, folder, ledger, chosen):
        self.folder, self.ledger, self.process = folder, ledger, None
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        entries = book.load(ledger)
        self.done = {setting for setting in chosen
                     if book.current(entries, setting.command, fingerprint(setting))}
        wanted = set(chosen) - self.done
        for setting in reversed(chosen):  # who is needed by what is to be done must have its run here
            if setting in wanted:
                wanted |= {part for part in setting.parts.values() if part not in self.done or not self._trained(part)}
        if wanted:
            say(f"timing a few steps of each of {len(wanted)}, as far as the ledger does not know this machine")
        self.estimates = {setting: self._estimate(setting, entries) for setting in chosen if setting in wanted}
        self.todo = self._cheapest_first()

    def _cheapest_first(self):
        """The cheapest of those whose parts are done or stand before it, again and again."""
        left, order = dict(self.estimates), []
        while left:
            free = [each for each in left if not any(part in left for part in each.parts.values())]
            order.append(min(free, key=lambda each: left[each]["seconds"]))
            del left[order[-1]]
        return order

    def _estimate(self, setting, entries) -> dict:
        """{"seconds", "parameters"}: as the ledger says of this machine, else by a few steps of training, once."""
        here = book.about_here()["machine"]["cpu"]
        for entry in entries:
            if (entry["kind"], entry["command"]) == ("reproduced", setting.command) and entry["machine"]["cpu"] == here:
                return {"seconds": entry["seconds_in_all"], "parameters": entry["parameters"]}
        kept = self.folder / f"logs/{setting.slug}.json"  # of an earlier call
        words = [] if setting.steps is None else [str(setting.steps)]
        if kept.is_file() and (known := json.loads(kept.read_text()))["fingerprint"] == fingerprint(setting):
            return known
        found = subprocess.run([sys.executable, "-m", "minigen.ledger.timing", setting.recipe, setting.data, *words],
                               env=_environment(), capture_output=True, text=True)
        try:
            known = {**json.loads(found.stdout), "fingerprint": fingerprint(setting)}
            checkpoint.write(kept, json.dumps(known).encode())
            return known
        except ValueError:
            return {"seconds": math.inf, "parameters": None}  # told when it is its turn

    def announcement(self) -> str:
        known = [each["seconds"] for each in self.estimates.values() if math.isfinite(each["seconds"])]
        told = [f"  {setting.command:55} " + (format_duration(seconds) if math.isfinite(
            seconds := self.estimates[setting]["seconds"]) else "could not be timed") for setting in self.todo]
        return "\n".join([f"to be done here, {len(self.done)} being done already:", *told,
                          f"about {format_duration(sum(known))} of training in all, and the time of the evaluations"])

    def carry_out(self) -> int:
        failed = set()
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for number, setting in enumerate(self.todo, 1):
                began = time.perf_counter()
                where = f"[{number}/{len(self.todo)}] {setting.command}: "
                missing = [part.command for part in setting.parts.values() if part in failed]
                try:
                    if missing:
                        raise RuntimeError(f"its part failed: {', '.join(missing)}")
                    told = self._reproduce(setting)
                    say(f"{where}{format_duration(time.perf_counter() - began)}; {told}")
                except (RuntimeError, OSError, ValueError) as error:
                    failed.add(setting)
                    say(f"{where}failed: {' '.join(str(error).split())}")
        except Stopped as stopped:
            say("stopped; the same command goes on from here")
            return stopped.args[0]
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        say(f"{len(self.todo) - len(failed)} done, {len(failed)} failed: see '{self.ledger}'")
        return 1 if failed else 0

    def _stop(self, number, frame):
        if self.process and self.process.returncode is None:
            self.process.terminate()  # a training ends after its step, saved
            self.process.wait()
        raise Stopped(128 + number)

    # One setting

    def run_folder(self, setting) -> Path:
        return self.folder / f"{setting.slug}-{fingerprint(setting)[:8]}"

    def _trained(self, setting) -> bool:
        path = self.run_folder(setting) / CHECKPOINT
        return path.is_file() and bool(runs.read(path)[1].get("finished"))

    def _reproduce(self, setting) -> str:
        """Trains what is not trained yet, measures, draws, and writes down. Returns the first of the numbers."""
        sources.forget()
        began_as = fingerprint(setting)
        run, log = self.run_folder(setting), self.folder / "logs" / f"{setting.slug}.txt"
        log.write_text("")
        before = runs.read(run / CHECKPOINT)[1] if (run / CHECKPOINT).is_file() else {}
        parts = [word for name, part in setting.parts.items()
                 for word in ("--part", f"{name}={self.run_folder(part)}")]
        trained = self._process(log, "minigen", "train", setting.recipe, *setting.options, *parts, "--resume",
                                "--out", str(run))
        measured = self._process(log, "minigen", "evaluate", str(run), "--split", SPLIT, "-n", str(MEASURED))
        sources.forget()
        if fingerprint(setting) != began_as:
            raise RuntimeError("its sources were edited meanwhile, and nothing is written down; begin it again")
        entry = self._entry(setting, run, before, trained, measured)
        book.add(self.ledger, entry)
        told = ", ".join(f"{each['name']} {render.number(each)}" for each in entry["measures"][:NUMBERS])
        try:
            self._draw(setting, run, log)
        except RuntimeError as error:  # what was measured is worth more than a picture of it
            told += f"; not drawn: {error}"
        render.everything(self.ledger, book.load(self.ledger))  # others may have added theirs
        return told

    def _process(self, log, module, *words) -> dict:
        """Runs a module. Returns {"seconds", "cpu_seconds", "peak_memory_mb"}; RuntimeError tells its last line."""
        began = time.perf_counter()
        with open(log, "a", encoding="utf-8") as said:
            said.write(f"\n$ python -m {module} {' '.join(words)}\n")
            said.flush()
            self.process = subprocess.Popen([sys.executable, "-m", module, *words], env=_environment(), stdout=said,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            used = _wait(self.process)
        if self.process.returncode:
            lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
            raise RuntimeError(f"status {self.process.returncode}, {lines[-1][:300]}")
        return {"seconds": time.perf_counter() - began, **used}

    def _draw(self, setting, run, log):
        path = self.ledger.parent / "gallery" / f"{setting.slug}.png"
        path.parent.mkdir(exist_ok=True)
        try:
            self._process(log, "minigen.ledger.pictures", str(run), setting.command, str(path))
        except RuntimeError:
            if self.process.returncode != NOTHING:
                raise

    def _entry(self, setting, run, before, trained, measured) -> dict:
        _, meta = runs.read(run / CHECKPOINT)
        figures = json.loads((run / "figures.json").read_text(encoding="utf-8"))
        known, steps = recipes.find(setting.recipe), meta["step"]
        took = {f"{kind}_in_all": round(trained[kind] + measured[kind] + before.get(kind, 0.0), 1)
                for kind in ("seconds", "cpu_seconds")}
        return {"kind": "reproduced", "command": setting.command, "recipe": setting.recipe, "family": known.family,
                "data": setting.data, "split": figures["split"], "examples": figures["examples"],
                "seed": figures["seed"], "measures": book.measures(figures["figures"]), "steps": steps,
                "seconds_per_step": meta["seconds"] / steps if steps else 0.0, "seconds": round(meta["seconds"], 1),
                "cpu_seconds": round(meta["cpu_seconds"], 1), **took,
                "peak_memory_mb": max(trained["peak_memory_mb"], measured["peak_memory_mb"]),
                "parameters": self.estimates[setting]["parameters"], **book.about_here(),
                "fingerprint": fingerprint(setting)}


def _environment() -> dict:
    """Of a process that is to find this very minigen, wherever it is called."""
    found = [str(ROOTS["minigen"].parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found)}


def _wait(process) -> dict:
    """Waits for a process. What it used: CPU seconds, and megabytes at most."""
    if not hasattr(os, "wait4"):  # on Windows
        process.wait()
        return {"cpu_seconds": 0.0, "peak_memory_mb": 0}
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in bytes
    return {"cpu_seconds": used.ru_utime + used.ru_stime, "peak_memory_mb": round(used.ru_maxrss * unit / 2**20)}
