"""Samplers against each other, against the algorithm as it is printed, and against a mixture whose score is known."""
import functools

import numpy as np
import pytest

from autograd import backend
from autograd.backend import asarray, special, to_numpy
from minigen.diffusion import ancestral, ancestral_tilde, convert, cosine, ddim, linear, recorded

# A mixture of two Gaussians in the plane, so far apart that each point shows where it is from.
WEIGHTS = np.array([0.45, 0.55])
MEANS = np.array([[-2.0, 1.5], [2.0, -1.5]])
VARIANCES = np.array([[0.25, 0.6], [0.5, 0.3]])


def draw_mixture(n, rng, variances=VARIANCES):
    k = rng.choice(2, size=n, p=WEIGHTS)
    return MEANS[k] + np.sqrt(variances[k]) * rng.standard_normal((n, 2))


def exact_denoiser(schedule):
    """E[x_0 | x_t] from the exact score of q(x_t) = sum_k w_k N(a mu_k, a^2 S_k + s^2 I)."""

    def denoise(x_t, t):
        a = np.sqrt(schedule.alpha_bar[t[0]], dtype=x_t.dtype)
        variances = a * a * asarray(VARIANCES, x_t.dtype) + (1 - a * a)  # (K, 2)
        pulls = [(a * m - x_t) / v for m, v in zip(asarray(MEANS, x_t.dtype), variances)]  # K of (N, 2)
        logits = [np.log(w / v.prod() ** 0.5) - 0.5 * (p * p) @ v for w, p, v in zip(WEIGHTS, pulls, variances)]
        second = special.expit(logits[1] - logits[0])[:, None].astype(x_t.dtype)  # p(k = 1 | x_t), (N, 1)
        return convert(pulls[0] + second * (pulls[1] - pulls[0]), "score", "x0", x_t, t, schedule)

    return denoise


def two_sample(x, y):
    """The largest of the z-scores of the differences between the moments of x and y, points (N, 2): share, means,
    variances and covariance of either component. Each is about N(0, 1) if x and y have one distribution."""
    z = []
    for k in range(2):
        inside = [((p - MEANS[k]) ** 2).sum(axis=1) < ((p - MEANS[1 - k]) ** 2).sum(axis=1) for p in (x, y)]
        z.append(_z(*inside))
        a, b = (p[i] - MEANS[k] for p, i in zip((x, y), inside))
        z += [_z(a[:, 0], b[:, 0]), _z(a[:, 1], b[:, 1])]
        z += [_z(a[:, i] * a[:, j], b[:, i] * b[:, j]) for i, j in [(0, 0), (1, 1), (0, 1)]]
    return max(z)


def _z(a, b):
    return abs(a.mean() - b.mean()) / np.sqrt(a.var() / len(a) + b.var() / len(b))


N, LIMIT = 80_000, 4.0  # a moment of a right sampler is beyond the limit once in 10^4 times


@functools.cache
def reference():
    return draw_mixture(10 * N, backend.rng(100))


@pytest.mark.parametrize("variance", list(np.ndindex(2, 2)), ids=str)
def test_the_statistic_notices_five_percent_in_one_variance(variance):
    for factor in (0.95, 1.05):
        wrong = VARIANCES.copy()
        wrong[variance] *= factor
        assert two_sample(draw_mixture(N, backend.rng(1), wrong), reference()) > LIMIT
    assert two_sample(draw_mixture(N, backend.rng(1)), reference()) < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("sampler, schedule", [
    (ancestral, linear(1000)),
    (ancestral, cosine(1000)),
    (ancestral_tilde, cosine(1000)),
    (functools.partial(ddim, eta=0.5), cosine(1000)),
    (ddim, cosine(1000)),
    (ddim, linear(1000)),
], ids=str)
def test_exact_score_gives_the_mixture(sampler, schedule):
    rng = backend.rng(2)
    x_0 = sampler(exact_denoiser(schedule), backend.normal(rng, (N, 2)), schedule, rng=rng)
    assert two_sample(to_numpy(x_0), reference()) < LIMIT


def toy(schedule, N=64):
    rng = backend.rng(3)
    return exact_denoiser(schedule), asarray(rng.standard_normal((N, 2)))


