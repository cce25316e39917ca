"""The loop does what it says for every player, looking on changes nothing, and a run can be cut anywhere."""
import io
import math
import os
import runpy
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import minigen.train
from autograd import backend, parameter, sqrt
from minigen import checkpoint, data
from minigen.ema import EMA
from minigen.nn import Module
from minigen.optim import SGD, Adam
from minigen.train import (
    CHECKPOINT, History, NonFiniteLoss, Player, format_duration, in_use, parse_duration, train)

TINY = runpy.run_path(str(Path(__file__).with_name("tiny_cli.py")))


CURVES = minigen.train.plot.curves


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Curves take matplotlib half a second: most tests do without."""
    monkeypatch.setattr(minigen.train.plot, "curves", lambda series, path: path.touch())


@pytest.fixture
def real_curves(quick, monkeypatch):
    monkeypatch.setattr(minigen.train.plot, "curves", CURVES)


def tiny(out=None, **settings):
    """Trains the tiny recipe from seed 0, as the command line does."""
    recipe = TINY["TINY"]
    rng = backend.rng(0)
    dataset, valid = data.load("digits"), data.load("digits", "valid")
    model = recipe.model(dataset, rng)
    optimizers = {player.name: recipe.optimizers[player.name](player.params) for player in model.players()}
    settings = {"steps": 20, "valid": [(valid.x[:100], valid.y[:100])], **settings}
    return train(model, data.Batches(dataset, recipe.batch_size, rng), optimizers, rng=rng, out=out,
                 ema=EMA(model, recipe.ema), clip=recipe.clip, **settings)


def contents(out):
    """All that a checkpoint holds but the seconds that it took."""
    tensors, meta = checkpoint.load(out / CHECKPOINT)
    return {name: (a.dtype, a.shape, a.tobytes()) for name, a in tensors.items()}, {**meta, "seconds": None}


class Numbers:
    """Batches 1, 2, 3, ..."""

    def __init__(self):
        self.count = 0

    def __next__(self):
        self.count += 1
        return self.count, None

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


class Line(Module):
    """One weight per player; the loss is batch number times the weight, so the gradient tells the batch."""

    def __init__(self, *names, repeat=1):
        self.names, self.repeat, self.seen = names, repeat, []
        for name in names:
            setattr(self, name, parameter([0.0]))

    def players(self):
        return [Player(name, [getattr(self, name)], self.make_loss(name), self.repeat if i == 0 else 1)
                for i, name in enumerate(self.names)]

    def make_loss(self, name):
        def loss(batch, rng):
            self.seen.append((name, batch[0]))
            weight = getattr(self, name)
            return {"loss": (batch[0] * weight).sum(), "weight": weight.sum() * 1000.0}
        return loss


def line_run(model, steps=1, lr=1.0, **settings):
    optimizers = {name: SGD([getattr(model, name)], lr) for name in model.names}
    return train(model, Numbers(), optimizers, steps, rng=backend.rng(0), **settings)


def test_each_player_moves_in_turn_repeat_times_on_a_batch_of_its_own_by_its_first_term():
    model = Line("critic", "actor", repeat=2)
    run = line_run(model, steps=2)
    assert model.seen == [("critic", 1), ("critic", 2), ("actor", 3),
                          ("critic", 4), ("critic", 5), ("actor", 6)]
    assert (model.critic.item(), model.actor.item()) == (-1 - 2 - 4 - 5, -3 - 6)  # no part of the second term
    curves = run.history.curves()
    assert list(curves) == ["train/critic: loss", "train/critic: weight",
                            "train/actor: loss", "train/actor: weight"]
    np.testing.assert_array_equal(curves["train/actor: loss"], [[0, 1], [0, 6 * -3]])
    np.testing.assert_array_equal(curves["train/critic: loss"][1], [(0 + 2 * -1) / 2, (4 * -3 + 5 * -7) / 2])
    assert list(line_run(Line("only")).history.sums) == ["train/loss", "train/weight"]


def test_clip_shortens_the_gradient_and_leaves_short_ones():
    model = Line("w")
    line_run(model, steps=4, clip=2.5)
    assert model.w.item() == pytest.approx(-(1 + 2 + 2.5 + 2.5))


def test_average_follows_once_a_step_and_is_what_samples_are_drawn_with(tmp_path):
    model = Line("w", repeat=2)
    seen = []
    model.sample = lambda n, rng: seen.append((model.training, model.w.item())) or np.zeros((n, 1, 2, 2))
    ema = EMA(model, 0.9)
    line_run(model, steps=3, ema=ema, out=tmp_path)
    assert ema.updates == 3
    with in_use(model, ema):
        average = model.w.item()
    assert seen == [(False, average)] and average != model.w.item() == -21 and model.training


def test_looking_on_changes_nothing(tmp_path, monkeypatch):
    seldom = tiny(tmp_path / "seldom")
    monkeypatch.setattr(minigen.train, "SAVE_SECONDS", 0)
    monkeypatch.setattr(minigen.train, "DRAW_SECONDS", 0)
    monkeypatch.setattr(minigen.train, "_next_time", lambda began, interval: 0)  # after every step
    often = tiny(tmp_path / "often")
    unwatched = tiny(valid=())
    assert contents(tmp_path / "seldom") == contents(tmp_path / "often")
    for run in (often, unwatched):
        np.testing.assert_array_equal(run.model.noisy.numpy(), seldom.model.noisy.numpy())
        np.testing.assert_array_equal(run.model.dropped.numpy(), seldom.model.dropped.numpy())


@pytest.mark.parametrize("cut", [1, 7, 19, 20])
def test_a_run_in_two_sittings_is_the_run_in_one(tmp_path, cut):
    tiny(tmp_path / "one")
    tiny(tmp_path / "two", steps=cut)
    tiny(tmp_path / "two", steps=20, resume=True)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert (tmp_path / "one/samples.png").read_bytes() == (tmp_path / "two/samples.png").read_bytes()


def test_the_curves_of_two_sittings_are_those_of_one(tmp_path, real_curves):
    tiny(tmp_path / "one")
    tiny(tmp_path / "two", steps=7)
    tiny(tmp_path / "two", steps=20, resume=True)
    assert (tmp_path / "one/curves.png").read_bytes() == (tmp_path / "two/curves.png").read_bytes()


@pytest.mark.parametrize("part", ["rng", "loader", "optimizer", "ema", "history", "model.steps"])
def test_that_comparison_notices_whatever_is_not_restored(tmp_path, monkeypatch, part):
    tiny(tmp_path / "one")
    tiny(tmp_path / "two", steps=7)
    tensors, meta = checkpoint.load(tmp_path / "two" / CHECKPOINT)
    fresh = tmp_path / "fresh"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # leaves the checkpoint of step 0
        patch.setattr(minigen.train.Run, "advance", interrupt)
        tiny(fresh)
    start, start_meta = checkpoint.load(fresh / CHECKPOINT)
    tensors |= {name: array for name, array in start.items() if name.startswith(part)}
    if part == "history":
        meta["terms"] = []
    if part in meta:
        meta[part] = start_meta[part]
    checkpoint.save(tmp_path / "two" / CHECKPOINT, tensors, meta)
    tiny(tmp_path / "two", steps=20, resume=True)
    assert contents(tmp_path / "one") != contents(tmp_path / "two")


def interrupt(run):
    raise KeyboardInterrupt


def test_a_run_is_never_overwritten(tmp_path):
    tiny(tmp_path, steps=2)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match="holds a run; choose another folder or resume it"):
        tiny(tmp_path, steps=2)
    assert contents(tmp_path) == before


def test_pictures_are_there_after_the_first_interval(tmp_path, monkeypatch):
    monkeypatch.setattr(minigen.train, "DRAW_SECONDS", 0)
    seen = []
    advance = minigen.train.Run.advance

    def looking(run):
        seen.append(sorted(file.name for file in tmp_path.iterdir()))
        return advance(run)

    monkeypatch.setattr(minigen.train.Run, "advance", looking)
    tiny(tmp_path, steps=3)
    assert seen == [[CHECKPOINT]] + 2 * [[CHECKPOINT, "curves.png", "samples.png"]]
    assert imread(tmp_path / "samples.png").std() > 0.1


def test_points_are_drawn_over_the_data(tmp_path, monkeypatch):
    model = Line("w")
    model.sample = lambda n, rng: rng.standard_normal((n, 2))
    drawn = {}
    monkeypatch.setattr(minigen.train.plot, "scatter",
                        lambda points, path, data: drawn.update(n=len(points), data=data))
    points = np.ones((10, 2), np.float32)
    model.make_loss = lambda name: lambda batch, rng: {"loss": model.w.sum()}
    line_run(model, out=tmp_path, samples=33, valid=[(points, None), (points, None)])
    assert drawn["n"] == 33 and drawn["data"].shape == (20, 2)


# Limits


def test_steps_and_budget_whichever_comes_first(monkeypatch):
    clock = Clock(monkeypatch)
    assert line_run(clock.model(), steps=5, budget=100.0).step == 5
    assert line_run(clock.model(), steps=100, budget=5.5).step == 6  # a step takes a second of this clock
    assert line_run(clock.model(), steps=None, budget=3.0).step == 3
    with pytest.raises(ValueError, match="neither steps nor budget"):
        line_run(Line("w"), steps=None)


def test_the_budget_counts_all_sittings(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    model = clock.model()
    assert line_run(model, steps=4, out=tmp_path).seconds == 4
    run = line_run(clock.model(), steps=None, budget=6.0, out=tmp_path, resume=True)
    assert (run.step, run.seconds) == (6, 6)


def test_a_budget_stretches_the_schedules_over_its_time(tmp_path, monkeypatch):
    """Steps of a second: planned for 60, a rate is at 0, 10, 20, ... in a budget of 6. Twice as many repeats, twice
    as far; and the second sitting goes on where the first was."""
    clock, seen = Clock(monkeypatch), []
    noted = lambda at: seen.append(at) or 0.5
    line_run(clock.model(), lr=noted, steps=4, budget=6.0, planned=60, out=tmp_path)
    line_run(clock.model(), lr=noted, steps=None, budget=6.0, planned=60, out=tmp_path, resume=True)
    assert seen == [0, 10, 20, 30, 40, 50]

    seen.clear()
    model = clock.model()
    model.repeat = 2
    line_run(model, lr=noted, steps=2, budget=6.0, planned=60)
    assert seen == [0, 0, 40, 40]

    seen.clear()
    line_run(clock.model(), lr=noted, steps=3, planned=60)  # without a budget, a rate goes by steps
    assert seen == [0, 1, 2]


class Clock:
    """time.perf_counter, replaced by a clock that only steps of its models move, by a second each."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(minigen.train.time, "perf_counter", lambda: self.now)

    def model(self):
        model = Line("w")
        model.sample = lambda n, rng: np.zeros((n, 1, 2, 2))
        inner = model.make_loss

        def make_loss(name):
            def loss(batch, rng):
                self.now += 1.0
                return inner(name)(batch, rng)
            return loss

        model.make_loss = make_loss
        return model


