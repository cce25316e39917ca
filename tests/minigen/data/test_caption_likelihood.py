"""The likelihood of captions sums to one, and is that of the captions that are drawn."""
import itertools
import math
from collections import Counter

import numpy as np
import pytest

from minigen.data.shapes import likelihood
from minigen.data.shapes.captions import NUMBERS, PLACES, RELATIONS, Caption, Kind, draw_pair
from minigen.data.shapes.drawing import MOST
from minigen.data.shapes.likelihood import log_probability

KINDS = [Kind(*each) for each in itertools.product([None, *range(4)], [None, *range(6)], [None, 0, 1])]


def all_captions(n):
    """Every one of one form or another, but for pairs of which nothing is said of the second."""
    yield from (Caption((kind,), place=place) for kind in KINDS for place in (None, *PLACES))
    yield from (Caption((kind,), number) for kind in KINDS for number in NUMBERS if number <= MOST[n])


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return [draw_pair(16, rng)[0] for _ in range(3000)]


def test_it_sums_to_one():
    p = sum(math.exp(log_probability(caption, 16)) for caption in all_captions(16))
    assert p == pytest.approx(0.6)  # one, and many
    some = [Kind(0, 1), Kind(None, 1), Kind(0, None), Kind()]  # with the sizes that are said or not
    for second in some:  # given what is said of the second, all that may be said of the first
        two = sum(math.exp(log_probability(Caption((kind, second), relation=relation), 16))
                  for kind in KINDS for relation in RELATIONS)
        other = sum(math.exp(log_probability(Caption((second, kind), relation=relation), 16))
                    for kind in KINDS for relation in RELATIONS)
        assert two == pytest.approx(other, rel=1e-2)  # neither comes first


def test_it_is_that_of_the_captions_that_are_drawn(drawn):
    """What is said of place, number and relation, of sizes, which geometry changes, and what is left out: within
    sampling error. As if there were no geometry, it is not."""
    N, z = len(drawn), []
    groups = {"many, two": lambda c: c.number == 2, "many, large": lambda c: c.number > 1 and c.kinds[0].size == 1,
              "no shape": lambda c: c.form != "two" and c.kinds[0].shape is None,
              "no colour": lambda c: c.form != "two" and c.kinds[0].colour is None,
              "no size": lambda c: c.form != "two" and c.kinds[0].size is None,
              **{place: lambda c, place=place: c.place == place for place in PLACES}}
    for name, belongs in groups.items():
        p = sum(math.exp(log_probability(c, 16)) for c in all_captions(16) if belongs(c))
        z.append((sum(map(belongs, drawn)) / N - p) / math.sqrt(p * (1 - p) / N))
    assert max(map(abs, z)) < 4, z
    two = [c for c in drawn if c.form == "two"]
    shares = Counter(c.relation for c in two)
    said = {relation: np.mean([math.exp(log_probability(Caption(c.kinds, relation=relation), 16)) / sum(
        math.exp(log_probability(Caption(c.kinds, relation=other), 16)) for other in RELATIONS) for c in two[:200]])
        for relation in RELATIONS}
    sigma = math.sqrt(0.2 / len(two) + 0.0002)
    assert all(abs(shares[relation] / len(two) - p) < 4 * sigma for relation, p in said.items()), (shares, said)
    even = 0.75 / 4  # if one way were as frequent as the other
    assert abs(shares["left of"] / len(two) - said["left of"]) < abs(shares["left of"] / len(two) - even)


def test_their_entropy_is_that_of_the_rules(drawn, monkeypatch):
    """-log p of what is drawn; under the likelihood of larger images, or of what was left out otherwise, it is more."""
    own, other = ([-log_probability(caption, n) for caption in drawn[:600]] for n in (16, 32))
    assert np.mean(other) > np.mean(own) + 0.01
    with monkeypatch.context() as patch:
        patch.setattr(likelihood, "_left_out", lambda kind: math.prod(
            share if said is None else 1 - share for said, share in zip(kind, (0.2, 0.2, 0.7))))
        assert np.mean([-log_probability(caption, 16) for caption in drawn[:600]]) > np.mean(own) + 0.01
    assert log_probability(Caption((Kind(0, 0),)), 16) == -math.inf  # a red square
    assert log_probability(Caption((Kind(2, 1, 1), Kind(2, 2, 1)), relation="and"), 16) < -11  # large triangles: no room
