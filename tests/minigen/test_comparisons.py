"""Comparisons: each runs when it is short, draws a figure, and returns rows that make a table."""
import importlib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from minigen import cli, comparisons
from minigen.comparisons.registry import SHOWN_BY, table

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", [comparison.name for comparison in comparisons.catalogue()])
def test_comparison(name, tmp_path, monkeypatch):
    module, found = importlib.import_module(f"minigen.comparisons.{name}"), comparisons.find(name)
    for constant in "CALLS", "MOMENTS", "LEVELS":  # numbers, or tuples of them
        known = getattr(module, constant, None)
        if known:
            monkeypatch.setattr(module, constant, known[:2] if isinstance(known, tuple) else 2)
    assert found.summary and found.text().startswith(found.summary)
    rows = found.run(tmp_path / "figure.png", steps=3, samples=12)
    pixels = plt.imread(tmp_path / "figure.png")[..., :3]
    assert min(pixels.shape[:2]) > 200 and np.ptp(pixels) > 0.5
    assert len(rows) > 1 and len({tuple(row) for row in rows}) == 1  # the same columns
    assert any(isinstance(value, (int, float)) for value in rows[0].values())
    assert len(table(rows)) == 1 + len(rows)


def test_a_table_is_aligned():
    assert table([{"what": "a", "error": 1 / 3}, {"what": "longer", "error": 2}]) == [
        "what    error", "a       0.3333", "longer  2"]


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{comparison.name} " in listed for comparison in comparisons.catalogue())
    assert cli.main(["compare", "nothing"]) == 2
    assert "no comparison is called 'nothing'; there are " in capsys.readouterr().err
    assert cli.main(["compare", "predictions", "--out", "absent/p.png"]) == 2
    assert "is not the name of a PNG file" in capsys.readouterr().err


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are in the repository")
@pytest.mark.parametrize("example", SHOWN_BY.values())
def test_what_examples_compare_is_there(example):
    assert (EXAMPLES / example).is_file()
