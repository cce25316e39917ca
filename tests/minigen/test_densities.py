"""Log-densities against SciPy and exact arithmetic, totals against one, divergences against quadrature and
sums, gradients against differences, and all of it at extreme arguments in float32."""
import decimal
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from autograd import Tensor, grad, gradcheck, gradgradcheck, parameter
from minigen import densities
from minigen.densities import (
    kl_categorical,
    kl_normal,
    kl_standard_normal,
    log_bernoulli,
    log_categorical,
    log_discretized_logistic,
    log_discretized_logistic_mixture,
    log_normal,
    log_normal_fixed,
    log_standard_normal,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def value(x):
    assert isinstance(x, Tensor)
    return x.numpy()


def gradients(f, *xs):
    """The gradients of the sum of f, at float32 arguments, without forming the sum."""
    xs = [parameter(np.asarray(x, np.float32)) for x in xs]
    y = f(*xs)
    return [g.numpy() for g in grad(y, xs, np.ones(y.shape, np.float32))]


# Bernoulli


def test_log_bernoulli_against_scipy(rng):
    x, logits = rng.integers(0, 2, (50, 7)), 3.0 * rng.standard_normal((50, 7))
    expected = scipy.stats.bernoulli.logpmf(x, scipy.special.expit(logits))
    np.testing.assert_allclose(value(log_bernoulli(x, logits)), expected, rtol=1e-10)


def test_log_bernoulli_of_a_gray_value_is_the_cross_entropy(rng):
    x, p = rng.random(20), rng.random(20)
    expected = x * np.log(p) + (1 - x) * np.log(1 - p)
    np.testing.assert_allclose(value(log_bernoulli(x, np.log(p / (1 - p)))), expected, rtol=1e-10)


def test_bernoulli_sums_to_one(rng):
    logits = np.concatenate([10.0 * rng.standard_normal(50), [-1000.0, 1000.0]])
    total = sum(np.exp(value(log_bernoulli(np.full(52, x), logits))) for x in (0, 1))
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


def test_log_bernoulli_at_extreme_logits():
    x, logits = np.array([0, 1, 0, 1, 0, 1], np.uint8), np.float32([-1000, -1000, 1000, 1000, 3e38, -3e38])
    np.testing.assert_allclose(value(log_bernoulli(x, logits)), [0, -1000, -1000, 0, -3e38, -3e38], rtol=1e-6)
    (g,) = gradients(lambda logits: log_bernoulli(x, logits), logits)
    np.testing.assert_array_equal(g, [0, 1, -1, 0, -1, 1])  # x - p


# Categorical


def test_log_categorical_against_scipy(rng):
    x, logits = rng.integers(0, 5, (6, 4)), 3.0 * rng.standard_normal((6, 4, 5))
    p = scipy.special.softmax(logits, axis=-1)
    expected = scipy.stats.multinomial.logpmf(np.eye(5)[x], n=1, p=p)
    np.testing.assert_allclose(value(log_categorical(x, logits)), expected, rtol=1e-10)


def test_categorical_sums_to_one(rng):
    logits = 30.0 * rng.standard_normal((3, 17))
    logits[1, 0], logits[2, 16] = 1000.0, -1000.0
    log_p = value(log_categorical(np.arange(17)[:, None], logits))  # (17, 3)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=0), np.ones(3), rtol=1e-12)


def test_log_categorical_at_extreme_logits():
    logits = np.float32([[1000, 0, -1000]] * 3)
    np.testing.assert_array_equal(value(log_categorical(np.arange(3), logits)), [0, -1000, -2000])
    (g,) = gradients(lambda logits: log_categorical(np.arange(3), logits), logits)
    np.testing.assert_array_equal(g, [[0, 0, 0], [-1, 1, 0], [-1, 0, 1]])  # one-hot - p


@pytest.mark.parametrize("x_shape, logits_shape, shape", [
    ((), (5,), ()), ((4,), (5,), (4,)), ((), (3, 5), (3,)), ((4, 1), (3, 5), (4, 3)), ((0,), (5,), (0,)),
])
def test_log_categorical_broadcasts(rng, x_shape, logits_shape, shape):
    x, logits = rng.integers(0, 5, x_shape), rng.standard_normal(logits_shape)
    y = value(log_categorical(x, logits))
    assert y.shape == shape
    log_p = scipy.special.log_softmax(logits, axis=-1)
    for i in np.ndindex(shape):
        np.testing.assert_allclose(y[i], np.broadcast_to(log_p, (*shape, 5))[i][np.broadcast_to(x, shape)[i]])


# Discretized logistic


def exact_log_discretized_logistic(x, mu, log_scale, levels):
    """The difference of the logistic functions in 60-digit arithmetic, on the side where both are small."""
    with decimal.localcontext() as context:
        context.prec, context.Emin, context.Emax = 60, decimal.MIN_EMIN, decimal.MAX_EMAX
        h, s = 1 / decimal.Decimal(int(levels) - 1), decimal.Decimal(float(log_scale)).exp()
        logistic = lambda z: 1 / (1 + (-z).exp())  # noqa: E731
        c, mu = 2 * h * int(x) - 1, decimal.Decimal(float(mu))
        if c > mu:  # the mirror image
            x, c, mu = levels - 1 - x, -c, -mu
        above = 1 if x == levels - 1 else logistic((c + h - mu) / s)
        below = 0 if x == 0 else logistic((c - h - mu) / s)
        return float((above - below).ln())


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
@pytest.mark.parametrize("log_scale", [-5.0, -2.0, 0.0, 4.0])
def test_discretized_logistic_against_exact_arithmetic(levels, log_scale):
    x = np.unique(np.linspace(0, levels - 1, 9).astype(int))
    for mu in (-3.0, -1.0, 0.1, 0.99, 40.0):
        expected = [exact_log_discretized_logistic(i, mu, log_scale, levels) for i in x]
        found = value(log_discretized_logistic(x, np.float64(mu), np.full(x.shape, log_scale), levels))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_discretized_logistic_in_the_far_tail_in_float32():
    """Where the difference of the cdfs underflows: 1000 scales away, on either side, and at both edges."""
    x, mu = np.array([100, 100, 0, 255, 0, 255], np.uint8), np.float32([3.0, -3.0, 4.0, -4.0, -4.0, 4.0])
    log_scale = np.full(6, math.log(0.003), np.float32)
    expected = [exact_log_discretized_logistic(*arguments, 256) for arguments in zip(x, mu, log_scale)]
    assert min(expected) < -1000 and max(expected) == pytest.approx(0.0, abs=1e-300)
    found = value(log_discretized_logistic(x, mu, log_scale, 256))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-30)
    g_mu, g_log_scale = gradients(lambda m, s: log_discretized_logistic(x, m, s, 256), mu, log_scale)
    slope = np.array([-1, 1, -1, 1, 0, 0]) / 0.003  # a logistic tail falls by 1 per scale
    np.testing.assert_allclose(g_mu, slope, rtol=1e-4, atol=1e-30)
    assert np.isfinite(g_log_scale).all() and (g_log_scale[:4] > 900).all() and (g_log_scale[4:] == 0).all()


