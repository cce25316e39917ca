"""The VQ-VAE: its gradient, its codes, what it measures, and that it is better than principal components."""
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from autograd import grad
from autograd.backend import asarray, normal, to_numpy
from minigen import data
from minigen.data import Space
from minigen.models.codes import VQVAE
from minigen.optim import Adam, cosine_decay
from minigen.quantize import Codebook, EMACodebook, views

DIGITS = Space((1, 8, 8), 17)
BOTH = pytest.mark.parametrize("kind", [Codebook, EMACodebook])


def rng(seed=0):
    return np.random.default_rng(seed)


def small(kind=EMACodebook, K=16, **settings):
    return VQVAE(DIGITS, kind(K, 4, rng=rng(), **settings), width=8, halvings=1, rng=rng(1))


def images(n=40, split="train"):
    return data.load("digits", split)["x"][:n]


@BOTH
def test_the_loss_is_equation_3(kind):
    """Term by term, in NumPy, of what encoder and decoder put out."""
    model, x = small(kind, spread=False).scaled_by(images(200)), images()
    known = np.float64(images(200)) / 16
    u = (np.float64(x) / 16 - known.mean()) / known.std()
    z = np.float64(model.encoder(model.standard(x)).numpy()).transpose(0, 2, 3, 1).reshape(-1, 4)
    e = np.float64(to_numpy(model.codebook.vectors()))[cdist(z, to_numpy(model.codebook.vectors())).argmin(axis=1)]
    z_q = asarray(np.float32(e.reshape(-1, 4, 4, 4).transpose(0, 3, 1, 2)))
    error, distance = ((u - model.decoder(z_q).numpy()) ** 2).mean(), ((z - e) ** 2).mean()
    expected = error + (1.25 if kind is Codebook else 0.25) * distance
    terms = model.loss({"x": x}, rng())
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-4)
    assert terms["error / variance"].item() == pytest.approx(error, rel=1e-4)


@BOTH
def test_every_parameter_is_trained(kind):
    model = small(kind)
    for p in model.parameters():  # residual branches begin as 0, and stop the gradient of what is before them
        p.assign(p.data + normal(rng(2), p.shape) / 10)
    (player,) = model.players()
    assert [id(p) for p in player.params] == [id(p) for p in model.parameters()]
    gradients = grad(model.loss({"x": images()}, rng())["loss"], player.params)
    assert all(np.any(g.data != 0) for g in gradients)
    assert any(name == "codebook.embedding" for name, _ in model.named_parameters()) == (kind is Codebook)


def test_the_encoder_is_trained_by_the_reconstruction():
    """Without the commitment there is only what comes through the codes: the gradient at the decoder's input."""
    model = small(beta=0)
    first = model.encoder.layers[0].weight
    assert np.abs(grad(model.loss({"x": images()}, rng())["error / variance"], [first])[0].numpy()).max() > 0


def test_codes_and_images_are_consistent():
    model, x = small(), images()
    model.loss({"x": x}, rng())
    codes = model.encode(x)
    assert codes.shape == (40, 1, 4, 4) and model.codes == Space((1, 4, 4), 16) and codes.dtype.kind == "i"
    model.codes.check(codes)
    np.testing.assert_array_equal(model.decode(codes), model.reconstruct(x))
    assert model.decode(codes).shape == x.shape and model.sample(0, rng()).shape == (0, 1, 8, 8)
    z = to_numpy(model.encoder(model.standard(x)).data).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(codes[:, 0].ravel(), cdist(z.reshape(-1, 4), to_numpy(
        model.codebook.vectors())).argmin(axis=1))
    every = np.arange(16).repeat(16).reshape(16, 1, 4, 4)  # each code everywhere
    at = to_numpy(model.codebook.lookup(asarray(every[:, 0])).data)[:, :, 2, 1]
    np.testing.assert_array_equal(at, to_numpy(model.codebook.vectors()))


@BOTH
def test_looking_leaves_the_model_as_it_is(kind):
    """In training mode too: whoever encodes a data set for a prior does not move the codes."""
    model, x = small(kind), images()
    model.loss({"x": x}, rng())
    before = model.state_dict()
    model.train()
    model.measure({"x": x}, rng())
    model.reconstruct(x)
    model.sample(3, rng())
    model.eval().loss({"x": x}, rng())
    assert all(a.tobytes() == before[name].tobytes() for name, a in model.state_dict().items())


