"""Every recipe can be built on each kind of data that it accepts, trains, is resumed, samples and is evaluated."""
import copy
import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd import backend
from minigen import data
from minigen.data.catalog import NAMED
from minigen.ema import EMA
from minigen.evaluate import conditions, evaluate, output_space
from minigen.journal import CHECKPOINT
from minigen.recipes import IMAGES, POINTS, TEXTS, TRANSLATIONS, catalogue, find, recipe, registry
from minigen.runs import untrained_plan
from minigen.train import Run, train

AT_HAND = ["digits", "mnist10k", "faces", "emoji_people", POINTS[0], "u1"]  # a recipe's own data beside
LISTED = [listed for listed in catalogue() if listed.family in registry.FAMILIES]  # other tests register more
RECIPES = {listed.name: find(listed.name) for listed in LISTED}


def begin(name, at, steps):
    """steps: at least; a plan has one for each of its stages."""
    dataset, rng = data.load(at), backend.rng(0)
    plan = untrained_plan(RECIPES[name], dataset, rng)
    return Run(plan, dataset, rng=rng, steps=steps and max(steps, len(plan.stages)))


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name):
    known = RECIPES[name]
    assert name == known.name and name.isidentifier()
    assert known.data in known.accepts and set(known.accepts) <= {*IMAGES, *TRANSLATIONS, *POINTS, *TEXTS, *NAMED}
    assert known.summary and known.paper and known.family in registry.FAMILIES
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.data = "digits"


def test_the_catalogue_says_what_the_recipes_say():
    """It is read from the source, without importing a model."""
    for listed in LISTED:
        known = RECIPES[listed.name]
        for field in ("name", "family", "summary", "paper", "data"):
            assert getattr(listed, field) == getattr(known, field)
    families = [listed.family for listed in LISTED]
    assert families == sorted(families, key=registry.FAMILIES.index) and set(families) == set(registry.FAMILIES)
    files = {path.stem for path in Path(registry.__file__).parent.glob("[a-z]*.py")}
    assert files == {*registry.FAMILIES, "registry"}
    code = ("import sys; from minigen.recipes import catalogue; assert len(catalogue()) > 15; "
            "sys.exit(any(name.startswith('minigen.models') for name in sys.modules))")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def affordable(known, at):
    """768 numbers of a face, one after the other or walked over, take long: those models see colour in their own data
    and in their own tests. What trains the U-Net of ddpm as ddpm does need not do it on all sets that ddpm does, and
    what stands on CLIP sees emoji people in nothing else than CLIP does."""
    long = known.family in ("codes", "autoregressive", "energy") or known.name in ("ncsn", "ve_sde")
    alike = known.name in ("edm", "consistency", "progressive", "dit")
    spared = {"faces": long or alike, "mnist10k": alike, "emoji_people": bool(known.needs)}
    return at == known.data or not spared.get(at, False)


@pytest.mark.parametrize("name, at", [
    (name, at) for name, known in RECIPES.items() for at in dict.fromkeys([*AT_HAND, known.data])
    if at in known.accepts and affordable(known, at)])
def test_recipe_trains_resumes_samples_and_is_evaluated(name, at, tmp_path):
    run = begin(name, at, steps=2)
    if run.plan.stages:
        run.advance()
        run.save(tmp_path / CHECKPOINT, {})
    train(run)
    assert run.over and run.step == (max(2, len(run.plan.stages)) if run.plan.stages else 0)
    if run.plan.stages:  # cut after one step, and resumed
        resumed = begin(name, at, steps=2)
        resumed.restore(tmp_path / CHECKPOINT)
        train(resumed)
        for key, array in run.model.state_dict().items():
            assert array.tobytes() == resumed.model.state_dict()[key].tobytes(), key

    dataset, rng, drawn = run.data, backend.rng(0), []
    space, draws = output_space(dataset), hasattr(run.model, "sample")
    with run.evaluating():
        if draws:
            inner = run.model.sample
            run.model.sample = lambda *args, **told: drawn.append(inner(*args, **told)) or drawn[-1]
        measures = evaluate(run.model, dataset.first(5), rng, dataset)
        if draws:
            told = {name: dataset[name][:5] for name in conditions(run.model)}
            drawn = drawn or [inner(5, rng, **told)]  # what it draws may be judged otherwise
            none = {name: entries[:0] for name, entries in told.items()}
            assert inner(0, rng, **none).shape == (0, *space.shape)
    assert measures and all(np.isfinite(measure.value) for measure in measures)
    for samples in drawn:
        assert isinstance(samples, np.ndarray) and samples.shape == (5, *space.shape)
        assert np.isfinite(samples).all() and (not space.is_image or 0 <= samples.min() <= samples.max() <= 1)


@pytest.mark.parametrize("name, most", [("dcgan", "generator"), ("gan", "generator"), ("wgan_gp", "generator"),
                                        ("ddpm", "network")])
def test_averaged_is_what_samples_are_drawn_with_and_nothing_else(name, most):
    run = begin(name, "digits", 2)
    assert isinstance(run.ema, EMA) and run.ema.state_dict().keys() == {
        "updates", *(f"average.{key}" for key, _ in getattr(run.model, most).named_parameters())}


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_is_copied_and_pickled_whole(name):
    """Model, optimizers and averages together, as copies of their own: training one leaves the other."""
    run = begin(name, RECIPES[name].data, 3)
    if not run.plan.stages:
        return
    run.advance()
    for copied in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        model, optimizers, ema = copied((run.model, run.optimizers, run.ema))
        before = {key: array.copy() for key, array in model.state_dict().items()}
        run.advance()
        for key, array in model.state_dict().items():
            np.testing.assert_array_equal(array, before[key])
        params = {id(p) for p in model.parameters()}
        assert all(id(p) in params for optimizer in optimizers.values() for p in optimizer.params)
        assert (ema is None) == (run.ema is None)


def test_a_recipe_is_as_long_on_its_data_as_its_plan_says():
    """Choices by data are made in one place: on the digits after another set they are those of the digits."""
    assert begin("ddpm", "digits", None).steps == 1800 and begin("ddpm", "mnist10k", None).steps == 7000


def test_a_mistyped_name_suggests_the_nearest():
    assert find("vae") is RECIPES["vae"]
    with pytest.raises(ValueError, match="no recipe is called 'linaer_ae'; did you mean 'linear_ae'?"):
        find("linaer_ae")
    with pytest.raises(ValueError, match="no recipe is called 'xyz'; there are independent_pixels, .*vae"):
        find("xyz")


def test_what_a_recipe_needs_not_say(monkeypatch):
    monkeypatch.setattr(registry, "_known", {})

    @recipe("summary", "paper")
    def name(data, rng):
        raise NotImplementedError

    assert (name.data, name.accepts, name.needs, name.name) == ("digits", IMAGES, {}, "name")
