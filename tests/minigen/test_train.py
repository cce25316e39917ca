"""The loop does what it says for every player, looking on changes nothing, and a run can be cut anywhere."""
import io
import itertools
import math
import os
import runpy
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import minigen.journal
import minigen.train
from autograd import backend, parameter, sqrt
from minigen import checkpoint, data
from minigen.evaluate import draw_samples
from minigen.journal import CHECKPOINT, History, Journal, format_duration, parse_duration
from minigen.nn import Module
from minigen.optim import adam, cosine_decay, sgd
from minigen.player import Player
from minigen.recipes import find
from minigen.train import NonFiniteLoss, Plan, Run, Stage, expected_seconds, one_stage, train

RECIPES = runpy.run_path(str(Path(__file__).with_name("tiny_cli.py")))
CURVES = minigen.journal.plot.curves


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Curves take matplotlib half a second: most tests do without."""
    monkeypatch.setattr(minigen.journal.plot, "curves", lambda series, path: path.touch())


@pytest.fixture
def real_curves(quick, monkeypatch):
    monkeypatch.setattr(minigen.journal.plot, "curves", CURVES)


def sitting(out, name="tiny", valid=True, **limits):
    """One sitting of a recipe's run from seed 0, into `out`, or on with what is there, as the command line has it."""
    rng, digits = backend.rng(0), data.load("digits")
    plan = RECIPES[name].plan(digits, rng)
    run = Run(plan, digits, rng=rng, **(limits or {"steps": 20}))
    draw = lambda path: draw_samples(plan.model, 16, backend.rng(0), path, digits)
    if out is None:
        return train(run)
    out.mkdir(exist_ok=True)
    if (out / CHECKPOINT).exists():
        run.restore(out / CHECKPOINT)
    return train(run, Journal(out, data.load("digits", "valid") if valid else None, draw, {"recipe": name}))


def contents(out):
    """All that a checkpoint holds but the seconds that it took."""
    tensors, meta = checkpoint.load(out / CHECKPOINT)
    stage = meta["stage"] and {**meta["stage"], "first_second": None}
    changed = {"seconds": None, "cpu_seconds": None, "stage": stage}
    return {name: (a.dtype, a.shape, a.tobytes()) for name, a in tensors.items()}, {**meta, **changed}


class Numbers:
    """Data whose batches are 1, 2, 3, ..."""

    name = "numbers"

    def __len__(self):
        return 10

    def first(self, n):
        return self

    def batches(self, batch_size, rng, shuffle=True):
        return Counting()


class Counting:
    def __init__(self):
        self.count = 0

    def __len__(self):
        return 1

    def __next__(self):
        self.count += 1
        return {"x": self.count}

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
            self.seen.append((name, batch["x"]))
            weight = getattr(self, name)
            return {"loss": (batch["x"] * weight).sum(), "weight": weight.sum() * 1000.0}
        return loss


def line_run(model, steps=1, lr=1.0, journal=None, budget=None, planned=1, resume=None, **settings):
    plan = one_stage(model, sgd(lr), planned, 10, **settings) if model.names else Plan(model)
    run = Run(plan, Numbers(), rng=backend.rng(0), steps=steps, budget=budget)
    if resume:
        run.restore(resume / CHECKPOINT)
    return train(run, journal)


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


def test_a_player_without_data_takes_none():
    model = Line("critic", "actor")
    critic, actor = model.players()
    given = []
    dreaming = Player("actor", actor.params, lambda n, rng: given.append(n) or {"loss": model.actor.sum()}, data=False)
    model.players = lambda: [critic, dreaming]
    line_run(model, steps=3)
    assert given == [10, 10, 10] and [x for _, x in model.seen] == [1, 2, 3]


def test_a_parameter_that_takes_no_part_stays_as_it_is():
    model = Line("w")
    model.idle = parameter([3.0])
    model.players = lambda: [Player("w", [model.w, model.idle], model.make_loss("w"))]
    run = Run(one_stage(model, adam(0.1), 1, 10, clip=1.0), Numbers(), rng=backend.rng(0), steps=4)
    train(run)
    assert model.idle.item() == 3.0 and model.w.item() < 0
    model.players = lambda: [Player("w", [model.idle], model.make_loss("w"))]
    assert line_run(model, steps=2).step == 2 and model.idle.item() == 3.0  # none of them takes part: nothing moves


