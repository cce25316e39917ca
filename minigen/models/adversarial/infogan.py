"""InfoGAN: some of the generator's latents are codes that its images must show, and so they come to mean something.

Chen, Duan, Houthooft, Schulman, Sutskever & Abbeel, "InfoGAN: Interpretable Representation Learning by Information
Maximizing Generative Adversarial Nets", NeurIPS 2016 (arXiv:1606.03657); equation numbers are that paper's.

    x = G(z, c)     z noise;  c = (c_1, c_2, ...), each independent: c_1 one of K categories, the others U(-1, 1)
    min over G max over D  V(D, G) - lambda I(c; G(z, c))            a GAN that is to keep the codes readable    (eq. 3)

The mutual information I needs p(c | x), which nobody knows; a network Q(c | x) in its place gives a bound:

    I(c; G(z, c)) = H(c) - H(c | x) >= E_c, x = G(z, c)[log Q(c | x)] + H(c) = L_I(G, Q)                   (eqs. 4, 5)
    min over G, Q max over D  V(D, G) - lambda L_I(G, Q)                                                        (eq. 6)

It is not above H(c) = log K nats of c_1, and tight where Q is p(c | x). Nobody says what a category should be: G takes
what is easiest to tell apart, and that is often, and not always, what people would. L_I can be all of log K while two
kinds of digit share a category and one kind has two: so what c_1 has to do with labels is measured by itself, and
differs from seed to seed.

Of uniform codes Q gives the mean of a Gaussian whose sigma is fixed: a sigma that is learned goes to 0, and its
log-density to infinity, where a code is easy. Q is D but for the last layers, and D's step moves both; G's only G.

Symbols: N examples, Z noise, K categories, U uniform codes, D width of features. Read before this: gan.py, dcgan.py.
Course: 7.8.
"""
import numpy as np

from autograd import concatenate, cross_entropy, leaky_relu, log_softmax, no_grad, one_hot, sigmoid
from autograd.backend import asarray, default_dtype, to_numpy, uniform

from ...adversarial.implicit import CHUNK, Implicit
from ...adversarial.objectives import discriminator_loss, nonsaturating
from ...metrics import Measure, mean_interval, purity
from ...nn import BatchNorm1d, Linear, Sequential
from ...nn.chunks import in_chunks
from ...player import Player

SIGMA = 1.0  # of Q, for uniform codes
MEASURED = 2000  # samples
HIDDEN = 64  # units of Q's own layer


