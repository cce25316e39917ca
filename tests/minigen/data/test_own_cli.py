"""Users' own data on the command line: train, sample, evaluate and resume on a path, and every mistake in one line."""
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigen import cli, recipes, runs
from minigen.data import files


@pytest.fixture
def minigen(tmp_path, monkeypatch, capsys):
    """The command line in this process, in an empty folder, with an empty cache: (status, out, err)."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")

    def run(*args):
        try:
            status = cli.main([str(arg) for arg in args])
        except SystemExit as exit:
            status = exit.code
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


def pets(place="pets", kinds=("cats", "dogs"), N=70):
    """N images of each kind, dark and bright, of several sizes."""
    rng = np.random.default_rng(0)
    for k, kind in enumerate(kinds):
        Path(place, kind).mkdir(parents=True)
        for i in range(N):
            H, W = rng.integers(12, 24, 2)
            pixels = rng.integers(100 * k, 100 * k + 100, (H, W, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(Path(place, kind, f"{i}.png"))


def one_line(shown, *parts):
    status, _, err = shown
    assert status == 2 and err.count("\n") == 1 and all(part in err for part in parts), err


@pytest.mark.parametrize("recipe", ["vae", "dcgan", "classifier"])
def test_train_sample_evaluate_resume(recipe, minigen):
    pets()
    status, out, err = minigen("train", recipe, "--data", "pets", "--size", "12x16", "--steps", "2", "--out", "run")
    assert status == 0 and err == ""
    assert re.search(rf"\npets train split, \d+ images 3x12x16, 256 levels \({Path.cwd() / 'pets'}: 140 image files, "
                     r"RGB, the middle resized with antialiasing, 2 classes\)\n", out)
    assert "evaluating on pets valid split" in out
    assert ("of pixels: no classifier is shipped for these images" in out) == (recipe != "classifier")
    metadata = runs.read(Path("run/checkpoint.safetensors"))[1]
    assert metadata["data"] == str(Path.cwd() / "pets") and metadata["size"] == "12x16"
    os.mkdir("elsewhere")
    os.chdir("elsewhere")  # the path is kept whole
    if recipe != "classifier":
        assert minigen("sample", "../run", "-n", "4")[0] == 0
    status, out, err = minigen("evaluate", "../run")
    assert (status, err) == (0, "") and "evaluating on pets test split" in out
    figures = json.loads(Path("../run/figures.json").read_text())
    assert figures["data"] == metadata["data"] and figures["size"] == "12x16" and figures["split"] == "test"
    status, out, err = minigen("train", recipe, "--resume", "--steps", "3", "--out", "../run")
    assert (status, err) == (0, "") and "going on from step 2 of 3" in out
    one_line(minigen("train", recipe, "--resume", "--out", "../run", "--size", "8"), "with size 12x16, not 8x8")
    one_line(minigen("train", recipe, "--resume", "--out", "../run", "--data", "digits"), "pets, not digits")


def test_points(minigen):
    points = np.random.default_rng(0).standard_normal((400, 2))
    np.savetxt("points.csv", points, delimiter=",")
    status, out, err = minigen("train", "realnvp", "--data", "points.csv", "--steps", "2", "--out", "run")
    assert (status, err) == (0, "") and "points.csv train split, 3" in out and "not scaled" in out
    assert minigen("sample", "run")[0] == 0
    one_line(minigen("train", "dcgan", "--data", "points.csv"), "'dcgan' is not made for points; it takes digits")


def test_data_that_changed_are_named(minigen):
    x = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)
    np.save("x.npy", x)
    assert minigen("train", "linear_ae", "--data", "x.npy", "--steps", "2", "--out", "run")[0] == 0
    np.save("x.npy", x[::-1])  # the same examples in another order are the same data
    assert minigen("train", "linear_ae", "--resume", "--out", "run", "--steps", "3")[0] == 0
    np.save("x.npy", x[20:])
    one_line(minigen("train", "linear_ae", "--resume", "--out", "run"), "cannot resume", "x.npy' has changed since")
    status, out, _ = minigen("evaluate", "run")
    assert status == 0 and "x.npy' has changed since the run in 'run' began" in out
    os.rename("x.npy", "y.npy")
    one_line(minigen("evaluate", "run"), "no data set, file or folder is called", "y.npy'?")


def test_few_images_make_smaller_batches(minigen):
    np.save("x.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8))
    status, _, err = minigen("train", "linear_ae", "--data", "x.npy", "--steps", "2", "--out", "run")
    assert (status, err) == (0, "")


def test_what_a_recipe_is_not_made_for(minigen):
    np.save("x.npy", np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8))
    one_line(minigen("train", "classifier", "--data", "x.npy"), "'classifier' is not made for images without labels")
    one_line(minigen("train", "planar", "--data", "x.npy"), "'planar' is not made for images without labels")
    one_line(minigen("train", "planar", "--data", "digits"), "'planar' is not made for digits")
    assert os.listdir() == ["x.npy"], "nothing is left behind"


@pytest.mark.parametrize("args, parts", [
    (("--data", "pest"), ["no data set, file or folder is called 'pest'", "did you mean 'pets'?"]),
    (("--data", "mnsit"), ["did you mean 'mnist'?"]),
    (("--data", "pets"), ["have several sizes", "--size 32"]),
    (("--data", "pets", "--size", "x"), ["--size", "expected pixels, such as 32"]),
    (("--data", "digits", "--size", "8"), ["--size is for images of your own"]),
    (("--data", "empty"), ["holds no images", "it holds nothing"]),
    (("--data", "~nosuchuser/pets"), ["no data set, file or folder is called"]),
    (("--data", "n" * 250), ["no data set, file or folder is called"]),
])
def test_mistakes_are_one_line_and_leave_nothing(args, parts, minigen):
    pets(N=3)
    os.mkdir("empty")
    one_line(minigen("train", "vae", *args), *parts)
    assert sorted(os.listdir()) == ["empty", "pets"]


@pytest.mark.parametrize("recipe, size, message", [
    ("glow", "30", "both sides must divide by 4"), ("ddpm", "31", "patch=2 does not divide the image of 31 x 31"),
    ("dcgan", "4", "at least 5 x 5 pixels"), ("conv_vae", "2", "at least 4 pixels")])
def test_sizes_that_a_model_does_not_take_are_one_line(recipe, size, message, minigen):
    pets()
    one_line(minigen("train", recipe, "--data", "pets", "--size", size, "--steps", "1"), message)


@pytest.mark.parametrize("recipe", [recipe.name for recipe in recipes.catalogue()])
def test_every_recipe_takes_what_is_like_the_sets_that_it_names(recipe, minigen):
    """Images with labels and without, and points: accepted where all known sets of the kind are, else refused."""
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.integers(0, 256, (200, 8, 8), dtype=np.uint8))
    np.savez("xy.npz", x=np.load("x.npy"), y=np.arange(200) % 3)
    np.save("points.npy", rng.standard_normal((200, 2)))
    accepts = set(recipes.find(recipe).accepts)
    kinds = {"x.npy": recipes.IMAGES, "xy.npz": recipes.LABELLED, "points.npy": recipes.POINTS}
    for name, alike in kinds.items():
        settings = {"data": str(Path.cwd() / name), "size": None}
        if accepts.issuperset(alike):
            runs.require_accepted(recipes.find(recipe), settings)
        else:
            with pytest.raises(ValueError, match=f"'{recipe}' is not made for"):
                runs.require_accepted(recipes.find(recipe), settings)
