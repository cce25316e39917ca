"""MoleculeVAE: a molecule as a point in a space, in which one can walk uphill on a property.

Gomez-Bombarelli et al., "Automatic Chemical Design Using a Data-Driven Continuous Representation of Molecules", ACS
Central Science 4, 2018. The VAE is that of vae.py; the data are lines of text, and what is new is what that brings:

    q(z | x)    a recurrent network reads the line from both sides; mu and log sigma^2 from the two states it ends in
    p(x | z)    prod_t p(x_t | z, x_<t): another, which starts from z, sees z in every step, and the character before
    y^ = f(mu)  a small network predicts the molecule's properties from its code, and is trained together with the rest

    loss = -E_q[log p(x | z)] + beta w KL(q(z | x) || p(z)) + |y - y^|^2 / 2          w from 0 to 1 in the first third

In training the decoder is told the true characters before x_t (teacher forcing). So it can do without z: a language
model of its own, KL = 0, all codes alike, and its samples look fine. beta < 1 is the price of a code that says which
molecule it is, and the samples from the prior pay it: with beta they go from reconstructed to valid. Neither number
means anything without the other. y is in units of its standard deviation; KL is a sum over z, as everywhere.

Symbols: N molecules, T tokens, K characters, Z latent; token 0 is the end. Read before this: vae.py, nn/recurrent.py,
data/smiles.py. Read next: examples/8_molecules/80_molecule_vae.py.
Course: 4.8.
"""
import numpy as np

from autograd import (
    Tensor,
    concatenate,
    exp,
    grad,
    no_grad,
    one_hot,
    parameter,
    relu,
    split,
    stack,
    take_along_axis,
    tanh,
)
from autograd.backend import asarray, default_dtype, normal, to_numpy, xp

from ...densities import kl_standard_normal, log_categorical
from ...metrics import Measure, mean_interval
from ...nn import GRU, MLP, Linear, Module
from ...nn.chunks import in_chunks
from ...player import Player

EXAMPLES = 1000  # that are decoded at a time
RECONSTRUCTED = 2000  # examples at most, that are encoded and decoded to see what comes back
WARM_UP = 1 / 3  # how much of the training the weight of the KL rises


