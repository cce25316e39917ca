"""What README says: its Python prints its numbers, its commands run, its links and files are there. Of the ledger's
commands some cheap ones run too: test_recipes.py trains every recipe, test_ledger.py parses every command."""
import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from minigen import cli, data, recipes, runs

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
LEDGER = " ".join(entry["command"] for entry in json.loads((ROOT / "docs/results.json").read_text(encoding="utf-8"))["entries"])
CHEAP = {"minigen train ae", "minigen train nade --data digits", "minigen train rnade", "minigen train rnade --data two_moons"}
COMMANDS = sorted(CHEAP | set(re.findall(r"(?:^    |`|&& )(minigen (?:list|(?:train|sample|evaluate) \w)[^`#\n]*?)\s*(?:`|#|$)", README,
                                 re.MULTILINE)))
ABSENT = {"mnist", "binarized_mnist", "fashion_mnist", "cifar10"}  # not in the package
STEPS, EXAMPLES = "8", 120  # one step at least for each stage; examples of a split, at most


def python_and_output():
    kinds = [kind for kind, _ in BLOCKS]
    at = kinds.index("python")
    return BLOCKS[at][1], BLOCKS[at + 1][1]


def test_its_python_prints_its_numbers():
    source, expected = python_and_output()
    assert len(source.strip().splitlines()) <= 12
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(source, "README.md", "exec"), {})
    assert shown.getvalue() == expected


def test_the_ledger_has_the_cheap_commands():
    assert all(f"`{command}`" in LEDGER for command in CHEAP)


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_run(command, tmp_path, monkeypatch, capsys):
    """With few steps and few examples, parts too; those of runs on a run that was made before."""
    words = command.split()[1:]
    named = words[words.index("--data") + 1] if "--data" in words else ""
    if named in ABSENT or named.startswith("~"):
        pytest.skip("the data are not in the package")
    if "stable_diffusion" in command:
        pytest.skip("from an empty folder, and with --text: tests/minigen/test_two_parts.py, on fewer examples")
    if "--workers" in words:
        pytest.skip("other processes know nothing of the few examples here; tests/minigen/parallel has them")
    load = data.load
    monkeypatch.setattr(data, "load", lambda *which, **how: load(*which, **how).first(EXAMPLES))
    monkeypatch.setitem(runs.SETTINGS, "steps", int(STEPS))
    monkeypatch.chdir(tmp_path)
    if "--resume" in words or words[0] in ("sample", "evaluate"):
        assert cli.main(["train", "vae", "--data", "digits", "--steps", "2"]) == 0
    if words[0] == "train":
        for option, value in ("--budget", "1s"), ("--steps", STEPS):
            if option in words:
                words[words.index(option) + 1] = value
        words += ["--steps", STEPS] if "--steps" not in words else []
    for name, folder in (word.split("=") for word in words if "=" in word):  # --part
        assert cli.main(["train", name, "--data", recipes.find(words[1]).data, "--out", folder]) == 0
    assert cli.main(words) == 0, capsys.readouterr().err


def test_it_has_commands():
    assert len(COMMANDS) > 10 and "minigen train vae" in COMMANDS


def test_its_links_and_files_are_there():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
    for path in re.findall(r"`((?:autograd|minigen|examples|tests|docs)/[\w/.]+\.(?:py|md|cu))`", README):
        if (ROOT / path.split("/")[0]).exists():  # the installed packages are elsewhere
            assert (ROOT / path).exists(), path
