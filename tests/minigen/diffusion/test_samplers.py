"""Samplers against each other, against the algorithms as they are printed, and against data whose best denoiser is
known: Gaussians, which all samplers carry along exactly or with an error of a known order, and a mixture."""
import functools
import math

import numpy as np
import pytest

from autograd import backend
from autograd.backend import asarray, special, to_numpy, xp
from minigen.diffusion import (
    CLEAN,
    Level,
    ancestral,
    ancestral_tilde,
    convert,
    cosine_schedule,
    ddim,
    dpm_pp,
    euler,
    heun,
    karras_levels,
    linear_schedule,
    recorded,
    samplers,
    straight_levels,
)
from minigen.diffusion.levels import posterior

half_fresh = functools.partial(ddim, eta=0.5)
WITHOUT_NOISE = {"euler": euler, "heun": heun, "dpm_pp": dpm_pp}
WITH_NOISE = {"ancestral": ancestral, "ancestral_tilde": ancestral_tilde, "ddim, eta = 0.5": half_fresh}
SAMPLERS = WITHOUT_NOISE | WITH_NOISE


def circle(steps):
    """Variance preserving, in even steps on the circle of a and s: a cosine schedule without an end."""
    u = np.linspace(math.pi / 2 - 0.01, 0.0, steps + 1)[:-1]
    return [*(Level(math.cos(u), math.sin(u), u) for u in u.tolist()), CLEAN]


PROCESSES = {"variance preserving": circle, "Karras": karras_levels, "straight": straight_levels}
processes = pytest.mark.parametrize("way", PROCESSES.values(), ids=list(PROCESSES))


# A Gaussian: its best denoiser is linear in x_t, so everything about a sampler can be computed

MU, C = 0.3, 0.6


def gaussian(x_t, level, mu=MU, c=C):
    """E[x_0 | x_t] of N(mu, c^2)."""
    gain = level.a * c * c / (level.a**2 * c * c + level.s**2)
    return mu + gain * (x_t - level.a * mu)


def exact_flow(x, t, s, mu=MU, c=C):
    """The solution at level s of the probability flow's differential equation that is x at level t."""
    width = lambda level: math.sqrt(level.a**2 * c * c + level.s**2)
    return s.a * mu + width(s) / width(t) * (x - t.a * mu)


class Impulses:
    """A generator whose draw number i is 1 in row i + 2 and 0 elsewhere: what each draw does can be read off."""

    def __init__(self):
        self.drawn = 0

    def standard_normal(self, shape, dtype):
        z = np.zeros(shape, dtype)
        z[self.drawn + 2] = 1.0
        self.drawn += 1
        return z


def moments(sampler, levels, mu=MU, c=C):
    """Mean and variance of what the sampler makes of x_T as it is distributed at levels[0]: exact, as x_0 is linear in
    x_T and in all draws of noise."""
    x = np.zeros((len(levels) + 1, 1))
    x[1] = 1.0
    constant, *gains = to_numpy(sampler(functools.partial(gaussian, mu=mu, c=c), asarray(x), levels,
                                        rng=Impulses()))[:, 0]
    gains = np.array(gains) - constant
    mean, variance = levels[0].a * mu, (levels[0].a * c) ** 2 + levels[0].s ** 2
    return constant + gains[0] * mean, gains[0] ** 2 * variance + (gains[1:] ** 2).sum()


def slope(errors):
    """The order p of errors ~ steps^-p, each for twice as many steps as the one before."""
    return -np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0]


@processes
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_gaussian_is_returned(name, way):
    """Mean and variance, to an error that falls as 1 / steps or faster."""
    errors = []
    for steps in (100, 200, 400):
        mean, variance = moments(SAMPLERS[name], way(steps))
        errors.append(abs(mean - MU) + abs(variance / C**2 - 1))
    assert errors[-1] < 0.05 and slope(errors) > 0.9, errors


def to_some_noise(way):
    """A way down from pure noise to a level where a little is left: log(a / s) is finite there."""
    if way is karras_levels:
        return lambda steps: karras_levels(steps + 1)[:-1]
    top, bottom = (math.pi / 2, 0.1) if way is circle else (1.0, 0.05)
    at = lambda t: Level(math.cos(t), math.sin(t), t) if way is circle else Level(1.0 - t, t, t)
    return lambda steps: [at(t) for t in np.linspace(top, bottom, steps + 1).tolist()]


