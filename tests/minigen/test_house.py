"""What is to move in: one model of every kind that is coming, in a few lines each, on toy networks.

Two unpaired sets with four players; a paired image; captions; a frozen part of another run, trained on demand; a
network that grows in three stages, killed and resumed; a condition with its null; a classifier of noisy images that
leads a sampler. Each trains, is cut and resumed bit for bit, draws, and is evaluated, and its figures say that it
learnt.
"""
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd import (
    Tensor,
    abs,
    backend,
    concatenate,
    cross_entropy,
    grad,
    log_softmax,
    mse_loss,
    no_grad,
    parameter,
    relu,
    silu,
    softplus,
)
from autograd.backend import asarray, normal
from minigen import checkpoint, cli, data, recipes, runs
from minigen.conditions import entries
from minigen.data import Dataset, Space, Unpaired
from minigen.diffusion import by_classifier, classifier_free, clipped, cosine_schedule, ddim, denoiser, noised
from minigen.evaluate import columns, draw_samples, evaluate, spread
from minigen.journal import CHECKPOINT, Journal
from minigen.metrics import Measure
from minigen.nn import MLP, Embedding, Frozen, Linear, Module, UNet
from minigen.optim import adam, cosine_decay, sgd
from minigen.player import Player
from minigen.recipes import recipe
from minigen.train import Plan, Run, Stage, one_stage, train

HERE = Path(__file__).parent
TINY = runpy.run_path(str(HERE / "tiny_cli.py"))


def rng(seed=0):
    return backend.rng(seed)


class Cut(Exception):
    pass


def trained(make, dataset, steps, tmp_path):
    """The run of a plan; and the proof that it can be cut after two thirds and resumed, bit for bit."""

    def begin():
        g = rng()
        return Run(make(dataset, g), dataset, rng=g, steps=steps)

    class Until(Journal):
        def note(self, run, terms):
            super().note(run, terms)
            if run.step == 2 * steps // 3:
                self.save(run)
                raise Cut

    whole = train(begin())
    with pytest.raises(Cut):
        train(begin(), Until(tmp_path))
    resumed = begin()
    resumed.restore(tmp_path / CHECKPOINT)
    train(resumed)
    for name, array in whole.model.state_dict().items():
        assert array.tobytes() == resumed.model.state_dict()[name].tobytes(), name
    return resumed


# Two unpaired sets, four players: a CycleGAN of points


class CycleGAN(Module):
    """G: a -> b, F: b -> a, and a critic for either set; |F(G(a)) - a| holds the maps together. Zhu et al. 2017."""

    def __init__(self, rng):
        self.G, self.F = (MLP((2, 32, 2), relu, rng=rng) for _ in range(2))
        self.D_a, self.D_b = (MLP((2, 32, 1), relu, rng=rng) for _ in range(2))

    def players(self):
        return [Player("D_a", self.D_a.parameters(), lambda batch, rng: self.critic(self.D_a, batch["a"], self.F, batch["b"])),
                Player("D_b", self.D_b.parameters(), lambda batch, rng: self.critic(self.D_b, batch["b"], self.G, batch["a"])),
                Player("G", self.G.parameters(), lambda batch, rng: self.mapping(self.G, self.F, self.D_b, batch["a"])),
                Player("F", self.F.parameters(), lambda batch, rng: self.mapping(self.F, self.G, self.D_a, batch["b"]))]

    def critic(self, D, real, translate, source):
        with no_grad():
            fake = translate(asarray(source))
        return {"loss": softplus(-D(asarray(real))).mean() + softplus(D(fake)).mean()}

    def mapping(self, there, back, D, x):
        y = there(asarray(x))
        return {"loss": softplus(-D(y)).mean() + 10.0 * abs(back(y) - asarray(x)).mean()}

    def measure(self, batch, rng):
        with no_grad():
            error = (self.F(self.G(asarray(batch["a"]))).numpy() - batch["a"]) ** 2
        return [Measure("cycle error", float(error.mean()))]


