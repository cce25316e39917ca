"""The VAE against what is known exactly: probabilistic PCA, the bounds' order, KL, and the gradient through a
draw."""
import numpy as np
import pytest
import scipy.stats
from matplotlib.image import imread

from autograd import Tensor, exp, grad, no_grad, parameter
from autograd.backend import to_numpy
from minigen import data, latents
from minigen.data import Space
from minigen.densities import kl_standard_normal
from minigen.models.autoencoders import VAE
from minigen.optim import Adam, cosine_decay

DIGITS = Space((1, 8, 8), 17)


def rng(seed=0):
    return np.random.default_rng(seed)


def plane(n, rng):
    """Points in 6 dimensions around a tilted plane: float32 (n, 6)."""
    W = np.random.default_rng(7).standard_normal((2, 6))
    return np.float32(rng.standard_normal((n, 2)) @ W + 0.5 * rng.standard_normal((n, 6)) + np.arange(6))


def probabilistic_pca(x, Z):
    """Mean log-likelihood of the rows x (N, D) at its maximum over N(b, W W^T + s2 I): Tipping & Bishop 1999,
    eqs. 4, 7 and 8, with the eigenvalues l_j of the covariance: C has l_1..l_Z and D - Z times s2 = mean of
    the others."""
    D = x.shape[1]
    eigenvalues = np.linalg.eigvalsh(np.cov(np.float64(x).T, bias=True))[::-1]
    s2 = eigenvalues[Z:].mean()
    return -0.5 * (D * np.log(2 * np.pi) + np.log(eigenvalues[:Z]).sum() + (D - Z) * np.log(s2) + D)


def linear_vae(seed=0):
    return VAE(Space((6,)), "gaussian", latent=2, hidden=(), rng=rng(seed))


def test_probabilistic_pca_formula():
    """Against the density that scipy gives for the fitted covariance."""
    x = plane(300, rng())
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    s2 = values[:-2].mean()
    C = s2 * np.eye(6) + vectors[:, -2:] * (values[-2:] - s2) @ vectors[:, -2:].T
    expected = scipy.stats.multivariate_normal(x.mean(axis=0), C).logpdf(x).mean()
    assert probabilistic_pca(x, 2) == pytest.approx(expected, rel=1e-6)


def test_linear_gaussian_vae_reaches_probabilistic_pca():
    x, model, steps = plane(300, rng(1)), linear_vae(), 2500
    optimizer, noise = Adam(model.parameters(), cosine_decay(0.03)), rng(2)
    for step in range(steps):
        loss = model.loss({"x": x}, noise)["-ELBO"]
        optimizer.step(grad(loss, optimizer.params), done=step / steps)
    elbo, bound = (-measure.value for measure in model.measure({"x": x}, rng(3), k=50)[:2])
    best = probabilistic_pca(x, 2)
    assert best - 0.005 < elbo <= bound < best + 0.005  # in nats; q can be exact here, so the bound is tight
    s2 = np.linalg.eigvalsh(np.cov(x.T, bias=True))[:-2].mean()
    assert np.exp(model.likelihood.logvar.item()) == pytest.approx(s2, rel=0.02)


@pytest.mark.parametrize("seed", [0, 1])
def test_elbo_below_importance_weighted_bound_below_log_p(seed):
    """A linear decoder has log p(x) = log N(b, W W^T + s2 I). The encoder says N(0, I) to everything: a poor
    guess, but wide enough for 5,000 draws of it to close the gap."""
    model = linear_vae(seed)
    for p in model.encoder.parameters():
        p.data[...] = 0
    x = model.sample(200, rng(1))
    W, b = (np.float64(a.numpy()) for a in model.decoder.parameters())
    log_p = scipy.stats.multivariate_normal(b, W @ W.T + np.eye(6)).logpdf(x).mean()  # s2 = 1 before training
    elbo, of_5 = (-measure.value for measure in model.measure({"x": x}, rng(2), k=5)[:2])
    of_5000 = -model.measure({"x": x}, rng(3), k=5000)[1].value
    assert elbo + 0.05 < of_5 < of_5000 - 0.01
    assert of_5000 == pytest.approx(log_p, abs=0.005)


