"""Training: a plan of stages, and the one loop that carries it out. It knows players, and nothing of what they play.

One step of a run is

    for each player of the stage, `repeat` times:
        batch -> terms = player.loss(batch, rng) -> gradient of the first term -> optimizer step
    then the moving average of the weights follows

A VAE has one player, a GAN two (the discriminator, perhaps with repeat=5, and the generator), a CycleGAN four. An
autoencoder and a prior on its codes are two stages; a network that grows has a stage for each of its sizes.

There is one clock: `done`, from 0 to 1, how much of a stage is over. Learning rates are functions of it, and so is
whatever else changes on the way, as it stands in `model.done` before each step: a temperature, the weight of a KL term,
a fade-in. So a run of other length is the same run, stretched.

Several workers (parallel/world.py) have such a run each: of every batch each has its rows, and all have the sum of the
gradients, so that it is the run of one. Only the first has a journal.

Everything random in a run (initial weights, order of the data, noise in the losses) is drawn from one generator, `rng`.
With the weights, the optimizers' moments and the loader's position, its state is all that the next step depends on: so
a run that goes on from a checkpoint is, bit for bit, the run that was never stopped.

Read before this: player.py, optim.py, one model. Read next: journal.py, recipes/, docs/parallel.md.
"""
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from autograd import backend, grad

from . import checkpoint
from .ema import EMA, evaluating
from .journal import TIMED_STEPS, History, Journal
from .nn import Module
from .optim import clip_factor
from .parallel.world import World
from .resume import load_weights, read_run, require_equal

VALID_EXAMPLES = 500  # of a valid split, for the curves


@dataclass
class Stage:
    """One stretch of training: who moves, by which rule, for how long, on which view of the data.

    players: () -> [Player], asked when the stage begins, as a network may have grown. optimizers: a player's params ->
    Optimizer; or a dict of such functions by the player's name. view: Dataset -> Dataset. begin: () -> None, called
    first: it grows the network. ema: (module, decay), an average of the weights of what samples are drawn with, and of
    nothing else. clip: the largest norm of a player's gradient. captured: (optimizer, batch size, seed, clip) -> a step
    batch -> {name: scalar} that runs on a GPU without Python, in the place of the first player's.
    """

    name: str
    players: Callable
    optimizers: Callable | dict
    steps: int
    batch_size: int
    view: Callable | None = None
    begin: Callable | None = None
    ema: tuple | None = None
    clip: float | None = None
    captured: Callable | None = None


@dataclass
class Plan:
    """A model, and the stages in which it is trained: none for one that was fitted as it was built, by counting."""

    model: Module
    stages: list = field(default_factory=list)

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def one_stage(model, optimizers, steps, batch_size, ema=None, **settings) -> Plan:
    """The plan of a model whose players all move from the beginning to the end. ema: a decay, for all of the model, or
    (module, decay). settings: other fields of Stage."""
    ema = (model, ema) if isinstance(ema, float) else ema
    return Plan(model, [Stage("training", model.players, optimizers, steps, batch_size, ema=ema, **settings)])


class NonFiniteLoss(ArithmeticError):
    """A loss term or a gradient is NaN or infinite. Raised before it changes the player's weights, but for a captured
    step, which has done all of its work by then."""


