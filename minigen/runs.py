"""Runs in their folders: where each is kept, how it is loaded again, and the parts that it needs.

    runs/latent_diffusion/
        checkpoint.safetensors      weights, moments, random state: all of the run
        samples.png, curves.png, figures.json
        parts/autoencoder/          the weights of another recipe's model, frozen, with parts of its own if it has any

A folder is whole: it is sampled, evaluated and resumed without the folders that its parts came from.
Read before this: train.py, recipes/registry.py. Read next: cli.py.
"""
import contextlib
import importlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from autograd import backend

from . import checkpoint, data, recipes
from .ema import EMA, evaluating
from .journal import CHECKPOINT, say
from .nn import Frozen, Module
from .resume import load_weights, read_run

RUNS = Path("runs")
SETTINGS = {"recipe": None, "data": None, "size": None, "seed": 0, "steps": None, "budget": None,
            "data_digest": None}  # what a run was asked for, and what its data were


@dataclass
class Trained:
    """A run, loaded: its model, the averages of its weights if it keeps any, the Dataset that it was trained on, and
    what its checkpoint tells of it."""

    model: Module
    ema: EMA | None
    data: data.Dataset
    metadata: dict
    folder: Path

    def evaluating(self):
        """Context in which the model is as samples are drawn."""
        return evaluating(self.model, self.ema)


def load(folder) -> Trained:
    """The run in a folder. FileNotFoundError if there is none, ValueError if it is damaged or of other settings."""
    folder = Path(folder)
    path = folder / CHECKPOINT
    if not path.is_file():
        near = RUNS / folder
        hint = f"did you mean '{near}'?" if (near / CHECKPOINT).is_file() else "minigen train NAME makes one"
        raise FileNotFoundError(f"'{folder}' holds no run; {hint}")
    tensors, metadata = read(path)
    recipe, dataset = recipes.find(metadata["recipe"]), data.load(metadata["data"], size=metadata.get("size"))
    if metadata.get("data_digest") != data_digest(dataset):
        say(f"'{dataset.name}' has changed since the run in '{folder}' began")
    plan = recipe.plan(dataset, backend.rng(metadata["seed"]), **stored_parts(recipe, folder))
    reached = plan.stages[:metadata["stage"]["number"] + 1] if metadata["stage"] else []
    for stage in reached:
        if stage.begin:
            stage.begin()
    averaged = bool(checkpoint.with_prefix("ema", tensors))  # not so in the copy that a part is
    ema = EMA(*reached[-1].ema) if averaged else None
    load_weights(plan.model, ema, tensors)
    plan.model.done = metadata["done"]
    return Trained(plan.model, ema, dataset, metadata, folder)


def read(path):
    """A run's checkpoint: (tensors, metadata), of a recipe on a data set. ValueError where it is not so."""
    tensors, metadata = read_run(path)
    for key, kind in (("recipe", str), ("data", str), ("seed", int), ("done", (int, float))):
        if not isinstance(metadata.get(key), kind):
            raise ValueError(f"'{path}' is damaged, or not a run's checkpoint: {key} is {str(metadata.get(key))[:40]}; "
                             "train again")
    return tensors, metadata


def data_digest(dataset) -> str | None:
    """Changes with any example of this split of a user's own data; None for the known sets, which are what they are."""
    return None if dataset.name in data.names() else checkpoint.digest(dataset.columns)


# Folders


def claim(name, out=None) -> Path:
    """A new, empty folder: `out`, else runs/NAME or runs/NAME-2 ... It is this process's, because it made it."""
    if out:
        out = Path(out)
        if out.exists() and not out.is_dir():
            raise NotADirectoryError(f"--out '{out}' is a file; give the folder for the run")
        if out.is_dir() and any(out.iterdir()):
            raise FileExistsError(f"--out '{out}' is not empty; choose another folder, or go on with the run in it: "
                                  "--resume")
        out.mkdir(parents=True, exist_ok=True)
        return out
    RUNS.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = RUNS / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def numbered(name) -> list:
    """The folders of this recipe's runs: runs/NAME, runs/NAME-2, ..."""
    if not RUNS.is_dir():
        return []
    exact = re.compile(rf"{re.escape(name)}(-\d+)?")
    return [folder for folder in RUNS.iterdir() if folder.is_dir() and exact.fullmatch(folder.name)]


def latest(name) -> Path:
    """Where the latest checkpoint of this recipe's runs lies; runs/NAME if there is none."""
    return max([RUNS / name, *sorted(numbered(name))], key=_last_written)