def cycle_plan(data, rng):
    return one_stage(CycleGAN(rng), adam(cosine_decay(1e-2)), steps=600, batch_size=64)


def two_sets():
    points = rng(5).standard_normal((2, 500, 2)).astype(np.float32)
    sets = {name: Dataset(name, "train", {"x": x + shift}, {"x": Space((2,))}, name)
            for name, x, shift in zip("ab", points, (np.float32(0), np.float32(3)))}
    sets["b"] = Dataset("b", "train", {"x": sets["b"]["x"][:300]}, {"x": Space((2,))}, "b")
    return Unpaired("a to b", "train", sets, "two clouds")


def test_two_unpaired_sets_with_four_players(tmp_path):
    sets = two_sets()
    assert len(sets) == 300 and list(sets.spaces) == ["a", "b"]
    run = trained(cycle_plan, sets, 600, tmp_path)
    assert [player.name for player in run.players] == ["D_a", "D_b", "G", "F"]
    assert run.batches.streams["a"].epoch == 4 * 600 // 7 and run.batches.streams["b"].epoch > run.batches.streams["a"].epoch
    assert evaluate(run.model, sets, rng())[0].value < 0.3  # a cloud has a mean square of 2
    with no_grad():
        moved = run.model.G(asarray(sets.sets["a"]["x"])).numpy()
    assert np.abs(moved.mean(axis=0) - 3).max() < 1.0


# A paired image