def test_it_says_how_long_the_run_will_take(monkeypatch, capsys):
    clock = Clock(monkeypatch)
    line_run(clock.model(), steps=100)
    assert "one step takes 1e+03 ms here: 96 steps to go, about 1 min 36 s" in capsys.readouterr().out
    run = line_run(clock.model(), steps=1000, budget=61.0)
    assert "57 steps to go, about 57 s" in capsys.readouterr().out
    assert run.batches.count == run.step == 61  # the timed steps are steps of the run


def test_a_model_without_players_has_no_steps(tmp_path):
    model = Line()
    model.sample = lambda n, rng: np.zeros((n, 1, 2, 2))
    run = line_run(model, steps=5, budget=5.0, out=tmp_path)
    assert run.step == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == [CHECKPOINT, "samples.png"]


# What goes wrong


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    recipe, rng = TINY["EXPLODES"], backend.rng(0)
    dataset = data.load("digits")

    def run(**settings):
        model = recipe.model(dataset, rng)
        train(model, data.Batches(dataset, 50, rng), {"explodes": SGD([model.noisy], 0.1)}, rng=rng,
              out=tmp_path, **settings)

    run(steps=5)
    good = contents(tmp_path)
    with pytest.raises(NonFiniteLoss) as error:
        run(steps=20, resume=True)
    assert str(error.value).startswith("step 7, player 'explodes': log of room is nan (total 0.0")
    assert f"'{tmp_path / CHECKPOINT}' holds step 5" in str(error.value) and "--debug" in str(error.value)
    assert contents(tmp_path) == good


