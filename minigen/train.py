"""The training loop: one for all models. It knows players, and nothing about what they play.

One step of a run is

    for each player of the model, `repeat` times:
        batch -> terms = player.loss(batch, rng) -> gradient of the first term -> optimizer step
    then the moving average of the weights follows

A VAE has one player, a GAN has two (the discriminator, perhaps with repeat=5, and the generator), a CycleGAN
four.

Everything random in a run (initial weights, order of the data, noise in the losses) is drawn from one
generator, `rng`. With the weights, the optimizers' moments and the loader's position, its state is all that
the next step depends on: so a run that goes on from a checkpoint is, bit for bit, the run that was never
stopped. What looks at a run on the way (validation, sample grids) therefore draws from generators of its own.

Read before this: optim.py, one model. Read next: recipes.py.
"""
import contextlib
import math
import re
import signal
import statistics
import threading
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from autograd import backend, grad

from . import checkpoint, plot
from .optim import clip_factor
from .player import Player as Player

CHECKPOINT = "checkpoint.safetensors"
SAVE_SECONDS = 15  # between checkpoints
DRAW_SECONDS = 15  # between sample grids
NOTE_SECONDS = 15  # between lines in a log
TIMED_STEPS = 5  # measured before the line that says how long the run will take
VALID_WINDOWS = 32  # validation once in so many windows of the history


class NonFiniteLoss(ArithmeticError):
    """A loss term or a gradient is NaN or infinite. Raised before it changes the player's weights."""


class History:
    """Every loss term of a run of any length in bounded space.

    A term is kept as means over windows of equally many steps. When the windows run out, neighbours merge,
    and each is twice as long from then on. The window of a step depends on nothing but its number, so a
    resumed run continues the very same sums.
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
        self.sums = {name: np.array(state[name]) for name in terms}
        self.window = int(state["window"])


class Run:
    """All that changes while a model trains: what a step works on, and what a checkpoint holds."""

    def __init__(self, model, batches, optimizers, rng, ema=None, clip=None, pace=None):
        self.model, self.batches, self.optimizers = model, batches, optimizers
        self.rng, self.ema, self.clip = rng, ema, clip
        self.pace = pace  # steps of the learning rates' schedules that go by in a second; None: one in each step
        self.players = model.players()
        self.history = History()
        self.step = 0
        self.seconds = 0.0  # spent in training, over all sittings
        self.checkpoint = "no checkpoint was written"  # where the latest is, in words
        self.stopped_by = None  # the name of the signal that ended this sitting early
        for player in self.players:
            if player.name not in optimizers:
                raise ValueError(f"train: player '{player.name}' has no optimizer among {list(optimizers)}")

    def advance(self) -> dict:
        """One step. Returns the loss terms, averaged over a player's repeats; raises NonFiniteLoss."""
        shown = {}
        at = None if self.pace is None else self.pace * self.seconds
        for player in self.players:
            repeats = []
            for _ in range(player.repeat):
                terms = player.loss(next(self.batches), self.rng)
                repeats.append(self._numbers(player, terms))
                for name, number in repeats[-1].items():
                    self._require_finite(player, name, number, repeats[-1])
                gradients = grad(next(iter(terms.values())), player.params)
                factor, norm = clip_factor(gradients, math.inf if self.clip is None else self.clip)
                self._require_finite(player, "norm of the gradient", float(norm), repeats[-1])
                self.optimizers[player.name].step(gradients, factor, None if at is None else player.repeat * at)
            shown |= _means(repeats)
        if self.ema:
            self.ema.update()
        self.step += 1
        return shown

    def validate(self, batches) -> dict:
        """The loss terms in eval mode, averaged over these batches, with the same noise every time. One that is
        not finite is left out: it leaves a gap in the curve, and should not stop the run."""
        rng = backend.rng(0)
        shown = {}
        with in_use(self.model):
            for player in self.players:
                shown |= _means([self._numbers(player, player.loss(batch, rng)) for batch in batches])
        return {name: mean for name, mean in shown.items() if math.isfinite(mean)}

    def _numbers(self, player, terms: dict) -> dict:
        """The terms as Python numbers, under the names that the curves show."""
        numbers = {}
        for name, term in terms.items():
            if term.size != 1:
                raise ValueError(f"train: term '{name}' of player '{player.name}' has shape {term.shape}, "
                                 "expected one number; take its mean over the batch")
            numbers[name if len(self.players) == 1 else f"{player.name}: {name}"] = term.item()
        return numbers

    def _require_finite(self, player, name, number, others: dict) -> None:
        if not math.isfinite(number):
            shown = ", ".join(f"{term} {value:.4g}" for term, value in others.items())
            raise NonFiniteLoss(f"step {self.step}, player '{player.name}': {name} is {number} ({shown}). "
                                f"The run stops; {self.checkpoint}. To have the op named where it begins, go "
                                "on from there with --resume --debug, or under autograd.detect_anomaly()")

    def save(self, path, about: dict) -> None:
        """Writes a checkpoint; about: what else it should tell."""
        tensors = checkpoint.join("model", self.model.state_dict())
        for name, optimizer in self.optimizers.items():
            tensors |= checkpoint.join(f"optimizer.{name}", optimizer.state_dict())
        if self.ema:
            tensors |= checkpoint.join("ema", self.ema.state_dict())
        tensors |= checkpoint.join("history", self.history.state_dict())
        checkpoint.save(path, tensors, {
            **about, "step": self.step, "seconds": self.seconds, "terms": list(self.history.sums),
            "rng": self.rng.bit_generator.state, "loader": self.batches.state_dict()})
        self.checkpoint = f"'{path}' holds step {self.step}"

    def restore(self, path) -> None:
        """Goes back, or forward, to where the checkpoint was written."""
        tensors, meta = checkpoint.load(path)
        self.model.load_state_dict(checkpoint.part("model", tensors))
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(checkpoint.part(f"optimizer.{name}", tensors))
        if self.ema:
            self.ema.load_state_dict(checkpoint.part("ema", tensors))
        self.history.load_state_dict(checkpoint.part("history", tensors), meta["terms"])
        self.step, self.seconds = meta["step"], meta["seconds"]
        self.rng.bit_generator.state = meta["rng"]  # in place: loader and dropout draw from the same object
        self.batches.load_state_dict(meta["loader"])
        self.checkpoint = f"'{path}' holds step {self.step}"


