"""GridAutoencoder: what autoencoders have in common whose code is a grid of integers. Only their losses differ.

    x (N, C, H, W) -> encoder -> z_e (N, D, h, w) -> codebook -> codes (N, h, w), z_q (N, D, h, w) -> decoder -> x_hat

The networks see images of mean 0 and variance 1, whatever the data. A grid holds h w log2 K bits.

Source: van den Oord, Vinyals & Kavukcuoglu 2017. Symbols: N examples, C H W image, h w grid, D channels of the code, K
codes. Read before this: codebook.py, nn/grid.py. Read next: models/codes/vqvae.py, models/codes/vqgan.py.
"""
import math

from autograd import no_grad
from autograd.backend import asarray, default_dtype, to_numpy, xp

from ..data import Space
from ..nn import Module
from ..nn.chunks import in_chunks
from ..nn.grid import GridDecoder, GridEncoder
from .floor import QuantizedPCA

EXAMPLES = 500  # that are encoded, or decoded, at a time


class CodeAutoencoder(Module):
    """What does not depend on how many grids there are: the scale on which the networks see images, and the floor. What
    is built on it says how many `bits` the codes of an image hold. space: of images."""

    def __init__(self, space):
        if not space.is_image or space.levels is None:
            raise ValueError(f"{type(self).__name__}: is for images with gray levels, and the space has shape "
                             f"{space.shape}, levels {space.levels}")
        self.space, self.floor = space, None
        self.register_buffer("mean", xp.zeros((), default_dtype))
        self.register_buffer("std", xp.ones((), default_dtype))

    def scaled_by(self, x):
        """Takes mean and variance of all pixels of the training images x (N, C, H, W), in their own units; what a PCA
        of them makes of as many bits becomes the floor that `measure` shows. Returns the model."""
        rows = to_numpy(self.space.rows(x))
        self.mean[...], self.std[...] = rows.mean(), max(rows.std(), 1e-3)
        self.floor = QuantizedPCA(rows, round(self.bits))
        return self

    def standard(self, x):
        """Images x (N, C, H, W), in their own units, as the networks see them: of mean 0 and variance 1."""
        return (self.space.unit(x) - self.mean) / self.std

    def unit(self, x_hat):
        """The way back: images of mean 0 and variance 1 on [0, 1], but for what a decoder puts outside."""
        return self.mean + self.std * x_hat


class GridAutoencoder(CodeAutoencoder):
    """space: of images. codebook: a Codebook or EMACodebook. width: channels of the networks. halvings: of the image,
    on the way to the grid. `codes` is the Space of a grid: (1, h, w), K levels."""

    def __init__(self, space, codebook, width=32, halvings=2, *, rng):
        super().__init__(space)
        self.codebook = codebook
        self.encoder = GridEncoder(space.shape, codebook.D, width, halvings, rng=rng)
        self.decoder = GridDecoder(codebook.D, space.shape, width, halvings, rng=rng)
        self.codes = Space((1, *self.encoder.grid), codebook.K)
        self.latent_shape = codebook.D, *self.encoder.grid

    @property
    def bits(self) -> float:
        """That the codes of an image hold."""
        return self.codes.size * math.log2(self.codes.levels)  # course 5.1

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
        return self.space.from_unit(self.unit(self.decoder(self.codebook.lookup(asarray(codes)[:, 0])).data))

    def reconstruct(self, x):
        """decode(encode(x)), as images in [0, 1]."""
        return self.decode(self.encode(x))

    def sample(self, n, rng):
        """Images of codes drawn from the uniform prior."""
        return self.decode(rng.integers(self.codes.levels, size=(n, *self.codes.shape)))

    # For a diffusion, which draws real numbers: z_e, and rounding is the decoder's (Rombach et al. 2022, section 3.1)

    def latents(self, x, rng=None):
        """z_e (N, D, h, w) of images x, an array. Nothing in it is random."""
        with no_grad():
            return self.encoder(self.standard(x)).data

    def from_latents(self, z):
        """Images in [0, 1] of z (N, D, h, w), each vector of which is rounded to the nearest code."""
        return self.decode(in_chunks(lambda some: self.codebook.encode(asarray(some))[:, None], z, EXAMPLES))
