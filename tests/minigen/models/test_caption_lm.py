"""The language model of captions is one: it sums to one, sees no word before it guesses it, and writes as it reads."""
import itertools

import numpy as np
import pytest

from autograd import backend, no_grad
from minigen import data
from minigen.data import Space
from minigen.data.shapes.captions import encode
from minigen.models.text_to_image import CaptionLM
from minigen.optim import adam
from minigen.shapes_judge import caption_measures
from minigen.train import Run, one_stage, train

WORDS = Space((3,), 3, ("", "a", "b"))


def build(space=WORDS, model=CaptionLM, seed=0):
    lm = model(space, width=8, blocks=1, heads=2, rng=backend.rng(seed)).eval()
    rng = backend.rng(1)
    for p in lm.parameters():
        p.assign(p.data + backend.normal(rng, p.shape))
    return lm


def every_text():
    """All texts of three words at most, nothing behind the end."""
    return np.array([text for text in itertools.product(range(3), repeat=3)
                     if all(a > 0 or b == 0 for a, b in itertools.pairwise(text))])


class Seeing(CaptionLM):
    """Guesses each word after it has read it: not shifted by one."""

    def logits(self, text):
        return self.next(self.encoder(text))


def test_it_sums_to_one_and_one_that_sees_what_it_guesses_does_not():
    total = lambda model: np.exp(model.log_prob(every_text())).sum()
    assert total(build()) == pytest.approx(1, abs=1e-5)
    assert abs(total(build(model=Seeing)) - 1) > 0.1


def test_what_stands_behind_the_end_does_not_count():
    lm, text = build(), np.array([[1, 0, 0], [2, 1, 0]])
    other = text.copy()
    other[0, 2] = 2
    np.testing.assert_allclose(lm.log_prob(other), lm.log_prob(text), atol=1e-6)
    assert lm.loss({"text": text}, None)["nats/word"].item() == pytest.approx(-lm.log_prob(text).sum() / 5, rel=1e-5)


def test_it_writes_as_it_reads():
    """What it writes ends within the tokens that there are: the last one is the end, whatever it would have been."""
    lm, N, texts = build(), 4000, every_text()
    written, p = lm.write(N, backend.rng(2)), np.exp(lm.log_prob(texts))
    assert (written[:, -1] == 0).all()
    for text in texts[texts[:, 2] == 0]:
        expected = p[(texts[:, :2] == text[:2]).all(axis=1)].sum()
        share = (written == text).all(axis=1).mean()
        assert abs(share - expected) < 4.5 * np.sqrt(expected / N) + 1e-3, text


@pytest.fixture(scope="module")
def shapes():
    return data.load("shapes16", "valid")


@pytest.fixture(scope="module")
def trained(shapes):
    lm = CaptionLM(shapes.spaces["text"], width=16, blocks=1, heads=2, rng=backend.rng(0))
    train(Run(one_stage(lm, adam(1e-2), steps=60, batch_size=64), shapes, rng=backend.rng(1)))
    return lm.eval()


def test_what_goes_out_tells_words_apart_that_are_used_alike(trained):
    """Red and magenta, of which no square is: the last layer alone has half forgotten which it was, and after the noun
    altogether."""
    text = encode(["a red circle", "a magenta circle"])

    def apart(h, place):
        """How far the two are from each other, over how long they are."""
        a, b = h.numpy()[:, place]
        return np.linalg.norm(a - b) / np.linalg.norm([a, b])

    with no_grad():
        assert apart(trained(text), 1) > 1.2 * apart(trained.encoder(text), 1)
        assert apart(trained.encoder(text), 2) < 0.05


def test_it_learns_the_captions_and_its_measures(shapes, trained):
    """A few steps: below the entropy of single words, above that of the rules."""
    lm = trained
    nll, = lm.measure(shapes.columns, None)
    assert nll.value < 2.5 < float(nll.detail.split()[-1]) and nll.unit == "nats/word"
    gap, rules, withheld = caption_measures(lm.log_prob, encode(["a red circle", "a red square", "a a of"]),
                                            shapes["text"], 16)
    entropy = float(gap.detail.split()[2].rstrip(","))
    assert gap.value + entropy == pytest.approx(nll.value, abs=2e-3) and gap.value > 0
    assert (rules.value, withheld.value) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
