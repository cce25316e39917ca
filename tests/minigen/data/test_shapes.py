"""Shapes have the area, the place and the colour that their scene says, captions are true, and the reader tells."""
from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage

from autograd import backend, parameter
from autograd.backend import asarray
from minigen import data
from minigen.conditions import entries
from minigen.data.shapes import captions, drawing
from minigen.data.shapes.captions import (
    WITHHELD,
    Caption,
    Kind,
    decode,
    draw_pair,
    encode,
    exchanged,
    one_changed,
    parse,
)
from minigen.data.shapes.drawing import COLOURS, RADII, RGB, SHAPES, Object, coverage, place, render
from minigen.data.shapes.pairs import fresh
from minigen.data.shapes.reader import describe, read
from minigen.metrics import Measure
from minigen.nn import Module
from minigen.optim import sgd
from minigen.player import Player
from minigen.shapes_judge import diversity, shape_measures, truth
from minigen.train import Run, one_stage, train

sides = pytest.mark.parametrize("n", [16, 32])


def rng(seed=0):
    return np.random.default_rng(seed)


def pairs(n, count, seed=0, **which):
    r = rng(seed)
    return [draw_pair(n, r, **which) for _ in range(count)]


# Drawing


@pytest.mark.parametrize("shape", range(4))
def test_shapes_have_equal_areas_and_their_centre_of_gravity_in_the_middle(shape):
    """By the area of the disc, pi r^2, and by the first moments of its pixels."""
    cover = coverage(shape, 5.0, 10.25, 9.75, 20)
    assert cover.sum() == pytest.approx(np.pi * 25, rel=0.005)
    places = np.arange(20) + 0.5
    assert (cover.sum(axis=0) * places).sum() / cover.sum() == pytest.approx(10.25, abs=0.05)
    assert (cover.sum(axis=1) * places).sum() / cover.sum() == pytest.approx(9.75, abs=0.05)
    side, up, down = (reach * 5.0 for reach in drawing.REACH[shape])
    rows, columns = np.nonzero(cover.sum(axis=1))[0], np.nonzero(cover.sum(axis=0))[0]
    assert rows[0] == pytest.approx(9.75 - up, abs=1) and rows[-1] + 1 == pytest.approx(9.75 + down, abs=1)
    assert columns[0] == pytest.approx(10.25 - side, abs=1) and columns[-1] + 1 == pytest.approx(10.25 + side, abs=1)


@sides
def test_a_picture_is_the_sum_of_what_its_objects_cover_in_their_colours(n):
    for _, scene in pairs(n, 20):
        expected = sum(RGB[o.colour][:, None, None] * coverage(o.shape, RADII[n][o.size], o.x, o.y, n) for o in scene)
        np.testing.assert_array_equal(render(scene, n), expected)


@sides
def test_objects_lie_within_the_picture_and_do_not_touch(n):
    for _, scene in pairs(n, 60):
        covers = [coverage(o.shape, RADII[n][o.size], o.x, o.y, n) > 0 for o in scene]
        for o, cover in zip(scene, covers):
            assert coverage(o.shape, RADII[n][o.size], o.x, o.y, n).sum() == pytest.approx(
                np.pi * RADII[n][o.size]**2, rel=0.015)  # nothing is cut off
            assert cover.any()
        for a, b in combinations(covers, 2):
            assert not (a & b).any()


def test_places_are_uniform():
    """Of one small square: between its smallest and its largest place."""
    r = rng(3)
    x = np.array([place([(0, 0, 0)], 16, r)[0].x for _ in range(2000)])
    low = drawing.MARGIN + drawing.REACH[0][0] * RADII[16][0]
    u = (x - low) / (16 - 2 * low)
    assert -0.02 < u.min() and u.max() < 1.02
    assert u.mean() == pytest.approx(0.5, abs=0.03) and u.var() == pytest.approx(1 / 12, abs=0.006)


def test_what_does_not_fit_is_none():
    assert place([(3, 0, 1)] * 9, 16, rng()) is None


# Captions


