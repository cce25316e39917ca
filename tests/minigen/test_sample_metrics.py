"""Distances between sets of features: closed forms, definitions written out, and what each is meant to notice."""
import itertools

import numpy as np
import pytest

from minigen.metrics import (class_histogram, frechet_distance, kernel_distance, legible, precision_recall,
                             sample_figures)


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
    from scipy.linalg import sqrtm

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


def test_legible_and_histogram():
    p = np.array([[0.95, 0.05, 0.0], [0.5, 0.4, 0.1], [0.05, 0.05, 0.9], [0.0, 0.0, 1.0]])
    assert legible(p).tolist() == [True, False, True, True]
    assert class_histogram(p).tolist() == [2, 0, 2]


def test_figures_of_samples_are_printed_with_n_and_the_floor():
    """A judge whose features are the pixels, and whose classes are told by the first of them."""

    def judge(images):
        x = images.reshape(len(images), -1)
        one = 1 / (1 + np.exp(-20 * (x[:, 0] - 0.5)))
        return x, np.stack([1 - one, one], axis=1)

    train, test, drawn = (np.random.default_rng(i).random((n, 1, 2, 2)) for i, n in enumerate((3000, 800, 1000)))
    figures = {figure.name: figure for figure in sample_figures(judge, drawn, train, test)}
    assert all("N = 800" in figure.note for name, figure in figures.items() if name != "classes")
    assert figures["Frechet distance"].value < 0.01 and figures["precision"].value > 0.9
    assert figures["classes"].value == 2 and figures["legibility"].value == pytest.approx(0.78, abs=0.04)
    floor = frechet_distance(*(x[:800].reshape(800, -1) for x in (train, test)))
    assert f"the training set: {floor:.4g}" in figures["Frechet distance"].note

    bad = {figure.name: figure for figure in sample_figures(judge, 0.5 * drawn, train, test)}
    assert bad["Frechet distance"].value > 10 * figures["Frechet distance"].value
    assert bad["classes"].value == 1


@pytest.mark.parametrize("call, message", [
    (lambda: frechet_distance(normal(10), normal(10, D=4)), "(10, 3) and (10, 4)"),
    (lambda: kernel_distance(normal(3), normal(10)), "at least 4 of each"),
    (lambda: precision_recall(normal(10), np.full((10, 3), np.nan)), "features are not finite"),
    (lambda: sample_figures(lambda x: (x, x), normal(3), normal(9), normal(9)), "at least 4 of each"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
