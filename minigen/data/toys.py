"""2-D toys: distributions that can be drawn, sampled, and whose log-density is known exactly.

  sample_toy(name, n, rng) -> x float32 (n, 2), y int64 (n,) component or None
  log_density(name)        -> a function x (n, 2) -> log p(x), float64 (n,), nats

All lie within about [-4, 4]^2. Shapes after FFJORD (Grathwohl et al. 2019, appendix), with changes where they
give a density: `pinwheel` twists by the radius, which makes the map one-to-one (the original, Johnson et al.
2016, twists by one coordinate); curves (moons, roll) are blurred by a Gaussian, and the density is the
integral over the curve, by Gauss-Legendre quadrature, exact to rounding. `u1` to `u4` are those of energies.py.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from . import energies

LOG_2PI = np.log(2 * np.pi)


# -- eight Gaussians on a circle -------------------------------------------------------------------------

EIGHT_SIGMA = 0.35
EIGHT_CENTRES = np.array([(3 * np.cos(a), 3 * np.sin(a)) for a in np.arange(8) * np.pi / 4])  # (8, 2)


def eight_gaussians(n, rng):
    y = rng.integers(8, size=n)
    return EIGHT_CENTRES[y] + EIGHT_SIGMA * rng.standard_normal((n, 2)), y


def log_eight_gaussians(x):
    return _log_mixture(x, EIGHT_CENTRES, np.full(8, 1 / 8), EIGHT_SIGMA)


# -- two moons -------------------------------------------------------------------------------------------

MOONS_SIGMA = 0.2


def moon(t, y):
    """The centre line: half circles of radius 2 hooked into each other; t in [0, pi], y = 0 or 1. (..., 2)"""
    sign = 1 - 2 * y
    return np.stack([2 * sign * np.cos(t) - sign, 2 * sign * np.sin(t) - 0.5 * sign], axis=-1)


def two_moons(n, rng):
    y = rng.integers(2, size=n)
    return moon(rng.uniform(0, np.pi, n), y) + MOONS_SIGMA * rng.standard_normal((n, 2)), y


def log_two_moons(x):
    t, weight = _quadrature(0, np.pi, 100)
    curve = np.concatenate([moon(t, 0), moon(t, 1)])
    return _log_mixture(x, curve, np.concatenate([weight, weight]) / 2, MOONS_SIGMA)


# -- swiss roll ------------------------------------------------------------------------------------------

ROLL_SIGMA = 0.1
ROLL_RANGE = (1.5 * np.pi, 4.5 * np.pi)


def roll(t):
    """The spiral r = t / 4. (..., 2)"""
    return np.stack([t * np.cos(t), t * np.sin(t)], axis=-1) / 4


def swiss_roll(n, rng):
    return roll(rng.uniform(*ROLL_RANGE, n)) + ROLL_SIGMA * rng.standard_normal((n, 2)), None


def log_swiss_roll(x):
    t, weight = _quadrature(*ROLL_RANGE, 400)
    return _log_mixture(x, roll(t), weight, ROLL_SIGMA)


# -- ring ------------------------------------------------------------------------------------------------

RING_RADIUS, RING_SIGMA = 3.0, 0.2


def ring(n, rng):
    r = RING_RADIUS + RING_SIGMA * rng.standard_normal(n)
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1), None


def log_ring(x):
    """log N(r; R, sigma^2) - log(2 pi r): dx1 dx2 = r dr da. The middle, 14 sigma away, is left out:
    radii below 0, and the pole of 1/r at 0, where r is held at sigma."""
    r = np.maximum(np.hypot(x[:, 0], x[:, 1]), RING_SIGMA)
    log_radius = -0.5 * ((r - RING_RADIUS) / RING_SIGMA) ** 2 - np.log(RING_SIGMA) - 0.5 * LOG_2PI
    return log_radius - LOG_2PI - np.log(r)


# -- pinwheel --------------------------------------------------------------------------------------------

WHEEL_ARMS, WHEEL_CENTRE, WHEEL_SIGMA, WHEEL_TWIST = 5, 2.0, np.array([0.6, 0.2]), 0.6


def rotate(x, angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], axis=1)


def twist(x):
    """The angle by which x is turned: it depends on |x| alone, which turning keeps; so -twist undoes it."""
    return WHEEL_TWIST * np.hypot(x[:, 0], x[:, 1])


def pinwheel(n, rng):
    y = rng.integers(WHEEL_ARMS, size=n)
    u = np.array([WHEEL_CENTRE, 0]) + WHEEL_SIGMA * rng.standard_normal((n, 2))
    return rotate(u, twist(u) + 2 * np.pi / WHEEL_ARMS * y), y


def log_pinwheel(x):
    """Turning by an angle that depends on |x| alone keeps areas: log p is that of the untwisted point."""
    arms = []
    for y in range(WHEEL_ARMS):
        u = rotate(x, -twist(x) - 2 * np.pi / WHEEL_ARMS * y) - np.array([WHEEL_CENTRE, 0])
        arms.append(-0.5 * ((u / WHEEL_SIGMA) ** 2).sum(axis=1))
    return logsumexp(arms, axis=0) - np.log(WHEEL_ARMS) - np.log(WHEEL_SIGMA).sum() - LOG_2PI


# -- checkerboard ----------------------------------------------------------------------------------------

def checkerboard(n, rng):
    """Uniform on the 8 dark squares, each 2 x 2, of [-4, 4)^2.

    Positions are multiples of 2^-20, which float32 holds exactly: no sample is rounded out of its square."""
    row, column = rng.integers(4, size=n), rng.integers(2, size=n)
    corner = np.stack([2 * column + row % 2, row], axis=1) * 2 - 4
    return corner + rng.integers(2**21, size=(n, 2)) / 2**20, None


def log_checkerboard(x):
    square = np.floor(x / 2)
    dark = (square.sum(axis=1) % 2 == 0) & (np.abs(square + 0.5) < 2).all(axis=1)
    return np.where(dark, -np.log(32), -np.inf)


# -- all of them -----------------------------------------------------------------------------------------

class Toy(NamedTuple):
    sample: Callable  # (n, rng) -> x float64 (n, 2), y (n,) or None
    log_density: Callable  # x float64 (n, 2) -> (n,)
    components: int = 0  # how many y there are


TOYS = {
    "two_moons": Toy(two_moons, log_two_moons, 2),
    "eight_gaussians": Toy(eight_gaussians, log_eight_gaussians, 8),
    "pinwheel": Toy(pinwheel, log_pinwheel, WHEEL_ARMS),
    "checkerboard": Toy(checkerboard, log_checkerboard),
    "swiss_roll": Toy(swiss_roll, log_swiss_roll),
    "ring": Toy(ring, log_ring),
    **{name: Toy(lambda n, rng, name=name: (energies.sample(name, n, rng), None), energies.log_density(name))
       for name in energies.ENERGIES},
}


def sample_toy(name, n, rng):
    """n draws: x float32 (n, 2); y int64 (n,), the component each came from, or None if there is none."""
    x, y = _toy(name).sample(n, rng)
    return x.astype(np.float32), y


def log_density(name):
    """The function x (n, 2) -> log p(x) (n,), float64, nats; -inf outside the support of checkerboard."""
    density = _toy(name).log_density
    return lambda x: density(_points(x))


def _toy(name):
    if name not in TOYS:
        raise ValueError(f"unknown toy {name!r}: known are {', '.join(TOYS)}")
    return TOYS[name]


def _points(x):
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"log_density: x must be (n, 2), got {x.shape}")
    return x


def _log_mixture(x, centres, weights, sigma):
    """log sum_k w_k N(x; c_k, sigma^2 I): x (n, 2), centres (K, 2) -> (n,). In chunks: (n, K) is large."""
    chunks = []
    for part in np.array_split(x, len(x) // 4096 + 1):
        square = ((part[:, None] - centres) ** 2).sum(axis=-1)  # (n, K)
        chunks.append(logsumexp(-0.5 * square / sigma**2, b=weights, axis=1))
    return np.concatenate(chunks) - 2 * np.log(sigma) - LOG_2PI


def _quadrature(low, high, K):
    """Gauss-Legendre nodes and weights (K,) of a mean over [low, high]: the weights sum to one."""
    node, weight = np.polynomial.legendre.leggauss(K)
    return low + (high - low) * (node + 1) / 2, weight / 2
