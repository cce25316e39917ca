"""Imagen: a diffusion that is told captions by a language model that never saw a picture, and is guided hard.

Saharia et al., "Photorealistic Text-to-Image Diffusion Models with Deep Language Understanding", NeurIPS 2022:

    h = T5(s), frozen                                              section 2.1; here caption_lm.py
    L = E w_t |x_theta(a x_0 + s eps, t, h) - x_0|^2               eq. 1, as v-prediction; h dropped for 10 % of images
    eps~ = w' eps_theta(x_t, h) + (1 - w') eps_theta(x_t)          eq. 2; w' = 1 + w
    x_0 <- clip(x_0, -s, s) / s,  s = percentile_p |x_0| >= 1      dynamic thresholding, section 2.3

The larger w, the better picture and caption agree; and the farther x_0 leaves [-1, 1], where no image that the network
was trained on ever was, step by step. To clip it saturates every colour; to divide by s pulls all of it in.

The text encoder stays what it was. It is a part, trained by a recipe of its own, and no gradient reaches it.

Deviations: one network for 16 x 16 pixels, where the paper's draws 64 x 64 and two more enlarge what it drew: that is
imagen_cascade.py.

Symbols: N images, T tokens, D width, s a caption, and in section 2.3 a threshold. Read before this: caption_lm.py,
text_to_image/frozen_reader.py, text_to_image/prompted.py. Read next: imagen_cascade.py; glide.py, which trains its
encoder along.
Course: 10.5.
"""
from ...diffusion import dynamically_clipped
from ...text_to_image import FrozenReader, Prompted
from ...text_to_image.frozen_reader import frozen


class Imagen(FrozenReader, Prompted):
    """encoder: a Frozen language model, tokens (N, T) -> h (N, T, D), with its Space `text`. percentile: p. The other
    arguments are Prompted's."""

    def __init__(self, network, encoder, schedule, space, p_uncond=0.1, w=3.0, percentile=99.5, **drawing):
        self.encoder, self.percentile = frozen("Imagen", encoder), percentile
        super().__init__(network, schedule, space, encoder.text, p_uncond, w, **drawing)

    def limited(self, denoise):
        return dynamically_clipped(denoise, self.percentile)  # course 10.5