@pytest.mark.parametrize("log_scale", [-80.0, -30.0, 30.0, 80.0])
def test_discretized_logistic_at_extreme_scales_in_float32(log_scale):
    x, mu = np.array([0, 3, 16, 0, 3, 16]), np.float32([-0.99, -0.6, 0.97, 0.5, 0.5, 0.5])
    scale = np.full(6, log_scale, np.float32)
    found = value(log_discretized_logistic(x, mu, scale, 17))
    if log_scale < 0:  # all of it in one interval; minus the distance to the next edge over s in the others
        distance = np.float64([0, 0, 0, 0.5 + 15 / 16, 0.5 + 9 / 16, 15 / 16 - 0.5])
        np.testing.assert_allclose(found, -distance * math.exp(-log_scale), rtol=1e-6)
    else:  # flat: half of it in either edge, and the density 1/(4 s) between
        inner = math.log(2 / 16 / 4) - log_scale
        half = -math.log(2.0)
        np.testing.assert_allclose(found, [half, inner, half] * 2, rtol=1e-6)
    for g in gradients(lambda m, s: log_discretized_logistic(x, m, s, 17), mu, scale):
        assert np.isfinite(g).all()


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_discretized_logistic_sums_to_one(levels):
    mu, log_scale = np.array([-5.0, -1.0, 0.0, 0.3, 2.0])[:, None], np.array([-7.0, -1.0, 3.0])
    x = np.arange(levels)[:, None, None]
    total = np.exp(value(log_discretized_logistic(x, mu, log_scale, levels))).sum(axis=0)
    np.testing.assert_allclose(total, np.ones((5, 3)), rtol=1e-12)