def _last_written(folder) -> float:
    path = folder / CHECKPOINT
    return path.stat().st_mtime if path.is_file() else 0.0


@contextlib.contextmanager
def locked(folder):
    """Context in which no other process trains in this folder. The system lets go of the lock when the process ends,
    however it ends. RuntimeError if another has it."""
    try:
        fcntl = importlib.import_module("fcntl")
    except ImportError:  # not on Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"another process is training in '{folder}': wait for it, stop it, or give this run "
                               "another folder: --out") from None
        yield
    finally:
        os.close(handle)


def remove_unfinished(folder) -> None:
    """Takes away what a killed process had begun to write. The folder must be locked."""
    for file in folder.glob(".*.unfinished"):
        file.unlink(missing_ok=True)


def forget_empty(folder) -> None:
    """Takes away a folder in which nothing has been written."""
    with contextlib.suppress(OSError):  # which it is not, if anything is in it
        folder.rmdir()


# Parts


def stored_parts(recipe, folder) -> dict:
    """name -> Frozen, from the run's own folder. FileNotFoundError if one is not there."""
    parts = {}
    for name in recipe.needs:
        trained = load(Path(folder) / "parts" / name)
        parts[name] = Frozen(settled(trained))
    return parts


def settled(trained) -> Module:
    """The model with its averages as its weights."""
    if trained.ema:
        trained.ema.settle()
    return trained.model


def store_part(trained, folder) -> None:
    """Keeps the weights of a run, and those of its own parts, in the folder of a run that needs it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (trained.folder / "parts").is_dir():
        shutil.copytree(trained.folder / "parts", folder / "parts", dirs_exist_ok=True)
    tensors = checkpoint.add_prefix("model", settled(trained).state_dict())
    checkpoint.save(folder / CHECKPOINT, tensors, trained.metadata)  # last, so that a part that is there is whole


def missing(recipe, settings, given=(), folder=None) -> list:
    """The recipes of parts that are to be trained before this one, in order: those that nobody has trained yet on the
    data of these settings. given: names of parts that are at hand; folder: of a run, which may hold some."""
    found = []
    for name, needed in recipe.needs.items():
        stored = folder and (Path(folder) / "parts" / name / CHECKPOINT).is_file()
        if not stored and name not in given and finished_run(needed, settings) is None:
            part = recipes.find(needed)
            found += [each for each in (*missing(part, settings), part) if each not in found]
    return found


def untrained_plan(recipe, dataset, rng):
    """The recipe's plan, on parts that nobody has trained: to see how large it is, and how long it takes."""
    parts = {name: Frozen(untrained_plan(recipes.find(needed), dataset, backend.rng(1)).model)
             for name, needed in recipe.needs.items()}
    return recipe.plan(dataset, rng, **parts)


def require_accepted(recipe, settings):
    """ValueError unless the recipe is made for the data set: one of those that it names, or of a user's own, one like
    them."""
    what = settings["data"]
    alike = (what,)
    if what not in data.names() or settings["size"]:
        alike, what = recipes.alike(data.load(what, size=settings["size"]))
    if not set(alike) <= set(recipe.accepts):
        raise ValueError(f"'{recipe.name}' is not made for {what}; it takes {', '.join(recipe.accepts)}")


def fitted(plan, dataset):
    """The plan, with batches no larger than the data: of a user's own, there may be few."""
    for stage in plan.stages:
        stage.batch_size = min(stage.batch_size, len(dataset))
    return plan


def finished_run(name, settings) -> Path | None:
    """The latest finished run of a recipe on the data set of these settings, or None."""
    found = []
    for folder in numbered(name):
        with contextlib.suppress(ValueError, OSError):
            metadata = read(folder / CHECKPOINT)[1]
            if metadata.get("finished") and all(metadata.get(key) == settings[key] for key in ("data", "size")):
                found.append(folder)
    return max(found, key=_last_written, default=None)


def unfinished_run(name, settings) -> Path | None:
    """The latest run of a recipe of just these settings that was stopped or killed, and that no process goes on with;
    or None."""
    found = []
    for folder in numbered(name):
        with contextlib.suppress(ValueError, OSError, RuntimeError):
            metadata = read(folder / CHECKPOINT)[1]
            if not metadata.get("finished") and all(metadata.get(key) == settings[key] for key in SETTINGS):
                with locked(folder):
                    found.append(folder)
    return max(found, key=_last_written, default=None)
