"""Vector quantization against scipy, a loop over appendix A.1, and the ways in which others got it wrong."""
import copy

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from autograd import Tensor, grad, parameter
from autograd.backend import asarray, to_numpy
from minigen.quantize import (
    Codebook,
    EMACodebook,
    code_counts,
    entropy,
    nearest,
    perplexity,
    straight_through,
    used,
)
from minigen.quantize.codebook import SMOOTHING, far_apart
from minigen.quantize.floor import QuantizedPCA, allocate, lloyd, principal_components

BOTH = pytest.mark.parametrize("kind", [Codebook, EMACodebook])


def rng(seed=0):
    return np.random.default_rng(seed)


def grid(rows, N=2, H=2):
    """Vectors (M, D) as a grid (N, D, H, W), a parameter."""
    return parameter(np.ascontiguousarray(rows.reshape(N, H, -1, rows.shape[1]).transpose(0, 3, 1, 2)))


def vectors(M=24, D=3, seed=1):
    return rng(seed).standard_normal((M, D)).astype(np.float32)


# The nearest code


@pytest.mark.parametrize("M, K, D", [(1, 1, 1), (50, 7, 3), (300, 64, 8), (0, 4, 2)])
def test_nearest_is_scipys(M, K, D, monkeypatch):
    z, e = vectors(M, D), vectors(K, D, seed=2)
    for held in (2**22, 100):  # all at a time, and in parts
        monkeypatch.setattr("minigen.quantize.nearest_code.DISTANCES", held)
        np.testing.assert_array_equal(to_numpy(nearest(asarray(z), asarray(e))), cdist(z, e).argmin(axis=1))


def test_nearest_far_from_zero():
    """|e|^2 of 10^6 has no digits left for differences of 0.1, in float32: the codes are centred first."""
    z, e = vectors(200, 2), vectors(16, 2, seed=2)
    far = np.float32([1000, -1000])
    expected = cdist(np.float64(z + far), np.float64(e + far)).argmin(axis=1)
    np.testing.assert_array_equal(to_numpy(nearest(asarray(z + far), asarray(e + far))), expected)
    plain = ((e + far) ** 2).sum(axis=1) - 2 * (z + far) @ (e + far).T
    assert (plain.argmin(axis=1) != expected).any()


def test_of_equally_near_codes_it_is_the_first():
    e = asarray(np.float32([[1, 0], [-1, 0], [1, 0]]))
    assert to_numpy(nearest(asarray(np.float32([[0, 5], [2, 0]])), e)).tolist() == [0, 0]


# Straight-through


def gradients(through):
    """Of a random function of the quantized vectors: (with respect to encoder output, codes, and decoder input)."""
    z, e, u = parameter(vectors()), parameter(vectors(seed=2)), vectors(seed=3)
    q = through(z, e)
    loss = (q * q * u).sum()
    return grad(loss, [z, e], allow_unused=True), 2 * q.numpy() * u, q, e


def test_straight_through_hands_the_decoders_gradient_to_the_encoder():
    (g_z, g_e), at_decoder, q, e = gradients(straight_through)
    np.testing.assert_array_equal(q.numpy(), e.numpy())
    np.testing.assert_array_equal(g_z.numpy(), at_decoder)
    assert g_e is None or not g_e.numpy().any()


@pytest.mark.parametrize("wrong", [lambda z, e: e + (z - e).detach(), lambda z, e: z + (e.detach() - z),
                                   lambda z, e: z + e - z.detach()])
def test_stop_gradient_on_the_wrong_side_is_noticed(wrong):
    (g_z, g_e), at_decoder, _, _ = gradients(wrong)
    right = g_z is not None and np.allclose(g_z.numpy(), at_decoder) and (g_e is None or not g_e.numpy().any())
    assert not right


# Equation 3


def eq3(codebook):
    """The gradients of both terms of eq. 3 by codes and encoder outputs, and what calculus says they are."""
    z, e = parameter(vectors()), parameter(vectors(seed=2))
    terms = codebook.losses(z, e)
    found = [grad(term, [z, e], allow_unused=True) for term in terms.values()]
    d = 2 * (z.numpy() - e.numpy()) / z.size
    return [[None if g is None else g.numpy() for g in pair] for pair in found], [(None, -d), (codebook.beta * d, None)]


