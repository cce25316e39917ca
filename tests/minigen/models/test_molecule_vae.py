"""The VAE of molecules: its likelihood against sums over all texts, its bound, and what goes wrong unnoticed."""
import itertools

import numpy as np
import pytest

from autograd import Tensor, exp, grad, no_grad
from autograd.backend import normal
from minigen import data
from minigen.data import Space
from minigen.data.molecules import decode, encode
from minigen.densities import kl_standard_normal
from minigen.models.autoencoders import MoleculeVAE
from minigen.models.autoencoders.molecule_vae import backwards
from minigen.optim import Adam

TINY = Space((4,), 3)
QM9 = data.load("qm9", "valid").first(60)


def rng(seed=0):
    return np.random.default_rng(seed)


def tiny(kind=MoleculeVAE, **settings):
    return kind(TINY, latent=2, encoder=5, decoder=6, **settings, rng=rng())


def small(properties=True, seed=0):
    return MoleculeVAE(QM9.spaces["x"], QM9["properties"] if properties else None, latent=8, encoder=24, decoder=32,
                       rng=rng(seed))


def test_probabilities_sum_to_one_over_all_texts():
    """For any z. A text of full length that has not ended counts with all its continuations: the last token is free."""
    model = tiny()
    every = np.array([t for t in itertools.product(range(3), repeat=4)
                      if all(b == 0 for a, b in itertools.pairwise(t) if a == 0)])
    z = Tensor(np.float32(rng(1).standard_normal((1, 2)) * 3).repeat(len(every), axis=0))
    with no_grad():
        p = exp(model.log_prob(every, z)).numpy()
    assert p.sum() == pytest.approx(1, abs=1e-5)


def test_a_text_has_the_same_code_and_probability_in_every_batch():
    """However long its neighbours are."""
    model, x = small(), QM9["x"]
    z = Tensor(model.encode(x))
    short = (x > 0).sum(axis=1).argmin()
    one = slice(short, short + 1)
    np.testing.assert_allclose(model.encode(x[one]), z.numpy()[one], atol=1e-5)
    np.testing.assert_allclose(model.log_prob(x[one], z[one]).numpy(), model.log_prob(x, z).numpy()[one], rtol=1e-4)


def test_a_text_is_read_backwards_without_its_ends():
    x = encode(["CCO", "N"])
    assert decode(backwards(x, np.array([3, 1]))) == ["OCC", "N"]


def test_free_running_draws_have_the_probabilities_of_teacher_forcing():
    model, z = tiny(), np.float32(rng(1).standard_normal((1, 2)))
    model.first.weight.data *= 5  # far from uniform
    model.logits.weight.data *= 5
    drawn = model.decode(z.repeat(20_000, axis=0), rng(2))
    texts, counts = np.unique(drawn, axis=0, return_counts=True)
    with no_grad():
        p = np.exp(model.log_prob(texts, Tensor(z.repeat(len(texts), axis=0))).numpy())
    full = texts[:, 2] > 0  # what has not ended is cut off there
    error = 4 * np.sqrt(p / 20_000) + 1e-3
    assert (np.abs(counts / 20_000 - p)[~full] < error[~full]).all() and (~full).sum() >= 5


class MeanOverLatents(MoleculeVAE):
    """A KL that is Z times too small."""

    def loss(self, batch, rng):
        terms = super().loss(batch, rng)
        return {**terms, "loss": terms["loss"] - terms["KL"] + terms["KL"] / self.latent, "KL": terms["KL"] / self.latent}


class LittleNoise(MoleculeVAE):
    """Noise of standard deviation 0.01 in the place of sigma."""

    def loss(self, batch, rng):
        mu, logvar = self.encode_to(batch["x"])
        z = mu + 0.01 * exp(0.5 * logvar) * normal(rng, mu.shape)
        kl = kl_standard_normal(mu, logvar).sum(axis=-1).mean()
        return {"loss": kl - self.log_prob(batch["x"], z).mean(), "KL": kl}


