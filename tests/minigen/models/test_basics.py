"""Independent pixels and the Markov chain against counting by hand, and against the sum over all images."""
import itertools
import math
from functools import partial

import numpy as np
import pytest

from autograd.backend import to_numpy
from minigen import data
from minigen.data import Space
from minigen.models.basics import IndependentPixels, MarkovChain

MODELS = {"independent": IndependentPixels, "markov": MarkovChain,
          "shared markov": partial(MarkovChain, shared=True)}
DIGITS = Space((1, 8, 8), 17)


@pytest.fixture(scope="module")
def digits():
    return {split: data.load("digits", split)["x"] for split in data.SPLITS}


def all_images(shape, levels):
    rows = itertools.product(range(levels), repeat=math.prod(shape))
    return np.array(list(rows), np.uint8).reshape(-1, *shape)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape, levels", [((1, 2, 2), 3), ((3, 1, 2), 2), ((1, 1, 2), 5)])
def test_probabilities_of_all_images_sum_to_one(name, shape, levels):
    model = MODELS[name](Space(shape, levels))
    every = all_images(shape, levels)
    np.testing.assert_allclose(np.exp(to_numpy(model.log_prob(every))).sum(), 1, rtol=1e-12)  # uniform until fitted
    model.fit(np.random.default_rng(0).integers(0, levels, (20, *shape)).astype(np.uint8) // 2)
    p = np.exp(to_numpy(model.log_prob(every)))
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-12)
    assert np.ptp(p) > 0.01


@pytest.mark.parametrize(
    "name, nll", [("independent", 106.37), ("markov", 101.81), ("shared markov", 118.52)])
def test_nll_on_the_test_split_of_digits(digits, name, nll):
    model = MODELS[name](DIGITS)
    model.fit(digits["train"])
    measure = model.measure({"x": digits["test"]}, None)[0]
    assert measure.unit == "nats" and round(measure.value, 2) == nll
    assert 0.5 < measure.half_width < 1.5


def test_independent_pixels_by_hand():
    x = np.uint8([[0, 1], [0, 0], [2, 1]]).reshape(3, 1, 1, 2)
    model = IndependentPixels(Space((1, 1, 2), 3))
    model.fit(x)
    p = np.array([[2.5, 0.5, 1.5], [1.5, 2.5, 0.5]]) / 4.5
    np.testing.assert_allclose(np.exp(to_numpy(model.log_p)), p)
    of_images = [p[0, 0] * p[1, 1], p[0, 0] * p[1, 0], p[0, 2] * p[1, 1]]
    np.testing.assert_allclose(to_numpy(model.log_prob(x)), np.log(of_images))


def test_markov_chain_by_hand():
    x = np.uint8([[0, 1, 1], [0, 0, 1], [1, 1, 0]]).reshape(3, 1, 1, 3)
    own, shared = (Model(Space((1, 1, 3), 2)) for Model in (MarkovChain, MODELS["shared markov"]))
    own.fit(x)
    shared.fit(x)
    np.testing.assert_allclose(np.exp(to_numpy(own.log_first)), [2.5 / 4, 1.5 / 4])
    np.testing.assert_allclose(np.exp(to_numpy(own.log_next)), [[[1.5 / 3, 1.5 / 3], [0.5 / 2, 1.5 / 2]],
                                                                [[0.5 / 2, 1.5 / 2], [1.5 / 3, 1.5 / 3]]])
    np.testing.assert_allclose(np.exp(to_numpy(shared.log_next)), [[[1.5 / 4, 2.5 / 4], [1.5 / 4, 2.5 / 4]]])


def test_parameter_counts():
    assert IndependentPixels(DIGITS).num_parameters() == 64 * 16
    assert MarkovChain(DIGITS).num_parameters() == 16 + 63 * 17 * 16 == 17_152
    assert MarkovChain(DIGITS, shared=True).num_parameters() == 16 + 17 * 16 == 288
    assert MarkovChain(Space((1, 28, 28), 2)).num_parameters() == 2 * 784 - 1  # the lecture's count for bits


@pytest.mark.parametrize("name", MODELS)
def test_samples_follow_the_model(name):
    """The frequency of each of 81 images among 20,000 samples, within 4.5 standard errors."""
    model, rng = MODELS[name](Space((1, 2, 2), 3)), np.random.default_rng(1)
    model.fit(rng.integers(0, 3, (30, 1, 2, 2)).astype(np.uint8))
    x = to_numpy(model.sample(20_000, rng))
    assert x.shape == (20_000, 1, 2, 2) and set(np.unique(x)) == {0.0, 0.5, 1.0}
    index = (x.reshape(-1, 4) * 2).astype(int) @ [27, 9, 3, 1]
    frequency = np.bincount(index, minlength=81) / len(x)
    p = np.exp(to_numpy(model.log_prob(all_images((1, 2, 2), 3))))
    assert np.all(np.abs(frequency - p) < 4.5 * np.sqrt(p / len(x)))


@pytest.mark.parametrize("name", MODELS)
def test_a_fitted_model_is_saved_in_its_state(name, digits):
    model, loaded = (MODELS[name](DIGITS) for _ in range(2))
    model.fit(digits["train"])
    loaded.load_state_dict(model.state_dict())
    ours, expected = (to_numpy(m.log_prob(digits["test"])) for m in (loaded, model))
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("name", MODELS)
def test_bad_input(name):
    with pytest.raises(ValueError, match=r"points of shape \(2,\) have none; choose images"):
        MODELS[name](Space((2,)))
    model = MODELS[name](Space((1, 2, 2), 3))
    with pytest.raises(ValueError, match="x holds values from 3 to 3, expected 0 to 2"):
        model.fit(np.full((5, 1, 2, 2), 3, np.uint8))
    with pytest.raises(ValueError, match=r"x has shape \(5, 1, 4, 4\), expected \(N, 1, 2, 2\)"):
        model.log_prob(np.zeros((5, 1, 4, 4), np.uint8))
