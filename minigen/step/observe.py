"""One step of a run, with every op written down: for those who want to see it, or where its time goes.

    for player in observe(run):
        player.terms, player.rows            # the loss; each op in order, those that repeat in one row

The loss and its gradient are computed several times from the same numbers, and of each op's times the shortest is
taken: what else the machine does falls on other ops each time. Then the player moves. A player that moves k times a
step is shown once.

Read before this: train.py (_move is the same, unobserved), autograd/listing.py. Read next: text.py, page.py.
"""
import copy
import math
import os
import time
from dataclasses import dataclass

from autograd import grad
from autograd.listing import listing

from ..optim import clip_factor

REPEATS = 5
LOOP = 60  # ops at most of a loop whose rounds are shown as one


@dataclass
class Row:
    """An op, or `count` equal ones in a row, with "*" in the shape where they differ. group, part: the module that
    called it, dotted, and which of its parts if that has none of its own. where: file:line. gradient: |dL/dy| of the
    last, None for what no gradient passes. Seconds and bytes are of all together."""

    group: str
    part: str
    op: str
    where: str
    shape: tuple
    count: int
    mean: float
    deviation: float
    gradient: float | None
    seconds: float
    back_seconds: float
    size: int
    back_size: int
    kept: int

    @property
    def module(self):
        return f"{self.group}.{self.part}" if self.part else self.group

    @property
    def total_seconds(self):
        return self.seconds + self.back_seconds


@dataclass
class Played:
    """What a player did in the step. kinds: dotted name of a module -> its class. norm: of the gradient; clip: the
    largest that is left of it. kept: bytes that the forward pass holds for the backward pass. step_seconds: of the
    optimizer."""

    name: str
    repeat: int
    terms: dict
    rows: list
    kinds: dict
    norm: float
    clip: float
    step_seconds: float

    @property
    def seconds(self):
        return sum(row.seconds for row in self.rows)

    @property
    def back_seconds(self):
        return sum(row.back_seconds for row in self.rows)

    @property
    def kept(self):
        return sum(row.kept for row in self.rows)

    def groups(self) -> list:
        """[(module, its rows)], in order; a module that is called again comes again."""
        found = []
        for row in self.rows:
            if not found or found[-1][0] != row.group:
                found.append((row.group, []))
            found[-1][1].append(row)
        return found

    def slowest(self, n=5) -> list:
        return sorted(self.rows, key=lambda row: -row.total_seconds)[:n]

    def largest(self, n=5) -> list:
        return sorted(self.rows, key=lambda row: -(row.size + row.kept + row.back_size))[:n]


def observe(run) -> list:
    """Makes one step of a run, and returns what each of its players did: [Played]. The run must be in a stage."""
    if run.stage is None:
        raise ValueError("step: the recipe has no training loop; it was fitted as it was built")
    run.model.train()
    run.model.done = run.done
    return [_observed(run, player) for player in run.players]


def _observed(run, player):
    given = next(run.batches) if player.data else run.stage.batch_size
    modules = dict(run.model.named_modules())
    places = {id(module): _place(name, module) for name, module in modules.items()}
    passes = []
    for attempt in range(REPEATS):
        rng = run.rng if attempt == REPEATS - 1 else copy.deepcopy(run.rng)
        with listing() as seen:
            seen.ignore([p.data for p in run.model.parameters()])
            terms = player.loss(given, rng)
            seen.sweep_begins()
            gradients = grad(next(iter(terms.values())), player.params, allow_unused=True)
        passes.append(seen.ops)
    clip = math.inf if run.stage.clip is None else run.stage.clip
    factor, norm = clip_factor(gradients, clip)
    began = time.perf_counter()
    run.optimizers[player.name].step(gradients, factor, run.done)
    took = time.perf_counter() - began
    return Played(player.name, player.repeat, {name: term.item() for name, term in terms.items()},
                  _rows(_shortest(passes), places), {name: type(m).__name__ for name, m in modules.items()},
                  float(norm), clip, took)


def _place(name, module):
    """(group, part) of what a module calls: one without parts is shown as a part of the one above it."""
    above, _, own = name.rpartition(".")
    return (above, own) if above and not module.children() else (name or type(module).__name__, "")


def _shortest(passes):
    """The last pass, with the shortest time of each op where all passes ran the same ones."""
    *_, last = passes
    if len({len(ops) for ops in passes}) == 1:
        for same in zip(*passes):
            same[-1].seconds = min(op.seconds for op in same)
            same[-1].back_seconds = min(op.back_seconds for op in same)
    return last


def _rows(ops, places):
    rows = []
    for op in ops:
        where = f"{os.path.basename(op.file)}:{op.line}"
        name = op.name.strip("_") + ("'" if op.in_sweep else "")  # a gradient that is itself part of the loss
        rows.append(Row(*op.owner(places, ("-", "")), name, where, op.shape, 1, op.mean, op.deviation, op.gradient,
                        op.seconds, op.back_seconds, op.size, op.back_size, op.kept))
    return _folded(rows, LOOP)


def _folded(rows, longest) -> list:
    """The rows without their repetitions: an op that comes again right after itself, and a stretch of up to `longest`
    ops that does so twice or more, as the steps of a recurrent network or of a walk do, is there once."""
    keys = [(row.module, row.op, row.where, row.shape[1:]) for row in rows]
    kept, i = [], 0
    while i < len(rows):
        period, times = 1, 1
        for p in range(1, longest + 1):
            n = 1
            while i + (n + 1) * p <= len(rows) and keys[i : i + p] == keys[i + n * p : i + (n + 1) * p]:
                n += 1
            if n > (1 if p == 1 else 2) and n * p > period * times:
                period, times = p, n
        stretch = rows[i : i + period]
        for j in range(i + period, i + period * times):
            _add(stretch[(j - i) % period], rows[j])
        kept += _folded(stretch, period - 1) if period > 1 else stretch
        i += period * times
    return kept


def _add(row, again):
    """Takes in another row of the same op: its numbers take the place of those of the row, times and bytes add up."""
    if row.shape != again.shape:
        row.shape = ("*", *again.shape[1:])
    for field in ("count", "seconds", "back_seconds", "size", "back_size", "kept"):
        setattr(row, field, getattr(row, field) + getattr(again, field))
    row.mean, row.deviation, row.gradient = again.mean, again.deviation, again.gradient
