"""The judges of samples, against closed forms."""
import numpy as np
import pytest
from scipy.stats import energy_distance as scipys
from scipy.stats import norm

from minigen import data
from minigen.data.toys import EIGHT_CENTRES, EIGHT_SIGMA
from minigen.adversarial.judge import distance_figure, energy_distance, mode_judge, modes


def rng(seed=0):
    return np.random.default_rng(seed)


def mean_absolute(mean, std):
    """E|x| for x ~ N(mean, std^2)."""
    return std * np.sqrt(2 / np.pi) * np.exp(-(mean**2) / (2 * std**2)) + mean * (1 - 2 * norm.cdf(-mean / std))


def test_energy_distance_of_two_gaussians():
    """x - y ~ N(3, 5), x - x' ~ N(0, 2), y - y' ~ N(0, 8)."""
    exact = 2 * mean_absolute(3, np.sqrt(5)) - mean_absolute(0, np.sqrt(2)) - mean_absolute(0, np.sqrt(8))
    x, y = rng(0).standard_normal((3000, 1)), 3 + 2 * rng(1).standard_normal((3000, 1))
    assert energy_distance(x, y) == pytest.approx(exact, rel=0.05)  # 1 / sqrt(3000) is 2 %


def test_energy_distance_of_points_and_of_samples_as_scipy_has_it():
    """SciPy's is the root of the biased one, in which pairs of a point with itself count."""
    assert energy_distance(np.zeros((3, 2)), np.full((4, 2), 3.0)) == pytest.approx(2 * 3 * np.sqrt(2))
    x, y = rng(0).standard_normal(50), 1 + rng(1).standard_normal(70)
    within = lambda a: abs(a[:, None] - a).sum() / len(a) * (1 / (len(a) - 1) - 1 / len(a))
    biased = energy_distance(x[:, None], y[:, None]) + within(x) + within(y)
    assert biased == pytest.approx(scipys(x, y) ** 2)


def test_energy_distance_is_unbiased():
    """0 on average for equal distributions, even of few: to four standard errors; and images are vectors of pixels."""
    draws = [energy_distance(rng(i).random((6, 1, 2, 3)), rng(1000 + i).random((9, 1, 2, 3))) for i in range(500)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / np.sqrt(500)
    x, y = rng(0).random((5, 1, 2, 3)), rng(1).random((4, 1, 2, 3))
    assert energy_distance(x, y) == energy_distance(x.reshape(5, 6), y.reshape(4, 6))


def test_interval_of_the_distance():
    """Where nothing differs, 0 is in nearly all of the intervals; where something does, in none."""
    same = [distance_figure(rng(i).random((400, 2)), rng(500 + i).random((400, 2))) for i in range(60)]
    holds = np.mean([abs(figure.value) <= figure.half_width for figure in same])
    assert 0.8 < holds <= 1  # 0.95 and less: the spread is estimated from ten parts
    other = distance_figure(rng(0).random((400, 2)), 0.2 + rng(1).random((400, 2)))
    assert other.value > other.half_width > 0
    assert distance_figure(rng(0).random((3, 2)), rng(1).random((5, 2))).half_width is None  # too few for parts


def test_modes():
    """Three modes on a line; 40 samples in the first, 2 in the second (a tenth of 60 / 3), 1 in the third, 17 lost."""
    centres = np.array([[0.0, 0], [10, 0], [20, 0]])
    at = np.repeat([[0.29, 0], [10, 0.29], [20, 0], [5, 5]], [40, 2, 1, 17], axis=0)
    good, covered = modes(at, centres, sigma=0.1)
    assert good.sum() == 43 and list(covered) == [True, True, False]
    assert modes(at[:1] + 0.02, centres, sigma=0.1)[0].sum() == 0  # 0.31 away is more than three sigma


def test_samples_between_near_modes_are_counted_once():
    centres = np.array([[0.0, 0], [1, 0]])
    _, covered = modes(np.full((100, 2), [0.4, 0]), centres, sigma=1.0)
    assert list(covered) == [True, False]


def test_judge_on_the_mixture_itself():
    """All modes, and 1 - exp(-9/2) = 98.9 % good, to four standard errors; one mode alone is as good."""
    x = data.load("eight_gaussians", "test").x
    judge, share = mode_judge(EIGHT_CENTRES, EIGHT_SIGMA), 1 - np.exp(-4.5)
    covered, good = judge(x, x)
    assert (covered.value, covered.note) == (8, "of 8")
    assert abs(good.value - share) < 4 * np.sqrt(share * (1 - share) / len(x))
    assert f"of the data {good.value:.3f}" in good.note
    one = x[np.linalg.norm(x - EIGHT_CENTRES[3], axis=1) < 1]
    covered, good = judge(one, x)
    assert covered.value == 1 and good.value > 0.98
    covered, good = judge(rng().uniform(-4, 4, (5000, 2)), x)
    assert covered.value == 8 and good.value < 0.45  # eight disks of radius 1.05 in 64: 0.43


def test_a_ring_is_nearly_as_good_as_the_mixture_but_not_as_near():
    """Three sigma are nearly half the way to the next centre, so a ring through all has a good share of
    16 asin(3 sigma / 2 r) / pi = 0.896: it is the energy distance that tells it from the mixture."""
    x, angle = data.load("eight_gaussians", "test").x, rng().uniform(0, 2 * np.pi, 5000)
    ring = 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    covered, good = mode_judge(EIGHT_CENTRES, EIGHT_SIGMA)(ring, x)
    share = 16 * np.arcsin(3 * EIGHT_SIGMA / 6) / np.pi
    assert covered.value == 8 and abs(good.value - share) < 4 * np.sqrt(share * (1 - share) / 5000)
    far = distance_figure(ring, x)
    assert far.value > 2 * far.half_width
