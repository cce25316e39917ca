"""The likelihoods of decoders: which distribution of the pixels the numbers h stand for that a network puts out.

Each pixel has its own, given z, so that log p(x | z) is a sum over pixels. All have

    observe(x, rng)   x (N, *shape) as it is modelled, and as the encoder sees it, both (N, D)
    log_prob(x, h)    log p(x | z) per pixel, in nats: x (..., D), h (..., D size) -> (..., D)
    mean(h)           E[x | z] per pixel, on the scale [0, 1]
    size              numbers h for each pixel
    detail            what is modelled, in words: only likelihoods of the same can be compared

Equation numbers are those of Kingma & Welling, "Auto-Encoding Variational Bayes", ICLR 2014.

Symbols: N examples, D pixels, K gray levels. Read before this: data/space.py, densities.py. Read next:
models/autoencoders/vae.py, models/codes/dvae.py.
"""
from autograd import parameter, sigmoid, softmax
from autograd.backend import asarray, default_dtype, normal, xp

from .data import binarize
from .densities import log_bernoulli, log_categorical, log_normal
from .nn import Module


class Bernoulli(Module):
    """Black or white: P(x = 1 | z) = sigmoid(h) (eq. 11). A gray level is the probability of white, and drawn
    anew each time (dynamic binarization); where there are only two levels that draw is the image itself."""

    name, size = "bernoulli", 1

    def __init__(self, space):
        self.space = space
        self.detail = "fixed binarization" if space.levels == 2 else "dynamic binarization, one draw"

    def observe(self, x, rng):
        self.space.check(x)
        bits = asarray(binarize(x, self.space.levels, rng)).reshape(len(x), self.space.size)
        return bits, bits

    def log_prob(self, x, h):
        return log_bernoulli(x, h)

    def mean(self, h):
        return sigmoid(h)


class Categorical(Module):
    """One of K gray levels: P(x = k | z) = softmax(h)_k. Not in the paper. Knows nothing of the levels'
    order."""

    name = "categorical"

    def __init__(self, space):
        self.space, self.size = space, space.levels
        self.detail = f"exact gray levels, {space.levels}-way categorical"

    def observe(self, x, rng):
        seen = self.space.rows(x)
        return asarray(x).reshape(seen.shape), seen

    def log_prob(self, x, h):
        return log_categorical(x, self._pixels(h))

    def mean(self, h):
        return softmax(self._pixels(h)) @ xp.linspace(0, 1, self.size, dtype=default_dtype)

    def _pixels(self, h):
        return h.reshape(*h.shape[:-1], self.space.size, self.size)  # (..., D, K)


class Gaussian(Module):
    """x = h + sigma * noise, on the scale [0, 1] for images. Unlike in eq. 12 all pixels share one sigma,
    which is learned: with one of its own, a pixel that is always black would earn an infinite density."""

    name, size = "gaussian", 1

    def __init__(self, space):
        self.space = space
        self.logvar = parameter(xp.zeros(1, default_dtype))
        self.detail = "density of points" if space.levels is None else "density of gray / (levels - 1)"

    def observe(self, x, rng):
        return self.space.rows(x), self.space.rows(x)

    def log_prob(self, x, h):
        return log_normal(x, h, self.logvar)

    def mean(self, h):
        return h

    def draw(self, h, rng):
        return h.data + xp.exp(0.5 * self.logvar.data) * normal(rng, h.shape)


LIKELIHOODS = {likelihood.name: likelihood for likelihood in (Bernoulli, Categorical, Gaussian)}
