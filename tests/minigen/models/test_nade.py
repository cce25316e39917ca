"""NADE against the loop of its paper, all inputs of a tiny case, and the zeros of its Jacobian."""
import numpy as np
import pytest
import scipy.stats

from autograd import Tensor, grad, gradcheck, gradgradcheck, no_grad, parameter, sigmoid
from autograd.backend import asarray, to_numpy, xp
from minigen import data
from minigen.data import Space
from minigen.models.autoregressive import NADE, nade
from minigen.optim import Adam
from tests.minigen.autoregressive.test_chain import every, frequencies

BITS = Space((10,), 2)


def rng(seed=0):
    return np.random.default_rng(seed)


def randomized(model, seed=0, dtype=np.float64):
    """The model with weights that are large enough for everything to matter."""
    noise = rng(seed)
    for p in model.parameters():
        p.data = asarray(noise.standard_normal(p.shape), dtype)
        p.mark_changed()
    return model


def tiny(space=BITS, hidden=6, made=NADE):
    return randomized(made(space, hidden, rng=rng()))


def algorithm_1(x, W, V, b, c):
    """p(x) of one x (D,) as the paper has it, a number at a time."""
    a, p = c.copy(), 1.0
    for i in range(len(x)):
        h = 1 / (1 + np.exp(-a))
        p_i = 1 / (1 + np.exp(-(b[i] + V[i] @ h)))
        p *= p_i if x[i] else 1 - p_i
        a = a + W[i] * x[i]
    return p


def arrays(model):
    return [to_numpy(p.data) for p in (model.W, model.V, model.b, model.c)]


def jacobian(f, x, noise):
    """How much output i depends on input j, (D, D): the size of random mixtures of dy_i / dx_j over the rows of x."""
    leaf = parameter(x)
    y = f(leaf)  # (N, D)
    rows = []
    for i in range(y.shape[1]):
        g = np.zeros(y.shape)
        g[:, i] = noise.standard_normal(len(x))
        rows.append(np.abs(grad(y, leaf, Tensor(asarray(g)), create_graph=True).numpy()).max(axis=0).reshape(-1))
    return np.array(rows)


def assert_autoregressive(J):
    """Output i depends on every input before it, and on nothing else."""
    before = np.tri(len(J), k=-1, dtype=bool)
    assert (J[~before] == 0).all() and (J[before] > 1e-9).all()


# Mutants: what others got wrong


class Leaking(NADE):
    """x_i is added before it is predicted."""

    def logit(self, x):
        x = self.to_sequence(x if isinstance(x, Tensor) else Tensor(asarray(x, self.W.dtype)))
        a = self.c + (x.reshape(len(x), self.D, 1) * self.W).cumsum(axis=1)
        return (sigmoid(a) * self.V).sum(axis=-1) + self.b


class Untied(NADE):
    """Each hidden layer has input weights of its own: (D, D, H) of them."""

    def __init__(self, space, hidden, *, rng):
        super().__init__(space, hidden, rng=rng)
        self.own = parameter(rng.standard_normal((self.D, self.D, hidden)))

    def logit(self, x):
        x = self.to_sequence(asarray(x, self.W.dtype))
        a = [self.c + Tensor(x[:, :i]) @ self.own[i, :i] for i in range(self.D)]
        return Tensor(xp.stack([(sigmoid(a[i]) @ self.V[i] + self.b[i]).data for i in range(self.D)], axis=1))


class OtherOrder(NADE):
    """Drawn in another order than it was trained in."""

    def from_sequence(self, x):
        return super().from_sequence(x[:, ::-1])


# Density


