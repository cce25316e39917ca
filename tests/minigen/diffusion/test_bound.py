"""The variational bound on data whose probability is known: a Gaussian, whose reverse process is Gaussian too."""
import math

import numpy as np
import pytest
from scipy import stats

from autograd import backend, grad, parameter
from autograd.backend import asarray, to_numpy
from minigen.diffusion import (
    Schedule,
    bits_per_dim,
    cosine_schedule,
    decoder_term,
    linear_schedule,
    log_discretized_normal,
    prior_term,
    step_term,
)

MU, SIGMA = 0.1, 0.15  # the data: each pixel N(MU, SIGMA^2), rounded to one of LEVELS values on [-1, 1]
LEVELS = 2**15 + 1  # so fine that rounding changes nothing but the scale of the density


def draw(n, dims, rng):
    x = MU + SIGMA * rng.standard_normal((n, 1, 1, dims))
    return asarray(np.round((x + 1) / 2 * (LEVELS - 1)) / (LEVELS - 1) * 2 - 1)


def true_bits(x):
    """-log2 P(x) per dimension, P the mass of the rounding interval."""
    return -(stats.norm.logpdf(to_numpy(x), MU, SIGMA) + math.log(2 / (LEVELS - 1))).mean(axis=(1, 2, 3)) / math.log(2)


def remaining_variance(schedule):
    """Var[x_0 | x_t], (T + 1,)."""
    noise = 1 - schedule.alpha_bar
    return SIGMA**2 * noise / (schedule.alpha_bar * SIGMA**2 + noise)


def exact_denoiser(schedule):
    def denoise(x_t, level):
        a, v = (asarray(c)[:, None, None, None] for c in (level.a, remaining_variance(schedule)[level.t]))
        return MU + a * v / (1 - a**2) * (x_t - a * MU)

    return denoise


def exact_variance(schedule):
    """Of p(x_{t-1} | x_t), (T + 1,): the posterior's own, and what is unknown of x_0."""
    c_0, _, beta_tilde = schedule.posterior(np.arange(1, schedule.T + 1))
    return np.concatenate([[0.0], c_0**2 * remaining_variance(schedule)[1:] + beta_tilde])


@pytest.mark.parametrize("schedule", [linear_schedule(200), linear_schedule(60), cosine_schedule(100)], ids=repr)
def test_the_bound_is_tight_for_the_exact_reverse_process(schedule):
    """-log p(x_0) is reached, image by image on average, and the noise left at T costs nothing."""
    rng = backend.rng(0)
    x_0 = draw(2000, 4, rng)
    bound = bits_per_dim(exact_denoiser(schedule), x_0, schedule, LEVELS, rng, variance=exact_variance(schedule))
    gap = bound - true_bits(x_0)
    error = gap.std() / math.sqrt(len(gap))
    assert error < 0.02  # so that the next line says something: the bound is about 11 bits
    assert abs(gap.mean()) < 4 * error


@pytest.mark.parametrize("which", ["beta", "beta_tilde"])
def test_the_gap_of_the_fixed_variances_is_as_computed(which):
    """With v_t for the exact variance r_t, each term grows by KL(N(., r_t) || N(., v_t)) per dimension."""
    schedule, rng = linear_schedule(200), backend.rng(1)
    variance = getattr(schedule, which).copy()
    variance[1] = schedule.beta[1]
    ratio = exact_variance(schedule)[1:] / variance[1:]
    expected = 0.5 * (ratio - 1 - np.log(ratio)).sum() / math.log(2)
    x_0 = draw(2000, 4, rng)
    bound = bits_per_dim(exact_denoiser(schedule), x_0, schedule, LEVELS, rng, variance=variance)
    gap = bound - true_bits(x_0)
    assert expected > 0.05
    assert abs(gap.mean() - expected) < 4 * gap.std() / math.sqrt(len(gap))


def test_a_worse_denoiser_has_a_larger_bound():
    schedule, rng = linear_schedule(100), backend.rng(2)
    x_0 = draw(500, 4, rng)
    good, variance = exact_denoiser(schedule), exact_variance(schedule)
    mixed = lambda w: lambda x_t, level: (1 - w) * good(x_t, level) + w * MU
    bounds = [bits_per_dim(mixed(w), x_0, schedule, LEVELS, backend.rng(3), variance=variance).mean()
              for w in (0.0, 0.2, 0.5)]
    assert bounds[0] < bounds[1] < bounds[2]


def test_strata_estimate_the_same_number():
    schedule, rng = linear_schedule(200), backend.rng(4)
    x_0 = draw(4000, 4, rng)
    full, few = (bits_per_dim(exact_denoiser(schedule), x_0, schedule, LEVELS, rng, strata) for strata in (None, 10))
    assert abs(full.mean() - few.mean()) < 4 * math.sqrt((full.var() + few.var()) / len(x_0))
    calls = []
    bits_per_dim(lambda x_t, level: calls.append(level.t) or x_t, x_0[:3], schedule, LEVELS, rng, strata=10)
    assert len(calls) == 11


