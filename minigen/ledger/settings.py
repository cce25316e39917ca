"""Settings: what `minigen reproduce` trains at each scale, and in which order.

    quick    every recipe as it is: its own data, its own steps; minutes each, a few of them longer
    hour     the table HOUR: recipes on larger data, where published figures are, an hour or so each

A setting is one command line, and is known by it. Read next: fingerprint.py, reproduce.py.
"""
from dataclasses import dataclass

from .. import recipes

NOTHING = 3  # the status of the process of pictures.py where a run has nothing that can be seen


@dataclass(frozen=True)
class Setting:
    """A recipe, the data that it is trained on (its own, if left out), and for how many steps (its own)."""

    recipe: str
    data: str = ""
    steps: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "data", self.data or recipes.find(self.recipe).data)

    @property
    def options(self) -> list:
        """As the command line takes them."""
        own = recipes.find(self.recipe).data
        return ([] if self.data == own else ["--data", self.data]) + (
            [] if self.steps is None else ["--steps", str(self.steps)])

    @property
    def command(self) -> str:
        return " ".join(["minigen", "train", self.recipe, *self.options])

    @property
    def slug(self) -> str:
        """The name of its run, its log and its picture."""
        return "-".join(filter(None, [self.recipe, self.data, self.steps and str(self.steps)]))

    @property
    def parts(self) -> dict:
        """Name of a part -> the Setting that trains it."""
        return {name: Setting(needed, self.data) for name, needed in recipes.find(self.recipe).needs.items()}


BESIDE = (  # quick, beside each recipe on its own data
    ("vae", "digits"), ("nade", "digits"), ("rnade", "two_moons"), ("realnvp", "two_moons"), ("ncsn", "two_moons"),
    ("flow_matching", "two_moons"), ("denoising_ae", "two_moons"), ("classifier", "critters"),
)
HOUR = (  # recipe, data, steps; the recipe's own steps for None
    ("vae", "binarized_mnist", None),
    ("vae", "mnist", None),
    ("iwae", "mnist", None),
    ("hierarchical_vae", "mnist", None),
    ("dvae", "binarized_mnist", 20_000),
    ("nade", "binarized_mnist", 20_000),
    ("made", "binarized_mnist", None),
    ("pixelcnn", "binarized_mnist", 4000),
    ("gated_pixelcnn", "binarized_mnist", 2800),
    ("realnvp", "mnist", None),
    ("dcgan", "mnist", 10_000),
    ("ddpm", "mnist", None),
    ("classifier_free", "mnist", None),
)


def settings(scale, names=()) -> list:
    """The Settings of a scale, each after its parts. names: only these, "RECIPE" or "RECIPE:DATA", at any data of the
    scale or, of a recipe that is not in it, at the data named. ValueError for a name that is none."""
    if scale == "hour":
        known = [Setting(*row) for row in HOUR]
    else:
        known = [Setting(recipe.name) for recipe in recipes.catalogue()] + [Setting(*row) for row in BESIDE]
    chosen = [] if names else known
    for name in names:
        recipe, _, on = name.partition(":")
        found = [setting for setting in known if setting.recipe == recipe and on in ("", setting.data)]
        own = recipes.find(recipe)
        if not found and on and on not in own.accepts:
            raise ValueError(f"'{recipe}' is not made for {on[:40]}; it takes {', '.join(own.accepts)}")
        if not found and not on:
            raise ValueError(f"'{recipe}' is not among what is reproduced at scale {scale}; name its data too, e.g. "
                             f"{recipe}:{own.data}")
        chosen += found or [Setting(recipe, on)]
    return list(dict.fromkeys(each for setting in chosen for each in with_parts(setting)))


def with_parts(setting) -> list:
    """A setting after all that it needs."""
    return [*(each for part in setting.parts.values() for each in with_parts(part)), setting]