def bound_error(kind):
    """How far the mean of the loss is from -ELBO, by quadrature over z and a sum over all texts' probabilities, in
    standard errors."""
    model, x = tiny(kind), np.array([[1, 2, 0, 0]])
    model.posterior.weight.data *= 4
    model.posterior.bias.data[:] = [1.0, -1.0, 1.0, 0.5]
    model.first.weight.data *= 8
    model.logits.weight.data *= 3
    with no_grad():
        mu, logvar = model.encode_to(x)
        nodes, weights = np.polynomial.hermite_e.hermegauss(30)
        eps = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
        w = np.outer(weights, weights).ravel() / weights.sum() ** 2
        z = mu.numpy() + np.exp(0.5 * logvar.numpy()) * eps
        exact = -(w * model.log_prob(x.repeat(900, axis=0), Tensor(np.float32(z))).numpy()).sum()
        exact += 0.5 * (mu.numpy() ** 2 + np.exp(logvar.numpy()) - 1 - logvar.numpy()).sum()
        losses = [model.loss({"x": x.repeat(200, axis=0)}, rng(i))["loss"].item() for i in range(60)]
    return abs(np.mean(losses) - exact) / (np.std(losses) / np.sqrt(60))


def test_the_loss_is_the_bound():
    assert bound_error(MoleculeVAE) < 4
    assert bound_error(MeanOverLatents) > 20
    assert bound_error(LittleNoise) > 20


def test_the_weight_of_the_kl_rises_by_the_clock():
    model, batch = small(properties=False), {"x": QM9["x"]}
    parts = []
    for model.done in (0.0, 1 / 6, 1 / 3, 1.0):
        terms = model.loss(batch, rng(1))
        parts.append((terms["loss"].item() - terms["reconstruction"].item()) / terms["KL"].item())
    assert parts == pytest.approx([0, 0.5, 1, 1], abs=1e-2)


def test_every_parameter_is_trained():
    for properties in (True, False):
        model = small(properties)
        player, = model.players()
        gradients = grad(player.loss(QM9.columns, rng())["loss"], player.params)
        assert {id(p) for p in player.params} == {id(p) for p in model.parameters()}
        assert all(np.any(g.numpy() != 0) for g in gradients)


def test_measures_notice_codes_that_say_nothing():
    """All codes alike: samples may look fine, and KL and reconstruction are 0."""
    model = small()
    model.posterior.weight.data[...] = 0
    model.posterior.bias.data[...] = 0
    _, kl, same, unexplained = (measure.value for measure in model.measure(QM9.columns, rng()))
    assert kl == 0 and same == 0 and unexplained > 0.9


def learnt_by_heart():
    model, texts = small(), {name: column[:6] for name, column in QM9.columns.items()}
    model.beta = 0.01
    optimizer, noise = Adam(model.parameters(), 1e-2), rng(1)
    for _ in range(120):
        optimizer.step(grad(model.loss(texts, noise)["loss"], optimizer.params))
    return model, texts


def test_a_few_are_learnt_by_heart_and_their_properties_can_be_climbed():
    model, texts = learnt_by_heart()
    _, kl, same, unexplained = (measure.value for measure in model.measure(texts, rng()))
    assert same > 0.8 and kl > 5 and unexplained < 0.2
    z = model.encode(texts["x"])
    before, after = (model.predict(code)[:, 0] for code in (z, model.ascend(z, 0, steps=5, length=0.1)))
    assert (after > before).mean() > 0.9
    step = np.linalg.norm(model.ascend(z, 0, steps=1, length=0.1) - z, axis=1)
    np.testing.assert_allclose(step, 0.1, rtol=1e-3)


def test_samples():
    model = small()
    x = model.sample(7, rng())
    assert x.shape == (7, 29) and x.dtype == np.int64 and (x[:, -1] == 0).all()
    assert all((row[np.argmax(row == 0):] == 0).all() for row in x)  # nothing after an end
    assert model.sample(0, rng()).shape == (0, 29)


@pytest.mark.parametrize("arguments, message", [
    (dict(space=Space((1, 8, 8), 17)), r"reads texts, and x has shape \(1, 8, 8\)"),
    (dict(latent=0), "latent is 0, expected at least 1"), (dict(beta=-1), "beta is -1, expected at least 0"),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MoleculeVAE(**{"space": TINY, **arguments}, rng=rng())


def test_bad_data():
    with pytest.raises(ValueError, match=r"x has shape \(4, 7\), expected \(N, 29\)"):
        small().loss({"x": np.zeros((4, 7), np.int64)}, rng())
    with pytest.raises(ValueError, match="x holds texts that do not end"):
        small().encode(np.ones((2, 29), np.int64))
    with pytest.raises(ValueError, match="is trained with properties, and the data have only x"):
        small().loss({"x": QM9["x"]}, rng())
