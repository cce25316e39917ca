"""Four energies in the plane: densities p(z) = exp(-U(z)) / Z, to fit a model to without samples.

Rezende & Mohamed, "Variational Inference with Normalizing Flows", ICML 2015, table 1.

    U1 = 1/2 ((|z| - 2) / 0.4)^2 - ln(exp(-1/2 ((z1 - 2) / 0.6)^2) + exp(-1/2 ((z1 + 2) / 0.6)^2))
    U2 = 1/2 ((z2 - w1) / 0.4)^2
    U3 = -ln(exp(-1/2 ((z2 - w1) / 0.35)^2) + exp(-1/2 ((z2 - w1 + w2) / 0.35)^2))
    U4 = -ln(exp(-1/2 ((z2 - w1) / 0.4)^2)  + exp(-1/2 ((z2 - w1 + w3) / 0.35)^2))
    w1 = sin(2 pi z1 / 4),   w2 = 3 exp(-1/2 ((z1 - 1) / 0.6)^2),   w3 = 3 sigmoid((z1 - 1) / 0.3)

The bands of U2, U3 and U4 go on for ever: in the whole plane exp(-U) has infinite mass, and p does not
exist. So p lives on the square that the paper draws, [-4, 4]^2, and is 0 outside. LOG_Z is by
Gauss-Legendre quadrature there, exact to all the digits given.

Symbols: z points (n, 2), U energy in nats, Z the integral of exp(-U) over the square.
Read next: toys.py, where these are data sets too; models/flows/planar.py, which is fitted to them.
"""
import math

import numpy as np

from autograd import Tensor, exp, logsumexp, sigmoid, sin, sqrt, stack

EDGE = 4.0  # p is 0 outside [-EDGE, EDGE]^2

LOG_Z = {"u1": 1.8775016, "u2": 2.0820893, "u3": 2.6417051, "u4": 2.6845677}


def U1(z):
    """Two arcs of the ring of radius 2, left and right."""
    r, z1 = sqrt((z * z).sum(axis=1)), z[:, 0]
    return _half_square((r - 2) / 0.4) + _either(_half_square((z1 - 2) / 0.6), _half_square((z1 + 2) / 0.6))


def U2(z):
    """A band along a sine."""
    return _half_square((z[:, 1] - _w1(z)) / 0.4)


def U3(z):
    """The band, and another that dips below it about z1 = 1."""
    w2 = 3 * exp(-_half_square((z[:, 0] - 1) / 0.6))
    d = z[:, 1] - _w1(z)
    return _either(_half_square(d / 0.35), _half_square((d + w2) / 0.35))


def U4(z):
    """The band, and another that leaves it at z1 = 1 for good."""
    w3 = 3 * sigmoid((z[:, 0] - 1) / 0.3)
    d = z[:, 1] - _w1(z)
    return _either(_half_square(d / 0.4), _half_square((d + w3) / 0.35))


ENERGIES = {"u1": U1, "u2": U2, "u3": U3, "u4": U4}


def log_density(name):
    """The function z (n, 2) -> log p(z) = -U(z) - ln Z, float64 (n,), nats; -inf outside the square."""

    def log_p(z):
        log_p = -ENERGIES[name](Tensor(np.asarray(z, np.float64))).numpy() - LOG_Z[name]
        return np.where((np.abs(z) <= EDGE).all(axis=1), log_p, -np.inf)

    return log_p


def sample(name, n, rng):
    """n exact draws from p, float64 (n, 2), by rejection from the uniform density: no exp(-U) is above 2."""
    kept = [np.empty((0, 2))]
    while sum(map(len, kept)) < n:
        z = rng.uniform(-EDGE, EDGE, (4096, 2))
        accepted = 2 * rng.random(len(z)) < np.exp(-ENERGIES[name](Tensor(z)).numpy())
        kept.append(z[accepted])
    return np.concatenate(kept)[:n]


def _w1(z):
    return sin((2 * math.pi / 4) * z[:, 0])


def _half_square(x):
    return 0.5 * (x * x)


def _either(a, b):
    """-ln(exp(-a) + exp(-b)): the energy of a sum of two densities."""
    return -logsumexp(stack([-a, -b]), axis=0)