def test_clip_shortens_the_gradient_and_leaves_short_ones():
    model = Line("w")
    line_run(model, steps=4, clip=2.5)
    assert model.w.item() == pytest.approx(-(1 + 2 + 2.5 + 2.5))


def test_average_follows_once_a_step_and_is_what_samples_are_drawn_with(tmp_path):
    model = Line("w", repeat=2)
    seen = []
    journal = Journal(tmp_path, draw=lambda path: seen.append((model.training, model.w.item())))
    run = line_run(model, steps=3, ema=0.9, journal=journal)
    assert run.ema.updates == 3
    with run.evaluating():
        average = model.w.item()
    assert seen == [(False, average)] and average != model.w.item() == -21 and model.training


def test_a_settled_model_is_what_samples_are_drawn_with():
    """And what a recipe's trained() returns."""
    digits = data.load("digits")
    run = Run(find("ddpm").plan(digits, rng := backend.rng(0)), digits, rng=rng, steps=3)
    train(run)
    with run.evaluating():
        averaged = {name: array.copy() for name, array in run.model.state_dict().items()}
    raw = run.model.state_dict()
    assert any(not np.array_equal(raw[name], averaged[name]) for name in raw)
    trained = find("ddpm").trained(digits, steps=3)
    for model in run.settled(), trained:
        assert not model.training and model.done == 1.0
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, averaged[name])


def test_an_average_is_of_what_it_is_told_and_of_nothing_else():
    model = Line("w")
    model.other = Line("v")
    run = line_run(model, steps=2, ema=(model.other, 0.9))
    assert list(run.ema.state_dict()) == ["updates", "average.v"]


def test_looking_on_leaves_every_module_in_its_own_mode(tmp_path):
    model = Line("w")
    model.frozen = Line("v").eval()
    run = Run(one_stage(model, sgd(1.0), 1, 10), Numbers(), rng=backend.rng(0), steps=1)
    model.train()
    model.frozen.training = False
    run.validate(Numbers())
    with run.evaluating():
        assert not model.training
    assert model.training and not model.frozen.training


def test_looking_on_changes_nothing(tmp_path, monkeypatch):
    seldom = sitting(tmp_path / "seldom")
    monkeypatch.setattr(minigen.journal, "SAVE_SECONDS", 0)
    monkeypatch.setattr(minigen.journal, "DRAW_SECONDS", 0)
    monkeypatch.setattr(minigen.journal, "_next_time", lambda began, interval: 0)  # after every step
    often = sitting(tmp_path / "often")
    unwatched = sitting(None)
    assert contents(tmp_path / "seldom") == contents(tmp_path / "often")
    for run in (often, unwatched):
        np.testing.assert_array_equal(run.model.noisy.numpy(), seldom.model.noisy.numpy())
        np.testing.assert_array_equal(run.model.dropped.numpy(), seldom.model.dropped.numpy())


class Stopped(Exception):
    pass


def stop_after(monkeypatch, steps):
    """Runs end by an error after so many steps, saved: a sitting that is cut, with the run's own limits."""
    note = Journal.note

    def noting(journal, run, terms):
        note(journal, run, terms)
        if run.step == steps:
            journal.save(run)
            raise Stopped
    monkeypatch.setattr(Journal, "note", noting)


@pytest.mark.parametrize("name, steps, cut", [("tiny", 20, 1), ("tiny", 20, 7), ("tiny", 20, 19)] + [
    ("grows", 60, cut) for cut in (5, 20, 21, 33, 40, 41, 59)])
def test_a_run_in_two_sittings_is_the_run_in_one(tmp_path, monkeypatch, name, steps, cut):
    """Also where a plan has three stages, and the network grew before the cut."""
    sitting(tmp_path / "one", name, steps=steps)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_after(patch, cut)
        sitting(tmp_path / "two", name, steps=steps)
    sitting(tmp_path / "two", name, steps=steps)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert (tmp_path / "one/samples.png").read_bytes() == (tmp_path / "two/samples.png").read_bytes()


def test_the_curves_of_two_sittings_are_those_of_one(tmp_path, real_curves, monkeypatch):
    sitting(tmp_path / "one")
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_after(patch, 7)
        sitting(tmp_path / "two")
    sitting(tmp_path / "two")
    assert (tmp_path / "one/curves.png").read_bytes() == (tmp_path / "two/curves.png").read_bytes()


