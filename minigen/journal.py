"""Journal: what is seen of a run while it goes on: its curves, how long it will take, pictures and checkpoints.

A journal changes nothing: what it draws and validates with comes from generators of its own, and a run with a journal
is, bit for bit, the run without. Read before this: train.py, whose loop asks it to note every step.
"""
import math
import os
import re
import signal
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from . import plot

CHECKPOINT = "checkpoint.safetensors"
SAVE_SECONDS = 15  # between checkpoints
DRAW_SECONDS = 15  # between sample grids
NOTE_SECONDS = 15  # between lines in a log
RETRY_SECONDS = 60  # after a file that could not be written
TIMED_STEPS = 5  # measured before the line that says how long the run will take
VALID_WINDOWS = 32  # validation once in so many windows of the history


class History:
    """Every loss term of a run of any length in bounded space.

    A term is kept as means over windows of equally many steps. When the windows run out, neighbours merge, and each is
    twice as long from then on. The window of a step depends on nothing but its number, so a resumed run continues the
    very same sums.
    """

    WINDOWS = 1024

    def __init__(self):
        self.window = 1  # steps
        self.sums = {}  # "train/term" or "valid/term" -> (2, WINDOWS): sum of the values, number of values

    def add(self, step: int, split: str, terms: dict) -> None:
        while step >= self.window * self.WINDOWS:
            self.window *= 2
            for name, sums in self.sums.items():
                merged = sums.reshape(2, -1, 2).sum(axis=2)
                self.sums[name] = np.concatenate([merged, np.zeros_like(merged)], axis=1)
        for term, value in terms.items():
            sums = self.sums.setdefault(f"{split}/{term}", np.zeros((2, self.WINDOWS)))
            sums[:, step // self.window] += value, 1

    def curves(self) -> dict:
        """"train/term" or "valid/term" -> (steps, means), for plot.curves."""
        return {name: (self.window * np.flatnonzero(sums[1]), sums[0, sums[1] > 0] / sums[1, sums[1] > 0])
                for name, sums in self.sums.items()}

    def state_dict(self) -> dict:
        """"window", and the sums of each term: NumPy arrays."""
        return {"window": np.array(self.window), **self.sums}

    def load_state_dict(self, state: dict, terms: list) -> None:
        """Restores a state_dict; terms: its names in their order, which a file of arrays does not keep."""
        window = int(state["window"])
        if window < 1 or any(state[name].shape != (2, self.WINDOWS) for name in terms):
            raise ValueError(f"the history of the run is damaged: a window of {window} steps")
        self.sums = {name: np.array(state[name]) for name in terms}
        self.window = window


class Journal:
    """Notes each step of a run; in a `with` block it also takes the signals that are to end it.

    out: a folder for checkpoint.safetensors, curves.png and samples.png, written about every 15 seconds, and at the
    end; None writes nothing. valid: a Dataset whose losses are drawn beside those of training. draw: path -> None,
    draws samples. metadata: a dict that is kept in the checkpoint. A file that cannot be written (a full disk, a folder
    that is gone) is named, tried again later, and does not stop the run.
    """

    def __init__(self, out=None, valid=None, draw=None, metadata=None):
        self.out, self.valid, self.draw, self.metadata = out and Path(out), valid, draw, metadata or {}
        self.stopped_by = None  # the name of the signal that is to end the run
        self.unsaved = None  # why the latest checkpoint could not be written, in words
        self.progress = _Progress()

    def __enter__(self):
        self.signals = _Signals()
        now = time.perf_counter()
        self.save_at, self.draw_at = now + SAVE_SECONDS, now + DRAW_SECONDS
        return self

    def __exit__(self, *error):
        self.progress.close()
        self.signals.restore()

    def before(self, run) -> None:
        """Looks at a run that is about to make a step."""
        if self.valid is not None and run.step % (VALID_WINDOWS * run.history.window) == 0:
            run.history.add(run.step, "valid", run.validate(self.valid))

    def note(self, run, terms) -> None:
        """Takes in the loss terms of the step that has just been made."""
        run.history.add(run.step - 1, "train", terms)
        self.progress.update(run, terms)
        self.stopped_by = self.signals.first
        now = time.perf_counter()
        if self.out and now >= self.save_at:
            self.save_at = _next_time(now, SAVE_SECONDS if self.save(run) else RETRY_SECONDS)
        if self.out and now >= self.draw_at:
            self.draw_at = _next_time(now, DRAW_SECONDS if self.draw_pictures(run) else RETRY_SECONDS)

    def save(self, run) -> bool:
        """Writes the checkpoint. Returns whether that went well."""
        before = self.unsaved
        self.unsaved = self._attempt(lambda: run.save(self.out / CHECKPOINT, self.metadata))
        if self.unsaved and not before:
            self.progress.write(f"the checkpoint could not be written: {self.unsaved}; the run goes on, and tries "
                                "again")
        elif before and not self.unsaved:
            self.progress.write("the checkpoint is written again")
        return not self.unsaved

    def draw_pictures(self, run) -> bool:
        """Writes curves.png, and samples.png where the model draws any. Returns whether that went well."""
        if run.history.sums:
            failed = self._attempt(lambda: plot.curves(run.history.curves(), self.out / "curves.png"))
            if failed:
                self.progress.write(f"no picture could be written: {failed}")
                return False
        if self.draw:
            with run.evaluating():
                failed = self._attempt(lambda: self.draw(self.out / "samples.png"))
            if failed:
                self.progress.write(f"no samples could be drawn: {failed}")
                return False
        return True

    def end(self, run) -> None:
        """The last checkpoint, and unless a signal ended the run, the last pictures."""
        if self.out:
            self.save(run)
            if not self.stopped_by:
                self.draw_pictures(run)

    def _attempt(self, write):
        """What went wrong in the file system when writing, in words; None if nothing did."""
        try:
            write()
        except OSError as error:
            return f"{(error.strerror or str(error)).lower()}: '{error.filename or self.out}'"
        return None


class _Progress:
    """The line that says how long the run will take here, and the bar."""

    def __init__(self):
        self.bar = None
        self.durations = []  # of the latest steps, all that is done in between included, in seconds
        self.announced = False
        self.smoothed = {}
        self.stage = None

    def update(self, run, terms) -> None:
        now = time.perf_counter()
        if self.bar is None:
            self.bar = tqdm(initial=run.step - 1, unit="step", disable=None, dynamic_ncols=True)
            self.noted, self.last = now, run.began_at
        stages = len(run.plan.stages)
        if stages > 1 and run.number != self.stage:
            self.stage, self.smoothed = run.number, {}
            self.write(f"stage {run.number + 1} of {stages}: {run.stage.name}")
        self.durations = [*self.durations, now - self.last][-50:]
        self.last = now
        step = statistics.median(self.durations[1:] or self.durations)  # the first step is slow: it warms up
        left = run.steps_left(step)
        if not self.announced and (len(self.durations) > TIMED_STEPS or sum(self.durations[1:]) > 2):
            self.announced = True
            by = f" with {run.world.size} workers" if run.world.size > 1 else ""
            self.write(f"one step takes {1000 * step:.3g} ms here{by}: {left:,} steps to go, "
                       f"about {format_duration(left * step)}")

        self.smoothed = {name: 0.95 * self.smoothed.get(name, new) + 0.05 * new for name, new in terms.items()}
        self.bar.total = run.step + left
        self.bar.set_postfix_str(self._terms(), refresh=False)
        self.bar.update()
        if self.bar.disable and now >= self.noted + NOTE_SECONDS:  # a log, where there is no bar
            self.noted = now
            to_go = format_duration(left * step)
            self.write(f"step {run.step:,} of {self.bar.total:,}, {to_go} to go: {self._terms()}")

    def write(self, line) -> None:
        """Says a line above the bar."""
        if self.bar is None or self.bar.disable:
            return say(line)
        self.bar.clear()
        say(line)
        self.bar.refresh()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def _terms(self):
        return ", ".join(f"{name} {value:.4g}" for name, value in self.smoothed.items())


class _Signals:
    """Notes the first SIGINT, SIGTERM or SIGHUP. The second of a kind acts as usual."""

    def __init__(self):
        self.first, self.before = None, {}
        if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
            kinds = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
            self.before = {kind: signal.signal(kind, self._note) for kind in kinds
                           if signal.getsignal(kind) is not signal.SIG_IGN}  # as under nohup

    def _note(self, number, frame):
        self.first = self.first or signal.Signals(number).name
        signal.signal(number, self.before[number])

    def restore(self):
        for number, handler in self.before.items():
            signal.signal(number, handler)


def say(line) -> None:
    """Prints a line, if anybody reads: a closed pipe or stream, or letters that it does not have, do not end a run."""
    try:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        print(line.encode(encoding, "replace").decode(encoding), flush=True)
    except (OSError, ValueError, AttributeError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # so that Python's last flush does not complain either


def _next_time(began, interval):
    """When to do something again that began at this time and is over now: so seldom that it takes a twentieth."""
    now = time.perf_counter()
    return now + max(interval, 20 * (now - began))


def parse_duration(text: str) -> float:
    """Seconds in "90s", "5m", "1h30m", "1.5h". ValueError for anything else, and for no time at all."""
    match = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text.strip().lower(), re.ASCII)
    try:
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
    except (AttributeError, ValueError):
        raise ValueError(f"budget is '{text[:40]}', expected a time such as 90s, 5m or 1h30m") from None
    seconds += 3600 * hours + 60 * minutes
    if not 0 < seconds < math.inf:
        raise ValueError(f"budget is '{text[:40]}', expected more than nothing, e.g. 90s, 5m or 1h30m")
    return seconds


def format_duration(seconds: float) -> str:
    """"3 s", "4 min 10 s", "1 h 05 min"."""
    seconds = max(1, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"
