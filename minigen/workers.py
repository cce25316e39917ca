"""Workers: how a command is carried out by several processes.

Worker 0 carries out the command, as one process would; the others wait for the jobs that it hands out:

    train    the run that worker 0 has, each with its rows of every batch, until it is over
    draw     a part of the samples that worker 0 is asked for

Worker 0 alone reads options, claims folders, shows progress, and writes checkpoints and pictures. Read before this:
parallel/world.py, train.py. Read next: cli.py.
"""
import contextlib
import functools
import signal
import traceback

import numpy as np

from autograd import backend, detect_anomaly

from . import data, recipes, runs
from .journal import CHECKPOINT, Journal
from .parallel.mpi import mpi, started_by_mpi
from .parallel.shared_memory import processes
from .parallel.world import World
from .train import Run, train


def carry_out(args) -> int:
    """args.command(args), args.world being worker 0's of args.workers, or of those that MPI has started."""
    with _world(getattr(args, "workers", 1), args.debug) as world:
        if world.size > 1 and backend.device() != "cpu":
            raise ValueError("several workers share the cores of a CPU; on a GPU leave out --workers")
        if world.rank:
            follow(world, args.debug)
            return 0
        args.world = world
        status = args.command(args)
        world.broadcast(None)
        return status


def _world(count, debug):
    if started_by_mpi():
        if count > 1:
            raise ValueError("--workers starts workers, and mpiexec has started this program already: leave one out")
        return mpi()
    return processes(count, follow, debug) if count > 1 else contextlib.nullcontext(World())


def follow(world, debug) -> None:
    """What workers other than worker 0 do."""
    for kind in ("SIGINT", "SIGTERM", "SIGHUP"):  # which reach all that a terminal, or a scheduler, has started
        if hasattr(signal, kind):
            signal.signal(getattr(signal, kind), signal.SIG_IGN)  # worker 0 answers them
    try:
        with detect_anomaly() if debug else contextlib.nullcontext():
            while job := world.broadcast():
                name, *arguments = job
                JOBS[name](world, *arguments)
    except Exception:
        if debug:
            traceback.print_exc()
        raise  # to worker 0, which says it


# Training


def begin(world, recipe, dataset, out, settings) -> Run:
    """The run of a recipe, as it begins, in each worker: `out` holds its parts."""
    rng = world.rng(settings["seed"])
    plan = runs.fitted(recipe.plan(dataset, rng, **runs.stored_parts(recipe, out)), dataset)
    return Run(plan, dataset, rng=rng, steps=settings["steps"], budget=settings["budget"], world=world)


def _follow_training(world, name, out, settings, resume) -> None:
    dataset = data.load(settings["data"], "train", size=settings["size"])
    run = begin(world, recipes.find(name), dataset, out, settings)
    if resume:
        run.restore(out / CHECKPOINT)
    run.checkpoint = "worker 0 has the checkpoint"
    train(run, _Unwritten())


class _Unwritten(Journal):
    """The journal of a run that another worker's tells of."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def before(self, run):
        pass

    def note(self, run, terms):
        pass

    def end(self, run):
        pass


# Drawing


def divide(world, trained) -> None:
    """Has a loaded run's model draw its samples by all workers, a part each. Their noise is the same for the same
    number of workers, and another for another."""
    if world.size == 1 or not hasattr(trained.model, "sample"):
        return

    def sample(n, rng, **condition):
        seed = int(rng.integers(2**63))
        world.broadcast(("draw", trained.folder, n, seed, condition))
        return np.concatenate(world.gather(_part(world, alone, n, seed, condition)))

    alone, trained.model.sample = trained.model.sample, sample


def _part(world, sample, n, seed, condition):
    rows = slice(n * world.rank // world.size, n * (world.rank + 1) // world.size)
    told = {name: np.asarray(values)[rows] for name, values in condition.items() if values is not None}
    return sample(max(1, rows.stop - rows.start), backend.rng([seed, world.rank]), **told)[:rows.stop - rows.start]


def _follow_drawing(world, folder, n, seed, condition) -> None:
    trained = _loaded(folder)
    with trained.evaluating():
        world.gather(_part(world, trained.model.sample, n, seed, condition))


@functools.lru_cache(1)
def _loaded(folder):
    return runs.load(folder)


JOBS = {"train": _follow_training, "draw": _follow_drawing}
