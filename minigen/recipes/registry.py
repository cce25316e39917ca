"""The register of recipes: what each is called, and where it is found.

A recipe is a function from the data, and from the parts that it needs, to a Plan, in the file of its family:

    @recipe("variational autoencoder, on a bound of the likelihood", "Kingma & Welling 2014", accepts=IMAGES + POINTS)
    def vae(data, rng):
        ...
        return one_stage(model, adam(cosine_decay(2e-3)), steps=3000, batch_size=100)

Its settings are defaults that work in a short time; the command line can change data, steps and budget. Whatever else
one wants to try is a change there, or a few lines of Python: see examples/.

`minigen list` shows all of them without importing a single model: `catalogue` reads the decorators in the source.
Read before this: train.py (Plan). Read next: the file of a family, for instance autoencoders.py.
"""
import ast
import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autograd import backend

from ..data.catalog import CAPTIONED, TEXT_SETS
from ..data.images import IMAGE_SETS
from ..data.toys import TOYS
from ..data.translations import TRANSLATION_SETS
from ..train import Run, train

IMAGES, POINTS, TEXTS = (*IMAGE_SETS, *CAPTIONED), tuple(TOYS), TEXT_SETS  # what a recipe may accept
TRANSLATIONS = tuple(TRANSLATION_SETS)
LABELLED = tuple(name for name, images in IMAGE_SETS.items() if images.classes)
FAMILIES = ("basics", "autoencoders", "codes", "autoregressive", "flows", "adversarial", "energy", "diffusion",
            "text_to_image", "classifiers")  # the course's order

_known = {}  # name -> Recipe, of the families that have been imported


@dataclass(frozen=True)
class Recipe:
    """How to train one model.

    plan(data, rng, **parts) -> Plan, made to fit the Dataset. data: the name of the set that it is trained on if
    nothing else is asked for; accepts: all that it can be. needs: name of a part -> the recipe that trains it; each
    arrives as a keyword argument, frozen.
    """

    name: str
    family: str
    summary: str
    paper: str
    plan: Callable | None = None
    data: str = "digits"
    accepts: tuple = IMAGES
    needs: dict = field(default_factory=dict)

    def trained(self, dataset, steps=None, seed=0, **parts):
        """The model after so many steps on a Dataset, as samples are drawn with it. parts: each Frozen."""
        rng = backend.rng(seed)
        return train(Run(self.plan(dataset, rng, **parts), dataset, rng=rng, steps=steps)).settled()


def recipe(summary, paper, data="digits", accepts=IMAGES, needs=None):
    """A decorator that registers a function as the Recipe of its name, which takes the function's place."""

    def register(plan):
        name, family = plan.__name__, plan.__module__.rpartition(".")[2]
        _known[name] = Recipe(name, family, summary, paper, plan, data, tuple(accepts), needs or {})
        return _known[name]

    return register


def few_levels(space) -> bool:
    """Whether a probability for each gray level is affordable, and soon learned."""
    return 2 < space.levels < 32


def alike(dataset) -> tuple:
    """(the known sets that a user's own data are like: a recipe that accepts all of these accepts them; what they
    are)."""
    if not dataset.spaces["x"].is_image:
        return POINTS, "points"
    return (LABELLED, "images with labels") if "y" in dataset.spaces else (IMAGES, "images without labels")


def catalogue() -> list:
    """All recipes in the course's order, without what only their file knows: plan, accepts and needs."""
    found = [listed for family in FAMILIES for listed in _in_source(family)]
    names = {listed.name for listed in found}
    return found + [known for name, known in _known.items() if name not in names]


def find(name: str) -> Recipe:
    """The recipe of this name. ValueError suggests the nearest."""
    if name not in _known:
        families = {listed.name: listed.family for listed in catalogue()}
        if name not in families:
            near = difflib.get_close_matches(name, families, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(families)}"
            raise ValueError(f"no recipe is called '{name[:40]}'; {hint}")
        importlib.import_module(f"{__package__}.{families[name]}")
    return _known[name]


def _in_source(family):
    """The recipes of a family, as its decorators say."""
    tree = ast.parse(Path(__file__).with_name(f"{family}.py").read_text(encoding="utf-8"))
    for function in tree.body:
        for call in getattr(function, "decorator_list", []):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "recipe":
                summary, paper = (ast.literal_eval(argument) for argument in call.args)
                data = [ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg == "data"]
                yield Recipe(function.name, family, summary, paper, data=data[0] if data else "digits")
