"""Imagen's cascade: a small picture is drawn for the caption, and another diffusion, told it too, enlarges it.

    z ~ p(z | s)             base: Imagen at half the resolution                                    section 2.4
    x ~ p(x | z_a, s)        upsampler: told z with noise to level a, that level, and the words     section 2.4
    both led by w, x_0 kept where images are by dynamic thresholds                                  section 2.3

Whether there are two circles and which is red is decided at half the resolution, where a network is small; what a
circle's edge is like, by the upsampler. It is told the words as well, since what it is given is noised in training, and
blurred in any case: a cross of 5 pixels and a square are much the same there. So words reach it as they reach the base,
by cross-attention, from the same frozen language model.

Source: Saharia et al., "Photorealistic Text-to-Image Diffusion Models with Deep Language Understanding", NeurIPS 2022.
Deviations: 16 x 16 and 32 x 32 pixels, the paper's are 64, 256 and 1024; and those of super_resolution.py.

Symbols: N images, T tokens, s a caption, w how much guidance. Read before this: imagen.py,
../diffusion/super_resolution.py, ../diffusion/cascade.py.
Course: 10.5.
"""
from ...diffusion.chain import check_sizes, drawn
from ...nn import Module
from ...nn.chunks import in_chunks
from ...text_to_image.prompted import CHUNK, asked


class ImagenCascade(Module):
    """base: has draw(text, w, rng), signed images, and its space; upsamplers: the smallest first, each with
    draw(z, text, w, rng). All Frozen. w: the default of all of them."""

    conditions = ("text",)
    judged = 300  # samples for the judges, and images that are enlarged for `measure`

    def __init__(self, base, upsamplers, w=1.0):
        check_sizes("ImagenCascade", base, upsamplers)
        self.base, self.upsamplers, self.w = base, tuple(upsamplers), w
        self.space, self.text = self.upsamplers[-1].space, self.upsamplers[-1].told.text

    def sample(self, n, rng, text=None, w=None):
        """Images (n, C, H, W) on [0, 1]. text: tokens (n, T) of the caption of each; if left out, the networks are told
        nothing. w: the model's, if left out."""
        text, w = asked(self, n, text, w)
        return in_chunks(lambda some: self.space.from_signed(drawn(self.base, self.upsamplers, some, w, rng)), text,
                         CHUNK)

    def measure(self, batch, rng):
        """The last upsampler's own."""
        return self.upsamplers[-1].measure(batch, rng)
