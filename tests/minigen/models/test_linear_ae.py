"""The linear autoencoder finds the plane of principal component analysis; the MLP autoencoder beats it."""
import numpy as np
import pytest

from autograd import grad
from autograd.backend import to_numpy
from minigen import data
from minigen.data import Space
from minigen.models.autoencoders import Autoencoder, LinearAutoencoder
from minigen.models.autoencoders.linear_ae import largest_angle, pca
from minigen.optim import Adam, cosine_decay

DIGITS = Space((1, 8, 8), 17)


def descend(model, x, steps, lr):
    """Full batches, so that nothing but the number of steps keeps the loss from its minimum."""
    optimizer = Adam(model.parameters(), cosine_decay(lr))
    for step in range(steps):
        loss = model.loss({"x": x}, None)["squared error"]
        optimizer.step(grad(loss, optimizer.params), done=step / steps)
    return loss.item()


@pytest.fixture(scope="module")
def x():
    return data.load("digits")["x"]


@pytest.mark.parametrize("latent", [2, 10])
def test_linear_autoencoder_spans_the_principal_plane_of_digits(x, latent):
    model = LinearAutoencoder(DIGITS, latent, rng=np.random.default_rng(0)).center(x)
    mean, basis = pca(DIGITS.rows(x), latent)
    assert largest_angle(model.decoder.weight.data, basis) > 0.5
    error = descend(model, x, 1000, 0.03)
    assert largest_angle(model.decoder.weight.data, basis) < 1e-3
    eigenvalues = np.linalg.eigvalsh(np.cov(np.float64(to_numpy(DIGITS.rows(x))).T, bias=True))  # in ascending order
    assert error == pytest.approx(eigenvalues[:-latent].sum(), rel=1e-5)  # what PCA leaves out
    np.testing.assert_allclose(to_numpy(model.mean), to_numpy(mean), atol=1e-6)


def test_largest_angle_of_known_planes():
    e = np.eye(4)
    tilted = np.stack([e[0], np.cos(0.3) * e[1] + np.sin(0.3) * e[2]], axis=1)
    assert largest_angle(e[:, :2], tilted @ [[2.0, 1.0], [0.0, 3.0]]) == pytest.approx(0.3)
    assert largest_angle(e[:, :2], e[:, 2:]) == pytest.approx(np.pi / 2)


def test_pca_of_a_known_gaussian():
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    mean, basis = pca(rng.standard_normal((20_000, 3)) * [5, 2, 0.1] @ rotation + [1, 2, 3], 2)
    np.testing.assert_allclose(mean, [1, 2, 3], atol=0.15)
    assert largest_angle(basis, rotation[:2].T) < 0.02


def test_nonlinear_codes_keep_more_than_linear_ones(x):
    linear = LinearAutoencoder(DIGITS, 2, rng=np.random.default_rng(0)).center(x)
    mlp = Autoencoder(DIGITS, 2, hidden=(64,), rng=np.random.default_rng(0))
    test = data.load("digits", "test")["x"]
    for model in (linear, mlp):
        descend(model, x, 300, 0.01)
    errors = [model.measure({"x": test}, None)[0].value for model in (linear, mlp)]
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize("Model", [LinearAutoencoder, Autoencoder])
def test_codes_images_and_samples(x, Model):
    rng = np.random.default_rng(0)
    model = Model(DIGITS, 3, rng=rng)
    descend(model, x, 300, 0.003)
    z = model.encode(x)
    assert z.shape == (1000, 3)
    np.testing.assert_array_equal(model.reconstruct(x), model.decode(z))
    samples = model.sample(5, rng)
    assert samples.shape == (5, 1, 8, 8) and 0 <= samples.min() and samples.max() <= 1
    # 300 batches of 1 % each: the moments of the codes have forgotten all but the last hundred or two
    np.testing.assert_allclose(to_numpy(model.codes.mean), z.mean(axis=0), atol=0.3 * z.std())
    np.testing.assert_allclose(to_numpy(model.codes.cov), np.cov(z.T), atol=0.3 * z.var())


@pytest.mark.parametrize("Model", [LinearAutoencoder, Autoencoder])
def test_a_loss_in_eval_mode_leaves_the_model_as_it_is(x, Model):
    model = Model(DIGITS, 3, rng=np.random.default_rng(0)).eval()
    before = model.state_dict()
    model.loss({"x": x}, None)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    model.train().loss({"x": x}, None)
    assert not np.array_equal(before["codes.mean"], to_numpy(model.codes.mean))


@pytest.mark.parametrize("Model", [LinearAutoencoder, Autoencoder])
def test_points(Model):
    points = data.load("two_moons")["x"]
    model = Model(Space((2,)), 1, rng=np.random.default_rng(0))
    assert model.reconstruct(points).shape == points.shape
    assert model.sample(7, np.random.default_rng(0)).shape == (7, 2)


def test_bad_input(x):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="latent is 0, expected 1 to 64"):
        LinearAutoencoder(DIGITS, 0, rng=rng)
    with pytest.raises(ValueError, match="latent is 65, expected 1 to 64"):
        LinearAutoencoder(DIGITS, 65, rng=rng)
    with pytest.raises(ValueError, match="latent is 0, expected at least 1"):
        Autoencoder(DIGITS, 0, rng=rng)
    for Model in (LinearAutoencoder, Autoencoder):
        with pytest.raises(ValueError, match=r"x has shape \(3, 2\), expected \(N, 1, 8, 8\)"):
            Model(DIGITS, 2, rng=rng).encode(np.zeros((3, 2), np.float32))
