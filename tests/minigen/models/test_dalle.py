"""DALL-E's stream is causal, its cache changes nothing, its loss has the paper's weights, and it draws what is asked."""
import numpy as np
import pytest

from autograd import backend, no_grad
from autograd.backend import asarray, to_numpy
from minigen.autoregressive.chain import categorical
from minigen.data import Dataset, Space
from minigen.models.text_to_image import DALLE
from minigen.optim import adam
from minigen.train import Run, one_stage, train

TEXT = Space((3,), 5)
COLOURS = np.eye(4, 3, dtype=np.float32)  # of the four codes: red, green, blue, black


class Tokenizer:
    """Four colours, a code for each quarter of a picture of 4 x 4 pixels; frozen by nature."""

    space, codes = Space((3, 4, 4), 256), Space((1, 2, 2), 4)

    def encode(self, x):
        quarters = x[:, :, ::2, ::2].transpose(0, 2, 3, 1) / 255  # (N, 2, 2, 3)
        return abs(quarters[..., None, :] - COLOURS).sum(axis=-1).argmin(axis=-1)[:, None]

    def decode(self, codes):
        return COLOURS[codes[:, 0]].transpose(0, 3, 1, 2).repeat(2, axis=2).repeat(2, axis=3)


def rng(seed=0):
    return backend.rng(seed)


def pairs(n, seed=1):
    """The first word, 1 to 4, is the colour of the left half, the second of the right; the third says nothing."""
    r = np.random.default_rng(seed)
    words = r.integers(1, 5, (n, 2))
    text = np.concatenate([words, np.zeros((n, 1), np.int64)], axis=1)
    codes = (words - 1)[:, None, None].repeat(2, axis=2)  # (N, 1, 2, 2)
    x = np.uint8(255 * Tokenizer().decode(codes))
    return Dataset("colours", "train", {"x": x, "text": text}, {"x": Tokenizer.space, "text": TEXT}, "colours")


def build(seed=0, **settings):
    return DALLE(Tokenizer(), TEXT, **{"width": 16, "blocks": 2, "heads": 2, "dropout": 0.0, **settings}, rng=rng(seed))


def test_the_stream_is_causal():
    """Word i is told by the words before it, code j by all words and the codes before it, and by nothing else."""
    model, data = build().eval(), pairs(1)
    text, z = data["text"], model.codes(data["x"])
    for parameter in model.parameters():
        parameter.assign(0.3 * rng(3).standard_normal(parameter.shape))
    with no_grad():
        outputs = lambda text, z: [*np.moveaxis(model.logits(text, z)[0].numpy(), 1, 0),
                                   *np.moveaxis(model.logits(text, z)[1].numpy(), 1, 0)]
        before = outputs(text, z)
        for changed in range(7):
            other, codes = text.copy(), z.copy()
            if changed < 3:
                other[0, changed] = (other[0, changed] + 1) % 5
            else:
                codes[0, changed - 3] = (codes[0, changed - 3] + 1) % 4
            moved = [abs(a - b).max() > 1e-6 for a, b in zip(before, outputs(other, codes))]
            assert moved == [i > changed for i in range(7)]


def test_drawing_with_the_cache_is_drawing_without():
    model, text = build(seed=2).eval(), pairs(6)["text"]
    drawn, r = model.draw(6, rng(4), text), rng(4)
    z = np.zeros((6, 4), np.int64)
    with no_grad():
        for j in range(4):  # the whole stream anew for each code
            z[:, j] = to_numpy(categorical(model.logits(text, z)[1].data[:, j], r))
    np.testing.assert_array_equal(drawn, z)


