"""Guidance against Bayes' rule: on Gaussians, whose conditional and unconditional denoisers are known, and on a mixture
of two with the exact classifier that says of which one x_t is."""
import functools
import math

import numpy as np
import pytest

from autograd import Tensor, as_tensor, backend, log_softmax, stack
from autograd.backend import asarray, to_numpy
from minigen.diffusion import (
    Level,
    by_classifier,
    classifier_free,
    convert,
    cosine_schedule,
    dpm_pp,
    euler,
    heun,
    karras_levels,
    linear_schedule,
    straight_levels,
)

MEANS, C, WEIGHTS = np.array([[-1.0, 0.5], [1.0, 0.0]]), 0.5, np.array([0.3, 0.7])
LEVELS = [linear_schedule(1000).level(300), Level(1.0, 2.5, 2.5), Level(0.4, 0.6, 0.6), Level(1.0, 0.05, 0.05)]
levels = pytest.mark.parametrize("level", LEVELS, ids=str)
X_T = np.array([[0.1, 0.3], [-2.0, 1.0], [1.2, -0.4], [0.0, 0.0]])


def component(x_t, level, k):
    """E[x_0 | x_t, y = k]: N(mu_k, C^2 I)."""
    mean = asarray(MEANS[k])
    return mean + level.a * C**2 / (level.a**2 * C**2 + level.s**2) * (x_t - level.a * mean)


def log_p(x_t, level, k):
    """log p(y = k | x_t), an op of x_t."""
    x_t, variance = as_tensor(x_t), level.a**2 * C**2 + level.s**2
    joint = [math.log(w) - ((x_t - level.a * asarray(mean)) ** 2).sum(axis=1) / (2 * variance)
             for w, mean in zip(WEIGHTS, MEANS)]
    return log_softmax(stack(joint, axis=1), axis=1)[:, k]


def whole(x_t, level):
    """E[x_0 | x_t]: the components' guesses, by their probabilities."""
    p = [np.exp(log_p(x_t, level, k).data)[:, None] for k in (0, 1)]
    return sum(p[k] * component(x_t, level, k) for k in (0, 1))


def score(denoise, x_t, level):
    return convert(denoise(x_t, level), "x0", "score", x_t, level)


def differences(f, x, h=1e-5):
    """The gradient of each f(x)[i] with respect to x[i], (N, D), by central differences."""
    steps = h * np.eye(x.shape[1])
    return np.stack([(f(x + step) - f(x - step)) / (2 * h) for step in steps], axis=1)


@levels
@pytest.mark.parametrize("k", [0, 1])
def test_the_exact_classifier_makes_the_whole_a_component(level, k):
    """Of w = 1 this is Bayes' rule: grad log p(x_t) + grad log p(y | x_t) = grad log p(x_t | y)."""
    x_t = asarray(X_T)
    guided = by_classifier(whole, functools.partial(log_p, k=k), w=1.0)
    np.testing.assert_allclose(to_numpy(guided(x_t, level)), to_numpy(component(x_t, level, k)), rtol=1e-9, atol=1e-11)


@levels
@pytest.mark.parametrize("w", [0.5, 3.0])
def test_a_classifiers_gradient_is_added_to_the_score_w_times(level, w):
    x_t = asarray(X_T)
    guided = by_classifier(whole, functools.partial(log_p, k=1), w)
    uphill = differences(lambda x: log_p(asarray(x), level, 1).numpy(), X_T)
    expected = to_numpy(score(whole, x_t, level)) + w * uphill
    np.testing.assert_allclose(to_numpy(score(guided, x_t, level)), expected, rtol=1e-6, atol=1e-6)


