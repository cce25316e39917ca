"""The likelihood of a diffusion by its differential equation without noise: exact, but for the steps it is solved in.

    dx = v(x) dt   =>   d log p(x) = -tr(dv / dx) dt                       along a path the density thins as paths part
    log p(x_0) = log p(x_T) + int_0^T tr(dv / dx) dt                       Song et al. 2021, appendix D.2, eq. 39

The equation, dx = x_0 da + eps ds, is followed from an example up to the noise, whose density is known. The trace is
the denoiser's: tr(dx_0 / dx) = J, and of eps = (x - a x_0) / s it is (D - a J) / s. By D sweeps it is exact; by one,
along a random direction, right on average (Hutchinson's, as in FFJORD).

It is a continuous flow's likelihood, and can be compared with those of flows/; the variational bound of bound.py is of
the same network as a process with noise, and is higher than -log p. Steps are Heun's, of samplers.py, upwards: errors
fall as 1 / steps^2.

Symbols: N examples, D numbers in each. Read before this: samplers.py (heun), score_matching.py (the trace).
"""
from autograd import parameter
from autograd.backend import asarray, to_numpy

from ..densities import log_normal_fixed
from .samplers import descent
from .score_matching import exact_trace, projected_trace, signs

FEW = 3  # numbers of an example whose trace is taken exactly


def ode_log_likelihood(guess, x, levels, v=None):
    """log p(x) of each example, NumPy (N,), nats, and where their paths end, an array (N, ...).

    guess: (Tensor x_t, level) -> Tensor x_0, with a graph, as from predict.differentiable. x: examples, real numbers.
    levels: as a sampler takes them, from the noisiest, whose x_t is taken to be N(0, s^2 I), down to the one at which
    x is taken for x_t; a last one without noise is left out. v: directions of x's shape, see below; left out, the
    trace is exact.
    """
    way = [level for level in levels if level.s > 0][::-1]
    descent(way[::-1])
    x, D, gained = asarray(x), x[0].size, 0.0
    x_0, J = _slope(guess, x, way[0], v)
    for t, s in zip(way, way[1:]):
        da, ds = s.a - t.a, s.s - t.s
        eps, spread = (x - t.a * x_0) / t.s, (D - t.a * J) / t.s  # and the trace of eps
        ahead = x + da * x_0 + ds * eps
        x_0_s, J_s = _slope(guess, ahead, s, v)
        eps_s, spread_s = (ahead - s.a * x_0_s) / s.s, (D - s.a * J_s) / s.s
        x = x + 0.5 * (da * (x_0 + x_0_s) + ds * (eps + eps_s))
        gained = gained + 0.5 * (da * (J + J_s) + ds * (spread + spread_s))
        x_0, J = _slope(guess, x, s, v)
    log_prior = log_normal_fixed(x, 0.0, way[-1].s).data.reshape(len(x), -1).sum(axis=1)
    return to_numpy(log_prior + gained), x


def directions(x, rng):
    """v for examples x (N, ...): a random direction for each, or None where they have few numbers."""
    return None if x[0].size <= FEW else signs(rng, x.shape, x.dtype)


def _slope(guess, x, level, v):
    """x_0 and the trace of its Jacobian, arrays (N, ...) and (N,)."""
    leaf = parameter(x)
    x_0 = guess(leaf, level)
    J = exact_trace(x_0, leaf) if v is None else projected_trace(x_0, leaf, v)
    return x_0.data, J.data
