"""Flows of a posterior: layers that carry z_0 ~ N(mu, sigma^2) on to a q(z | x) that is no Gaussian, as x says.

    z_t = f_t(z_{t-1}; h),   ln q(z_T | x) = ln q(z_0 | x) - sum_t ln |det df_t/dz_{t-1}|      Rezende & Mohamed, eq. 13

The encoder gives a context h for each x, beside mu and sigma, and every layer sees it. What a density model needs and
a posterior does not is the inverse: q is only ever asked at its own draws. So maps will do here that are costly to
undo.

    Planar    z + u_hat tanh(w^T z + b), w, u and b from h: narrow, one direction a layer      Rezende & Mohamed, eq. 10
    IAF       sigma z + (1 - sigma) m, where m_i and sigma_i = S(s_i) are from z_<i and h      Kingma et al., eqs. 9-10

The Jacobian of IAF is triangular, with sigma on its diagonal, and all of it is one pass of a masked network as in MADE;
only the way back would go number by number. (Eq. 10 has mu_t + sigma_t z_{t-1}; the form above, mu = (1 - sigma) m as
in a gate of an LSTM, is the one they recommend.) The order is reversed from step to step.

Sources: Rezende & Mohamed, ICML 2015; Kingma, Salimans, Jozefowicz, Chen, Sutskever & Welling, "Improved Variational
Inference with Inverse Autoregressive Flow", NeurIPS 2016. Symbols: N examples, k draws, Z latent, S the logistic
function. Read before this: bend.py, nn/masked.py. Read next: models/autoencoders/flow_vae.py.
"""
import math

import numpy as np

from autograd import concatenate, log, sigmoid, softplus, split
from autograd.backend import normal, xp

from ..nn.layers import Linear
from ..nn.masked import MaskedMLP
from ..nn.module import Module, ModuleList
from .bend import bend, invertible

OPEN = 2.0  # added to s: sigma = 0.88 to begin with, so that a step changes little


class Planar(Module):
    """K planar maps. latent: Z. context: numbers of h."""

    def __init__(self, latent, context, K=10, *, rng):
        if K < 1:
            raise ValueError(f"Planar: K is {K}, expected at least one layer")
        self.latent, self.K = latent, K
        self.amortized = Linear(context, K * (2 * latent + 1), rng=rng)
        # to begin with w^T z is about 2, as of less tanh is a line; u is small, and h counts for little
        w, u, b = normal(rng, (K, latent)), normal(rng, (K, latent)), normal(rng, (K, 1))
        self.amortized.bias.data[...] = xp.concatenate([2 / math.sqrt(latent) * w, 0.1 * u, b], axis=1).reshape(-1)
        self.amortized.weight.data *= 0.1

    def forward(self, z, h):
        """z_T (N, k, Z) and the log-determinant (N, k), of z_0 (N, k, Z) and h (N, context)."""
        Z = self.latent
        w, u, b = split(self.amortized(h).reshape(len(h), 1, self.K, 2 * Z + 1), [Z, 2 * Z], axis=-1)  # (N, 1, K, Z)
        u_hat, m = invertible(w, u)
        determinants = []
        for i in range(self.K):
            a = (w[:, :, i] * z).sum(axis=-1, keepdims=True) + b[:, :, i]  # (N, k, 1)
            z, determinant = bend(z, a, u_hat[:, :, i], m[:, :, i])
            determinants.append(determinant)
        return z, log(concatenate(determinants, axis=-1)).sum(axis=-1)


class IAF(Module):
    """So many steps of inverse autoregressive flow. latent: Z. context: numbers of h. hidden: widths of the masked
    networks' hidden layers."""

    def __init__(self, latent, context, steps=2, hidden=(100,), *, rng):
        if steps < 1:
            raise ValueError(f"IAF: steps is {steps}, expected at least one")
        orders = [np.arange(latent)[:: -1 if t % 2 else 1] for t in range(steps)]
        self.networks = ModuleList(MaskedMLP(order, hidden, 2, context, rng=rng) for order in orders)

    def forward(self, z, h):
        """As Planar."""
        logdet = 0.0
        for network in self.networks:
            ms = network(z, h[:, None])  # (N, k, 2, Z)
            m, s = ms[:, :, 0], ms[:, :, 1] + OPEN
            sigma = sigmoid(s)
            z = sigma * z + (1.0 - sigma) * m
            logdet = logdet - softplus(-s).sum(axis=-1)  # ln sigma
        return z, logdet