@sides
def test_captions_are_true_and_are_parsed_back(n):
    forms = {"one": 0, "many": 0, "two": 0}
    for caption, scene in pairs(n, 400):
        assert caption.holds(scene, n) and parse(str(caption)) == caption
        assert decode(encode([caption])) == [str(caption)]
        forms[caption.form] += 1
    shares = np.array([*forms.values()]) / 400
    np.testing.assert_allclose(shares, [0.4, 0.2, 0.4], atol=0.08)


def test_the_words_are_those_that_captions_use():
    used = {word for n in (16, 32) for caption, _ in pairs(n, 1500) for word in str(caption).split()}
    assert used == set(captions.WORDS) and len(captions.WORDS) == 32
    assert max(len(str(caption).split()) for caption, _ in pairs(32, 1500)) <= captions.LONGEST


@pytest.mark.parametrize("text, scene, true", [
    ("a red square", [(0, 0, 0, 4, 4)], True), ("a red square", [(0, 0, 0, 4, 4), (0, 0, 0, 12, 12)], False),
    ("a shape", [(3, 5, 1, 8, 8)], True), ("a red square", [(0, 1, 0, 4, 4)], False),
    ("a small square", [(0, 0, 1, 8, 8)], False), ("a square at the left", [(0, 0, 0, 4, 8)], True),
    ("a square at the left", [(0, 0, 0, 12, 8)], False), ("a square at the top", [(0, 0, 0, 8, 12)], False),
    ("two circles", [(1, 0, 0, 4, 4), (1, 3, 0, 12, 12)], True), ("three circles", [(1, 0, 0, 4, 4)] * 2, False),
    ("two red circles", [(1, 0, 0, 4, 4), (1, 3, 0, 12, 12)], False),
    ("a circle left of a square", [(0, 0, 0, 12, 8), (1, 0, 0, 4, 8)], True),
    ("a circle right of a square", [(0, 0, 0, 12, 8), (1, 0, 0, 4, 8)], False),
    ("a circle above a square", [(0, 0, 0, 8, 12), (1, 0, 0, 8, 4)], True),
    ("a circle below a square", [(0, 0, 0, 8, 12), (1, 0, 0, 8, 4)], False),
    ("a circle and a square", [(0, 0, 0, 8, 12), (1, 0, 0, 8, 4)], True),
    ("a red circle and a blue square", [(0, 0, 0, 8, 12), (1, 2, 0, 8, 4)], False)])  # the colours are swapped
def test_what_a_caption_means(text, scene, true):
    assert parse(text).holds([Object(*thing) for thing in scene], 16) is true


@pytest.mark.parametrize("text", ["", "red", "a red", "square red", "a square at the", "a square left a circle",
                                  "two circle", "a circles", "a square and", "five circles", "a red square red"])
def test_what_is_no_caption_is_refused(text):
    with pytest.raises(ValueError, match="is no caption of shapes: write"):
        parse(text)


def test_withheld_pairs_are_never_trained_on_and_every_third_test_caption_names_one():
    assert len(WITHHELD) == 6 and {s for s, _ in WITHHELD} == set(range(4)) and {c for _, c in WITHHELD} == set(range(6))
    seen = {thing[:2] for _, scene in pairs(16, 800) for thing in scene}
    assert seen == {(s, c) for s in range(4) for c in range(6)} - WITHHELD
    for caption, scene in pairs(16, 100, withheld=True):
        assert caption.withheld and any(thing[:2] in WITHHELD for thing in scene)
    test = [parse(text).withheld for text in decode(data.load("shapes16", "test")["text"])]
    assert test == [i % 3 == 2 for i in range(1500)]


def test_an_unknown_word_is_named_with_the_nearest_known_one():
    shapes = data.load("shapes16", "valid")
    for text in ("two small red circles", "Two small, red circles."):
        np.testing.assert_array_equal(entries([text], "text", shapes), encode(["two small red circles"]))
    with pytest.raises(ValueError) as error:
        entries(["a red circle", "a purple sqare above 3 circels"], "text", shapes)
    said = str(error.value)
    assert said.startswith("--text: 'purple' is no word that the model knows; ") and "\n" not in said
    assert "'sqare' is no word that the model knows; did you mean 'square'" in said
    assert "'3' is no word that the model knows; 'circels' is no word that the model knows; did you mean 'circles' or" in said
    assert "it knows a two three four small large red" in said


