"""KLAutoencoder: what an image looks like, as a small grid of numbers, left for another model to draw.

Rombach, Blattmann, Lorenz, Esser & Ommer, "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022,
section 3.1 and appendix G:

    q(z | x) = N(mu, diag(sigma^2))          encoder: a grid (N, c, h, w) of each, H = f h, W = f w
    x_hat    = D(z)                          decoder
    L        = L_rec(x, x_hat) + weight KL(q(z | x) || N(0, I))                                         (eq. 25, L_reg)

It is a VAE whose KL has next to no weight. So z holds all that an eye can see, its numbers are no draws of N(0, I), and
`sample` would draw nothing: that is the work of a second stage, on images f^2 times smaller. What the KL is for is
their scale: without it the encoder may put codes as far from each other as it likes, with it their standard deviation
comes near to one, and the little noise sigma makes neighbours decode alike. With squared errors the weight says how
exact a pixel is: L times 1 / (2 s^2) is -ELBO of a Gaussian decoder with s^2 = weight / 2. Where it is large, what is
of few pixels goes first. Of linear networks the best shrink an object of variance V, summed over its pixels, by
1 - weight / 2 V, and to nothing below weight / 2.

The networks are the paper's at a small scale: residual blocks with group norms, which nn/grid.py has not. The first
halving makes channels of squares of 2 x 2 pixels, which costs nothing.

Deviations: L_rec is the squared error, without the perceptual and the adversarial loss, which ../codes/vqgan.py has;
L is a mean over pixels, so a weight of 1e-6 here is that of the paper, where both terms are sums; its use on images
of 256 x 256 lets codes go where they like, and they are divided by their deviation afterwards.

Symbols: N examples, C H W image, f factor, c h w the grid. Read before this: vae.py, nn/blocks.py. Read next:
diffusion/first_stage.py, models/diffusion/latent_diffusion.py.
Course: 9.12.
"""
import numpy as np

from autograd import as_tensor, exp, no_grad, silu, split, sqrt
from autograd.backend import asarray, default_dtype, normal
from autograd.resample import pixel_shuffle, pixel_unshuffle

from ...densities import kl_standard_normal
from ...metrics import Measure, gradient_energy, mean_interval, ratio_interval
from ...nn import Conv2d, Downsample, GroupNorm, Module, ResBlock, Sequential, Upsample
from ...nn.chunks import in_chunks
from ...player import Player

EXAMPLES = 500  # that are encoded, or decoded, at a time


class Encoder(Module):
    """Images (N, C, H, W) on [-1, 1] -> (N, out, H / f, W / f), f = 2^halvings. width: of the first residual block, the
    next have twice as many channels each."""

    def __init__(self, C, out, width, halvings, *, rng):
        self.layers = Sequential(Conv2d(4 * C, width, 3, padding=1, rng=rng), ResBlock(width, width, rng=rng))
        for _ in range(halvings - 1):
            self.layers.append(Downsample(width, rng=rng)).append(ResBlock(width, 2 * width, rng=rng))
            width *= 2
        self.layers.append(GroupNorm(8, width)).append(silu).append(Conv2d(width, out, 3, padding=1, rng=rng))

    def forward(self, x):
        return self.layers(pixel_unshuffle(as_tensor(x), 2))


