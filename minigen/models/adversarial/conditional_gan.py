"""Conditional GAN: both players are told what the example is to show, and so the generator draws p(x | y).

Mirza & Osindero, "Conditional Generative Adversarial Nets", 2014 (arXiv:1411.1784):

    V(D, G) = E_data[log D(x | y)] + E_z[log(1 - D(G(z | y) | y))]                                         (eq. 2)

D judges pairs: data is (x, its y), a sample (G(z | y), the same y). So G must not only draw what could be data, but
what goes with y; if D were not told y, nothing would ask for that. How D is told makes a difference:

    Concatenation    y is one more input: a map of ones among K maps of zeros, beside the image         (Mirza)
    Projection       a(x, y) = V_y . phi(x) + psi(phi(x)),  phi: D's features         Miyato & Koyama, ICLR 2018, eq. 3

The second follows from the optimal logit, log p(x | y) / q(x | y), if the log-probabilities of classes are linear in
phi. The ACGAN (Odena, Olah & Shlens, ICML 2017) does not tell D, but has it name the class, and G draw what is named:

    L_S: D tells data from samples, not told y      L_C = -E[log p(y | x)], on data and on samples         (eqs. 2, 3)
    D maximizes L_S + L_C,  G maximizes L_C - L_S   (in its letters; here all are losses to minimize)

It has a bias. The log-likelihood of the right class is largest not for p(x | y), but for those x that could be of no
other class: so it buys accuracy with diversity. Measure both: class accuracy, and the spread within a class.

G is told y beside z, in all three. Deviations: the networks are those of dcgan.py, without Miyato & Koyama's spectral
norm and conditional normalization; the loss of G is the nonsaturating one of gan.py.

Symbols: N examples, Z latent, K classes, D width of features, a logit. Read before this: gan.py, dcgan.py.
Read next: infogan.py.
Course: 1.1, 7.5.
"""
from autograd import as_tensor, broadcast_to, concatenate, cross_entropy, no_grad, one_hot, sigmoid
from autograd.backend import asarray, default_dtype

from ...adversarial.implicit import CHUNK, Implicit
from ...adversarial.objectives import discriminator_loss, nonsaturating
from ...data import Space
from ...nn import Embedding, Linear, Module
from ...nn.chunks import in_chunks
from ...player import Player


class ConditionalGAN(Implicit):
    """generator: a Module with `latent` = Z + K and `shape`: it maps z beside the class's 1 among zeros to examples.
    discriminator: Concatenation or Projection, or another from examples and y (N,) to logits (N,), with `shape`.
    space: of the examples. classes: K."""

    conditions = ("y",)

    def __init__(self, generator, discriminator, space, classes):
        super().__init__(generator, discriminator, space)
        if not 2 <= classes < generator.latent:
            raise ValueError(f"{type(self).__name__}: classes is {classes}, latent {generator.latent}; expected 2 or "
                             "more classes, and a generator whose latent is their number more than that of z")
        self.discriminator, self.labels, self.K = discriminator, Space((), classes), classes
        self.latent = generator.latent - classes

    def players(self):
        return [Player("D", self.discriminator.parameters(), self.discriminator_loss),
                Player("G", self.generator.parameters(), self.generator_loss)]

    def discriminator_loss(self, batch, rng):
        x, y = self.pair(batch)
        with no_grad():
            fake = self.draw(y, rng)
        a_data, a_fake = self.discriminator(x, y), self.discriminator(fake, y)
        return {"-V": discriminator_loss(a_data, a_fake),
                "D(x | y)": sigmoid(a_data.detach()).mean(), "D(G(z | y) | y)": sigmoid(a_fake.detach()).mean()}

    def generator_loss(self, batch, rng):
        """y is that of examples: the classes of samples are as frequent as those of the data."""
        _, y = self.pair(batch)
        return {"nonsaturating": nonsaturating(self.discriminator(self.draw(y, rng), y))}

    def pair(self, batch):
        """(x on [-1, 1], y) of a batch, arrays."""
        if "y" not in batch:
            raise ValueError(f"{type(self).__name__}: the data have no labels, only {', '.join(batch)}; use data that "
                             "have a column y")
        self.labels.check(batch["y"], "y")
        return self.space.signed(batch["x"]), asarray(batch["y"])

    def draw(self, y, rng):
        """G(z | y) for new z, a Tensor."""
        return self.generator(self.told(self.noise(len(y), rng), y))

    def told(self, z, y):
        """The generator's input: z (N, Z) beside the one-hot y (N,)."""
        return concatenate([as_tensor(z), one_hot(asarray(y), self.K)], axis=1)

    def sample(self, n, rng, y=None):
        """y: (n,), or drawn uniformly if left out."""
        y = rng.integers(self.K, size=n) if y is None else y
        self.labels.check(y, "y")
        return self.decode(self.noise(n, rng), y)

    def decode(self, z, y):
        """G(z | y) for z (N, Z) and y (N,), as it is drawn: a NumPy array."""
        with no_grad():
            told = self.told(asarray(z, default_dtype), y).data
            return in_chunks(lambda z: self.space.from_signed(self.generator(z).data), told, CHUNK)