class MoleculeVAE(Module):
    """space: of texts. properties: (N, P) of the training set, for their mean and spread; None for none. latent: Z.
    beta: weight of the KL. encoder, decoder: widths of their states."""

    done = 1.0  # how much of the training is over

    def __init__(self, space, properties=None, latent=64, beta=1.0, encoder=192, decoder=256, *, rng):
        if not space.is_text:
            raise ValueError(f"MoleculeVAE: reads texts, and x has shape {space.shape}; choose texts, e.g. qm9")
        if latent < 1 or beta < 0:
            raise ValueError(f"MoleculeVAE: latent is {latent}, expected at least 1; beta is {beta}, expected at least "
                             "0")
        self.space, self.latent, self.beta, self.K = space, latent, beta, space.levels
        self.forwards, self.backwards = GRU(self.K, encoder, rng=rng), GRU(self.K, encoder, rng=rng)
        self.posterior = Linear(2 * encoder, 2 * latent, rng=rng)
        self.first = Linear(latent, decoder, rng=rng)
        self.decoder = GRU(self.K + latent, decoder, rng=rng)
        self.logits = Linear(decoder, self.K, rng=rng)
        self.predictor = None
        if properties is not None:
            self.register_buffer("mean", asarray(properties.mean(axis=0), default_dtype))
            self.register_buffer("spread", asarray(properties.std(axis=0), default_dtype))
            self.predictor = MLP((latent, 128, properties.shape[1]), relu, rng=rng)

    def players(self):
        return [Player("vae", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x = self._checked(batch["x"])
        mu, logvar = self.encode_to(x)  # (N, Z)
        z = mu + exp(0.5 * logvar) * normal(rng, mu.shape)
        reconstruction, kl = -self.log_prob(x, z).mean(), kl_standard_normal(mu, logvar).sum(axis=-1).mean()
        loss, terms = reconstruction + self.beta * min(1.0, self.done / WARM_UP) * kl, {}
        if self.predictor:
            error = self.predictor(mu) - self._scaled(batch)  # (N, P)
            loss = loss + 0.5 * (error * error).sum(axis=1).mean()
            terms = {"unexplained": (error * error).detach().mean()}  # variance of the properties, of 1
        return {"loss": loss, "reconstruction": reconstruction, "KL": kl, **terms}

    def encode_to(self, x):
        """mu and logvar of q(z | x), (N, Z) each, of tokens x (N, T)."""
        lengths = np.maximum((x > 0).sum(axis=1), 1)
        ends = []
        for network, rows in (self.forwards, x), (self.backwards, backwards(x, lengths)):
            states, _ = network(one_hot(asarray(rows[:, :lengths.max(initial=1)]), self.K))
            last = asarray(lengths - 1).reshape(-1, 1, 1)
            ends.append(take_along_axis(states, xp.broadcast_to(last, (len(x), 1, states.shape[2])), axis=1)[:, 0])
        return split(self.posterior(concatenate(ends, axis=1)), 2, axis=-1)

    def log_prob(self, x, z):
        """log p(x | z) in nats, Tensor (N,): up to and with the first end."""
        T = min(int((x > 0).sum(axis=1).max(initial=0)) + 1, x.shape[1])  # what follows is ends in every text
        before = np.concatenate([np.zeros((len(x), 1), np.int64), x[:, :T - 1]], axis=1)
        h, states = tanh(self.first(z)), []
        for t in range(T):
            h = self.decoder.step(concatenate([one_hot(asarray(before[:, t]), self.K), z], axis=1), h)
            states.append(h)
        log_p = log_categorical(asarray(x[:, :T]), self.logits(stack(states, axis=1)))  # (N, T)
        belongs = (before > 0) | (np.arange(T) == 0)  # no token follows an end
        return (log_p * asarray(belongs, default_dtype)).sum(axis=1)

    def encode(self, x):
        """The codes mu (N, Z) of texts x, a NumPy array."""
        x = self._checked(x)
        with no_grad():
            return in_chunks(lambda x: self.encode_to(x)[0].data, x, EXAMPLES)

    def decode(self, z, rng=None):
        """Texts (N, T) of codes z (N, Z): the likeliest character at a time; with rng, drawn from p(x | z)."""
        with no_grad():
            return in_chunks(lambda z: self._decode(z, rng), asarray(z, default_dtype), EXAMPLES)

    def _decode(self, z, rng):
        x, h = np.zeros((len(z), *self.space.shape), np.int64), tanh(self.first(z))
        token = np.zeros(len(z), np.int64)
        for t in range(x.shape[1] - 1):  # the last is the end
            h = self.decoder.step(concatenate([one_hot(asarray(token), self.K), Tensor(z)], axis=1), h)
            scores = self.logits(h).numpy()
            if rng is not None:
                scores = scores + rng.gumbel(size=scores.shape)  # whose largest is a draw of softmax(scores)
            token = scores.argmax(axis=1) * ((token > 0) | (t == 0))
            x[:, t] = token
        return x

    def sample(self, n, rng):
        """Texts (n, T): z from the prior, characters drawn."""
        return self.decode(normal(rng, (n, self.latent)), rng)

    def predict(self, z):
        """The properties (N, P) that the predictor sees in codes z (N, Z), in their own units."""
        with no_grad():
            return to_numpy((self.predictor(asarray(z, default_dtype)) * self.spread + self.mean).data)

    def ascend(self, z, number, steps, length):
        """Codes z (N, Z) moved uphill on the prediction of a property by so many steps of one length, NumPy."""
        z = asarray(z, default_dtype)
        for _ in range(steps):
            leaf = parameter(z)
            slope = grad(self.predictor(leaf)[:, number].sum(), leaf).data
            z = z + length * slope / xp.maximum(xp.sqrt((slope**2).sum(axis=1, keepdims=True)), 1e-12)  # course 4.8
        return to_numpy(z)

    def measure(self, batch, rng):
        x = self._checked(batch["x"])
        elbo, kl = (np.concatenate(parts) for parts in zip(*(self._bound(x[i:i + EXAMPLES], rng)
                                                             for i in range(0, len(x), EXAMPLES))))
        some = x[:RECONSTRUCTED]
        code = self.encode(some)
        same = (self.decode(code) == some).all(axis=1)
        measures = [Measure("-ELBO", *mean_interval(-elbo), "nats", "one draw of z"),
                    Measure("KL", *mean_interval(kl), "nats", "0 if no code says anything"),
                    Measure("reconstructed", *mean_interval(same), "", f"share of {len(some):,} texts that come back "
                            "whole, the likeliest character at a time")]
        if self.predictor:
            error = (self.predict(code) - batch["properties"][:len(some)]) / to_numpy(self.spread)
            measures.append(Measure("unexplained", *mean_interval((error**2).mean(axis=1)), "",
                                    "share of the properties' variance; 1 for their mean"))
        return measures

    def _bound(self, x, rng):
        """The ELBO by one draw of z, and the KL in it, NumPy (N,) each."""
        with no_grad():
            mu, logvar = self.encode_to(x)
            kl = kl_standard_normal(mu, logvar).sum(axis=1)
            z = mu + exp(0.5 * logvar) * normal(rng, mu.shape)
            return (self.log_prob(x, z) - kl).numpy(), kl.numpy()

    def _checked(self, x):
        self.space.check(x)
        if len(x) and (x[:, -1] != 0).any():
            raise ValueError("MoleculeVAE: x holds texts that do not end; the last token of each is to be 0")
        return np.asarray(x)

    def _scaled(self, batch):
        if "properties" not in batch:
            raise ValueError(f"MoleculeVAE: is trained with properties, and the data have only {', '.join(batch)}")
        return (asarray(batch["properties"], default_dtype) - self.mean) / self.spread


def backwards(x, lengths):
    """Texts x (N, T), read from their last character to the first, with their ends where they were."""
    place = np.arange(x.shape[1])
    return np.take_along_axis(x, np.where(place < lengths[:, None], lengths[:, None] - 1 - place, place), axis=1)
