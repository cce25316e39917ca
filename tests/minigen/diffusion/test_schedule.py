"""The forward process against its definition: step by step, by Bayes' rule, and by the papers' formulas."""
import numpy as np
import pytest

from autograd import Tensor, backend
from autograd.backend import asarray, to_numpy
from minigen.diffusion import Schedule, cosine_schedule, linear_schedule
from minigen.diffusion.levels import posterior

SCHEDULES = [*map(linear_schedule, (1000, 100, 10)), *map(cosine_schedule, (1000, 50, 4))]


def test_linear_is_the_papers():
    beta = linear_schedule().beta
    assert beta[1] == 1e-4 and beta[1000] == pytest.approx(0.02)
    np.testing.assert_allclose(beta[1:], [1e-4 + (0.02 - 1e-4) * (t - 1) / 999 for t in range(1, 1001)])
    assert linear_schedule().alpha_bar[-1] == pytest.approx(4.036e-5, rel=1e-3)  # sqrt of it: the 0.0064 left of x_0


def test_cosine_is_the_papers():
    T, s = 1000, 0.008
    f = [np.cos((t / T + s) / (1 + s) * np.pi / 2) ** 2 for t in range(T)]
    np.testing.assert_allclose(cosine_schedule().alpha_bar[:-1], np.array(f) / f[0], rtol=1e-9)  # at t = T, beta is cut
    assert cosine_schedule().beta[-1] == 0.999


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_tables(schedule):
    assert schedule.beta[0] == 0 and schedule.alpha_bar[0] == 1 and len(schedule.beta) == schedule.T + 1
    running = 1.0
    for t in range(1, schedule.T + 1):
        running *= 1 - schedule.beta[t]
        assert schedule.alpha_bar[t] == pytest.approx(running, rel=1e-9)
        tilde = (1 - schedule.alpha_bar[t - 1]) / (1 - schedule.alpha_bar[t]) * schedule.beta[t]  # eq. 7
        assert schedule.beta_tilde[t] == pytest.approx(tilde, rel=1e-9, abs=1e-18)
    assert np.all(np.diff(schedule.alpha_bar) < 0)
    assert schedule.alpha_bar[-1] < 1e-3  # hardly anything of the image is left


def test_another_T_adds_the_same_noise():
    """alpha_bar at the same fraction of the way hardly depends on T."""
    for make in (linear_schedule, cosine_schedule):
        few, many = make(200).alpha_bar, make(1000).alpha_bar[::5]
        assert np.abs(few - many).max() < 0.01


def test_q_sample_has_the_closed_forms_moments():
    """x_t by the formula, and by t steps of eq. 2: the same mean and variance, within their standard errors."""
    schedule, rng, N = linear_schedule(50), backend.rng(0), 200_000
    x_0 = np.full((N, 1), 0.7)
    x = x_0
    for t in range(1, 31):
        x = np.sqrt(1 - schedule.beta[t]) * x + np.sqrt(schedule.beta[t]) * rng.standard_normal((N, 1))
        if t in (1, 7, 30):
            jump = to_numpy(schedule.q_sample(asarray(x_0), np.full(N, t), asarray(rng.standard_normal((N, 1)))))
            mean, variance = np.sqrt(schedule.alpha_bar[t]) * 0.7, 1 - schedule.alpha_bar[t]
            for draws in (x, jump):
                assert abs(draws.mean() - mean) < 4 * np.sqrt(variance / N)
                assert abs(draws.var() - variance) < 4 * variance * np.sqrt(2 / N)


