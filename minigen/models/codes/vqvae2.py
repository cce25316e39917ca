"""VQ-VAE-2: codes at two levels, a coarse grid for what is global and a fine one for what it leaves open.

Razavi, van den Oord & Vinyals, "Generating Diverse High-Fidelity Images with VQ-VAE-2", NeurIPS 2019; equation and
algorithm numbers are that paper's.

    h_bottom = E_bottom(x)                                               (N, width, h, w)
    e_top    = quantize(E_top(h_bottom))                                 (N, D, h/2, w/2)              (algorithm 1)
    e_bottom = quantize(join(h_bottom, D_top(e_top)))                    (N, D, h, w)
    x_hat    = D(up(e_top), e_bottom)
    L = |x - x_hat|^2 / var(x) + sum over both levels of beta |z - sg[e]|^2, codes by moving averages         (eq. 2)

The bottom is told what the top has already said, and so it has no reason to say it again. Whether each level is needed
is measured: its codes are replaced by those of another image, and the error must rise.

An image is drawn from the top down: a prior of the top codes, and one of the bottom codes given these
(prior.py: TwoLevelPrior).                                                                             (algorithm 2)

Deviations: two levels, as in the paper at 256 x 256, on images of 32 x 32; networks like those of vqvae.py.

Symbols: N examples, h w bottom grid, D channels of a code, K codes. Read before this: vqvae.py. Read next: prior.py.
Course: 5.2.
"""
import math

import numpy as np

from autograd import concatenate, no_grad
from autograd.backend import asarray, xp

from ...data import Space
from ...metrics import Measure, mean_interval
from ...nn import Conv2d, ConvTranspose2d
from ...nn.autoencoder import HALVING
from ...nn.chunks import in_chunks
from ...nn.grid import GridDecoder, GridEncoder
from ...player import Player
from ...quantize.autoencoder import CodeAutoencoder
from ...quantize.measures import reconstruction_error, usage_measures

EXAMPLES = 500  # that are encoded, or decoded, at a time


class VQVAE2(CodeAutoencoder):
    """space: of images. top, bottom: a codebook for each level. halvings: of the image, on the way to the bottom grid;
    the top one has half its sides. `codes`: level -> the Space of its grids, (1, h, w), K levels."""

    def __init__(self, space, top, bottom, width=32, halvings=2, *, rng):
        super().__init__(space)
        self.top, self.bottom = top, bottom
        self.bottom_encoder = GridEncoder(space.shape, width, width, halvings, rng=rng)
        features = (width, *self.bottom_encoder.grid)
        self.top_encoder = GridEncoder(features, top.D, width, halvings=1, rng=rng)
        self.top_decoder = GridDecoder(top.D, features, width, halvings=1, rng=rng)
        self.join = Conv2d(2 * width, bottom.D, 1, rng=rng)
        odd = tuple(side % 2 for side in features[1:])
        self.up = ConvTranspose2d(top.D, width, **HALVING, output_padding=odd, rng=rng)
        self.decoder = GridDecoder(width + bottom.D, space.shape, width, halvings, rng=rng)
        self.codes = {"top": Space((1, *self.top_encoder.grid), top.K), "bottom": Space((1, *features[1:]), bottom.K)}

    @property
    def bits(self) -> float:
        """That the codes of an image hold."""
        return sum(space.size * math.log2(space.levels) for space in self.codes.values())

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x = self.standard(batch["x"])  # (N, C, H, W)
        h = self.bottom_encoder(x)  # (N, width, h, w)
        e_top, _, top = self.top(self.top_encoder(h), rng)  # (N, D, h/2, w/2)
        e_bottom, _, bottom = self.bottom(self.told(h, e_top), rng)  # (N, D, h, w)
        error = ((x - self.draw(e_top, e_bottom)) ** 2).mean()
        total = error + sum(top.values()) + sum(bottom.values())  # eq. 2; course 5.2
        return {"loss": total, "error / variance": error, "perplexity, top": self.top.perplexity(),
                "perplexity, bottom": self.bottom.perplexity()}

    def told(self, h, e_top):
        """What becomes the bottom codes: the features, beside what the top codes say of them."""
        return self.join(concatenate([h, self.top_decoder(e_top)], axis=1))

    def draw(self, e_top, e_bottom):
        """The images, of mean 0 and variance 1, of vectors at both levels."""
        return self.decoder(concatenate([self.up(e_top), e_bottom], axis=1))

    def encode(self, x):
        """The codes of images x: (top (N, 1, h/2, w/2), bottom (N, 1, h, w)), integers, NumPy arrays."""
        with no_grad():
            both = in_chunks(self._encode, x, EXAMPLES)
        cut = self.codes["top"].size
        return tuple(part.reshape(len(x), *self.codes[level].shape)
                     for level, part in (("top", both[:, :cut]), ("bottom", both[:, cut:])))

    def _encode(self, x):
        h = self.bottom_encoder(self.standard(x))
        top = self.top.encode(self.top_encoder(h).data)
        bottom = self.bottom.encode(self.told(h, self.top.lookup(top)).data)
        return xp.concatenate([top.reshape(len(x), -1), bottom.reshape(len(x), -1)], axis=1)

    def decode(self, top, bottom):
        """Images in [0, 1] of codes at both levels, as encode gives them."""
        for level, codes in (("top", top), ("bottom", bottom)):
            self.codes[level].check(codes, level)
        if len(top) != len(bottom):
            raise ValueError(f"VQVAE2.decode: top has {len(top)} entries, bottom {len(bottom)}; give one for each")
        with no_grad():
            return in_chunks(lambda i: self._decode(top[i], bottom[i]), np.arange(len(top)), EXAMPLES)

    def _decode(self, top, bottom):
        e_top, e_bottom = self.top.lookup(asarray(top)[:, 0]), self.bottom.lookup(asarray(bottom)[:, 0])
        return self.space.from_unit(self.unit(self.draw(e_top, e_bottom).data))

    def reconstruct(self, x):
        """decode(*encode(x)), as images in [0, 1]."""
        return self.decode(*self.encode(x))

    def sample(self, n, rng):
        """Images of codes drawn from the uniform prior."""
        return self.decode(*(rng.integers(space.levels, size=(n, *space.shape)) for space in self.codes.values()))

    def measure(self, batch, rng):
        x, (top, bottom) = batch["x"], self.encode(batch["x"])
        images, other = self.space.drawn(x), lambda codes: np.roll(codes, 1, axis=0)
        measures = [reconstruction_error(self.space, x, self.decode(top, bottom), self.bits, self.floor)]
        for level, codes in (("top", (other(top), bottom)), ("bottom", (top, other(bottom)))):
            error = ((images - self.decode(*codes)) ** 2).mean(axis=(1, 2, 3))
            measures.append(Measure(f"MSE, {level} exchanged", *mean_interval(error), "",
                                    f"the {level} codes are those of another image"))
        return measures + usage_measures(top, self.top.K, ", top") + usage_measures(bottom, self.bottom.K, ", bottom")