class InfoGAN(Implicit):
    """generator: a Module with `latent` = Z + K + U and `shape`. discriminator: a Module with `shape`, `features`, from
    examples to (N, D), and `logit`, a Linear from these. space: of the examples. categories: K. codes: U. weights:
    lambda of c_1, and of each uniform code."""

    def __init__(self, generator, discriminator, space, categories=10, codes=2, weights=(1.0, 0.1), *, rng):
        super().__init__(generator, discriminator, space)
        if categories < 2 or codes < 0 or generator.latent <= categories + codes:
            raise ValueError(f"InfoGAN: categories is {categories}, codes {codes}, the generator's latent "
                             f"{generator.latent}; expected 2 or more categories, and a latent that has room for both "
                             "beside the noise")
        self.discriminator, self.K, self.U, self.weights = discriminator, categories, codes, weights
        self.latent = generator.latent - categories - codes
        D = discriminator.logit.weight.shape[1]
        self.Q = Sequential(Linear(D, HIDDEN, bias=False, rng=rng), BatchNorm1d(HIDDEN), leaky_relu,
                            Linear(HIDDEN, categories + codes, rng=rng))

    def players(self):
        return [Player("D", self.discriminator.parameters() + self.Q.parameters(), self.discriminator_loss),
                Player("G", self.generator.parameters(), self.generator_loss, data=False)]

    def discriminator_loss(self, batch, rng):
        x = self.space.signed(batch["x"])
        codes = self.codes(len(x), rng)
        with no_grad():
            fake = self.draw(codes, rng)
        a_data, (a_fake, q) = self.judge(x)[0], self.judge(fake)
        V, information = -discriminator_loss(a_data, a_fake), self.lower_bound(q, codes)
        return {"-V - L_I": -V - self.weighted(information), "-V": -V,
                "D(x)": sigmoid(a_data.detach()).mean(), "D(G(z, c))": sigmoid(a_fake.detach()).mean()}

    def generator_loss(self, n, rng):
        codes = self.codes(n, rng)
        a, q = self.judge(self.draw(codes, rng))
        information = self.lower_bound(q, codes)
        fooled = nonsaturating(a)
        return {"nonsaturating - L_I": fooled - self.weighted(information), "nonsaturating": fooled,
                "L_I(c_1)": information[0]}

    def codes(self, n, rng):
        """(c_1 (n,), integers; the uniform ones (n, U)), drawn."""
        return asarray(rng.integers(self.K, size=n)), 2 * uniform(rng, (n, self.U)) - 1

    def draw(self, codes, rng):
        return self.generator(self.joined(self.noise(len(codes[0]), rng), *codes))

    def joined(self, z, category, codes):
        """The generator's input, (n, Z + K + U)."""
        return concatenate([asarray(z, default_dtype), one_hot(asarray(category), self.K),
                            asarray(codes, default_dtype)], axis=1)

    def judge(self, x):
        """(logits of "data" (N,), what Q says of the codes (N, K + U)) of x on [-1, 1]."""
        features = self.discriminator.features(x)
        return self.discriminator.logit(features)[:, 0], self.Q(features)

    def lower_bound(self, q, codes):
        """L_I of c_1, and of all uniform codes, in nats (eq. 5), from what Q says, (N, K + U)."""
        category, c = codes
        of_c1 = np.log(self.K) - cross_entropy(q[:, :self.K], category)  # course 7.8
        error = (((q[:, self.K:] - c) / SIGMA) ** 2).sum(axis=1).mean()
        return of_c1, self.U * (np.log(2) - np.log(SIGMA * np.sqrt(2 * np.pi))) - 0.5 * error

    def weighted(self, information):
        return self.weights[0] * information[0] + self.weights[1] * information[1]

    def sample(self, n, rng):
        return self.decode(self.noise(n, rng), *self.codes(n, rng))

    def decode(self, z, category, codes):
        """Images as they are drawn, NumPy, of z (n, Z), categories (n,) and uniform codes (n, U)."""
        with no_grad():
            told = self.joined(z, category, codes).data
            return in_chunks(lambda h: self.space.from_signed(self.generator(h).data), told, CHUNK)

    def read(self, x):
        """(log Q(c_1 | x) (N, K), means of the uniform codes (N, U)) of images x in their own units, NumPy."""
        return self._read(self.space.signed(x))

    def _read(self, x):
        with no_grad():
            q = in_chunks(lambda x: self.judge(asarray(x, default_dtype))[1].data, x, CHUNK)
            return log_softmax(asarray(q[:, :self.K]), axis=1).numpy(), q[:, self.K:]

    def measure(self, batch, rng):
        """L_I of c_1; how well uniform codes are read; and of real images, where they have labels, whether Q's
        categories are classes."""
        codes = self.codes(MEASURED, rng)
        with no_grad():
            x = in_chunks(lambda h: self.generator(asarray(h)).data,
                          self.joined(self.noise(MEASURED, rng), *codes).data, CHUNK)
        log_q, mean = self._read(x)
        category, c = (to_numpy(code) for code in codes)
        H = np.log(self.K)
        found = [Measure("L_I of c_1", *mean_interval(H + log_q[np.arange(MEASURED), category]), "nats",
                         f"at most H = {H:.3f}; {MEASURED:,} samples")]
        found += [Measure(f"error of c_{2 + j}", *mean_interval(3 * (mean[:, j] - c[:, j]) ** 2), "",
                          "squared, over the variance of U(-1, 1)") for j in range(self.U)]
        if "y" in batch and len(batch["y"]) > 1:
            found.append(Measure("purity of c_1", *mean_interval(purity(self.read(batch["x"])[0].argmax(axis=1),
                                                                        batch["y"])), "",
                                 f"share of {len(batch['y']):,} images in the commonest class of their category"))
        return found
