"""IWAE: the VAE, trained on the tighter bound that several draws of its encoder give together.

Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016 (arXiv:1509.00519); equation numbers are
that paper's.

    L_k(x) = E[log 1/k sum_i w_i],   w_i = p(x, z_i) / q(z_i | x),   z_1 .. z_k ~ q(z | x)                      (eq. 8)
    L_1 = ELBO  <=  L_k  <=  L_{k+1}  <=  log p(x)                                                        (theorem 1)
    grad L_k = E[sum_i w~_i grad log w_i],   w~_i = w_i / sum_j w_j                                       (eqs. 13-14)

The ELBO punishes every draw of q that explains x badly, E[log w]: q keeps away from wherever the posterior is thin, and
the model comes to have posteriors that such a q can match. In L_k one good draw among k is enough. So q may be wider,
more latents are used, and the model is freer. Logarithm and mean stand in this order; the mean of the logarithms would
be the ELBO again, with less noise. The sum over i is in the logarithm, so that one draw is to the others as w~ says:
that is what autograd makes of logsumexp, and eq. 14 need not be written.

q is no longer pulled to the posterior: with many draws its own gradient drowns in noise (Rainforth et al., "Tighter
Variational Bounds are Not Necessarily Better", 2018), and -ELBO may rise while the bound falls.

Symbols: N examples, D pixels, Z latent, k draws of z. Read before this: vae.py, importance.py,
autoencoders/variational.py. Read next: hierarchical_vae.py; examples/10_vaes/100_iwae.py.
"""
import math

from autograd import logsumexp

from ...autoencoders import Variational
from ...nn.autoencoder import mlp_pair


class IWAE(Variational):
    """space, decoder, latent, hidden, networks: as of VAE. k: draws of z for each example in training; with k = 1 it is
    the VAE, whose KL is estimated."""

    def __init__(self, space, decoder="bernoulli", latent=50, hidden=(200, 200), k=5, networks=mlp_pair, *, rng):
        super().__init__(space, decoder, latent)
        if k < 1:
            raise ValueError(f"IWAE: k is {k}, expected at least 1 draw")
        self.k = k
        self.encoder, self.decoder = networks(space.shape, hidden, code=2 * latent, latent=latent,
                                              outputs=self.likelihood.size, rng=rng)

    def loss(self, batch, rng):
        """-L_k, and -ELBO of the same draws, in nats per example."""
        log_w = self.log_weights(batch["x"], self.k, rng)  # (N, k)
        L_k = logsumexp(log_w, axis=1) - math.log(self.k)  # (N,), eq. 8
        return {f"-L_{self.k}": -L_k.mean(), "-ELBO": -log_w.mean()}
