"""CLIP's loss is the formula's, its traps are shut, and it tells images of its captions from others."""
import math

import numpy as np
import pytest

from autograd import backend, grad, no_grad
from autograd.backend import asarray
from minigen import data
from minigen.data.shapes.captions import encode
from minigen.models.text_to_image import CLIP
from minigen.models.text_to_image.clip import HIGHEST, repeated
from minigen.optim import adam
from minigen.shapes_judge import retrieval_measures
from minigen.text_to_image import TextEncoder
from minigen.text_to_image.text_encoder import end_of, padding
from minigen.train import Run, one_stage, train


@pytest.fixture(scope="module")
def shapes():
    return data.load("shapes16", "valid")


@pytest.fixture
def model(shapes):
    return CLIP(shapes.spaces["x"], shapes.spaces["text"], rng=backend.rng(0))


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def expected_loss(I, T, scale, excluded):
    """The mean over both directions, written out in NumPy."""
    logits = np.where(excluded, -np.inf, scale * np.float64(I) @ np.float64(T).T)
    return -(np.diag(log_softmax(logits)).mean() + np.diag(log_softmax(logits.T)).mean()) / 2


def test_the_loss_is_the_formula_and_repeated_captions_are_left_out(model, shapes):
    batch = shapes.batch(np.arange(12))
    batch["text"] = np.concatenate([batch["text"][:9], batch["text"][:3]])  # 0 and 9, 1 and 10, 2 and 11 are alike
    excluded = np.zeros((12, 12), bool)
    for i in range(3):
        excluded[i, 9 + i] = excluded[9 + i, i] = True
    np.testing.assert_array_equal(repeated(batch["text"]), excluded)
    with no_grad():
        I, T = (v.numpy() for v in (model.image_vectors(model.space.signed(batch["x"])),
                                    model.text_vectors(batch["text"])))
    np.testing.assert_allclose(np.linalg.norm(I, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(T, axis=1), 1, rtol=1e-5)
    loss = model.loss(batch, None)["contrastive loss"].item()
    assert loss == pytest.approx(expected_loss(I, T, 1 / 0.07, excluded), rel=1e-4)
    assert loss != pytest.approx(expected_loss(I, T, 1 / 0.07, False), rel=1e-3)  # as if they could be told apart
    cosines = model.similarity(batch["x"], batch["text"])
    np.testing.assert_allclose(cosines, I @ T.T, atol=1e-5)


def test_only_directions_count(model, shapes):
    batch = shapes.batch(np.arange(8))
    before = model.loss(batch, None)["contrastive loss"].item()
    model.W_i.weight.assign(3 * model.W_i.weight.data)
    assert model.loss(batch, None)["contrastive loss"].item() == pytest.approx(before, rel=1e-4)


def test_the_scale_starts_where_the_paper_says_and_is_held_below_a_hundred(model, shapes):
    batch = shapes.batch(np.arange(8))
    assert math.exp(model.t.item()) == pytest.approx(1 / 0.07)
    model.t.assign(9.0)  # as a step too long would leave it
    model.train()
    terms = model.loss(batch, None)
    assert terms["scale"].item() == pytest.approx(100, rel=1e-5) and model.t.item() == pytest.approx(HIGHEST)
    assert np.isfinite(grad(terms["contrastive loss"], model.t).item())


def test_a_batch_of_one_is_refused(model, shapes):
    """Its loss would be 0, whatever the model."""
    with pytest.raises(ValueError, match="a batch of 1 pairs has nothing to tell apart"):
        model.loss(shapes.batch(np.arange(1)), None)
    with pytest.raises(ValueError, match="expected tokens"):
        TextEncoder(shapes.spaces["x"], rng=backend.rng(0))


def test_one_who_knows_nothing_has_ln_n(model, shapes):
    """Images that all have one vector: the loss of a wiring that learns nothing. No caption comes twice."""
    model.image_encoder.head.weight.assign(0)
    _, rows = np.unique(shapes["text"], axis=0, return_index=True)
    first = model.measure(shapes.batch(rows[:100]), None)
    assert first[0].value >= math.log(100) - 1e-3 and first[1].value <= 1e-3


def test_what_stands_after_the_end_is_not_read_and_what_stands_before_is(shapes):
    encoder = TextEncoder(shapes.spaces["text"], rng=backend.rng(0))
    text = encode(["a red square", "a small red square left of a large blue cross"])
    np.testing.assert_array_equal(end_of(text), [3, 10])
    np.testing.assert_array_equal(np.asarray(padding(text)).sum(axis=1), [11 - 4, 0])
    end = encoder.end(text).numpy()
    noisy = text.copy()
    noisy[0, 4:] = 5
    np.testing.assert_allclose(encoder.end(noisy).numpy(), end, rtol=1e-5)
    for place in range(3):  # every word counts, the first too
        other = text.copy()
        other[0, place] = 9
        assert abs(encoder.end(other).numpy()[0] - end[0]).max() > 1e-4
    np.testing.assert_array_equal(end_of(np.array([[1, 2, 3]])), [2])  # no end


def test_it_learns_to_find_captions(shapes):
    """32 pairs by heart, from ln 32 = 3.47. At ten times the rate all vectors run to one point, and stay there: that is
    what a loss of ln N in a log means, and why the paper's rate is small."""
    few, losses = shapes.first(32), []
    for rate in (5e-4, 5e-3):
        model = CLIP(few.spaces["x"], few.spaces["text"], rng=backend.rng(1))
        train(Run(one_stage(model, adam(rate), steps=25, batch_size=32), few, rng=backend.rng(2)))
        losses.append(model.loss(few.columns, None)["contrastive loss"].item())
    assert losses[0] < 1.5 and losses[1] > 3.3, losses


def test_measures_of_one_who_reads_and_of_a_bag_of_words(shapes):
    """A similarity made of the captions' own words: one that knows their order, one that does not, one that guesses."""
    some = shapes.first(100)
    pictures = some.spaces["x"].drawn(some["x"])
    owner = {picture.tobytes(): row for picture, row in zip(some["x"], some["text"])}

    def measures(agree):
        similarity = lambda x, text: np.array([[agree(owner[picture.tobytes()], row) for row in text] for picture in x])
        return {m.name: m.value for m in retrieval_measures(similarity, some["x"], some["text"], pictures)}

    reader = measures(lambda a, b: -float(np.abs(a - b).sum()))
    assert all(reader[name] == 1 for name in ("true caption of 100", "one thing changed", "shapes exchanged"))
    assert reader["own caption of 100"] == 1  # the first of several that are alike is the same caption
    bag = measures(lambda a, b: -float(np.abs(np.bincount(a, minlength=40) - np.bincount(b, minlength=40)).sum()))
    assert bag["true caption of 100"] > 0.9 and bag["shapes exchanged"] == 0  # a tie is no preference
    r = np.random.default_rng(0)
    guess = measures(lambda a, b: r.random())
    assert guess["own caption of 100"] < 0.05 and abs(guess["one thing changed"] - 0.5) < 0.08


def test_an_array_of_tokens_is_checked(model, shapes):
    with pytest.raises(ValueError, match="text has shape"):
        model.text_vectors(np.zeros((2, 3), int))
    with pytest.raises(ValueError, match="text holds values from 99 to 99"):
        model.text_vectors(np.full((2, 11), 99))
    assert asarray(model.text_vectors(np.zeros((2, 11), int)).data).shape == (2, 64)  # captions of no words
