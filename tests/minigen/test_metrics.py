"""Measures are rounded as their interval says, and the interval covers the truth as often as it claims.

Distances between sets of features, or of points: closed forms, definitions written out, and what each is to notice.
"""
import itertools

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import energy_distance as scipys
from scipy.stats import norm

from autograd import Tensor
from minigen.metrics import (
    Measure,
    auroc,
    class_histogram,
    density_coverage,
    energy_distance,
    frechet_distance,
    gradient_energy,
    kernel_distance,
    legible,
    mean_interval,
    mmd,
    modes,
    precision_recall,
    ratio_interval,
)


@pytest.mark.parametrize("measure, text", [
    (Measure("-ELBO", 96.71234, 0.8321, "nats", "k = 500"), "-ELBO  96.71 ± 0.83 nats  (k = 500)"),
    (Measure("NLL", 1234.5678, 12.3, "nats"), "NLL  1235 ± 12 nats"),
    (Measure("NLL", 1.23456789, 0.000123, "bits/dim"), "NLL  1.23457 ± 0.00012 bits/dim"),
    (Measure("error", 0.5, 0.0), "error  0.5 ± 0"),
    (Measure("NLL", 106.4213, unit="nats", detail="exact"), "NLL  106.42 nats  (exact)"),
    (Measure("parameters", 17152), "parameters  17,152"),
    (Measure("bound", float("inf"), float("nan")), "bound  inf ± nan"),
])
def test_measure(measure, text):
    assert str(measure) == text


def test_interval():
    assert mean_interval([1, 2, 3]) == (2.0, pytest.approx(1.96 / np.sqrt(3)))
    assert mean_interval(Tensor([1.0, 2.0, 3.0])) == mean_interval(np.array([1.0, 2.0, 3.0]))
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(2000, 200))
    covered = [abs(mean - 1) < half for mean, half in map(mean_interval, values)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)
    large = np.full(10_000, 1e4, np.float32) + np.arange(10_000, dtype=np.float32) % 2
    assert mean_interval(large)[0] == pytest.approx(10_000.5, abs=1e-9)  # summed in float64
    for wrong in ([1.0], [[1.0, 2.0]], 3.0):
        with pytest.raises(ValueError, match=r"mean_interval: values has shape .* expected \(n,\)"):
            mean_interval(wrong)


# Features


def normal(n, D=3, seed=0, mean=0.0, scale=1.0):
    return mean + scale * np.random.default_rng(seed).standard_normal((n, D))


def test_frechet_distance_of_moved_and_scaled_features():
    """|c|^2 for a + c; tr C (1 - s)^2 for s a: exact for any sample."""
    a = normal(100) @ np.array([[1.0, 0.3, 0.0], [0.0, 2.0, 0.5], [0.0, 0.0, 0.1]])
    c = np.array([1.0, -2.0, 0.5])
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-10)
    assert frechet_distance(a, a + c) == pytest.approx(c @ c)
    centred = a - a.mean(axis=0)
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * np.trace(np.cov(a, rowvar=False)))


def test_frechet_distance_of_gaussians():
    """Covariances that do not commute, against the matrix root by scipy; more features than images as well."""
    a, b = normal(500) @ np.array([[2.0, 0, 0], [1, 1, 0], [0, 0, 1]]), normal(400, seed=1) @ np.diag([1.0, 2.0, 3.0])
    C_a, C_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    m = a.mean(axis=0) - b.mean(axis=0)
    assert frechet_distance(a, b) == pytest.approx(m @ m + np.trace(C_a + C_b - 2 * sqrtm(C_a @ C_b).real))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    few = normal(10, D=30)
    assert frechet_distance(few, few) == pytest.approx(0.0, abs=1e-6)


def test_frechet_distance_falls_with_the_number_of_images():
    distances = [frechet_distance(normal(n, 20, seed=1), normal(n, 20, seed=2)) for n in (100, 1000, 10_000)]
    assert distances[0] > 5 * distances[1] > 25 * distances[2]


def test_frechet_distance_is_never_negative():
    """Of 30 sets against themselves rounding alone would leave a third below 0."""
    for seed in range(30):
        a = 1e3 * normal(40, D=8, seed=seed) @ normal(8, D=8, seed=1000 + seed)
        assert 0 <= frechet_distance(a, a) < 1e-10 * np.trace(np.cov(a, rowvar=False))