class Translator(Module):
    """An image from another one, p(x | source), and its mean only: a regression."""

    conditions = ("source",)

    def __init__(self, space, rng):
        self.space, self.net = space, MLP((space.size, 64, space.size), relu, rng=rng)

    def players(self):
        return [Player("net", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x_hat = self.net(self.space.rows(batch["source"]))
        return {"squared error": ((x_hat - self.space.rows(batch["x"])) ** 2).sum(axis=1).mean()}

    def sample(self, n, rng, source):
        with no_grad():
            return self.space.from_unit(self.net(self.space.rows(source)).data)

    def measure(self, batch, rng):
        return [Measure("squared error", self.loss(batch, rng)["squared error"].item())]


def paired(split):
    digits = data.load("digits", split)
    space = digits.spaces["x"]
    columns = {"x": digits["x"], "source": digits["x"][:, :, ::-1].copy()}
    return Dataset("upside_down", split, columns, {"x": space, "source": space}, f"digits upside down, {split}")


def test_a_paired_image(tmp_path):
    pairs, valid = paired("train"), paired("valid")
    run = trained(lambda data, rng: one_stage(Translator(data.spaces["x"], rng), adam(2e-3), 300, 64), pairs, 300, tmp_path)
    error, *_, distance = evaluate(run.model, valid, rng(), pairs)
    mean = ((run.model.space.drawn(valid["x"]) - run.model.space.drawn(pairs["x"]).mean(axis=0)) ** 2).sum(axis=(1, 2, 3))
    assert error.value < 0.5 * mean.mean() and distance.name == "energy distance"
    told = spread(run.model, valid, 32)["source"]
    assert told.shape == (32, 1, 8, 8) and columns({"source": told}, 32) == 8  # a row for each source
    draw_samples(run.model, 32, rng(), tmp_path / "s.png", valid)


# Captions


class Captioned(Module):
    """A point from a caption of up to three words, through a sum of their embeddings."""

    conditions = ("text",)

    def __init__(self, data, rng):
        self.space, self.words = data.spaces["x"], data.spaces["text"]
        self.embed = Embedding(self.words.levels, 16, rng=rng)
        self.net = MLP((18, 32, 2), relu, rng=rng)

    def players(self):
        return [Player("net", self.parameters(), self.loss)]

    def code(self, text):
        self.words.check(text, "text")
        return self.embed(text).sum(axis=1)  # (N, T, 16) -> (N, 16)

    def loss(self, batch, rng):
        x = self.space.unit(batch["x"])
        t = asarray(rng.random((len(x), 1), dtype=np.float32))
        eps = normal(rng, x.shape)
        v = self.velocity((1 - t) * x + t * eps, self.code(batch["text"]))
        return {"loss": mse_loss(v, Tensor(eps - x))}

    def velocity(self, x, code):
        return self.net(concatenated(x, code))

    def sample(self, n, rng, text):
        x, code = normal(rng, (n, 2)), self.code(text)
        with no_grad():
            for _ in range(20):
                x = x - self.velocity(Tensor(x), code).data / 20
        return self.space.from_unit(x)

    def measure(self, batch, rng):
        return [Measure("loss", self.loss(batch, rng)["loss"].item())]


def concatenated(x, code):
    return concatenate([x, code], axis=1)


WORDS = ("", "left", "right", "upper", "lower", "point")


def captions():
    g = rng(3)
    side, height = g.integers(2, size=400), g.integers(2, size=400)
    x = np.stack([4 * side - 2, 2 - 4 * height], axis=1) + 0.2 * g.standard_normal((400, 2))
    text = np.stack([3 + height, 1 + side, np.full(400, 5)], axis=1)
    return Dataset("captions", "train", {"x": x.astype(np.float32), "text": text.astype(np.int64)},
                   {"x": Space((2,)), "text": Space((3,), 6, WORDS)}, "captioned points")


def test_captions(tmp_path):
    points = captions()
    run = trained(lambda data, rng: one_stage(Captioned(data, rng), adam(5e-3), 600, 100), points, 600, tmp_path)
    asked = entries(["upper left point", "lower right"], "text", points)
    np.testing.assert_array_equal(asked, [[3, 1, 5], [4, 2, 0]])
    told = spread(run.model, points, 40, {"text": asked})
    samples = run.model.sample(40, rng(), **told)
    assert (np.sign(samples[:20].mean(axis=0)) == [-1, 1]).all() and (np.sign(samples[20:].mean(axis=0)) == [1, -1]).all()
    for text, message in (("upper leftt", "--text: 'leftt' is no word that .*did you mean 'left'"),
                          ("a b c d", "--text: 'a' is no word that"), ("left left left left", "has 4 words, the model reads 3")):
        with pytest.raises(ValueError, match=message):
            entries([text], "text", points)
    with pytest.raises(ValueError, match="text holds values from 0 to 9, expected 0 to 5"):
        run.model.sample(1, rng(), text=np.array([[0, 9, 1]]))


# A frozen part of another run


def call(*args, cwd, **environment):
    env = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TINY_EVALUATE": "no", **environment}
    return subprocess.run([sys.executable, str(HERE / "tiny_cli.py"), *map(str, args)], cwd=cwd, env=env, text=True,
                          capture_output=True, timeout=120)


def test_a_part_is_trained_on_demand_kept_and_never_moved(tmp_path):
    result = call("train", "on_part", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "'on_part' needs parts that are not trained yet: 'tiny'; timing a few steps of each" in result.stdout
    assert re.search(r"'tiny' about 1 s, 'on_part' about 1 s: \d s in all", result.stdout)
    assert "'on_part' needs a trained 'tiny': training it first, into 'runs/tiny'" in result.stdout
    assert result.stdout.index("one step takes") < result.stdout.index("into 'runs/on_part'")
    tensors, _ = checkpoint.load(tmp_path / "runs/on_part" / CHECKPOINT)
    assert [name for name in tensors if name.startswith("model")] == ["model.gain"]
    part, meta = checkpoint.load(tmp_path / "runs/on_part/parts/mean" / CHECKPOINT)
    whole, _ = checkpoint.load(tmp_path / "runs/tiny" / CHECKPOINT)
    assert sorted(part) == ["model.dropped", "model.noisy", "model.steps"] and meta["recipe"] == "tiny"
    np.testing.assert_array_equal(part["model.noisy"], whole["ema.average.noisy"])  # as samples are drawn

    (tmp_path / "runs/tiny").rename(tmp_path / "elsewhere")  # the run's folder is whole
    for command in (("sample", "runs/on_part", "-n", 4), ("train", "on_part", "--resume", "--steps", 30)):
        went_on = call(*command, cwd=tmp_path)
        assert went_on.returncode == 0 and "not trained yet" not in went_on.stdout
    assert checkpoint.load(tmp_path / "runs/on_part" / CHECKPOINT)[1]["step"] == 30

    named = call("train", "on_part", "--part", "mean=elsewhere", cwd=tmp_path)
    assert named.returncode == 0 and "mean: 'elsewhere', step 60" in named.stdout
    for option, message in (("mean=runs/on_part", "holds a run of 'on_part', and 'on_part' needs 'tiny' there"),
                            ("other=elsewhere", "--part 'other=elsewhere': expected NAME=RUN, and 'on_part' needs mean"),
                            ("mean=nowhere", "'nowhere' holds no run")):
        wrong = call("train", "on_part", "--part", option, cwd=tmp_path)
        assert wrong.returncode == 2 and message in wrong.stderr and wrong.stderr.count("\n") == 1


def test_a_frozen_module_is_no_child():
    inner = MLP((2, 3, 2), relu, rng=rng())
    weights = [p.numpy().copy() for p in inner.parameters()]
    outer = Module()
    outer.part, outer.head = Frozen(inner), Linear(2, 1, rng=rng())
    assert [name for name, _ in outer.named_parameters()] == ["head.weight", "head.bias"]
    outer.train()
    assert not inner.training and inner.parameters() == []
    x = parameter(normal(rng(1), (3, 2)))
    slope = grad((outer.head(outer.part(x)) ** 2).sum(), x)  # flows through it to its input
    assert np.abs(slope.numpy()).max() > 0
    sgd(0.1)(outer.parameters()).step(grad((outer.head(outer.part(x)) ** 2).sum(), outer.parameters()))
    for layer, before in zip((inner[0], inner[2]), (weights[:2], weights[2:])):
        np.testing.assert_array_equal(layer.weight.numpy(), before[0])
        np.testing.assert_array_equal(layer.bias.numpy(), before[1])
    assert repr(outer.part) == "Frozen(MLP)"


# A network that grows


def test_a_network_that_grows_in_three_stages(tmp_path):
    digits = data.load("digits")
    run = trained(TINY["grows"].plan, digits, 300, tmp_path)
    assert run.number == 2 and run.model.side() == 8
    error = (run.model().numpy() - digits.spaces["x"].drawn(digits["x"]).mean(axis=0)[0]) ** 2
    assert error.mean() < 0.02


def test_a_run_that_grew_is_loaded_and_sampled(tmp_path):
    assert call("train", "grows", "--steps", 40, cwd=tmp_path).returncode == 0
    tensors, meta = checkpoint.load(tmp_path / "runs/grows" / CHECKPOINT)
    assert meta["stage"]["number"] == 2 and "model.layers.2.weight" in tensors
    assert call("sample", "runs/grows", "-n", 4, cwd=tmp_path).returncode == 0


# A condition with its null; and a classifier of noisy images that leads a sampler


class Conditional(Module):
    """A diffusion of points, told the class or, for a share of the examples, nothing."""

    conditions = ("y",)

    def __init__(self, data, rng):
        self.space, self.schedule = data.spaces["x"], cosine_schedule(100)
        self.null = data.spaces["y"].levels
        self.embed, self.net = Embedding(self.null + 1, 16, rng=rng), MLP((2 + 16 + 1, 64, 64, 2), silu, rng=rng)

    def players(self):
        return [Player("net", self.parameters(), self.loss)]

    def network(self, x, t, y):
        time = asarray(np.float32(t).reshape(-1, 1) / self.schedule.T)
        return self.net(concatenated(concatenated(x, self.embed(y)), Tensor(time)))

    def loss(self, batch, rng):
        x_0 = self.space.unit(batch["x"])
        t, eps = rng.integers(1, self.schedule.T + 1, len(x_0)), normal(rng, x_0.shape)
        y = np.where(rng.random(len(x_0)) < 0.2, self.null, batch["y"])
        return {"loss": mse_loss(self.network(Tensor(self.schedule.q_sample(x_0, t, eps)), t, y), Tensor(eps))}

    def sample(self, n, rng, y, w=1.0):
        told, untold = (clipped(denoiser(self.network, y=label), -4, 4) for label in (y, np.full(n, self.null)))
        x = ddim(classifier_free(told, untold, w), normal(rng, (n, 2)), self.schedule.levels(20), rng=rng)
        return self.space.from_unit(x)

    def measure(self, batch, rng):
        return [Measure("loss", self.loss(batch, rng)["loss"].item())]


class NoisyClassifier(Module):
    """log p(y | x_t) at any level of noise."""

    def __init__(self, data, rng):
        self.space, self.schedule = data.spaces["x"], cosine_schedule(100)
        self.net = MLP((3, 64, data.spaces["y"].levels), silu, rng=rng)

    def players(self):
        return [Player("classifier", self.parameters(), self.loss)]

    def forward(self, x_t, t):
        return self.net(concatenated(x_t, Tensor(asarray(np.float32(t).reshape(-1, 1) / self.schedule.T))))

    def loss(self, batch, rng):
        x_0 = self.space.unit(batch["x"])
        t = rng.integers(1, self.schedule.T + 1, len(x_0))
        x_t = noised(x_0, normal(rng, x_0.shape), self.schedule.level(t))
        return {"cross entropy": cross_entropy(self(Tensor(x_t), t), asarray(batch["y"]))}

    def log_p(self, y):
        def log_p(x_t, level):
            return log_softmax(self(x_t, np.full(len(x_t), level.t)))[np.arange(len(y)), y]
        return log_p


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    points = data.load("eight_gaussians")
    plan = lambda data, rng: one_stage(Conditional(data, rng), adam(3e-3), 1500, 256)
    return points, trained(plan, points, 1500, tmp_path_factory.mktemp("conditional"))


def near(samples, y, radius=1.2):
    """The share of samples that are near the centre of their own class."""
    return (np.linalg.norm(samples - data.EIGHT_CENTRES[y], axis=1) < radius).mean()


def test_a_condition_with_its_null(conditional, tmp_path):
    points, run = conditional
    y = spread(run.model, points)["y"]
    np.testing.assert_array_equal(y, np.arange(8).repeat(8))
    with run.evaluating():
        assert near(run.model.sample(64, rng(), y), y) > 0.9
        lost = run.model.sample(64, rng(), np.full(64, 8))  # told nothing: anywhere among the eight
        assert near(lost, y) < 0.4 and min(np.linalg.norm(lost[:, None] - data.EIGHT_CENTRES, axis=2).min(axis=1)) < 0.5
    np.testing.assert_array_equal(spread(run.model, points, 6, {"y": entries(["3", "7"], "y", points)})["y"],
                                  [3, 3, 3, 7, 7, 7])
    with pytest.raises(ValueError, match="--y: '8' is none of 0 to 7"):
        entries(["8"], "y", points)


def test_a_classifier_of_noisy_images_leads_a_sampler(conditional, tmp_path):
    points, run = conditional
    plan = lambda data, rng: one_stage(NoisyClassifier(data, rng), adam(3e-3), 600, 256)
    classifier = Frozen(trained(plan, points, 600, tmp_path).model)
    model, y = run.model, np.arange(8).repeat(16)
    untold = clipped(denoiser(model.network, y=np.full(len(y), model.null)), -4, 4)
    x = normal(rng(), (len(y), 2))
    free = ddim(untold, x, model.schedule.levels(20))
    led = ddim(clipped(by_classifier(untold, classifier.log_p(y), 1.0), -4, 4), x, model.schedule.levels(20))
    assert near(free, y) < 0.3 < 0.6 < near(led, y)  # by chance 1/8


def test_a_conditional_recipe_on_the_command_line(tmp_path, monkeypatch, capsys):
    """The flags are the model's conditions, their values numbers or names; the grid has a row for each."""
    monkeypatch.chdir(tmp_path)

    class Label(Module):
        conditions = ("y",)

        def __init__(self, space, rng):
            self.space, self.mean = space, Embedding(10, space.size, rng=rng)

        def players(self):
            return [Player("mean", self.parameters(), self.loss)]

        def loss(self, batch, rng):
            return {"error": ((self.mean(batch["y"]) - self.space.rows(batch["x"])) ** 2).mean()}

        def sample(self, n, rng, y):
            return self.space.from_unit(self.mean(y).data)

        def measure(self, batch, rng):
            return []

    @recipe("the mean image of each class", "none")
    def label_means(data, rng):
        return one_stage(Label(data.spaces["x"], rng), adam(0.2), steps=200, batch_size=100)

    drawn = []
    monkeypatch.setattr("minigen.plot.grid", lambda images, path, columns=None: drawn.append((images, columns)))
    try:
        assert cli.main(["train", "label_means"]) == 0
        assert "class accuracy  " in capsys.readouterr().out
        images, wide = drawn[-1]
        assert len(images) == 80 and wide == 8
        for row in range(10):
            np.testing.assert_array_equal(images[8 * row], images[8 * row + 7])
        assert cli.main(["sample", "runs/label_means", "-n", "6", "--y", "3", "7"]) == 0
        digits = runs.load("runs/label_means").data
        images, wide = drawn[-1]
        assert wide == 3
        mean = digits.spaces["x"].drawn(digits["x"][digits["y"] == 7]).mean(axis=0)
        assert np.abs(images[-1] - mean).mean() < np.abs(images[0] - mean).mean()
        capsys.readouterr()
        assert cli.main(["sample", "runs/label_means", "--y", "eleven"]) == 2
        assert capsys.readouterr().err.startswith("minigen: --y: 'eleven' is none of 0 to 9, or 0, 1, 2")
        with pytest.raises(SystemExit):
            cli.main(["sample", "runs/label_means", "--text", "a"])
        assert "unrecognized arguments: --text a" in capsys.readouterr().err
    finally:
        recipes.registry._known.pop("label_means")


def test_conditions_reach_a_unet_through_a_denoiser():
    """The null of a U-Net stands where a denoiser is given no condition: one network, two denoisers."""
    unet = UNet(1, width=16, multipliers=(1, 2), blocks=1, groups=4, condition=5, rng=rng())
    for p in unet.parameters():
        p.data[...] = 0.2 * normal(rng(1), p.shape)
    c, x, level = normal(rng(2), (2, 5)), normal(rng(3), (2, 1, 8, 8)), cosine_schedule(10).level(np.int64(5))
    told, untold = denoiser(unet, condition=c), denoiser(unet)
    difference = told(x, level) - untold(x, level)
    assert np.abs(difference).max() > 1e-3
    np.testing.assert_allclose(classifier_free(told, untold, 2.0)(x, level), untold(x, level) + 3 * difference, atol=1e-3)


def test_a_stage_on_a_second_network_with_its_own_data_view(tmp_path):
    """An autoencoder, then a prior on its codes: two stages, two networks, two averages."""
    class Two(Module):
        def __init__(self, rng):
            self.first, self.second = Linear(64, 2, rng=rng), Linear(2, 2, rng=rng)

        def players(self):
            return [Player("first", self.first.parameters(), self.loss)]

        def prior(self):
            return [Player("second", self.second.parameters(), self.prior_loss)]

        def rows(self, batch):
            return asarray(batch["x"].reshape(-1, 64).astype(np.float32))

        def loss(self, batch, rng):
            return {"loss": (self.first(self.rows(batch)) ** 2).mean()}

        def prior_loss(self, batch, rng):
            with no_grad():
                z = self.first(self.rows(batch))
            return {"loss": ((self.second(z) - z) ** 2).mean()}

    def make(data, rng):
        model = Two(rng)
        return Plan(model, [Stage("codes", model.players, adam(1e-2), 20, 50, ema=(model.first, 0.9)),
                            Stage("prior", model.prior, adam(1e-2), 40, 20, ema=(model.second, 0.9))])

    run = trained(make, data.load("digits"), 60, tmp_path)
    assert run.first_step == 20 and run.batches.batch_size == 20
