"""FirstStage: a frozen autoencoder between images and the latents that a diffusion works on.

    z = E(x) / sd            what noise is added to: sd(z) = 1                       Rombach et al. 2022, appendix G
    x = D(sd z)              the way back

A schedule is made for data of about unit size: noise of variance 1 - alpha_bar drowns them at the right time. What the
autoencoder's latents have for a deviation is its own business (Stable Diffusion's is 1 / 0.18215), and so it is
measured on the first images of the data, once, and kept with the weights. Who multiplies on the way in divides on the
way out. Latents are no pixels: nothing bounds them, and no x_0 of theirs is clipped.

The autoencoder is one of two kinds. Of a KL autoencoder z is a draw of q(z | x). Of one with a codebook it is what the
encoder says before it is rounded: the diffusion draws real numbers, and rounding is the decoder's first layer
(section 3.1, "VQ-reg").

Symbols: N images, c h w latents. Read before this: nn/frozen.py, models/autoencoders/kl_ae.py. Read next:
models/diffusion/latent_diffusion.py, models/text_to_image/stable_diffusion.py.
"""
import numpy as np

from autograd.backend import asarray, default_dtype, xp

from ..nn import Frozen, Module
from ..nn.chunks import in_chunks

FIRST = 500  # images by which sd is measured, and that are encoded at a time


class FirstStage(Module):
    """autoencoder: a Frozen with `space` of the images, `latent_shape` (c, h, w), latents(x, rng) and
    from_latents(z)."""

    def __init__(self, autoencoder):
        if not isinstance(autoencoder, Frozen):
            raise ValueError(f"FirstStage: autoencoder is a {type(autoencoder).__name__}, whose weights would be "
                             "trained along with the diffusion's; pass Frozen(autoencoder)")
        self.autoencoder, self.space, self.shape = autoencoder, autoencoder.space, autoencoder.latent_shape
        self.register_buffer("sd", xp.ones((), default_dtype))

    def scaled_by(self, x, rng):
        """Measures sd on the first of the images x (N, C, H, W), in their own units. Returns the stage."""
        self.sd[...] = max(float(self.autoencoder.latents(x[:FIRST], rng).std()), 1e-6)
        return self

    def latents(self, x, rng):
        """z (N, c, h, w) of images x in their own units: an array."""
        return self.autoencoder.latents(x, rng) / self.sd

    def images(self, z) -> np.ndarray:
        """Images (N, C, H, W) on [0, 1] of z (N, c, h, w)."""
        return self.autoencoder.from_latents(asarray(z) * self.sd)

    def reconstruct(self, x):
        """Images there and back, about the best that a diffusion of these latents can draw."""
        return self.autoencoder.reconstruct(x)

    def all_latents(self, x, rng) -> np.ndarray:
        """`latents` of any number of images."""
        return in_chunks(lambda some: self.latents(some, rng), x, FIRST)
