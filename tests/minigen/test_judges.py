"""The judges of samples: what they say of data in the place of samples, and of samples with known faults."""
import numpy as np
import pytest

from minigen import data
from minigen.data import EIGHT_CENTRES, EIGHT_SIGMA
from minigen.data.molecules import encode
from minigen.judges import (
    LEAST,
    distance_measure,
    face_measures,
    image_measures,
    judge,
    judge_reconstructions,
    mode_measures,
)
from minigen.metrics import frechet_distance
from minigen.models.classifiers import pretrained


def rng(seed=0):
    return np.random.default_rng(seed)


# Points


def test_interval_of_the_distance():
    """Where nothing differs, 0 is in nearly all of the intervals; where something does, in none."""
    same = [distance_measure(rng(i).random((400, 2)), rng(500 + i).random((400, 2))) for i in range(60)]
    holds = np.mean([abs(measure.value) <= measure.half_width for measure in same])
    assert 0.8 < holds <= 1  # 0.95 and less: the spread is estimated from ten parts
    other = distance_measure(rng(0).random((400, 2)), 0.2 + rng(1).random((400, 2)))
    assert other.value > other.half_width > 0
    assert distance_measure(rng(0).random((3, 2)), rng(1).random((5, 2))).half_width is None  # too few for parts


def test_modes_of_the_mixture_itself():
    """All modes, and 1 - exp(-9/2) = 98.9 % good, to four standard errors; one mode alone is as good."""
    x, share = data.load("eight_gaussians", "test")["x"], 1 - np.exp(-4.5)
    covered, good = mode_measures(x, x, EIGHT_CENTRES, EIGHT_SIGMA)
    assert (covered.value, covered.detail) == (8, "of 8")
    assert abs(good.value - share) < 4 * np.sqrt(share * (1 - share) / len(x))
    assert f"of the data {good.value:.3f}" in good.detail
    one = x[np.linalg.norm(x - EIGHT_CENTRES[3], axis=1) < 1]
    covered, good = mode_measures(one, x, EIGHT_CENTRES, EIGHT_SIGMA)
    assert covered.value == 1 and good.value > 0.98
    covered, good = mode_measures(rng().uniform(-4, 4, (5000, 2)), x, EIGHT_CENTRES, EIGHT_SIGMA)
    assert covered.value == 8 and good.value < 0.45  # eight disks of radius 1.05 in 64: 0.43


def test_a_ring_is_nearly_as_good_as_the_mixture_but_not_as_near():
    """Three sigma are nearly half the way to the next centre, so a ring through all has a good share of
    16 asin(3 sigma / 2 r) / pi = 0.896: it is the energy distance that tells it from the mixture."""
    x, angle = data.load("eight_gaussians", "test")["x"], rng().uniform(0, 2 * np.pi, 5000)
    ring = 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    covered, good = mode_measures(ring, x, EIGHT_CENTRES, EIGHT_SIGMA)
    share = 16 * np.arcsin(3 * EIGHT_SIGMA / 6) / np.pi
    assert covered.value == 8 and abs(good.value - share) < 4 * np.sqrt(share * (1 - share) / 5000)
    far = distance_measure(ring, x)
    assert far.value > 2 * far.half_width


# Images


def pixels(images):
    """A judge whose features are the pixels, and whose two classes are told by the first of them."""
    x = images.reshape(len(images), -1)
    one = 1 / (1 + np.exp(-20 * (x[:, 0] - 0.5)))
    return x, np.stack([1 - one, one], axis=1)


def named(measures):
    return {measure.name: measure for measure in measures}


def test_measures_of_images_are_printed_with_n_and_the_floor():
    train, test, drawn = (rng(i).random((n, 1, 2, 2)) for i, n in enumerate((3000, 800, 1000)))
    measures = named(image_measures(pixels, drawn, train, test, split="valid"))
    assert all("N = 800" in measure.detail for name, measure in measures.items() if name != "classes")
    assert measures["Frechet distance"].value < 0.01 and measures["precision"].value > 0.9
    assert measures["density"].value == pytest.approx(1, abs=0.1) and measures["coverage"].value > 0.9
    assert measures["classes"].value == 2 and measures["legibility"].value == pytest.approx(0.78, abs=0.04)
    floor = frechet_distance(*(x[:800].reshape(800, -1) for x in (train, test)))
    assert f"against the valid split; the training set: {floor:.4g}" in measures["Frechet distance"].detail
    assert "class accuracy" not in measures

    bad = named(image_measures(pixels, 0.5 * drawn, train, test))
    assert bad["Frechet distance"].value > 10 * measures["Frechet distance"].value
    assert bad["classes"].value == 1 and "against the test split" in bad["recall"].detail
    with pytest.raises(ValueError, match="at least 4 of each"):
        image_measures(pixels, drawn[:3], train, test)


def test_class_accuracy_is_the_share_in_which_the_class_asked_for_is_seen():
    """Samples of the class that is asked for but for the first 30 of 120, of which 40 are judged."""
    y = rng().integers(0, 2, 120)
    samples = 0.9 * rng(1).random((120, 1, 2, 2))
    samples[:, 0, 0, 0] = 0.8 * np.where(np.arange(120) < 30, 1 - y, y) + 0.1
    real = rng(2).random((40, 1, 2, 2))
    accuracy = named(image_measures(pixels, samples, real, real, y))["class accuracy"]
    assert accuracy.value == 10 / 40 and 0 < accuracy.half_width < 0.2 and "N = 40" in accuracy.detail