# The reader

CHANGES = {
    "clean": lambda x, r: x, "256 levels": lambda x, r: np.rint(255 * x) / 255, "dark": lambda x, r: 0.7 * x,
    "blur .75": lambda x, r: ndimage.gaussian_filter(x, (0, 0.75, 0.75)),
    "noise .1": lambda x, r: x + 0.1 * r.standard_normal(x.shape)}
RIGHT = {  # share of scenes that are read as they are, in 2,000 pictures, of 16 and of 32 pixels
    "clean": (1, 1), "256 levels": (1, 1), "dark": (1, 1), "blur .75": (0.994, 1.0), "noise .1": (0.99, 1.0)}


def kinds(scene):
    return sorted(thing[:3] for thing in scene)


@sides
@pytest.mark.parametrize("change", CHANGES)
def test_the_reader_errs_as_rarely_as_is_said(n, change):
    """200 pictures, a quarter with withheld pairs; an error more than 3 standard errors allow fails."""
    r, count = rng(5), 200
    some = pairs(n, 3 * count // 4, seed=7) + pairs(n, count // 4, seed=8, withheld=True)
    readings = [read(CHANGES[change](render(scene, n), r)) for _, scene in some]
    right = np.array([kinds(scene) == kinds(reading.scene) for (_, scene), reading in zip(some, readings)])
    expected = RIGHT[change][n == 32]
    assert right.mean() >= expected - 3 * np.sqrt(expected * (1 - expected) / count) - 1e-9
    assert truth([caption for caption, _ in some], readings).mean() >= right.mean() - 0.011
    if change in ("clean", "256 levels"):
        assert right.all() and not any(reading.complaints for reading in readings)
        for (_, scene), reading in zip(some, readings):  # centres too
            for thing in scene:
                assert any(found[:3] == thing[:3] and max(abs(found.x - thing.x), abs(found.y - thing.y)) < 0.3
                           for found in reading.scene)


@sides
def test_a_caption_with_one_thing_changed_is_not_accepted(n):
    tried = 0
    for caption, scene in pairs(n, 60, seed=9):
        reading = read(render(scene, n))
        assert caption.holds(reading.scene, n)
        for other in one_changed(caption):
            if other.holds(scene, n):  # true as well: "a shape and a red cross" with the kinds exchanged
                continue
            tried += 1
            assert not other.holds(reading.scene, n), (str(caption), str(other), describe(reading))
    assert tried > 300


def test_shapes_that_have_changed_places_make_another_caption_of_the_same_words():
    caption = parse("a small red circle left of a blue cross")
    assert str(exchanged(caption)) == "a small red cross left of a blue circle"
    assert exchanged(exchanged(caption)) == caption
    for text in ("a red circle", "two red circles", "a red circle above a red cross", "a circle and a blue cross",
                 "a red circle and a blue circle"):
        assert exchanged(parse(text)) is None
    changed = [str(other) for other in one_changed(parse("a small circle at the left"))]
    assert sorted(changed) == ["a large circle at the left", "a small circle at the right", "a small cross at the left",
                               "a small square at the left", "a small triangle at the left"]
    assert len(one_changed(parse("two red shapes"))) == 5 + 2


@sides
def test_what_is_no_picture_of_a_scene_is_flagged(n):
    r, size = rng(6), 3 * n * n
    some = [render(scene, n) for _, scene in pairs(n, 40, seed=11)]
    noise = [r.random(size).reshape(3, n, n) for _ in range(10)]
    means = [(a + b) / 2 for a, b in combinations(some[:12], 2)]
    cut = [np.where(np.arange(n) % 2, 0, x) for x in some]  # every second column is missing
    assert all(read(x).complaints for x in noise) and np.mean([bool(read(x).complaints) for x in means]) >= 0.95
    assert np.mean([bool(read(x).complaints) for x in cut]) >= 0.95
    assert read(np.zeros((3, n, n))).complaints == ["empty"]
    assert "empty" in describe(read(np.zeros((3, n, n))))


# Measures


def test_measures_of_true_pictures_of_exchanged_ones_and_of_pictures_without_captions():
    test = data.load("shapes16", "test").first(90)
    x = test.spaces["x"].drawn(test["x"])
    value = lambda measures: {measure.name: measure.value for measure in measures}
    good = value(shape_measures(x, x, test["text"], test["text"]))
    assert good["caption accuracy"] == good["true and not flagged"] == good["caption accuracy, withheld pairs"] == 1
    assert good["flagged"] == 0 and good["attribution"] == good["counting"] == good["position"] == 1
    wrong = value(shape_measures(np.roll(x, 3, axis=0), x, test["text"], test["text"]))
    assert wrong["caption accuracy"] < 0.15 and wrong["flagged"] == 0
    assert [m.name for m in shape_measures(x[:3], x, test["text"], None)] == ["flagged"]


def test_diversity_of_what_a_caption_leaves_open():
    r, caption = rng(2), Caption((Kind(shape=1),))  # a circle
    draw = lambda colour: read(render(place([(1, colour, int(r.integers(2)))], 16, r), 16))
    same, all_ = ([draw(c) for c in colours] for colours in ([3] * 120, list(range(6)) * 20))
    assert diversity(caption, same)["colour"] == 0 and diversity(caption, all_)["colour"] == pytest.approx(1)
    assert diversity(caption, all_).keys() == {"colour", "size"} and diversity(caption, all_)["size"] > 0.9
    assert np.isnan(diversity(parse("a red cross"), all_)["size"])  # none is one


# Pairs without end


class Mean(Module):
    def __init__(self):
        self.mean = parameter(np.zeros((3, 16, 16), np.float32))

    def players(self):
        return [Player("mean", [self.mean], self.loss)]

    def loss(self, batch, rng):
        return {"error": ((self.mean - asarray(np.float32(batch["x"]) / 255)) ** 2).mean()}

    def measure(self, batch, rng):
        return [Measure("mean", self.mean.numpy().mean())]


def test_fresh_pairs_are_new_and_a_run_on_them_is_resumed_bit_for_bit(tmp_path):
    shapes = data.load("shapes16")

    def begin():
        r = backend.rng(0)
        return Run(one_stage(Mean(), sgd(0.5), steps=6, batch_size=32, view=fresh), shapes, rng=r)

    whole, cut, resumed = begin(), begin(), begin()
    stream = whole.batches
    first, second = next(stream), next(stream)
    assert first["x"].shape == (32, 3, 16, 16) and first["x"].dtype == np.uint8
    known = {picture.tobytes() for picture in shapes["x"]} | {picture.tobytes() for picture in first["x"]}
    assert not any(picture.tobytes() in known for picture in second["x"])
    assert not any(parse(text).withheld for text in decode(first["text"]))

    whole = begin()
    train(whole)
    for _ in range(3):
        cut.advance()
    cut.save(tmp_path / "checkpoint", {})
    resumed.restore(tmp_path / "checkpoint")
    train(resumed)
    assert whole.model.mean.numpy().tobytes() == resumed.model.mean.numpy().tobytes()
    with pytest.raises(ValueError, match="the saved run's stream was"):
        whole.batches.load_state_dict({"batch_size": 3})
    valid = data.load("shapes16", "valid")
    assert fresh(valid) is valid and len(fresh(shapes)) == len(shapes)


def test_colours_are_corners_of_the_cube():
    assert sorted(map(tuple, RGB.tolist())) == sorted(set(map(tuple, RGB.tolist()))) and len(COLOURS) == len(RGB) == 6
    assert all(0 < row.sum() < 3 for row in RGB) and len(SHAPES) == 4
