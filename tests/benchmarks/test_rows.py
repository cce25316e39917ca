"""Both sides of every row compute the same numbers."""
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the benchmarks compare with PyTorch")
sys.path.insert(0, str(Path(__file__).parent))
from rows import ROWS  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_both_sides_agree(name):
    ours, theirs = (ROWS[name][library](np.random.default_rng(1)).results() for library in ("minigen", "torch"))
    assert ours.keys() == theirs.keys()
    for key in ours:
        scale = np.abs(theirs[key]).max()
        np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-3, atol=2e-5 * scale, err_msg=f"{name}: {key}")