def test_digits_in_the_place_of_samples():
    """Real test digits come out like the training set, and as what their labels say; noise does not."""
    train, test = data.load("digits"), data.load("digits", "test")
    held = data.Dataset("digits", "test", test.batch(slice(220, 440)), test.spaces, "the second half")
    drawn, y = np.float32(test["x"][:220]) / 16, test["y"][:220]
    good, bad = (named(judge(x, train, held, {"y": y})) for x in (drawn, rng().random((220, 1, 8, 8))))
    assert good["legibility"].value > 0.9 and good["classes"].value == 10 and good["precision"].value > 0.6
    assert good["class accuracy"].value > 0.95 and bad["class accuracy"].value < 0.25
    assert bad["Frechet distance"].value > 10 * good["Frechet distance"].value and bad["legibility"].value < 0.7
    assert bad["coverage"].value < 0.3 < 0.7 < good["coverage"].value
    far = bad["energy distance"]
    assert good["energy distance"].value < 0.1 * far.value and far.value > far.half_width


def test_each_set_has_its_judges():
    """Modes where they are known, a classifier's where there are a hundred images, the energy distance everywhere."""
    names = {}
    for name, n in ("eight_gaussians", 50), ("two_moons", 50), ("digits", LEAST), ("digits", LEAST - 1):
        train, test = data.load(name), data.load(name, "test")
        samples = test.spaces["x"].drawn(test["x"][:n])
        names[name, n] = [measure.name for measure in judge(samples, train, test, {})]
    assert names["eight_gaussians", 50] == ["modes covered", "good samples", "energy distance"]
    assert names["two_moons", 50] == names["digits", LEAST - 1] == ["energy distance"]
    assert names["digits", LEAST] == ["Frechet distance", "kernel distance", "precision", "recall", "density",
                                      "coverage", "legibility", "classes", "energy distance"]


def test_reconstructions_are_held_against_the_images_that_they_are_of():
    """0 for the images themselves, more the more they are blurred; nothing where no classifier is shipped."""
    train, test = data.load("digits"), data.load("digits", "test").first(200)
    x = test.spaces["x"].drawn(test["x"])
    (perfect,) = judge_reconstructions(x, train, test)
    assert perfect.value == pytest.approx(0, abs=1e-6) and "N = 200 against the same images" in perfect.detail
    blur = (x + np.roll(x, 1, axis=3) + np.roll(x, 1, axis=2)) / 3
    (some,), (more,) = (judge_reconstructions(part, train, test) for part in ((x + blur) / 2, blur))
    assert 0 < 2 * some.value < more.value
    see = lambda images: pretrained("digits").judge(images)[0]
    assert more.value == pytest.approx(frechet_distance(see(blur), see(x)))
    seen = train.spaces["x"].drawn(train["x"][:200])
    assert f"{frechet_distance(see(seen), see(x)):.4g}" in more.detail
    assert judge_reconstructions(x[:LEAST - 1], train, test) == []
    assert judge_reconstructions(x, data.load("kinds"), test) == []


# Molecules


def molecule_figures(texts):
    train, test = data.load("qm9"), data.load("qm9", "test")
    measures = judge(encode(texts), train, test, {})
    assert all("n-grams of 4, 7, 11 characters" in measure.detail for measure in measures)
    return {measure.name: measure.value for measure in measures}


@pytest.mark.slow
def test_molecules_are_judged_by_all_three_at_once():
    """Each can be had alone: copies are valid, the training set is unique, noise is new; and a molecule that is written
    in another way is no new one."""
    train = data.load("qm9")
    copies = judge(train["x"][:50], train, data.load("qm9", "test"), {})
    assert [measure.value for measure in copies] == [1, 1, 0]
    assert molecule_figures(["CC(C)O", "OC(C)C", "C(O)(C)C", "C(C", "C("]) == pytest.approx(
        {"valid": 3 / 5, "unique": 1 / 3, "novel": 0}, abs=1e-9)
    assert molecule_figures(["CCCCCCCCCCCC", "FFF"]) == {"valid": 0.5, "unique": 1, "novel": 1}
    assert molecule_figures(["((", "1"]) == {"valid": 0, "unique": 0, "novel": 0}


# Faces


def test_the_reader_of_faces_as_a_judge():
    """Real faces are all faces, of all colours, each with its own; told wrong, or half of one and half of another, or
    of one colour only, they are found out."""
    test = data.load("faces", "test")
    x, y = test["x"][:80] / 255, test["y"][:80]
    distance, are, colours, right = face_measures(x, x[:20], y)
    assert (are.value, colours.value, right.value) == (1, 11, 1) and distance.value < 0.3
    assert face_measures(x[:40], x[:9], (y[:40] + 1) % 11)[-1].value < 0.2  # where a hat hides the hair, all are right
    assert face_measures((x[:40] + x[40:]) / 2, x[:9])[1].value < 0.2
    one = face_measures(x[y == 3], x[:9], y[y == 3])
    assert one[-1].value == 1 and one[2].value <= 3
    assert [m.name for m in judge(x[:20], test, test, {"y": y[:20]})][:4] == [
        "distance to a composition", "faces", "hair colours", "class accuracy"]
