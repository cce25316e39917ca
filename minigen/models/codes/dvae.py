"""dVAE: a VAE whose code is categories, trained through their relaxation: Gumbel-softmax.

Jang, Gu & Poole, "Categorical Reparameterization with Gumbel-Softmax", ICLR 2017, section 4.2, has a code of L = 20
numbers with K = 10 values each. Ramesh et al., "Zero-Shot Text-to-Image Generation" (DALL-E), ICML 2021, appendix A,
has one code for each place of a grid: an image becomes h w tokens, which a second model may then learn to draw.

    p(z) = prod_l Categorical(z_l | pi_l)           prior: learned as Jang et al. have it, or uniform as DALL-E
    q(z | x) = prod_l Categorical(z_l | q_l(x))     encoder: a network gives the logits, (L, K)
    p(x | z)                                        decoder, of L one-hot vectors: see likelihoods.py

    log p(x) >= ELBO = E_q[log p(x | z)] - sum_l KL(q_l || pi_l),   KL = sum_k q_lk (log q_lk - log pi_lk)
    loss = -log p(x | y) + beta sum_l KL(q_l || pi_l),   y ~ Gumbel-softmax(q, tau)

In training a relaxed y stands where z belongs: then gradients reach q. That loss is no bound. A y between the corners
tells the decoder more than any z could, up to all of x, while the KL goes on counting the categories. So in eval mode,
in `measure`, and in all that leaves this file, z is a draw of categories, and the bounds are bounds: with z_1 .. z_m
from q and w_i = p(x | z_i) p(z_i) / q(z_i | x),

    ELBO = E[log w]  <=  E[log 1/m sum_i w_i]  <=  log p(x)           m = 1000, Jang et al., section 4

The KL is analytic and summed over latents, as log p(x | z) is over pixels; both are means over the batch. With other
scales beta is another beta.

Symbols: N examples, D pixels, L latents, K codes, h w grid, m draws of z, tau temperature. Read before this:
quantize/gumbel.py, likelihoods.py, ../autoencoders/vae.py, nn/grid.py. Read next: recipes/codes.py.
Course: 5.3.
"""
import math

from autograd import broadcast_to, log_softmax, no_grad, one_hot, parameter, take_along_axis
from autograd.backend import asarray, default_dtype, to_numpy, xp

from ...densities import kl_categorical
from ...importance import bounds
from ...likelihoods import LIKELIHOODS
from ...metrics import Measure
from ...nn import Conv2d, Module, init
from ...nn.autoencoder import mlp_pair
from ...nn.chunks import in_chunks
from ...nn.conv import halved
from ...nn.grid import GridDecoder, GridEncoder
from ...player import Player
from ...quantize.gumbel import gumbel_max, gumbel_softmax

EXAMPLES = 1000  # that are encoded or decoded at a time


# The networks: encoder rows (N, D) -> logits (N, L K), decoder z (..., L K) -> h (..., D outputs)


def flat_pair(shape, codes, outputs=1, hidden=(200,), *, rng):
    """Linear layers with relu between them. hidden: widths of the encoder's; the decoder has them in reverse.

    Of the decoder's L K inputs all but L are 0, so its first weights have a variance of 2 / L (He et al. 2015). With
    that of L K inputs it would begin as good as blind to z, and learn slowly.
    """
    size = codes.size * codes.levels
    encoder, decoder = mlp_pair(shape, hidden, size, size, outputs, rng=rng)
    first = decoder[0].weight
    first.assign(init.normal(first.shape, std=math.sqrt(2 / codes.size), rng=rng))
    return encoder, decoder


def grid_pair(shape, codes, outputs=1, width=32, *, rng):
    """Convolutions, which halve the image until it has the codes' h x w."""
    sizes = halved(shape[1:], 8)
    if len(shape) != 3 or len(codes.shape) != 3 or codes.shape[0] != 1 or codes.shape[1:] not in sizes[1:]:
        raise ValueError(f"grid_pair: codes has shape {codes.shape}, expected (1, h, w) with h w a size that images of "
                         f"shape {tuple(shape)} have when they are halved, once or more")
    halvings = sizes.index(codes.shape[1:])
    return ToGrid(shape, codes, width, halvings, rng=rng), FromGrid(shape, codes, outputs, width, halvings, rng=rng)


