"""The denoising autoencoder against Gaussians, whose best denoiser, score and smoothed density are known."""
import numpy as np
import pytest

from autograd import grad, relu
from autograd.backend import asarray, to_numpy
from minigen import data, recipes
from minigen.data import Space
from minigen.models.autoencoders import DenoisingAutoencoder
from minigen.nn import MLP, Linear
from minigen.optim import Adam, cosine_decay

SIGMA = 0.7
MEAN = np.array([1.0, -0.5])
COV = np.array([[1.5, 0.9], [0.9, 0.8]])  # eigenvalues 2.1 and 0.18: a narrow ridge


def rng(seed=0):
    return np.random.default_rng(seed)


def gaussian(n, seed=0):
    return rng(seed).multivariate_normal(MEAN, COV, n).astype(np.float32)


def best_denoiser(sigma=SIGMA):
    """E[x | x~] = m + S (S + sigma^2 I)^-1 (x~ - m), as a trained network that is exact."""
    network = Linear(2, 2, rng=rng())
    W = COV @ np.linalg.inv(COV + sigma**2 * np.eye(2))
    network.weight.data[...], network.bias.data[...] = asarray(W), asarray(MEAN - W @ MEAN)
    return DenoisingAutoencoder(network, Space((2,)), sigma)


def score_of(model, at):
    return to_numpy(model.score(asarray(at)))


def trained(model, x, steps, lr=0.02, batch=1000):
    optimizer, noise = Adam(model.parameters(), cosine_decay(lr)), rng(1)
    for step in range(steps):
        rows = x[noise.integers(0, len(x), batch)]
        loss = model.loss({"x": rows}, noise)["squared error"]
        optimizer.step(grad(loss, optimizer.params), done=step / steps)
    return model


def test_the_best_denoiser_gives_the_score_of_the_smoothed_density():
    at = gaussian(50, seed=3)
    score = -(at - MEAN) @ np.linalg.inv(COV + SIGMA**2 * np.eye(2))
    np.testing.assert_allclose(score_of(best_denoiser(), at), score, atol=1e-5)


def test_a_trained_denoiser_gives_the_score_of_the_smoothed_density():
    """Neither the density nor its gradient is ever seen in training. The truth has covariance S + sigma^2 I."""
    model = trained(DenoisingAutoencoder(Linear(2, 2, rng=rng()), Space((2,)), SIGMA), gaussian(20_000), 1000)
    at = gaussian(500, seed=3)
    score = -(at - MEAN) @ np.linalg.inv(COV + SIGMA**2 * np.eye(2))
    relative = np.sqrt(((score_of(model, at) - score) ** 2).sum() / (score**2).sum())
    assert relative < 0.03
    without_smoothing = -(at - MEAN) @ np.linalg.inv(COV)
    assert np.sqrt(((score_of(model, at) - without_smoothing) ** 2).sum() / (without_smoothing**2).sum()) > 0.3


def test_less_noise_leads_to_the_score_of_the_data():
    """Alain & Bengio's limit: the distance to grad log p falls as sigma^2."""
    at = gaussian(50, seed=3)
    score = -(at - MEAN) @ np.linalg.inv(COV)
    distance = [np.abs(score_of(best_denoiser(sigma), at) - score).max() for sigma in (0.04, 0.08)]
    assert distance[1] / distance[0] == pytest.approx(4, rel=0.1)


@pytest.mark.slow
def test_a_network_learns_the_score_of_a_mixture():
    """Two Gaussians, of variances 0.04 and 0.36 at -1 and 1: smoothed, of variances 0.13 and 0.45."""
    noise, n = rng(), 20_000
    which = noise.integers(0, 2, n)
    x = np.float32([-1, 1])[which] + np.float32([0.2, 0.6])[which] * noise.standard_normal(n, dtype=np.float32)
    model = DenoisingAutoencoder(MLP((1, 64, 64, 1), relu, rng=noise), Space((1,)), 0.3)
    trained(model, x[:, None], 2000, lr=0.01)

    at = np.linspace(-2, 2.5, 200, dtype=np.float32)[:, None]
    m, v = np.array([-1.0, 1.0]), np.array([0.04, 0.36]) + 0.09
    p = np.exp(-0.5 * (at - m) ** 2 / v) / np.sqrt(v)  # (200, 2)
    truth = (p * (m - at) / v).sum(axis=1) / p.sum(axis=1)
    weight = p.sum(axis=1) / p.sum()
    error = np.sqrt((weight * (score_of(model, at)[:, 0] - truth) ** 2).sum() / (weight * truth**2).sum())
    assert error < 0.1