def error(sampler, levels):
    """The largest distance from the solution in closed form, at two standard deviations on either side."""
    x = asarray(levels[0].a * MU + np.array([[-2.0], [2.0]]) * math.hypot(levels[0].a * C, levels[0].s))
    return np.abs(to_numpy(sampler(gaussian, x, levels) - exact_flow(x, levels[0], levels[-1]))).max()


@pytest.mark.parametrize("name, order", [("euler", 1), ("heun", 2), ("dpm_pp", 2)])
@processes
def test_orders_of_convergence(way, name, order):
    """Euler's error falls as 1 / steps, the others' as 1 / steps^2."""
    errors = [error(WITHOUT_NOISE[name], to_some_noise(way)(steps)) for steps in (20, 40, 80, 160)]
    assert slope(errors) == pytest.approx(order, abs=0.15), errors


@pytest.mark.parametrize("name", ["heun", "dpm_pp"])
@processes
def test_second_order_is_nearer_for_as_many_calls(way, name):
    """All the way down, from a place where a is 0 or next to it."""
    calls = {"euler": 60, "heun": 30, "dpm_pp": 60}
    assert error(WITHOUT_NOISE[name], way(calls[name])) < 0.5 * error(euler, way(60))


@pytest.mark.parametrize("sampler, c", [(ancestral, 1.0), (ancestral_tilde, 1e-9)], ids=["N(0, I)", "one point"])
@pytest.mark.parametrize("steps", [1, 3, 20])
def test_where_the_two_variances_are_right(sampler, c, steps):
    """Section 3.2 of DDPM: for data N(0, I), or for a single point, the distribution at every level is exact, however
    long the steps are."""
    for schedule in (linear_schedule(1000), cosine_schedule(1000)):
        levels = schedule.levels(steps + 1)
        for last in range(1, steps + 1):
            mean, variance = moments(sampler, levels[:last + 1], mu=0.0, c=c)
            level = levels[last]
            assert mean == pytest.approx(0.0, abs=1e-12)
            assert variance == pytest.approx((level.a * c) ** 2 + level.s**2, rel=1e-9)


# The algorithms as they are printed


@processes
def test_ddim_is_eulers_method_in_its_own_variables(way):
    """DDIM, section 4.3: in x / a and sigma = s / a the differential equation is d(x / a) = eps d sigma."""
    assert euler is ddim
    levels = way(7)[1:-1]
    x = expected = asarray(np.array([[0.4], [-1.3]]))
    for t, s in zip(levels, levels[1:]):
        eps = convert(gaussian(expected, t), "x0", "eps", expected, t)
        expected = s.a * (expected / t.a + (s.s / s.a - t.s / t.a) * eps)
    np.testing.assert_allclose(to_numpy(euler(gaussian, x, levels)), to_numpy(expected), rtol=1e-10)


def test_heun_is_algorithm_1_of_edm():
    x = asarray(80.0 * np.array([[0.4], [-1.3]]))
    levels, expected = karras_levels(6), x
    t = [level.t for level in levels]
    for i in range(6):
        D = lambda x, i: gaussian(x, levels[i])
        d = (expected - D(expected, i)) / t[i]
        following = expected + (t[i + 1] - t[i]) * d
        if t[i + 1] != 0:
            d_next = (following - D(following, i + 1)) / t[i + 1]
            following = expected + (t[i + 1] - t[i]) * (d / 2 + d_next / 2)
        expected = following
    np.testing.assert_allclose(to_numpy(heun(gaussian, x, levels)), to_numpy(expected), rtol=1e-10)


def test_heun_on_straight_levels_is_heun_on_the_velocity():
    """dx / dt = eps - x_0, as flow matching has it."""
    x = asarray(np.array([[0.4], [-1.3]]))
    levels, expected = straight_levels(6), x
    velocity = lambda x, level: (x - gaussian(x, level)) / level.t
    for t, s in zip(levels, levels[1:]):
        v, h = velocity(expected, t), s.t - t.t
        following = expected + h * v
        expected = expected + h * 0.5 * (v + velocity(following, s)) if s.t > 0 else following
    np.testing.assert_allclose(to_numpy(heun(gaussian, x, levels)), to_numpy(expected), rtol=1e-10)


