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

Symbols: N examples, D pixels, Z latent. Read before this: linear_ae.py,
nn/autoencoder.py, autoencoders/deterministic.py. Read next: vae.py.
Course: 3.1, 3.3.
"""
from ...autoencoders.deterministic import DeterministicAutoencoder
from ...nn.autoencoder import mlp_pair
from ...nn.moments import RunningGaussian


class Autoencoder(DeterministicAutoencoder):
    """space: of an image, scaled to [0, 1], or of points. latent: Z. hidden: widths of the encoder's hidden layers; the
    decoder has them in reverse. networks: makes f and g of these, `mlp_pair` or, for images, `conv_pair`."""

    def __init__(self, space, latent=16, hidden=(256,), networks=mlp_pair, *, rng):
        if latent < 1:
            raise ValueError(f"Autoencoder: latent is {latent}, expected at least 1")
        self.space, self.latent = space, latent
        self.encoder, self.decoder = networks(space.shape, hidden, code=latent, latent=latent, rng=rng)
        self.codes = RunningGaussian(latent)

    def code(self, x):
        return self.encoder(x)

    def generate(self, z):
        return self.decoder(z)

    def loss(self, batch, rng):
        z, error = self.codes_and_error(batch["x"])
        if self.training:
            self.codes.see(z.data)
        return {"squared error": error}

    def sample(self, n, rng):
        """Decodes z from the Gaussian with the codes' mean and covariance."""
        return self.decode(self.codes.sample(n, rng))

    def measure(self, batch, rng):
        return [self.squared_error(batch["x"])]
