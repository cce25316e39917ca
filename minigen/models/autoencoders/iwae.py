"""IWAE: the VAE, trained on the tighter bound that several draws of its encoder give together.

Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016 (arXiv:1509.00519); equation numbers are
that paper's.

    L_k(x) = E[log 1/k sum_i w_i],   w_i = p(x, z_i) / q(z_i | x),   z_1 .. z_k ~ q(z | x)                      (eq. 8)
    L_1 = ELBO  <=  L_k  <=  L_{k+1}  <=  log p(x)                                                        (theorem 1)
    grad L_k = E[sum_i w~_i grad log w_i],   w~_i = w_i / sum_j w_j                                       (eqs. 13-14)

The ELBO punishes every draw of q that explains x badly, E[log w]: q keeps away from wherever the posterior is thin, and
the model comes to have posteriors that such a q can match. In L_k one good draw among k is enough. So q may be wider,
and the model is freer. Logarithm and mean stand in this order; the mean of the logarithms would be the ELBO again, with
less noise.

The sum in eq. 14 is a mean over i ~ w~. So one draw that is chosen by its weight can stand for all (section 3 there): k
passes forward, and one forward and back, which is half the work for k = 5 and a third for many. Little is lost, as one
weight is mostly much larger than the others.

q is no longer pulled to the posterior: with many draws its own gradient drowns in noise (Rainforth et al., "Tighter
Variational Bounds are Not Necessarily Better", 2018), and -ELBO may rise while the bound falls. Early in the training,
when no draw explains x, k passes teach little more than one: so k may grow with it, which is not in the paper.

Symbols: N examples, D pixels, Z latent, k draws of z. Read before this: vae.py, importance.py,
autoencoders/variational.py. Read next: hierarchical_vae.py; examples/10_vaes/100_iwae.py.
Course: 12.2.
"""
import math
from functools import partial

from autograd import exp, logsumexp, no_grad, take_along_axis
from autograd.backend import asarray, normal

from ...autoencoders import Variational, weight
from ...densities import kl_standard_normal
from ...nn.autoencoder import mlp_pair


class IWAE(Variational):
    """space, decoder, latent, hidden, networks: as of VAE. k: draws of z for each example in training, a number or a
    function of how much of it is over; with k = 1 it is the VAE."""

    done = 1.0  # how much of the training is over: set by the loop

    def __init__(self, space, decoder="bernoulli", latent=50, hidden=(200, 200), k=5, networks=mlp_pair, *, rng):
        super().__init__(space, decoder, latent)
        if not callable(k) and k < 1:
            raise ValueError(f"IWAE: k is {k}, expected at least 1 draw")
        self.k = k
        self.encoder, self.decoder = networks(space.shape, hidden, code=2 * latent, latent=latent,
                                              outputs=self.likelihood.size, rng=rng)

    def loss(self, batch, rng):
        """-L_k, and -ELBO of the same draws, in nats per example; the gradient of -L_k is that of one draw."""
        x, seen = self.likelihood.observe(batch["x"], rng)
        k = weight(self.k, self.done)
        eps = normal(rng, (len(seen), k, self.noise))
        if k == 1:  # as in the VAE, with the KL as an integral
            mu, logvar = self.posterior(seen)
            z = mu + exp(0.5 * logvar) * eps[:, 0]
            elbo = (self.log_prob(x, z[:, None])[:, 0] - kl_standard_normal(mu, logvar).sum(axis=1)).mean()
            return {"-L_k": -elbo, "-ELBO": -elbo}
        with no_grad():
            log_w = self.log_weights_at(x, seen, eps)  # (N, k)
            L_k = logsumexp(log_w, axis=1).mean() - math.log(k)  # eq. 8; course 12.2
        one = self.log_weights_at(x, seen, chosen(eps, log_w, rng)).mean()
        return {"-L_k": -(one - one.detach() + L_k), "-ELBO": -log_w.mean()}


def chosen(eps, log_w, rng):
    """For each example one of the k draws eps (N, k, Z), with probability w~: (N, 1, Z)."""
    gumbel = asarray(rng.gumbel(size=log_w.shape))
    i = (log_w.data + gumbel).argmax(axis=1)  # the largest is a draw of softmax(log w)
    return take_along_axis(eps, i[:, None, None], axis=1).data


def later(k, share):
    """One draw, and k from this share of the training on: a function of how much of it is over."""
    return partial(_later, k, share)


def _later(k, share, done):
    return k if done >= share else 1
