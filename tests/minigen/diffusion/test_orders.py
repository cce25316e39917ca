"""Orders of convergence, with the exact score of a mixture: of each point of the equation without noise, and of the
whole density where noise is added. On a line both are known: a point stays at its quantile, x_s = F_s^-1(F_t(x_t)),
and a density on a grid is carried from level to level by a matrix."""
import functools
import math

import numpy as np
import pytest

from autograd import backend
from autograd.backend import asarray, to_numpy
from minigen.diffusion import (
    VE,
    Level,
    Mixture,
    ancestral,
    ancestral_tilde,
    cosine_schedule,
    ddim,
    dpm_pp,
    euler,
    heun,
    karras_levels,
    samplers,
    straight_levels,
)
from minigen.diffusion.samplers import descent

P = Mixture([0.3, 0.7], [[-0.8], [0.6]], 0.25)
QUANTILES = np.linspace(0.05, 0.95, 10)


def some(at, top, bottom):
    """Ways down in even steps from one level to another where a little noise is left, so that steps shrink evenly."""
    return lambda steps: [at(t) for t in np.linspace(top, bottom, steps + 1).tolist()]


WAYS = {
    "variance preserving": some(lambda u: Level(math.cos(u), math.sin(u), u), math.pi / 2, 0.15),
    "Karras": lambda steps: karras_levels(steps + 1, 0.1, 20.0)[:-1],
    "straight": some(lambda t: Level(1.0 - t, t, t), 1.0, 0.1),
    "VE": some(lambda t: VE().level(t), 1.0, 0.1),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))


def error(sampler, levels):
    """How far the points end from where their quantiles are, on average."""
    x = sampler(P.denoise, P.quantile(QUANTILES, levels[0]), levels)
    return np.abs(to_numpy(x - P.quantile(QUANTILES, levels[-1]))).mean()


def order(errors):
    """p of errors ~ steps^-p, each for twice as many steps as the one before."""
    return -np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0]


STEPS = (40, 80, 160)


@ways
@pytest.mark.parametrize("sampler, p", [(euler, 1), (heun, 2), (dpm_pp, 2)], ids=["Euler", "Heun", "DPM++"])
def test_points_end_where_the_exact_flow_leads(way, sampler, p):
    errors = [error(sampler, way(steps)) for steps in STEPS]
    assert order(errors) == pytest.approx(p, abs=0.25), errors
    assert errors[-1] < {1: 0.03, 2: 0.001}[p], errors


def one_ended(denoise, x, levels):
    """Heun's second slope, but taken at the level of the first."""
    for t, s in descent(levels):
        slope = lambda x: (denoise(x, t), (x - t.a * denoise(x, t)) / t.s)
        step = lambda x_0, eps: (s.a - t.a) * x_0 + (s.s - t.s) * eps
        first = step(*slope(x))
        x = x + 0.5 * (first + step(*slope(x + first)))
    return x


def overshooting(denoise, x, levels):
    """DPM++ without its 1/2: x_0 as it would be at the end of the step, not half way."""
    steps, before = descent(levels), None
    log_snr = lambda level: math.log(max(level.a, 1e-12) / level.s)
    for i, (t, s) in enumerate(steps):
        x_0 = D = denoise(x, t)
        h = log_snr(s) - log_snr(t)
        if before and i > 1:
            D = x_0 + (x_0 - before[0]) * h / before[1]
        k_0, k_t, _ = samplers.move_ddim()(t, s)
        x, before = k_0 * D + k_t * x, (x_0, h)
    return x


@ways
@pytest.mark.parametrize("broken", [one_ended, overshooting])
def test_a_wrong_second_slope_is_noticed(way, broken):
    assert order([error(broken, way(steps)) for steps in STEPS]) < 1.5


# The density, where noise is added


def density(grid, level):
    return np.exp(to_numpy(P.log_p(asarray(grid[:, None]), level).data))


def carried(move, levels, n=300):
    """The density at the last level, on a grid, of x_t as it is distributed at the first, and the exact one: L1."""
    reach = lambda level: 5.5 * math.hypot(0.8 * level.a, level.s)
    grid = np.linspace(-1, 1, n) * reach(levels[0])
    p = density(grid, levels[0])
    for t, s in zip(levels, levels[1:]):
        k_0, k_t, sigma = move(t, s)
        mean = k_0 * to_numpy(P.denoise(asarray(grid[:, None]), t))[:, 0] + k_t * grid
        mass, grid = p * (grid[1] - grid[0]), np.linspace(-1, 1, n) * reach(s)
        p = np.exp(-0.5 * ((grid[:, None] - mean) / sigma) ** 2) @ mass / (sigma * math.sqrt(2 * math.pi))
    return np.abs(p - density(grid, levels[-1])).sum() * (grid[1] - grid[0])


MOVES = {"ancestral": samplers.move_ancestral, "beta tilde": samplers.move_ancestral_tilde,
         "eta = 0.7": samplers.move_ddim(0.7)}


@ways
@pytest.mark.parametrize("move", MOVES.values(), ids=list(MOVES))
def test_the_density_is_the_mixtures_to_first_order(way, move):
    errors = [carried(move, way(steps)) for steps in (24, 48, 96)]
    assert order(errors) == pytest.approx(1.0, abs=0.25) and errors[-1] < 0.06, errors


def test_noise_of_another_size_is_noticed():
    """Half the variance of the posterior is wrong however short the steps are."""
    half = lambda t, s: tuple(k * f for k, f in zip(samplers.move_ancestral_tilde(t, s), (1, 1, math.sqrt(0.5))))
    errors = [carried(half, WAYS["variance preserving"](steps)) for steps in (24, 48, 96)]
    assert order(errors) < 0.5 and errors[-1] > 0.1, errors


# Samples


DRAWN = [("ancestral", ancestral, cosine_schedule(1000).levels, 300),
         ("beta tilde", ancestral_tilde, straight_levels, 150), ("Euler", euler, karras_levels, 100),
         ("eta = 0.5", functools.partial(ddim, eta=0.5), karras_levels, 200),
         ("Heun", heun, cosine_schedule(1000).levels, 40), ("DPM++", dpm_pp, straight_levels, 40)]


@pytest.mark.parametrize("name, sampler, down, steps", DRAWN, ids=[name for name, *_ in DRAWN])
def test_samples_are_the_mixtures_within_sampling_error(name, sampler, down, steps):
    """Kolmogorov and Smirnov's: the largest distance of n samples from F is above 1.95 / sqrt(n) once in a thousand
    times. In a twentieth of the steps it is larger."""
    n, distance = 2000, []
    for number in (steps, steps // 20):
        rng, levels = backend.rng(1), down(number)
        x = sampler(P.denoise, levels[0].s * backend.normal(rng, (n, 1), np.float64), levels, rng=rng)
        u = np.sort(P.share_below(x))
        distance.append(max(np.abs(u - np.arange(n) / n).max(), np.abs(u - np.arange(1, n + 1) / n).max()))
    assert distance[0] < 1.95 / math.sqrt(n) and distance[1] > distance[0], distance
