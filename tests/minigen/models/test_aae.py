"""The AAE: codes that follow their prior, and the failures that look like success if one looks at the losses."""
import math
from functools import partial

import numpy as np
import pytest

from autograd import as_tensor, grad, leaky_relu
from autograd.backend import rng
from minigen import data
from minigen.adversarial.objectives import discriminator_loss, nonsaturating
from minigen.autoencoders.priors import Normal, Petals, SwissRoll, Toy
from minigen.data import Dataset, Space
from minigen.models.autoencoders import AAE
from minigen.nn import BatchNorm1d, Linear, Sequential
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

PLANE = Space((2,))
TEST = data.load("two_moons", "test").first(1000)


def tiny(prior=None, labels=False, cls=AAE, space=PLANE):
    return cls(space, prior or Petals(), hidden=(32,), adversary=(32, 32), labels=labels, rng=rng(0))


def trained(model, points, steps=500, lr_of_D=3e-3):
    """(the model, D's loss at the end, MMD^2 of the codes, squared error) after a few seconds."""
    moves = {"autoencoder": adam(cosine_decay(3e-3)), "D": adam(cosine_decay(lr_of_D), betas=(0.5, 0.999)),
             "encoder": adam(cosine_decay(2e-3), betas=(0.5, 0.999))}
    run = train(Run(one_stage(model, moves, steps, batch_size=64), points, rng=rng(1)))
    minus_V = run.validate(points)["D: -V"]
    with run.evaluating():
        error, distance = model.measure({"x": TEST["x"]}, rng(2))
    return model, minus_V, distance.value, error.value


class BatchNormAfterLeakyRelu(AAE):
    """eriklindernoren/Keras-GAN, issue 35."""

    def __init__(self, *arguments, rng, **settings):
        super().__init__(*arguments, rng=rng, **settings)
        activation = partial(leaky_relu, negative_slope=0.2)
        self.discriminator = Sequential(Linear(2, 32, rng=rng), activation, BatchNorm1d(32), Linear(32, 32, rng=rng),
                                        activation, BatchNorm1d(32), Linear(32, 1, rng=rng))


class AdversaryOnImages(AAE):
    """neale/Adversarial-Autoencoder, issue 3."""

    def discriminator_loss(self, batch, rng):
        x = self.space.rows(batch["x"])
        return {"-V": discriminator_loss(self.logit(x), self.logit(self.decoder(self.encoder(x)).detach()))}

    def encoder_loss(self, batch, rng):
        return {"-log D": nonsaturating(self.logit(self.decoder(self.encoder(self.space.rows(batch["x"])))))}


@pytest.fixture(scope="module")
def good():
    return trained(tiny(), data.load("two_moons"))


def test_codes_follow_the_prior_and_still_reconstruct(good):
    model, minus_V, distance, error = good
    assert distance < 0.08 and error < 0.1  # two moons have a variance of 4.5
    assert minus_V == pytest.approx(math.log(4), abs=0.2)
    samples = model.sample(1000, rng(3))
    near = np.sqrt(((samples[:, None] - TEST["x"]) ** 2).sum(axis=2)).min(axis=1)
    assert (near < 0.5).mean() > 0.8


@pytest.mark.parametrize("broken", [BatchNormAfterLeakyRelu, AdversaryOnImages])
def test_broken_ones_are_plain_autoencoders_and_only_the_codes_tell(broken, good):
    """D says 1/2 to everything, and the loss is as balanced as it can be."""
    _, minus_V, distance, error = trained(tiny(cls=broken), data.load("two_moons"))
    assert minus_V == pytest.approx(math.log(4), abs=0.05) and error < 0.1
    assert distance > 0.15 and distance > 5 * good[2]


def test_a_balanced_loss_proves_nothing(good):
    """musyoku/adversarial-autoencoder, issue 10: a D that does not learn has log 4 too, while the codes are elsewhere."""
    model = tiny()
    for p in model.discriminator.parameters():
        p.data[...] = 0
    _, minus_V, distance, _ = trained(model, data.load("two_moons"), steps=100, lr_of_D=0.0)
    assert minus_V == pytest.approx(math.log(4), abs=1e-6)
    assert distance > 0.3 and distance > 5 * good[2]


def test_what_D_says_of_a_code_does_not_depend_on_its_neighbours():
    z = rng(1).standard_normal((6, 2)).astype(np.float32)
    for cls, alone in ((AAE, True), (BatchNormAfterLeakyRelu, False)):
        model = tiny(cls=cls)
        among, other = model.logit(z).numpy()[:3], model.logit(np.concatenate([z[:3], 5 + z[3:]])).numpy()[:3]
        assert np.allclose(among, other, atol=1e-6) == alone


# The players


