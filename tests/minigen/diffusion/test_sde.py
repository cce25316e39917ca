"""Three stochastic differential equations: their closed forms against the equations, samplers with the exact score of a
mixture, and the likelihood of the equation without noise against the mixture's own."""
import functools
import math
from functools import partial

import numpy as np
import pytest

from autograd import backend, grad
from autograd.backend import asarray, normal, to_numpy
from minigen.diffusion import (
    SDE,
    VE,
    VP,
    Mixture,
    SubVP,
    bits_per_dim,
    convert,
    cosine_schedule,
    euler,
    euler_maruyama,
    heun,
    ode_log_likelihood,
    predictor_corrector,
)
from minigen.diffusion.score_matching import signs

# of mean 0 and small beside VE's last noise: its prior is N(0, s^2 I), whatever the data
P = Mixture([0.8, 0.2], [[0.15, 0.15], [-0.6, -0.6]], 0.15)
PROCESSES = {"VE": VE(), "VP": VP(), "sub-VP": SubVP()}
each = pytest.mark.parametrize("sde", PROCESSES.values(), ids=list(PROCESSES))


@each
def test_a_and_s_solve_the_equation(sde):
    """a' = f a and (s^2)' = 2 f s^2 + g^2, by central differences; nothing has happened at t = 0."""
    t, h = np.linspace(0.05, 0.95, 19), 1e-5
    slope = lambda function: (function(t + h) - function(t - h)) / (2 * h)
    np.testing.assert_allclose(slope(sde.a), sde.f(t) * sde.a(t), rtol=1e-6, atol=1e-10)
    expected = 2 * sde.f(t) * sde.s(t) ** 2 + sde.g2(t)
    np.testing.assert_allclose(slope(lambda t: sde.s(t) ** 2), expected, rtol=1e-6, atol=1e-9)
    assert sde.a(0.0) == 1 and sde.s(0.0) == 0


@each
def test_x_t_has_the_moments_of_small_steps(sde):
    """Euler and Maruyama, forwards: 1000 steps of 20,000 points from x_0 = 2."""
    rng, x, n = backend.rng(0), np.full(20_000, 2.0), 1000
    for t in (np.arange(n) + 0.5) / n * 0.5:  # to t = 1/2
        x = x + sde.f(t) * x * (0.5 / n) + math.sqrt(sde.g2(t) * 0.5 / n) * rng.standard_normal(len(x))
    s = float(sde.s(0.5))
    assert x.mean() == pytest.approx(2 * float(sde.a(0.5)), abs=4 * s / math.sqrt(len(x)) + 0.002)
    assert x.std() == pytest.approx(s, rel=4 / math.sqrt(2 * len(x)) + 0.003)


def test_the_numbers_of_the_paper():
    """VE with sigma = 25 as in its tutorial; VP ends where the signal is gone; sub-VP's noise is below VP's."""
    assert float(VE().s(1.0)) == pytest.approx(9.845, abs=5e-4)
    assert float(VE().s(1e-5)) == pytest.approx(0.00316, abs=5e-6)
    assert float(VP().a(1.0)) < 0.007 and float(VP().s(1.0)) == pytest.approx(1.0, abs=1e-4)
    t = np.linspace(0.01, 0.5, 50)
    assert (SubVP().s(t) < VP().s(t)).all()
    np.testing.assert_allclose(SubVP().s(t), VP().s(t) ** 2)


@each
def test_the_equation_without_noise_is_the_one_the_samplers_solve(sde):
    """Eq. 13: a step of Euler's along f x - g^2 score / 2 is, for short steps, ddim's."""
    x, t, h = asarray(P.draw(20, backend.rng(1))[0]), 0.4, 1e-6
    top, below = sde.level(t), sde.level(t - h)
    x = top.a * x + 0.3 * top.s
    expected = -(sde.f(t) * x - 0.5 * sde.g2(t) * P.score(x, top))
    np.testing.assert_allclose(to_numpy(euler(P.denoise, x, [top, below]) - x) / h, to_numpy(expected), rtol=1e-4, atol=1e-4)


# Samplers with the exact score


def start(sde, n, rng):
    return sde.level(1.0).s * normal(rng, (n, 2), np.float64)