class Decoder(Module):
    """The other way: z (N, c, h, w) -> images (N, C, f h, f w), any real numbers."""

    def __init__(self, c, C, width, halvings, *, rng):
        wide = width * 2 ** (halvings - 1)
        self.layers = Sequential(Conv2d(c, wide, 3, padding=1, rng=rng))
        for _ in range(halvings - 1):
            self.layers.append(ResBlock(wide, wide // 2, rng=rng)).append(Double(wide // 2, rng=rng))
            wide //= 2
        self.layers.append(ResBlock(width, width, rng=rng)).append(GroupNorm(8, width)).append(silu)
        self.layers.append(Conv2d(width, 4 * C, 3, padding=1, rng=rng))

    def forward(self, z):
        return pixel_shuffle(self.layers(as_tensor(z)), 2)


class Double(Upsample):
    """To twice the resolution."""

    def forward(self, x):
        return super().forward(x, tuple(2 * side for side in x.shape[2:]))


class KLAutoencoder(Module):
    """space: of images. channels: c. width: of the networks, a multiple of 8. halvings: of the image, f = 2^halvings.
    weight: of the KL. `latent_shape` is (c, h, w)."""

    def __init__(self, space, channels=4, width=32, halvings=2, weight=2e-3, *, rng):
        if not space.is_image or space.levels is None:
            raise ValueError(f"KLAutoencoder: shape {space.shape} is that of points; this model takes images")
        if channels < 1 or weight < 0:
            raise ValueError(f"KLAutoencoder: channels is {channels} and weight {weight}, expected at least 1 and 0")
        C, H, W = space.shape
        f = 2**halvings
        if halvings < 1 or H % f or W % f or width % 8:
            raise ValueError(f"KLAutoencoder: images of {H} x {W} cannot be halved {halvings} times, or width {width} "
                             "is no multiple of 8; pass halvings from 1 on, of which 2^halvings divides both sides")
        self.space, self.weight = space, weight
        self.encoder = Encoder(C, 2 * channels, width, halvings, rng=rng)
        self.decoder = Decoder(channels, C, width, halvings, rng=rng)
        self.latent_shape = channels, H // f, W // f

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def posterior(self, x):
        """mu and log sigma^2 of q(z | x), Tensors (N, c, h, w), of images x in their own units."""
        return split(self.encoder(self.space.signed(x)), 2, axis=1)

    def loss(self, batch, rng):
        x = self.space.signed(batch["x"])
        mu, logvar = self.posterior(batch["x"])
        z = mu + exp(0.5 * logvar) * normal(rng, mu.shape)
        error = ((x - self.decoder(z)) ** 2).mean()
        kl = kl_standard_normal(mu, logvar).sum() / len(x)  # nats per image
        return {"loss": error + self.weight / self.space.size * kl, "error": error, "KL": kl,  # course 9.12
                "sd of z": sqrt((z * z).mean() - z.mean() ** 2).detach()}

    # What a second stage needs

    def latents(self, x, rng):
        """A draw of q(z | x) for images x in their own units: an array (N, c, h, w)."""
        with no_grad():
            mu, logvar = self.posterior(x)
            return mu.data + exp(0.5 * logvar).data * normal(rng, mu.shape)

    def from_latents(self, z):
        """Images on [0, 1] of z (N, c, h, w)."""
        decode = lambda some: self.space.from_signed(self.decoder(asarray(some, default_dtype)).data)
        with no_grad():
            return in_chunks(decode, z, EXAMPLES)

    # What is seen of it

    def encode(self, x):
        """mu (N, c, h, w) of images x, a NumPy array."""
        with no_grad():
            return in_chunks(lambda some: self.posterior(some)[0].data, x, EXAMPLES)

    def reconstruct(self, x):
        return self.from_latents(self.encode(x))

    def measure(self, batch, rng):
        x, images = batch["x"], self.space.drawn(batch["x"])
        z, x_hat = in_chunks(lambda some: self.latents(some, rng), x, EXAMPLES), self.reconstruct(x)
        kl = in_chunks(lambda some: self.nats(some), x, EXAMPLES)
        error = lambda of: ((images - of) ** 2).mean(axis=(1, 2, 3))
        per_channel = " ".join(f"{sd:.2f}" for sd in z.std(axis=(0, 2, 3)))
        return [Measure("MSE", *mean_interval(error(x_hat)), "", f"per pixel on [0, 1], from {z[0].size} numbers; the "
                        f"mean image {error(images.mean(axis=0)).mean():.4f}"),
                Measure("gradient energy", *ratio_interval(gradient_energy(x_hat), gradient_energy(images)), "",
                        "squared differences of neighbouring pixels, those of the images being 1"),
                Measure("KL", *mean_interval(kl), "nats", f"per image; {kl.mean() / np.log(2) / z[0].size:.2f} bits a "
                        "number"),
                Measure("sd of z", float(z.std()), None, "", f"of draws; by channel {per_channel}")]

    def nats(self, x):
        """KL(q(z | x) || N(0, I)) of images, (N,)."""
        with no_grad():
            return kl_standard_normal(*self.posterior(x)).sum(axis=(1, 2, 3)).data
