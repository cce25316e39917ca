"""VQ-VAE: an autoencoder whose code is a small image of integers, each the number of a vector in a learned codebook.

van den Oord, Vinyals & Kavukcuoglu, "Neural Discrete Representation Learning", NeurIPS 2017; equation numbers are that
paper's.

    z_e(x)                         encoder: a vector of D numbers for each place of a grid, (N, D, h, w)
    k = argmin_j |z_e - e_j|       its code: q(k | x) is one-hot                                          (eq. 1)
    z_q = e_k                      what the decoder sees                                                  (eq. 2)
    L = |x - g(z_q)|^2 / var(x)  +  |sg[z_e] - e|^2  +  beta |z_e - sg[e]|^2                              (eq. 3)

The argmin has no gradient; z_e gets that of z_q (straight-through). The codes learn by the second term of L, or, in
its place, as moving averages (appendix A.1): hand in a Codebook or an EMACodebook. var(x), the variance of all pixels
of the training images, brings the first term to the scale of the others, whatever the data, as in the authors' code;
here the networks see x with mean 0 and variance 1, which comes to the same and is learned much sooner.

While the VQ-VAE trains, the prior of the codes is uniform, and so KL(q(k | x) || p(k)) = log K is constant and no part
of L: nothing can collapse as in a VAE, and nothing makes the codes easy to draw. What `sample` draws is from that
prior: grids of codes that have nothing to do with each other. prior.py learns a better one.

Symbols: N examples, C H W image, h w grid, D channels of the code, K codes. Read before this: quantize/codebook.py,
nn/grid.py, ../autoencoders/ae.py. Read next: prior.py, vqvae2.py; quantize/views.py, for pictures of the codes.
"""
import math

from autograd import no_grad
from autograd.backend import asarray, default_dtype, to_numpy, xp

from ...data import Space
from ...nn import Module
from ...nn.chunks import in_chunks
from ...nn.grid import GridDecoder, GridEncoder
from ...player import Player
from ...quantize.floor import QuantizedPCA
from ...quantize.measures import reconstruction_error, usage_measures

EXAMPLES = 500  # that are encoded, or decoded, at a time


class VQVAE(Module):
    """space: of images. codebook: a Codebook or EMACodebook. width: channels of the networks. halvings: of the image,
    on the way to the grid. `codes` is the Space of a grid: (1, h, w), K levels."""

    def __init__(self, space, codebook, width=32, halvings=2, *, rng):
        if not space.is_image or space.levels is None:
            raise ValueError(f"VQVAE: is for images with gray levels, and the space has shape {space.shape}, "
                             f"levels {space.levels}")
        self.space, self.codebook = space, codebook
        self.encoder = GridEncoder(space.shape, codebook.D, width, halvings, rng=rng)
        self.decoder = GridDecoder(codebook.D, space.shape, width, halvings, rng=rng)
        self.codes = Space((1, *self.encoder.grid), codebook.K)
        self.register_buffer("mean", xp.zeros((), default_dtype))
        self.register_buffer("std", xp.ones((), default_dtype))
        self.floor = None

    def scaled_by(self, x):
        """Takes mean and variance of all pixels of the training images x (N, C, H, W), in their own units; what a PCA
        of them makes of as many bits becomes the floor that `measure` shows. Returns the model."""
        rows = to_numpy(self.space.rows(x))
        self.mean[...], self.std[...] = rows.mean(), max(rows.std(), 1e-3)
        self.floor = QuantizedPCA(rows, round(self.bits))
        return self

    @property
    def bits(self) -> float:
        """That the codes of an image hold."""
        return self.codes.size * math.log2(self.codes.levels)

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x = self.standard(batch["x"])  # (N, C, H, W)
        z_q, _, terms = self.codebook(self.encoder(x), rng)  # (N, D, h, w)
        error = ((x - self.decoder(z_q)) ** 2).mean()
        total = error + sum(terms.values())  # eq. 3
        return {"loss": total, "error / variance": error, **terms, "perplexity": self.codebook.perplexity()}

    def standard(self, x):
        """Images x as the networks see them: of mean 0 and variance 1."""
        return (self.space.unit(x) - self.mean) / self.std

    def encode(self, x):
        """The codes of images x, integers (N, 1, h, w), a NumPy array. The codebook takes no note of them."""
        with no_grad():
            return in_chunks(self._encode, x, EXAMPLES)

    def _encode(self, x):
        return self.codebook.encode(self.encoder(self.standard(x)).data)[:, None]

    def decode(self, codes):
        """Images in [0, 1] of codes (N, 1, h, w)."""
        self.codes.check(codes, "codes")
        with no_grad():
            return in_chunks(self._decode, codes, EXAMPLES)

    def _decode(self, codes):
        x_hat = self.decoder(self.codebook.lookup(asarray(codes)[:, 0])).data
        return self.space.from_unit(self.mean + self.std * x_hat)

    def reconstruct(self, x):
        """decode(encode(x)), as images in [0, 1]."""
        return self.decode(self.encode(x))

    def sample(self, n, rng):
        """Images of codes drawn from the uniform prior."""
        return self.decode(rng.integers(self.codes.levels, size=(n, *self.codes.shape)))

    def measure(self, batch, rng):
        codes = self.encode(batch["x"])
        return [reconstruction_error(self.space, batch["x"], self.decode(codes), self.bits, self.floor),
                *usage_measures(codes, self.codebook.K)]
