"""Autoencoder: a network that must pass its input through a code of few numbers learns what is worth keeping.

    z     = f(x)                 encoder, to Z numbers
    x_hat = g(z)                 decoder, back to D numbers
    loss  = E |x - x_hat|^2

With f and g nonlinear the reconstructions lie on a curved Z-dimensional surface, where those of the linear
autoencoder lie in a plane. Source: Hinton & Salakhutdinov, Science 313, 2006, whose network is
784-1000-500-250-30 and back; they trained it layer by layer before descending the loss, which today's
activations and optimizers do not need.

Nothing says where the codes lie or what is between them: there is no p(z). To draw samples all the same, a
Gaussian is fitted to the codes on the way, as a running mean and covariance. The VAE makes them Gaussian.

Symbols: N examples, D pixels, Z latent. Read before this: linear_ae.py, nn/autoencoder.py. Read next: vae.py.
"""
from autograd import no_grad
from autograd.backend import asarray, default_dtype

from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.autoencoder import mlp_pair
from ...nn.chunks import in_chunks
from ...nn.moments import RunningGaussian
from ...player import Player

EXAMPLES = 1000  # that are decoded at a time


class Autoencoder(Module):
    """space: of an image, scaled to [0, 1], or of points. latent: Z. hidden: widths of the encoder's hidden layers; the
    decoder has them in reverse. networks: makes f and g of these, `mlp_pair` or, for images, `conv_pair`."""

    def __init__(self, space, latent=16, hidden=(256,), networks=mlp_pair, *, rng):
        if latent < 1:
            raise ValueError(f"Autoencoder: latent is {latent}, expected at least 1")
        self.space, self.latent = space, latent
        self.encoder, self.decoder = networks(space.shape, hidden, code=latent, latent=latent, rng=rng)
        self.codes = RunningGaussian(latent)

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x = self.space.rows(batch["x"])  # (N, D)
        z = self.encoder(x)  # (N, Z)
        x_hat = self.decoder(z)  # (N, D)
        if self.training:
            self.codes.see(z.data)
        return {"squared error": ((x - x_hat) ** 2).sum(axis=1).mean()}

    def encode(self, x):
        """The codes z (N, Z) of images or points x, a NumPy array."""
        with no_grad():
            return self.encoder(self.space.rows(x)).numpy()

    def decode(self, z):
        """g(z) for codes z (N, Z), as images in [0, 1] or points."""
        with no_grad():
            return in_chunks(lambda z: self.space.from_unit(self.decoder(z).data), asarray(z, default_dtype), EXAMPLES)

    def reconstruct(self, x):
        """g(f(x)), as images in [0, 1] or points."""
        return self.decode(self.encode(x))

    def sample(self, n, rng):
        """Decodes z from the Gaussian with the codes' mean and covariance."""
        return self.decode(self.codes.sample(n, rng))

    def measure(self, batch, rng):
        with no_grad():
            x = self.space.rows(batch["x"])
            error = ((x - self.decoder(self.encoder(x))) ** 2).sum(axis=1)
        return [Measure("squared error", *mean_interval(error), "", f"|x - x_hat|^2, codes of {self.latent} numbers")]