class Run:
    """A plan on its way: all that a step works on, and that a checkpoint holds.

    data: a Dataset, or Unpaired ones. rng: the generator that the model was made with. steps, budget (seconds): how
    long the whole plan may take; each stage gets its share. The plan's own steps if both are None, no limit of steps if
    only the budget is given, whichever comes first if both are. captured: whether a stage's captured step is used; left
    out, where there is a GPU. world: the workers that share every batch, each of which has such a run, with an rng that
    is the world's; left out, there is one.
    """

    def __init__(self, plan, data, *, rng, steps=None, budget=None, captured=None, world=None):
        self.plan, self.model, self.data, self.rng, self.world = plan, plan.model, data, rng, world or World()
        if self.world.size > 1 and rng is not self.world.draws:
            raise ValueError("train: several workers must draw from one generator; make the model with world.rng(seed)")
        self.captured = (backend.device() == "cuda" if captured is None else captured) and self.world.size == 1
        steps = plan.steps if steps is None and budget is None else steps
        self.steps, self.budget = (math.inf if limit is None else limit for limit in (steps, budget))
        if self.steps < len(plan.stages):
            raise ValueError(f"train: steps is {steps}, and the plan has {len(plan.stages)} stages; give one to each")
        self.history = History()
        self.step, self.seconds, self.cpu_seconds = 0, 0.0, 0.0  # made, and spent, over all sittings
        self.number, self.stage, self.ema, self.optimizers, self.batches = -1, None, None, {}, None
        self.players, self.seed = [], None
        self.checkpoint = "no checkpoint was written"  # where the latest is, in words
        self.began_at = time.perf_counter()
        if plan.stages:
            self._enter(0)

    # The clock

    @property
    def done(self) -> float:
        """How much of the stage is over, from 0 to 1."""
        return min(1.0, max((self.step - self.first_step) / self.stage_steps,
                            (self.seconds - self.first_second) / self.stage_budget))

    @property
    def over(self) -> bool:
        """Whether the last stage is."""
        return not self.plan.stages or self.number == len(self.plan.stages) - 1 and self.done >= 1.0

    def rates(self) -> str:
        """The learning rates as they are now, in words."""
        rates = {name: optimizer.rate(self.done) for name, optimizer in self.optimizers.items()}
        return "learning rate " + ", ".join(f"{rate:.3g}" if len(rates) == 1 else f"{name} {rate:.3g}"
                                            for name, rate in rates.items())

    def steps_left(self, seconds) -> int:
        """How many steps the run will still make, if each takes so many seconds."""
        return max(0, round(min(self.steps - self.step, (self.budget - self.seconds) / max(seconds, 1e-9))))

    def _enter(self, number):
        """Begins a stage. Its share of what is left is that of its steps among those of the stages that are left."""
        self._settle(self.plan.stages[number])
        self.number, self.stage = number, self.plan.stages[number]
        stage = self.stage
        if stage.begin:
            stage.begin()
        self.players = stage.players()
        self.optimizers = {player.name: self._optimizer(player) for player in self.players}
        self.batches = self._seen(self.data).batches(stage.batch_size, self.rng)
        averaged = EMA(*stage.ema) if stage.ema else None
        if averaged and self.ema:
            averaged.continue_from(self.ema)
        self.ema = averaged
        self.first_step, self.first_second = self.step, self.seconds
        self._share_limits()
        self.seed = int(self.rng.integers(2**63)) if stage.captured and self.captured else None
        self._capture()

    def _settle(self, following):
        """The averages that a stage ends with become the weights, unless the next one goes on averaging."""
        if self.ema and not (following.ema and following.ema[0] is self.stage.ema[0]):
            self.ema.settle()
            self.ema = None

    def _share_limits(self):
        share = self.stage.steps / sum(stage.steps for stage in self.plan.stages[self.number:])
        rest = self.steps - self.first_step
        most = rest - len(self.plan.stages[self.number + 1:])  # one at least for each that follows
        self.stage_steps = max(1, min(most, round(share * rest))) if math.isfinite(rest) else math.inf
        self.stage_budget = share * max(1e-9, self.budget - self.first_second)

    def _optimizer(self, player):
        makers = self.stage.optimizers
        if isinstance(makers, dict) and player.name not in makers:
            raise ValueError(f"train: player '{player.name}' has no optimizer among {list(makers)}")
        return (makers[player.name] if isinstance(makers, dict) else makers)(player.params)

    def _capture(self):
        self.replay = None
        if self.seed is not None:
            optimizer = self.optimizers[self.players[0].name]
            self.replay = self.stage.captured(optimizer, self.stage.batch_size, self.seed, self.stage.clip)

    # A step

    def advance(self) -> dict:
        """One step. Returns the loss terms, averaged over a player's repeats; raises NonFiniteLoss."""
        if self.done >= 1.0:
            self._enter(self.number + 1)
        self._tell_the_model()
        done = self.model.done
        if self.replay:
            terms = self._captured_step(done)
        else:
            terms = {name: number for player in self.players for name, number in self._move(player, done).items()}
        if self.ema:
            self.ema.update()
        self.step += 1
        return terms

    def _move(self, player, done):
        """The player's part of a step: from a worker's rows of the batch to the gradient of the whole."""
        repeats = []
        for _ in range(player.repeat):
            with self.world.share(next(self.batches) if player.data else self.stage.batch_size) as rows:
                terms = player.loss(rows, self.rng)
                numbers = self._numbers(player, terms)
                self._require_finite(player, numbers)
                own = grad(self.world.part(next(iter(terms.values()))), player.params, allow_unused=True)
            gradients, numbers = self.world.add(own, numbers)
            repeats.append(numbers)
            factor, norm = clip_factor(gradients, math.inf if self.stage.clip is None else self.stage.clip)
            self._require_finite(player, {"norm of the gradient": float(norm), **numbers}, own)
            self.optimizers[player.name].step(gradients, factor, done)
        return _means(repeats)

    def _captured_step(self, done):
        player = self.players[0]
        terms = self._numbers(player, self.replay(next(self.batches), done))
        self._require_finite(player, terms)
        return terms

    def validate(self, data) -> dict:
        """The loss terms in eval mode over the first VALID_EXAMPLES examples of data, with the same noise every time.
        One that is not finite is left out: it leaves a gap in the curve, and should not stop the run."""
        rng, shown = backend.rng(0), {}
        self._tell_the_model()
        batches = first_batches(self._seen(data.first(VALID_EXAMPLES)), self.stage.batch_size)
        with evaluating(self.model):
            for player in self.players:
                terms = [player.loss(batch if player.data else self.stage.batch_size, rng) for batch in batches]
                shown |= _means([self._numbers(player, each) for each in terms])
        return {name: mean for name, mean in shown.items() if math.isfinite(mean)}

    def _seen(self, data):
        """Data as the stage looks at it."""
        return self.stage.view(data) if self.stage.view else data

    def evaluating(self):
        """Context in which the model is as samples are drawn: in eval mode, with the averaged weights."""
        self._tell_the_model()
        return evaluating(self.model, self.ema)

    def settled(self) -> Module:
        """The model as samples are drawn with it, for good: the averages are its weights. Training does not go
        on from here."""
        if self.ema:
            self.ema.settle()
            self.ema = None
        self._tell_the_model()
        return self.model.eval()

    def _tell_the_model(self):
        """How much of the stage is over: before every step, and before every look, as a step may just have passed."""
        self.model.done = self.done if self.stage else 1.0

    def _numbers(self, player, terms: dict) -> dict:
        """The terms as Python numbers, under the names that the curves show."""
        numbers = {}
        for name, term in terms.items():
            if term.size != 1:
                raise ValueError(f"train: term '{name}' of player '{player.name}' has shape {term.shape}, "
                                 "expected one number; take its mean over the batch")
            numbers[name if len(self.players) == 1 else f"{player.name}: {name}"] = term.item()
        return numbers

    def _require_finite(self, player, numbers: dict, own=None) -> None:
        """own: this worker's gradients, if the numbers are those of all workers."""
        for name, number in numbers.items():
            if not math.isfinite(number):
                who = self.world.where() if own is None else self.world.those(not math.isfinite(clip_factor(own, 1)[1]))
                shown = ", ".join(f"{term} {value:.4g}" for term, value in numbers.items())
                raise NonFiniteLoss(f"step {self.step}, player '{player.name}'{who}: {name} is {number} ({shown}). "
                                    f"The run stops; {self.checkpoint}. To have the op named where it begins, go "
                                    "on from there with --resume --debug, or under autograd.detect_anomaly()")

    # Checkpoints

    def settings(self) -> dict:
        """What the stages are, for comparison by the sitting that goes on: a checkpoint's weights and moments mean
        nothing in a run of other settings."""
        return {"stages": [{"name": stage.name, "batch size": stage.batch_size, "clip": stage.clip,
                            "average": stage.ema and stage.ema[1]} for stage in self.plan.stages],
                "players": {player.name: {"repeat": player.repeat, "optimizer": self.optimizers[player.name].describe()}
                            for player in self.players} if self.stage else {}}

    def save(self, path, metadata: dict) -> None:
        """Writes a checkpoint. metadata: what else it should tell."""
        tensors = checkpoint.add_prefix("model", self.model.state_dict())
        for name, optimizer in self.optimizers.items():
            tensors |= checkpoint.add_prefix(f"optimizer.{name}", optimizer.state_dict())
        if self.ema:
            tensors |= checkpoint.add_prefix("ema", self.ema.state_dict())
        tensors |= checkpoint.add_prefix("history", self.history.state_dict())
        where = {"number": self.number, "first_step": self.first_step, "first_second": self.first_second,
                 "seed": self.seed} if self.stage else None
        checkpoint.save(path, tensors, {
            **metadata, "finished": self.over, "done": self.done if self.stage else 1.0, "step": self.step,
            "seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "stage": where,
            "settings": self.settings(), "terms": list(self.history.sums), "rng": self.rng.bit_generator.state,
            "loader": self.batches and self.batches.state_dict()})
        self.checkpoint = f"'{path}' holds step {self.step}"

    def restore(self, path) -> None:
        """Goes to where the checkpoint was written, stage by stage. ValueError if it is damaged, or of a run of other
        settings."""
        tensors, metadata = read_run(path)
        try:
            self._go_to(tensors, metadata)
        except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise ValueError(f"'{path}' is damaged, or not a run's checkpoint ({type(error).__name__}: "
                             f"{str(error)[:100]}); delete it and train again") from error
        self.checkpoint = f"'{path}' holds step {self.step}"

    def _go_to(self, tensors, meta):
        where = meta["stage"]
        for number in range(1, where["number"] + 1 if where else 0):
            self._enter(number)
        require_equal(meta["settings"], self.settings())
        load_weights(self.model, self.ema, tensors)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(checkpoint.with_prefix(f"optimizer.{name}", tensors))
        self.history.load_state_dict(checkpoint.with_prefix("history", tensors), meta["terms"])
        self.step, self.seconds, self.cpu_seconds = meta["step"], meta["seconds"], meta.get("cpu_seconds", 0.0)
        self.rng.bit_generator.state = meta["rng"]  # in place: loader and dropout draw from the same object
        if where:
            self.first_step, self.first_second, self.seed = (where[k] for k in ("first_step", "first_second", "seed"))
            self._share_limits()
            self.batches.load_state_dict(meta["loader"])
            self._capture()