def test_kernel_distance_by_its_definition():
    a, b = normal(12, seed=1), normal(12, seed=2, mean=0.5)
    k = lambda x, y: (x @ y / 3 + 1) ** 3
    pairs = list(itertools.permutations(range(12), 2))
    expected = (np.mean([k(a[i], a[j]) for i, j in pairs]) + np.mean([k(b[i], b[j]) for i, j in pairs])
                - 2 * np.mean([k(x, y) for x in a for y in b]))
    assert kernel_distance(a, b)[0] == pytest.approx(expected)
    assert np.isnan(kernel_distance(a, b)[1])


def test_kernel_distance_is_unbiased():
    """For equal distributions its mean is 0, and its interval covers 0 as often as it says; not for moved ones."""
    repeats = [kernel_distance(normal(400, seed=2 * i), normal(400, seed=2 * i + 1), block=50) for i in range(300)]
    values = np.array([value for value, _ in repeats])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(300)
    assert np.mean([abs(value) < half for value, half in repeats]) > 0.85
    value, half = kernel_distance(normal(1000, seed=1), normal(1000, seed=2, mean=0.5))
    assert value > 2 * half


def test_precision_and_recall_notice_what_they_are_for():
    real = np.concatenate([normal(300, seed=1), normal(300, seed=2, mean=20.0)])  # two kinds of images
    precision, recall = precision_recall(real, np.concatenate([normal(300, seed=3), normal(300, seed=4, mean=20.0)]))
    assert precision > 0.9 and recall > 0.9
    precision, recall = precision_recall(real, normal(600, seed=3))  # one kind is never drawn
    assert precision > 0.9 and recall == pytest.approx(0.5, abs=0.05)
    precision, recall = precision_recall(real, np.concatenate([real[:300] + 0.01, normal(300, seed=5, mean=-50.0)]))
    assert precision == pytest.approx(0.5, abs=0.05)  # half of what is drawn is like nothing real
    assert precision_recall(real, real + 1000) == (0.0, 0.0)


def test_precision_on_a_line_by_hand():
    """Points 0, 1, 3, 10 with k = 1 have radii 1, 1, 2, 7."""
    real = np.array([[0.0], [1.0], [3.0], [10.0]])
    drawn = np.array([[-1.5], [-0.5], [2.5], [16.0], [18.0]])
    assert precision_recall(real, drawn, k=1)[0] == pytest.approx(3 / 5)


def by_definition(real, drawn, k):
    """Density and coverage of Naeem et al. 2020, equations 4 and 6, one pair at a time."""
    pairs, covered = 0, 0
    for i, x in enumerate(real):
        radius = sorted(np.linalg.norm(x - other) for other in np.delete(real, i, axis=0))[k - 1]
        near = [np.linalg.norm(x - y) <= radius for y in drawn]
        pairs, covered = pairs + sum(near), covered + any(near)
    return pairs / (k * len(drawn)), covered / len(real)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_density_and_coverage_by_their_definition(k):
    real, drawn = normal(60, seed=1), normal(45, seed=2, mean=0.7, scale=0.8)
    density, coverage = density_coverage(real, drawn, k)
    expected = by_definition(real, drawn, k)
    assert (density, coverage) == pytest.approx(expected) and 0.2 < coverage < 0.95


def test_density_and_coverage_on_a_line_by_hand():
    """Points 0, 1, 3, 10 with k = 1 have radii 1, 1, 2, 7: 2.5 is near 3 alone, 4 near 3 and 10, and 16 near 10."""
    real, drawn = np.array([[0.0], [1.0], [3.0], [10.0]]), np.array([[2.5], [4.0], [16.0], [18.0]])
    assert density_coverage(real, drawn, k=1) == pytest.approx(((1 + 2 + 1) / 4, 2 / 4))


def test_density_and_coverage_of_equal_distributions():
    """Density is 1, and coverage 1 - 2^-k: which of 2 k neighbours come first is a matter of chance."""
    density, coverage = np.mean([density_coverage(normal(400, seed=2 * i), normal(400, seed=2 * i + 1), k=2)
                                 for i in range(20)], axis=0)
    assert density == pytest.approx(1, abs=0.05) and coverage == pytest.approx(0.75, abs=0.02)


