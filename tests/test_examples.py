"""Every example runs, with its steps and samples cut short, in an empty folder, and leaves the one picture that it
names, and perhaps a film."""
import ast
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*/[0-9]*_*.py"))
SHORT = {"STEPS": 30, "SAMPLES": 20, "SECONDS": 0.5, "DRAWS": 100, "SEEDS": 1, "DOWN": 3}  # constants of examples


def shortened(source):
    """The program with each constant of SHORT set to its short value."""
    tree = ast.parse(source)
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
            several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = zip(target.elts, value.elts) if several else [(target, value)]
            for name, constant in pairs:
                if getattr(name, "id", "") in SHORT:
                    constant.value = SHORT[name.id]
    return tree


def test_no_number_is_used_twice():
    numbers = [path.name.partition("_")[0] for path in EXAMPLES]
    assert len(numbers) == len(set(numbers)) >= 9


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(path)])
    plt.switch_backend("agg")
    source = path.read_text()
    exec(compile(shortened(source), path, "exec"), {"__name__": "__main__"})
    plt.close("all")

    picture = tmp_path / f"{path.stem}.png"
    film = picture.with_suffix(".gif")
    assert set(tmp_path.iterdir()) == {picture} | ({film} if film.name in source else set())
    pixels = plt.imread(picture)[..., :3]
    assert min(pixels.shape[:2]) > 200 and np.ptp(pixels) > 0.5
    assert f"Writes {picture.name}." in " ".join(source.split())
    assert f"wrote {picture.name}" in capsys.readouterr().out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_short_read(path):
    source = path.read_text()
    assert 20 <= len(source.splitlines()) <= 70
    assert "argparse" not in source and ast.get_docstring(ast.parse(source))


def test_shortened_replaces_the_constants():
    assert ast.unparse(shortened("STEPS = 5000\nx = STEPS\ny = 7")) == "STEPS = 30\nx = STEPS\ny = 7"
    assert ast.unparse(shortened("a, SAMPLES = (900, 900)")) == "a, SAMPLES = (900, 20)"