def test_terms_are_the_divergences_they_are_said_to_be():
    """L_T and L_{t-1} of one pixel, by quadrature over x."""
    schedule, x_0 = linear_schedule(20), asarray(np.full((1, 1), 0.5))
    x = np.linspace(-9, 9, 400_001)
    kl = lambda p, q: (p.pdf(x) * (p.logpdf(x) - q.logpdf(x))).sum() * (x[1] - x[0])
    a, s = np.sqrt(schedule.alpha_bar[-1]), np.sqrt(1 - schedule.alpha_bar[-1])
    assert prior_term(x_0, schedule) == pytest.approx(kl(stats.norm(a * 0.5, s), stats.norm(0, 1)), rel=1e-6)
    t = np.array([7])
    c_0, c_t, beta_tilde = schedule.posterior(7)
    x_t = schedule.q_sample(x_0, t, backend.normal(backend.rng(5), (1, 1), x_0.dtype))  # the draw of step_term
    q = stats.norm(c_0 * 0.5 + c_t * x_t.item(), np.sqrt(beta_tilde))
    p = stats.norm(c_0 * -0.2 + c_t * x_t.item(), np.sqrt(schedule.beta[7]))
    term = step_term(lambda x_t, level: np.full_like(x_t, -0.2), x_0, t, schedule, backend.rng(5))
    assert term == pytest.approx(kl(q, p), rel=1e-6)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_discretized_normal_sums_to_one(levels):
    x = asarray(np.linspace(-1, 1, levels))
    for mean, sigma in [(0.0, 0.3), (0.93, 0.01), (-3.0, 0.5), (0.2, 5.0)]:
        mass = np.exp(log_discretized_normal(x, mean, sigma, levels).numpy())
        assert mass.sum() == pytest.approx(1.0, rel=1e-12)


def test_discretized_normal_far_out():
    """40 deviations away, where the mass is 10^-350: against scipy in logarithms, and finite in float32."""
    x, h = asarray([0.5]), 1 / 16
    exact = stats.norm.logsf(0.5 - h, 0, 0.01)  # all mass above x - h; what is above x + h is e^-7000 of it
    for x in (x, -x):
        assert log_discretized_normal(x, 0.0, 0.01, 17).numpy() == pytest.approx(exact, rel=1e-12)
    x = asarray([1.0, -1.0], np.float32)
    assert np.isfinite(log_discretized_normal(x, -x, 0.01, 256).numpy()).all()


def test_decoder_term():
    """L_0 of an image of known pixels under a known guess."""
    schedule = Schedule([0.01, 0.1])
    x_0 = asarray([[[[-1.0, 0.0], [0.125, 1.0]]]])
    guess = asarray([[[[-0.9, 0.05], [0.125, 1.2]]]])
    mass = [stats.norm.cdf(-1 + 1 / 16, -0.9, 0.1), np.diff(stats.norm.cdf([-1 / 16, 1 / 16], 0.05, 0.1)).item(),
            np.diff(stats.norm.cdf([1 / 16, 3 / 16], 0.125, 0.1)).item(), stats.norm.sf(15 / 16, 1.2, 0.1)]
    term = decoder_term(lambda x_t, level: guess, x_0, schedule, 17, backend.rng(0))
    assert term == pytest.approx(-np.log(mass).sum())


def test_gradients_of_the_discretized_normal():
    """In mean and sigma, at the edges too, against central differences; and finite where the mass underflows."""
    x = asarray(np.array([-1.0, -0.5, 0.25, 1.0]))
    mean, sigma = parameter(np.array([-0.7, -0.45, 0.6, 1.3])), parameter(np.array([0.3, 0.02, 0.2, 0.5]))
    found = grad(log_discretized_normal(x, mean, sigma, 17).sum(), [mean, sigma])
    for i, leaf in enumerate((mean, sigma)):
        for j in range(4):
            shift = 1e-6 * np.eye(4)[j]
            at = [[m + sign * shift * (k == i) for k, m in enumerate((mean.data, sigma.data))] for sign in (1, -1)]
            up, down = (log_discretized_normal(x, *pair, 17).numpy().sum() for pair in at)
            assert found[i].data[j] == pytest.approx((up - down) / 2e-6, rel=1e-5)
    far = parameter(asarray(-x, np.float32))
    assert np.isfinite(grad(log_discretized_normal(asarray(x, np.float32), far, 0.01, 256).sum(), far).numpy()).all()


def test_a_variance_of_each_pixel_is_as_one_of_a_table():
    """A function of (x_t, t) that says what the table says."""
    schedule, x_0 = linear_schedule(30), draw(20, 4, backend.rng(6))
    table = 0.7 * schedule.beta + 0.01
    function = lambda x_t, t: 0.0 * x_t + asarray(table[t].reshape(-1, 1, 1, 1))
    one, other = (bits_per_dim(exact_denoiser(schedule), x_0, schedule, LEVELS, backend.rng(7), variance=variance)
                  for variance in (table, function))
    np.testing.assert_allclose(one, other, rtol=1e-10)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="t runs from 1, expected 2 to T = 20; for t = 1: decoder_term"):
        step_term(None, np.zeros((2, 1)), np.array([5, 1]), linear_schedule(20), backend.rng(0))