@pytest.mark.parametrize("part", ["rng", "loader", "optimizer", "ema", "history", "model.steps"])
def test_that_comparison_notices_whatever_is_not_restored(tmp_path, monkeypatch, part):
    sitting(tmp_path / "one")
    for out, cut in (("two", 7), ("fresh", 1)):
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_after(patch, cut)
            sitting(tmp_path / out)
    tensors, meta = checkpoint.load(tmp_path / "two" / CHECKPOINT)
    start, start_meta = checkpoint.load(tmp_path / "fresh" / CHECKPOINT)
    tensors |= {name: array for name, array in start.items() if name.startswith(part)}
    if part in meta:
        meta[part] = start_meta[part]
    checkpoint.save(tmp_path / "two" / CHECKPOINT, tensors, meta)
    sitting(tmp_path / "two")
    assert contents(tmp_path / "one") != contents(tmp_path / "two")


@pytest.mark.parametrize("change, message", [
    ({"batch_size": 20}, "stages batch size 50, this one has 20"),
    ({"clip": 2.0}, "stages clip 1.0, this one has 2.0"),
    ({"ema": 0.5}, "stages average 0.9, this one has 0.5"),
    ({"optimizers": sgd(0.5, momentum=0.9)}, "players noisy optimizer kind Adam, this one has SGD"),
    ({"optimizers": {"noisy": adam(cosine_decay(0.05)), "dropped": sgd(0.5, momentum=0.9)}},
     "players noisy optimizer rates 0.05, this one has 0.04"),
])
def test_a_run_does_not_go_on_with_other_settings(tmp_path, change, message):
    sitting(tmp_path, steps=3)
    digits, rng = data.load("digits"), backend.rng(0)
    settings = {"steps": 60, "batch_size": 50, "ema": 0.9, "clip": 1.0,
                "optimizers": {"noisy": adam(0.05), "dropped": sgd(0.5, momentum=0.9)}, **change}
    plan = one_stage(RECIPES["Tiny"](digits.spaces["x"], rng), **settings)
    with pytest.raises(ValueError, match=f"cannot resume: the saved run has {message}"):
        Run(plan, digits, rng=rng).restore(tmp_path / CHECKPOINT)


@pytest.mark.parametrize("damage", [
    {"step": "three"}, {"stage": {"number": 7}}, {"stage": 5}, {"rng": {}}, {"rng": None}, {"loader": []},
    {"terms": ["train/none"]}, {"settings": None}], ids=str)
def test_metadata_that_are_not_a_runs_are_one_line(tmp_path, damage):
    sitting(tmp_path, steps=3)
    tensors, meta = checkpoint.load(tmp_path / CHECKPOINT)
    checkpoint.save(tmp_path / CHECKPOINT, tensors, {**meta, **damage})
    with pytest.raises(ValueError) as error:
        sitting(tmp_path, steps=3)
    assert "\n" not in str(error.value)


def test_pictures_are_there_after_the_first_interval(tmp_path, monkeypatch):
    monkeypatch.setattr(minigen.journal, "DRAW_SECONDS", 0)
    monkeypatch.setattr(minigen.journal, "SAVE_SECONDS", 0)
    seen = []
    advance = Run.advance

    def looking(run):
        seen.append(sorted(file.name for file in tmp_path.iterdir()))
        return advance(run)

    monkeypatch.setattr(Run, "advance", looking)
    sitting(tmp_path, steps=3)
    assert seen == [[]] + 2 * [[CHECKPOINT, "curves.png", "samples.png"]]
    assert imread(tmp_path / "samples.png").std() > 0.1


def test_points_are_drawn_over_the_data(tmp_path, monkeypatch):
    model = Line("w")
    model.sample = lambda n, rng: rng.standard_normal((n, 2))
    drawn = {}
    monkeypatch.setattr("minigen.plot.scatter", lambda points, path, data: drawn.update(n=len(points), data=data))
    draw_samples(model, 33, backend.rng(0), tmp_path / "s.png", data.load("two_moons"))
    assert drawn["n"] == 33 and drawn["data"].shape == (2000, 2)
    draw_samples(model, None, backend.rng(0), tmp_path / "s.png", data.load("two_moons"))
    assert drawn["n"] == 2000


