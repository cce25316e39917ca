"""Two players who descend at the same time, each its own loss: where the steps lead on one small game.

    x minimizes f(x, y), y maximizes it.   w = (x, y),  v(w) = (df/dx, -df/dy): each player's gradient of its own loss

For f = x y, whose only equilibrium is 0, v is w turned by a right angle: to follow -v continuously is to go round in a
circle. With steps of a finite size eta it depends on how they are taken; in each step |w| is multiplied by

    simultaneous     w <- w - eta v(w)                       sqrt(1 + eta^2): a spiral outwards
    alternating      first x, then y, which sees the new x   an ellipse: x^2 + y^2 - eta x y stays what it is
    extragradient    w <- w - eta v(w - eta v(w))            sqrt(1 - eta^2 + eta^4): a spiral inwards
    optimistic       w <- w - 2 eta v(w) + eta v(before)     sqrt((1 + sqrt(1 - 4 eta^2)) / 2), in the long run: inwards

Extragradient answers the move that its opponent is about to make. Optimism guesses that move from the last one, and so
needs no second gradient. Averaging is a cure too: the mean of w over alternating steps goes to 0 as 1 / steps, which is
what a moving average of a generator's weights is good for. train.py lets players alternate.

Sources: Korpelevich 1976 (extragradient); Popov 1980, and Daskalakis et al., "Training GANs with Optimism", 2018;
Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018 (the game).
Symbols: w both players' numbers, (2, ...); eta step size. Read before this: models/adversarial/gan.py.
"""
import itertools

import numpy as np

from autograd import grad, parameter


def play(rule, f, w, eta, steps):
    """The path of w: (steps + 1, 2, ...), w first. rule: one of those below. f: a function of Tensors x and y."""
    w = np.asarray(w, np.float64)
    return np.array([w, *itertools.islice(rule(field(f), w, eta), steps)])


def field(f):
    """The function v(w) = (df/dx, -df/dy), from NumPy array to NumPy array."""

    def v(w):
        x, y = (parameter(part) for part in w)
        g_x, g_y = grad(f(x, y), [x, y])
        return np.stack([g_x.numpy(), -g_y.numpy()])

    return v


def simultaneous(v, w, eta):
    while True:
        w = w - eta * v(w)
        yield w


def alternating(v, w, eta):
    while True:
        w = np.stack([w[0] - eta * v(w)[0], w[1]])  # course 7.3
        w = np.stack([w[0], w[1] - eta * v(w)[1]])
        yield w


def extragradient(v, w, eta):
    while True:
        w = w - eta * v(w - eta * v(w))
        yield w


def optimistic(v, w, eta):
    before = v(w)
    while True:
        now = v(w)
        w, before = w - eta * (2 * now - before), now
        yield w


RULES = {rule.__name__: rule for rule in (simultaneous, alternating, extragradient, optimistic)}
