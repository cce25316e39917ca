"""A recipe of two parts from an empty folder: they are trained first, all is resumed wherever it was cut, and what comes
of it draws what --text says."""
import re
from pathlib import Path

import pytest

from minigen import checkpoint, cli, data, runs
from minigen.diffusion import Schedule
from minigen.journal import CHECKPOINT
from minigen.train import Run

STEPS = 2


class Killed(BaseException):
    """What nothing in the program catches."""


@pytest.fixture
def short(monkeypatch):
    """Every run has STEPS steps on 8 examples, keeps each of them, and is not evaluated."""
    load = data.load
    monkeypatch.setattr(data, "load", lambda *which, **how: load(*which, **how).first(8))
    monkeypatch.setitem(runs.SETTINGS, "steps", STEPS)
    monkeypatch.setattr("minigen.journal.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("minigen.journal.DRAW_SECONDS", 1e9)
    monkeypatch.setattr("minigen.train.TIMED_STEPS", 1)
    monkeypatch.setattr("minigen.plot.curves", lambda *args, **kwargs: None)
    monkeypatch.setattr(cli, "_evaluate", lambda *args, **kwargs: None)
    monkeypatch.setattr(cli, "draw_samples", lambda *args, **kwargs: [])


def stable_diffusion(*options):
    return cli.main(["train", "stable_diffusion", "--data", "shapes16", *options])


def weights(folder):
    return {name: array.tobytes() for name, array in checkpoint.load(Path(folder) / CHECKPOINT)[0].items()
            if name.startswith(("model", "ema"))}


def test_it_says_how_long_all_takes_and_is_cut_and_resumed_anywhere(short, tmp_path, monkeypatch, capsys):
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    assert stable_diffusion() == 0
    said = capsys.readouterr().out
    assert "needs parts that are not trained yet: 'kl_ae', then 'clip'; timing a few steps of each" in said
    assert re.search(r"'kl_ae' about .*, 'clip' about .*, 'stable_diffusion' about .*: .* in all", said)
    stored = {path.parent.name for path in Path("runs/stable_diffusion/parts").glob(f"*/{CHECKPOINT}")}
    assert stored == {"autoencoder", "clip"}

    monkeypatch.chdir(tmp_path / "cut")
    monkeypatch.setattr(cli, "_announce", lambda *args: None)
    advance = Run.advance
    for name in ("CLIP", "StableDiffusion"):  # killed once in each, then resumed

        def killed(run, name=name):
            if type(run.model).__name__ == name and run.step == 1:
                raise Killed
            return advance(run)

        monkeypatch.setattr(Run, "advance", killed)
        with pytest.raises(Killed):
            stable_diffusion("--resume")
    monkeypatch.setattr(Run, "advance", advance)
    assert stable_diffusion("--resume") == 0
    assert "going on with that in 'runs/clip'" in capsys.readouterr().out
    assert sorted(path.name for path in Path("runs").iterdir()) == ["clip", "kl_ae", "stable_diffusion"]
    for name in ("kl_ae", "clip", "stable_diffusion", "stable_diffusion/parts/clip"):
        assert weights(f"runs/{name}") == weights(tmp_path / "whole" / "runs" / name), name

    drawn = [str(tmp_path / "drawn.png"), "-n", "2", "--text"]
    monkeypatch.undo()
    levels = Schedule.levels
    monkeypatch.setattr(Schedule, "levels", lambda self, steps=None: levels(self, steps and 3))
    sample = ["sample", str(tmp_path / "whole/runs/stable_diffusion"), "--out", *drawn]
    assert cli.main([*sample, "two small red circles", "a cross"]) == 0 and Path(drawn[0]).is_file()
    capsys.readouterr()
    assert cli.main([*sample, "two smal purple circels"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("minigen: --text: 'smal' is no word that the model knows; did you mean 'small'?; 'purple' is")
    assert "did you mean 'circles' or 'circle'?" in said and said.count("\n") == 1