def test_a_file_that_cannot_be_written_does_not_stop_the_run(tmp_path, monkeypatch, capsys):
    """The folder vanishes in the middle of training, and is there again before the end."""
    out = tmp_path / "run"
    clock = Clock(monkeypatch)
    advance = Run.advance

    def vanishing(run):
        if run.step == 20:
            out.rename(tmp_path / "away")
        if run.step == 100:
            (tmp_path / "away").rename(out)
        return advance(run)

    monkeypatch.setattr(Run, "advance", vanishing)
    out.mkdir()
    journal = Journal(out)
    run = line_run(clock.model(), steps=200, journal=journal)
    shown = capsys.readouterr().out
    assert run.step == 200 and journal.unsaved is None
    assert shown.count(f"the checkpoint could not be written: no such file or directory: '{out / CHECKPOINT}'; the run "
                       "goes on, and tries again") == 1
    assert shown.count("the checkpoint is written again") == 1
    assert contents(out)[1]["step"] == 200
    shutil.rmtree(out)
    journal = Journal(out)
    line_run(Line("w"), steps=3, journal=journal)
    assert journal.unsaved == f"no such file or directory: '{out / CHECKPOINT}'"


# The clock


def test_steps_and_budget_whichever_comes_first(monkeypatch):
    clock = Clock(monkeypatch)
    assert line_run(clock.model(), steps=5, budget=100.0).step == 5
    assert line_run(clock.model(), steps=100, budget=5.5).step == 6  # a step takes a second of this clock
    assert line_run(clock.model(), steps=None, budget=3.0).step == 3
    assert line_run(clock.model(), steps=None, planned=7).step == 7  # neither: the plan's own