def test_it_is_algorithm_1():
    model, x = tiny(), every(BITS)[::13]
    expected = [algorithm_1(row, *arrays(model)) for row in x]
    np.testing.assert_allclose(np.exp(model.log_prob(x).numpy()), expected, rtol=1e-10)
    for broken in tiny(made=Leaking), tiny(made=Untied):
        assert not np.allclose(np.exp(broken.log_prob(x).numpy()), expected, rtol=0.1)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_probabilities_of_all_1024_inputs_sum_to_one(dtype, tolerance):
    total = lambda model: np.exp(np.float64(model.log_prob(every(BITS)).numpy())).sum()
    assert abs(total(randomized(NADE(BITS, 6, rng=rng()), 1, dtype)) - 1) < tolerance
    assert abs(total(tiny(made=Leaking)) - 1) > 0.1


def test_each_output_depends_on_the_inputs_before_it():
    bits = np.float64(rng(2).integers(0, 2, (4, 10)))
    assert_autoregressive(jacobian(tiny().logit, bits, rng(3)))
    with pytest.raises(AssertionError):
        assert_autoregressive(jacobian(tiny(made=Leaking).logit, bits, rng(3)))


def test_on_the_fast_way_too_no_input_changes_what_comes_before_it():
    """It takes bits only, so here they are flipped."""
    model, x = tiny(), rng(2).integers(0, 2, (5, 10))
    for j in range(10):
        flipped = x.copy()
        flipped[:, j] = 1 - x[:, j]
        changed = np.abs((model.logit(flipped) - model.logit(x)).numpy()).max(axis=0) > 0
        assert changed.tolist() == [i > j for i in range(10)]


def test_a_leak_is_seen_in_the_likelihood():
    """Bits of a fair coin have log 2 nats each; who sees the coin needs none."""
    x = rng(1).integers(0, 2, (200, 10)).astype(np.uint8)

    def trained(made):
        model, noise = made(BITS, 20, rng=rng()), rng(2)
        optimizer = Adam(model.parameters(), 0.1)
        for _ in range(100):
            optimizer.step(grad(model.loss({"x": x}, noise)["nats"], optimizer.params))
        fresh = rng(3).integers(0, 2, (1000, 10)).astype(np.uint8)
        return model.measure({"x": fresh}, noise)[0].value

    assert trained(NADE) > 10 * np.log(2) - 0.05
    assert trained(Leaking) < 0.5


def test_weights_are_shared_by_all_hidden_layers():
    assert NADE(BITS, 6, rng=rng()).num_parameters() == 10 + 6 + 2 * 10 * 6
    assert Untied(BITS, 6, rng=rng()).num_parameters() > 600


# Two ways to compute it


@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 1, 1), (0, 4, 2)])
def test_fast_and_slow_ways_agree(shape):
    N, D, H = shape
    noise = rng(1)
    x = Tensor(asarray(np.float64(noise.integers(0, 2, (N, D)))))
    params = [parameter(noise.standard_normal(s)) for s in ((D, H), (D, H), (D,), (H,))]
    fast, slow = (way(x, *params) for way in (nade.one_after_the_other, nade.all_at_once))
    np.testing.assert_allclose(fast.numpy(), slow.numpy(), atol=1e-12)
    g = Tensor(asarray(noise.standard_normal((N, D))))
    for a, b in zip(grad(fast, params, g), grad(slow, params, g)):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)


def test_gradients_to_second_order():
    noise = rng(1)
    x = Tensor(asarray(np.float64(noise.integers(0, 2, (3, 5)))))
    params = [parameter(noise.standard_normal(s)) for s in ((5, 4), (5, 4), (5,), (4,))]
    assert gradcheck(lambda *p: nade.one_after_the_other(x, *p), params) < 1e-6
    assert gradgradcheck(lambda *p: nade.one_after_the_other(x, *p), params) < 1e-6


def test_subtracting_what_was_added_costs_no_digits():
    """784 steps there and back in float32."""
    model = NADE(Space((1, 28, 28), 2), 50, rng=rng())
    x = np.uint8(rng(1).random((8, 1, 28, 28)) < 0.5)
    exact = NADE(Space((1, 28, 28), 2), 50, rng=rng())
    for p in exact.parameters():
        p.data = p.data.astype(np.float64)
    for a, b in zip(*(grad(m.loss({"x": x}, rng())["nats"], m.parameters()) for m in (model, exact))):
        assert np.abs(a.numpy() - b.numpy()).max() < 1e-5 * np.abs(b.numpy()).max()