SAMPLERS = {
    "Euler-Maruyama": (lambda sde: partial(euler_maruyama, sde=sde), 500),
    "corrected": (lambda sde: partial(predictor_corrector, predictor=partial(euler_maruyama, sde=sde)), 150),
    "corrected ODE": (lambda sde: partial(predictor_corrector, predictor=euler), 100), "ODE": (lambda sde: heun, 60)}


@functools.cache
def drawn(process, name, steps=None, n=2000):
    sde, (make, number) = PROCESSES[process], SAMPLERS[name]
    rng = backend.rng(2)
    return to_numpy(make(sde)(P.denoise, start(sde, n, rng), sde.levels(steps or number), rng=rng))


def modes(x):
    """The share of the heavier mode; means and deviations of both, (2, 2) each."""
    inside = x.sum(axis=1) > -0.45
    parts = [x[inside], x[~inside]]
    return inside.mean(), np.array([p.mean(axis=0) for p in parts]), np.array([p.std(axis=0) for p in parts])


@each
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_mixture_is_returned(sde, name):
    """Weights, means and widths within three standard errors, and 3 % for the steps."""
    x = drawn(next(key for key, value in PROCESSES.items() if value is sde), name)
    share, means, widths = modes(x)
    few = 0.2 * len(x)
    assert share == pytest.approx(0.8, abs=3 * 0.4 / math.sqrt(len(x)))
    assert np.abs(means - P.means).max() < 3 * P.sigma / math.sqrt(few) + 0.01
    assert np.abs(widths / P.sigma - 1).max() < 3 / math.sqrt(2 * few) + 0.04


def test_fifty_steps_are_worse_than_five_hundred():
    """Of Euler and Maruyama's: by how much the modes' widths are off."""
    off = [np.abs(modes(drawn("VE", "Euler-Maruyama", steps))[2] / P.sigma - 1).mean() for steps in (50, 500)]
    assert off[0] > 0.08 and off[0] > 3 * off[1], off


def test_the_last_step_must_not_leave_its_noise(monkeypatch):
    """Of data in one point nothing else is left. With noise in the last step there is g sqrt(dt)."""
    point, sde = Mixture([1.0], [[0.3, 0.3]], 1e-4), VE()
    rng, levels = backend.rng(3), VE().levels(300)
    x = to_numpy(euler_maruyama(point.denoise, start(sde, 200, rng), levels, rng=rng, sde=sde))
    assert np.abs(x - point.means).std() < 0.001
    noisy = x + math.sqrt(sde.g2(1e-3) * 1e-3) * rng.standard_normal(x.shape)
    assert (noisy - point.means).std() > 20 * (x - point.means).std()


def test_it_must_start_with_as_much_noise_as_there_is():
    """From N(0, I), not N(0, sd(1)^2), the equation without noise ends in the middle of everything."""
    x_T = normal(backend.rng(4), (1000, 2), np.float64)
    levels = VE().levels(60)
    right, wrong = (to_numpy(heun(P.denoise, s * x_T, levels)).std(axis=0) for s in (levels[0].s, 1.0))
    truth = math.sqrt(P.sigma**2 + 0.8 * 0.15**2 + 0.2 * 0.6**2)
    assert np.abs(right / truth - 1).max() < 0.1 and np.abs(wrong / truth - 1).min() > 0.15, (right, wrong)


class Halved(VP):
    """A drift without its 1/2: another process than its a and s are of."""

    def f(self, t):
        return -self.beta(t)


def test_a_drift_of_another_process_is_noticed():
    rng, sde = backend.rng(2), Halved()
    x = to_numpy(euler_maruyama(P.denoise, start(sde, 1000, rng), sde.levels(200), rng=rng, sde=sde))
    off = lambda x: np.abs(modes(x)[1] - P.means).max()
    assert off(x) > 0.05 and off(x) > 3 * off(drawn("VP", "Euler-Maruyama"))


# The likelihood


def guess(x, level):
    """The mixture's denoiser with a graph: the gradient of log p, and its own derivatives."""
    score = grad(P.log_p(x, level).sum(), x, create_graph=True)
    return convert(score, "score", "x0", x, level)