def test_the_best_denoiser_leaves_the_error_that_it_must():
    """tr S - S (S + sigma^2)^-1 S, the variance of x given x~; any other denoiser leaves more."""
    expected = np.trace(COV - COV @ np.linalg.inv(COV + SIGMA**2 * np.eye(2)) @ COV)
    model, x = best_denoiser(), gaussian(40_000)
    best = model.measure({"x": x}, rng(2))[0]
    assert best.value == pytest.approx(expected, abs=2 * best.half_width) and best.half_width < 0.02
    assert "sigma = 0.7; |x - x~|^2 is 0.98" in best.detail
    model.network.weight.data += 0.1
    assert model.measure({"x": x}, rng(2))[0].value > best.value + 0.01


def test_a_walk_reaches_the_smoothed_density():
    """Along an eigenvector of C = S + sigma^2 I with eigenvalue c, a walk with steps delta ends with the variance
    c / (1 - delta / 4c): its recursion is x <- (1 - delta / 2c) x + sqrt(delta) eps."""
    model = best_denoiser()
    walkers = to_numpy(model.walk(asarray(np.zeros((40_000, 2), np.float32)), 200, rng(5)))
    c, axes = np.linalg.eigh(COV + SIGMA**2 * np.eye(2))
    delta = 0.25 * SIGMA**2
    np.testing.assert_allclose(walkers.mean(axis=0), MEAN, atol=0.05)
    np.testing.assert_allclose(axes.T @ np.cov(walkers.T) @ axes, np.diag(c / (1 - delta / (4 * c))), atol=0.06)


def test_a_jump_leads_to_the_mean_of_what_a_point_may_come_from():
    model = best_denoiser()
    samples = model.sample(40_000, rng(5))
    W = np.float64(model.network.weight.numpy())
    spread = W @ (COV + SIGMA**2 * np.eye(2)) @ W.T  # that of E[x | x~]: narrower than S, by what noise has hidden
    np.testing.assert_allclose(samples.mean(axis=0), MEAN, atol=0.05)
    np.testing.assert_allclose(np.cov(samples.T), spread, atol=0.08)


def test_noise_has_the_size_that_is_asked_for():
    model = best_denoiser()
    x = gaussian(50_000)
    corrupted, again = (to_numpy(model.corrupt(asarray(x), rng(1))) for _ in range(2))
    np.testing.assert_allclose((corrupted - x).std(axis=0), SIGMA, rtol=0.02)
    np.testing.assert_array_equal(corrupted, again)
    assert corrupted.dtype == np.float32


@pytest.mark.slow
def test_digits_come_out_cleaner_than_from_the_best_linear_denoiser():
    """Wiener's filter has E = sum of s sigma^2 / (s + sigma^2) over the eigenvalues s of the data's covariance."""
    digits, test, noise = data.load("mnist10k"), data.load("mnist10k", "test"), rng()
    model = recipes.find("denoising_ae").plan(digits, noise).model
    trained(model, digits["x"], 500, lr=4e-3, batch=64)
    s, v = np.linalg.eigvalsh(np.cov(np.float64(digits["x"].reshape(-1, 784) / 255).T)), model.sigma**2
    error = model.measure(test.columns, rng(1))[0]
    assert error.value + error.half_width < (s * v / (s + v)).sum() < 784 * v
    samples = model.sample(20, noise)
    assert samples.shape == (20, 1, 28, 28) and 0 <= samples.min() and samples.max() <= 1
    ink = samples.mean(axis=(1, 2, 3))
    assert np.median(ink) == pytest.approx(test["x"].mean() / 255, rel=0.5) and samples[:, :, :4].mean() < 0.05


def test_bad_input():
    for sigma in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="sigma is .*, expected more than 0"):
            DenoisingAutoencoder(Linear(2, 2, rng=rng()), Space((2,)), sigma)
    with pytest.raises(ValueError, match=r"x has shape \(3, 1, 8, 8\), expected \(N, 2\)"):
        best_denoiser().loss({"x": np.zeros((3, 1, 8, 8), np.uint8)}, rng())
