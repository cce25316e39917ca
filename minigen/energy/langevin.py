"""Langevin dynamics: draws from a density of which only the slope of the logarithm is known, its score.

    x <- x + step/2 * score(x) + noise * eps,   eps ~ N(0, I),   score(x) = grad_x log p(x)

With noise = sqrt(step), the two coupled, x is distributed as p in the limit of many short steps (Welling & Teh 2011,
eq. 2-4; Roberts & Tweedie 1996). p's normalizing constant drops out of the score, and that is why an energy, or a
network that gives the score itself, is enough: log p(x) = -E(x) - log Z has the score -grad E(x).

What is done in practice on images is something else. Step and noise are chosen apart, the noise far smaller:

    step = step' T, noise = sqrt(step'):   a walk for the score T score(x), so for p(x)^T,   T = step / noise^2

a density of temperature 1/T, in the limit of short steps; the usual settings (step 10, noise 0.005) have T = 400,000,
are next to plain descent of the energy, and find modes quickly. The network then learns an energy for which this walk,
and no other, gives data: its exp(-E) need not be p. And since slopes are steep where E is still rough, each number of
the score is cut to [-clip, clip], and pixels are kept within their range; neither belongs to Langevin dynamics.

Symbols: x (N, ...) states of N chains, E energy in nats. Read before this: autograd/tensor.py (grad).
Read next: replay.py, models/energy/ebm.py.
"""
import math

from autograd import grad, parameter
from autograd.backend import asarray, normal, xp


def langevin(score, x, steps, step, *, rng, noise=None, clip=None, within=None):
    """The states of chains that start at x (N, ...) after so many steps: an array on the device in use.

    score: a function of states x that returns an array of their shape. step: the length of a step, in units of x
    squared. noise: the standard deviation of what is added in each step, sqrt(step) if left out. clip: the largest
    number of a score. within: (lowest, highest) that a number of x may be. The start is not written to. ValueError for
    a step or noise below 0.
    """
    noise = math.sqrt(max(step, 0.0)) if noise is None else noise
    if min(step, noise) < 0 or steps < 0:
        raise ValueError(f"langevin: steps is {steps}, step is {step}, noise is {noise}; expected at least 0 each")
    x = asarray(x)
    for _ in range(steps):
        g = score(x)
        g = g if clip is None else xp.clip(g, -clip, clip)
        x = x + 0.5 * step * g + noise * normal(rng, x.shape, x.dtype)
        x = x if within is None else xp.clip(x, *within)
    return x


def score_of(energy):
    """The score -dE/dx as a function of states x (N, ...), an array, for an energy x -> Tensor (N,) that treats every
    example on its own: then the gradient of the sum is each one's own. What it returns holds no graph, and of the
    energy's parameters no gradient is computed."""

    def score(x):
        leaf = parameter(x)
        return -grad(energy(leaf).sum(), leaf).data

    return score