def test_measures_are_of_the_whole_split(monkeypatch):
    """Of a codebook that sees the mean gray of an image, shown the images in order of it: each part knows few codes."""
    model = small(K=16)
    x = np.sort(rng().integers(0, 17, 160)).astype(np.uint8).reshape(-1, 1, 1, 1).repeat(8, axis=2).repeat(8, axis=3)
    monkeypatch.setattr(model, "_encode", lambda x: np.minimum(x[:, :, ::2, ::2], 15).astype(int))
    mse, used, perplexity = model.measure({"x": x}, rng())
    assert used.value == 16 and perplexity.value > 14
    parts = [model.measure({"x": x[i : i + 20]}, rng())[2].value for i in range(0, 160, 20)]
    assert np.mean(parts) < 5
    error = ((model.decode(model.encode(x)) - model.space.drawn(x)) ** 2).mean(axis=(1, 2, 3))
    assert mse.value == pytest.approx(error.mean(), rel=1e-5)
    assert mse.half_width == pytest.approx(1.96 * error.std(ddof=1) / np.sqrt(160), rel=1e-4)
    assert "64 bits" in mse.detail and "PCA" not in mse.detail


@pytest.fixture(scope="module")
def trained():
    """A few seconds of training on the small digits."""
    train, noise = data.load("digits"), rng()
    model = VQVAE(DIGITS, EMACodebook(32, 8, rng=noise), width=24, halvings=1, rng=noise).scaled_by(train["x"])
    optimizer, batches, steps = Adam(model.parameters(), cosine_decay(5e-3)), train.batches(50, noise), 300
    for step in range(steps):
        optimizer.step(grad(model.loss(next(batches), noise)["loss"], optimizer.params), done=step / steps)
    return model.eval()


def test_trained_it_uses_its_codes_and_beats_the_mean_image(trained):
    mse, used, perplexity = trained.measure(data.load("digits", "test").columns, rng())
    assert used.value >= 28 and perplexity.value > 12
    floor = float(mse.detail.split("PCA in as many ")[1].split(";")[0])
    assert mse.value < 0.3 * float(mse.detail.split("the mean image ")[1]) and mse.value < 3 * floor


def test_pictures_of_the_codes(trained):
    x = images(300)
    share = views.usage(trained, x)
    assert share.shape == (32,) and share.sum() == pytest.approx(1)
    drawn = views.what_codes_draw(trained)
    assert drawn.shape == (32, 1, 8, 8) and 0 <= drawn.min() <= drawn.max() <= 1
    np.testing.assert_allclose(drawn[5], trained.decode(np.full((1, 1, 4, 4), 5))[0])
    patches, codes = views.mean_patches(trained, x), trained.encode(x)[:, 0]
    assert patches.shape == (32, 1, 2, 2)
    k = int(share.argmax())
    where = [trained.space.drawn(x)[n, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
             for n, i, j in zip(*np.nonzero(codes == k))]
    np.testing.assert_allclose(patches[k], np.mean(where, axis=0), atol=1e-5)
    # what a code draws is like what it was chosen for: nearer to its own mean patch than to those of most others
    middle = drawn[:, 0, 3:5, 3:5].reshape(32, -1)
    distance = cdist(middle, patches.reshape(32, -1))
    assert np.median((distance < np.diag(distance)[:, None]).sum(axis=1)) < 8


@pytest.mark.parametrize("call, message", [
    (lambda: VQVAE(Space((2,)), EMACodebook(4, 2, rng=rng()), rng=rng()), r"is for images .* shape \(2,\), levels None"),
    (lambda: VQVAE(DIGITS, EMACodebook(4, 2, rng=rng()), halvings=4, rng=rng()), "8 x 8 cannot be halved 4 times"),
    (lambda: small().decode(np.zeros((2, 1, 4, 5), int)), r"codes has shape \(2, 1, 4, 5\), expected \(N, 1, 4, 4\)"),
    (lambda: small().decode(np.full((2, 1, 4, 4), 16)), "codes holds values from 16 to 16, expected 0 to 15"),
    (lambda: small().encode(np.zeros((2, 1, 4, 4), np.uint8)), r"x has shape \(2, 1, 4, 4\), expected \(N, 1, 8, 8\)"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
