"""RunningGaussian: a Gaussian that is fitted on the way, as a running mean and covariance.

An autoencoder does not say where its codes lie: there is no p(z). Fitted to the codes that it makes while it trains,
this one is drawn from in its place. Symbols: N examples, Z latent. Read before this: module.py.
"""
from autograd.backend import default_dtype, to_numpy, xp
from autograd.batch import whole

from .module import Module

SHARE = 0.01  # of the moments, that each batch makes up


class RunningGaussian(Module):
    """N(mean, cov) for codes of Z numbers; N(0, I) until the first have been seen."""

    def __init__(self, latent):
        self.register_buffer("mean", xp.zeros(latent, default_dtype))
        self.register_buffer("cov", xp.eye(latent, dtype=default_dtype))

    def see(self, z) -> None:
        """Takes in a batch of codes z, an array (N, Z)."""
        z = whole(z)
        self.mean += SHARE * (z.mean(axis=0) - self.mean)
        d = z - self.mean
        self.cov += SHARE * (d.T @ d / len(d) - self.cov)

    def sample(self, n, rng):
        """n draws, a NumPy array (n, Z)."""
        return rng.multivariate_normal(to_numpy(self.mean), to_numpy(self.cov), n)
