"""MADE: each of its orders against all inputs of a tiny case and the zeros of its Jacobian; the orders' mixture."""
import numpy as np
import pytest
import scipy.stats

import minigen.models.autoregressive.made as file
from autograd import grad, no_grad
from autograd.backend import asarray, to_numpy, xp
from minigen import data
from minigen.autoregressive.masks import hidden_degrees
from minigen.data import Space
from minigen.models.autoregressive import MADE
from minigen.optim import adam
from minigen.train import Run, one_stage
from tests.minigen.autoregressive.test_chain import every, frequencies
from tests.minigen.models.test_nade import assert_autoregressive, difference, jacobian, randomized

BITS, TRITS = Space((6,), 2), Space((4,), 3)


def rng(seed=0):
    return np.random.default_rng(seed)


def tiny(space=BITS, hidden=(40,), orders=1, seed=0, **settings):
    return randomized(MADE(space, hidden, orders, **settings, rng=rng(seed)), seed)


def numbers(J, model):
    """Of a Jacobian over one-hot inputs and logits, in order: the largest entry of each pair of numbers, (D, D)."""
    order, k, D = model.order, model.made.k, model.D
    return J.reshape(D, k, D, k).max(axis=(1, 3))[order][:, order]


CASES = [(BITS, (40,), True), (BITS, (40,), False), (BITS, (50, 40), True), (BITS, (60, 40, 50), False),
         (TRITS, (40,), True), (TRITS, (40, 30), False)]


@pytest.mark.parametrize("space, hidden, direct", CASES)
def test_each_output_depends_on_the_inputs_before_it_in_every_order(space, hidden, direct):
    made = tiny(space, hidden, orders=3, direct=direct)
    for r in range(3):
        model = made.in_order(r)
        v = rng(r).standard_normal((6, model.D * made.k))  # as the network is a function of all real numbers
        assert_autoregressive(numbers(jacobian(model, v, rng(3)), model))


@pytest.mark.parametrize("broken", [lambda inputs, below: inputs[:, None] >= below,
                                    lambda inputs, below: inputs[:, None] > below + 1])
def test_masks_off_by_one_are_noticed(broken, monkeypatch):
    """>= in the place of > at the outputs, and one degree more than that."""
    v = rng().standard_normal((6, 6))
    assert_autoregressive(numbers(jacobian(tiny().in_order(0), v, rng(3)), tiny().in_order(0)))
    monkeypatch.setattr("minigen.autoregressive.masks.output_mask", broken)
    monkeypatch.setattr(file, "output_mask", broken)
    model = tiny().in_order(0)
    with pytest.raises(AssertionError):
        assert_autoregressive(numbers(jacobian(model, v, rng(3)), model))


def total(model, space):
    return np.exp(np.float64(model.log_prob(asarray(every(space))).numpy())).sum()


@pytest.mark.parametrize("space, hidden, direct", CASES)
def test_probabilities_sum_to_one(space, hidden, direct):
    made = tiny(space, hidden, orders=3, direct=direct)
    for model in (made, *(made.in_order(r) for r in range(3))):
        assert total(model, space) == pytest.approx(1, abs=1e-6)


def test_the_mixture_is_of_probabilities_not_of_logits():
    """A mean of the orders' logits, which is sometimes reported, does not sum to one."""
    made, x = tiny(orders=3), every(BITS)
    each = [np.exp(made.in_order(r).log_prob(x).numpy()) for r in range(3)]
    np.testing.assert_allclose(np.exp(made.log_prob(x).numpy()), np.mean(each, axis=0), rtol=1e-10)
    logit = np.zeros((len(x), 6))
    for r in range(3):
        model = made.in_order(r)
        logit[:, model.order] += model.logits(x).numpy()[..., 1] / 3
    wrong = -np.logaddexp(0, np.where(x, -logit, logit)).sum(axis=1)
    assert abs(np.exp(wrong).sum() - 1) > 1e-3


def test_conditionals_are_those_of_the_order():
    """p(x_o(1), .. x_o(i)) does not depend on what comes later: sums of the joint probabilities over the rest."""
    made = tiny(orders=3)
    model = made.in_order(2)
    x = every(BITS)
    p = np.exp(model.log_prob(x).numpy()).reshape((2,) * 6).transpose(model.order)  # by the numbers in turn
    log_p = model.log_conditionals(x).numpy()
    for row, conditionals in zip(x[::7], log_p[::7]):
        bits = row[model.order]
        marginals = [p[tuple(bits[:i])].sum() for i in range(7)]
        np.testing.assert_allclose(np.exp(conditionals), np.divide(marginals[1:], marginals[:-1]), rtol=1e-9)


@pytest.mark.parametrize("space, hidden, direct", [*CASES, (Space((2, 2, 2), 2), (30,), True)])
def test_the_predictor_is_its_slow_twin(space, hidden, direct):
    made = tiny(space, hidden, orders=2, direct=direct)
    for r in range(2):
        assert difference(made.in_order(r)) < 1e-12