@pytest.mark.parametrize("steps", [None, 13, 1])
def test_ddim_at_eta_one_is_the_ancestral_sampler(steps):
    schedule = linear(100)
    denoise, x_T = toy(schedule)
    by_ddim = ddim(denoise, x_T, schedule, steps, rng=backend.rng(4), eta=1.0)
    by_posterior = ancestral_tilde(denoise, x_T, schedule, steps, rng=backend.rng(4))
    np.testing.assert_allclose(to_numpy(by_ddim), to_numpy(by_posterior), rtol=1e-8, atol=1e-10)


def test_ancestral_is_algorithm_2_as_printed():
    """x_{t-1} = 1 / sqrt(alpha_t) (x_t - beta_t / sqrt(1 - alpha_bar_t) eps) + sigma_t z, with z = 0 where t = 1."""
    schedule = linear(100)
    denoise, x_T = toy(schedule)
    for sampler, sigma2 in ((ancestral, schedule.beta), (ancestral_tilde, schedule.beta_tilde)):
        rng, x = backend.rng(5), x_T
        for t in range(100, 0, -1):
            times = np.full(len(x), t)
            eps = convert(denoise(x, times), "x0", "eps", x, times, schedule)
            z = backend.normal(rng, x.shape, x.dtype) if t > 1 else 0.0
            drift = x - schedule.beta[t] / np.sqrt(1 - schedule.alpha_bar[t]) * eps
            x = drift / np.sqrt(schedule.alpha[t]) + np.sqrt(sigma2[t]) * z
        x_0 = sampler(denoise, x_T, schedule, rng=backend.rng(5))
        np.testing.assert_allclose(to_numpy(x_0), to_numpy(x), rtol=1e-8, atol=1e-10)


def test_ddim_without_noise_is_a_function_of_x_T():
    schedule = cosine(50)
    denoise, x_T = toy(schedule)
    once, again = ddim(denoise, x_T, schedule, 10), ddim(denoise, x_T, schedule, 10, rng=backend.rng(1))
    np.testing.assert_array_equal(to_numpy(once), to_numpy(again))


@pytest.mark.parametrize("sampler", [ancestral, ancestral_tilde, ddim])
def test_a_perfect_denoiser_is_believed(sampler):
    """Where every guess is the same point, every sampler ends there, in any number of steps."""
    schedule, rng = linear(100), backend.rng(6)
    for steps in (1, 2, 30, None):
        x_T = asarray(rng.standard_normal((4, 1, 3, 3)), np.float32)
        x_0 = sampler(lambda x_t, t: np.full_like(x_t, 0.3), x_T, schedule, steps, rng=rng)
        np.testing.assert_allclose(to_numpy(x_0), 0.3, atol=1e-5)
        assert x_0.dtype == np.float32


def test_few_steps_are_worst_for_beta():
    """Over 10 steps of 1000 the beta variance leaves noise in the picture; eta = 0 does least harm: the variances of
    the components over the right ones, the mean of four."""
    schedule, rng = linear(1000), backend.rng(7)
    ratio = {}
    for name, sampler in {"beta": ancestral, "beta_tilde": ancestral_tilde, "ddim": ddim}.items():
        x_T = asarray(rng.standard_normal((4000, 2)))
        x = to_numpy(sampler(exact_denoiser(schedule), x_T, schedule, 10, rng=rng))
        k = (x[:, 0] > 0).astype(int)
        ratio[name] = np.mean([(x[k == i] - MEANS[i]).var(axis=0) / VARIANCES[i] for i in range(2)])
    assert ratio["beta"] > 1.3 and 0.5 < ratio["beta_tilde"] < ratio["ddim"] < 1, ratio


def test_steps_taken():
    schedule, frames = linear(1000), []
    denoise, x_T = toy(schedule, N=2)
    ddim(recorded(denoise, frames), x_T, schedule, 5)
    assert [t for t, _, _ in frames] == schedule.subsequence(5)[::-1].tolist()
    assert frames[0][1] is x_T


@pytest.mark.parametrize("call, message", [
    (lambda d, x, s: ancestral(d, x, s, 101, rng=backend.rng(0)), "steps is 101, expected 1 to T = 100"),
    (lambda d, x, s: ddim(d, x, s, 0), "steps is 0, expected 1 to T = 100"),
    (lambda d, x, s: ddim(d, x, s, eta=1.5), "eta is 1.5"),
    (lambda d, x, s: ddim(d, x, s, eta=0.5), "pass rng="),
])
def test_mistakes_are_named(call, message):
    schedule = linear(100)
    with pytest.raises(ValueError) as error:
        call(*toy(schedule), schedule)
    assert message in str(error.value)
