"""The toys' densities: each integrates to one and is that of its own samples.

Two statistics compare 50,000 samples with a density: the mean of log p against the entropy, and a chi-squared
on a 25 x 25 histogram. The last tests prove that they notice an error of 5 % in a scale.
"""

import numpy as np
import pytest

from minigen.data import log_density, sample_toy, toys

NAMES = list(toys.TOYS)
N = 50_000
BINS, PER_BIN, EDGE = 25, 10, 5.0  # grid of 250 x 250 midpoints on [-5, 5]^2, edges on the checkerboard's
STEP = 2 * EDGE / (BINS * PER_BIN)


@pytest.fixture(scope="module")
def grids():
    """name -> log p on the grid, (250, 250), first index x1."""
    axis = -EDGE + STEP * (np.arange(BINS * PER_BIN) + 0.5)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return {name: log_density(name)(points).reshape(len(axis), len(axis)) for name in NAMES}


def draw(name, seed=0):
    return sample_toy(name, N, np.random.default_rng(seed))[0]


def chi_squared(x, grid):
    """(chi2 - dof) / sqrt(2 dof) of samples x against the density; bins that expect below 5 are pooled."""
    p = (np.exp(grid) * STEP**2).reshape(BINS, PER_BIN, BINS, PER_BIN).sum(axis=(1, 3))
    seen, _, _ = np.histogram2d(*x.T, BINS, [[-EDGE, EDGE]] * 2)
    expected, big = len(x) * p, len(x) * p >= 5
    seen = np.append(seen[big], len(x) - seen[big].sum())
    expected = np.append(expected[big], max(len(x) - expected[big].sum(), 5.0))
    dof = len(seen) - 1
    return (((seen - expected) ** 2 / expected).sum() - dof) / np.sqrt(2 * dof)


def entropy_gap(x, name, grid):
    """(mean log p(x) + entropy) in standard errors."""
    finite = np.isfinite(grid)
    entropy = -(np.exp(grid[finite]) * grid[finite]).sum() * STEP**2
    log_p = log_density(name)(x)
    return (log_p.mean() + entropy) / (log_p.std() / np.sqrt(len(x)))


@pytest.mark.parametrize("name", NAMES)
def test_density_integrates_to_one(name, grids):
    assert np.exp(grids[name]).sum() * STEP**2 == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_the_density(name, grids):
    x = draw(name)
    assert np.isfinite(log_density(name)(x)).all()
    assert abs(chi_squared(x, grids[name])) < 4
    if name == "checkerboard":  # log p is a constant
        assert np.unique(log_density(name)(x)).tolist() == [-np.log(32)]
    else:
        assert abs(entropy_gap(x, name, grids[name])) < 4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_five_percent_in_the_overall_scale_is_noticed(name, factor, grids):
    assert chi_squared(factor * draw(name), grids[name]) > 10


@pytest.mark.parametrize("factor", [0.95, 1.05])
@pytest.mark.parametrize("name, constant", [
    ("eight_gaussians", "EIGHT_SIGMA"), ("eight_gaussians", "EIGHT_CENTRES"), ("two_moons", "MOONS_SIGMA"),
    ("swiss_roll", "ROLL_SIGMA"), ("ring", "RING_SIGMA"), ("ring", "RING_RADIUS"),
    ("pinwheel", "WHEEL_SIGMA"), ("pinwheel", "WHEEL_CENTRE"), ("pinwheel", "WHEEL_TWIST")])
def test_five_percent_in_one_constant_is_noticed(name, constant, factor, grids, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(toys, constant, factor * getattr(toys, constant))
        x = draw(name)
    assert max(abs(entropy_gap(x, name, grids[name])), chi_squared(x, grids[name])) > 8


@pytest.mark.parametrize("name", ["two_moons", "swiss_roll"])
def test_quadrature_has_converged(name, monkeypatch):
    x = draw(name)[:2000]
    density = log_density(name)
    few = density(x)
    quadrature = toys._quadrature
    monkeypatch.setattr(toys, "_quadrature", lambda low, high, K: quadrature(low, high, 3 * K))
    np.testing.assert_allclose(few, density(x), atol=1e-9)


def test_labels_are_the_components():
    rng = np.random.default_rng(0)
    x, y = sample_toy("eight_gaussians", 1000, rng)
    near = np.linalg.norm(x[:, None] - toys.EIGHT_CENTRES, axis=-1).argmin(axis=1)
    assert y.dtype == np.int64 and (near == y).mean() > 0.99 and len(np.unique(y)) == 8
    x, y = sample_toy("two_moons", 1000, rng)
    assert set(y) == {0, 1} and x[y == 0, 1].mean() > x[y == 1, 1].mean()
    assert set(sample_toy("pinwheel", 1000, rng)[1]) == set(range(5))
    assert all(sample_toy(name, 9, rng)[1] is None for name in ("ring", "swiss_roll", "checkerboard"))


def test_checkerboard_samples_stay_inside_after_rounding_to_float32():
    class Largest:  # the upper right corner of every square
        def integers(self, high, size):
            return np.full(size, high - 1)

    x, _ = sample_toy("checkerboard", 3, Largest())
    assert x.dtype == np.float32 and x.max() < 4 and np.isfinite(log_density("checkerboard")(x)).all()


def test_densities_outside_and_at_the_origin():
    far = np.array([[50.0, -50.0], [0.0, 0.0]])
    for name in NAMES:
        assert (log_density(name)(far) < -1).all() and not np.isnan(log_density(name)(far)).any()
    assert log_density("checkerboard")(far[:1]) == -np.inf
    assert all(log_density(name)(np.zeros((0, 2))).shape == (0,) for name in NAMES)


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="'moons'.*two_moons"):
        log_density("moons")
    with pytest.raises(ValueError, match=r"\(n, 2\), got \(2,\)"):
        log_density("ring")(np.zeros(2))