@each
def test_the_likelihood_is_the_mixtures_own(sde):
    x = P.draw(40, backend.rng(5))[0]
    found, end = ode_log_likelihood(guess, x, sde.levels(150, end=1e-5, power=2))
    np.testing.assert_allclose(found, P.log_p(x).numpy(), atol=0.01)
    assert to_numpy(end).std() == pytest.approx(float(sde.s(1.0)), rel=0.2)  # paths end as noise


def test_its_error_falls_with_the_square_of_the_steps():
    x, errors = P.draw(30, backend.rng(6))[0], []
    exact, _ = ode_log_likelihood(guess, x, VP().levels(240, end=1e-2))
    for steps in (15, 30, 60):
        errors.append(np.abs(ode_log_likelihood(guess, x, VP().levels(steps, end=1e-2))[0] - exact).mean())
    order = -np.polyfit(np.arange(3), np.log2(errors), 1)[0]
    assert order == pytest.approx(2.0, abs=0.4), errors


def test_a_random_direction_is_right_on_average():
    """Over all four signs exactly: the path is the same, the trace is linear in v v^T."""
    x, levels = P.draw(5, backend.rng(7))[0], VP().levels(15, end=1e-2)
    exact, _ = ode_log_likelihood(guess, x, levels)
    found = [ode_log_likelihood(guess, x, levels, asarray(np.broadcast_to(v, x.shape)))[0]
             for v in np.float64([[1, 1], [1, -1]])]  # v and -v are the same
    np.testing.assert_allclose(np.mean(found, axis=0), exact, rtol=1e-9)
    assert np.abs(found[0] - found[1]).max() > 1e-3
    assert signs(backend.rng(0), (3, 2), np.float64).dtype == np.float64


def test_a_forgotten_trace_is_noticed():
    x = P.draw(30, backend.rng(8))[0]
    blind = lambda x, level: guess(x, level) * 0.0 + asarray(P.denoise(x.data, level))
    wrong, _ = ode_log_likelihood(blind, x, VP().levels(60, end=1e-5))
    assert np.abs(wrong - P.log_p(x).numpy()).min() > 1.0


def test_the_variational_bound_says_less():
    """Of DDPM with the same exact denoiser: -log p <= bound, on the values of pixels so many that rounding is nothing."""
    schedule, levels, rng = cosine_schedule(20), 2**13 + 1, backend.rng(9)
    x = P.draw(2000, rng)[0].clip(-1, 1)
    x = np.round((x + 1) / 2 * (levels - 1)) / (levels - 1) * 2 - 1
    image = lambda denoise: lambda x_t, level: _by_row(denoise, x_t, level)
    bound = bits_per_dim(image(P.denoise), asarray(x), schedule, levels, rng) * 2 * math.log(2)
    nll = -(ode_log_likelihood(guess, x, VP().levels(40, end=1e-5))[0] + 2 * math.log(2 / (levels - 1)))
    gap = bound - nll
    assert gap.mean() > 3 * gap.std() / math.sqrt(len(gap)) and gap.mean() > 0.2


def _by_row(denoise, x_t, level):
    """The mixture's denoiser at a level of its own for each row."""
    column = type(level)(*(np.reshape(number, (-1, 1)) for number in level))
    out = np.empty_like(x_t)
    for t in np.unique(column.t):
        rows = np.flatnonzero(column.t[:, 0] == t)
        out[rows] = denoise(x_t[rows], type(level)(*(float(number[rows[0], 0]) for number in column)))
    return out


@pytest.mark.parametrize("call, message", [
    (lambda: VE(1.0), "VE: sigma is 1.0, expected above 1"),
    (lambda: SubVP(0.0), "SubVP: beta runs from 0.0 to 20.0"),
    (lambda: VP().levels(1), "VP: steps is 1, end is 0.001"),
    (lambda: VP().levels(10, end=0.0), "end is 0.0; expected at least 2 steps, to an end between 0 and 1"),
    (lambda: predictor_corrector(P.denoise, np.ones((2, 2)), [], rng=None, predictor=euler, snr=0.0), "predictor_corrector: snr is 0.0"),
    (lambda: euler_maruyama(P.denoise, np.ones((2, 2)), VE().levels(5)[::-1], rng=None, sde=VE()), "is no lower"),
    (lambda: ode_log_likelihood(guess, np.ones((2, 2)), VE().levels(5)[::-1]), "is no lower"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value) and issubclass(VE, SDE)
