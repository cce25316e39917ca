"""A prior on codes: what it is trained on, what it measures and draws, and the run that trains its autoencoder first."""
import dataclasses
import shutil

import numpy as np
import pytest
import scipy.stats

from autograd import embedding, grad, parameter
from autograd.backend import asarray, to_numpy
from minigen import cli, data, recipes
from minigen.autoregressive import Autoregressive
from minigen.data import Space
from minigen.evaluate import evaluate
from minigen.models.codes import VQVAE, CodePrior
from minigen.nn import Frozen
from minigen.optim import Adam, adam
from minigen.quantize import EMACodebook, code_counts, entropy
from minigen.train import Run, one_stage, train

DIGITS = Space((1, 8, 8), 17)
LABELS = Space((), 10)


def rng(seed=0):
    return np.random.default_rng(seed)


class Pairs(Autoregressive):
    """p(k_i | k_{i-1}, y): a table at each place."""

    def __init__(self, space, conditions=None, *, rng):
        super().__init__(space, None, conditions)
        self.table = parameter(0.1 * rng.standard_normal((self.D * (self.K + 1) * 10, self.K), dtype=np.float32))

    def logits(self, x, y=None):
        x = to_numpy(self.to_sequence(x))
        before = np.concatenate([np.full((len(x), 1), self.K), x[:, :-1]], axis=1)  # (N, D)
        rows = (np.arange(self.D) * (self.K + 1) + before) * 10 + (0 if y is None else np.asarray(y)[:, None])
        return embedding(asarray(rows), self.table)


def autoencoder(K=6, seed=0):
    """A little trained, so that its codes say something of the images."""
    model = VQVAE(DIGITS, EMACodebook(K, 4, rng=rng(seed)), width=8, halvings=1, rng=rng(seed))
    digits = data.load("digits")
    train(Run(one_stage(model, adam(5e-3), 60, 50), digits, rng=rng(seed)))
    return model


@pytest.fixture(scope="module")
def parts():
    return Frozen(autoencoder())


def prior_of(part, conditional=False, seed=1):
    return CodePrior(part, Pairs(part.codes, {"y": LABELS} if conditional else None, rng=rng(seed)))


def test_it_is_trained_on_the_codes_that_decoding_will_see(parts):
    model, digits = prior_of(parts), data.load("digits").first(50)
    before = parts.module.state_dict()
    seen = model.view(digits)
    np.testing.assert_array_equal(seen["x"], parts.encode(digits["x"]))
    assert seen.spaces["x"] == parts.codes and list(seen.columns) == ["x"] and len(seen) == 50
    np.testing.assert_array_equal(parts.decode(seen["x"]), parts.reconstruct(digits["x"]))
    for batch in (seen.batch(slice(20)), seen.batch(slice(20, 50))):
        model.train().loss(batch, rng())
    assert all(a.tobytes() == before[name].tobytes() for name, a in parts.module.state_dict().items())


class TrainMode(VQVAE):
    """The broken one: it encodes as it trains, restarts and moving averages included."""

    def encode(self, x):
        self.train()
        _, codes, _ = self.codebook(self.encoder(self.space.unit(x)), rng(0))
        return to_numpy(codes)[:, None]


def test_codes_of_train_mode_are_noticed():
    """Encoded twice, they are not the same, and decoding does not know the first."""
    x = data.load("digits")["x"][:50]
    for kind, same in ((VQVAE, True), (TrainMode, False)):
        model = kind(DIGITS, EMACodebook(6, 4, restart=1, decay=0.5, rng=rng()), width=8, halvings=1, rng=rng())
        part = Frozen(model)
        first = CodePrior(part, Pairs(part.codes, rng=rng())).view(data.load("digits").first(50))["x"]
        assert np.array_equal(first, part.encode(x)) == same


def test_only_the_prior_is_trained_averaged_and_saved(parts):
    model = prior_of(parts)
    (player,) = model.players()
    assert [p.shape for p in player.params] == [model.prior.table.shape] and not parts.parameters()
    assert list(model.state_dict()) == ["prior.table"] and model.conditions == ()
    (g,) = grad(model.loss(model.view(data.load("digits")).batch(slice(50)), rng())["nats/code"], player.params)
    assert np.any(g.data != 0)


@pytest.mark.parametrize("conditional", [False, True])
def test_trained_it_is_below_the_entropy_of_single_codes(parts, conditional):
    digits, test = data.load("digits"), data.load("digits", "test")
    model = prior_of(parts, conditional)
    plan = one_stage(model, adam(0.1), 150, 100, view=model.view)
    run = train(Run(plan, digits, rng=rng()))
    assert not parts.module.training
    with run.evaluating():
        nats, bits, *judged = evaluate(model, test, rng(1), digits)
    H = entropy(code_counts(parts.encode(test["x"]), 6))
    assert nats.value < 0.9 * H and nats.unit == "nats/code" and f"{H:.3f}; uniform {np.log(6):.3f}" in nats.detail
    assert bits.value == pytest.approx(nats.value / np.log(2)) and bits.half_width > 0
    assert ("class accuracy" in [measure.name for measure in judged]) == conditional
    by_hand = -model.prior.log_prob(asarray(parts.encode(test["x"])), **({"y": test["y"]} if conditional else {}))
    assert nats.value == pytest.approx(by_hand.numpy().mean() / 16, rel=1e-5)
    valid = data.load("digits", "valid")
    assert run.validate(valid)["nats/code"] == pytest.approx(model.measure(valid.columns, rng())[0].value, rel=0.05)


