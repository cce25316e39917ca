"""Stable Diffusion: latent diffusion that is told a caption, word by word, by cross-attention.

Rombach, Blattmann, Lorenz, Esser & Ommer, "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022:

    z_0 = E(x) / sd,   z_t = sqrt(alpha_bar_t) z_0 + sqrt(1 - alpha_bar_t) eps
    L_LDM = E |eps - eps_theta(z_t, t, tau(y))|^2                        y: caption, tau: its encoder, frozen   (eq. 3)
    Attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V                                                      (section 3.3)
    Q = W_Q phi(z_t),  K = W_K tau(y),  V = W_V tau(y)                   phi: a feature map of the U-Net

So each place of the picture asks the words, and takes what those say to which its question fits. A pooled vector, one
for all of the caption, says the same to every place; "red" and "left" then have to be disentangled by the network, and
captions of two objects suffer first. Where a place looked can be kept, and drawn over the picture: `attended`.

    guidance    (1 + w) D(z_t | y) - w D(z_t);  Stable Diffusion calls 1 + w the scale s
    edit        begin at level t of a picture that is there, noised, not of noise alone: strength t / T says how much
                of it may change (Meng et al. 2022, SDEdit)

The null of guidance is a trained vector in the place of every word: the same in training, for a tenth of the captions,
and in sampling. Tokens after the end of a caption are masked: nothing looks at them.

Deviations: v in the place of eps, as in ../diffusion/latent_diffusion.py, and why is said there. tau is CLIP's text
encoder, as Stable Diffusion 1 has it, where the paper trains one along.

Symbols: N images, T words, D width of tau, c h w latents, w how much guidance. Read before this:
../diffusion/latent_diffusion.py, text_to_image/text_encoder.py, nn/blocks.py (CrossAttention2d). Read next: clip.py.
Course: 9.10, 9.12.
"""
import numpy as np

from autograd import backend, no_grad
from autograd.backend import asarray, normal, to_numpy
from autograd.resample import interpolate

from ...diffusion import FirstStage, check_guidance, classifier_free, ddim, denoiser, noised, prediction_error
from ...metrics import Measure, mean_interval
from ...nn import Frozen, Module
from ...nn.blocks import watching
from ...nn.chunks import in_chunks
from ...player import Player
from ...text_to_image.text_encoder import check_captions, padding

CHUNK = 100  # images that are drawn at a time
EXAMPLES = 500  # that are measured, at most


