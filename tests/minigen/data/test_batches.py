"""Batches and Together: every example once an epoch, exact resume. Pixels: ranges, exactness, moments."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import data
from minigen.data import Dataset, Space, Unpaired


def numbered(N, name="numbered"):
    """A dataset whose example i is the point (i, 0) with label i."""
    x = np.zeros((N, 2), np.float32)
    x[:, 0] = np.arange(N)
    return Dataset(name, "train", {"x": x, "y": np.arange(N)}, {"x": Space((2,)), "y": Space((), N)}, "")


def epoch(batches):
    return np.concatenate([next(batches)["y"] for _ in range(len(batches))])


@given(N=st.integers(1, 40), batch_size=st.integers(1, 40), shuffle=st.booleans(), drop_last=st.booleans())
def test_an_epoch_has_every_example_at_most_once(N, batch_size, shuffle, drop_last):
    if drop_last and batch_size > N:
        return
    batches = data.Batches(numbered(N), batch_size, np.random.default_rng(0), shuffle, drop_last)
    for _ in range(3):
        seen = epoch(batches)
        assert len(np.unique(seen)) == len(seen) == (N // batch_size * batch_size if drop_last else N)
        assert shuffle or np.array_equal(seen, np.arange(len(seen)))


def test_pairs_stay_together_and_batches_are_full():
    batches = data.Batches(numbered(25), 4, np.random.default_rng(0))
    assert len(batches) == 6
    for _, batch in zip(range(20), batches, strict=False):
        x, y = batch["x"], batch["y"]
        assert x.shape == (4, 2) and x.dtype == np.float32 and np.array_equal(x[:, 0], y)


def test_every_epoch_has_its_own_order_and_leaves_out_another_tail():
    batches = data.Batches(numbered(25), 4, np.random.default_rng(0))
    first, second = epoch(batches), epoch(batches)
    assert not np.array_equal(first, second)
    left_out = {int(np.setdiff1d(np.arange(25), epoch(batches))[0]) for _ in range(100)}
    assert len(left_out) > 15


def test_the_same_seed_gives_the_same_stream_and_another_another():
    runs = [epoch(data.Batches(numbered(50), 5, np.random.default_rng(seed))) for seed in (3, 3, 4)]
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])


def test_a_batch_has_the_columns_of_its_data():
    batch = next(data.load("ring", "valid").batches(7, np.random.default_rng(0)))
    assert list(batch) == ["x"] and batch["x"].shape == (7, 2)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("taken", [0, 1, 5, 6, 7, 23])  # 6 batches an epoch: both sides of its end
def test_resume_gives_the_same_future_bit_for_bit(taken, shuffle):
    """The generator is shared with a 'model' that draws after every batch, as in training."""
    def steps(batches, rng, n):
        return [(next(batches)["x"].tobytes(), rng.standard_normal(3).tobytes()) for _ in range(n)]

    rng = np.random.default_rng(1)
    batches = data.Batches(numbered(25), 4, rng, shuffle)
    steps(batches, rng, taken)
    saved = json.loads(json.dumps([batches.state_dict(), rng.bit_generator.state]))
    future = steps(batches, rng, 20)

    rng = np.random.default_rng(99)  # a new process: another generator, restored after Batches was built
    batches = data.Batches(numbered(25), 4, rng, shuffle)
    batches.load_state_dict(saved[0])
    rng.bit_generator.state = saved[1]
    assert steps(batches, rng, 20) == future


def test_the_state_is_small_whatever_the_data():
    batches = data.Batches(numbered(100_000), 100, np.random.default_rng(0))
    next(batches)
    assert len(json.dumps(batches.state_dict())) < 200


def test_resume_on_something_else_is_refused():
    state = data.Batches(numbered(25), 4, np.random.default_rng(0)).state_dict()
    for N, batch_size, shuffle, message in [(26, 4, True, "examples=25.*examples=26"),
                                            (25, 5, True, "batch_size=4.*batch_size=5"),
                                            (25, 4, False, "shuffle=False")]:
        other = data.Batches(numbered(N), batch_size, np.random.default_rng(0), shuffle)
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(state)


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_impossible_batch_size_says_what_is_possible(batch_size):
    with pytest.raises(ValueError, match=f"batch_size={batch_size}.*10 examples.*1..10"):
        data.Batches(numbered(10), batch_size, np.random.default_rng(0))


# Together


def pair():
    """Sets of 25 and 10 numbered examples that have nothing to do with each other."""
    return Unpaired("pair", "train", {"a": numbered(25), "b": numbered(10)}, "")


def test_together_each_set_has_its_own_order_and_epochs():
    batches = pair().batches(5, np.random.default_rng(0))
    assert len(batches) == 2
    seen = [next(batches) for _ in range(10)]  # two epochs of a, five of b
    assert all(list(batch) == ["a", "a_y", "b", "b_y"] for batch in seen)
    assert all(np.array_equal(batch[x][:, 0], batch[x + "_y"]) for batch in seen for x in "ab")
    for first in 0, 5:
        assert sorted(np.concatenate([batch["a_y"] for batch in seen[first:first + 5]])) == list(range(25))
    orders = [np.concatenate([batch["b_y"] for batch in seen[i:i + 2]]) for i in range(0, 10, 2)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 5


@pytest.mark.parametrize("taken", [0, 1, 2, 5, 7])  # b begins an epoch every two batches, a every five
def test_together_is_resumed_exactly(taken):
    """As training does it: the generator, which both streams and the model share, is restored after the streams."""
    def steps(batches, rng, n):
        return [({name: column.tobytes() for name, column in next(batches).items()}, rng.standard_normal())
                for _ in range(n)]

    rng = np.random.default_rng(1)
    batches = pair().batches(5, rng)
    steps(batches, rng, taken)
    saved = json.loads(json.dumps([batches.state_dict(), rng.bit_generator.state]))
    future = steps(batches, rng, 20)

    rng = np.random.default_rng(99)
    batches = pair().batches(5, rng)
    batches.load_state_dict(saved[0])
    rng.bit_generator.state = saved[1]
    assert steps(batches, rng, 20) == future


def test_together_refuses_what_it_cannot_resume():
    rng = np.random.default_rng(0)
    state = pair().batches(5, rng).state_dict()
    others = data.Together(a=numbered(25).batches(5, rng), c=numbered(10).batches(5, rng))
    with pytest.raises(ValueError, match=r"saved run had sets \['a', 'b'\], this one has \['a', 'c'\]"):
        others.load_state_dict(state)
    with pytest.raises(ValueError, match="examples=10.*examples=11"):
        data.Together(a=numbered(25).batches(5, rng), b=numbered(11).batches(5, rng)).load_state_dict(state)


# Pixels


ALL = np.arange(256, dtype=np.uint8)


@given(levels=st.integers(2, 256), seed=st.integers(0, 2**32 - 1))
def test_dequantize_never_leaves_its_level(levels, seed):
    x = np.repeat(ALL[:levels], 16)
    v = data.dequantize(x, levels, np.random.default_rng(seed))
    assert v.dtype == np.float32 and v.min() >= 0 and v.max() < 1
    assert np.array_equal(np.floor(v * np.float32(levels)), x)


class Largest:
    """A generator that returns the largest value it can."""

    def integers(self, high, size, dtype):
        return np.full(size, high - 1, dtype)

    def random(self, size, dtype):
        return np.full(size, np.nextafter(dtype(1), dtype(0)), dtype)


class Smallest:
    def integers(self, high, size, dtype):
        return np.zeros(size, dtype)

    def random(self, size, dtype):
        return np.zeros(size, dtype)


@pytest.mark.parametrize("rng", [Smallest(), Largest()], ids=["lower", "upper"])
def test_dequantize_at_the_ends_of_every_level(rng):
    for levels in range(2, 257):
        v = data.dequantize(ALL[:levels], levels, rng)
        assert v.min() > 0 and v.max() < 1
        assert np.array_equal(np.floor(v * np.float32(levels)), ALL[:levels])


def test_dequantize_is_uniform_within_a_level():
    v = data.dequantize(np.full(100_000, 3, np.uint8), 17, np.random.default_rng(0)) * 17 - 3
    counts, _ = np.histogram(v, 20, (0, 1))
    assert ((counts - 5000) ** 2 / 5000).sum() < 50  # chi-squared with 19 degrees of freedom: 50 is p = 1e-4


def test_dequantize_refuses_more_levels_than_float32_holds():
    with pytest.raises(ValueError, match="levels=257"):
        data.dequantize(ALL, 257, np.random.default_rng(0))


def test_binarize_has_the_pixels_as_means_and_is_exact_at_the_ends():
    x = np.tile(np.array([0, 4, 8, 16], np.uint8), (20_000, 1))
    b = data.binarize(x, 17, np.random.default_rng(0))
    assert b.dtype == np.float32 and set(np.unique(b)) == {0, 1}
    assert b[:, 0].max() == 0 and b[:, 3].min() == 1
    np.testing.assert_allclose(b.mean(axis=0), [0, 0.25, 0.5, 1], atol=0.015)  # 4 standard errors
    assert data.binarize(np.array([255]), 256, Largest()) == 1
    assert data.binarize(np.array([0]), 256, Smallest()) == 0


@pytest.mark.parametrize("levels, first_on", [(2, 1), (17, 9), (256, 128)])
def test_threshold_is_above_the_middle(levels, first_on):
    b = data.threshold(ALL[:levels], levels)
    assert b.dtype == np.float32 and np.array_equal(b, np.arange(levels) >= first_on)