def agrees(found, expected):
    def same(g, x):
        return (g is None or not g.any()) if x is None else g is not None and np.allclose(g, x, rtol=1e-5)
    return all(same(g, x) for pair, wanted in zip(found, expected) for g, x in zip(pair, wanted))


def test_each_term_of_equation_3_moves_what_it_should():
    assert agrees(*eq3(Codebook(5, 3, beta=0.25, rng=rng())))
    found, expected = eq3(EMACodebook(5, 3, rng=rng()))
    assert agrees(found, expected[1:])


class Swapped(Codebook):
    def losses(self, z, e):
        return {"codebook": ((z - e.detach()) ** 2).mean(), "commitment": self.beta * ((z.detach() - e) ** 2).mean()}


class NotStopped(Codebook):
    def losses(self, z, e):
        return {"codebook": ((z - e) ** 2).mean(), "commitment": self.beta * ((z - e) ** 2).mean()}


@pytest.mark.parametrize("wrong", [Swapped, NotStopped])
def test_swapped_terms_of_equation_3_are_noticed(wrong):
    assert not agrees(*eq3(wrong(5, 3, rng=rng())))


@BOTH
def test_reconstruction_moves_no_code(kind):
    """All of the decoder's gradient goes to the encoder."""
    codebook, z = kind(5, 3, rng=rng()), grid(vectors())
    q, _, _ = codebook(z, rng())
    u = rng(5).standard_normal(q.shape).astype(np.float32)
    g_z, *g_codes = grad((q * u).sum(), [z, *codebook.parameters()], allow_unused=True)
    np.testing.assert_array_equal(g_z.numpy(), u)
    assert len(g_codes) == (kind is Codebook) and all(g is None or not g.numpy().any() for g in g_codes)


# Moving averages


def by_loops(batches, e, gamma):
    """Equations 6 to 8 in float64, a vector at a time."""
    K, D = e.shape
    N, m = np.ones(K), np.float64(e)
    for z in batches:
        n, s = np.zeros(K), np.zeros((K, D))
        for vector in z:
            i = np.argmin([((vector - code) ** 2).sum() for code in e])
            n[i] += 1
            s[i] += vector
        N, m = gamma * N + (1 - gamma) * n, gamma * m + (1 - gamma) * s
        e = m / ((N + SMOOTHING) / (N.sum() + K * SMOOTHING) * N.sum())[:, None]
    return N, m, e


def test_moving_averages_are_those_of_the_appendix():
    codebook = EMACodebook(6, 3, decay=0.9, spread=False, restart=None, rng=rng())
    batches = [vectors(seed=s) + np.float32([s, 0, 0]) * 0.1 for s in range(12)]
    N, m, e = by_loops(batches, to_numpy(codebook.vectors()).copy(), 0.9)
    for z in batches:
        codebook(grid(z), rng())
    np.testing.assert_allclose(to_numpy(codebook.counts), N, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(codebook.sums), m, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_numpy(codebook.vectors()), e, rtol=1e-4, atol=1e-5)


def codes_after_death():
    """The codes after many batches in none of which the last one was chosen."""
    codebook = EMACodebook(6, 3, decay=0.05, spread=False, restart=None, rng=rng())
    codebook._move(np.array([5]), np.float32([[-50, -50, -50]]))
    for _ in range(60):
        codebook(grid(vectors() + 10), rng())
    assert codebook.counts[5] == 0
    return to_numpy(codebook.vectors())


def test_dead_codes_stay_finite(monkeypatch):
    """N_i falls by gamma with every batch, to 0 in the end: without smoothing eq. 8 is 0 / 0."""
    assert np.isfinite(codes_after_death()).all()
    monkeypatch.setattr("minigen.quantize.codebook.SMOOTHING", 0.0)
    with np.errstate(all="ignore"):
        assert not np.isfinite(codes_after_death()).all()


# Where the codes begin, and begin again


def clusters(K=16, D=4, M=480, seed=0):
    """Vectors in K tight clusters far from 0, in an order in which each is seen."""
    centres = 3 + rng(seed).standard_normal((K, D))
    return np.float32(centres[np.arange(M) % K] + 0.01 * rng(seed + 1).standard_normal((M, D)))


