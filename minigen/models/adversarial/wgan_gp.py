"""WGAN-GP: the generator descends a distance between distributions, which a critic with slopes of 1 measures.

Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville, "Improved Training of Wasserstein GANs", NeurIPS 2017
(arXiv:1704.00028); equation numbers are that paper's.

    W(p, q) = max over f with |f(x) - f(y)| <= |x - y| of  E_p[f] - E_q[f]       the earth mover's distance (eq. 2)

It is what it costs to move the mass of q onto p. Where p and q do not overlap the discriminator of a GAN is simply
right, and tells the generator nothing; this f still falls steadily from one to the other. The critic f is a network,
whose slope is held near 1 (the optimal f has slope 1 almost everywhere between p and q) by a penalty:

    L = E[f(x_fake)] - E[f(x)] + lambda E[(|grad f(x_hat)| - 1)^2]                                         (eq. 3)
    x_hat = t x + (1 - t) x_fake,  t ~ U(0, 1)              a point on the line between an example and a sample
    the generator's loss: -E[f(G(z))]

Algorithm 1: lambda = 10, five steps of the critic per step of the generator, Adam with beta1 = 0, beta2 = 0.9.

The penalty contains a gradient, so the gradient of L is one of second order: `create_graph=True` records the sweep
that computes grad f, through convolutions and all, as a graph of its own, and the next sweep differentiates it.
It is the slope of f at one point. Batch normalization would make f of a point depend on all the others, so the critic
has none (section 4).

Symbols: N examples, f critic (the paper's D), t (its epsilon). Read before this: gan.py, adversarial/penalties.py.
Course: 1.7, 12.8.
"""
from autograd.backend import uniform

from ...adversarial.implicit import Implicit
from ...adversarial.penalties import gradient_penalty
from ...nn import BatchNorm1d, BatchNorm2d
from ...player import Player


class WGANGP(Implicit):
    """generator, critic: Modules with `shape`; the first with `latent`, the second from examples to numbers (N,).
    space: of the examples. n_critic: steps of the critic per step of the generator. penalty: lambda."""

    def __init__(self, generator, critic, space, n_critic=5, penalty=10.0):
        super().__init__(generator, critic, space)
        if n_critic < 1:
            raise ValueError(f"WGANGP: n_critic is {n_critic}, expected at least 1")
        if penalty <= 0:
            raise ValueError(f"WGANGP: penalty is {penalty}, expected a positive number: it bounds the critic's slope")
        normalized = [name for name, layer in critic.named_modules() if isinstance(layer, (BatchNorm1d, BatchNorm2d))]
        if normalized:
            raise ValueError(f"WGANGP: the critic has batch normalization ({', '.join(normalized)}), so that its slope "
                             "at an example depends on the others; build it with norm=None")
        self.critic, self.n_critic, self.penalty = critic, n_critic, penalty

    def players(self):
        return [Player("critic", self.critic.parameters(), self.critic_loss, repeat=self.n_critic),
                Player("G", self.generator.parameters(), self.generator_loss, data=False)]

    def critic_loss(self, batch, rng):
        """Eq. 3, and its parts: what the critic makes of the distance, which lags behind and errs by the penalty."""
        x = self.space.signed(batch["x"])
        fake = self.fake(len(x), rng)
        t = uniform(rng, (len(x),) + (1,) * (x.ndim - 1))
        penalty = gradient_penalty(self.critic, t * x + (1.0 - t) * fake.data)
        distance = self.critic(x).mean() - self.critic(fake).mean()
        return {"loss": self.penalty * penalty - distance, "distance": distance, "penalty": penalty}  # course 12.8

    def generator_loss(self, n, rng):
        return {"-f": -self.critic(self.generator(self.noise(n, rng))).mean()}
