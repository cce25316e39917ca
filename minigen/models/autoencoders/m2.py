"""M2: a VAE with the label among its latents, which learns to classify from few labels and many images without one.

Kingma, Rezende, Mohamed & Welling, "Semi-supervised Learning with Deep Generative Models", NeurIPS 2014
(arXiv:1406.5298); equation numbers are that paper's.

    p(y) = 1 / K,  p(z) = N(0, I),  p(x | y, z)                    what an image is of, how it looks, the image (eq. 2)
    q(y | x) = softmax,  q(z | x, y) = N(mu, diag(sigma^2))        a classifier; the VAE's encoder, told y      (eq. 4)

    with a label    log p(x, y) >= -L(x, y)
                    L(x, y) = -E_q(z | x, y)[log p(x | y, z) + log p(y) + log p(z) - log q(z | x, y)]           (eq. 6)
    without         log p(x) >= -U(x),   U(x) = sum_y q(y | x) L(x, y) - H(q(y | x))                            (eq. 7)
    all of it       J = sum over labelled of L(x, y) + sum over unlabelled of U(x)                              (eq. 8)
    minimized       J + alpha E_labelled[-log q(y | x)],   alpha = 0.1 N                                        (eq. 9)

All y are tried for an image without label, so it costs K times as much as one with. The classifier appears in eq. 7
only: without the last term of eq. 9 it would never be told a label. Without the entropy H it would put all on one y
at once, whichever was better by chance. Here all is per example: eq. 9 divided by N, the number of all examples.

M1 is a classifier on the codes of a VAE (probes.py). M1+M2 is this model on such codes in the place of images, drawn
from the VAE's q(z | x): the VAE is trained first, without labels, and frozen.

Symbols: N examples, K classes, D pixels, Z latent. Read before this: vae.py, likelihoods.py, data/labels.py.
Read next: probes.py.
Course: 3.5.
"""
import numpy as np

from autograd import (
    as_tensor,
    concatenate,
    cross_entropy,
    exp,
    log_softmax,
    no_grad,
    one_hot,
    relu,
    softmax,
    split,
)
from autograd.backend import asarray, default_dtype, normal, to_numpy, xp

from ...data import Space
from ...densities import kl_standard_normal
from ...likelihoods import Bernoulli, Gaussian
from ...metrics import Measure, mean_interval
from ...nn import MLP, Module
from ...nn.chunks import in_chunks
from ...player import Player

EXAMPLES = 500  # that evaluation takes at a time