def trained(codebook, z, steps=60, rate=0.0):
    for step in range(steps):
        _, _, terms = codebook(grid(z, N=4, H=4), rng(step))
        for p in codebook.parameters():
            p.assign(p.data - rate * grad(terms["codebook"], [p])[0].data)
    return perplexity(code_counts(codebook.encode(grid(z, N=4, H=4).data), codebook.K))


@BOTH
def test_first_codes_are_spread_over_the_data(kind):
    assert trained(kind(16, 4, rng=rng()), clusters(), rate=1.0) > 15


@BOTH
def test_a_start_away_from_the_data_collapses_and_restarts_mend_it(kind):
    """The check of the perplexity can fail: small uniform codes, far from all data, are a handful of codes."""
    assert trained(kind(16, 4, spread=False, restart=None, rng=rng()), clusters(), rate=1.0) < 8
    assert trained(kind(16, 4, spread=False, restart=5, rng=rng()), clusters(), rate=1.0) > 15


@BOTH
def test_only_codes_that_were_idle_for_long_are_moved(kind):
    codebook, z = kind(4, 3, restart=3, spread=False, rng=rng()), vectors()
    codebook._move(np.arange(4), np.float32([z[0], z[1], [90, 0, 0], [0, 90, 0]]))
    for step in range(3):
        codebook(grid(z), rng())
        assert to_numpy(codebook.idle).tolist() == [0, 0, step + 1, step + 1]
    used, idle = np.split(to_numpy(codebook.vectors()).copy(), 2)
    np.testing.assert_allclose(idle, [[90, 0, 0], [0, 90, 0]], rtol=1e-4)
    codebook.eval()(grid(z), rng())
    np.testing.assert_allclose(to_numpy(codebook.vectors())[2:], idle)
    codebook.train()(grid(z), rng())
    now_used, now_idle = np.split(to_numpy(codebook.vectors()), 2)
    assert to_numpy(codebook.idle).max() == 0 and np.abs(now_used - used).max() < 0.1 and np.abs(now_idle).max() < 5


def test_spread_draws_in_proportion_to_the_squared_distance():
    rows, codes = np.float32([[0], [1], [3], [0]]), asarray(np.float32([[0]]))
    drawn = np.array([far_apart(asarray(rows), 1, rng(s), codes)[0, 0].item() for s in range(600)])
    assert set(drawn) == {1.0, 3.0} and (drawn == 3).mean() == pytest.approx(0.9, abs=0.05)
    several = to_numpy(far_apart(asarray(rows), 4, rng()))  # of three different rows: one comes twice
    assert set(several[:, 0]) == {0.0, 1.0, 3.0}


@BOTH
def test_only_training_changes_the_codebook(kind):
    codebook, z = kind(5, 3, rng=rng()), grid(vectors())
    codebook(z, rng())
    before = codebook.state_dict()
    codebook.encode(z.data)
    codebook.eval()
    noise = rng(3)
    codebook(z, noise)
    assert all(array.tobytes() == before[name].tobytes() for name, array in codebook.state_dict().items())
    assert noise.bit_generator.state == rng(3).bit_generator.state
    codebook.train()(z, rng())
    assert any(array.tobytes() != before[name].tobytes() for name, array in codebook.state_dict().items())


@BOTH
def test_it_goes_on_bit_for_bit_from_what_was_saved(kind):
    first, z = kind(8, 3, restart=2, rng=rng()), [grid(vectors(seed=s)) for s in range(8)]
    noise = rng(7)
    for each in z[:4]:
        first(each, noise)
    second, noise_2 = kind(8, 3, restart=2, rng=rng(99)), copy.deepcopy(noise)
    second.load_state_dict(first.state_dict())
    for each in z[4:]:
        first(each, noise), second(each, noise_2)
    assert all(a.tobytes() == second.state_dict()[name].tobytes() for name, a in first.state_dict().items())


@BOTH
def test_every_code_is_its_own_nearest(kind):
    codebook = kind(12, 3, rng=rng())
    codes = np.arange(12).reshape(1, 3, 4)
    np.testing.assert_array_equal(to_numpy(codebook.encode(codebook.lookup(asarray(codes)).data)), codes)


# Counts


