"""Learned variances: their two ends, the bound that they descend term by term, and where the gradient goes."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend, concatenate, grad, parameter
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Space
from minigen.diffusion import ancestral, ancestral_tilde, bits_per_dim, cosine_schedule, linear_schedule
from minigen.models.diffusion import ImprovedDDPM
from minigen.models.diffusion.improved_ddpm import HISTORY, ImportantTimes, UniformTimes, between, lower_variance
from minigen.nn import Module, UNet
from minigen.optim import Adam

DIGITS = Space((1, 8, 8), 17)


def build(schedule=None, seed=0, **arguments):
    network = UNet(1, 2, width=8, multipliers=(1, 2), blocks=1, groups=4, rng=backend.rng(seed))
    rng = backend.rng(1)
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.05 * backend.normal(rng, p.shape)
    schedule = schedule or cosine_schedule(20)
    return ImprovedDDPM(network, schedule, DIGITS, **{"steps": min(5, schedule.T), **arguments})


def images(n, seed=2):
    return backend.rng(seed).integers(0, 17, (n, 1, 8, 8)).astype(np.uint8)


class Says(Module):
    """A network that says eps = 0.9 x_t and the same v everywhere."""

    def __init__(self, v):
        self.v = v

    def forward(self, x_t, t):
        x = x_t.data
        return Tensor(np.concatenate([0.9 * x, 0 * x + np.float32(2 * self.v - 1)], axis=1))


@pytest.mark.parametrize("schedule", [linear_schedule(30), cosine_schedule(30), cosine_schedule(1000).respaced(25)],
                         ids=["linear", "cosine", "25 of 1000"])
def test_the_ends_are_the_fixed_variances(schedule):
    """v = 0 is beta_tilde, v = 1 is beta, and half way is their geometric mean."""
    t, T = np.arange(2, schedule.T + 1), schedule.T
    at = lambda v: np.exp(to_numpy(between(np.full((T - 1, 1), v), schedule.beta[t], lower_variance(schedule)[t])))[:, 0]
    np.testing.assert_allclose(at(0.0), schedule.beta_tilde[2:], rtol=1e-12)
    np.testing.assert_allclose(at(1.0), schedule.beta[2:], rtol=1e-12)
    np.testing.assert_allclose(at(0.5) ** 2, schedule.beta[2:] * schedule.beta_tilde[2:], rtol=1e-12)
    assert lower_variance(schedule)[1] == schedule.beta_tilde[2] > 0


@pytest.mark.parametrize("v, sampler", [(1.0, ancestral), (0.0, ancestral_tilde)])
def test_samples_at_the_ends_are_the_ancestral_ones(v, sampler):
    model = ImprovedDDPM(Says(v), cosine_schedule(50), DIGITS, steps=7)
    x = normal(backend.rng(3), (4, 1, 8, 8))
    drawn = model.draw(x, model.levels, backend.rng(4))
    expected = sampler(model.denoise, x, model.levels, rng=backend.rng(4))
    np.testing.assert_allclose(to_numpy(drawn), to_numpy(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("v, name", [(1.0, "beta"), (0.0, "beta_tilde")])
@pytest.mark.parametrize("steps", [None, 5])
def test_the_bound_at_the_ends_is_that_of_the_fixed_variances(v, name, steps):
    model, x = ImprovedDDPM(Says(v), cosine_schedule(20), DIGITS, steps=5), images(5)
    learned = model.bound(x, backend.rng(5), steps, strata=None)
    np.testing.assert_allclose(learned, model.bound(x, backend.rng(5), steps, name, strata=None), rtol=1e-4)


def all_terms(model, x, rng):
    """The mean over t of what training measures, bits per dimension, for each image."""
    x_0 = model.space.signed(x)
    terms = [model.terms(x_0, np.full(len(x), t), normal(rng, x_0.shape))[1].numpy() for t in range(1, model.schedule.T + 1)]
    return np.mean(terms, axis=0)


class WithoutT(ImprovedDDPM):
    """Takes one term for the sum."""

    def terms(self, x_0, t, eps):
        simple, vlb = super().terms(x_0, t, eps)
        return simple, vlb * (1 / self.schedule.T)


class InNats(ImprovedDDPM):
    def terms(self, x_0, t, eps):
        simple, vlb = super().terms(x_0, t, eps)
        return simple, vlb * math.log(2)


def test_the_terms_of_training_sum_to_the_bound():
    """Their mean over t, T of them each times T, is L_0 + .. + L_{T-1}: with the decoder at t = 1, in bits per
    dimension. One term in the place of the sum, or nats for bits, are not."""
    model, x = build(cosine_schedule(10)), images(60)
    bound = bits_per_dim(model.denoise, model.space.signed(x), model.schedule, 17, backend.rng(6),
                         variance=lambda x_t, t: np.exp(model.log_sigma2(model.said(Tensor(x_t), t)[1].data, t)))
    gap = all_terms(model, x, backend.rng(7)) - bound  # but L_T, which is next to nothing here
    limit = 4 * gap.std() / math.sqrt(len(gap)) + 1e-3
    assert abs(gap.mean()) < limit and limit < 0.06 * bound.mean()
    for broken in (WithoutT, InNats):
        wrong = broken(model.network, model.schedule, DIGITS, steps=5)
        assert abs((all_terms(wrong, x, backend.rng(7)) - bound).mean()) > 4 * limit


def test_the_first_term_is_a_probability_of_pixels():
    """Not a divergence, which would be of beta_tilde_1 = 0: between 0 and finite, also for a hopeless guess."""
    model = build()
    first = model.terms(model.space.signed(images(10)), np.ones(10, int), normal(backend.rng(0), (10, 1, 8, 8)))[1].numpy()
    assert np.isfinite(first).all() and (first > 0).all()
    per_pixel = first / model.schedule.T
    assert per_pixel.mean() < 60


def test_a_new_network_starts_with_a_bound_of_a_few_bits():
    """As large as the bound itself, and not orders of magnitude above the squared error."""
    model = ImprovedDDPM(UNet(1, 2, width=8, groups=4, rng=backend.rng(0)), cosine_schedule(1000), DIGITS)
    terms = model.loss({"x": images(100)}, backend.rng(1))
    assert terms["L_simple"].item() == pytest.approx(1.0, abs=0.1)
    assert 0.5 < terms["L_vlb"].item() < 100
    assert terms["L_hybrid"].item() == pytest.approx(terms["L_simple"].item() + 0.001 * terms["L_vlb"].item())


def test_the_bound_moves_the_variance_only():
    """And L_simple the mean only, by the last layer, whose two channels say eps and v."""
    model, rng = build(), backend.rng(8)
    x_0, eps = model.space.signed(images(6)), normal(rng, (6, 1, 8, 8))
    last = list(model.network.head)[-1]
    for index, moved in ((0, 0), (1, 1)):
        term = model.terms(x_0, np.array([1, 2, 5, 9, 15, 20]), eps)[index].mean()
        g = np.abs(grad(term, last.weight).numpy()).max(axis=(1, 2, 3))  # (2,)
        assert g[moved] > 1e-6 and g[1 - moved] == 0


def test_the_best_variance_is_found():
    """One pixel of N(0, c^2), whose exact reverse variance is known for each t: v, a free number for each t, descends
    to it."""
    schedule, c = linear_schedule(10), 0.3
    space = Space((1, 1, 1), 256)

    class Free(Module):
        def __init__(self):
            self.v = parameter(np.zeros((11, 1), np.float32))

        def forward(self, x_t, t):
            a, s = np.sqrt(schedule.alpha_bar[t]), np.sqrt(1 - schedule.alpha_bar[t])
            eps = np.float32(s / (a**2 * c**2 + s**2)).reshape(-1, 1, 1, 1) * x_t.data
            return concatenate([Tensor(eps), self.v[t].reshape(-1, 1, 1, 1)], axis=1)

    model = ImprovedDDPM(Free(), schedule, space, steps=5)
    optimizer, rng = Adam(model.parameters(), 0.05), backend.rng(9)
    for _ in range(150):
        x = np.clip(np.round((c * rng.standard_normal((1000, 1, 1, 1)) + 1) / 2 * 255), 0, 255).astype(np.uint8)
        optimizer.step(grad(model.loss({"x": x}, rng)["L_vlb"], optimizer.params))
    t = np.arange(2, 11)
    c_0, _, beta_tilde = schedule.posterior(t)
    noise = 1 - schedule.alpha_bar[t]
    exact = c_0**2 * c**2 * noise / (schedule.alpha_bar[t] * c**2 + noise) + beta_tilde
    v = (model.network.v.data[2:, :] + 1) / 2
    found = np.exp(to_numpy(between(v, schedule.beta[t], lower_variance(schedule)[t])))[:, 0]
    np.testing.assert_allclose(found, exact, rtol=0.1)
    assert np.abs(np.log(schedule.beta_tilde[t] / exact)).max() > 0.5  # and neither end is


# Eq. 18


def known_losses():
    times, L = ImportantTimes(8), np.float32([9.0, 4.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05])
    for _ in range(HISTORY):
        times.note(np.arange(1, 9), L)
    return times, L


def test_important_times_are_unbiased_and_less_noisy():
    """sum_t p_t L_t / (T p_t) is the mean of L, whatever p; its variance is 0 where L_t are numbers."""
    times, L = known_losses()
    np.testing.assert_allclose(times.p(), L / L.sum(), rtol=1e-6)
    t, weights = times.draw(4000, backend.rng(10))
    np.testing.assert_allclose(weights * L[t - 1], L.mean(), rtol=1e-5)
    uniform, ones = UniformTimes(8).draw(4000, backend.rng(10))
    assert L[uniform - 1].mean() == pytest.approx(L.mean(), rel=0.1) and L[uniform - 1].std() > 1 and (ones == 1).all()


def test_times_without_a_history_are_uniform():
    times = ImportantTimes(4)
    for _ in range(HISTORY):
        times.note(np.array([1, 2, 3]), np.float32([5.0, 1.0, 1.0]))
    np.testing.assert_array_equal(times.p(), 0.25)
    for loss in range(HISTORY + 3):
        times.note(np.array([4]), np.float32([loss]))
    assert times.p()[0] > times.p()[1] and set(times.losses[3]) == set(range(3, HISTORY + 3))


def test_a_look_at_other_data_leaves_the_history(tmp_path):
    model = build(times=ImportantTimes(20))
    before = model.state_dict()
    model.eval().loss({"x": images(5)}, backend.rng(0))
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    model.train().loss({"x": images(5)}, backend.rng(0))
    assert model.times.counts.sum() == 5 and "times.losses" in before


@pytest.mark.parametrize("call, message", [
    (lambda: ImprovedDDPM(None, linear_schedule(20), Space((2,))), "this model takes images"),
    (lambda: build(steps=21), "steps is 21, expected 1 to T = 20"),
    (lambda: build().bound(images(2), None, variance="gamma"), "variance is 'gamma', expected one of learned, beta, beta"),
    (lambda: build().loss({"x": images(3) / 16}, None), "x has dtype float64, expected integers from 0 to 16"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_samples_and_measures():
    model = build()
    x = model.sample(6, backend.rng(1))
    assert x.shape == (6, 1, 8, 8) and 0 <= x.min() < x.max() <= 1
    bits, nats = model.measure({"x": images(10)}, backend.rng(9))
    assert nats.value == pytest.approx(bits.value * 64 * math.log(2)) and "T = 20" in bits.detail
    assert asarray(x).dtype == np.float32
