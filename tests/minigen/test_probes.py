"""Probes: the minimum that is found is the minimum, features of known worth are ranked by it, and no label leaks."""
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from autograd import relu
from autograd.backend import rng
from minigen.metrics import mean_interval
from minigen.nn import MLP
from minigen.probes import _fit, few_label_errors, fine_tune, logistic_regression, nearness


def clouds(n, seed=0, D=20, classes=4):
    """Classes that lie along the first two of D directions, the others being noise."""
    noise = rng(seed)
    y = noise.integers(classes, size=n)
    x = noise.standard_normal((n, D))
    x[:, :2] += 4 * np.stack([np.cos(2 * np.pi * y / classes), np.sin(2 * np.pi * y / classes)], axis=1)
    return x.astype(np.float32), y


@pytest.mark.parametrize("D", [20, 200])
def test_the_fit_is_the_minimum(D):
    """Its gradient, by the formula X^T (p - onehot) / n + decay W, is 0; also with more features than examples."""
    x, y = clouds(60, D=D)
    x = np.float64(x)
    W, b = _fit(x, y, 4, 0.1)
    p = softmax(x @ W + b, axis=1) - np.eye(4)[y]
    assert np.abs(x.T @ p / 60 + 0.1 * W).max() < 1e-4 and np.abs(p.mean(axis=0)).max() < 1e-4
    loss = lambda W: -log_softmax(x @ W + b, axis=1)[np.arange(60), y].mean() + 0.05 * (W**2).sum()
    assert all(loss(W) < loss(W + 0.05 * rng(i).standard_normal(W.shape)) for i in range(5))


def test_features_are_scaled_so_that_their_unit_does_not_matter():
    x, y = clouds(100)
    at = clouds(300, seed=1)[0]
    same = [logistic_regression(scale * x + shift, y, 4, 0.1)(scale * at + shift) for scale, shift in ((1, 0), (1e3, 50))]
    np.testing.assert_array_equal(*same)


def test_codes_that_hold_the_classes_need_fewer_labels():
    (x, y), (x_test, y_test) = clouds(2000), clouds(500, seed=1)
    errors = few_label_errors({"all": (x, x_test), "the two that matter": (x[:, :2], x_test[:, :2])}, y, y_test,
                              labels=20, draws=6, rng=rng(0))
    gain, half_width = mean_interval(errors["all"] - errors["the two that matter"])
    assert errors["all"].shape == (6,) and gain > half_width > 0 and gain > 0.02
    again = few_label_errors({"all": (x, x_test)}, y, y_test, labels=20, draws=6, rng=rng(0))
    np.testing.assert_array_equal(errors["all"], again["all"])  # the same draws, whoever else is compared


def test_only_the_labels_of_the_draw_are_seen():
    """Features that say nothing are as good as chance, though there are 2,000 labels to choose a decay by."""
    _, y = clouds(2000)
    x = rng(9).standard_normal((2000, 50))
    errors = few_label_errors({"noise": (x, x[:500])}, y, y[:500], labels=20, draws=4, rng=rng(0))
    assert 0.65 < errors["noise"].mean() < 0.85


def test_nearness_parts_what_planes_cannot():
    """Two classes by turns around a circle; the formula, and centres that are means of what is nearest to them."""
    noise = rng(0)
    place = noise.integers(8, size=1500)
    x = 5 * np.stack([np.cos(np.pi * place / 4), np.sin(np.pi * place / 4)], axis=1) + 0.3 * noise.standard_normal((1500, 2))
    y = place % 2
    f, f_test = nearness(x[:1000], x[1000:], centres=16, rng=rng(1))
    assert f.shape == (1000, 16) and f_test.shape == (500, 16) and f.min() == 0 and (f > 0).mean() > 0.2
    errors = few_label_errors({"points": (x[:1000], x[1000:]), "nearness": (f, f_test)}, y[:1000], y[1000:], labels=40,
                              draws=4, rng=rng(2))
    assert errors["points"].mean() > 0.3 and errors["nearness"].mean() < 0.1
    (own,) = nearness(np.eye(3), np.eye(3), centres=3, rng=rng(0))[:1]  # each point its own centre: d is 0 or sqrt 2
    np.testing.assert_allclose(np.sort(own, axis=1), [[0, 0, np.sqrt(2) * 2 / 3]] * 3, atol=1e-6)


def test_fine_tuning_learns_its_examples():
    (x, y), (x_test, y_test) = clouds(40), clouds(500, seed=1)
    classify = fine_tune(MLP((20, 32, 4), relu, rng=rng(0)), x, y, lr=1e-2)
    assert (classify(x) == y).all() and (classify(x_test) == y_test).mean() > 0.8


def test_bad_input():
    (x, y), (x_test, y_test) = clouds(30), clouds(10)
    with pytest.raises(ValueError, match="codes has 29 training and 10 test examples, and there are 30 and 10 labels"):
        few_label_errors({"codes": (x[1:], x_test)}, y, y_test, labels=8, rng=rng(0))
    with pytest.raises(ValueError, match="balanced: n is 3, expected at least one for each of the 4 classes"):
        few_label_errors({"codes": (x, x_test)}, y, y_test, labels=3, rng=rng(0))
