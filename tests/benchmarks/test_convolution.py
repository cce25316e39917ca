"""docs/convolution.md: its figures are those that were recorded, it leaves no rung out, and its ways agree."""
import json
import sys
from pathlib import Path

import pytest

from autograd import cpu

sys.path.insert(0, str(Path(__file__).parent))
import convolution  # noqa: E402  the script beside this file

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def page():
    if not DOCS.exists():
        pytest.skip("docs/ is not here")
    return (DOCS / "convolution.md").read_text()


def test_the_figures_are_those_recorded(page):
    recorded = json.loads((DOCS / "convolution.json").read_text())
    assert recorded["machine"] in page and set(recorded["rows"]) == set(convolution.CASES)
    for name, rows in recorded["rows"].items():
        for way, row in rows.items():
            end = f"| {row['ms']:.3g} | {row['gflops']:.3g} | {row['speedup']:.3g} |"
            assert f"| {name} | {way} {end}" in page or f"| {name} | {way} (chosen) {end}" in page


def test_every_file_is_on_a_rung(page):
    for path in Path(cpu.__file__).parent.glob("[a-z]*.py"):
        assert f"{path.name}`" in page, f"docs/convolution.md does not lead to {path.name}"


@pytest.mark.slow
@pytest.mark.parametrize("name", convolution.CASES)
def test_the_ways_agree(name):
    """measure asserts it."""
    rows = convolution.measure(name, rounds=1)
    assert rows["chosen"] in rows and all(row["ms"] > 0 for way, row in rows.items() if way != "chosen")
