"""The image transformer: exact likelihoods, who sees whom, the start and class tokens, and drawing from the cache."""
import itertools

import numpy as np
import pytest
import scipy.stats

from autograd import Tensor, grad, no_grad, parameter
from autograd.backend import asarray, to_numpy
from minigen import data
from minigen.data import Space
from minigen.models.autoregressive import ImageTransformer
from minigen.nn import Module
from minigen.optim import Adam

BITS, LABELS, SOURCE = Space((1, 2, 2), 2), Space((), 3), Space((1, 1, 2), 4)
COLOUR = Space((3, 2, 2), 3)
ALL = {"y": LABELS, "source": SOURCE}


def rng(seed=0):
    return np.random.default_rng(seed)


def build(space=BITS, conditions=None, make=ImageTransformer, dtype=np.float32, blocks=2, heads=2, **settings):
    """A small model in eval mode whose parameters are all random and far from 0."""
    model = make(space, conditions=conditions, width=8, blocks=blocks, heads=heads, **settings, rng=rng())
    noise = rng(7)
    for name, p in model.named_parameters():
        scale = 1.5 / np.sqrt(p.shape[-1]) if p.ndim == 2 and ("transformer" in name or "head" in name) else 0.7
        p.data = asarray((scale * noise.standard_normal(p.shape) + ("norm" in name)).astype(dtype))
    return model.eval()


def every(space):
    """All examples of a space, (K^D, *shape)."""
    return np.array(list(itertools.product(range(space.levels), repeat=space.size))).reshape(-1, *space.shape)


def told(conditions, n, y=1, source=(3, 0)):
    """The same conditions for n examples."""
    values = {"y": np.full(n, y), "source": np.tile(np.reshape(source, (1, 1, 2)), (n, 1, 1, 1))}
    return {name: values[name] for name in conditions or {}}


def total(model, space, **condition):
    return np.exp(np.float64(model.log_prob(asarray(every(space)), **condition).numpy())).sum()


# The likelihood


@pytest.mark.parametrize("space", [BITS, Space((1, 2, 2), 3), Space((3, 1, 2), 2), Space((4,), 3), Space((1,), 3)])
def test_probabilities_sum_to_one(space):
    assert total(build(space), space) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("conditions", [{"y": LABELS}, {"source": SOURCE}, ALL])
def test_conditional_probabilities_sum_to_one_and_differ(conditions):
    model, found = build(conditions=conditions), []
    for y, source in ((0, (3, 0)), (1, (1, 2)), (2, (0, 3))):
        condition = told(conditions, 16, y, source)
        assert total(model, BITS, **condition) == pytest.approx(1, abs=1e-5)
        found.append(model.log_prob(every(BITS), **condition).numpy())
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(found, 2)) > 0.05


# Who sees whom


class Leaf(Module):
    """In the place of the embedding of tokens: a leaf that gradients can be taken by."""

    def __init__(self, weight, x):
        self.leaf = parameter(weight[x])

    def forward(self, s):
        return self.leaf[:, : s.shape[1]]


def support(model, x, **condition):
    """(D, D) booleans: do the logits of number i change with the embedding of number j? At random weights, by random
    cotangents, one number at a time."""
    token, found = model.token, []
    model.token = Leaf(token.weight.data, model.to_sequence(asarray(x)))
    for i in range(model.D):
        y = model.logits(asarray(x), **condition)
        u = np.zeros(y.shape, np.float32)
        u[:, i] = rng(i).standard_normal((len(x), model.K))
        (g,) = grad(y, [model.token.leaf], Tensor(asarray(u)))
        found.append(np.abs(g.numpy()).max(axis=(0, 2)) > 1e-7)
    model.token = token
    return np.array(found)


class WithoutStart(ImageTransformer):
    """Mutant: the sequence is not shifted, so each number sees itself."""

    def inputs(self, s, y=None):
        return self.token(s) + self.places()


@pytest.mark.parametrize("space", [Space((1, 2, 3), 3), COLOUR])
def test_a_number_sees_all_before_it_and_nothing_else(space):
    model = build(space, ALL)
    x = rng().integers(space.levels, size=(2, *space.shape))
    condition = told(ALL, 2)
    np.testing.assert_array_equal(support(model, x, **condition), np.tri(model.D, model.D, -1, dtype=bool))
    g = grad(model.log_conditionals(x, **condition)[:, 0].sum(), [model.start.weight, model.source_token.weight])
    assert all(np.abs(each.numpy()).max() > 1e-4 for each in g)  # the first number: what it is conditioned on


def test_without_a_start_token_a_number_sees_itself():
    """And the checks above say so: the likelihood is none."""
    space = Space((1, 2, 2), 3)
    model = build(space, make=WithoutStart)
    assert np.diagonal(support(model, every(space)[::9])).all()
    assert abs(total(model, space) - 1) > 0.1


