"""unCLIP, or DALL-E 2: from a caption to CLIP's vector of an image, and from this vector to an image.

Ramesh, Dhariwal, Nichol, Chu & Chen, "Hierarchical Text-Conditional Image Generation with CLIP Latents", 2022:

    P(x | y) = P(x | z_i) P(z_i | y)                           prior: clip_prior.py; decoder: this file      (eq. 1)
    L = E |v - v_theta(x_t, t, z_i)|^2                         a diffusion of pixels that is told z_i, in one image of
                                                               ten the null, so that it can be guided     (section 2.1)

So the decoder inverts CLIP's image encoder: it draws images that CLIP finds alike. An image is then two codes: z_i,
what CLIP sees in it, and x_T, all the rest, the noise of which DDIM makes it (section 3):

    variations       the same z_i from other noise             (eta > 0): what is kept is what CLIP reads        (3.1)
    interpolation    slerp of the two z_i, and of the two x_T                                                    (3.2)
    text difference  slerp(z_i, z_d, theta),  z_d = norm(z_t - z_t0): from "t0" towards "t", x_T held            (3.3)

What CLIP does not tell apart, which shape has which colour, is the same vector, and no decoder can know it.

Deviations: the decoder is not told the words beside z_i, nor z_i as tokens beside the time's code: what arrives in the
image has come through CLIP's vector. It predicts v (Salimans & Ho 2022), as colours are decided at large t, where an
error of eps hardly counts.

Symbols: N images, d width of CLIP's vectors, x_T noise. Read before this: clip_prior.py,
models/diffusion/classifier_free.py, diffusion/inversion.py, latents.py (slerp). Course: 10.4.
"""
import numpy as np

from autograd import Tensor
from autograd.backend import asarray, normal, to_numpy

from ...diffusion import check_guidance, classifier_free, clipped, ddim, denoiser, inverted, prediction_error
from ...latents import slerp
from ...metrics import Measure, mean_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player
from ...text_to_image.text_encoder import check_captions

CHUNK = 250  # images that are drawn at a time
MEASURED = 200  # in `measure`
FINER = 2  # times as many steps where an image is inverted: the way up and down must be the same


class UnCLIP(Module):
    """network(x_t, t, condition=z_i (N, d), dropped=(N,) booleans) -> v, for instance UNet(..., condition=d). prior: a
    frozen ClipPrior: its CLIP is the one whose vectors are decoded. p_uncond: share of images that are told nothing. w:
    guidance of the decoder, which inverted images do without. steps: of DDIM."""

    conditions = ("text",)
    judged = 300  # samples for the judges: each takes 2 x `steps` passes through the network

    def __init__(self, network, schedule, prior, p_uncond=0.1, w=1.0, steps=25):
        check_guidance("UnCLIP", p_uncond, w)
        self.network, self.schedule, self.prior, self.space = network, schedule, prior, prior.space
        self.p_uncond, self.w, self.levels = p_uncond, w, schedule.levels(steps)
        self.fine = schedule.levels(min(schedule.T, FINER * steps))

    def players(self):
        return [Player("decoder", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        x_0 = self.space.signed(batch["x"])
        z_i = Tensor(self.prior.of_images(x_0))
        dropped = rng.random(len(x_0)) < self.p_uncond
        error = prediction_error(self.network, "v", self.schedule, x_0, rng, condition=z_i, dropped=dropped)
        return {"L": error.mean()}

    def denoise(self, z, w):
        """The denoiser that is told vectors z (N, d)."""
        told = denoiser(self.network, "v", condition=Tensor(asarray(z, np.float32)))
        return clipped(classifier_free(told, denoiser(self.network, "v"), w) if w else told)

    # From vectors to images, and back

    def decode(self, z, rng, w=None):
        """Images on [0, 1] (N, C, H, W) of vectors z (N, d), each from noise of its own."""
        def draw(some):
            x_T = normal(rng, (len(some), *self.space.shape))
            x = ddim(self.denoise(some, self.w if w is None else w), x_T, self.levels)
            return self.space.from_signed(x)

        return in_chunks(draw, z, CHUNK)

    def decode_from(self, x_T, z, rng=None, eta=0.0):
        """Images of both codes (N, C, H, W), (N, d): with eta = 0 what `invert` began with, if they are its."""
        x = ddim(self.denoise(z, 0.0), asarray(x_T), self.fine, rng=rng, eta=eta)
        return self.space.from_signed(x)

    def encode(self, x):
        """z_i (N, d) of images in their own units."""
        return in_chunks(lambda some: self.prior.of_images(self.space.signed(some)), x, CHUNK)

    def invert(self, x):
        """x_T (N, C, H, W) of images in their own units."""
        return to_numpy(inverted(self.denoise(self.encode(x), 0.0), self.space.signed(x), self.fine))

    def sample(self, n, rng, text=None, w=None):
        """text: tokens (n, T); if left out, captions of no words. Images on [0, 1]."""
        text = np.zeros((n, *self.prior.text.shape), np.int64) if text is None else text
        check_captions("UnCLIP", self.prior.text, text, n)
        return self.decode(self.prior.draw(text, rng), rng, w)  # eq. 1; course 10.4

    # What two codes are good for

    def variations(self, x, count, rng):
        """`count` other images of the same z_i for each of x (N, C, H, W): (N * count, C, H, W)."""
        x_T = np.repeat(self.invert(x), count, axis=0)
        return self.decode_from(x_T, np.repeat(self.encode(x), count, axis=0), rng, eta=1.0)

    def interpolate(self, a, b, steps=8):
        """`steps` images from each of a to each of b (N, C, H, W), along the spheres of both codes."""
        z, x_T = (_between(self.encode(a), self.encode(b), steps), _between(*(
            self.invert(x).reshape(len(x), -1) for x in (a, b)), steps))
        return self.decode_from(x_T.reshape(-1, *self.space.shape), z)

    def text_difference(self, x, before, after, theta=0.5, steps=6):
        """`steps` images for each of x (N, C, H, W), turned by up to `theta` of the way towards what the captions
        `after` (N, T) say and `before` do not; the noise is held."""
        z_d = to_numpy(self.prior.of_captions(after) - self.prior.of_captions(before))
        if not z_d.any(axis=1).all():
            raise ValueError("UnCLIP: a caption and the one that it is to become are the same; nothing would change")
        z_d *= self.prior.scale / np.linalg.norm(z_d, axis=1, keepdims=True)
        z = _between(self.encode(x), z_d, steps, theta)
        return self.decode_from(np.repeat(self.invert(x), steps, axis=0), z)

    def measure(self, batch, rng):
        """How well the decoder inverts CLIP: the cosine of z_i and of the vector of what is drawn from it."""
        z = self.encode(batch["x"][:MEASURED])
        seen = to_numpy(self.prior.of_images(asarray(2 * self.decode(z, rng) - 1))) / self.prior.scale
        z /= self.prior.scale
        others = np.roll(z, 1, axis=0)
        return [Measure("cosine of what is decoded", *mean_interval((seen * z).sum(axis=1)), "", f"N = {len(z)}; to "
                        f"another's: {(seen * others).sum(axis=1).mean():.3f}, of real ones to another's: "
                        f"{(z * others).sum(axis=1).mean():.3f}")]


def _between(z0, z1, steps, end=1.0):
    """Rows on the way around from each of z0 to each of z1 (N, Z), up to the part `end` of it: (N * steps, Z)."""
    t = np.linspace(0, end, steps)[:, None]
    return np.float32(slerp(z0[:, None], z1[:, None], t)).reshape(-1, z0.shape[-1])