def test_the_loss_is_seven_eighths_image_and_one_eighth_text():
    model, batch = build().eval(), pairs(5).columns
    terms = model.loss(batch, rng())
    with no_grad():
        words, codes = (out.numpy().astype(np.float64) for out in model.logits(batch["text"], model.codes(batch["x"])))

    def nll(logits, right):
        log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return -np.take_along_axis(log_p, right[..., None], axis=-1).mean()

    of_image, of_text = nll(codes, model.codes(batch["x"])), nll(words, batch["text"])
    assert terms["nats/code"].item() == pytest.approx(of_image, rel=1e-4)
    assert terms["nats/word"].item() == pytest.approx(of_text, rel=1e-4)
    assert terms["loss"].item() == pytest.approx(7 / 8 * of_image + 1 / 8 * of_text, rel=1e-4)
    own, of_words = model.nats(batch["text"], model.codes(batch["x"]))
    assert own.mean() == pytest.approx(of_image, rel=1e-4) and of_words.mean() == pytest.approx(of_text, rel=1e-4)


def test_it_draws_what_the_caption_says_and_another_caption_costs_nats():
    data = pairs(400)
    model = build(seed=5, width=32)
    train(Run(one_stage(model, adam(5e-3), steps=150, batch_size=64), data, rng=rng(6)))
    model.eval()
    text = pairs(200, seed=9)["text"]
    drawn = model.tokenizer.encode(np.uint8(255 * model.sample(200, rng(7), text=text)))
    asked = (text[:, :2] - 1)[:, None, None].repeat(2, axis=2)
    assert (drawn == asked).mean() > 0.97
    inner = model.draw
    for otherwise in (lambda some: some[:, [1, 0, 2]], lambda some: np.where(some > 0, some % 4 + 1, 0)):
        model.draw = lambda n, r, some, otherwise=otherwise: inner(n, r, otherwise(some))  # a caption written otherwise
        other = model.tokenizer.encode(np.uint8(255 * model.sample(200, rng(7), text=text)))  # than in training
        assert (other == asked).mean() < 0.5
    model.draw = inner
    own, other, words = model.measure(pairs(200, seed=8).columns, rng(0))
    assert own.value < 0.1 < 1.0 < other.value
    assert words.value == pytest.approx(2 / 3 * np.log(4), abs=0.05)  # two of four words each, and one that is known
    free = model.sample(400, rng(10))  # captions are drawn too
    left = model.tokenizer.encode(np.uint8(255 * free))[:, 0, :, 0]
    assert np.bincount(left.ravel(), minlength=4).min() > 100 and (left[:, 0] == left[:, 1]).mean() > 0.95


def test_the_best_of_several_is_chosen_by_the_pictures():
    class Likes:
        """The more red, the more alike; it is given pictures in their own units."""

        def similarity(self, x, text):
            assert x.shape == (8, 3, 4, 4) and x.dtype == np.uint8 and text.shape == (1, 3)
            return np.float32(x[:, :1].mean(axis=(1, 2, 3)))[:, None]

    model, text = build(seed=2).eval(), pairs(5)["text"]
    best = model.best_of(8, Likes(), rng(3), text)
    drawn = model.sample(40, rng(3), text=text.repeat(8, axis=0)).reshape(5, 8, 3, 4, 4)
    reds = drawn[:, :, 0].mean(axis=(2, 3))
    assert best.shape == (5, 3, 4, 4)
    np.testing.assert_allclose(best[:, 0].mean(axis=(1, 2)), reds.max(axis=1))
    assert best[:, 0].mean() > drawn[:, :, 0].mean()


def test_what_does_not_fit_is_named():
    model = build()
    with pytest.raises(ValueError, match="2 captions for 3 samples"):
        model.sample(3, rng(), text=pairs(2)["text"])
    with pytest.raises(ValueError, match="text holds values from 9 to 9"):
        model.sample(1, rng(), text=np.full((1, 3), 9))
    with pytest.raises(ValueError, match=r"expected tokens \(T,\)"):
        DALLE(Tokenizer(), Space((3, 4, 4), 9), rng=rng())
    assert asarray(model.sample(0, rng(), text=pairs(1)["text"][:0])).shape == (0, 3, 4, 4)