def test_a_gradient_that_is_not_finite_touches_no_weight():
    model = Line("w")
    model.make_loss = lambda name: lambda batch, rng: {"root": sqrt(model.w).sum()}  # infinite slope at 0
    with pytest.raises(NonFiniteLoss, match="step 0, player 'w': norm of the gradient is inf .root 0."):
        line_run(model)
    assert model.w.item() == 0.0


def test_a_second_term_that_is_not_finite_is_named_too():
    model = Line("w")
    model.make_loss = lambda name: lambda batch, rng: {"loss": model.w.sum(), "other": model.w * math.inf}
    with pytest.raises(NonFiniteLoss, match="other is nan"):
        line_run(model)


def test_a_validation_loss_that_is_not_finite_is_left_out():
    model = Line("w")
    model.make_loss = lambda name: lambda batch, rng: {
        "loss": model.w.sum(), "other": model.w.sum() * (0.0 if model.training else math.inf)}
    run = line_run(model, valid=[(1, None)], steps=3)
    assert sorted(run.history.sums) == ["train/loss", "train/other", "valid/loss"]


def test_mistakes_in_a_model_are_named():
    model = Line("w")
    with pytest.raises(ValueError, match="player 'w' has no optimizer among .'v'."):
        train(model, Numbers(), {"v": SGD([model.w], 1.0)}, 1, rng=backend.rng(0))
    model.make_loss = lambda name: lambda batch, rng: {"loss": model.w * np.ones(3)}
    with pytest.raises(ValueError, match=r"term 'loss' of player 'w' has shape \(3,\), expected one number"):
        line_run(model)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_run_after_the_step_and_saves_it(tmp_path, name):
    model = Line("w")

    def make_loss(name_of_player):
        def loss(batch, rng):
            if batch[0] == 4:
                os.kill(os.getpid(), getattr(signal, name))
            return {"loss": model.w.sum()}
        return loss

    model.make_loss = make_loss
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run = line_run(model, steps=100, out=tmp_path)
    assert (run.stopped_by, run.step) == (name, 4)
    assert contents(tmp_path)[1]["step"] == 4
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert line_run(Line("w")).stopped_by is None


