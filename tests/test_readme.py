"""What README says: its Python prints its numbers, its commands run, its links and files are there."""
import contextlib
import io
import re
from pathlib import Path

import pytest

from minigen import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = sorted(set(re.findall(r"(?:^    |`|&& )(minigen (?:list|(?:train|sample|evaluate) \w)[^`#\n]*?)\s*(?:`|#|$)", README,
                                 re.MULTILINE)))
AT_HAND = {"digits", "mnist10k"}  # others are not in the package


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


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_run(command, tmp_path, monkeypatch, capsys):
    """With few steps, on what is in the package; those of runs on a run that was made before."""
    words = command.split()[1:]
    data = words[words.index("--data") + 1] if "--data" in words else "digits"
    if data not in AT_HAND:
        pytest.skip(f"{data} is not in the package")
    monkeypatch.chdir(tmp_path)
    if "--resume" in words or words[0] in ("sample", "evaluate"):
        assert cli.main(["train", "vae", "--data", "digits", "--steps", "2"]) == 0
    if words[0] == "train":
        if "--budget" in words:
            words[words.index("--budget") + 1] = "1s"
        words += ["--steps", "3"] if "--steps" not in words else []
    assert cli.main(words) == 0, capsys.readouterr().err


def test_it_has_commands():
    assert len(COMMANDS) > 10 and "minigen train vae" in COMMANDS


def test_its_links_and_files_are_there():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
    for path in re.findall(r"`((?:autograd|minigen|examples|tests|docs)/[\w/.]+\.(?:py|md|cu))`", README):
        if (ROOT / path.split("/")[0]).exists():  # the installed packages are elsewhere
            assert (ROOT / path).exists(), path