def test_discretized_logistic_mixture(rng):
    x, (weights, mu) = rng.integers(0, 17, (3, 4)), rng.standard_normal((2, 3, 4, 5))
    log_scale = rng.uniform(-4, 0, 5)
    found = value(log_discretized_logistic_mixture(x, weights, mu, log_scale, 17))
    p = np.vectorize(exact_log_discretized_logistic)(x[..., None], mu, log_scale, 17)
    expected = scipy.special.logsumexp(p, axis=-1, b=scipy.special.softmax(weights, axis=-1))
    assert found.shape == (3, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    every = np.arange(17).reshape(17, 1, 1)
    total = np.exp(value(log_discretized_logistic_mixture(every, weights, mu, log_scale, 17))).sum(axis=0)
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


def test_a_mixture_with_weights_at_1000_is_its_heavy_component():
    x, mu, log_scale = np.array([3, 9]), np.float32([[0.0, 0.5], [-4.0, 4.0]]), np.float32([-3.0, -6.0])
    weights = np.float32([1000.0, -1000.0])
    found = value(log_discretized_logistic_mixture(x, weights, mu, log_scale, 17))
    heavy = value(log_discretized_logistic(x, mu[:, 0], log_scale[0], 17))
    np.testing.assert_allclose(found, heavy, rtol=1e-6)
    for g in gradients(lambda *args: log_discretized_logistic_mixture(x, *args, 17), weights, mu, log_scale):
        assert np.isfinite(g).all()


# Gaussian


def test_gaussians_against_scipy(rng):
    x, mu, logvar = rng.standard_normal((3, 20))
    sigma = np.exp(logvar / 2)
    expected = scipy.stats.norm.logpdf(x, mu, sigma)
    np.testing.assert_allclose(value(log_normal(x, mu, logvar)), expected, rtol=1e-12)
    np.testing.assert_allclose(value(log_normal_fixed(x, mu, sigma)), expected, rtol=1e-12)
    np.testing.assert_allclose(value(log_standard_normal(x)), scipy.stats.norm.logpdf(x), rtol=1e-12)


@pytest.mark.parametrize("mu, logvar", [(0.0, 0.0), (0.7, 1.5), (-2.0, -4.0)])
def test_gaussians_integrate_to_one(mu, logvar):
    sigma = math.exp(logvar / 2)
    x = np.linspace(mu - 12 * sigma, mu + 12 * sigma, 2001)
    integral = lambda log_p: scipy.integrate.simpson(np.exp(value(log_p)), x=x)  # noqa: E731
    assert integral(log_normal(x, mu, logvar)) == pytest.approx(1.0, abs=1e-9)
    assert integral(log_normal_fixed(x, mu, sigma)) == pytest.approx(1.0, abs=1e-9)
    assert integral(log_standard_normal((x - mu) / sigma)) == pytest.approx(sigma, abs=1e-9)


@pytest.mark.parametrize("logvar", [-165.0, -80.0, 80.0, 165.0])
def test_log_normal_at_extreme_logvar_in_float32(logvar):
    mu = np.zeros(2, np.float32)
    x = np.float32([0.0, 2.0 * math.exp(logvar / 2)])
    found = value(log_normal(x, mu, np.full(2, logvar, np.float32)))
    np.testing.assert_allclose(found, -0.5 * (math.log(2 * math.pi) + logvar + np.array([0, 4])), rtol=1e-5)
    g_x, g_mu, g_logvar = gradients(log_normal, x, mu, np.full(2, logvar))
    np.testing.assert_allclose(g_logvar, [-0.5, 1.5], rtol=1e-4)  # ((x - mu)^2 / sigma^2 - 1) / 2
    np.testing.assert_allclose(g_mu, [0.0, 2.0 * math.exp(-logvar / 2)], rtol=1e-4)
    np.testing.assert_allclose(g_x, -g_mu)


def test_gaussians_far_out_in_float32():
    x = np.float32([1e15, -1e15])
    np.testing.assert_allclose(value(log_standard_normal(x)), -5e29, rtol=1e-6)
    np.testing.assert_allclose(value(log_normal_fixed(x, 0.0, 1e-3)), -5e35, rtol=1e-6)
    np.testing.assert_array_equal(gradients(log_standard_normal, x)[0], -x)
    np.testing.assert_allclose(gradients(lambda x: log_normal_fixed(x, 0.0, 1e-3), x)[0], -1e6 * x, rtol=1e-6)


# Divergences


def test_kl_categorical_against_a_sum(rng):
    q, p = 3.0 * rng.standard_normal((2, 4, 7))
    found = value(kl_categorical(q, p[0]))
    for row, logits in zip(found, q):
        expected = scipy.stats.entropy(scipy.special.softmax(logits), scipy.special.softmax(p[0]))
        assert row == pytest.approx(expected, rel=1e-12)
    uniform = math.log(7) - scipy.stats.entropy(scipy.special.softmax(q, axis=-1), axis=-1)
    np.testing.assert_allclose(value(kl_categorical(q, np.zeros(7))), uniform, rtol=1e-12)


def test_kl_categorical_at_extreme_logits_in_float32():
    logits = np.float32([[1000, 0, -1000], [0, 0, -1000]])
    np.testing.assert_allclose(value(kl_categorical(logits, np.zeros(3))), [np.log(3), np.log(1.5)], rtol=1e-6)
    np.testing.assert_allclose(value(kl_categorical(logits, logits)), 0.0, atol=1e-6)
    np.testing.assert_allclose(value(kl_categorical(logits[:1], np.float32([0, 1000, 0]))), 1000, rtol=1e-6)
    for g in gradients(kl_categorical, logits, np.zeros((2, 3))):
        assert np.isfinite(g).all()


@pytest.mark.parametrize("mu1, logvar1, mu2, logvar2", [
    (0.0, 0.0, 0.0, 0.0), (1.0, 0.5, -0.5, -0.3), (0.2, -2.0, 0.0, 1.0), (-3.0, 1.0, 2.0, 2.0),
])
def test_kl_normal_against_quadrature(mu1, logvar1, mu2, logvar2):
    q, p = scipy.stats.norm(mu1, math.exp(logvar1 / 2)), scipy.stats.norm(mu2, math.exp(logvar2 / 2))
    integrand = lambda x: q.pdf(x) * (q.logpdf(x) - p.logpdf(x))  # noqa: E731
    expected = scipy.integrate.quad(integrand, q.mean() - 12 * q.std(), q.mean() + 12 * q.std())[0]
    arguments = np.float64([mu1, logvar1, mu2, logvar2])
    assert kl_normal(*np.split(arguments, 4)).item() == pytest.approx(expected, abs=1e-9)
    if mu2 == logvar2 == 0.0:
        assert kl_standard_normal(*np.split(arguments[:2], 2)).item() == pytest.approx(expected, abs=1e-9)


def test_kl_standard_normal_is_kl_normal_to_the_standard_normal(rng):
    mu, logvar = rng.standard_normal((2, 30))
    np.testing.assert_allclose(value(kl_standard_normal(mu, logvar)), value(kl_normal(mu, logvar, 0.0, 0.0)))


def test_kl_is_the_expected_difference_of_the_log_densities(rng):
    """A Monte Carlo estimate that ties the divergences to the densities above them."""
    mu1, logvar1, mu2, logvar2 = 0.3, -0.5, -0.2, 0.4
    x = mu1 + math.exp(logvar1 / 2) * rng.standard_normal(200_000)
    difference = value(log_normal(x, mu1, logvar1)) - value(log_normal(x, mu2, logvar2))
    error = difference.std() / math.sqrt(x.size)
    assert kl_normal(mu1, logvar1, mu2, logvar2).item() == pytest.approx(difference.mean(), abs=5 * error)


def test_kl_of_nearly_equal_normals_keeps_its_digits_in_float32():
    logvar = np.float32([-1e-3, -1e-4, 1e-4, 1e-3])
    exact = 0.5 * (np.expm1(logvar.astype(np.float64)) - logvar)  # about logvar^2 / 4, down to 2.5e-9
    np.testing.assert_allclose(value(kl_standard_normal(0.0, logvar)), exact, rtol=0.01)
    np.testing.assert_allclose(value(kl_normal(0.0, logvar, 0.0, 0.0)), exact, rtol=0.01)


def test_kl_normal_at_extreme_logvar_in_float32():
    logvar = np.float32([-165.0, -80.0, 80.0])
    expected = 0.5 * (np.exp(logvar.astype(np.float64)) - 1 - logvar)
    np.testing.assert_allclose(value(kl_standard_normal(np.zeros(3), logvar)), expected, rtol=1e-5)
    g_mu, g_logvar = gradients(kl_standard_normal, np.full(3, 2.0), logvar)
    np.testing.assert_array_equal(g_mu, 2.0)
    np.testing.assert_allclose(g_logvar, 0.5 * (np.exp(logvar.astype(np.float64)) - 1), rtol=1e-5)
    same = np.float32([-165.0, 165.0])  # equal variances, however extreme, leave the distance of the means
    mu2 = np.float32(3.0 * np.exp(same.astype(np.float64) / 2))
    np.testing.assert_allclose(value(kl_normal(np.zeros(2), same, mu2, same)), 4.5, rtol=1e-4)
    for g in gradients(kl_normal, np.zeros(2), same, mu2, same):
        assert np.isfinite(g).all()


def test_the_divergence_is_zero_at_equality_and_positive_elsewhere(rng):
    q, p = rng.standard_normal((2, 2, 50))
    np.testing.assert_allclose(value(kl_normal(*q, *q)), 0.0, atol=1e-12)
    assert (value(kl_normal(*q, *p)) > 0).all()


# Gradients


CASES = {  # name -> (function, shapes of its floating arguments)
    "log_bernoulli": (log_bernoulli, [(3, 4), (3, 4)]),
    "log_categorical": (lambda logits: log_categorical(np.array([[0, 4], [4, 2]]), logits), [(2, 2, 5)]),
    "log_categorical, broadcast": (lambda logits: log_categorical(np.array([[0], [4]]), logits), [(3, 5)]),
    "log_discretized_logistic": (
        lambda mu, s: log_discretized_logistic(np.array([0, 1, 9, 15, 16]), mu, s, 17), [(5,), (5,)]),
    "log_discretized_logistic, broadcast": (
        lambda mu, s: log_discretized_logistic(np.array([[0], [9], [16]]), mu, s, 17), [(4,), ()]),
    "log_discretized_logistic_mixture": (
        lambda w, mu, s: log_discretized_logistic_mixture(np.array([0, 9, 16]), w, mu, s, 17), [(3, 4)] * 3),
    "log_normal": (log_normal, [(3, 4), (3, 4), (3, 4)]),
    "log_normal, broadcast": (log_normal, [(3, 1), (4,), ()]),
    "log_standard_normal": (log_standard_normal, [(3, 4)]),
    "log_normal_fixed": (lambda x, mu: log_normal_fixed(x, mu, 0.3), [(3, 4), (4,)]),
    "log_normal_fixed, sigma": (lambda x, mu, s: log_normal_fixed(x, mu, s * s + 0.1), [(3, 4), (4,), (4,)]),
    "kl_categorical": (kl_categorical, [(2, 3, 4), (4,)]),
    "kl_normal": (kl_normal, [(3, 4), (3, 4), (4,), (1,)]),
    "kl_standard_normal": (kl_standard_normal, [(3, 4), (3, 4)]),
}


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
@pytest.mark.parametrize("name", CASES)
def test_gradients(rng, name, check):
    f, shapes = CASES[name]
    check(f, [rng.standard_normal(shape) for shape in shapes], rng)


def test_every_density_has_a_gradient_case():
    public = {name for name in vars(densities) if name.startswith(("log_", "kl_"))} - {"log_softmax"}
    assert public == {name.split(",")[0] for name in CASES}


# Arguments


@pytest.mark.parametrize("x", [np.arange(2, dtype=np.uint8), np.arange(2), np.array([False, True]),
                               Tensor(np.arange(2)), [0.0, 1.0]])
def test_pixels_of_any_integer_dtype_leave_float32_as_it_is(x):
    p = Tensor(np.zeros(2, np.float32))
    for y in (log_bernoulli(x, p), log_normal(x, p, 0.5), log_normal_fixed(x, p, np.float64(0.1)),
              log_standard_normal(x), kl_standard_normal(p, np.float64(2.0))):
        assert y.dtype == np.float32


@pytest.mark.parametrize("x", [np.arange(2, dtype=np.uint8), np.arange(2), Tensor(np.arange(2))])
def test_classes_and_levels_of_any_integer_dtype(x):
    assert log_categorical(x, np.zeros((2, 3), np.float32)).dtype == np.float32
    assert log_discretized_logistic(x, np.zeros(2, np.float32), -1.0, 17).dtype == np.float32


def test_numbers_beside_float64_are_not_rounded_to_float32():
    found = log_normal_fixed(np.float64([0.3]), 0.1, 0.7).item()
    assert found == pytest.approx(scipy.stats.norm.logpdf(0.3, 0.1, 0.7), rel=1e-14)


@pytest.mark.parametrize("call, error, message", [
    (lambda: log_categorical(np.float32([1.0]), np.zeros(3)), TypeError,
     "log_categorical: x has dtype float32, expected integers from 0 to 2"),
    (lambda: log_categorical(np.array([0, 3]), np.zeros(3)), ValueError,
     "log_categorical: x holds values from 0 to 3, expected integers from 0 to 2"),
    (lambda: log_categorical(np.array([-1, 2]), np.zeros(3)), ValueError, "x holds values from -1 to 2"),
    (lambda: log_discretized_logistic(np.float32([0.5]), 0.0, 0.0, 256), TypeError,
     "log_discretized_logistic: x has dtype float32, expected integers from 0 to 255"),
    (lambda: log_discretized_logistic_mixture(np.array([200]), *np.zeros((3, 4)), 17), ValueError,
     "x holds values from 200 to 200, expected integers from 0 to 16"),
    (lambda: log_discretized_logistic(np.array([0]), 0.0, 0.0, 1), ValueError,
     "log_discretized_logistic: levels is 1, expected at least 2"),
])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