def test_samples_are_decoded_draws(parts):
    model = prior_of(parts, conditional=True)
    y = np.arange(40) % 10
    images = model.sample(40, rng(3), y=y)
    np.testing.assert_array_equal(images, parts.decode(model.prior.draw(40, rng(3), y=y)))
    assert images.shape == (40, 1, 8, 8) and model.sample(0, rng(), y=y[:0]).shape == (0, 1, 8, 8)


def test_draws_have_the_frequencies_that_were_learnt():
    """The first code of a grid, of a prior that is trained to the end on three grids."""
    part = Frozen(autoencoder(K=3))
    model, grids = prior_of(part), np.repeat(np.uint8([[0], [1], [2]]), 16, axis=1).reshape(3, 1, 4, 4)
    x = grids[np.array([0] * 5 + [1] * 3 + [2] * 2)]
    optimizer = Adam(model.parameters(), 0.1)
    for _ in range(200):
        optimizer.step(grad(model.loss({"x": x}, rng())["nats/code"], optimizer.params))
    drawn = model.prior.draw(2000, rng(1))[:, 0, 0, 0]
    p = np.exp(np.float64(model.prior.logits(asarray(grids[:1])).numpy()[0, 0]))
    expected = 2000 * p / p.sum()
    assert scipy.stats.chisquare(np.bincount(drawn, minlength=3), expected).pvalue > 1e-3
    np.testing.assert_allclose(expected / 2000, [0.5, 0.3, 0.2], atol=0.02)


def test_a_codebook_of_more_than_256_codes_fits_a_data_set():
    part = Frozen(VQVAE(DIGITS, EMACodebook(300, 2, rng=rng()), width=8, halvings=1, rng=rng()))
    part.module.encode = lambda x: np.full((len(x), 1, 4, 4), 299)
    seen = CodePrior(part, Pairs(part.codes, rng=rng())).view(data.load("digits").first(5))
    assert seen["x"].min() == 299


def test_bad_input(parts):
    with pytest.raises(ValueError, match="autoencoder is a VQVAE, whose weights .* pass Frozen"):
        CodePrior(parts.module, Pairs(parts.codes, rng=rng()))
    with pytest.raises(ValueError, match=r"models \(1, 4, 4\) of 7 levels, and the codes are \(1, 4, 4\) of 6"):
        CodePrior(parts, Pairs(Space((1, 4, 4), 7), rng=rng()))
    with pytest.raises(ValueError, match="no column 'y', only x"):
        prior_of(parts, conditional=True).view(dataclasses.replace(
            data.load("digits"), columns={"x": data.load("digits")["x"]}, spaces={"x": DIGITS}))


# The run that needs another


@pytest.fixture
def short(monkeypatch):
    """The recipes of this family, four steps long."""

    def shortened(recipe):
        def plan(data, rng, **parts):
            made = recipe.plan(data, rng, **parts)
            for stage in made.stages:
                stage.steps = 4
            return made
        return dataclasses.replace(recipe, plan=plan)

    for name in ("vqvae", "vq_pixelcnn", "vq_transformer"):
        monkeypatch.setitem(recipes.registry._known, name, shortened(recipes.find(name)))


@pytest.mark.parametrize("name", ["vq_pixelcnn", "vq_transformer"])
def test_in_an_empty_folder_it_trains_its_autoencoder_first(name, short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", name, "--data", "digits"]) == 0
    shown = capsys.readouterr().out
    assert f"'vqvae' about 1 s, '{name}' about" in shown and " in all, and the time of the evaluations" in shown
    first, second = shown.index(f"'{name}' needs a trained 'vqvae': training it first"), shown.index(f"{name}: ")
    assert first < shown.index("vqvae: ") < second and shown.count("4 steps in") == 2
    assert "used codes" in shown[:second] and "nats/code" in shown[second:]

    shutil.rmtree(tmp_path / "runs" / "vqvae")  # the run is whole without it
    samples = tmp_path / "runs" / name / "samples.png"
    samples.unlink()
    assert cli.main(["sample", f"runs/{name}", "-n", "4"]) == 0 and samples.is_file()
    assert cli.main(["evaluate", f"runs/{name}", "-n", "20"]) == 0
    assert "nats/code" in capsys.readouterr().out
