"""n-grams against sums over all texts, and what a longer context buys: copies."""
import itertools

import numpy as np
import pytest

from minigen import data
from minigen.data import Space
from minigen.data.molecules import decode
from minigen.models.basics import NGram
from minigen.models.basics.ngram import inside

TINY = Space((4,), 3)  # two characters and the end
EVERY = np.array([t for t in itertools.product(range(3), repeat=4)
                  if t[-1] == 0 and all(b == 0 for a, b in itertools.pairwise(t) if a == 0)])


def rng(seed=0):
    return np.random.default_rng(seed)


def test_counts_are_those_of_a_loop():
    x = data.load("qm9")["x"][:300]
    model, n = NGram(Space((29,), 19), x, order=3), 0
    for text in decode(x):
        padded = "$$" + text + "$"
        n += sum(padded[i:i + 3] == "CC=" for i in range(len(padded) - 2))
    context = 1 * 19 + 1  # C C
    at = np.flatnonzero(np.asarray(model.seen) == context)
    assert n > 10 and model.counts[at[0], data.load("qm9").spaces["x"].names.index("=")] == n


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_sum_to_one_over_all_texts(order):
    """But for those of full length: each text that has no end before its last place is one that would go on."""
    x = EVERY[rng().integers(len(EVERY), size=12)]
    model = NGram(TINY, x, order)
    p = np.exp(model.log_prob(EVERY))
    longer = EVERY[:, 2] > 0  # their last end has a probability of its own, less than 1
    going = sum(np.exp(model.log_prob(np.concatenate([EVERY[longer][:, :3], np.full((longer.sum(), 1), k)], axis=1)
                                      )).sum() for k in (1, 2))
    assert p.sum() + going == pytest.approx(1)


def test_samples_have_the_probabilities():
    x = np.array([[1, 0, 0, 0], [1, 2, 0, 0], [2, 2, 0, 0]])
    drawn = NGram(TINY, x, order=2).sample(20_000, rng())
    assert all(0 in row and (row[np.argmax(row == 0):] == 0).all() for row in drawn)
    assert (drawn[:, 0] == 1).mean() == pytest.approx(2 / 3, abs=0.02)
    # after a 2, the end twice and a 2 once
    assert (drawn[drawn[:, 0] == 2, 1] == 2).mean() == pytest.approx(1 / 3, abs=0.02)


def test_a_long_context_copies():
    x = data.load("qm9")["x"][:2000]
    space, known = data.load("qm9").spaces["x"], set(decode(x))
    copied = [np.mean([text in known for text in decode(NGram(space, x, order).sample(500, rng()))])
              for order in (3, 12)]
    assert copied[0] < 0.2 < 0.6 < copied[1]


def test_what_belongs_to_a_text():
    assert inside(np.array([[1, 2, 0, 0], [0, 0, 0, 0]])).tolist() == [[True, True, True, False],
                                                                      [True, False, False, False]]


def test_refuses():
    with pytest.raises(ValueError, match=r"reads texts, and x has shape \(1, 8, 8\)"):
        NGram(Space((1, 8, 8), 17), data.load("digits")["x"])
    with pytest.raises(ValueError, match="order is 0, expected at least 1"):
        NGram(TINY, EVERY, 0)