def test_coverage_notices_a_collapse_and_density_an_outlier():
    """All samples near one image: precision is perfect. One real outlier: its ball makes any cloud precise."""
    real = normal(500, seed=1)
    collapsed = real[np.linalg.norm(real, axis=1).argmin()] + normal(500, seed=2, scale=1e-3)
    assert precision_recall(real, collapsed)[0] == 1
    assert density_coverage(real, collapsed)[1] < 0.05

    with_outlier = np.concatenate([real, [[1e3, 0, 0]]])
    cloud = normal(500, seed=3, scale=30.0) + [300, 0, 0]
    assert precision_recall(with_outlier, cloud)[0] > 0.99
    assert density_coverage(with_outlier, cloud)[0] < 0.3


def test_legible_and_histogram():
    p = np.array([[0.95, 0.05, 0.0], [0.5, 0.4, 0.1], [0.05, 0.05, 0.9], [0.0, 0.0, 1.0]])
    assert legible(p).tolist() == [True, False, True, True]
    assert class_histogram(p).tolist() == [2, 0, 2]


@pytest.mark.parametrize("call, message", [
    (lambda: frechet_distance(normal(10), normal(10, D=4)), "(10, 3) and (10, 4)"),
    (lambda: kernel_distance(normal(3), normal(10)), "at least 4 of each"),
    (lambda: precision_recall(normal(10), np.full((10, 3), np.nan)), "features are not finite"),
    (lambda: density_coverage(normal(10)[0], normal(10)), "(3,) and (10, 3)"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


# Points


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


def test_mmd_from_tables_of_a_kernel():
    a, b = normal(6, seed=1), normal(4, seed=2)
    k = lambda x, y: np.exp(-((x[:, None] - y) ** 2).sum(axis=2))
    pairs = lambda x: np.mean([np.exp(-((p - q) ** 2).sum()) for i, p in enumerate(x) for j, q in enumerate(x) if i != j])
    expected = pairs(a) + pairs(b) - 2 * k(a, b).mean()
    assert mmd(k(a, a), k(b, b), k(a, b)).item() == pytest.approx(expected)
    for tables in ((k(a, a), k(b, b), k(b, a)), (k(a[:1], a[:1]), k(b, b), k(a[:1], b))):
        with pytest.raises(ValueError, match=r"mmd: kernels have shapes .*, expected \(N, N\), \(M, M\), \(N, M\) with N"):
            mmd(*tables)


# Images by themselves, and ratios


def test_gradient_energy_in_loops():
    x = np.random.default_rng(0).random((3, 2, 4, 5))
    expected = [sum((x[n, c, i + 1, j] - x[n, c, i, j]) ** 2 for c in range(2) for i in range(3) for j in range(5)) / 30
                + sum((x[n, c, i, j + 1] - x[n, c, i, j]) ** 2 for c in range(2) for i in range(4) for j in range(4)) / 32
                for n in range(3)]
    np.testing.assert_allclose(gradient_energy(x), expected)


def test_gradient_energy_of_a_sine_and_of_its_blurred_self():
    """A wave of k periods over W pixels: neighbours differ by 2 sin(pi k / W) at most, squared on average half of it.
    The mean of two neighbours has cos(pi k / W) of its amplitude."""
    W, k = 64, 5
    wave = np.tile(np.sin(2 * np.pi * k * np.arange(W + 2) / W), (1, 1, 3, 1))
    energy = gradient_energy(wave[..., : W + 1])[0]
    assert energy == pytest.approx(2 * np.sin(np.pi * k / W) ** 2)
    blurred = (wave[..., 1:] + wave[..., :-1]) / 2
    assert gradient_energy(blurred)[0] / energy == pytest.approx(np.cos(np.pi * k / W) ** 2)


def test_the_interval_of_a_ratio_holds_it_as_often_as_it_claims():
    rng, held = np.random.default_rng(0), []
    for _ in range(400):
        b = rng.gamma(4.0, size=100)
        ratio, half_width = ratio_interval(0.7 * b + 0.3 * rng.standard_normal(100), b)
        held.append(abs(ratio - 0.7) <= half_width)
    assert abs(np.mean(held) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)
    assert ratio_interval(2 * np.arange(1, 5), np.arange(1, 5)) == (2.0, 0.0)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    a, b = rng(0).integers(0, 9, 40), rng(1).integers(2, 11, 30)  # with ties
    pairs = [(x > y) + 0.5 * (x == y) for x in a for y in b]
    assert auroc(a, b) == pytest.approx(np.mean(pairs)) == pytest.approx(1 - auroc(b, a))
    assert auroc([2, 3], [0, 1]) == 1 and auroc([1, 1], [1]) == 0.5
    with pytest.raises(ValueError, match=r"auroc: scores have shapes \(2, 1\) and \(1,\)"):
        auroc([[1], [2]], [1])