def test_the_budget_counts_all_sittings(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    assert line_run(clock.model(), steps=4, journal=Journal(tmp_path)).seconds == 4
    run = line_run(clock.model(), steps=None, budget=6.0, journal=Journal(tmp_path), resume=tmp_path)
    assert (run.step, run.seconds) == (6, 6)


def test_rates_follow_the_larger_of_steps_and_budget(tmp_path, monkeypatch):
    """A step takes a second of this clock. However long the run, a rate sees 0 at its beginning, and 1 at its end."""
    clock, seen = Clock(monkeypatch), []
    noted = lambda done: seen.append(done) or 0.5

    def rates(**limits):
        seen.clear()
        line_run(clock.model(), lr=noted, **limits)
        return seen

    np.testing.assert_allclose(rates(steps=4), [0, 1 / 4, 2 / 4, 3 / 4])
    np.testing.assert_allclose(rates(steps=None, planned=5), np.arange(5) / 5)
    np.testing.assert_allclose(rates(steps=None, budget=6.0), np.arange(6) / 6)
    np.testing.assert_allclose(rates(steps=10, budget=5.0), np.arange(5) / 5)
    np.testing.assert_allclose(rates(steps=5, budget=10.0), np.arange(5) / 5)

    class Kept(Journal):
        def save(self, run):  # settings ask for rates too
            seen_before = list(seen)
            saved = super().save(run)
            seen[:] = seen_before
            return saved

    rates(steps=2, budget=6.0, journal=Kept(tmp_path))
    before = list(seen)
    seen.clear()
    plan = one_stage(clock.model(), sgd(noted), 1, 10)
    run = Run(plan, Numbers(), rng=backend.rng(0), budget=6.0)
    run.restore(tmp_path / CHECKPOINT)
    seen.clear()
    train(run)
    np.testing.assert_allclose(seen, np.arange(2, 6) / 6)  # the second sitting goes on where the first was
    np.testing.assert_allclose(before, [0, 1 / 2])  # of 2 steps: the larger of the two


def test_a_longer_run_goes_on_at_the_rate_of_its_place(tmp_path):
    """1,000 steps of a falling rate are over: of 1,500 they are two thirds, and the weights move again."""
    model = Line("w")
    line_run(model, steps=100, lr=cosine_decay(1.0), journal=Journal(tmp_path))
    again = Line("w")
    run = Run(one_stage(again, sgd(cosine_decay(1.0)), 1, 10), Numbers(), rng=backend.rng(0), steps=150)
    run.restore(tmp_path / CHECKPOINT)
    assert run.rates() == f"learning rate {0.5 * (1 + math.cos(math.pi * 2 / 3)):.3g}"
    train(run)
    assert run.step == 150 and again.w.item() < model.w.item() - 1


@pytest.mark.parametrize("cut", [7, 13, 40])
def test_validation_after_a_cut_sees_what_it_sees_without(tmp_path, monkeypatch, cut):
    """Also of a model whose loss depends on how much is over: a resumed run knows that before its first step."""
    monkeypatch.setattr(minigen.journal, "VALID_WINDOWS", 1)  # before every step
    sitting(tmp_path / "one", "grows", steps=60)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_after(patch, cut)
        sitting(tmp_path / "two", "grows", steps=60)
    sitting(tmp_path / "two", "grows", steps=60)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_model_is_told_how_much_is_over():
    model, told = Line("w"), []
    inner = model.make_loss

    def make_loss(name):
        def loss(batch, rng):
            told.append(model.done)
            return inner(name)(batch, rng)
        return loss

    model.make_loss = make_loss
    line_run(model, steps=5)
    np.testing.assert_allclose(told, np.arange(5) / 5)


def stages_run(shares, **limits):
    model = Line("w")
    seen = []
    plan = Plan(model, [Stage(str(i), model.players, sgd(0.1), share, 10, begin=lambda i=i: seen.append(i))
                        for i, share in enumerate(shares)])
    lengths = []

    def note(journal, run, terms):
        lengths.append(run.number)

    journal = type("Counting", (Journal,), {"note": note})()
    run = train(Run(plan, Numbers(), rng=backend.rng(0), **limits), journal)
    assert seen == list(range(len(shares))) and run.over
    return [lengths.count(i) for i in range(len(shares))]


@pytest.mark.parametrize("shares, steps, lengths", [
    ((10, 20, 30), None, [10, 20, 30]), ((10, 20, 30), 6, [1, 2, 3]), ((10, 20, 30), 120, [20, 40, 60]),
    ((1, 1, 1), 10, [3, 4, 3]), ((1, 1000), 2, [1, 1]), ((100, 1, 1), 3, [1, 1, 1]),
    ((100, 1, 1), 10, [8, 1, 1])])
def test_stages_share_the_steps_exactly(shares, steps, lengths):
    assert stages_run(shares, steps=steps) == lengths
    assert sum(lengths) == (steps or sum(shares))


def test_stages_share_the_budget(monkeypatch):
    clock = Clock(monkeypatch)
    model = clock.model()
    plan = Plan(model, [Stage("a", model.players, sgd(0.1), 10, 10), Stage("b", model.players, sgd(0.1), 20, 10)])
    run = train(Run(plan, Numbers(), rng=backend.rng(0), budget=30.0))
    assert (run.step, run.number, run.first_step) == (30, 1, 10)


def test_fewer_steps_than_stages_are_refused():
    with pytest.raises(ValueError, match="steps is 2, and the plan has 3 stages"):
        stages_run((1, 1, 1), steps=2)


def test_averages_of_a_stage_become_the_weights_or_go_on(tmp_path):
    first, second = Line("w"), Line("v")
    model = Module()
    model.first, model.second = first, second
    both = Plan(model, [
        Stage("first", first.players, sgd(1.0), 3, 10, ema=(first, 0.9)),
        Stage("second", second.players, sgd(1.0), 3, 10, ema=(second, 0.9))])
    run = Run(both, Numbers(), rng=backend.rng(0))
    for _ in range(3):
        run.advance()
    with run.evaluating():
        average = first.w.item()
    run.advance()
    assert first.w.item() == average and list(run.ema.state_dict()) == ["updates", "average.v"]

    model = Line("w")
    growing = Plan(model, [Stage(name, model.players, sgd(1.0), 3, 10, ema=(model, 0.9)) for name in "ab"])
    run = Run(growing, Numbers(), rng=backend.rng(0))
    for _ in range(3):
        run.advance()
    bar, w = run.ema.state_dict()["average.w"].item(), model.w.item()
    run.advance()
    d = 5 / 14  # (1 + t) / (10 + t) at the fourth update: it is not the first of a new average
    assert run.number == 1 and model.w.item() == w - 1
    assert run.ema.state_dict()["average.w"].item() == pytest.approx(d * bar + (1 - d) * (w - 1))


class Clock:
    """time.perf_counter, replaced by a clock that only steps of its models move, by a second each."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(minigen.train.time, "perf_counter", lambda: self.now)

    def model(self):
        model = Line("w")
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


def test_how_long_a_plan_takes_is_measured_stage_by_stage(monkeypatch):
    clock = Clock(monkeypatch)
    model = clock.model()
    plan = Plan(model, [Stage("a", model.players, sgd(0.1), 10, 10), Stage("b", model.players, sgd(0.1), 20, 10)])
    assert expected_seconds(plan, Numbers(), backend.rng(0)) == pytest.approx(30)
    assert expected_seconds(plan, Numbers(), backend.rng(0), steps=3000) == pytest.approx(3000)
    assert [stage.steps for stage in plan.stages] == [10, 20]
    assert expected_seconds(Plan(model), Numbers(), backend.rng(0)) == 0


def test_a_model_without_players_has_no_steps(tmp_path):
    seen = []
    run = line_run(Line(), steps=None, journal=Journal(tmp_path, draw=seen.append))
    assert run.step == 0 and run.over and seen == [tmp_path / "samples.png"]
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]


# What goes wrong


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    sitting(tmp_path, "explodes", valid=False, steps=5)
    good = contents(tmp_path)
    with pytest.raises(NonFiniteLoss) as error:
        sitting(tmp_path, "explodes", valid=False, steps=20)
    assert str(error.value).startswith("step 7, player 'explodes': log of room is nan (total 0.0")
    assert f"'{tmp_path / CHECKPOINT}' holds step 5" in str(error.value) and "--debug" in str(error.value)
    assert contents(tmp_path) == good


def test_a_gradient_that_is_not_finite_touches_no_weight():
    model = Line("w")
    model.make_loss = lambda name: lambda batch, rng: {"root": sqrt(model.w).sum()}  # infinite slope at 0
    with pytest.raises(NonFiniteLoss, match="step 0, player 'w': norm of the gradient is inf .*root 0"):
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
    run = line_run(model, journal=Journal(valid=Numbers()), steps=3)
    assert sorted(run.history.sums) == ["train/loss", "train/other", "valid/loss"]


def test_mistakes_in_a_model_are_named():
    model = Line("w")
    with pytest.raises(ValueError, match="player 'w' has no optimizer among .'v'."):
        Run(one_stage(model, {"v": sgd(1.0)}, 1, 10), Numbers(), rng=backend.rng(0))
    model.make_loss = lambda name: lambda batch, rng: {"loss": model.w * np.ones(3)}
    with pytest.raises(ValueError, match=r"term 'loss' of player 'w' has shape \(3,\), expected one number"):
        line_run(model)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_after_the_step_and_saves_it(tmp_path, name):
    model = Line("w")

    def make_loss(name_of_player):
        def loss(batch, rng):
            if batch["x"] == 4:
                os.kill(os.getpid(), getattr(signal, name))
            return {"loss": model.w.sum()}
        return loss

    model.make_loss = make_loss
    kinds = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = [signal.getsignal(kind) for kind in kinds]
    journal = Journal(tmp_path)
    run = line_run(model, steps=100, journal=journal)
    assert (journal.stopped_by, run.step) == (name, 4)
    assert contents(tmp_path)[1]["step"] == 4
    assert [signal.getsignal(kind) for kind in kinds] == before
    after = Journal()
    line_run(Line("w"), journal=after)
    assert after.stopped_by is None


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
        line_run(model, journal=Journal(tmp_path))


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
    bar = minigen.journal.tqdm
    monkeypatch.setattr(minigen.journal, "tqdm", lambda **settings: bar(
        **{**settings, "disable": False, "file": shown, "mininterval": 0, "ncols": 120,
           "dynamic_ncols": False}))
    line_run(Line("w"), steps=3)
    last = shown.getvalue().split("\r")[-1]
    # Losses 0, -2, -9 and weights 0, -1000, -3000, smoothed by 0.95 and 0.05.
    assert "3/3 [00:00<00:00" in last and "loss -0.545" in last and "weight -197.5" in last


def test_a_budget_may_count_other_seconds():
    """A clock that goes on by a second whenever it is looked at: once before the first step, and once after each."""
    ticks = itertools.count()
    dataset, noise = data.load("digits"), backend.rng(0)
    run = Run(find("linear_ae").plan(dataset, noise), dataset, rng=noise, budget=3)
    assert train(run, clock=lambda: next(ticks)).step == 3 and run.seconds == 3
