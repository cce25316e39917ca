"""The autoencoder with convolutions: it learns what the one of linear layers does, from fewer numbers."""
import numpy as np
import pytest

from autograd import grad
from minigen import data, latents
from minigen.data import Space
from minigen.models.autoencoders import Autoencoder
from minigen.models.autoencoders.linear_ae import pca
from minigen.nn.autoencoder import conv_pair, mlp_pair
from minigen.optim import Adam, cosine_decay


def trained(dataset, Z, hidden, networks, steps, lr):
    noise = np.random.default_rng(0)
    model = Autoencoder(dataset.spaces["x"], Z, hidden, networks, rng=noise)
    batches, optimizer = dataset.batches(64, noise), Adam(model.parameters(), cosine_decay(lr))
    for step in range(steps):
        loss = model.loss(next(batches), noise)["squared error"]
        optimizer.step(grad(loss, optimizer.params), done=step / steps)
    return model


@pytest.fixture(scope="module")
def digits_ae():
    return trained(data.load("digits"), 4, (16, 32), conv_pair, 600, lr=6e-3)


def test_its_codes_keep_more_than_those_of_pca(digits_ae):
    digits, test = data.load("digits"), data.load("digits", "test")
    mean, basis = pca(digits.spaces["x"].rows(digits["x"]), 4)
    x = test.spaces["x"].rows(test["x"]) - mean
    left_by_pca = ((x - x @ basis @ basis.T) ** 2).sum(axis=1).mean()
    assert digits_ae.measure(test.columns, None)[0].value < 0.9 * left_by_pca


def test_codes_images_and_samples(digits_ae):
    x = data.load("digits", "test")["x"]
    z = digits_ae.encode(x)
    assert z.shape == (447, 4)
    np.testing.assert_allclose(digits_ae.decode(z), digits_ae.reconstruct(x), atol=1e-6)
    samples = digits_ae.sample(5, np.random.default_rng(0))
    assert samples.shape == (5, 1, 8, 8) and 0 <= samples.min() and samples.max() <= 1 and samples.std() > 0.1
    pairs = latents.reconstructions(digits_ae, x[:16])
    np.testing.assert_array_equal(pairs[:8], np.float32(x[:8]) / 16)
    np.testing.assert_allclose(pairs[24:], digits_ae.reconstruct(x[8:16]), atol=1e-6)
    assert latents.traverse(digits_ae, x, rows=4, steps=3).shape == (12, 1, 8, 8)


@pytest.mark.parametrize("shape, levels", [((1, 8, 8), 17), ((3, 32, 32), 256), ((1, 28, 28), 256), ((3, 13, 9), 4)])
def test_a_step_changes_every_weight(shape, levels):
    noise = np.random.default_rng(0)
    x = noise.integers(0, levels, (6, *shape)).astype(np.uint8)
    model = Autoencoder(Space(shape, levels), 5, (4, 8), conv_pair, rng=noise)
    gradients = grad(model.loss({"x": x}, noise)["squared error"], model.parameters())
    assert all(np.isfinite(g.data).all() and np.abs(g.data).max() > 0 for g in gradients)
    assert model.reconstruct(x).shape == x.shape
    with pytest.raises(ValueError, match=r"x has shape \(6, 7, 7, 7\), expected \(N, "):
        model.encode(np.zeros((6, 7, 7, 7), np.uint8))


@pytest.mark.slow
def test_convolutions_do_with_fewer_numbers_as_long_as_pixels_have_neighbours():
    """On MNIST, where linear layers have six times the numbers; no longer if the pixels of all images are shuffled."""
    digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
    shuffled = np.random.default_rng(1).permutation(784)
    runs = {"linear": ((256,), mlp_pair, np.arange(784)), "conv": ((16, 32), conv_pair, np.arange(784)),
            "conv on shuffled": ((16, 32), conv_pair, shuffled)}
    errors = {}
    for name, (hidden, networks, order) in runs.items():
        train_x, test_x = (split["x"].reshape(-1, 784)[:, order].reshape(-1, 1, 28, 28) for split in (digits, test))
        dataset = data.Dataset(digits.name, "train", {"x": train_x}, {"x": digits.spaces["x"]}, digits.note)
        model = trained(dataset, 16, hidden, networks, 500, lr=3e-3)
        errors[name] = model.measure({"x": test_x}, None)[0].value
    assert errors["conv"] < 0.97 * errors["linear"] < 0.75 * errors["conv on shuffled"]