def test_loss_is_an_unbiased_estimate_of_the_reported_bound():
    model = VAE(DIGITS, "categorical", latent=3, hidden=(16,), rng=rng())
    x = data.load("digits")["x"][:50]
    noise = rng(1)
    with no_grad():
        losses = [model.loss({"x": x}, noise)["-ELBO"].item() for _ in range(300)]
    reported = model.measure({"x": x}, rng(2), k=300)[0].value
    assert np.mean(losses) == pytest.approx(reported, abs=4 * np.std(losses) / np.sqrt(300) + 1e-3)


def test_analytic_kl_is_the_mean_of_log_q_over_p():
    mu, logvar = np.float64([0.0, 1.5, -0.7]), np.float64([0.0, -1.0, 0.8])
    q, p = scipy.stats.norm(mu, np.exp(0.5 * logvar)), scipy.stats.norm()
    z = q.rvs((200_000, 3), random_state=0)
    ratios = q.logpdf(z) - p.logpdf(z)
    error = 4 * ratios.std(axis=0) / np.sqrt(len(z)) + 1e-12
    assert np.all(np.abs(kl_standard_normal(mu, logvar).numpy() - ratios.mean(axis=0)) < error)


def test_reparametrized_gradient_is_the_gradient_of_the_expectation():
    """E[z^4] = mu^4 + 6 mu^2 s^2 + 3 s^4 for z ~ N(mu, s^2); with v = log s^2 its gradient is known."""
    m, v, n = 0.7, -0.6, 400_000
    s2 = np.exp(v)
    mu, logvar = parameter(np.full(n, m)), parameter(np.full(n, v))  # one per draw, for each draw's gradient
    z = mu + exp(0.5 * logvar) * rng().standard_normal(n)
    g_mu, g_logvar = (g.numpy() for g in grad((z**4).sum(), [mu, logvar]))
    assert g_mu.mean() == pytest.approx(4 * m**3 + 12 * m * s2, abs=4 * g_mu.std() / np.sqrt(n))
    assert g_logvar.mean() == pytest.approx(6 * m**2 * s2 + 6 * s2**2, abs=4 * g_logvar.std() / np.sqrt(n))


@pytest.mark.parametrize("decoder, levels", [("bernoulli", 2), ("categorical", 3)])
def test_a_discrete_decoder_sums_to_one_over_all_images(decoder, levels):
    model = VAE(Space((1, 1, 3), levels), decoder, latent=2, hidden=(8,), rng=rng())
    every = np.stack(np.meshgrid(*[np.arange(levels)] * 3), axis=-1).reshape(-1, 1, 1, 3).astype(np.uint8)
    h = model.decoder(rng(1).standard_normal((1, 2)).astype(np.float32))
    x, _ = model.likelihood.observe(every, rng())
    assert np.exp(model.likelihood.log_prob(x, h).numpy().sum(axis=-1)).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("decoder, levels", [("bernoulli", 2), ("categorical", 5), ("gaussian", 256)])
def test_mean_of_the_decoder_is_the_mean_of_its_distribution(decoder, levels):
    model = VAE(Space((1, 1, 3), levels), decoder, latent=2, hidden=(8,), rng=rng())
    z = rng(1).standard_normal((4, 2)).astype(np.float32)
    h = model.decoder(z)
    atol = 1e-5
    if decoder == "gaussian":
        draws = to_numpy(model.likelihood.draw(Tensor(h.numpy().repeat(40_000, axis=0)), rng()))
        expected, atol = draws.reshape(4, -1, 3).mean(axis=1).clip(0, 1), 0.03
    else:
        p = [np.exp(model.likelihood.log_prob(np.full((4, 3), k, np.uint8), h).numpy()) for k in range(levels)]
        expected = sum(k / (levels - 1) * p_k for k, p_k in enumerate(p))
    np.testing.assert_allclose(model.decode(z).reshape(4, 3), expected, atol=atol)


