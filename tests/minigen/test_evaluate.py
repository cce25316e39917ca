"""Evaluation: what a model is told when it is judged, and when its samples are to be shown."""
import numpy as np
import pytest
from matplotlib.image import imread

from minigen import data
from minigen.data import Space, Unpaired
from minigen.data.molecules import decode
from minigen.evaluate import columns, default_count, draw_samples, evaluate, output_space, spread, structure
from minigen.models.classifiers import pretrained
from minigen.nn import Module


def rng(seed=0):
    return np.random.default_rng(seed)


class Remembers(Module):
    """A model that knows the test digits by heart, and draws one of the class that it is told."""

    conditions = ("y",)
    judged = 150

    def __init__(self):
        self.test, self.asked = data.load("digits", "test"), None

    def sample(self, n, rng, y):
        assert len(y) == n
        self.asked = y
        of_class = [np.flatnonzero(self.test["y"] == k) for k in range(10)]
        return np.float32(self.test["x"][[rng.choice(of_class[k]) for k in y]]) / 16

    def measure(self, batch, rng):
        assert list(batch) == ["x", "y"]
        return []


def test_a_model_is_told_the_conditions_of_the_split_that_it_is_held_against():
    model, test = Remembers(), data.load("digits", "test")
    measures = {measure.name: measure for measure in evaluate(model, test, rng(), train=data.load("digits"))}
    np.testing.assert_array_equal(model.asked, test["y"][:150])
    assert measures["class accuracy"].value > 0.95
    assert evaluate(model, test, rng()) == []  # no judge without the training set


def test_a_model_that_draws_nothing_has_only_its_own_measures():
    train, test = data.load("digits"), data.load("digits", "test")
    names = [measure.name for measure in evaluate(pretrained("digits"), test, rng(), train)]
    assert names == ["accuracy", "cross entropy"]


class Codes(Remembers):
    """It has codes, and reconstructs the images that it is given, or their negative."""

    codes = Space((1, 2, 2), 3)

    def __init__(self, negative):
        super().__init__()
        self.negative = negative

    def reconstruct(self, x):
        x = np.float32(x) / 16
        return 1 - x if self.negative else x


def test_reconstructions_of_a_model_with_codes_are_judged():
    train, test = data.load("digits"), data.load("digits", "test")
    name = "reconstruction Frechet distance"
    good, bad = ({measure.name: measure.value for measure in evaluate(Codes(negative), test, rng(), train)}
                 for negative in (False, True))
    assert good[name] < 1e-6 < 1 < bad[name]
    assert name not in {measure.name for measure in evaluate(Remembers(), test, rng(), train)}


# What is shown


class Draws(Module):
    """A model of images, or of points, that remembers what it was told."""

    def __init__(self, conditions, shape):
        self.conditions, self.shape, self.told = conditions, shape, None

    def sample(self, n, rng, **told):
        self.told = told
        return rng.random((n, *self.shape))


TEXT = Space((2,), 4, ("", "red", "green", "dot"))
CAPTIONED = data.Dataset("dots", "train", {"x": np.zeros((20, 1, 8, 8), np.uint8),
                                           "text": np.arange(20)[:, None] * [1, 0] % 4},
                         {"x": Space((1, 8, 8), 2), "text": TEXT}, "")


def test_every_class_is_shown_as_often():
    digits, model = data.load("digits"), Draws(("y",), (1, 8, 8))
    assert default_count(model, digits) == 80
    assert spread(model, digits)["y"].tolist() == [k for k in range(10) for _ in range(8)]
    assert spread(model, digits, 5)["y"].tolist() == [0, 2, 4, 6, 8]
    assert spread(model, digits, 6, {"y": [3, 7]})["y"].tolist() == [3, 3, 3, 7, 7, 7]
    assert columns(spread(model, digits), 80) == 8  # a row for each class
    assert columns(spread(model, digits, 6, {"y": [3, 7]}), 6) == 3
    assert columns(spread(model, digits, 5), 5) is columns(spread(model, digits, 6, {"y": [3]}), 6) is None