def test_q_sample_takes_a_t_per_example_and_tensors():
    schedule, rng = cosine_schedule(20), backend.rng(1)
    x_0, eps = (asarray(rng.standard_normal((3, 1, 2, 2))) for _ in range(2))
    together = to_numpy(schedule.q_sample(x_0, np.array([1, 9, 20]), eps))
    for i, t in enumerate([1, 9, 20]):
        alone = schedule.q_sample(x_0[i : i + 1], t, eps[i : i + 1])
        np.testing.assert_array_equal(together[i : i + 1], to_numpy(alone))
    np.testing.assert_array_equal(schedule.q_sample(Tensor(x_0), np.array([1, 9, 20]), eps).numpy(), together)
    assert schedule.q_sample(x_0.astype(np.float32), 5, eps.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("t, s", [(2, 1), (30, 29), (60, 59), (40, 10), (60, 1)])
def test_posterior_by_bayes_rule_on_a_grid(t, s):
    """q(x_s | x_t, x_0) is proportional to q(x_t | x_s) q(x_s | x_0): normalized on a grid of x_s."""
    schedule, x_0, x_t = linear_schedule(60), 0.6, -0.4
    alpha_bar = schedule.alpha_bar
    alpha = np.prod(1 - schedule.beta[s + 1 : t + 1])  # of the steps s + 1 .. t, from the definition
    x_s = np.linspace(-6, 6, 200_001)
    density = np.exp(-0.5 * (x_t - np.sqrt(alpha) * x_s) ** 2 / (1 - alpha)
                     - 0.5 * (x_s - np.sqrt(alpha_bar[s]) * x_0) ** 2 / (1 - alpha_bar[s]))
    density /= density.sum()
    mean = (density * x_s).sum()
    c_0, c_t, variance = schedule.posterior(t, s)
    assert c_0 * x_0 + c_t * x_t == pytest.approx(mean, abs=1e-9)
    assert variance == pytest.approx((density * (x_s - mean) ** 2).sum(), rel=1e-8)
    if s == t - 1:
        assert variance == schedule.beta_tilde[t]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_posterior_of_levels_is_the_papers(schedule):
    """From the levels' a and s, and by eqs. 6 and 7 as DDPM has them, from alpha_bar: for every t to the one below, and
    for longer steps."""
    for steps in {schedule.T, 3}:
        times = [*schedule.subsequence(steps)[::-1].tolist(), 0]
        levels = schedule.levels(steps)
        assert [level.t for level in levels] == times
        for t, s, above, below in zip(times, times[1:], levels, levels[1:]):
            c_0, c_t, variance, added = posterior(above, below)
            bar_t, bar_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
            alpha, beta = bar_t / bar_s, 1 - bar_t / bar_s
            paper = (np.sqrt(bar_s) * beta / (1 - bar_t), np.sqrt(alpha) * (1 - bar_s) / (1 - bar_t),
                     (1 - bar_s) / (1 - bar_t) * beta)
            np.testing.assert_allclose((c_0, c_t, variance), paper, rtol=1e-9, atol=1e-15)
            np.testing.assert_allclose(schedule.posterior(t, s), paper, rtol=1e-9, atol=1e-15)
            np.testing.assert_allclose(added, 1 - np.prod(schedule.alpha[s + 1 : t + 1]), rtol=1e-9)


def test_subsequence():
    schedule = linear_schedule(1000)
    assert schedule.subsequence().tolist() == list(range(1, 1001))
    for steps in (1, 2, 3, 20, 999):
        tau = schedule.subsequence(steps)
        assert len(set(tau)) == steps and tau[-1] == 1000 and (steps == 1 or tau[0] == 1)
        assert steps == 1 or np.ptp(np.diff(tau)) <= 1  # evenly spaced, up to rounding


@pytest.mark.parametrize("call, message", [
    (lambda s: Schedule([0.1, 1.0]), "every beta_t above 0 and below 1"),
    (lambda s: Schedule([0.1, np.nan]), "every beta_t above 0 and below 1"),
    (lambda s: Schedule([]), "T >= 1"),
    (lambda s: linear_schedule(1), "T is 1, expected at least 2"),
    (lambda s: cosine_schedule(0), "T is 0, expected at least 2"),
    (lambda s: s.q_sample(np.zeros((2, 3)), np.array([0, 1]), np.zeros((2, 3))), "t runs from 0 to 1, expected 1 to"),
    (lambda s: s.q_sample(np.zeros((2, 3)), np.array([1, 11]), np.zeros((2, 3))), "expected 1 to T = 10"),
    (lambda s: s.q_sample(np.zeros((2, 3)), np.array([1, 2, 3]), np.zeros((2, 3))), "one per example"),
    (lambda s: s.q_sample(np.zeros((2, 3)), 1, np.zeros((2, 4))), "eps (2, 4)"),
    (lambda s: s.subsequence(0), "expected 1 to T = 10"),
    (lambda s: s.subsequence(11), "no more steps"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call(linear_schedule(10))
    assert message in str(error.value)


def test_integers_are_not_noised_silently():
    with pytest.raises(TypeError, match="uint8; scale them: Space.signed"):
        linear_schedule(10).q_sample(np.zeros((2, 3), np.uint8), 1, np.zeros((2, 3)))
    with pytest.raises(TypeError, match="expected integers from 1 to T = 10"):
        linear_schedule(10).q_sample(np.zeros((2, 3)), 1.5, np.zeros((2, 3)))


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_a_respaced_schedule_has_the_levels_of_the_whole(steps):
    """The same a, s and t as a sampler's way down in so many steps; and posteriors that skip the steps between."""
    whole = linear_schedule(100)
    few = whole.respaced(steps)
    assert few.T == steps
    for level, expected in zip(few.levels(), whole.levels(steps)):
        np.testing.assert_allclose(level, expected, rtol=1e-9)
    kept = [0, *whole.subsequence(steps)]
    for t in range(1, steps + 1):
        np.testing.assert_allclose(few.posterior(t), whole.posterior(kept[t], kept[t - 1]), rtol=1e-8, atol=1e-15)
    assert (few.level(np.arange(1, steps + 1)).t == kept[1:]).all()
