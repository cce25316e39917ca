"""VQ-VAE-2: which code may depend on what, that both levels are needed, and the priors from the top down."""
import numpy as np
import pytest

from autograd import grad
from autograd.backend import asarray, normal, to_numpy
from minigen import data
from minigen.autoregressive import Autoregressive
from minigen.data import Space
from minigen.models.codes import VQVAE2, TwoLevelPrior
from minigen.nn import Embedding, Frozen, Linear, in_eval_mode
from minigen.optim import adam, cosine_decay
from minigen.quantize import EMACodebook
from minigen.train import Run, one_stage, train

DIGITS = Space((1, 8, 8), 17)


def rng(seed=0):
    return np.random.default_rng(seed)


def small(seed=0, K=(12, 20), width=16):
    noise = rng(seed)
    return VQVAE2(DIGITS, EMACodebook(K[0], 4, rng=noise), EMACodebook(K[1], 4, rng=noise), width, halvings=1, rng=noise)


def images(n=30):
    return data.load("digits")["x"][:n]


class TopOfItsNeighbour(Autoregressive):
    """p(k_i | the top code above it): an embedding, and a linear layer for every place."""

    def __init__(self, space, conditions=None, *, rng):
        super().__init__(space, None, conditions)
        codes = self.conditions["source"].levels if self.conditions else 1
        self.embedding, self.head = Embedding(codes, 16, rng=rng), Linear(16, self.D * self.K, rng=rng)

    def logits(self, x, source=None):
        if source is None:
            return self.head(self.embedding(np.zeros(len(x), int))).reshape(len(x), self.D, self.K)
        above = to_numpy(source)[:, 0].repeat(2, axis=1).repeat(2, axis=2).reshape(len(x), -1)  # (N, D)
        h = self.head(self.embedding(asarray(above)))  # (N, D, D K)
        return h.reshape(len(x), self.D, self.D, self.K)[:, np.arange(self.D), np.arange(self.D)]


def two_priors(part, seed=1):
    top, bottom = part.codes.values()
    return TwoLevelPrior(part, TopOfItsNeighbour(top, rng=rng(seed)),
                         TopOfItsNeighbour(bottom, {"source": top}, rng=rng(seed)))


def test_codes_and_images_are_consistent():
    model, x = small(), images()
    model.loss({"x": x}, rng())
    top, bottom = model.encode(x)
    assert model.codes == {"top": Space((1, 2, 2), 12), "bottom": Space((1, 4, 4), 20)} and model.bits > 83
    assert top.shape == (30, 1, 2, 2) and bottom.shape == (30, 1, 4, 4)
    np.testing.assert_array_equal(model.decode(top, bottom), model.reconstruct(x))
    with in_eval_mode(model):  # the same codes that the loss has seen
        h = model.bottom_encoder(model.standard(x))
        e_top, codes, _ = model.top(model.top_encoder(h), rng())
        np.testing.assert_array_equal(to_numpy(codes), top[:, 0])
        _, codes, _ = model.bottom(model.told(h, e_top), rng())
        np.testing.assert_array_equal(to_numpy(codes), bottom[:, 0])
    assert model.sample(0, rng()).shape == (0, 1, 8, 8) and model.sample(3, rng()).shape == (3, 1, 8, 8)


def test_the_bottom_is_told_the_top_and_not_the_reverse():
    model, x = small(), images()
    h = model.bottom_encoder(model.standard(x))
    model.loss({"x": x}, rng())
    bottom = [to_numpy(model.bottom.encode(model.told(h, model.top.lookup(asarray(np.full((30, 2, 2), k)))).data))
              for k in (0, 1)]
    assert np.any(bottom[0] != bottom[1])
    before = model.encode(x)
    model.bottom.embedding[...] = model.bottom.embedding[::-1].copy()
    after = model.encode(x)
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], 19 - after[1])


def test_every_parameter_is_trained():
    model = small()
    for p in model.parameters():  # residual branches begin as 0, and stop the gradient of what is before them
        p.assign(p.data + normal(rng(2), p.shape) / 10)
    (player,) = model.players()
    gradients = grad(model.loss({"x": images()}, rng())["loss"], player.params)
    assert [id(p) for p in player.params] == [id(p) for p in model.parameters()]
    assert all(np.any(g.data != 0) for g in gradients)


