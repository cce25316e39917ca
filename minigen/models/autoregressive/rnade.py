"""RNADE: NADE for real numbers, each of which has a mixture of Gaussians, given those before it.

Uria, Murray & Larochelle, "RNADE: The real-valued neural autoregressive density-estimator", NIPS 2013.

    p(x_d | x_<d) = sum_k alpha_dk N(x_d; mu_dk, sigma_dk^2)
    h_d = relu(rho_d a_d),   a_1 = c,   a_{d+1} = a_d + x_d W_d                  as in NADE, W shared by all d
    alpha_d = softmax(V^alpha_d h_d + b^alpha_d)
    mu_d    = V^mu_d h_d + b^mu_d
    sigma_d = exp(V^sigma_d h_d + b^sigma_d)

a_d grows with d, as more is added to it; rho_d, one learned number for each d, takes that back. Narrow components have
large gradients, as d log p / d mu is responsibility times (x - mu) / sigma^2: so the paper multiplies the gradient of
mu by sigma (algorithm 1), and can take larger steps. What is followed is then no gradient, but its mean is 0 as well
where the conditionals are those of the data: there E[d log p / d mu | x_<d] = 0, and sigma depends on x_<d alone.

Images are integers, and a density that is fitted to integers themselves grows without bound on them: it is refused.
They get uniform noise, v = (x + u) / levels, and log p(v) - D log levels bounds log P(x) (flows/dequantization.py).
Every number is shifted and scaled to mean 0 and variance 1 of the training data, as the paper has it, by `standardize`;
the mixtures are shifted and scaled back, so that their density is that of v itself.

Symbols: N examples, D numbers of an example, H hidden units, M components of a mixture (the paper's K), v real numbers.
Read before this: nade.py. Read next: flows/normalizing_flow.py, for the other way to an exact density.
Course: 6.1.
"""
import math

import numpy as np

from autograd import (
    concatenate,
    cumsum,
    exp,
    expand_dims,
    log_softmax,
    logsumexp,
    no_grad,
    parameter,
    relu,
    split,
    transpose,
)
from autograd.backend import asarray, default_dtype, normal, xp
from autograd.tensor import as_tensor, record

from ...autoregressive import Autoregressive, categorical
from ...data import dequantize
from ...densities import log_normal
from ...metrics import Measure, mean_interval
from ...nn import init
from ...nn.chunks import in_chunks

HELD = 2**22  # numbers of h that evaluation holds at a time