class StableDiffusion(Module):
    """first_stage: a FirstStage, scaled. encoder: a frozen TextEncoder. network(z_t, t, context=(N, T, D),
    padding=(N, T), dropped=(N,)) -> v, on latents, for instance UNet(c, ..., context=D). p_uncond: the share of
    captions that are dropped in training. w, sampler, steps: how `sample` draws."""

    conditions = ("text",)
    judged = 400  # samples at most: each is drawn in `steps` passes, and read

    def __init__(self, first_stage, encoder, network, schedule, p_uncond=0.1, w=4.0, sampler=ddim, steps=40):
        if not isinstance(first_stage, FirstStage) or not isinstance(encoder, Frozen):
            raise ValueError(f"StableDiffusion: first_stage is a {type(first_stage).__name__} and encoder a "
                             f"{type(encoder).__name__}; pass FirstStage(Frozen(autoencoder)).scaled_by(images, rng) "
                             "and Frozen(text encoder)")
        check_guidance("StableDiffusion", p_uncond, w)
        self.first_stage, self.encoder, self.network, self.schedule = first_stage, encoder, network, schedule
        self.space, self.text, self.p_uncond = first_stage.space, encoder.space, p_uncond
        self.w, self.sampler, self.levels = w, sampler, schedule.levels(steps)

    # Training

    def players(self):
        return [Player("diffusion", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        z_0 = self.first_stage.latents(batch["x"], rng)
        dropped = rng.random(len(z_0)) < self.p_uncond  # of each caption on its own
        return {"L_LDM": self.error(z_0, rng, **self.told(batch["text"]), dropped=dropped).mean()}  # course 9.12

    def error(self, z_0, rng, **told):
        """|v - v_theta|^2 at a random t of each of the latents z_0 (N, c, h, w): a Tensor (N,)."""
        return prediction_error(self.network, "v", self.schedule, z_0, rng, **told)

    def told(self, text):
        """What the network is told of captions, tokens (N, T): tau of each word, and which tokens are none."""
        with no_grad():
            return {"context": self.encoder(text).detach(), "padding": padding(text)}

    # Drawing

    def guided(self, text, w):
        """The denoiser of latents for captions (N, T); of no caption for None. It is not clipped."""
        nothing = denoiser(self.network, "v")
        return nothing if text is None else classifier_free(denoiser(self.network, "v", **self.told(text)), nothing, w)

    def sample(self, n, rng, text=None, w=None):
        """Images on [0, 1] (n, C, H, W). text: tokens (n, T); if left out, no caption. w: the model's, if left out."""
        w = self.w if w is None else w
        self._check(text, n)

        def draw(rows):
            z_T = normal(rng, (len(rows), *self.first_stage.shape))
            denoise = self.guided(None if text is None else text[rows], w)
            return self.first_stage.images(self.sampler(denoise, z_T, self.levels, rng=rng))

        return in_chunks(draw, np.arange(n), CHUNK)

    def edit(self, x, text, strength, rng, w=None):
        """Images x (n, C, H, W) in their own units, drawn anew for captions (n, T) from a level on: of strength 0 they
        are reconstructions, of strength 1 they are drawn from noise alone."""
        if not 0.0 <= strength <= 1.0:
            raise ValueError(f"StableDiffusion.edit: strength is {strength}, expected 0 (nothing changes) to 1")
        self._check(text, len(x))
        steps = round(strength * (len(self.levels) - 1))
        if not steps:
            return self.first_stage.reconstruct(x)
        levels = self.levels[len(self.levels) - 1 - steps:]
        z_0 = self.first_stage.latents(x, rng)
        z_t = noised(z_0, normal(rng, z_0.shape), levels[0])
        denoise = self.guided(text, self.w if w is None else w)
        return self.first_stage.images(self.sampler(denoise, z_t, levels, rng=rng))

    def attended(self, text, rng, w=None):
        """(images (n, C, H, W), maps (n, T, H, W)): drawn for captions (n, T), and how much each pixel looked at each
        word, a mean over steps, heads and the layers of the latents' own resolution, enlarged (Tang et al. 2022, DAAM).
        Over a caption's words and its end the maps sum to 1 at each pixel."""
        self._check(text, len(text))
        told, maps = denoiser(self.network, "v", **self.told(text)), []

        def watched(z_t, level):
            with watching(self.network) as seen:
                z_0 = told(z_t, level)
            fine = [each for each in seen if each.shape[2:] == self.first_stage.shape[1:]] or seen
            maps.append(sum(enlarged(each, self.space.shape[1:]) for each in fine) / len(fine))
            return z_0

        denoise = classifier_free(watched, denoiser(self.network, "v"), self.w if w is None else w)
        z_T = normal(rng, (len(text), *self.first_stage.shape))
        images = self.first_stage.images(self.sampler(denoise, z_T, self.levels, rng=rng))
        return images, sum(maps) / len(maps)

    def _check(self, text, n):
        if text is not None:
            check_captions("StableDiffusion", self.text, text, n, of="images")

    # Measuring

    def reconstruct(self, x):
        return self.first_stage.reconstruct(x)

    def measure(self, batch, rng):
        """The deviation of the scaled latents, the loss under the right caption, and what another's adds to it."""
        x, text = batch["x"][:EXAMPLES], batch["text"][:EXAMPLES]
        z_0, seed = self.first_stage.all_latents(x, rng), int(rng.integers(2**31))
        with no_grad():
            own, other = (to_numpy(self.error(asarray(z_0), backend.rng(seed), **self.told(told)).data)
                          for told in (text, np.roll(text, 1, axis=0)))
        detail = f"|v - v_theta|^2, N = {len(x):,}, one level and one noise each"
        return [Measure("sd of latents", float(z_0.std()), None, "", f"scaled, {z_0[0].size} numbers an image"),
                Measure("L_LDM", *mean_interval(own), "", f"under its caption; {detail}"),
                Measure("what another's caption adds", *mean_interval(other - own), "", "at the same levels")]


def enlarged(maps, size):
    """Maps (N, T, h, w) at the size (H, W) of the picture, a NumPy array."""
    return to_numpy(interpolate(asarray(maps), size=size, mode="bilinear").data)