def test_the_graph_can_be_walked_twice():
    """Going backward spoils a copy of a, not what the graph holds."""
    model, x = tiny(), every(BITS)[::50]
    y = model.logit(x)
    kept = [grad(y, model.parameters(), Tensor(xp.ones(y.shape)), create_graph=True) for _ in range(2)]
    once = grad(y, model.parameters(), Tensor(xp.ones(y.shape)))
    for a, b, c in zip(*kept, once):
        np.testing.assert_allclose(a.numpy(), b.numpy())
        np.testing.assert_allclose(a.numpy(), c.numpy(), atol=1e-10)


def test_all_at_once_takes_few_examples_at_a_time(monkeypatch):
    model, x = tiny(), Tensor(asarray(np.float64(every(BITS)[::100])))
    whole = nade.all_at_once(x, *(model.W, model.V, model.b, model.c)).numpy()
    monkeypatch.setattr(nade, "HELD", 150)
    np.testing.assert_allclose(nade.all_at_once(x, *(model.W, model.V, model.b, model.c)).numpy(), whole)


# Drawing


def difference(model):
    """Between the fast predictor and its slow twin."""
    x = asarray(rng(4).integers(0, 2, (7, model.D)))
    fast, slow = model.predictor(7), model.recompute()
    with no_grad():
        return max(float(xp.abs(fast(i, x) - slow(i, x)).max()) for i in range(model.D))


def test_the_predictor_is_its_slow_twin():
    assert difference(tiny()) < 1e-12
    assert difference(tiny(Space((1, 3, 3), 2))) < 1e-12
    assert difference(tiny(made=Leaking)) > 0.1  # it predicts from a which has not seen x_i, and its twin has


def test_draws_have_the_probabilities():
    """In the order of training: drawn in another one they are another distribution."""
    space = Space((1, 2, 2), 2)
    model = tiny(space)
    expected = 4000 * np.exp(model.log_prob(model.from_sequence(every(Space((4,), 2)))).numpy())
    p_value = lambda drawn: scipy.stats.chisquare(frequencies(model, drawn), expected).pvalue
    assert p_value(model.draw(4000, rng(1))) > 1e-3
    assert p_value(tiny(space, made=OtherOrder).draw(4000, rng(1))) < 1e-3


def test_gray_levels_are_drawn_as_bits():
    digits = data.load("digits")
    model = NADE(digits.spaces["x"], 8, rng=rng())
    samples = model.sample(4, rng())
    assert samples.shape == (4, 1, 8, 8) and set(np.unique(samples)) <= {0, 1}
    nats, _ = model.measure({"x": digits["x"][:20]}, rng())
    assert "dynamic binarization" in nats.detail
    half = model.complete(np.uint8(digits["x"][:3] > 8), 32, rng())
    np.testing.assert_array_equal(half[:, :, :4], digits["x"][:3, :, :4] > 8)


def test_bad_input():
    with pytest.raises(ValueError, match="NADE: hidden is 0, expected at least 1 unit"):
        NADE(BITS, 0, rng=rng())
    with pytest.raises(ValueError, match="models integers"):
        NADE(Space((2,)), 5, rng=rng())
    model = NADE(Space((1, 8, 8), 17), 5, rng=rng())
    with pytest.raises(ValueError, match="x holds values from 0 to 16, expected 0 to 1"):
        model.log_prob(data.load("digits")["x"][:5])
    with pytest.raises(ValueError, match=r"x has shape \(5, 64\), expected \(N, 1, 8, 8\)"):
        model.log_prob(np.zeros((5, 64), np.uint8))
