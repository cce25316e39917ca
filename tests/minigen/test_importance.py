"""Bounds from log weights that are given: by hand, and where the weights are so small that no number holds them."""
import math

import numpy as np
import pytest

from minigen.importance import bound


def test_bounds_by_hand():
    log_w = np.log([[1.0, 3.0, 2.0, 6.0], [1.0, 1.0, 1.0, 1.0]])
    np.testing.assert_allclose(bound(log_w, 4), [math.log(3), 0], atol=1e-12)
    np.testing.assert_allclose(bound(log_w, 2), [(math.log(2) + math.log(4)) / 2, 0], atol=1e-12)  # two groups of two
    np.testing.assert_allclose(bound(log_w, 1), log_w.mean(axis=1), atol=1e-12)
    with pytest.raises(ValueError, match="bound: 4 draws do not make groups of k = 3"):
        bound(log_w, 3)


def test_weights_that_underflow():
    np.testing.assert_allclose(bound(np.float32([[-1000, -1000, -5000, -5000]]), 4), [-1000 - math.log(2)])


def test_of_a_lognormal_weight_the_bound_goes_from_the_elbo_to_log_p():
    """log w ~ N(-1/2, 1): E[w] = 1, so log p = 0, and the ELBO is -1/2; theorem 1 in between."""
    log_w = np.random.default_rng(0).standard_normal((50, 8000)) - 0.5
    values = [bound(log_w, k).mean() for k in (1, 2, 10, 100, 8000)]
    assert values == sorted(values) and abs(values[0] + 0.5) < 0.01 and abs(values[-1]) < 0.01