def test_gray_images_are_binarized_anew_each_time_and_bits_never():
    gray = VAE(Space((1, 2, 2), 256), "bernoulli", latent=1, hidden=(), rng=rng()).likelihood
    noise, x = rng(), np.full((5000, 1, 2, 2), 51, np.uint8)
    first, second = (to_numpy(gray.observe(x, noise)[0]) for _ in range(2))
    assert set(np.unique(first)) == {0, 1} and abs(first.mean() - 0.2) < 0.01 and np.any(first != second)
    bits = VAE(Space((1, 2, 2), 2), "bernoulli", latent=1, hidden=(), rng=rng()).likelihood
    x = rng().integers(0, 2, (50, 1, 2, 2)).astype(np.uint8)
    np.testing.assert_array_equal(to_numpy(bits.observe(x, noise)[0]), x.reshape(50, 4))
    assert "dynamic" in gray.detail and "fixed" in bits.detail


def test_beta_weighs_the_kl_and_is_named():
    x = data.load("digits")["x"][:10]
    models = [VAE(DIGITS, "categorical", 2, (8,), beta, rng=rng()) for beta in (1, 4)]
    terms = [model.loss({"x": x}, rng(1)) for model in models]
    plain, weighted = ({name: term.item() for name, term in t.items()} for t in terms)
    assert plain["-ELBO"] == pytest.approx(plain["reconstruction"] + plain["KL"])
    assert weighted["reconstruction + 4 KL"] == pytest.approx(plain["reconstruction"] + 4 * plain["KL"])


def test_every_parameter_is_trained():
    for decoder in ("bernoulli", "categorical", "gaussian"):
        model = VAE(DIGITS, decoder, 2, (8,), rng=rng())
        (player,) = model.players()
        assert [id(p) for p in player.params] == [id(p) for p in model.parameters()]
        gradients = grad(player.loss({"x": data.load("digits")["x"][:10]}, rng())["-ELBO"], player.params)
        assert all(np.any(g.data != 0) for g in gradients)


def test_evaluation_does_not_depend_on_the_size_of_its_chunks(monkeypatch):
    model, x = VAE(DIGITS, "categorical", 2, (8,), rng=rng()), data.load("digits", "test")["x"][:30]
    whole = model.measure({"x": x}, rng(1), k=400)
    monkeypatch.setattr("minigen.importance.HELD", 1)
    single = model.measure({"x": x}, rng(1), k=400)
    assert [f.value for f in whole] == pytest.approx([f.value for f in single], rel=2e-3)


@pytest.fixture(scope="module")
def digits_vae():
    """A VAE with a 2-D code after a few seconds of training: (model, training digits)."""
    train, noise = data.load("digits"), rng()
    model = VAE(DIGITS, "categorical", latent=2, hidden=(64,), rng=noise)
    optimizer, batches = Adam(model.parameters(), 3e-3), train.batches(100, noise)
    for _ in range(250):
        optimizer.step(grad(model.loss(next(batches), noise)["-ELBO"], optimizer.params))
    return model, train


def test_trained_it_beats_independent_pixels(digits_vae):
    model, _ = digits_vae
    measures = model.measure(data.load("digits", "test").columns, rng(), k=20)
    assert [measure.name for measure in measures] == ["-ELBO", "-IW bound", "latents in use"]
    assert measures[1].value < measures[0].value < 106.37 and 0 < measures[0].half_width < 2
    assert "17-way categorical" in measures[0].detail and measures[2].value == 2


