"""Linear autoencoder: learns the subspace of principal component analysis by gradient descent.

    z     = W_e (x - m)          code, Z numbers; m is the mean of the training data
    x_hat = m + W_d z            reconstruction, D numbers
    loss  = E |x - x_hat|^2

x_hat lies in a plane through m, spanned by the Z columns of W_d. Of all such planes the principal one, along
the Z leading eigenvectors of the covariance of x, is nearest to the data, and every other critical point of
the loss is a saddle (Baldi & Hornik, Neural Networks 2, 1989, fact 4; Bourlard & Kamp 1988). So descent finds
the plane. It does not find the axes: W_d may be any basis of it, as W_d A and A^-1 W_e reconstruct what W_d
and W_e do.

`pca` and `largest_angle` are there to see that it comes true; the example on this model does.

An autoencoder is not a generative model: it has no p(z). To draw samples all the same, a Gaussian is fitted
to the codes on the way, as a running mean and covariance.

Symbols: N images, D pixels, Z latent. Read before this: nn/layers.py, player.py. Read next: ae.py.
Course: 3.2.
"""
import numpy as np
import scipy.linalg

from autograd import no_grad
from autograd.backend import asarray, default_dtype, to_numpy, xp

from ...metrics import Measure, mean_interval
from ...nn import Linear, Module
from ...nn.moments import RunningGaussian
from ...player import Player


class LinearAutoencoder(Module):
    """space: of an image, scaled to [0, 1], or of points. latent: Z. The plane is spanned by the columns of
    `decoder.weight` (D, Z)."""

    def __init__(self, space, latent=2, *, rng):
        self.space, self.D = space, space.size
        if not 1 <= latent <= self.D:
            raise ValueError(f"LinearAutoencoder: latent is {latent}, expected 1 to {self.D}, the size of x")
        self.latent = latent
        self.encoder = Linear(self.D, latent, bias=False, rng=rng)  # W_e
        self.decoder = Linear(latent, self.D, bias=False, rng=rng)  # W_d
        self.register_buffer("mean", xp.zeros(self.D, default_dtype))  # m
        self.codes = RunningGaussian(latent)

    def center(self, x):
        """Takes m from the training data x. Without it the mean is one more direction to be learned, by far
        the longest, and descent is slow. Returns the model."""
        self.mean[...] = self.space.rows(x).mean(axis=0)
        return self

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x = self.space.rows(batch["x"])  # (N, D)
        z = self.encoder(x - self.mean)  # (N, Z)
        x_hat = self.mean + self.decoder(z)  # (N, D)
        if self.training:
            self.codes.see(z.data)
        return {"squared error": ((x - x_hat) ** 2).sum(axis=1).mean()}  # course 3.2

    def encode(self, x):
        """The codes z (N, Z) of images or points x, a NumPy array."""
        with no_grad():
            return self.encoder(self.space.rows(x) - self.mean).numpy()

    def decode(self, z):
        """m + W_d z for codes z (N, Z), as images in [0, 1] or points."""
        with no_grad():
            return self.space.from_unit((self.mean + self.decoder(asarray(z, default_dtype))).data)

    def reconstruct(self, x):
        """x_hat, as images in [0, 1] or points."""
        return self.decode(self.encode(x))

    def sample(self, n, rng):
        """Decodes z from the Gaussian with the codes' mean and covariance."""
        return self.decode(self.codes.sample(n, rng))

    def measure(self, batch, rng):
        with no_grad():
            x = self.space.rows(batch["x"])
            x_hat = self.mean + self.decoder(self.encoder(x - self.mean))
        error = ((x - x_hat) ** 2).sum(axis=1)
        return [Measure("squared error", *mean_interval(error), "", f"|x - x_hat|^2, codes of {self.latent} numbers")]


def pca(x, latent):
    """(mean, basis) of the principal plane of the rows of x (N, D): (D,), and orthonormal columns (D,
    latent)."""
    mean = x.mean(axis=0, dtype=np.float64)
    _, _, eigenvectors = np.linalg.svd(x - mean, full_matrices=False)  # course 3.2
    return mean, eigenvectors[:latent].T


def largest_angle(basis1, basis2):
    """The largest principal angle, in radians, between the spans of the columns: 0 only if the spans are
    equal."""
    return float(scipy.linalg.subspace_angles(*(np.asarray(to_numpy(b), np.float64) for b in (basis1, basis2))).max())
