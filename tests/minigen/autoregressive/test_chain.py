"""The chain rule and drawing one number after the other, on a model whose distribution is a table."""
import itertools

import numpy as np
import pytest
import scipy.stats

from autograd import Tensor, parameter
from autograd.backend import asarray, to_numpy, xp
from minigen.autoregressive import Autoregressive, categorical
from minigen.data import Space

LABELS = Space((), 2, ("low", "high"))


def rng(seed=0):
    return np.random.default_rng(seed)


class Table(Autoregressive):
    """p(x_i | x_<i, y) read off a random table of all prefixes, without any network."""

    def __init__(self, space, conditions=None, levels=None, *, rng):
        super().__init__(space, levels, conditions)
        self.tables = [parameter(rng.standard_normal((2, *(self.K,) * (i + 1)))) for i in range(self.D)]

    def _refuse_hidden(self, name, value):
        """The tables are not to be found here: nothing is trained."""

    def logits(self, x, y=None):
        x = np.asarray(to_numpy(self.to_sequence(x)))
        y = np.zeros(len(x), int) if y is None else y
        rows = [table.data[(asarray(y), *asarray(x[:, :i].T))] for i, table in enumerate(self.tables)]
        return Tensor(xp.stack(rows, axis=1))


def every(space):
    """All examples of a space, (K^D, *shape)."""
    return np.array(list(itertools.product(range(space.levels), repeat=space.size))).reshape(-1, *space.shape)


def frequencies(model, x):
    """How often each example of the space is among x."""
    places = model.K ** np.arange(model.D)[::-1]
    return np.bincount(to_numpy(model.to_sequence(x)) @ places, minlength=model.K**model.D)


@pytest.mark.parametrize("space", [Space((4,), 3), Space((1, 2, 2), 3), Space((2, 1, 2), 2)])
def test_probabilities_sum_to_one(space):
    model, x = Table(space, rng=rng()), every(space)
    log_p = np.float64(model.log_prob(asarray(x)).numpy())
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-9)
    assert model.log_conditionals(asarray(x)).shape == (len(x), space.size)


@pytest.mark.parametrize("condition", [{}, {"y": 1}])
def test_draws_have_the_probabilities(condition):
    space = Space((1, 2, 2), 2)
    model = Table(space, {name: LABELS for name in condition}, rng=rng())
    told = {name: np.full(4000, value) for name, value in condition.items()}
    observed = frequencies(model, model.draw(4000, rng(1), **told))
    every_told = {name: value[:16] for name, value in told.items()}
    log_p = model.log_prob(model.from_sequence(every(Space((4,), 2))), **every_told).numpy()
    assert scipy.stats.chisquare(observed, 4000 * np.exp(log_p) / np.exp(log_p).sum()).pvalue > 1e-3


def test_completions_have_the_conditional_probabilities():
    """p(x_3, x_4 | x_1, x_2), by summing the joint probabilities."""
    space = Space((4,), 2)
    model = Table(space, rng=rng())
    given = np.tile([1, 0, 1, 1], (3000, 1))
    drawn = model.draw(3000, rng(1), given=given, known=2)
    np.testing.assert_array_equal(drawn[:, :2], given[:, :2])
    p = np.exp(np.float64(model.log_prob(every(space)).numpy())).reshape(2, 2, 2, 2)[1, 0].ravel()
    observed = np.bincount(2 * drawn[:, 2] + drawn[:, 3], minlength=4)
    assert scipy.stats.chisquare(observed, 3000 * p / p.sum()).pvalue > 1e-3


def test_what_is_not_drawn_yet_is_not_seen():
    """A model that looks at its own future would have nothing but zeros to see, given or not."""
    model, seen = Table(Space((3,), 2), rng=rng()), []

    def predictor(n):
        predict = model.recompute()

        def watched(i, x):
            seen.append(to_numpy(x[:, i:]).any())
            return predict(i, x)
        return watched

    model.predictor = predictor
    model.draw(20, rng(), given=np.ones((20, 3), int), known=2)
    assert len(seen) == 3 and not any(seen)


def test_the_order_is_the_one_in_which_one_reads():
    model = Table(Space((3, 2, 2), 2), rng=rng())
    x = np.arange(12).reshape(1, 3, 2, 2)
    sequence = model.to_sequence(x)[0].tolist()
    assert sequence == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]  # red, green, blue of the first pixel, then of the next
    np.testing.assert_array_equal(model.from_sequence(model.to_sequence(x)), x)


