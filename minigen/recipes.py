"""Recipes: a name for each thing that can be trained, and all that training it needs, as data.

A recipe's settings are defaults that work in a short time on the data that minigen ships; the command line
can change data, steps and budget. Whatever else one wants to try is a change here, or a few lines of Python:
see examples/.

Read before this: train.py. Read next: the file of the model that you want to know.
"""
import difflib
from collections.abc import Callable
from dataclasses import dataclass

from .data.images import IMAGE_SETS
from .data.toys import TOYS

IMAGES, POINTS = tuple(IMAGE_SETS), tuple(TOYS)  # what a recipe may accept


@dataclass(frozen=True)
class Recipe:
    """How to train one model.

    model(dataset, rng) -> a Module with players(), sample(n, rng) and evaluate(x, y, rng), made to fit the
    Dataset. data: the name of the data set it is trained on if nothing else is asked for; accepts: all that
    it can be. optimizers: player's name -> function from the player's params to an optimizer. ema: decay of
    the average of the weights that samples are drawn with, None for none. clip: largest norm of a gradient,
    None for any.
    """

    name: str
    summary: str
    paper: str
    model: Callable
    optimizers: dict
    steps: int
    batch_size: int
    data: str = "digits"
    accepts: tuple = IMAGES
    ema: float | None = None
    clip: float | None = None


RECIPES = {recipe.name: recipe for recipe in []}


def find(name: str) -> Recipe:
    """The recipe of this name. ValueError suggests the nearest."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(RECIPES)}"
        raise ValueError(f"no recipe is called '{name}'; {hint}")
    return RECIPES[name]