class M2(Module):
    """space: of images, whose pixels are bits drawn with the gray level's probability, or of points, Gaussian with one
    sigma that is learned. classes: K. latent: Z. hidden: widths of each network's hidden layers. alpha: that of eq. 9
    over N. share: of the examples, that have labels."""

    conditions = ("y",)

    def __init__(self, space, classes, latent=50, hidden=(500,), alpha=0.1, share=0.01, *, rng):
        if latent < 1 or classes < 2 or alpha < 0 or not 0 <= share <= 1:
            raise ValueError(f"M2: latent is {latent}, classes is {classes}, alpha is {alpha}, share is {share}, "
                             "expected at least 1, 2 and 0, and a share from 0 to 1")
        self.space, self.latent, self.labels = space, latent, Space((), classes)
        self.K, self.alpha, self.share = classes, alpha, share
        D = space.size
        self.classifier = MLP((D, *hidden, classes), relu, rng=rng)
        self.encoder = MLP((D + classes, *hidden, 2 * latent), relu, rng=rng)
        self.decoder = MLP((latent + classes, *hidden[::-1], D), relu, rng=rng)
        self.likelihood = Bernoulli(space) if space.levels else Gaussian(space)

    def players(self):
        return [Player("model", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        """Eq. 9 over N, and its parts, in nats per example. batch: x, labelled, labelled_y: see data/labels.py."""
        missing = [name for name in ("x", "labelled", "labelled_y") if name not in batch]
        if missing:
            raise ValueError(f"M2: the data have no column '{missing[0]}', only {', '.join(batch)}; look at them "
                             "through data.few_labels")
        self.labels.check(batch["labelled_y"], "labelled_y")
        y = asarray(batch["labelled_y"])
        known, _ = self.likelihood.observe(batch["labelled"], rng)  # (n, D)
        L = self.with_label(known, one_hot(y, self.K), rng).mean()
        U = self.without_label(self.likelihood.observe(batch["x"], rng)[0], rng).mean()
        wrong = cross_entropy(self.classifier(known), y)
        return {"loss": self.share * L + (1 - self.share) * U + self.alpha * wrong, "L, with labels": L,
                "U, without": U, "-log q(y | x)": wrong}

    def with_label(self, x, y, rng, each=1):
        """L(x, y) of one draw of z, (n,), for x (n, D) and one-hot y (n, K): eq. 6. each: how many rows are of one
        example, which follow one another."""
        mu, logvar = split(self.encoder(concatenate([x, y], axis=1)), 2, axis=1)  # (n, Z)
        z = mu + exp(0.5 * logvar) * normal(rng, (len(x) // each, each, self.latent)).reshape(mu.shape)
        reconstruction = self.likelihood.log_prob(x, self.decoder(concatenate([z, y], axis=1))).sum(axis=1)
        return -reconstruction + np.log(self.K) + kl_standard_normal(mu, logvar).sum(axis=1)

    def without_label(self, x, rng):
        """U(x), (n,), for x (n, D): eq. 7."""
        log_q = log_softmax(self.classifier(x), axis=1)  # (n, K)
        every_y = xp.tile(xp.eye(self.K, dtype=default_dtype), (len(x), 1))  # (n K, K)
        L = self.with_label(xp.repeat(x, self.K, axis=0), every_y, rng, each=self.K).reshape(len(x), self.K)
        return (exp(log_q) * (L + log_q)).sum(axis=1)  # sum_y q L - H; course 3.5

    def probabilities(self, x):
        """q(y | x), (N, K), of images or points x; gray levels are taken as they are."""
        with no_grad():
            return in_chunks(lambda x: softmax(self.classifier(self.space.rows(x)), axis=1).data, x, EXAMPLES)

    def sample(self, n, rng, y=None):
        """z from the prior, and y too if it is not given, (n,); images as the mean of p(x | y, z), points drawn."""
        y = rng.integers(self.K, size=n) if y is None else y
        self.labels.check(y, "y")
        z = normal(rng, (n, self.latent))
        with no_grad():
            h = self.decoder(concatenate([as_tensor(z), one_hot(asarray(y), self.K)], axis=1))
            if self.space.levels:
                return self.space.from_unit(self.likelihood.mean(h).data)
            return self.space.from_unit(self.likelihood.draw(h, rng))

    def measure(self, batch, rng):
        x = batch["x"]
        with no_grad():
            U = in_chunks(lambda x: self.without_label(self.likelihood.observe(x, rng)[0], rng).data, x, EXAMPLES)
        bound = Measure("U", *mean_interval(U), "nats", f"{self.likelihood.detail}; one draw of z for each class")
        return [*classified(self.probabilities(x), batch), bound]


class M1M2(Module):
    """M2 on the codes of a VAE. features: the VAE, trained, Frozen. space: of its images. The others: as of M2."""

    conditions = ("y",)

    def __init__(self, features, space, classes, latent=50, hidden=(500,), alpha=0.1, share=0.01, *, rng):
        self.features, self.space = features, space
        self.m2 = M2(Space((features.latent,)), classes, latent, hidden, alpha, share, rng=rng)

    def players(self):
        return [Player("model", self.m2.parameters(), self.loss)]

    def loss(self, batch, rng):
        codes = {name: self.codes(batch[name], rng) for name in ("x", "labelled") if name in batch}
        return self.m2.loss({**batch, **codes}, rng)

    def codes(self, x, rng):
        """A draw from the VAE's q(z | x) for each of x, NumPy arrays."""
        with no_grad():
            mu, logvar = self.features.posterior(self.features.likelihood.observe(x, rng)[1])
            return to_numpy((mu + exp(0.5 * logvar) * normal(rng, mu.shape)).data)

    def probabilities(self, x):
        """q(y | x), (N, K), of images x, by their mean codes."""
        return self.m2.probabilities(self.features.encode(x))

    def sample(self, n, rng, y=None):
        return self.features.decode(self.m2.sample(n, rng, y))

    def measure(self, batch, rng):
        return classified(self.probabilities(batch["x"]), batch)


def classified(p, batch):
    """[the share of examples to whose label q(y | x) = p (N, K) does not give the most]; [] if there are no labels."""
    if "y" not in batch:
        return []
    return [Measure("error", *mean_interval(p.argmax(axis=1) != batch["y"]), "", "share of wrong classes")]