def test_many_are_drawn_in_parts(monkeypatch):
    monkeypatch.setattr("minigen.autoregressive.chain.DRAWN", 7)
    model = Table(Space((2,), 3), {"y": LABELS}, rng=rng())
    for n in (0, 1, 7, 20):
        assert model.draw(n, rng(), y=np.zeros(n, int)).shape == (n, 2)
    y = np.arange(3000) % 2  # and each part is told what is its own
    x = model.draw(3000, rng(1), y=y)
    p = xp.exp(model.logits(x, y=y).data[:, 0])
    p = to_numpy(p / p.sum(axis=1, keepdims=True))
    for label in (0, 1):
        expected = 1500 * p[y == label][0]
        assert scipy.stats.chisquare(np.bincount(x[y == label, 0], minlength=3), expected).pvalue > 1e-3


def test_measures():
    space = Space((1, 2, 2), 3)
    model, x = Table(space, rng=rng()), every(space)[::5].astype(np.uint8)
    nats, bits = model.measure({"x": x}, rng())
    assert nats.value == pytest.approx(-model.log_prob(x).numpy().mean(), rel=1e-6)
    assert bits.value == pytest.approx(nats.value / (4 * np.log(2))) and nats.detail == "exact"
    loss = model.loss({"x": x}, rng())
    assert loss["nats"].item() == pytest.approx(nats.value) and loss["bits/dim"].item() == pytest.approx(bits.value)


def test_gray_levels_as_probabilities_are_drawn_anew():
    model = Table(Space((1, 2, 2), 5), levels=2, rng=rng())
    x = np.uint8([[[[0, 1], [2, 4]]]] * 4000)
    bits = to_numpy(model.observe(x, rng(1)))
    assert set(np.unique(bits)) == {0, 1}
    np.testing.assert_allclose(bits.mean(axis=(0, 1)), [[0, 0.25], [0.5, 1]], atol=0.03)
    assert "dynamic binarization" in model.measure({"x": x[:10]}, rng())[0].detail
    assert set(np.unique(model.sample(9, rng()))) <= {0.0, 1.0}


def test_categorical_draws_the_softmax():
    logits = np.float32([[0.0, 1.0, -1.0, 2.0]])
    observed = np.bincount(to_numpy(categorical(asarray(np.repeat(logits, 8000, axis=0)), rng())), minlength=4)
    assert scipy.stats.chisquare(observed, 8000 * scipy.special.softmax(logits[0].astype(float))).pvalue > 1e-3
    certain = asarray(np.float32([[-np.inf, 300.0, -np.inf], [-1e4, -2e4, 0.0]]))
    assert to_numpy(categorical(certain, rng())).tolist() == [1, 2]


def test_bad_input_is_one_clear_line():
    model = Table(Space((4,), 2), {"y": LABELS}, rng=rng())
    x, y = np.zeros((3, 4), int), np.zeros(3, int)
    with pytest.raises(ValueError, match="no column 'y', only x"):
        model.loss({"x": x}, rng())
    with pytest.raises(ValueError, match="is conditioned on y, and was told nothing"):
        model.sample(3, rng())
    with pytest.raises(ValueError, match="y holds values from 2 to 2, expected 0 to 1"):
        model.sample(3, rng(), y=y + 2)
    with pytest.raises(ValueError, match="y has 3 entries for 2 examples"):
        model.log_prob(x[:2], y=y)
    with pytest.raises(ValueError, match=r"x has shape \(3, 5\), expected \(N, 4\)"):
        model.loss({"x": np.zeros((3, 5), int), "y": y}, rng())
    with pytest.raises(ValueError, match="known is 5, expected at most D = 4"):
        model.draw(3, rng(), given=x, known=5, y=y)
    with pytest.raises(ValueError, match="known is 1"):
        model.draw(3, rng(), known=1, y=y)
    with pytest.raises(ValueError, match="models integers of no levels"):
        Table(Space((2,)), rng=rng())
    with pytest.raises(ValueError, match="pass levels=2"):
        Table(Space((1, 2, 2), 5), levels=3, rng=rng())