class RNADE(Autoregressive):
    """space: of points, or of images of at most 256 levels. hidden: H. components: M."""

    dtype = default_dtype

    def __init__(self, space, hidden=50, components=10, *, rng):
        if min(hidden, components) < 1:
            raise ValueError(f"RNADE: hidden is {hidden}, components {components}, expected at least 1 each")
        self.space, self.D, self.conditions = space, space.size, {}
        self.H, self.M = hidden, components
        self.W = parameter(init.normal((self.D, hidden), std=self.D**-0.5, rng=rng))
        self.c = parameter(init.normal((hidden,), rng=rng))
        self.rho = parameter(xp.ones(self.D, default_dtype))
        self.V = parameter(init.normal((self.D, hidden, 3 * components), std=0.3 * hidden**-0.5, rng=rng))
        self.b = parameter(init.normal((self.D, 1, 3 * components), std=0.5, rng=rng))
        self.register_buffer("mean", xp.zeros(self.D, default_dtype))  # of the training data
        self.register_buffer("std", xp.ones(self.D, default_dtype))

    def standardize(self, x, rng):
        """Takes each number's mean and standard deviation from the training data x. Returns the model."""
        v = self.to_sequence(self.observe(x, rng))
        mean, std = v.mean(axis=0), v.std(axis=0)
        if not bool((std > 0).all()):
            raise ValueError(f"RNADE.standardize: number {int(std.argmin())} of {self.D} is the same in all {len(v)} "
                             "examples, which have no density then; leave it out")
        self.mean[...], self.std[...] = mean, std
        return self

    def observe(self, x, rng):
        """The data as modelled, real numbers v (N, *shape): points as they are, images with noise, on [0, 1)."""
        self.space.check(x)
        return asarray(x if self.space.levels is None else dequantize(x, self.space.levels, rng), default_dtype)

    # Densities

    def log_prob(self, v):
        """log p(v) in nats, Tensor (N,), of real numbers v (N, *shape): of images, what `observe` makes of them."""
        return self.log_conditionals(v).sum(axis=-1)

    def log_conditionals(self, v):
        """log p(v_d | v_<d), Tensor (N, D)."""
        if v.shape[1:] != self.space.shape or v.dtype.kind != "f":
            raise ValueError(f"RNADE: v has shape {v.shape} and dtype {v.dtype}, expected (N, *{self.space.shape}) and "
                             "real numbers; integers have no density: pass observe(x, rng)")
        log_alpha, mu, log_sigma = split(self.logits(v), 3, axis=-1)  # (N, D, M) each
        log_p = log_normal(expand_dims(self.to_sequence(v), -1), mu, 2.0 * log_sigma)
        return logsumexp(log_softmax(log_alpha) + log_p, axis=-1)  # course 6.1

    def logits(self, v):
        """The mixtures: Tensor (N, D, 3 M) of log alpha + constant, mu and log sigma, of v (N, *shape)."""
        y = (self.to_sequence(as_tensor(v)) - self.mean) / self.std  # (N, D)
        added = expand_dims(transpose(y), -1) * expand_dims(self.W, 1)  # (D, N, H)
        a = self.c + cumsum(added, axis=0) - added  # without x_d's own
        z = relu(self.rho.reshape(-1, 1, 1) * a) @ self.V + self.b  # (D, N, 3 M)
        log_alpha, mu, log_sigma = split(z, 3, axis=-1)
        mu = slower(mu, exp(log_sigma.detach()))
        mean, std = self.mean[:, None, None], self.std[:, None, None]
        return transpose(concatenate([log_alpha, mean + std * mu, log_sigma + xp.log(std)], axis=-1), (1, 0, 2))

    def bound(self, x, rng):
        """log p(x) of points, Tensor (N,); of integer images one draw of the lower bound on log P(x)."""
        cells = 0.0 if self.space.levels is None else self.D * math.log(self.space.levels)
        return self.log_prob(self.observe(x, rng)) - cells

    def loss(self, batch, rng):
        nats = -self.bound(batch["x"], rng).mean()
        if self.space.levels is None:
            return {"NLL": nats}
        return {"nats": nats, "bits/dim": nats / (self.D * math.log(2))}

    def measure(self, batch, rng, draws=4):
        """The bound over images x, each with so many draws of the noise; of points the density, which is exact."""
        x, size = batch["x"], max(1, HELD // (self.D * max(self.H, 3 * self.M)))
        draws = 1 if self.space.levels is None else draws
        with no_grad():
            nats = np.mean([-in_chunks(lambda x: self.bound(x, rng).data, x, size) for _ in range(draws)], axis=0)
        if self.space.levels is None:
            return [Measure("NLL", *mean_interval(nats), "nats", "exact")]
        detail = f"uniform dequantization, {draws} draws"
        return [Measure("-bound", *mean_interval(nats), "nats", detail),
                Measure("-bound", *mean_interval(nats / (self.D * math.log(2))), "bits/dim",
                        f"of {math.log2(self.space.levels):.2f}; {detail}")]

    # Sampling: as in Autoregressive, which draws v

    def predictor(self, n):
        W, V, b, rho = self.W.data, self.V.data, self.b.data, self.rho.data
        a = xp.repeat(self.c.data[None], n, axis=0)  # (n, H)

        def predict(d, v):
            if d > 0:
                a[...] += (v[:, d - 1 : d] - self.mean[d - 1]) / self.std[d - 1] * W[d - 1]
            log_alpha, mu, log_sigma = xp.split(xp.maximum(rho[d] * a, 0) @ V[d] + b[d], 3, axis=-1)
            mu, log_sigma = self.mean[d] + self.std[d] * mu, log_sigma + xp.log(self.std[d])
            return xp.concatenate([log_alpha, mu, log_sigma], axis=-1)

        return predict

    def pick(self, z, rng):
        """A component for each row of z (n, 3 M), and a number from it."""
        log_alpha, mu, log_sigma = xp.split(z, 3, axis=-1)
        k = categorical(log_alpha, rng)[:, None]
        mu, log_sigma = (xp.take_along_axis(each, k, axis=-1)[:, 0] for each in (mu, log_sigma))
        return mu + xp.exp(log_sigma) * normal(rng, (len(z),))

    def complete(self, x, known, rng):
        return self.as_drawn(self.draw(len(x), rng, given=self.observe(x, rng), known=known))

    def as_drawn(self, v):
        """Points as they are; images with the data's gray levels, on [0, 1]."""
        levels = self.space.levels
        return v if levels is None else self.space.from_unit(np.floor(v * levels) / np.float32(levels - 1))


def slower(mu, sigma):
    """mu itself, with a gradient that is multiplied by sigma (an array, or a constant Tensor)."""
    return record(mu.data, (mu, lambda g: g * sigma))