def test_texts_are_those_of_the_first_examples():
    model = Draws(("text",), (1, 8, 8))
    assert default_count(model, CAPTIONED) == 64
    np.testing.assert_array_equal(spread(model, CAPTIONED, 32)["text"], CAPTIONED["text"][:4].repeat(8, axis=0))
    asked = spread(model, CAPTIONED, 4, {"text": [[1, 3], [2, 3]]})["text"]
    np.testing.assert_array_equal(asked, [[1, 3], [1, 3], [2, 3], [2, 3]])
    assert columns({"text": asked}, 4) == 2


def test_what_takes_no_conditions_is_told_nothing():
    assert spread(Draws((), (1, 8, 8)), data.load("digits")) == {}
    assert default_count(Draws((), (1, 8, 8)), data.load("digits")) == 64
    assert default_count(Draws((), (2,)), data.load("ring")) == 2000


def test_what_models_of_unpaired_sets_draw_is_the_first():
    both = Unpaired("pair", "train", {"a": data.load("digits").first(3), "b": data.load("ring").first(3)}, "")
    assert output_space(both) == Space((1, 8, 8), 17)


@pytest.fixture
def shown(monkeypatch):
    """What was given to be drawn: {"points" or "images": ..., and other arguments}."""
    arguments = {}
    monkeypatch.setattr("minigen.plot.grid", lambda images, path, columns: arguments.update(
        images=images, columns=columns))
    monkeypatch.setattr("minigen.plot.scatter", lambda points, path, data: arguments.update(points=points, data=data))
    return arguments


@pytest.mark.parametrize("asked, n, rows", [({}, None, range(10)), ({"y": [3, 7]}, 6, [3, 7])])
def test_a_picture_of_images_has_a_row_for_each_condition(asked, n, rows, shown):
    model = Draws(("y",), (1, 8, 8))
    draw_samples(model, n, rng(), "unused.png", data.load("digits"), asked)
    told = model.told["y"].reshape(len(rows), shown["columns"])
    np.testing.assert_array_equal(told, np.broadcast_to(np.reshape(rows, (-1, 1)), told.shape))
    assert shown["images"].shape == (told.size, 1, 8, 8)


def test_a_picture_without_conditions_is_a_square_or_lies_over_the_data(shown):
    draw_samples(Draws((), (1, 8, 8)), None, rng(), "unused.png", data.load("digits"))
    assert shown["images"].shape == (64, 1, 8, 8) and shown["columns"] is None
    draw_samples(Draws((), (2,)), 30, rng(), "unused.png", data.load("ring"))
    assert shown["points"].shape == (30, 2)
    np.testing.assert_array_equal(shown["data"], data.load("ring")["x"][:2000])


def test_attributes_are_no_text(shown):
    """Five numbers, 0 or 1, for a face that is to be edited: they have no words to be written beside a row."""
    faces = data.load("face_edits")
    assert faces["edit"].any()
    model = Draws(("source", "edit"), (3, 16, 16))
    draw_samples(model, 16, rng(), "unused.png", faces)
    assert shown["images"].shape == (16, 3, 16, 16) and model.told["edit"].any()


def test_texts_are_drawn_as_molecules_and_returned_as_lines(tmp_path):
    molecules = data.load("qm9", "valid")

    class First(Module):
        def sample(self, n, rng):
            return molecules["x"][:n]

    lines = draw_samples(First(), None, rng(), tmp_path / "samples.png", molecules)
    assert len(lines) == default_count(First(), molecules) == 24 and lines == decode(molecules["x"][:24])
    assert imread(tmp_path / "samples.png")[..., :3].std() > 0.01
    assert structure("CC1")[1].shape == (0, 2)
    text, places, names, bonds = structure("C[NH3+]")
    assert (text, places.shape, names, bonds) == ("C[NH3+]", (2, 2), ["C", "N+"], {(0, 1): 1})