class Concatenation(Module):
    """D(x | y) by a network that takes K further channels, or numbers. network: with `shape`, ((C + K), H, W) or
    (D + K,), to logits (N,). classes: K."""

    def __init__(self, network, classes):
        self.network, self.K = network, classes
        self.shape = (network.shape[0] - classes, *network.shape[1:])

    def forward(self, x, y):
        x, told = as_tensor(x), one_hot(y, self.K).reshape(len(y), self.K, *[1] * (len(self.shape) - 1))
        maps = broadcast_to(told, (len(y), self.K, *self.shape[1:]))
        return self.network(concatenate([x, maps], axis=1))  # course 7.5


class Projection(Module):
    """D(x | y) by eq. 3 of Miyato & Koyama. network: with `shape`, `features`, from examples to phi (N, D), and
    `logit`, the Linear psi. classes: K."""

    def __init__(self, network, classes, *, rng):
        self.network, self.shape = network, network.shape
        self.V = Embedding(classes, network.logit.weight.shape[1], rng=rng)
        self.V.weight.data[...] = 0.0  # at first all classes are alike

    def forward(self, x, y):
        phi = self.network.features(x)  # (N, D)
        return (self.V(y) * phi).sum(axis=1) + self.network.logit(phi)[:, 0]


class ACGAN(ConditionalGAN):
    """discriminator: a Module as for Projection, which is not told y. weight: of L_C."""

    def __init__(self, generator, discriminator, space, classes, weight=1.0, *, rng):
        super().__init__(generator, discriminator, space, classes)
        self.name_class = Linear(discriminator.logit.weight.shape[1], classes, rng=rng)
        self.weight = weight

    def players(self):
        D, G = super().players()
        return [Player("D", D.params + self.name_class.parameters(), D.loss), G]

    def judge(self, x):
        """(logits of "data" (N,), logits of the classes (N, K))."""
        phi = self.discriminator.features(x)
        return self.discriminator.logit(phi)[:, 0], self.name_class(phi)

    def discriminator_loss(self, batch, rng):
        x, y = self.pair(batch)
        with no_grad():
            fake = self.draw(y, rng)
        (a_data, c_data), (a_fake, c_fake) = self.judge(x), self.judge(fake)
        L_S, L_C = discriminator_loss(a_data, a_fake), cross_entropy(c_data, y) + cross_entropy(c_fake, y)
        return {"L_S + L_C": L_S + self.weight * L_C, "L_S": L_S, "L_C": L_C}

    def generator_loss(self, batch, rng):
        _, y = self.pair(batch)
        a, c = self.judge(self.draw(y, rng))
        L_C = cross_entropy(c, y)
        return {"L_C - L_S": nonsaturating(a) + self.weight * L_C, "L_C": L_C}
