"""Langevin dynamics, the replay buffer and the grid, against Gaussians, whose walk is known in closed form."""
import numpy as np
import pytest
import scipy.stats

from autograd import exp, log, parameter, stack
from autograd.backend import asarray, to_numpy
from minigen.energy import Grid, ReplayBuffer, langevin, score_of

S2 = 0.5  # variance of the Gaussian


def rng(seed=0):
    return np.random.default_rng(seed)


def gaussian_score(x):
    return -x / S2


def stationary(step, noise=None, score=gaussian_score):
    """The variance of 200,000 numbers after a long walk."""
    x = langevin(score, np.zeros((100_000, 2)), 60, step, noise=noise, rng=rng())
    return to_numpy(x).var()


def expected(step, noise):
    """Of x <- (1 - step / (2 s2)) x + noise eps: v = (1 - step / (2 s2))^2 v + noise^2."""
    return noise**2 / (1 - (1 - step / (2 * S2)) ** 2)


@pytest.mark.parametrize("step", [0.1, 0.4])
def test_variance_of_a_walk_on_a_gaussian(step):
    """Exactly s2 / (1 - step / (4 s2)): the density's own in the limit of short steps, too wide for long ones."""
    known = S2 / (1 - step / (4 * S2))
    assert known == pytest.approx(expected(step, np.sqrt(step)))
    assert stationary(step) == pytest.approx(known, rel=0.01)
    assert stationary(step, noise=step) != pytest.approx(known, rel=0.1)  # noise of variance step^2
    assert stationary(step, score=lambda x: 2 * gaussian_score(x)) != pytest.approx(known, rel=0.1)  # without the 1/2
    assert stationary(step, noise=0.0) == 0


def test_step_and_noise_apart_are_a_temperature():
    """The walk is on p^T, T = step / noise^2: a variance of s2 / T."""
    step, T = 0.02, 8
    assert stationary(0.1, np.sqrt(0.1 / T)) == pytest.approx(expected(0.1, np.sqrt(0.1 / T)), rel=0.01)
    assert expected(step, np.sqrt(step / T)) == pytest.approx(S2 / T, rel=0.02)


def test_a_walk_finds_the_weights_of_two_modes():
    """Which its start does not know: 3/4 of the mass is on the right."""
    def energy(x):
        modes = stack([np.log(0.75) - (x - 1) ** 2 / 0.5, np.log(0.25) - (x + 1) ** 2 / 0.5])
        return -log(exp(modes).sum(axis=0)).sum(axis=1)

    x = to_numpy(langevin(score_of(energy), np.zeros((8000, 1)), 400, 0.1, rng=rng()))
    assert (x > 0).mean() == pytest.approx(0.75, abs=0.03)


def test_score_is_minus_the_slope_and_leaves_parameters_alone():
    precision = parameter(np.float64([[2.0, 0.3], [0.3, 1.0]]))
    energy = lambda x: 0.5 * ((x @ precision) * x).sum(axis=1)
    x = rng().standard_normal((5, 2))
    np.testing.assert_allclose(to_numpy(score_of(energy)(asarray(x))), -x @ precision.numpy(), rtol=1e-12)
    assert isinstance(score_of(energy)(asarray(x)), type(asarray(x)))  # an array: no graph


def test_clip_range_and_start():
    x = asarray(np.float32([[0.2], [0.9]]))
    far = lambda x: x * 0 + asarray(np.float32([[100.0], [-0.5]]))
    moved = to_numpy(langevin(far, x, 1, 2.0, noise=0.0, clip=1.0, rng=rng()))
    np.testing.assert_allclose(moved, [[1.2], [0.4]], rtol=1e-6)
    kept = to_numpy(langevin(far, x, 3, 2.0, noise=0.5, within=(0.0, 1.0), rng=rng()))
    assert kept.min() >= 0 and kept.max() <= 1 and moved.dtype == np.float32
    np.testing.assert_array_equal(to_numpy(x), np.float32([[0.2], [0.9]]))
    np.testing.assert_array_equal(to_numpy(langevin(far, x, 0, 2.0, rng=rng())), to_numpy(x))


@pytest.mark.parametrize("arguments", [(1, -0.1), (-1, 0.1)])
def test_langevin_refuses(arguments):
    with pytest.raises(ValueError, match="langevin: steps is .*expected at least 0 each"):
        langevin(gaussian_score, np.zeros((1, 1)), *arguments, rng=rng())


# The replay buffer


def test_chains_go_on_where_they_were_and_a_few_begin_anew():
    buffer = ReplayBuffer(np.arange(1000.0).reshape(1000, 1), restarts=0.2)
    rows, x = buffer.draw(np.full((500, 1), -1.0), rng())
    assert len(set(rows)) == 500  # no two chains in one place
    fresh = to_numpy(x)[:, 0] == -1
    assert fresh.mean() == pytest.approx(0.2, abs=0.06)
    np.testing.assert_array_equal(to_numpy(x)[~fresh, 0], rows[~fresh])
    buffer.put(rows, x + 0.5)
    states = to_numpy(buffer.states)[:, 0]
    np.testing.assert_array_equal(states[rows], to_numpy(x)[:, 0] + 0.5)
    others = np.setdiff1d(np.arange(1000), rows)
    np.testing.assert_array_equal(states[others], others)


def test_the_states_are_saved_and_are_no_parameters():
    buffer = ReplayBuffer(np.float32(rng().random((6, 2))))
    assert buffer.state_dict().keys() == {"states"} and buffer.parameters() == []
    other = ReplayBuffer(np.zeros((6, 2), np.float32))
    other.load_state_dict(buffer.state_dict())
    np.testing.assert_array_equal(to_numpy(other.states), to_numpy(buffer.states))


def test_buffer_refuses():
    with pytest.raises(ValueError, match="restarts is 5, expected a share from 0 to 1"):
        ReplayBuffer(np.zeros((3, 1)), restarts=5)
    with pytest.raises(ValueError, match="4 chains are to be moved at a time, and it holds 3"):
        ReplayBuffer(np.zeros((3, 1))).draw(np.zeros((4, 1)), rng())


# The grid


def test_grid_against_closed_forms():
    grid = Grid(edge=8.0, cells=160)
    p = scipy.stats.multivariate_normal([1, 0], [[1, 0.5], [0.5, 2]])
    assert grid.log_integral(p.logpdf(grid.points) + 3) == pytest.approx(3, abs=1e-6)
    assert grid.points.shape == (160**2, 2) and np.abs(grid.points).max() == pytest.approx(7.95)