def test_latent_space_calls(digits_vae, tmp_path):
    model, train = digits_vae
    x, y = train["x"], train["y"]
    sample = model.sample(5, rng())
    assert sample.shape == (5, 1, 8, 8) and 0 <= sample.min() and sample.max() <= 1 and sample.std() > 0.1

    path = latents.interpolate(model, model.encode(x[:3]), model.encode(x[3:6]), steps=5).reshape(3, 5, 1, 8, 8)
    np.testing.assert_allclose(path[:, 0], model.reconstruct(x[:3]), atol=1e-6)
    np.testing.assert_allclose(path[:, -1], model.reconstruct(x[3:6]), atol=1e-6)
    middle = model.decode((model.encode(x[:3]) + model.encode(x[3:6])) / 2)
    np.testing.assert_allclose(path[:, 2], middle, atol=1e-5)

    rows = latents.traverse(model, x, rows=2, steps=7).reshape(2, 7, 64)
    assert np.all(np.abs(rows[:, 0] - rows[:, -1]).max(axis=1) > 0.1)

    shift = latents.direction(model, x[y == 0], x[y == 1])
    moved = latents.resynthesize(model, x[:4], shift, steps=3).reshape(4, 3, 1, 8, 8)
    np.testing.assert_allclose(moved[:, 0], model.reconstruct(x[:4]), atol=1e-6)
    np.testing.assert_allclose(moved[:, 2], model.decode(model.encode(x[:4]) + shift), atol=1e-5)

    sheet = latents.manifold(model, steps=4)
    low_left = model.decode(np.float32([[-1.1503, -1.1503]]))[0]  # the quantile of 1/8, twice
    np.testing.assert_allclose(sheet[4 * 3], low_left, atol=1e-3)

    latents.scatter(model, x[:100], y[:100], tmp_path / "scatter.png")
    assert imread(tmp_path / "scatter.png").std() > 0.01


def test_points_are_drawn_from_the_decoder():
    points = data.load("two_moons")["x"]
    model = VAE(Space((2,)), "gaussian", latent=2, hidden=(16,), rng=rng())
    model.likelihood.logvar.data[...] = np.log(0.3**2)
    assert model.reconstruct(points[:9]).shape == (9, 2)
    samples = model.sample(4000, rng())
    assert samples.shape == (4000, 2)
    noise = samples - model.decode(rng().standard_normal((4000, 2), dtype=np.float32))  # the same z
    assert np.abs(noise.std(axis=0) - 0.3).max() < 0.015


@pytest.mark.parametrize("arguments, message", [
    (dict(decoder="poisson"), "decoder is 'poisson', expected one of bernoulli, categorical, gaussian"),
    (dict(hidden=(0,)), "Linear: from .* to 0 numbers, expected at least 1 each"),
    (dict(latent=0), "latent is 0, expected at least 1"),
    (dict(beta=-1), "beta is -1, expected at least 0"),
    (dict(space=Space((2,))), r"'bernoulli' is for gray levels, and points of shape \(2,\) have none"),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        VAE(**{"space": DIGITS, **arguments}, rng=rng())


@pytest.mark.parametrize("decoder", ["bernoulli", "categorical", "gaussian"])
@pytest.mark.parametrize("x, message", [
    (np.zeros((4, 1, 7, 7), np.uint8), r"x has shape \(4, 1, 7, 7\), expected \(N, 1, 8, 8\)"),
    (np.full((4, 1, 8, 8), 17, np.uint8), "x holds values from 17 to 17, expected 0 to 16"),
    (np.zeros((4, 1, 8, 8), np.float32), "x has dtype float32, expected integers from 0 to 16"),
])
def test_every_decoder_refuses_what_is_no_image_of_its_space(decoder, x, message):
    model = VAE(DIGITS, decoder, 2, (8,), rng=rng())
    with pytest.raises(ValueError, match=message):
        model.loss({"x": x}, rng())


def test_bad_data():
    model = VAE(Space((1, 8, 8), 2), "bernoulli", 3, (8,), rng=rng())
    x = data.load("digits")["x"][:4]
    with pytest.raises(ValueError, match="x holds values from 0 to 16, expected 0 to 1"):
        model.loss({"x": x}, rng())
    with pytest.raises(ValueError, match=r"x has shape \(4, 64\), expected \(N, 1, 8, 8\)"):
        model.encode(x.reshape(4, 64))
    with pytest.raises(ValueError, match="scatter: the latent space has 3 dimensions, and a picture shows 2"):
        latents.scatter(model, x, None, "unused.png")
    with pytest.raises(ValueError, match="manifold: the latent space has 3 dimensions"):
        latents.manifold(model)