def test_each_phase_moves_what_it_should():
    model, batch = tiny(), {"x": TEST["x"][:20]}
    autoencoder, D, encoder = model.players()
    assert [player.name for player in model.players()] == ["autoencoder", "D", "encoder"]
    ids = lambda params: {id(p) for p in params}
    assert ids(autoencoder.params) == ids([*model.encoder.parameters(), *model.decoder.parameters()])
    assert ids(encoder.params) == ids(model.encoder.parameters()) and ids(D.params) == ids(model.discriminator.parameters())
    for player in model.players():
        gradients = grad(next(iter(player.loss(batch, rng(0)).values())), player.params)
        assert all(np.any(g.numpy()) for g in gradients)
    with pytest.raises(RuntimeError, match="does not depend"):
        grad(D.loss(batch, rng(0))["-V"], encoder.params)  # codes are constants for D
    with pytest.raises(RuntimeError, match="does not depend"):
        grad(autoencoder.loss(batch, rng(0))["squared error"], D.params)


def test_the_encoder_climbs_to_where_D_says_prior():
    """One step of the encoder raises D's logit at the codes; one of D parts codes and prior."""
    model, batch = tiny(Normal(2)), {"x": TEST["x"][:200]}
    for player, sign in ((model.players()[1], 1), (model.players()[2], -1)):
        before = model.discriminator_loss(batch, rng(3))
        name = next(iter(player.loss(batch, rng(3))))
        for p, g in zip(player.params, grad(player.loss(batch, rng(3))[name], player.params)):
            p.data -= 0.05 * g.data
            p.mark_changed()
        after = model.discriminator_loss(batch, rng(3))
        assert sign * (after["-V"].item() - before["-V"].item()) < 0


# Labels


def clouds(first=0, n=2000):
    """Two clouds, at x1 = -2 and 2, the left one of class `first`."""
    noise = rng(4)
    side = noise.integers(2, size=n)
    x = np.float32(0.5 * noise.standard_normal((n, 2)) + np.stack([4 * side - 2, 0 * side], axis=1))
    return Dataset("clouds", "train", {"x": x, "y": side ^ first}, {"x": PLANE, "y": Space((), 2)}, "two clouds")


def share_in_its_petal(model, points):
    """Two petals: class 0 to the right."""
    return (np.sign(model.encode(points["x"])[:, 0]) == 1 - 2 * points["y"]).mean()


@pytest.mark.slow
def test_labels_send_each_class_to_its_part_of_the_prior():
    """The first encoder puts each cloud where the petal of the other one is: without labels it would be content."""
    points, y = clouds(first=1), np.arange(200) % 2
    assert share_in_its_petal(tiny(Petals(2), labels=True), points) < 0.1
    model, *_ = trained(tiny(Petals(2), labels=True), points, steps=800)
    assert share_in_its_petal(model, points) > 0.9 and model.conditions == ("y",)
    samples = model.sample(200, rng(3), y)
    assert ((samples[:, 0] > 0) == (y == 0)).mean() > 0.8


def test_what_D_is_told():
    """Of a draw from the prior and of an image's code the same class, as a one-hot vector beside it."""
    model = tiny(Petals(2), labels=True)
    x, y = TEST["x"][:4], TEST["y"][:4]
    given, beside = [], []
    model.prior.draw = lambda n, rng, y: given.append(y) or np.zeros((n, 2), np.float32)
    model.discriminator.forward = lambda z: beside.append(as_tensor(z).numpy()) or as_tensor(z)
    model.discriminator_loss({"x": x, "y": y}, rng(0))
    np.testing.assert_array_equal(given[0], y)
    for seen in beside:
        np.testing.assert_array_equal(seen[:, 2:], np.eye(2)[y])
    assert len(beside) == 2


@pytest.mark.parametrize("prior", [Normal(3), SwissRoll(), Toy("pinwheel")])
def test_any_prior_that_can_be_drawn_from(prior):
    model = tiny(prior)
    for player in model.players():
        assert np.isfinite(next(iter(player.loss({"x": TEST["x"][:20]}, rng(0)).values())).item())
    assert model.latent == prior.latent and model.sample(4, rng(0)).shape == (4, 2)


@pytest.mark.parametrize("make, message", [
    (lambda: tiny(Normal(2), labels=True), "AAE: labels is True, and Normal has no classes; choose a prior that has"),
    (lambda: tiny(labels=True).discriminator_loss({"x": TEST["x"]}, rng(0)), "needs a column 'y', and the data have only x"),
    (lambda: tiny(Petals(2), labels=True).encoder_loss({"x": TEST["x"][:2], "y": np.array([0, 2])}, rng(0)),
     "y holds values from 0 to 2, expected 0 to 1"),
    (lambda: tiny().sample(2, rng(0), y=np.array([0, 1])), "AAE.sample: y is given, and D was told no labels"),
    (lambda: tiny().reconstruction_loss({"x": np.zeros((5, 3), np.float32)}, rng(0)), r"x has shape \(5, 3\), expected"),
])
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