@pytest.mark.parametrize("way", [circle, karras_levels], ids=["variance preserving", "Karras"])
def test_dpm_pp_is_algorithm_2_as_printed(way):
    """Of DPM-Solver++: alpha, sigma and lambda = log(alpha / sigma) of each level, h the differences of lambda. With
    lines 4 and 5 for the last steps too, as in the authors' code."""
    levels = way(9)[:-1]
    alpha, sigma, _ = np.array(levels).T
    lam = np.log(alpha / sigma)
    x = asarray(sigma[0] * np.array([[0.4], [-1.3]]))
    x_0 = [gaussian(x, levels[0])]
    h = np.diff(lam, prepend=np.nan)  # h[i] leads to level i
    expected = sigma[1] / sigma[0] * x - alpha[1] * np.expm1(-h[1]) * x_0[0]
    for i in range(2, len(levels)):
        x_0.append(gaussian(expected, levels[i - 1]))
        r = h[i - 1] / h[i]
        D = (1 + 1 / (2 * r)) * x_0[i - 1] - 1 / (2 * r) * x_0[i - 2] if i + 1 < len(levels) else x_0[i - 1]
        expected = sigma[i] / sigma[i - 1] * expected - alpha[i] * np.expm1(-h[i]) * D
    expected = gaussian(expected, levels[-1])  # to CLEAN
    np.testing.assert_allclose(to_numpy(dpm_pp(gaussian, x, way(9))), to_numpy(expected), rtol=1e-10)


def test_few_steps_of_dpm_pp_do_not_overshoot():
    """On a schedule's even steps of t the last but one is the longest in lambda. With the slope of the step before it
    20 steps would draw this Gaussian 40 % too wide."""
    _, variance = moments(dpm_pp, cosine_schedule(1000).levels(20), c=0.3)
    assert variance == pytest.approx(0.09, rel=0.1)


def test_ancestral_is_algorithm_2_as_printed():
    """x_{t-1} = 1 / sqrt(alpha_t) (x_t - beta_t / sqrt(1 - alpha_bar_t) eps) + sigma_t z, with z = 0 where t = 1."""
    schedule, x_T = linear_schedule(100), asarray(backend.rng(3).standard_normal((64, 2)))
    for sampler, sigma2 in ((ancestral, schedule.beta), (ancestral_tilde, schedule.beta_tilde)):
        rng, x = backend.rng(5), x_T
        for t in range(100, 0, -1):
            eps = convert(mixture(x, schedule.level(t)), "x0", "eps", x, schedule.level(t))
            z = backend.normal(rng, x.shape, x.dtype) if t > 1 else 0.0
            drift = x - schedule.beta[t] / np.sqrt(1 - schedule.alpha_bar[t]) * eps
            x = drift / np.sqrt(schedule.alpha[t]) + np.sqrt(sigma2[t]) * z
        x_0 = sampler(mixture, x_T, schedule.levels(), rng=backend.rng(5))
        np.testing.assert_allclose(to_numpy(x_0), to_numpy(x), rtol=1e-8, atol=1e-10)