def test_the_second_interrupt_acts_at_once(tmp_path, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start without
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    model = Line("w")

    def make_loss(name):
        def loss(batch, rng):
            waiting = signal.getsignal(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            while signal.getsignal(signal.SIGINT) is waiting:  # another thread may be the one that is told
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)  # interrupted
            return {"loss": model.w.sum()}
        return loss

    model.make_loss = make_loss
    with pytest.raises(KeyboardInterrupt):
        line_run(model, out=tmp_path)


# History


@pytest.mark.parametrize("steps", [5, 1024, 1025, 5000])
def test_history_keeps_exact_means_in_bounded_space(steps):
    values = np.random.default_rng(0).integers(0, 1000, steps).astype(float)  # integers: sums are exact
    history = History()
    for step, value in enumerate(values):
        history.add(step, "train", {"loss": value})
        if step % 100 == 0:
            history.add(step, "valid", {"loss": -value})
    window = history.window
    assert window == max(1, 2 ** math.ceil(math.log2(steps / 1024)))
    at, means = history.curves()["train/loss"]
    np.testing.assert_array_equal(at, np.arange(0, steps, window))
    np.testing.assert_array_equal(means, [values[i:i + window].mean() for i in at])
    at, means = history.curves()["valid/loss"]
    assert len(at) == math.ceil(steps / 100)
    np.testing.assert_array_equal(means, -values[::100])

    again = History()
    again.load_state_dict(history.state_dict(), list(history.sums))
    for h in (history, again):
        h.add(steps + 3000, "train", {"loss": 7.0, "late": 1.0})
    for name, (at, means) in history.curves().items():
        np.testing.assert_array_equal((at, means), again.curves()[name])


# Time


@pytest.mark.parametrize("text, seconds", [
    ("90s", 90), ("5m", 300), ("1h", 3600), ("1h30m", 5400), ("1h0m5s", 3605), ("1.5h", 5400), (" 2M ", 120)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", [
    "", "5", "m", "-5m", "5 minutes", "30m1h", "1..5h", ".s", "0s", "1e3s", "nan s", "5m5m"])
def test_what_is_not_a_duration(text):
    with pytest.raises(ValueError, match="budget is '.*', expected .*90s, 5m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("seconds, text", [
    (0.2, "1 s"), (59, "59 s"), (60, "1 min 00 s"), (130, "2 min 10 s"), (3600, "1 h 00 min"),
    (7500, "2 h 05 min")])
def test_durations_in_words(seconds, text):
    assert format_duration(seconds) == text


def test_the_bar_shows_terms_and_time_left(monkeypatch):
    shown = io.StringIO()
    bar = minigen.train.tqdm
    monkeypatch.setattr(minigen.train, "tqdm", lambda **settings: bar(
        **{**settings, "disable": False, "file": shown, "mininterval": 0, "ncols": 120,
           "dynamic_ncols": False}))
    line_run(Line("w"), steps=3)
    last = shown.getvalue().split("\r")[-1]
    # Losses 0, -2, -9 and weights 0, -1000, -3000, smoothed by 0.95 and 0.05.
    assert "3/3 [00:00<00:00" in last and "loss -0.545" in last and "weight -197.5" in last


def test_adam_state_is_in_the_checkpoint(tmp_path):
    model = Line("w")
    model.sample = lambda n, rng: np.zeros((n, 1, 2, 2))
    optimizers = {"w": Adam([model.w], 0.1)}
    train(model, Numbers(), optimizers, 3, rng=backend.rng(0), out=tmp_path, about={"recipe": "line"})
    tensors, meta = checkpoint.load(tmp_path / CHECKPOINT)
    assert {"model.w", "optimizer.w.m.0", "optimizer.w.steps", "history.train/loss"} <= set(tensors)
    assert (meta["recipe"], meta["step"], meta["loader"]) == ("line", 3, {"count": 3})