@pytest.mark.parametrize("space", [Space((1, 2, 2), 2), Space((3,), 3)])
def test_draws_have_the_probabilities_of_the_mixture(space):
    made = tiny(space, orders=3)
    x = made.from_sequence(every(Space((space.size,), space.levels)))
    p = np.exp(made.log_prob(x).numpy())
    assert scipy.stats.chisquare(frequencies(made, made.draw(4000, rng(1))), 4000 * p).pvalue > 1e-3
    alone = frequencies(made, made.in_order(1).draw(4000, rng(1)))  # the test can tell one order from the mixture
    assert scipy.stats.chisquare(alone, 4000 * p).pvalue < 1e-3


def test_completions_are_in_the_order_of_reading():
    made = tiny(Space((1, 3, 2), 2), orders=4)
    x = rng(1).integers(0, 2, (5, 1, 3, 2))
    drawn = made.complete(x, 3, rng(2))
    np.testing.assert_array_equal(drawn.reshape(5, 6)[:, :3], x.reshape(5, 6)[:, :3])
    assert made.in_order(0).order == list(range(6)) != made.in_order(1).order


def test_training_takes_the_orders_in_turn_and_goes_on_where_it_was_cut(tmp_path):
    digits = data.load("digits")
    made = MADE(digits.spaces["x"], (20,), 3, levels=2, rng=rng())
    run = Run(one_stage(made, adam(1e-3), 10, 50), digits, rng=rng(1), steps=10)
    batch, seen = next(digits.batches(50, rng())), []
    for r in (0, 1, 2, 0):
        nats = made.in_order(r).loss(batch, rng(5))["nats"].item()
        seen.append(made.loss(batch, rng(5))["nats"].item() == nats)
    assert seen == [True] * 4
    run.advance()
    run.save(tmp_path / "checkpoint.safetensors", {})
    again = MADE(digits.spaces["x"], (20,), 3, levels=2, rng=rng(7))
    restored = Run(one_stage(again, adam(1e-3), 10, 50), digits, rng=rng(1), steps=10)
    restored.restore(tmp_path / "checkpoint.safetensors")
    assert int(again.turn) == int(made.turn) == 2
    np.testing.assert_array_equal(to_numpy(again.orders), to_numpy(made.orders))
    made.eval()
    mixture = -made.log_prob(made.observe(batch["x"], rng(5))).numpy().mean()
    assert made.loss(batch, rng(5))["nats"].item() == pytest.approx(mixture) and int(made.turn) == 2


def test_degrees_are_drawn_anew_for_every_order():
    made = MADE(BITS, (5, 4), 3, rng=rng())
    assert made.degrees.shape == (3, 9) and len(np.unique(to_numpy(made.degrees), axis=0)) == 3
    assert max(m.max() for m in hidden_degrees(6, (5, 4), rng())) <= 5


def test_masked_weights_get_no_gradient():
    made = tiny(direct=False)
    model, x = made.in_order(0), every(BITS)
    params = [layer.weight for layer in (*made.layers, made.output)]
    for g, mask in zip(grad(model.log_prob(x).sum(), params), model.masks):
        g = g.numpy()
        assert (g[to_numpy(mask) == 0] == 0).all() and (g != 0).any()


def test_gray_levels():
    digits = data.load("digits")
    exact, bits = (MADE(digits.spaces["x"], (20,), 2, levels, rng=rng()) for levels in (None, 2))
    for model, detail in (exact, "exact"), (bits, "dynamic"):
        nats, _ = model.measure({"x": digits["x"][:20]}, rng())
        assert detail in nats.detail
        with no_grad():
            assert model.sample(3, rng()).shape == (3, 1, 8, 8) and model.sample(0, rng()).shape == (0, 1, 8, 8)
    assert set(np.unique(bits.sample(3, rng()))) <= {0, 1}
    assert nats.value < 64 and xp.isfinite(nats.value)


def test_bad_input():
    with pytest.raises(ValueError, match=r"MADE: orders is 0, hidden is \(5,\), expected at least one"):
        MADE(BITS, (5,), 0, rng=rng())
    with pytest.raises(ValueError, match=r"MADE: orders is 1, hidden is \(\), expected at least one"):
        MADE(BITS, (), rng=rng())
    with pytest.raises(ValueError, match="Linear: from 6 to 0 numbers"):
        MADE(BITS, (0,), rng=rng())
    with pytest.raises(ValueError, match="MADE.in_order: r is 2, expected 0 to 1"):
        MADE(BITS, (5,), 2, rng=rng()).in_order(2)
    with pytest.raises(ValueError, match="x holds values from 2 to 2, expected 0 to 1"):
        MADE(BITS, (5,), rng=rng()).log_prob(np.full((3, 6), 2))
    with pytest.raises(ValueError, match=r"x has shape \(3, 7\), expected \(N, 6\)"):
        MADE(BITS, (5,), rng=rng()).log_prob(np.zeros((3, 7), int))