class ToGrid(Module):
    def __init__(self, shape, codes, width, halvings, *, rng):
        self.shape = tuple(shape)
        self.network = GridEncoder(shape, codes.levels, width, halvings, rng=rng)

    def forward(self, x):
        h = self.network(x.reshape(len(x), *self.shape))  # (N, K, h, w)
        return h.transpose(0, 2, 3, 1).reshape(len(h), -1)  # (N, L K)


class FromGrid(Module):
    """Its first layer, of 1 x 1 as the encoder's last one is, gives each code a vector: a VQ-VAE's codebook. DALL-E,
    appendix A.2, found that layers which see no further around the relaxation keep its bound near the true one."""

    def __init__(self, shape, codes, outputs, width, halvings, *, rng):
        self.shape, self.codes, self.outputs = tuple(shape), codes, outputs
        self.vectors = Conv2d(codes.levels, width, 1, bias=False, rng=rng)
        self.network = GridDecoder(width, (shape[0] * outputs, *shape[1:]), width, halvings, rng=rng)

    def forward(self, z):
        batch, (_, h, w), (C, H, W) = z.shape[:-1], self.codes.shape, self.shape
        grid = z.reshape(math.prod(batch), h, w, self.codes.levels).transpose(0, 3, 1, 2)  # (N, K, h, w)
        h = self.network(self.vectors(grid)).reshape(-1, C, self.outputs, H * W)
        return h.swapaxes(2, 3).reshape(*batch, C * H * W * self.outputs)