def test_every_number_has_a_place_of_its_own():
    """Numbers whose row, column and channel have the same codes could not be told apart."""
    for space in (COLOUR, Space((1, 3, 4), 2), Space((5,), 2), Space((2, 3), 2)):
        model = build(space)
        places = to_numpy(model.places().data)
        assert len(np.unique(places.round(4), axis=0)) == len(places) == space.size
    codes = [to_numpy(code.weight.data) for code in build(COLOUR).places.codes]
    expected = codes[0][1] + codes[1][0] + codes[2][2]  # row 1, column 0, blue
    x = np.zeros((1, 3, 2, 2), int)
    x[0, 2, 1, 0] = 1
    i = int(build(COLOUR).to_sequence(x)[0].argmax())
    np.testing.assert_allclose(to_numpy(build(COLOUR).places().data)[i], expected, rtol=1e-5)


# Sampling


def steps(model, x, **condition):
    """The logits (n, D, K) of the predictor, for given sequences."""
    s, predict = model.to_sequence(asarray(x)), model.predictor(len(x), **condition)
    found = []
    with no_grad():
        for i in range(model.D):
            seen = s.copy()
            seen[:, i:] = 0
            found.append(to_numpy(predict(i, seen)))
    return np.stack(found, axis=1)


@pytest.mark.parametrize("conditions", [None, ALL])
@pytest.mark.parametrize("space", [Space((1, 3, 3), 5), COLOUR])
def test_cached_logits_are_those_of_the_whole_pass(space, conditions):
    """Not bit for bit, as BLAS adds up one row in another order than many: to 1e-4 of logits of about 1 in float32, and
    to 1e-12 in float64, so that it is rounding and nothing else."""
    for dtype, tolerance in ((np.float32, 1e-4), (np.float64, 1e-12)):
        model = build(space, conditions, dtype=dtype)
        x, condition = rng().integers(space.levels, size=(6, *space.shape)), told(conditions, 6)
        with no_grad():
            expected = model.logits(asarray(x), **condition).numpy()
        assert np.abs(expected).max() > 0.5 and expected.dtype == dtype
        np.testing.assert_allclose(steps(model, x, **condition), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("conditions", [None, ALL])
def test_cached_samples_are_the_uncached_ones(conditions):
    """With the same rng, and completions too: integer for integer."""
    space = Space((1, 4, 4), 5)
    model, condition = build(space, conditions), told(conditions, 40)
    given = rng(3).integers(5, size=(40, *space.shape))
    drawn = model.draw(40, rng(1), **condition), model.draw(40, rng(2), given=given, known=7, **condition)
    model.predictor = lambda n, **condition: model.recompute(**condition)
    np.testing.assert_array_equal(drawn[0], model.draw(40, rng(1), **condition))
    np.testing.assert_array_equal(drawn[1], model.draw(40, rng(2), given=given, known=7, **condition))
    assert len(np.unique(drawn[0].reshape(40, -1), axis=0)) > 20


class PlaceBehind(ImageTransformer):
    """Mutant: in sampling each token comes with the place of the number before."""

    def predictor(self, n, y=None, source=None):
        places = self.places
        cache, start = self.transformer.cache(self.context(source)), self.first(n, y)

        def predict(i, x):
            token = start if i == 0 else self.token(x[:, i - 1 : i])
            return self.head(self.transformer(token + places()[max(0, i - 1)], cache=cache)).data[:, 0]
        return predict


class TokenAhead(ImageTransformer):
    """Mutant: in sampling the number that is yet to be drawn is read, a zero."""

    def predictor(self, n, **condition):
        predict = super().predictor(n, **condition)
        return lambda i, x: predict(i, np.roll(x, 1, axis=1) if i > 0 else x)


class ClassForgotten(ImageTransformer):
    """Mutant: the class is trained, and dropped in sampling."""

    def predictor(self, n, y=None, source=None):
        return super().predictor(n, 0 * y, source)


class SourceForgotten(ImageTransformer):
    """Mutant: so is the source."""

    def predictor(self, n, y=None, source=None):
        return super().predictor(n, y, 0 * source)


@pytest.mark.parametrize("mutant", [PlaceBehind, TokenAhead, ClassForgotten, SourceForgotten])
def test_sampling_out_of_step_is_noticed(mutant):
    space = Space((1, 3, 3), 5)
    model = build(space, ALL, make=mutant)
    x, condition = rng().integers(5, size=(6, *space.shape)), told(ALL, 6)
    with no_grad():
        expected = model.logits(asarray(x), **condition).numpy()
    assert np.abs(steps(model, x, **condition) - expected).max() > 0.05


def chi_square(model, y, n=4000):
    """p-value: are images drawn for class y distributed as the model says?"""
    drawn = model.draw(n, rng(1), y=np.full(n, y))
    observed = np.bincount(drawn.reshape(n, 4) @ [8, 4, 2, 1], minlength=16)
    p = np.exp(np.float64(model.log_prob(every(BITS), y=np.full(16, y)).numpy()))
    return scipy.stats.chisquare(observed, n * p / p.sum()).pvalue


def test_images_are_drawn_for_the_class_asked_for():
    assert min(chi_square(build(conditions={"y": LABELS}), y) for y in range(3)) > 1e-3
    assert chi_square(build(conditions={"y": LABELS}, make=ClassForgotten), 2) < 1e-9


def test_the_predictor_is_asked_in_turn():
    predict, x = build().predictor(2), np.zeros((2, 4), int)
    predict(0, x)
    for i in (0, 2):
        with pytest.raises(ValueError, match=f"asked for number {i}, and number 1 is next"):
            predict(i, x)


def test_no_dropout_in_eval_mode():
    model, x = build(conditions=ALL, dropout=0.5), every(BITS)
    condition = told(ALL, 16)
    np.testing.assert_array_equal(*(model.log_prob(x, **condition).numpy() for _ in range(2)))
    model.train()
    first, second = (model.log_prob(x, **condition).numpy() for _ in range(2))
    assert np.abs(first - second).max() > 0.01


# Training


def test_learns_what_is_there_to_be_learnt():
    """Four images of class 0 as likely as each other, one of class 1: their entropies are log 4 and 0."""
    x = np.array([[0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]]).reshape(5, 1, 2, 2)
    batch = {"x": x[[0, 1, 2, 3, 4, 4, 4, 4]], "y": np.repeat([0, 1], 4)}
    model = ImageTransformer(BITS, conditions={"y": Space((), 2)}, width=16, blocks=1, heads=2, dropout=0, rng=rng())
    optimizer = Adam(model.parameters(), 0.01)
    for _ in range(150):
        optimizer.step(grad(model.loss(batch, rng())["nats"], optimizer.params))
    model.eval()
    nats = -model.log_prob(x, y=np.array([0, 0, 0, 0, 1])).numpy()
    np.testing.assert_allclose(nats, [np.log(4)] * 4 + [0], atol=0.1)
    measure = model.measure(batch, rng())[0]
    assert (measure.name, measure.unit, measure.detail) == ("NLL", "nats", "exact")
    drawn = model.draw(300, rng(), y=np.repeat([0, 1], 150))
    assert drawn[150:].any(axis=(1, 2, 3)).mean() < 0.1
    assert {tuple(each.ravel()) for each in drawn[:150]} >= {tuple(each.ravel()) for each in x[:4]}


def test_is_measured_in_little_memory(monkeypatch):
    """D K = 8 logits of an example are little beside 4 tokens with 32 hidden numbers, twice."""
    monkeypatch.setattr("minigen.autoregressive.chain.MEASURED", 5 * 4 * 64)
    model, seen = build(), []
    logits = model.logits
    model.logits = lambda x: seen.append(len(x)) or logits(x)
    value = model.measure({"x": every(BITS)}, rng())[0].value
    assert seen == [5, 5, 5, 1]
    assert value == pytest.approx(-build().log_prob(every(BITS)).numpy().mean(), rel=1e-5)


def test_gray_levels_as_bits():
    digits = data.load("digits")
    model = build(digits.spaces["x"], levels=2)
    assert model.logits(model.observe(digits["x"][:3], rng())).shape == (3, 64, 2)
    assert set(np.unique(model.sample(3, rng()))) <= {0.0, 1.0}


@pytest.mark.parametrize("call, message", [
    (lambda: build(conditions={"text": SOURCE}), "cannot be told 'text' of shape (1, 1, 2)"),
    (lambda: build(conditions={"y": Space((40,), 2)}), "cannot be told 'y' of shape (40,) and 2 levels"),
    (lambda: build(conditions={"source": Space((1, 4, 4))}), "'source' of shape (1, 4, 4) and no levels"),
    (lambda: build(Space((2,))), "models integers of no levels"),
    (lambda: build(heads=3), "embed_dim=8 does not divide into num_heads=3"),
    (lambda: build(blocks=0), "blocks is 0"),
    (lambda: build(conditions={"y": LABELS}).sample(2, rng()), "was told nothing"),
    (lambda: build(conditions={"y": LABELS}).sample(2, rng(), y=np.array([0, 3])), "y holds values from 0 to 3"),
    (lambda: build().measure({"x": np.zeros((2, 1, 3, 2), int)}, rng()), "x has shape (2, 1, 3, 2)"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