def test_looking_leaves_the_model_as_it_is():
    model, x = small(), images()
    model.loss({"x": x}, rng())
    before = model.state_dict()
    model.measure({"x": x}, rng())
    model.eval().loss({"x": x}, rng())
    assert all(a.tobytes() == before[name].tobytes() for name, a in model.state_dict().items())


def run_of(model, steps=250):
    digits = data.load("digits")
    return train(Run(one_stage(model, adam(cosine_decay(5e-3)), steps, 50), digits, rng=rng()))


@pytest.fixture(scope="module")
def trained():
    model = small(K=(32, 32)).scaled_by(data.load("digits")["x"])
    run_of(model)
    return Frozen(model)


def test_either_level_is_needed(trained):
    measures = {m.name: m for m in trained.measure(data.load("digits", "test").columns, rng())}
    mse = measures["MSE"].value
    assert mse < 0.35 * float(measures["MSE"].detail.split("the mean image ")[1])
    assert measures["MSE, top exchanged"].value > 1.2 * mse and measures["MSE, bottom exchanged"].value > 1.2 * mse
    assert measures["perplexity, top"].value > 8 and measures["perplexity, bottom"].value > 8


class BottomAlone(VQVAE2):
    """The broken one, whose decoder is told nothing by the top."""

    def draw(self, e_top, e_bottom):
        return super().draw(e_top * 0, e_bottom)


def test_a_level_that_carries_nothing_is_noticed():
    noise = rng()
    model = BottomAlone(DIGITS, EMACodebook(8, 4, rng=noise), EMACodebook(8, 4, rng=noise), 8, halvings=1, rng=noise)
    run_of(model, 60)
    mse, without_top, without_bottom = (m.value for m in model.measure({"x": images(200)}, rng())[:3])
    assert without_top == pytest.approx(mse) and without_bottom > 1.05 * mse


def test_priors_from_the_top_down(trained):
    digits, model = data.load("digits"), two_priors(trained)
    seen = model.view(digits)
    for level, codes in zip(("top", "bottom"), trained.encode(digits["x"])):
        np.testing.assert_array_equal(seen[level], codes)
    run = train(Run(one_stage(model, adam(0.02), 200, 100, view=model.view), digits, rng=rng()))
    assert [player.name for player in run.players] == ["top", "bottom"]
    with run.evaluating():
        measures = model.measure(data.load("digits", "test").columns, rng())
        images = model.sample(6, rng())
    assert [m.name for m in measures] == ["NLL, top"] * 2 + ["NLL, bottom"] * 2
    assert all(m.value < float(m.detail.split("single codes, ")[1].split(";")[0]) for m in measures)
    noise = rng()
    top = model.top.draw(6, noise)
    np.testing.assert_array_equal(images, trained.decode(top, model.bottom.draw(6, noise, source=top)))
    # the bottom listens: told the top codes of other images it is worse
    batch = dict(seen.columns)
    told = model.bottom_loss(batch, rng())["nats/code"].item()
    assert model.bottom_loss({**batch, "top": np.roll(batch["top"], 1, axis=0)}, rng())["nats/code"].item() > told + 0.1


def test_bad_input(trained):
    top, bottom = trained.codes.values()
    priors = TopOfItsNeighbour(top, rng=rng()), TopOfItsNeighbour(bottom, {"source": top}, rng=rng())
    with pytest.raises(ValueError, match="TwoLevelPrior: autoencoder is a VQVAE2, .* pass Frozen"):
        TwoLevelPrior(trained.module, *priors)
    with pytest.raises(ValueError, match="the bottom prior is told nothing, expected source"):
        TwoLevelPrior(trained, priors[0], TopOfItsNeighbour(bottom, rng=rng()))
    with pytest.raises(ValueError, match=r"models \(1, 4, 4\) of 32 levels, and the codes are \(1, 2, 2\) of 32"):
        TwoLevelPrior(trained, priors[1], priors[1])
    with pytest.raises(ValueError, match="top has 2 entries, bottom 3"):
        trained.decode(np.zeros((2, 1, 2, 2), int), np.zeros((3, 1, 4, 4), int))
    with pytest.raises(ValueError, match=r"bottom has shape \(2, 1, 2, 2\), expected \(N, 1, 4, 4\)"):
        trained.decode(*[np.zeros((2, 1, 2, 2), int)] * 2)
    with pytest.raises(ValueError, match="VQVAE2: is for images with gray levels"):
        VQVAE2(Space((2,)), *[EMACodebook(4, 2, rng=rng())] * 2, rng=rng())
