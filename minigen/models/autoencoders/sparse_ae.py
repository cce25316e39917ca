"""Sparse autoencoders: many units of which few are active for any one image, so that each comes to mean something.

A code of few numbers must pack all that an image has into them. Here there are as many as one likes, and what is
scarce is activity. Two ways to enforce it:

    KL penalty    a = sigmoid(W x + b), x_hat = V a + c
                  loss = 1/2 |x - x_hat|^2 + beta sum_j KL(rho || rho_hat_j) + lambda/2 (|W|^2 + |V|^2)
                  rho_hat_j = E_data[a_j],  KL = rho log(rho / rho_hat_j) + (1 - rho) log((1 - rho) / (1 - rho_hat_j))

    k-sparse      z = W x + b;  z_j <- 0 unless it is among the k largest of z;  x_hat = W^T z + c
                  loss = |x - x_hat|^2

The first asks each unit to be active for a share rho of the images: Ng, "Sparse autoencoder", CS294A lecture notes,
2011. The second asks each image for k units: Makhzani & Frey, "k-Sparse Autoencoders", ICLR 2014 (arXiv:1312.5663),
algorithm 1. It does not say which units, and one that is never chosen learns nothing and stays so: k starts large and
falls to its value over the first half of training (their section on scheduling).

rho_hat_j is a mean over all of the data, one for each unit. A batch gives it with noise that the steep logarithm turns
into a bias, so the value is a running mean; but its gradient is that of the batch, whole: the running mean is a better
place to take KL' at, while d rho_hat_j / dW is estimated by the batch without bias.

That few units are active is success only if all of them are active sometimes: a dead one is as sparse as can be, and
units that all do the same have the right mean. `measure` looks for both. Nor does the first penalty ask for more than a
mean: a unit that stays near rho for all images, where a sigmoid is almost a line, obeys it too, and large V make much
of its small changes. What speaks against that is lambda |V|^2, alone.

Symbols: N examples, D pixels, J units, k active ones. Read before this: ae.py. Read next: probes.py, which asks what
such codes are good for.
Course: 3.4.
"""
import numpy as np

from autograd import linear, log, parameter, sigmoid, where
from autograd.backend import default_dtype, xp
from autograd.batch import batch_mean

from ...autoencoders.deterministic import DeterministicAutoencoder
from ...metrics import Measure, mean_interval
from ...nn import Linear

SHARE = 0.1  # of the running mean of activities, that each batch makes up
ON = 0.1  # a unit whose activity is further from 0 is active


class _Sparse(DeterministicAutoencoder):
    """What the two have in common; each defines `code`, the activities a (N, J), and `generate`."""

    def __init__(self, space, units, caller):
        if units < 1:
            raise ValueError(f"{caller}: units is {units}, expected at least 1")
        self.space, self.latent = space, units

    def measure(self, batch, rng):
        x = batch["x"]
        a = self.encode(x)  # (N, J)
        on = np.abs(a) > ON
        dead, correlation = ~on.any(axis=0), correlations(a)
        pairs = max(1, self.latent * (self.latent - 1))
        return [self.squared_error(x, "{} units"),
                Measure("active units", *mean_interval(on.mean(axis=1)), "", f"share for an image, activity > {ON:g}"),
                Measure("dead units", float(dead.mean()), None, "", f"share active for none of {len(x):,} images"),
                Measure("units alike", float((correlation > 0.5).sum() / pairs), None, "",
                        f"share of pairs with a correlation above 0.5; the mean is {correlation.sum() / pairs:.2f}")]


class SparseAutoencoder(_Sparse):
    """space: of an image, scaled to [0, 1], or of points. units: J. rho, beta: as above. decay: lambda, of weights and
    not of biases."""

    def __init__(self, space, units=256, rho=0.05, beta=3.0, decay=1e-4, *, rng):
        super().__init__(space, units, "SparseAutoencoder")
        if not 0 < rho < 1 or beta < 0 or decay < 0:
            raise ValueError(f"SparseAutoencoder: rho is {rho}, beta is {beta}, decay is {decay}, expected rho between "
                             "0 and 1, the others at least 0")
        self.rho, self.beta, self.decay = rho, beta, decay
        self.encoder = Linear(space.size, units, rng=rng)
        self.encoder.bias.data[...] = np.log(rho / (1 - rho))  # units begin near rho, where KL is small, and not at 1/2
        self.decoder = Linear(units, space.size, rng=rng)
        self.register_buffer("rho_hat", xp.full(units, rho, default_dtype))

    def code(self, x):
        return sigmoid(self.encoder(x))

    def generate(self, a):
        return self.decoder(a / self.rho)  # so that its weights, rho V, are of the size of W: Adam's steps are

    def loss(self, batch, rng):
        a, error = self.codes_and_error(batch["x"])  # (N, J)
        kl = kl_of_rates(self.rho, self.mean_activity(a)).sum()
        W, V = self.encoder.weight, self.decoder.weight / self.rho
        return {"1/2 squared error + penalties":
                0.5 * error + self.beta * kl + 0.5 * self.decay * ((W**2).sum() + (V**2).sum()),
                "squared error": error, "KL": kl}

    def mean_activity(self, a):
        """rho_hat (J,): in training the running mean, with the gradient of the mean over the batch a (N, J)."""
        batch = batch_mean(a)  # over examples, a number for each unit
        if not self.training:
            return batch
        self.rho_hat += SHARE * (batch.data - self.rho_hat)
        return batch + (self.rho_hat - batch.data)


class KSparseAutoencoder(_Sparse):
    """space: as above. units: J. k: how many may be active for an image. first: k at the beginning of training; all of
    them if left out."""

    done = 1.0  # how much of the training is over

    def __init__(self, space, units=256, k=25, first=None, *, rng):
        super().__init__(space, units, "KSparseAutoencoder")
        self.first = units if first is None else first
        if not 1 <= k <= self.first <= units:
            raise ValueError(f"KSparseAutoencoder: k is {k}, first is {self.first}, expected 1 <= k <= first <= units "
                             f"= {units}")
        self.k = k
        self.encoder = Linear(space.size, units, rng=rng)  # W (J, D), b
        self.c = parameter(xp.zeros(space.size, default_dtype))

    def active(self):
        """k now: in training it falls from `first` to its value, over the first half."""
        done = self.done if self.training else 1.0
        return round(self.first + (self.k - self.first) * min(1.0, 2 * done))

    def code(self, x):
        z = self.encoder(x)  # (N, J)
        k = self.active()
        least = xp.partition(z.data, self.latent - k, axis=1)[:, self.latent - k, None]  # the k-th largest, (N, 1)
        return where(z.data >= least, z, 0.0)

    def generate(self, a):
        return linear(a, self.encoder.weight.T, self.c)

    def loss(self, batch, rng):
        return {"squared error": self.codes_and_error(batch["x"])[1]}


def kl_of_rates(rho, rho_hat):
    """KL(Bernoulli(rho) || Bernoulli(rho_hat)) for each of rho_hat, in nats."""
    return rho * log(rho / rho_hat) + (1 - rho) * log((1 - rho) / (1 - rho_hat))  # course 3.4


def correlations(a):
    """The correlation of each unit with each over the rows of a (N, J): (J, J). 0 for one that never changes, and on
    the diagonal."""
    a = np.float64(a) - a.mean(axis=0)
    norm = np.sqrt((a * a).sum(axis=0))
    a = a / np.where(norm > 0, norm, 1.0)
    correlation = a.T @ a
    np.fill_diagonal(correlation, 0.0)
    return correlation