@processes
@pytest.mark.parametrize("steps", [1, 13])
def test_ddim_at_eta_one_is_the_posterior(way, steps):
    """The same three numbers (k_0, k_t, sigma) for every step, and so the same samples."""
    levels = way(steps)
    for t, s in zip(levels, levels[1:]):
        np.testing.assert_allclose(samplers.move_ddim(1.0)(t, s), samplers.move_ancestral_tilde(t, s), rtol=1e-8,
                                   atol=1e-12)
    x = levels[0].s * asarray(backend.rng(3).standard_normal((64, 2)))
    by_ddim = ddim(mixture, x, levels, rng=backend.rng(4), eta=1.0)
    by_posterior = ancestral_tilde(mixture, x, levels, rng=backend.rng(4))
    np.testing.assert_allclose(to_numpy(by_ddim), to_numpy(by_posterior), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@processes
def test_every_eta_leads_from_one_level_to_the_next(way, eta):
    """DDIM, lemma 1: x_s made of x_t and the true x_0 is distributed as x_s is. The fresh part is eq. 16's,
    eta times that of the posterior."""
    levels = way(8)
    for t, s in zip(levels, levels[1:]):
        k_0, k_t, sigma = samplers.move_ddim(eta)(t, s)
        assert k_0 + k_t * t.a == pytest.approx(s.a)
        assert (k_t * t.s) ** 2 + sigma**2 == pytest.approx(s.s**2, rel=1e-9, abs=1e-15)
        added = t.s**2 - (t.a / s.a * s.s) ** 2
        assert sigma == pytest.approx(eta * s.s / t.s * math.sqrt(added), rel=1e-9, abs=1e-15)


@processes
def test_posterior_by_bayes_rule_on_a_grid(way):
    """q(x_s | x_t, x_0) is proportional to q(x_t | x_s) q(x_s | x_0), the first of which leads from level s to t by one
    factor and one Gaussian of noise: normalized on a grid of x_s."""
    t, s = way(8)[3:5]
    factor = t.a / s.a
    added = t.s**2 - factor**2 * s.s**2
    x_0, x_t = 0.6, t.a * 0.6 + 0.7 * t.s
    x_s = s.a * x_0 + s.s * np.linspace(-9, 9, 200_001)
    density = np.exp(-0.5 * (x_t - factor * x_s) ** 2 / added - 0.5 * ((x_s - s.a * x_0) / s.s) ** 2)
    density /= density.sum()
    mean = (density * x_s).sum()
    c_0, c_t, variance, of_the_step = posterior(t, s)
    assert c_0 * x_0 + c_t * x_t == pytest.approx(mean, rel=1e-8)
    assert variance == pytest.approx((density * (x_s - mean) ** 2).sum(), rel=1e-7)
    assert of_the_step == pytest.approx(added)


# A mixture of two Gaussians in the plane, so far apart that each point shows where it is from

WEIGHTS = np.array([0.45, 0.55])
MEANS = np.array([[-2.0, 1.5], [2.0, -1.5]])
VARIANCES = np.array([[0.25, 0.6], [0.5, 0.3]])


def mixture(x_t, level):
    """E[x_0 | x_t]: q(x_t) = sum_k w_k N(a mu_k, a^2 S_k + s^2 I), and each component alone is a Gaussian. Coordinate by
    coordinate: arrays (N, 2) are slow."""
    coordinates, logits, guesses = [xp.ascontiguousarray(x_t[:, i]) for i in range(2)], [], []
    for w, mean, S in zip(WEIGHTS.tolist(), MEANS.tolist(), VARIANCES.tolist()):
        variances = [level.a**2 * c + level.s**2 for c in S]
        away = [x - level.a * m for x, m in zip(coordinates, mean)]
        logits.append(math.log(w) - 0.5 * sum(math.log(v) + d * d / v for v, d in zip(variances, away)))
        guesses.append([m + level.a * c / v * d for m, c, v, d in zip(mean, S, variances, away)])
    second = special.expit(logits[1] - logits[0]).astype(x_t.dtype)  # p(k = 1 | x_t), (N,)
    return xp.stack([a + second * (b - a) for a, b in zip(*guesses)], axis=1)


def draw_mixture(n, rng, variances=VARIANCES):
    k = rng.choice(2, size=n, p=WEIGHTS)
    return MEANS[k] + np.sqrt(variances[k]) * rng.standard_normal((n, 2))


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


def test_the_mixtures_denoiser_is_its_mean_given_x_t():
    """By the definition, E[x_0 | x_t] = sum of x_0 p(x_0) q(x_t | x_0), normalized, on a grid of x_0."""
    at = np.linspace(-6, 6, 601)
    x_0 = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    p = sum(w * np.exp(-0.5 * ((x_0 - m) ** 2 / v).sum(axis=1)) / np.sqrt(v.prod())
            for w, m, v in zip(WEIGHTS, MEANS, VARIANCES))
    x_t = np.array([[0.1, -0.2], [-1.0, 2.0], [0.5, 0.5]])
    for level in (Level(0.6, 0.8, 0), Level(1.0, 2.5, 0), Level(0.0, 1.0, 0)):
        weights = p * np.exp(-0.5 * ((x_t[:, None] - level.a * x_0) ** 2).sum(axis=2) / level.s**2)  # (3, grid)
        expected = weights @ x_0 / weights.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(to_numpy(mixture(asarray(x_t), level)), expected, atol=1e-6)


LONG_WAYS = {  # so long that the error of a variance, which test_a_gaussian_is_returned computes, is below 1.4 %
    "cosine": cosine_schedule(1000).levels, "linear": linear_schedule(1000).levels, "Karras": karras_levels,
    "straight": straight_levels, "circle": circle}


@pytest.mark.slow
@pytest.mark.parametrize("name, way, steps", [
    ("ancestral", "linear", 1000), ("ancestral", "Karras", 800), ("ancestral", "straight", 400),
    ("ancestral_tilde", "cosine", 1000), ("ancestral_tilde", "Karras", 1000), ("ancestral_tilde", "straight", 1000),
    ("ddim, eta = 0.5", "cosine", 1000), ("euler", "cosine", 400), ("euler", "Karras", 400), ("euler", "straight", 400),
    ("heun", "circle", 40), ("heun", "cosine", 40), ("heun", "Karras", 80), ("heun", "straight", 40),
    ("dpm_pp", "circle", 80), ("dpm_pp", "cosine", 100), ("dpm_pp", "Karras", 80), ("dpm_pp", "straight", 80),
])
def test_exact_score_gives_the_mixture(name, way, steps):
    rng, levels = backend.rng(2), LONG_WAYS[way](steps)
    x_0 = SAMPLERS[name](mixture, levels[0].s * backend.normal(rng, (N, 2)), levels, rng=rng)
    assert two_sample(to_numpy(x_0), reference()) < LIMIT


# How they behave


def test_without_fresh_noise_x_0_is_a_function_of_x_T():
    levels, x_T = cosine_schedule(50).levels(10), asarray(backend.rng(3).standard_normal((64, 2)))
    for sampler in WITHOUT_NOISE.values():
        once, again = sampler(mixture, x_T, levels), sampler(mixture, x_T, levels, rng=backend.rng(1))
        np.testing.assert_array_equal(to_numpy(once), to_numpy(again))


@processes
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_perfect_denoiser_is_believed(name, way):
    """Where every guess is the same point, every sampler ends there, in any number of steps."""
    rng = backend.rng(6)
    for steps in (1, 2, 30):
        levels = way(steps)
        x_T = asarray(levels[0].s * rng.standard_normal((4, 1, 3, 3)), np.float32)
        x_0 = SAMPLERS[name](lambda x_t, level: 0.0 * x_t + 0.3, x_T, levels, rng=rng)
        np.testing.assert_allclose(to_numpy(x_0), 0.3, atol=1e-4)
        assert x_0.dtype == np.float32


def test_few_steps_are_worst_for_beta():
    """Over 10 steps of 1000 the beta variance leaves noise in the picture; eta = 0 does least harm: the variances of
    the components over the right ones, the mean of four."""
    levels, rng, ratio = linear_schedule(1000).levels(10), backend.rng(7), {}
    for name, sampler in {"beta": ancestral, "beta_tilde": ancestral_tilde, "ddim": ddim}.items():
        x_T = asarray(rng.standard_normal((4000, 2)))
        x = to_numpy(sampler(mixture, x_T, levels, rng=rng))
        k = (x[:, 0] > 0).astype(int)
        ratio[name] = np.mean([(x[k == i] - MEANS[i]).var(axis=0) / VARIANCES[i] for i in range(2)])
    assert ratio["beta"] > 1.3 and 0.5 < ratio["beta_tilde"] < ratio["ddim"] < 1, ratio


@pytest.mark.parametrize("name, calls", [("ancestral", 5), ("euler", 5), ("dpm_pp", 5), ("heun", 9)])
def test_calls_of_the_denoiser(name, calls):
    frames, levels = [], linear_schedule(1000).levels(5)
    x_T = asarray(backend.rng(3).standard_normal((2, 2)))
    SAMPLERS[name](recorded(mixture, frames), x_T, levels, rng=backend.rng(1))
    assert len(frames) == calls and frames[0][1] is x_T
    assert list(dict.fromkeys(level for level, _, _ in frames)) == levels[:-1]


@pytest.mark.parametrize("call, message", [
    (lambda x, way: ancestral(mixture, x, way.levels(101), rng=backend.rng(0)), "steps is 101, expected 1 to T = 100"),
    (lambda x, way: ddim(mixture, x, way.levels(0)), "steps is 0, expected 1 to T = 100"),
    (lambda x, way: ddim(mixture, x, way.levels(), eta=1.5), "eta is 1.5"),
    (lambda x, way: ddim(mixture, x, way.levels(), eta=0.5), "pass rng="),
    (lambda x, way: euler(mixture, x, way.levels()[::-1]), "(t = 0: 1 x_0 + 0 eps) to (t = 1: 0.9995 x_0 + 0.03162"),
    (lambda x, way: heun(mixture, x, 2 * way.levels()), "whose noise s / a is no lower; pass them from the noisiest"),
    (lambda x, way: dpm_pp(mixture, x, [way.level(3), *way.levels()[97:]]), "is no lower"),
    (lambda x, way: ancestral(mixture, x, [CLEAN], rng=backend.rng(0)), "needs two levels or more, got 1"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call(asarray(np.ones((3, 2))), linear_schedule(100))
    assert message in str(error.value) and "\n" not in str(error.value)
