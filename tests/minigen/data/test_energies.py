"""The four energies: their formulas at points worked out by hand, their constants by quadrature, their gradients.

Samples and densities are tested with the other toys, in test_toys.py.
"""
import math

import numpy as np
import pytest

from autograd import Tensor, gradcheck
from minigen.data.energies import EDGE, ENERGIES, LOG_Z, log_density


def quadrature(panels=8, K=64):
    """Nodes (n, 2) and weights (n,) of Gauss-Legendre quadrature on the square."""
    node, weight = np.polynomial.legendre.leggauss(K)
    half = EDGE / panels
    centres = -EDGE + half * (2 * np.arange(panels) + 1)
    x, w = (centres[:, None] + half * node).ravel(), np.tile(half * weight, panels)
    return np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2), np.outer(w, w).ravel()


@pytest.mark.parametrize("name", ENERGIES)
def test_log_z_is_the_integral(name):
    z, weight = quadrature()
    Z = weight @ np.exp(-ENERGIES[name](Tensor(z)).numpy())
    assert math.log(Z) == pytest.approx(LOG_Z[name], abs=1e-7)
    assert weight @ np.exp(log_density(name)(z)) == pytest.approx(1, abs=1e-7)


def test_z_of_u2_in_closed_form():
    """For every z1 the band is a Gaussian of standard deviation 0.4 in z2, cut off 3 or more from its middle."""
    assert LOG_Z["u2"] == pytest.approx(math.log(2 * EDGE * 0.4 * math.sqrt(2 * math.pi)), abs=1e-7)


@pytest.mark.parametrize("name, z, U", [
    ("u1", (2.0, 0.0), -math.log1p(math.exp(-0.5 * (4 / 0.6) ** 2))),
    ("u1", (0.0, 1.6), 0.5 - (math.log(2) - 0.5 * (2 / 0.6) ** 2)),
    ("u2", (1.0, 1.0), 0.0), ("u2", (-1.0, 0.0), 0.5 / 0.4**2),
    ("u3", (1.0, 1.0), -math.log1p(math.exp(-0.5 * (3 / 0.35) ** 2))),  # w1 = 1, w2 = 3: bands at 1 and at -2
    ("u3", (1.0, -2.0), -math.log1p(math.exp(-0.5 * (3 / 0.35) ** 2))),
    ("u4", (1.0, -0.5), -math.log1p(math.exp(-0.5 * (1.5 / 0.4) ** 2))),  # w3 = 1.5: bands at 1 and at -0.5
    ("u4", (-4.0, 0.0), -math.log(2))])  # far left the bands are one
def test_values_worked_out_by_hand(name, z, U):
    assert ENERGIES[name](Tensor(np.array([z]))).item() == pytest.approx(U, abs=1e-5)


@pytest.mark.parametrize("name", ENERGIES)
def test_gradients(name):
    gradcheck(ENERGIES[name], [np.random.default_rng(0).uniform(-EDGE, EDGE, (20, 2))])


def test_zero_outside_the_square():
    assert log_density("u3")([[4.001, 0.0], [0.0, -4.001]]).tolist() == [-np.inf, -np.inf]
