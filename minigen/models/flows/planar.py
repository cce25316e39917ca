"""Planar flow: a Gaussian, squeezed and stretched along one hyperplane after another.

Rezende & Mohamed, "Variational Inference with Normalizing Flows", ICML 2015 (arXiv:1505.05770); equation
numbers are that paper's.

    f(z) = z + u h(w^T z + b),  h = tanh                                   (eq. 10)
    psi(z) = h'(w^T z + b) w                                               (eq. 11)
    |det df/dz| = |1 + u^T psi(z)|                                         (eq. 12)
    ln q_K(z_K) = ln q_0(z_0) - sum_k ln |1 + u_k^T psi_k(z_{k-1})|        (eq. 13), q_0 = N(0, I)

f can be inverted if w^T u >= -1. So u is moved along w until it is (appendix A.1):

    u_hat = u + (m - w^T u) w / |w|^2,   m = softplus(w^T u) - 1  =  w^T u_hat

Two ways to train it. `PlanarOnEnergy` has no data, only an energy U: it draws z from q_K and minimizes the
free energy

    F = E[ln q_K(z) + beta_t U(z)]                                         (eq. 20)
      = KL(q_K || p) - ln Z   at beta_t = 1

where beta_t rises to 1 while q_K finds all of p's modes. `Planar` has data x and maximizes ln q_K(x). That
takes the inverse, of which only one dimension is not known in closed form: with a = w^T z, the equation
a + m tanh(a + b) = w^T x (appendix A.1). It is solved numerically, and differentiated by the implicit
function theorem.

Symbols: K layers, D = 2 dimensions, z_k after layer k; m = w^T u_hat of a layer. Read before this:
flows/layers.py, flows/bend.py, data/energies.py. Read next: realnvp.py, whose inverse is in closed form.
Course: 8.1, 8.2.
"""
import math

import numpy as np

from autograd import as_tensor, concatenate, linear, log, no_grad, parameter, softplus, tanh
from autograd.backend import normal, xp

from ...data import Space
from ...data.energies import EDGE, ENERGIES, LOG_Z, log_density
from ...densities import log_standard_normal
from ...flows.bend import bend, invertible
from ...flows.layers import Chain, Inverse
from ...flows.normalizing_flow import NormalizingFlow
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...player import Player


class PlanarLayers(Module):
    """K maps f, one after the other: z_0 -> z_K. A layer as in flows/layers.py."""

    def __init__(self, K, D=2, *, rng):
        if K < 1:
            raise ValueError(f"PlanarLayers: K is {K}, expected at least one layer")
        self.w = parameter(2.0 * normal(rng, (K, D)))  # steep: small w bend the plane too gently to begin with
        self.u = parameter(0.1 * normal(rng, (K, D)))
        self.b = parameter(normal(rng, (K,)))

    def layers(self):
        """(w (1, D), u_hat (D,), b (1,), m (1,)) of each layer."""
        u_hat, m = invertible(self.w, self.u)
        return list(zip(self.w[:, None], u_hat, self.b[:, None], m))

    def forward(self, z):
        determinants = []
        for w, u_hat, b, m in self.layers():
            z, determinant = bend(z, linear(z, w, b), u_hat, m)  # (N, D), (N, 1), eqs. 10 and 12; course 8.2
            determinants.append(determinant)
        return z, log(concatenate(determinants, axis=1)).sum(axis=1)

    def inverse(self, z):
        for w, u_hat, b, m in reversed(self.layers()):
            a = root(linear(z, w), b, m)  # (N, 1)
            z = z - tanh(a + b) * u_hat
        return z


def root(y, b, m):
    """The a with F(a) = a + m tanh(a + b) - y = 0, for m >= -1; differentiable once in y, b and m.

    By Newton's method, which cannot overshoot here. F bends at a = -b only. For m > 0 it flattens away from
    there, so that steps that start at -b stay short of the root; for m < 0 it steepens, and they come down
    to the root from beyond it, from y + |m| or y - |m|.

    The gradient is that of one more Newton step, (dF/da)^-1 held constant, which moves a by nothing:
    da = -(dF/da)^-1 dF(a), the implicit function theorem.
    """
    y64, b64, m64 = (t.data.astype(np.float64) for t in (y, b, m))
    a = xp.where(m64 > 0, -b64, y64 + xp.abs(m64) * xp.where(y64 + b64 > 0, 1.0, -1.0))
    for _ in range(100):
        h = xp.tanh(a + b64)
        step = (a + m64 * h - y64) / xp.maximum(1.0 + m64 * (1.0 - h * h), 1e-12)
        a = a - step
        if (xp.abs(step) < 1e-12).all():
            break
    a = a.astype(y.dtype)
    h = tanh(a + b)
    F = m * h - y  # + a, a constant
    return a - (F - F.detach()) / (1.0 + m * (1.0 - h * h)).detach()


