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
    """In the median of three seeds: of a million activations, rounding takes one or none to the other side of ReLU's
    kink, and one is seen in the gradients of all layers before it."""
    norms, largest = {}, {}
    for seed in (1, 2, 3):
        ours, theirs = (ROWS[name][library](np.random.default_rng(seed)).results() for library in ("minigen", "torch"))
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert ours[key].shape == theirs[key].shape
            difference = np.abs(ours[key] - theirs[key])
            norms.setdefault(key, []).append(np.linalg.norm(difference) / np.linalg.norm(theirs[key]))
            largest.setdefault(key, []).append(difference.max() / np.abs(theirs[key]).max())
    for key in norms:  # rounding grows where gradients nearly cancel, as in front of a batch normalization
        assert np.median(norms[key]) < 1e-3 and np.median(largest[key]) < 5e-3, (key, norms[key], largest[key])