def test_perplexity_is_of_an_epoch_and_not_of_its_batches():
    """Sorted examples: each batch uses two codes evenly, and the epoch sixteen."""
    batches = [np.array([2 * i, 2 * i + 1] * 10) for i in range(8)]
    of_batches = np.mean([perplexity(code_counts(codes, 16)) for codes in batches])
    epoch = sum(code_counts(codes, 16) for codes in batches)
    assert of_batches == pytest.approx(2) and perplexity(epoch) == pytest.approx(16) and used(epoch) == 16


def test_running_perplexity_forgets_no_batch_of_the_epoch():
    codebook = Codebook(16, 1, spread=False, restart=None, rng=rng())
    codebook._move(np.arange(16), np.arange(16, dtype=np.float32)[:, None])
    for i in range(400):
        codebook(grid(np.float32([[2 * (i % 8)], [2 * (i % 8) + 1]] * 10)), rng())
    assert codebook.perplexity().item() > 15.5


def test_entropy():
    p = np.array([0.5, 0.25, 0.25, 0])
    assert entropy(8 * p) == pytest.approx(1.5 * np.log(2)) and perplexity([7, 0]) == pytest.approx(1)
    assert entropy(np.zeros(3)) == 0 and used([0, 3, 1]) == 2
    with pytest.raises(ValueError, match="codes from 0 to 4, expected 0 to 3"):
        code_counts([0, 4], 4)


# The floor


def test_bits_go_where_the_error_is():
    assert allocate([16.0, 4.0, 1.0, 1e-9], 6).tolist() == [3, 2, 1, 0]
    assert allocate([5.0, 1.0], 100).tolist() == [8, 8]


def test_principal_components_are_those_of_the_whole_decomposition():
    x = np.float32(rng().standard_normal((300, 80)) * 0.9 ** np.arange(80))
    x -= x.mean(axis=0)
    _, _, all_of_them = np.linalg.svd(x)
    found = principal_components(x, 12)
    np.testing.assert_allclose(found @ found.T, np.eye(12), atol=1e-5)
    cosines = np.linalg.svd(found @ all_of_them[:12].T)[1]  # of the principal angles
    assert cosines.min() > 0.999 and principal_components(x[:5], 12).shape == (5, 80)


def test_levels_of_a_uniform_variable_are_its_cells_middles():
    levels = lloyd(np.linspace(0, 1, 4001), 4)
    np.testing.assert_allclose(levels, [0.125, 0.375, 0.625, 0.875], atol=5e-3)


def test_quantized_pca_lies_above_the_rate_distortion_function_and_not_far():
    """D(B) of a Gaussian by reverse water-filling, the least error that any code of B bits can have (Cover & Thomas,
    theorem 10.3.3); scalar quantizers lose less than 4 times of it."""
    variances, bits = np.float64([64, 16, 4, 1, 0.25, 0.06]), 9
    turn = np.linalg.qr(rng(1).standard_normal((6, 6)))[0]
    x = np.float32(rng().standard_normal((6000, 6)) * np.sqrt(variances) @ turn)
    floor = QuantizedPCA(x[:5000], 2 * bits)
    floor.bits = bits
    error = ((floor.reconstruct(x[5000:]) - x[5000:]) ** 2).sum(axis=1).mean()
    water = np.geomspace(1e-4, 64, 20_000)
    rates = np.array([0.5 * np.log2(variances / np.minimum(w, variances)).sum() for w in water])
    least = np.minimum(water[np.abs(rates - bits).argmin()], variances).sum()
    assert least < error < 4 * least


@pytest.mark.parametrize("call, message", [
    (lambda: Codebook(0, 3, rng=rng()), "codes is 0 and dim 3, expected at least 1 each"),
    (lambda: EMACodebook(4, 3, decay=1.0, rng=rng()), "EMACodebook: beta is 0.25 and decay 1.0"),
    (lambda: Codebook(4, 3, restart=0, rng=rng()), "restart is 0 batches, expected at least 1, or None"),
    (lambda: Codebook(4, 3, rng=rng())(Tensor(np.zeros((2, 4, 5, 5), np.float32)), rng()),
     r"z has shape \(2, 4, 5, 5\), expected \(N, 3, H, W\)"),
    (lambda: nearest(np.zeros((2, 3)), np.zeros((4, 2))), r"z has shape \(2, 3\) and the codebook \(4, 2\)"),
    (lambda: straight_through(np.zeros((2, 3)), np.zeros((3, 2))), r"z has shape \(2, 3\) and e \(3, 2\)"),
])
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
