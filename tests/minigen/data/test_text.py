"""Byte-pair encoding against the paper's own algorithm, its inverse, and that pieces only ever become fewer."""
import re
from collections import Counter

import numpy as np
import pytest

from minigen.data import Space
from minigen.data.files import SHIPPED
from minigen.data.text import decode, encode, learn_pieces, pieces_of, words_of


def sennrich(texts, merges):
    """Algorithm 1 as the paper prints it, all counted anew each time; the end of a word is a space, written "_"."""
    vocabulary = Counter(" ".join(word) + " _" for text in texts for word in text.split())
    found = []
    for _ in range(merges):
        pairs = Counter()
        for word, times in vocabulary.items():
            symbols = word.split()
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], "".join(pair).replace("_", " ")))
        joined = re.compile(r"(?<!\S)" + re.escape(" ".join(best)) + r"(?!\S)")
        vocabulary = {joined.sub("".join(best), word): times for word, times in vocabulary.items()}
        found.append("".join(best).replace("_", " "))
    return found, {word.replace(" ", "").replace("_", ""): [s.replace("_", " ") for s in word.split()]
                   for word in vocabulary}


with np.load(SHIPPED / "emoji.npz") as arrays:
    NAMES = [str(name) for name in arrays["name"][::4]]


def test_greedy_joins_are_those_of_a_naive_recount():
    """The paper's algorithm, on names of emoji: the same pieces in the same order, and the same words made of them."""
    letters = set("".join(NAMES)) | {" "}
    names = learn_pieces(NAMES, 1 + len(letters) + 80)
    merges, spelled = sennrich(NAMES, 80)
    assert list(names[1 + len(letters):]) == merges
    for word, pieces in spelled.items():
        assert pieces_of(word, names) == pieces


def test_a_word_never_seen_is_spelled_by_pieces_and_common_ones_are_one():
    names = learn_pieces(["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3, 20)  # the paper's example
    assert {"es", "est", "est ", "lo", "low"} <= set(names)
    assert pieces_of("lowest", names) == ["low", "est "]
    assert pieces_of("newest", names)[-1].endswith("est ")


def random_texts(seed, letters, count=60):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(letters), rng.integers(0, 30))) for _ in range(count)]


def test_texts_come_back():
    """Random ones too, of letters that are known, and with more than one space between words."""
    names = learn_pieces(NAMES, 200, letters="xyz")
    space = Space((60,), len(names), names)
    texts = NAMES + random_texts(0, "".join(name for name in names if len(name) == 1)) + ["", "  a   b "]
    tokens = encode(texts, space)
    space.check(tokens, "text")
    assert decode(tokens, space) == [" ".join(text.split()) for text in texts]
    assert len({row.tobytes() for row in tokens}) == len({" ".join(text.split()) for text in texts})


def test_with_more_pieces_texts_are_never_longer():
    names, texts = learn_pieces(NAMES, 220), NAMES + random_texts(1, "aeinrst ")
    letters = sum(len(name) <= 1 for name in names)
    sizes = np.array([[len(pieces_of(text, names[:k])) for text in texts] for k in (letters, 90, 120, 150, 180, 220)])
    assert (np.diff(sizes, axis=0) <= 0).all()
    assert sizes[0].tolist() == [len("".join(text.split())) + len(text.split()) for text in texts]
    assert sizes[-1, :len(NAMES)].sum() < 0.6 * sizes[0, :len(NAMES)].sum()


def test_whole_words():
    names = words_of(["a red square", "a red cross"])
    space = Space((4,), len(names), names)
    assert names == ("", "a", "cross", "red", "square")
    np.testing.assert_array_equal(encode(["a red square", ""], space), [[1, 3, 4, 0], [0, 0, 0, 0]])
    assert decode([[1, 3, 4, 0]], space) == ["a red square"]


@pytest.mark.parametrize("call, message", [
    (lambda: encode(["a red sqare"], Space((4,), 3, ("", "a", "square"))), "'red' is no word that the model knows"),
    (lambda: encode(["a sqare"], Space((4,), 3, ("", "a", "square"))), "did you mean 'square'?"),
    (lambda: encode(["a a a"], Space((2,), 2, ("", "a"))), "'a a a' has 3 words, the model reads 2"),
    (lambda: encode(["a a"], Space((2,), 3, ("", " ", "a"))), "'a a' has 4 tokens, the model reads 2"),
    (lambda: encode(["ab"], Space((9,), 3, ("", " ", "a"))), "'b' in 'ab' is no letter of this code"),
    (lambda: learn_pieces(["abc"], 3), "3 tokens are fewer than the 5 letters"),
    (lambda: learn_pieces(["ab"], 9), "tokens spell every word as one, 9 were asked for"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
