"""Both sides of every row compute the same numbers."""
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the benchmarks compare with PyTorch")
sys.path.insert(0, str(Path(__file__).parent))
import model_rows  # noqa: E402, F401  adds its rows
from rows import ROWS  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_both_sides_agree(name):
    ours, theirs = (ROWS[name][library](np.random.default_rng(1)).results() for library in ("minigen", "torch"))
    assert ours.keys() == theirs.keys()
    for key in ours:  # rounding grows where gradients nearly cancel, as in front of a batch normalization
        assert ours[key].shape == theirs[key].shape
        difference = np.abs(ours[key] - theirs[key])
        error = np.linalg.norm(difference) / np.linalg.norm(theirs[key])
        assert error < 2e-3, f"{key}: relative error {error:.1e}"
        assert difference.max() < 5e-3 * np.abs(theirs[key]).max(), key
