"""Every recipe can be built on each kind of data that it accepts, trains, samples and is evaluated."""
import dataclasses

import numpy as np
import pytest

from autograd import backend
from minigen import data
from minigen.ema import EMA
from minigen.recipes import IMAGES, POINTS, RECIPES, Recipe, find
from minigen.train import train

AT_HAND = ["digits", "mnist10k", POINTS[0]]


@pytest.mark.parametrize("name, recipe", RECIPES.items())
def test_recipe(name, recipe):
    assert name == recipe.name and name.isidentifier()
    assert recipe.data in recipe.accepts and set(recipe.accepts) <= {*IMAGES, *POINTS}
    assert recipe.summary and recipe.paper
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.steps = 1


@pytest.mark.parametrize("name, at", [
    (name, at) for name, recipe in RECIPES.items()
    for at in AT_HAND if at in recipe.accepts])
def test_recipe_trains_two_steps(name, at):
    recipe = RECIPES[name].on(at)
    rng = backend.rng(0)
    dataset = data.load(at)
    model = recipe.model(dataset, rng)
    ema = EMA(model, recipe.ema) if recipe.ema else None
    optimizers = {player.name: recipe.optimizers[player.name](player.params) for player in model.players()}
    assert sorted(optimizers) == sorted(recipe.optimizers)
    run = train(model, data.Batches(dataset, recipe.batch_size, rng), optimizers, 2, rng=rng, ema=ema,
                clip=recipe.clip)
    assert run.step == (2 if recipe.steps else 0)

    samples = model.sample(5, rng)
    assert isinstance(samples, np.ndarray) and samples.shape == (5, *dataset.image_shape)
    assert np.isfinite(samples).all() and (dataset.levels is None or 0 <= samples.min() <= samples.max() <= 1)
    figures = model.evaluate(dataset.x[:5], None if dataset.y is None else dataset.y[:5], rng)
    assert figures and all(np.isfinite(figure.value) for figure in figures)


def test_a_mistyped_name_suggests_the_nearest():
    assert find("vae") is RECIPES["vae"]
    with pytest.raises(ValueError, match="no recipe is called 'linaer_ae'; did you mean 'linear_ae'?"):
        find("linaer_ae")
    with pytest.raises(ValueError, match="no recipe is called 'xyz'; there are independent_pixels, .*vae"):
        find("xyz")


def test_what_a_recipe_needs_not_say():
    recipe = Recipe("name", "summary", "paper", model=None, optimizers={}, steps=1, batch_size=1)
    assert (recipe.data, recipe.accepts, recipe.ema, recipe.clip) == ("digits", IMAGES, None, None)