def train(model, batches, optimizers, steps=None, budget=None, planned=None, *, rng, ema=None, clip=None, valid=(),
          out=None, resume=False, samples=64, about=None) -> Run:
    """Trains the model in place until it has made `steps` steps or `budget` seconds are over, whichever comes
    first.

    planned: the number of steps that the learning rates' schedules are made for; with a budget, they are stretched
    or pressed to end when it does. optimizers: player's name -> optimizer of its params. rng: the generator that
    model and batches were made with. ema: an EMA of the model, or None. clip: the largest norm of a player's
    gradient, or None. valid: batches whose losses are drawn beside those of training. out: the folder for
    checkpoint.safetensors, samples.png and curves.png, written about every 15 seconds and at the end; None writes
    nothing. resume: goes on from the checkpoint in `out`, or from step 0 if the run was killed before its first.
    samples: how many are drawn. about: a dict that is kept in the checkpoint.

    SIGINT (Ctrl-C) or SIGTERM ends the run after the current step, saved, and is named in `stopped_by` of the
    Run that is returned; a second one ends it at once. Raises NonFiniteLoss, and leaves the last checkpoint
    as it is.
    """
    if steps is None and budget is None:
        raise ValueError("train: neither steps nor budget is given, so the run would never end")
    run = Run(model, batches, optimizers, rng, ema, clip, planned / budget if planned and budget else None)
    steps, budget = (math.inf if limit is None else limit for limit in (steps, budget))
    if not run.players:
        steps = 0  # a model that was fitted as it was built, by counting
    files = _Files(run, Path(out), resume, samples, valid, about or {}) if out else None
    model.train()
    began = time.perf_counter() - run.seconds

    # NumPy's warnings are off: the check for finite losses names the term and the step, which they cannot.
    with np.errstate(all="ignore"), _noted_signals() as signals, _Progress(run, steps, budget) as progress:
        while run.step < steps and run.seconds < budget and not signals:
            if valid and run.step % (VALID_WINDOWS * run.history.window) == 0:
                run.history.add(run.step, "valid", run.validate(valid))
            terms = run.advance()
            run.history.add(run.step - 1, "train", terms)
            run.seconds = time.perf_counter() - began
            progress.update(terms)
            if files:
                files.update()

    run.stopped_by = signals[0] if signals else None
    if files:
        files.save()
        if not signals:
            files.draw()
    return run


@contextlib.contextmanager
def in_use(model, ema=None):
    """The model as it is used rather than trained: in eval mode, with the averaged weights if it has them."""
    model.eval()
    try:
        with ema.average() if ema else contextlib.nullcontext():
            yield model
    finally:
        model.train()


