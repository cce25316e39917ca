"""The VAE with convolutions: its bounds against the likelihood, which one latent number allows to integrate."""
import numpy as np
import pytest

from autograd import grad
from minigen import data, recipes
from minigen.data import Space
from minigen.models.autoencoders import VAE
from minigen.nn.autoencoder import conv_pair
from minigen.optim import Adam
from minigen.train import Run, train


def rng(seed=0):
    return np.random.default_rng(seed)


def log_likelihood(model, x):
    """log p(x) of each image x (N, C, H, W) by the trapezoidal rule over z, for a VAE with one latent number."""
    z, dz = np.linspace(-9, 9, 2001, retstep=True)
    h = model.decoder(np.float32(z)[:, None]).data  # (2001, D size)
    observed, _ = model.likelihood.observe(x, rng())
    log_p_x = np.stack([np.float64(model.likelihood.log_prob(row, h).numpy()).sum(axis=1) for row in observed])
    log_joint = log_p_x - 0.5 * z**2 - 0.5 * np.log(2 * np.pi)  # (N, 2001)
    return np.logaddexp.reduce(log_joint + np.log(dz), axis=1)


@pytest.mark.parametrize("decoder, levels", [("bernoulli", 2), ("categorical", 3)])
def test_probabilities_of_all_images_sum_to_one(decoder, levels):
    model = VAE(Space((1, 2, 2), levels), decoder, latent=1, hidden=(4,), networks=conv_pair, rng=rng())
    every = np.stack(np.meshgrid(*[np.arange(levels)] * 4), axis=-1).reshape(-1, 1, 2, 2).astype(np.uint8)
    assert len(every) == levels**4
    assert np.exp(log_likelihood(model, every)).sum() == pytest.approx(1, abs=1e-5)


def test_elbo_below_importance_weighted_bound_below_log_p():
    x = (data.load("digits")["x"][:20] > 8).astype(np.uint8)
    model = VAE(Space((1, 8, 8), 2), "bernoulli", latent=1, hidden=(8, 8), networks=conv_pair, rng=rng())
    optimizer, noise = Adam(model.parameters(), 1e-2), rng(1)
    for _ in range(150):
        optimizer.step(grad(model.loss({"x": x}, noise)["-ELBO"], optimizer.params))
    elbo, of_5 = (-measure.value for measure in model.measure({"x": x}, rng(2), k=5)[:2])
    of_5000 = -model.measure({"x": x}, rng(3), k=5000)[1].value
    log_p = log_likelihood(model, x).mean()
    assert elbo + 0.01 < of_5 < of_5000 < log_p + 0.005
    assert of_5000 == pytest.approx(log_p, abs=0.02)
    assert log_p > -64 * np.log(2) + 10  # it has learned something


@pytest.mark.parametrize("shape, levels, decoder", [
    ((1, 8, 8), 17, "categorical"), ((3, 32, 32), 256, "bernoulli"), ((1, 28, 28), 256, "gaussian"),
    ((3, 7, 9), 5, "categorical"),
])
def test_a_step_changes_every_weight(shape, levels, decoder):
    noise = rng()
    x = noise.integers(0, levels, (5, *shape)).astype(np.uint8)
    model = VAE(Space(shape, levels), decoder, latent=3, hidden=(4, 6), networks=conv_pair, rng=noise)
    gradients = grad(model.loss({"x": x}, noise)["-ELBO"], model.parameters())
    assert all(np.isfinite(g.data).all() and np.abs(g.data).max() > 0 for g in gradients)
    assert model.reconstruct(x).shape == x.shape and model.sample(2, noise).shape == (2, *shape)
    assert all(np.isfinite(measure.value) for measure in model.measure({"x": x}, noise, k=3))


def test_the_mean_image_has_its_channels_and_pixels_in_their_places():
    """The last layer's bias is what a channel's gray levels have in common, whatever z is."""
    model = VAE(Space((3, 8, 8), 4), "categorical", latent=2, hidden=(4,), networks=conv_pair, rng=rng())
    for p in model.decoder.parameters():
        p.data[...] = 0
    bias = model.decoder.convolutions[-1].bias.data.reshape(3, 4)
    bias[np.arange(3), [0, 3, 1]] = 50  # the level that each channel certainly has
    means = model.decode(rng().standard_normal((2, 2), dtype=np.float32))
    np.testing.assert_allclose(means - np.reshape([0, 1, 1 / 3], (3, 1, 1)), np.zeros((2, 3, 8, 8)), atol=1e-6)


@pytest.mark.slow
def test_on_digits_it_beats_the_published_vae():
    """The literature's VAE has 96.6 nats on this split (Tomczak 2022), a mixture of categoricals 100.7."""
    digits, noise = data.load("digits"), rng()
    run = train(Run(recipes.find("conv_vae").plan(digits, noise), digits, rng=noise))
    assert run.model.measure(data.load("digits", "test").columns, noise, k=20)[0].value < 95