class Planar(NormalizingFlow):
    """Planar flow for points (N, 2), by maximum likelihood. K: layers."""

    def __init__(self, space, K=32, *, rng):
        if space.shape != (2,):
            raise ValueError(f"Planar: made for points of shape (2,), got {space.shape}; choose two_moons or "
                             "another 2-D data set")
        super().__init__(Inverse(PlanarLayers(K, rng=rng)), space)


class PlanarOnEnergy(NormalizingFlow):
    """Planar flow fitted to p = exp(-U) / Z on the square [-4, 4]^2, without data.

    energy: "u1" to "u4". K: layers. anneal: the share of training in which beta_t rises from 0.01 to 1; the paper takes
    10,000 steps. A last, fixed layer maps the plane onto the square: where p is 0, KL(q || p) allows q nothing.
    """

    done = 1.0  # how much of the training is over: set by the loop

    def __init__(self, energy, K=32, anneal=0.5, *, rng):
        if energy not in ENERGIES:
            raise ValueError(f"PlanarOnEnergy: energy is {energy!r}, expected one of {', '.join(ENERGIES)}")
        super().__init__(Inverse(Chain(PlanarLayers(K, rng=rng), ToSquare(EDGE))), Space((2,)))
        self.energy, self.U, self.anneal = energy, ENERGIES[energy], anneal

    def players(self):
        return [Player("flow", self.parameters(), self.loss, data=False)]

    def loss(self, n, rng):
        """F on n draws from q."""
        log_q, U = self.draw(n, rng)
        beta = min(1.0, 0.01 + self.done / self.anneal)
        kl = (log_q.detach() + U.detach()).mean() + LOG_Z[self.energy]
        return {"free energy": (log_q + beta * U).mean(), "KL": kl}

    def draw(self, n, rng):
        """ln q_K(z) and U(z), (n,) each, at n draws z from q_K."""
        z0 = as_tensor(normal(rng, (n, 2)))
        z, logdet = self.flow.layer(z0)
        return log_standard_normal(z0).sum(axis=1) - logdet, self.U(z)  # eq. 13

    def measure(self, batch, rng, draws=20_000, cells=400):
        """Both divergences, from draws of q and from draws x of p, and the first again as a sum over a grid."""
        x, log_p = batch["x"], log_density(self.energy)
        at = EDGE * (2 * (np.arange(cells) + 0.5) / cells - 1)  # midpoints
        grid = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
        area = (2 * EDGE / cells) ** 2
        with no_grad():
            log_q, U = self.draw(draws, rng)
            log_q_grid = self.log_prob(grid).numpy()
            log_q_x = self.log_prob(x).numpy()
        q = np.exp(log_q_grid)
        kl = log_q + U + LOG_Z[self.energy]
        return [Measure("KL(q || p)", *mean_interval(kl), "nats", f"{draws:,} draws of q"),
                Measure("KL(q || p)", float((q * (log_q_grid - log_p(grid))).sum() * area), None, "nats",
                       f"grid of {cells}x{cells}, on which q sums to {q.sum() * area:.4f}"),
                Measure("KL(p || q)", *mean_interval(log_p(x) - log_q_x), "nats", "draws of p")]


class ToSquare(Module):
    """x = edge tanh(z / 2), onto (-edge, edge)^2. A layer as in flows/layers.py."""

    def __init__(self, edge):
        self.edge = edge

    def forward(self, z):
        # dx/dz = 2 edge sigmoid(z) sigmoid(-z)
        logdet = math.log(2 * self.edge) - softplus(z) - softplus(-z)
        return self.edge * tanh(0.5 * z), logdet.sum(axis=1)

    def inverse(self, x):
        return log((self.edge + x) / (self.edge - x))