@levels
@pytest.mark.parametrize("w", [0.5, 3.0])
def test_classifier_free_is_a_classifier_made_of_two_denoisers(level, w):
    """grad log p(x_t | y) + w grad log p(y | x_t), with the exact classifier for the second term."""
    x_t, conditional = asarray(X_T), functools.partial(component, k=1)
    free = classifier_free(conditional, whole, w)
    by_gradient = by_classifier(conditional, functools.partial(log_p, k=1), w)
    np.testing.assert_allclose(to_numpy(free(x_t, level)), to_numpy(by_gradient(x_t, level)), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("w", [0.0, 0.5, 2.0])
@levels
def test_classifier_free_on_gaussians(level, w):
    """x_0 ~ N(m, V), y = x_0 + N(0, r): all is Gaussian, and p(x_t | y)^(1 + w) / p(x_t)^w is one too, of precision
    (1 + w) / var(x_t | y) - w / var(x_t)."""
    m, V, r, y = 0.2, 1.5, 0.4, 1.1
    V_y = 1 / (1 / V + 1 / r)
    m_y = V_y * (m / V + y / r)

    def gaussian(m, V):
        return lambda x_t, level: m + level.a * V / (level.a**2 * V + level.s**2) * (x_t - level.a * m)

    x_t = asarray(X_T)
    precision, pull = 0.0, 0.0
    for weight, mean, variance in ((1 + w, m_y, V_y), (-w, m, V)):
        variance_t = level.a**2 * variance + level.s**2
        precision += weight / variance_t
        pull += weight * level.a * mean / variance_t
    expected = -precision * (X_T - pull / precision)  # the score of that Gaussian
    guided = classifier_free(gaussian(m_y, V_y), gaussian(m, V), w)
    np.testing.assert_allclose(to_numpy(score(guided, x_t, level)), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_guidance_changes_nothing(dtype):
    """Bit for bit, through every sampler."""
    x_T = asarray(backend.rng(0).standard_normal((50, 2)), dtype)
    plain = functools.partial(component, k=1)
    free, led = classifier_free(plain, whole, 0.0), by_classifier(plain, functools.partial(log_p, k=0), 0.0)
    for sampler in (euler, heun, dpm_pp):
        for way in (cosine_schedule(100).levels(9), karras_levels(9)):
            expected = to_numpy(sampler(plain, way[0].s * x_T, way))
            for guided in (free, led):
                np.testing.assert_array_equal(to_numpy(sampler(guided, way[0].s * x_T, way)), expected)


@pytest.mark.parametrize("guided", [
    classifier_free(functools.partial(component, k=0), whole, 0.0),
    by_classifier(whole, functools.partial(log_p, k=0), 1.0)], ids=["classifier-free", "by a classifier"])
def test_guided_samples_are_of_the_component_asked_for(guided):
    """Mean and standard deviation of one of two Gaussians, from the whole mixture's denoiser and a classifier too."""
    n = 20_000
    x = to_numpy(heun(guided, 80.0 * backend.normal(backend.rng(1), (n, 2)), karras_levels(40)))
    assert np.abs(x.mean(axis=0) - MEANS[0]).max() < 4 * C / math.sqrt(n) + 0.005
    assert np.abs(x.std(axis=0) / C - 1).max() < 4 / math.sqrt(2 * n) + 0.01


def test_more_guidance_goes_further():
    """The classifier is surer of samples that are led more."""
    x_T, sure = asarray(backend.rng(2).standard_normal((500, 2))), []
    for w in (0.0, 1.0, 4.0):
        x = euler(classifier_free(functools.partial(component, k=0), whole, w), x_T, cosine_schedule(1000).levels(50))
        sure.append(log_p(x, Level(1.0, 0.0, 0), 0).data.mean())
    assert sure[0] < sure[1] < sure[2] < 0


def test_float32_stays():
    x_t = asarray(X_T, np.float32)
    denoise = lambda x_t, level: np.float32(0.5) * x_t
    log_p = lambda x_t, level: -(x_t**2).sum(axis=1)
    for guided in (classifier_free(denoise, denoise, 2.0), by_classifier(denoise, log_p, 2.0)):
        assert guided(x_t, linear_schedule(100).level(30)).dtype == np.float32


@pytest.mark.parametrize("log_p, level, message", [
    (log_p, straight_levels(5)[0], "by_classifier: a is 0, and a classifier can say nothing of x_t"),
    (lambda x_t, level: Tensor(np.zeros((4, 10))), LEVELS[0], "log_p returned shape (4, 10), expected (4,)"),
    (lambda x_t, level: x_t.sum(), LEVELS[0], "log_p returned shape (), expected (4,)"),
])
def test_mistakes_are_named(log_p, level, message):
    with pytest.raises(ValueError) as error:
        by_classifier(whole, log_p, 1.0)(asarray(X_T), level)
    assert message in str(error.value) and "\n" not in str(error.value)