def train(run, journal=None, clock=None) -> Run:
    """Carries out what is left of a run, in place, until it is over or a signal ends it after the present step, saved.

    journal: shows progress, and writes pictures and checkpoints. clock: which seconds a budget counts: those that pass,
    or with time.process_time those that are computed, whatever else the machine does. Returns the run. Raises
    NonFiniteLoss, and leaves the last checkpoint as it is.
    """
    journal, clock = journal or Journal(), clock or time.perf_counter
    run.model.train()
    run.began_at = time.perf_counter()
    began, computed = clock() - run.seconds, time.process_time() - run.cpu_seconds / run.world.size
    # NumPy's warnings are off: the check for finite losses names the term and the step, which they cannot.
    with journal, np.errstate(all="ignore"):
        while not run.over and not journal.stopped_by:
            journal.before(run)
            terms = run.advance()
            run.seconds = clock() - began
            run.cpu_seconds = run.world.size * (time.process_time() - computed)  # workers compute alike
            journal.note(run, terms)
            run.seconds, journal.stopped_by = run.world.broadcast((run.seconds, journal.stopped_by))
        journal.end(run)
    return run


def expected_seconds(plan, data, rng, steps=None) -> float:
    """How long the plan takes here, by the median of TIMED_STEPS steps of each of its stages, which spend the plan.
    steps: of the whole, default: the plan's own."""
    short = Plan(plan.model, [replace(stage, steps=TIMED_STEPS) for stage in plan.stages])
    run, seconds = Run(short, data, rng=rng, captured=False), [[] for _ in plan.stages]
    plan.model.train()
    while not run.over:
        began = time.perf_counter()
        run.advance()
        seconds[run.number].append(time.perf_counter() - began)
    share = 1 if steps is None else steps / max(1, plan.steps)
    return share * sum(stage.steps * statistics.median(each) for stage, each in zip(plan.stages, seconds))


def first_batches(data, batch_size) -> list:
    """All of data in batches, but for a rest that does not fill one."""
    size = min(batch_size, len(data))
    batches = data.batches(size, rng=None, shuffle=False)
    return [next(batches) for _ in range(len(batches))]


def _means(rows: list) -> dict:
    return {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}
