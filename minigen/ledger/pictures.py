"""Small pictures of what a run draws, for docs/gallery: `python -m minigen.ledger.pictures RUN COMMAND FILE.png`.

Images are drawn at a whole number of pixels each, in at most COLOURS colours, so that a page of them stays light.
Models that draw nothing are shown by their reconstructions, below the images that they are of. Of some commands there
is a film too (films.py), beside the picture. A process of its own, as timing.py is. Used by: reproduce.py.
"""
import importlib
import io
import sys
from pathlib import Path

import numpy as np

from autograd import backend

from .. import checkpoint, latents, plot, runs
from ..data.molecules import decode
from ..evaluate import columns, output_space, spread, structure
from . import films
from .settings import NOTHING

COLOURS = 24
SIDE = 200  # pixels, about
SHOWN, MOLECULES = 36, 8


def draw(run, path) -> bool:
    """Draws a trained run's samples, or else reconstructions, into a PNG. Returns whether it has any."""
    with run.evaluating():
        space = output_space(run.data)
        if not hasattr(run.model, "sample"):
            if not hasattr(run.model, "reconstruct") or not space.is_image:
                return False
            write(latents.reconstructions(run.model, run.data["x"][:SHOWN // 2], columns=6), path, 6)
        elif space.is_image:
            condition = spread(run.model, run.data, SHOWN)
            write(run.model.sample(SHOWN, backend.rng(0), **condition), path, columns(condition, SHOWN) or 6)
        elif space.is_text:
            texts = decode(run.model.sample(MOLECULES, backend.rng(0)))
            plot.molecules([structure(text) for text in texts], path, columns=4)
            shrink(path, most=520)
        else:
            points(run.model.sample(1500, backend.rng(0)), run.data["x"][:1500], path)
    return True


def points(x, data, path) -> None:
    """Points (N, 2) over those of the data, in grey."""
    figure = plot.new_figure(2.0, 2.0)
    axes = figure.subplots()
    axes.plot(*np.asarray(data).T, ".", color="0.85", markersize=3, markeredgewidth=0)
    axes.plot(*np.asarray(x).T, ".", color=plot.TRAIN, markersize=1.5, markeredgewidth=0)
    axes.set(xticks=[], yticks=[], aspect="equal")
    _save(importlib.import_module("PIL.Image").fromarray(plot.pixels_of(figure)), path)


def write(images, path, wide) -> None:
    """Images (N, C, H, W) on [0, 1], so many in a row."""
    _save(importlib.import_module("PIL.Image").fromarray(plot.sheet(images, wide, about=SIDE)), path)


def shrink(path, most=360, colours=COLOURS) -> None:
    """Makes a PNG that was drawn large a small one."""
    image = importlib.import_module("PIL.Image").open(path).convert("RGB")
    image.thumbnail((most, most))
    _save(image, path, colours)


def _save(image, path, colours=COLOURS):
    png = io.BytesIO()
    image.quantize(colours, dither=0).save(png, format="PNG", optimize=True)
    checkpoint.write(Path(path), png.getvalue())


def main(folder, command, path):
    run = runs.load(folder)
    if command in films.FILMS:
        films.draw(run, command, Path(path).with_suffix(".gif"))
    sys.exit(0 if draw(run, path) else NOTHING)


if __name__ == "__main__":
    main(*sys.argv[1:])
