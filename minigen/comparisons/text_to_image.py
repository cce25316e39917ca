"""What every text-to-image run that is there draws for the same captions, and what the exact reader says of it.

Eight captions, two of which name a pair of shape and colour that was withheld from training, are drawn by the latest
run of each model in runs/ that is told captions of shapes; under each picture stands whether its caption is true, or
what was read in its place. The table counts more: caption accuracy, on pairs that were seen and on withheld ones; the
share of pictures that are no clean scene; and what it costs, true pictures for a minute of training, that of its parts
included, and for a second of drawing. Minutes are those that the run's clock counted, of whatever machine it ran on.
Below them stand real pictures, and chance, real pictures under the caption of another.

Nothing is trained here. Read before this: shapes_judge.py, runs.py.
"""
import contextlib
import time
from pathlib import Path

import numpy as np

from autograd import backend

from .. import data, plot, recipes, runs
from ..data.catalog import CAPTIONED
from ..data.shapes.captions import decode, draw_pair, encode, parse
from ..data.shapes.drawing import COLOURS, SHAPES, SIZES, render
from ..data.shapes.reader import read
from ..evaluate import conditions
from ..journal import CHECKPOINT, say
from ..shapes_judge import truth

PROMPTS = ("a red circle", "a small green triangle", "a large blue cross at the top", "two yellow squares",
           "a magenta circle above a blue cross", "a cyan square left of a yellow triangle",
           "a red square", "a yellow cross and a green circle")  # the last two are withheld
SIDE = 16  # of the real pictures beside them
MOST = 3  # things that are named one by one


def compare(path, steps=1, samples=100) -> list:
    """Draws the sheet of prompts, and measures on the first `samples` captions of the test split. steps: runs of fewer
    are left out."""
    prompts, sheet, rows = [parse(text) for text in PROMPTS], {}, []
    found = {name: each for name, each in text_to_image_runs().items() if each.metadata["step"] >= steps}
    if not found:
        say(f"no run in '{runs.RUNS}' draws captions of shapes yet; minigen train text_gan makes one")
    for name, trained in found.items():
        test = data.load(trained.data.name, "test").first(samples)
        with trained.evaluating():
            sheet[name] = cells(trained.model.sample(len(prompts), backend.rng(1), text=encode(PROMPTS)), prompts)
            began = time.process_time()
            drawn = trained.model.sample(len(test), backend.rng(0), text=test["text"])
            seconds = (time.process_time() - began) / len(test)
        minutes = minutes_of(trained.folder)
        measured = measures(drawn, test["text"])
        rows.append({"run": name, "steps": trained.metadata["step"], "minutes": minutes, **measured,
                     "true / minute": measured["accuracy"] / minutes, "true / second": measured["accuracy"] / seconds})
    rng = np.random.default_rng(0)
    sheet["real"] = cells([scene_of(prompt, rng) for prompt in prompts], prompts)
    real = data.load(f"shapes{SIDE}", "test").first(samples)
    for name, text in ("(real pictures)", real["text"]), ("(chance)", np.roll(real["text"], 1, axis=0)):
        rows.append({"run": name, "steps": "", "minutes": "", **measures(real.spaces["x"].drawn(real["x"]), text),
                     "true / minute": "", "true / second": ""})
    plot.judged(sheet, PROMPTS, path)
    return rows


def text_to_image_runs() -> dict:
    """recipe's name -> Trained, the latest run in runs/ of each that is told captions of shapes."""
    found = {}
    for recipe in recipes.catalogue():
        if recipe.family == "text_to_image":
            newest = sorted(runs.numbered(recipe.name), key=lambda folder: folder.stat().st_mtime, reverse=True)
            trained = next((run for run in map(_of_shapes, newest) if run), None)
            if trained and conditions(trained.model) == ("text",):
                found[recipe.name] = trained
    return found


def _of_shapes(folder):
    """The run in a folder, if it is of captioned shapes; None of another, or one that is damaged."""
    with contextlib.suppress(ValueError, OSError):
        return runs.load(folder) if runs.read(folder / CHECKPOINT)[1]["data"] in CAPTIONED else None


def cells(pictures, prompts) -> list:
    """[(picture, verdict, whether it is good), ...]."""
    readings = [read(picture) for picture in pictures]
    true = truth(prompts, readings)
    return [(picture, ("true" if is_true else seen_in(reading)) + (", flagged" if reading.complaints else ""),
             bool(is_true and not reading.complaints)) for picture, reading, is_true in zip(pictures, readings, true)]


def seen_in(reading) -> str:
    """What was read, in a few words."""
    if len(reading.scene) not in range(1, MOST + 1):
        return f"{len(reading.scene)} things" if reading.scene else "nothing"
    return ", ".join(f"{SIZES[thing.size]} {COLOURS[thing.colour]} {SHAPES[thing.shape]}" for thing in reading.scene)


def measures(pictures, text) -> dict:
    """Columns of the table, of pictures (N, 3, n, n) on [0, 1] that were drawn for these tokens (N, T)."""
    captions, readings = [parse(each) for each in decode(text)], [read(picture) for picture in pictures]
    true, seen = truth(captions, readings), np.array([not caption.withheld for caption in captions])
    two = np.array([caption.form == "two" for caption in captions])
    mean = lambda which: float(true[which].mean()) if which.any() else float("nan")
    return {"accuracy": mean(seen), "withheld": mean(~seen), "one object": mean(seen & ~two), "two": mean(seen & two),
            "flagged": float(np.mean([bool(reading.complaints) for reading in readings]))}


def minutes_of(folder) -> float:
    """Of the training of a run and of all its parts, and theirs."""
    seconds = sum(runs.read(path)[1].get("seconds", 0.0) for path in Path(folder).rglob(CHECKPOINT))
    return max(seconds, 1e-3) / 60


def scene_of(prompt, rng):
    """A picture of which a Caption is true."""
    while True:
        _, scene = draw_pair(SIDE, rng, withheld=prompt.withheld, form=prompt.form)
        if prompt.holds(scene, SIDE):
            return render(scene, SIDE)