class DVAE(Module):
    """space: of images. codes: Space of the code, (L,) with K levels for `flat_pair`, (1, h, w) for `grid_pair`.

    decoder: "bernoulli" or "categorical". networks: makes the two networks, (shape, codes, outputs, rng=rng). tau,
    beta: temperature and weight of the KL, numbers, or functions from how much of the training is over, 0 to 1. relax:
    how y is drawn, (logits, tau, rng) -> (N, L, K), `gumbel_softmax` or `straight_through_gumbel`. prior: "learned" or
    "uniform". measured: for how many examples, the first, `measure` draws m codes each; None for all.
    """

    done = 1.0  # how much of the training is over: set by the loop

    def __init__(self, space, codes, decoder="bernoulli", networks=flat_pair, tau=1.0, beta=1.0,
                 relax=gumbel_softmax, prior="learned", measured=None, *, rng):
        if decoder not in LIKELIHOODS or space.levels is None or decoder == "gaussian":
            raise ValueError(f"DVAE: decoder is {decoder!r} for x of {space.levels or 'no'} levels, expected bernoulli "
                             "or categorical, for images with levels")
        if codes.size < 1 or (codes.levels or 0) < 2:
            raise ValueError(f"DVAE: codes has shape {codes.shape} and {codes.levels or 'no'} levels, expected at "
                             "least one number with at least 2")
        if prior not in ("learned", "uniform"):
            raise ValueError(f"DVAE: prior is {prior!r}, expected learned or uniform")
        self.space, self.codes, self.L, self.K = space, codes, codes.size, codes.levels
        self.tau, self.beta, self.relax, self.measured = tau, beta, relax, measured
        self.likelihood = LIKELIHOODS[decoder](space)
        self.encoder, self.decoder = networks(space.shape, codes, self.likelihood.size, rng=rng)
        zeros = xp.zeros((self.L, self.K), default_dtype)  # logits of the prior
        self.prior = parameter(zeros) if prior == "learned" else zeros

    def players(self):
        return [Player("dvae", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        """The relaxed bound in training, the bound itself in eval mode, and their parts, in nats per example."""
        x, seen = self.likelihood.observe(batch["x"], rng)  # (N, D): as modelled, and as encoded
        logits = self.posterior(seen)  # (N, L, K)
        z = self.relax(logits, now(self.tau, self.done), rng) if self.training else self.draw(logits, rng)
        reconstruction = -self.likelihood.log_prob(x, self.logits(z)).sum(axis=-1).mean()
        kl = kl_categorical(logits, self.prior).sum(axis=-1).mean()
        return {"loss": reconstruction + now(self.beta, self.done) * kl, "reconstruction": reconstruction, "KL": kl}

    def posterior(self, seen):
        """The logits of q(z | x), (N, L, K), for x as the encoder sees it, (N, D)."""
        return self.encoder(seen).reshape(len(seen), self.L, self.K)

    def logits(self, z):
        """What the decoder network puts out, (..., D size), for z or y (..., L, K)."""
        return self.decoder(z.reshape(*z.shape[:-2], self.L * self.K))

    def draw(self, logits, rng):
        """z, one-hot Tensor (..., L, K), of which each is drawn by its logits."""
        return one_hot(gumbel_max(logits, rng), self.K)

    # Images and codes

    def sample(self, n, rng):
        """Codes from the prior; then images as the mean of p(x | z)."""
        prior = broadcast_to(self.prior, (n, self.L, self.K))
        return self.decode(to_numpy(gumbel_max(prior, rng)).reshape(n, *self.codes.shape))

    def encode(self, x):
        """The likeliest codes of images x (N, *shape) in their own units: integers (N, *codes.shape), NumPy."""
        self.space.check(x)
        with no_grad():
            codes = in_chunks(lambda x: self.posterior(self.space.rows(x)).data.argmax(axis=-1), x, EXAMPLES)
        return codes.reshape(len(x), *self.codes.shape)

    def decode(self, codes):
        """The mean of p(x | z) for integers (N, *codes.shape): images in [0, 1], NumPy."""
        self.codes.check(codes, "codes")
        with no_grad():
            return in_chunks(lambda z: self.space.from_unit(self.likelihood.mean(self.logits(one_hot(z, self.K))).data),
                             asarray(codes).reshape(len(codes), self.L), EXAMPLES)

    def reconstruct(self, x):
        """decode(encode(x)), as images in [0, 1]."""
        return self.decode(self.encode(x))

    # Evaluation

    def measure(self, batch, rng, m=1000):
        """-ELBO and the bound of m draws, z always categories, over the first `measured` examples; codes in use."""
        x = batch["x"][:self.measured]
        detail = "" if len(x) == len(batch["x"]) else f"; the first {len(x):,} examples"
        codes = self.encode(batch["x"]).reshape(-1, self.L)
        used = sum(len(set(column)) for column in codes.T.tolist()) / self.L
        return [*bounds(self.log_weights, x, m, self.likelihood, rng, detail),
                Measure("codes in use", used, None, "", f"of {self.K} at each of {self.L} places, on average")]

    def log_weights(self, x, m, rng):
        """log w = log p(x | z) + log p(z) - log q(z | x) for m draws of z: (N, m)."""
        x, seen = self.likelihood.observe(x, rng)
        log_q = log_softmax(self.posterior(seen), axis=-1)[:, None]  # (N, 1, L, K)
        shape = len(x), m, self.L, self.K
        z = gumbel_max(broadcast_to(log_q, shape), rng)  # (N, m, L), integers
        log_p_x = self.likelihood.log_prob(x[:, None], self.logits(one_hot(z, self.K)))  # (N, m, D)
        log_ratio = broadcast_to(log_softmax(self.prior, axis=-1) - log_q, shape)  # log pi - log q of every category
        return log_p_x.sum(axis=2) + take_along_axis(log_ratio, z[..., None], axis=-1).sum(axis=(2, 3))


def now(value, done):
    """A number, or a function of how much of the training is over, as it is now."""
    return float(value(done) if callable(value) else value)
