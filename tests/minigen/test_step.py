"""A step in the open: it is the step that training makes, every op is shown where it belongs, 100 columns wide."""
import html.parser
import re
from dataclasses import replace

import numpy as np
import pytest

from autograd.backend import rng
from minigen import cli, data, recipes
from minigen.step import observe, page, text
from minigen.step.observe import Row, _folded
from minigen.step.text import number, size, spread
from minigen.train import Run

DIGITS = data.load("digits").first(128)


def run_of(name, steps=3):
    noise = rng(0)
    run = Run(recipes.find(name).plan(DIGITS, noise), DIGITS, rng=noise, steps=10)
    run.stage.batch_size = 8
    run.batches = DIGITS.batches(8, noise)
    for _ in range(steps):
        run.advance()
    return run


@pytest.fixture(scope="module")
def ddpm():
    return observe(run_of("ddpm"))


@pytest.fixture(scope="module")
def wgan():
    return observe(run_of("wgan_gp"))


def test_it_is_the_step_that_training_makes():
    one, other = run_of("ae"), run_of("ae")
    (player,), terms = observe(one), other.advance()
    assert player.terms == terms
    for p, q in zip(one.model.parameters(), other.model.parameters()):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_every_op_is_shown_in_its_module(ddpm):
    (player,) = ddpm
    groups = [name for name, _ in player.groups()]
    assert groups[0] == "network.time" and groups[-1] == "DDPM" and "network.down.0.steps.0.block" in groups
    block = [row for row in player.rows if row.group == "network.down.0.steps.0.block"]
    assert [(row.part, row.op) for row in block[:4]] == [("norm1", "group_norm"), ("", "silu"), ("conv1", "conv2d"),
                                                         ("shift", "linear")]
    assert block[0].count == 3 and block[2].shape == (8, 16, 8, 8)
    assert player.rows[-1].op == "mse_loss" and player.rows[-1].gradient == 1.0
    assert all(row.gradient is not None and row.back_seconds > 0 for row in block)


def test_a_penalty_shows_the_gradient_in_it_and_constants_have_none(wgan):
    critic, G = wgan
    assert (critic.name, critic.repeat, G.repeat) == ("critic", 5, 1)
    assert any(row.op == "transposed_convolution'" and row.gradient for row in critic.rows)
    drawn = [row for row in critic.rows if row.group.startswith("generator")]
    assert drawn and all(row.gradient is None and not row.back_seconds for row in drawn)  # G(z) is a constant for D
    assert all(row.gradient is not None for row in G.rows if row.group.startswith("generator"))


@pytest.mark.parametrize("name", ["ddpm", "wgan"])
def test_text_fits_100_columns_and_names_the_slowest_and_the_largest(name, request):
    players = request.getfixturevalue(name)
    shown = text(players)
    assert max(map(len, shown.splitlines())) <= 100
    assert shown.count("slowest, forward and backward:") == shown.count("largest, result") == len(players)
    slowest = re.search(r"slowest.*\n +([\d.]+) ms.* in ([\w.]+),", shown)
    assert float(slowest[1]) == pytest.approx(max(row.total_seconds for row in players[0].rows) * 1e3, abs=0.006)
    for player in players:
        assert all(f"\n{group}" in shown for group, _ in player.groups())


def test_the_page_is_whole_and_needs_nothing_else(wgan):
    shown, stack, count = page("a < b", wgan), [], {}

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            count[tag] = count.get(tag, 0) + 1
            if tag not in ("meta", "html"):
                stack.append(tag)

        def handle_endtag(self, tag):
            assert tag == "html" or stack.pop() == tag

    Parser().feed(shown)
    assert not stack and count["tr"] == sum(len(p.rows) + len(p.groups()) for p in wgan)
    assert "a &lt; b" in shown and "http" not in shown and "<script" not in shown and "src=" not in shown


def test_long_names_are_cut_at_the_edge(wgan):
    deep = "a_module_within_another." * 6 + "end"
    (first, *_), played = wgan[0].rows, replace(wgan[0], kinds={deep: "Deep"})
    played.rows = [replace(first, group=deep, seconds=1.0)]
    lines = text([played]).splitlines()
    assert max(map(len, lines)) == 100 and sum(line.endswith("~") for line in lines) == 3


def test_equal_ops_in_a_row_are_one_row():
    (player,) = observe(run_of("nade", 1))
    loop = [row for row in player.rows if row.op == "sigmoid" and row.count > 1]
    assert len(loop) == 1 and loop[0].shape[0] == "*"  # one for each pixel that is white in some images


def test_the_rounds_of_a_loop_are_shown_once():
    def row(op, number):
        return Row("m", "", op, "f:1", (number, 2), 1, number, 1.0, None, 1.0, 0.5, 4, 8, 16)

    rows = [row("before", 0), *(row(op, i) for i in range(5) for op in "aab"), row("after", 0)]
    shown = _folded(rows, 10)
    assert [(r.op, r.count, r.shape) for r in shown] == [("before", 1, (0, 2)), ("a", 10, ("*", 2)), ("b", 5, ("*", 2)),
                                                         ("after", 1, (0, 2))]
    assert (shown[1].seconds, shown[1].size, shown[1].mean) == (10.0, 40, 4)
    assert len(_folded([row(op, 0) for op in "abab"], 10)) == 4  # data and samples, one after the other


def test_numbers_are_short():
    assert [number(x) for x in (0, 0.5, 1.26e-4, 12345.6, 3e-12)] == ["0", "0.5", "1.3e-4", "1.2e4", "3.0e-12"]
    assert [size(x) for x in (12, 1500, 2_340_000)] == ["12 ", "1.5 k", "2.34 M"]
    row = Row("m", "", "op", "f:1", (2,), 1, -0.0694, 0.4921, None, 0, 0, 0, 0, 0)
    assert spread(row) == "-0.07±0.49"
    assert spread(replace(row, mean=-123.45, deviation=1.2e-3)) == "-1e2±1e-3"
    assert spread(replace(row, mean=0.25, deviation=0)) == "0.25"


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["step", "gan", "--html", "step.html"]) == 0
    shown = capsys.readouterr().out
    assert "gan on eight_gaussians: step 6" in shown and "player 'G'" in shown and "wrote 'step.html'" in shown
    assert (tmp_path / "step.html").read_text().startswith("<!doctype html>")
    assert cli.main(["step", "markov_chain"]) == 2 and "no training loop" in capsys.readouterr().err
    assert cli.main(["step", "ddpm", "--data", "two_moons"]) == 2 and "not made for two_moons" in capsys.readouterr().err
    assert cli.main(["step", "gan", "--html", "nowhere/step.html"]) == 2 and "nowhere" in capsys.readouterr().err
