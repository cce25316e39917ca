"""GLIDE: a diffusion that is told captions by an encoder of its own, led in two ways, and taught to edit.

Nichol, Dhariwal, Ramesh et al., "GLIDE: Towards Photorealistic Image Generation and Editing with Text-Guided Diffusion
Models", ICML 2022 (arXiv:2112.10741):

    eps(x_t | empty) + s (eps(x_t | c) - eps(x_t | empty))                       section 2.3, classifier-free; s = 1 + w
    mu(x_t | c) + s Sigma grad (f(x_t) . g(c))                                   section 2.4, by CLIP
    eps(x_t, m x_0, m | c)                                          section 3.3, what m does not know is drawn anew

The text encoder is trained along with the diffusion: it need not know any language but what helps to draw. Where a
caption is dropped, the network is told the empty one, read as all others are: the same in training and in sampling.

CLIP's guidance climbs what CLIP thinks of x_t. So f must know images with noise, and be told t (NoisedCLIP of clip.py):
a CLIP of clean images would be asked for things that it never saw (section 2.4 of the paper). Even so it is CLIP that
is pleased, and CLIP reads a caption as a bag of words; people prefer the first way.

To edit, the network sees four channels more: what is known of the picture, and where. Their weights start at 0, so that
it begins as the network that it was, and is trained on with boxes hidden at random; now and then all is, so that it
remains a model that needs no picture. What is known is put back in every step, and is bit for bit what it was.

Deviations: v-prediction, 16 x 16 pixels, no upsampler; the scale of CLIP's cosines, exp(t), is in its f . g.

Symbols: N images, T tokens, D width, m mask, 1 where known; the paper's s is 1 + w by the first way, w by the second.
Read before this: imagen.py, clip.py, diffusion/guidance.py, diffusion/inpainting.py.
Course: 10.3.
"""
import numpy as np

from autograd import Tensor, concatenate
from autograd.backend import asarray, normal, xp

from ...diffusion import by_classifier, clipped, random_masks, repaint, take_over
from ...nn import Module
from ...nn.chunks import in_chunks
from ...text_to_image import Prompted
from ...text_to_image.prompted import CHUNK

BLANK = 0.25  # the share of images of which an editor is told nothing, in training


class GLIDE(Prompted):
    """encoder: a TextEncoder, trained along. The other arguments are Prompted's."""

    def __init__(self, network, encoder, schedule, space, p_uncond=0.2, w=2.0, **drawing):
        super().__init__(network, schedule, space, encoder.space, p_uncond, w, **drawing)
        self.encoder = encoder

    def read(self, text):
        return self.encoder(text)

    def told(self, text, dropped):
        return super().told(np.where(dropped[:, None], 0, text), None)

    def limited(self, denoise):
        return clipped(denoise)

    def led(self, text, clip, w):
        """The denoiser for captions (N, T) that climbs w times what a NoisedCLIP thinks of x_t; w = 0 changes nothing.
        """
        return self.limited(by_classifier(self.conditional(text), clip.agreement(text), w))  # course 10.3

    def sample_by_clip(self, clip, rng, text, w):
        """Images (n, C, H, W) on [0, 1] for captions (n, T)."""
        return self.draw_all(lambda some: self.led(some, clip, w), text, rng)


class GLIDEEditor(GLIDE):
    """A GLIDE that is told, beside the caption, what stands around the place where it shall draw. network: a U-Net as
    that of `glide`, a Frozen one, but for C + 1 channels more that it sees; it takes over its weights."""

    def __init__(self, network, encoder, glide, **drawing):
        super().__init__(Beside(network), encoder, glide.schedule, glide.space, **drawing)
        take_over(network, glide.network)
        take_over(encoder, glide.encoder)

    def told(self, text, dropped, beside=None):
        """beside: (N, C + 1, H, W), what is known of a picture, and where; if left out, nothing is."""
        beside = xp.zeros((len(text), self.shape[0] + 1, *self.shape[1:]), np.float32) if beside is None else beside
        return {**super().told(text, dropped), "beside": beside}

    def beside(self, x_0, m):
        """m x_0 and m, as channels: (N, C + 1, H, W)."""
        return xp.concatenate([xp.where(asarray(m), x_0, 0), asarray(m, x_0.dtype)], axis=1)

    def loss(self, batch, rng):
        x_0 = self.encode(batch["x"])
        N, _, H, W = x_0.shape
        dropped = rng.random(N) < self.p_uncond
        m = random_masks(N, H, W, rng) & (rng.random((N, 1, 1, 1)) > BLANK)
        told = self.told(batch["text"], dropped, self.beside(x_0, m))
        return {"|v - v_theta|^2": self.errors(x_0, told, rng).mean()}

    def redraw(self, x, m, text, rng, w=None):
        """Images (N, C, H, W) on [0, 1]: x, in their own units, where m (N, 1, H, W) is True, and elsewhere drawn anew,
        so that the captions (N, T) hold."""
        self.space.check(x)
        if m.dtype != bool or m.shape != (len(x), 1, *x.shape[2:]) or len(text) != len(x):
            raise ValueError(f"redraw: {len(x)} images {x.shape}, {len(text)} captions, and m is {m.dtype} of shape "
                             f"{m.shape}; give a caption and a mask (1, H, W) of booleans, True where it shall stay as "
                             "it is, for each image")
        w = self.w if w is None else w

        def drawn(rows):
            x_0 = self.encode(x[rows])
            denoise = self.guided(text[rows], w, beside=self.beside(x_0, m[rows]))
            return self.decode(repaint(denoise, normal(rng, x_0.shape), self.levels, rng=rng, known=x_0, mask=m[rows],
                                       resample=1))

        return np.where(m, self.space.drawn(x), in_chunks(drawn, np.arange(len(x)), CHUNK))


class Beside(Module):
    """A network that is given channels beside x_t."""

    def __init__(self, network):
        self.network = network

    def forward(self, x_t, t, beside, **told):
        return self.network(concatenate([x_t, Tensor(beside)], axis=1), t, **told)
