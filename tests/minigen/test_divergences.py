"""Divergences on a grid against closed forms and SciPy, and what they have to do with likelihood."""
import numpy as np
import pytest
import scipy.stats

from autograd import grad, parameter
from minigen.densities import kl_normal, log_normal
from minigen.divergences import jensen_shannon, kl, normalized, wasserstein_1d

CELL = 0.01
X = np.arange(-15, 15, CELL) + CELL / 2


def gaussian(mu, sigma):
    return scipy.stats.norm(mu, sigma).logpdf(X)


def test_kl_of_gaussians():
    p, q = gaussian(1.0, 0.5), gaussian(-0.3, 1.2)
    known = [kl_normal(1.0, 2 * np.log(0.5), -0.3, 2 * np.log(1.2)).item(),
             kl_normal(-0.3, 2 * np.log(1.2), 1.0, 2 * np.log(0.5)).item()]
    assert [kl(p, q, CELL).item(), kl(q, p, CELL).item()] == pytest.approx(known, rel=1e-6)
    assert abs(known[0] - known[1]) > 1  # the order matters
    assert kl(p, p, CELL).item() == 0


def test_several_densities_at_a_time():
    p, q = gaussian(0, 1), np.stack([gaussian(0, 1), gaussian(2, 1)])
    np.testing.assert_allclose(kl(p, q, CELL).numpy(), [0, 2], atol=1e-9)
    for divergence in (jensen_shannon, wasserstein_1d):
        np.testing.assert_allclose(divergence(p, q, CELL).numpy()[1], divergence(p, q[1], CELL).item())


def test_where_one_is_zero():
    """On halves of [0, 1] and [0, 2]: KL one way is log 2, the other way infinite; Jensen-Shannon is bounded."""
    p, q = (np.where((X > 0) & (X < width), -np.log(width), -np.inf) for width in (1, 2))
    with np.errstate(invalid="ignore"):
        assert kl(p, q, CELL).item() == pytest.approx(np.log(2))
        assert kl(q, p, CELL).item() == np.inf
        known = 0.5 * np.log(1 / 0.75) + 0.5 * (0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25))
        assert jensen_shannon(p, q, CELL).item() == pytest.approx(known)
        far = np.where((X > 5) & (X < 6), 0.0, -np.inf)
        assert jensen_shannon(p, far, CELL).item() == pytest.approx(np.log(2))


def test_jensen_shannon_against_scipy_and_symmetric():
    p, q = gaussian(1.0, 0.5), gaussian(-0.3, 1.2)
    root = scipy.spatial.distance.jensenshannon(np.exp(p), np.exp(q))
    assert jensen_shannon(p, q, CELL).item() == pytest.approx(root**2, rel=1e-6)
    assert jensen_shannon(q, p, CELL).item() == pytest.approx(root**2, rel=1e-6)


def test_wasserstein_against_scipy():
    p, q = gaussian(1.0, 0.5), np.logaddexp(gaussian(-2, 1.2), gaussian(3, 0.3)) - np.log(2)
    known = scipy.stats.wasserstein_distance(X, X, np.exp(p), np.exp(q))
    assert wasserstein_1d(p, q, CELL).item() == pytest.approx(known, rel=1e-6)
    assert wasserstein_1d(gaussian(0, 1), gaussian(3.5, 1), CELL).item() == pytest.approx(3.5, rel=1e-6)


def test_normalized():
    log_p = normalized(gaussian(1, 2) + 7, CELL)
    np.testing.assert_allclose(log_p.numpy(), gaussian(1, 2), atol=1e-8)


@pytest.mark.parametrize("divergence", [kl, lambda p, q, cell: kl(q, p, cell), jensen_shannon, wasserstein_1d])
def test_gradients_reach_the_model(divergence):
    """Against central differences, along a random direction."""
    p, at = gaussian(1.0, 0.5), np.float64([-0.4, 0.6])
    f = lambda theta: divergence(p, log_normal(X, theta[0], theta[1]), CELL)
    theta, d, h = parameter(at), np.random.default_rng(0).standard_normal(2), 1e-5
    numeric = (f(at + h * d).item() - f(at - h * d).item()) / (2 * h)
    assert grad(f(theta), theta).numpy() @ d == pytest.approx(numeric, rel=1e-5)


def test_likelihood_is_kl_and_a_constant():
    """-E_p[log q] = KL(p || q) + H(p) for every q: from draws of p, to four standard errors of the difference of two
    models, in which H(p) is gone."""
    draws = scipy.stats.norm(1.0, 0.5).rvs(200_000, random_state=0)
    models = [(0.2, 1.0), (1.2, 0.6)]
    nll = [-scipy.stats.norm(*model).logpdf(draws) for model in models]
    of_kl = [kl(gaussian(1.0, 0.5), gaussian(*model), CELL).item() for model in models]
    d = nll[0] - nll[1]
    assert d.mean() == pytest.approx(of_kl[0] - of_kl[1], abs=4 * d.std() / np.sqrt(len(d)))
    assert abs(of_kl[0] - of_kl[1]) > 0.3
    entropy = 0.5 * np.log(2 * np.pi * np.e * 0.25)
    assert nll[0].mean() == pytest.approx(of_kl[0] + entropy, abs=4 * nll[0].std() / np.sqrt(len(d)))