def draw_samples(model, n, rng, path, data=None) -> None:
    """Draws n samples of the model: images as a grid, points in the plane over `data`."""
    samples = model.sample(n, rng)
    if samples.ndim == 2:
        plot.scatter(samples, path, data=data)
    else:
        plot.grid(samples, path)


class _Files:
    """The files of a run, written when due, and so seldom that they take at most a twentieth of the time."""

    def __init__(self, run, out, resume, samples, valid, about):
        self.run, self.out, self.samples, self.about = run, out, samples, about
        self.data = np.concatenate([x for x, _ in valid]) if valid and valid[0][0].ndim == 2 else None
        self.checkpoint = out / CHECKPOINT
        out.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists() and not resume:
            raise FileExistsError(f"train: '{out}' holds a run; choose another folder or resume it")
        if self.checkpoint.exists():
            run.restore(self.checkpoint)
        else:
            self.save()
        self.save_at, self.draw_at = time.perf_counter() + SAVE_SECONDS, time.perf_counter() + DRAW_SECONDS

    def update(self):
        now = time.perf_counter()
        if now >= self.save_at:
            self.save()
            self.save_at = _next_time(now, SAVE_SECONDS)
        if now >= self.draw_at:
            self.draw()
            self.draw_at = _next_time(now, DRAW_SECONDS)

    def save(self):
        self.run.save(self.checkpoint, self.about)

    def draw(self):
        if self.run.history.sums:
            plot.curves(self.run.history.curves(), self.out / "curves.png")
        with in_use(self.run.model, self.run.ema):
            draw_samples(self.run.model, self.samples, backend.rng(0), self.out / "samples.png", self.data)


class _Progress:
    """The line that says how long the run will take here, and the bar."""

    def __init__(self, run, steps, budget):
        self.run, self.steps, self.budget = run, steps, budget
        self.durations = []  # of the latest steps, all that is done in between included, in seconds
        self.announced = False
        self.smoothed = {}

    def __enter__(self):
        self.bar = tqdm(initial=self.run.step, unit="step", disable=None, dynamic_ncols=True)
        self.last = self.noted = time.perf_counter()
        return self

    def __exit__(self, *error):
        self.bar.close()

    def update(self, terms):
        now = time.perf_counter()
        self.durations = [*self.durations, now - self.last][-50:]
        self.last = now
        step = statistics.median(self.durations[1:] or self.durations)  # the first step is slow: it warms up
        by_budget = max(0.0, (self.budget - self.run.seconds) / step)
        left = round(min(self.steps - self.run.step, by_budget))
        if not self.announced and (len(self.durations) > TIMED_STEPS or sum(self.durations[1:]) > 2):
            self.announced = True
            self.bar.write(f"one step takes {1000 * step:.3g} ms here: {left:,} steps to go, "
                           f"about {format_duration(left * step)}")

        self.smoothed = {name: 0.95 * self.smoothed.get(name, new) + 0.05 * new
                         for name, new in terms.items()}
        self.bar.total = self.run.step + left
        self.bar.set_postfix_str(self._terms(), refresh=False)
        self.bar.update()
        if self.bar.disable and now >= self.noted + NOTE_SECONDS:  # a log, where there is no bar
            self.noted = now
            to_go = format_duration(left * step)
            print(f"step {self.run.step:,} of {self.bar.total:,}, {to_go} to go: {self._terms()}", flush=True)

    def _terms(self):
        return ", ".join(f"{name} {value:.4g}" for name, value in self.smoothed.items())


@contextlib.contextmanager
def _noted_signals():
    """Yields a list to which SIGINT and SIGTERM add their names. The second of a kind acts as usual."""
    noted, before = [], {}

    def note(number, frame):
        noted.append(signal.Signals(number).name)
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
        before |= {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _next_time(began, interval):
    """When to do something again that began at this time and is over now."""
    now = time.perf_counter()
    return now + max(interval, 20 * (now - began))


def _means(rows: list) -> dict:
    return {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}


def parse_duration(text: str) -> float:
    """Seconds in "90s", "5m", "1h30m", "1.5h". ValueError for anything else, and for no time at all."""
    match = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text.strip().lower())
    try:
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
    except (AttributeError, ValueError):
        raise ValueError(f"budget is '{text}', expected a time such as 90s, 5m or 1h30m") from None
    if hours + minutes + seconds == 0:
        raise ValueError(f"budget is '{text}', expected more than nothing, e.g. 90s, 5m or 1h30m")
    return 3600 * hours + 60 * minutes + seconds


def format_duration(seconds: float) -> str:
    """"3 s", "4 min 10 s", "1 h 05 min"."""
    seconds = max(1, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"
