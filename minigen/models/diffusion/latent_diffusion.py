"""Latent diffusion: an autoencoder makes images small, and a diffusion draws the small ones.

Rombach, Blattmann, Lorenz, Esser & Ommer, "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022:

    z_0 = E(x) / sd                                      E: encoder, frozen; sd: of its latents           (appendix G)
    z_t = sqrt(alpha_bar_t) z_0 + sqrt(1 - alpha_bar_t) eps
    L_LDM = E |eps - eps_theta(z_t, t, c)|^2             as a DDPM's, with z in the place of x            (eqs. 2, 3)
    sample: z_0 by any sampler, led to class c by classifier-free guidance;  x = D(sd z_0)

Most of the bits of an image are of no interest to the eye: the autoencoder sees to them, in one pass. What is left,
what is where, is a picture of 1 / f^2 as many places, and a network has 1 / f^2 as much to do in each of its many
steps, in training and in sampling. The price is a floor: no sample is better than the autoencoder's reconstructions.

Two things that are right for pixels are wrong here. Without the division by sd the noise of the schedule is too large
or too small for the data all the way. And latents have no bounds: an x_0 clipped to [-1, 1] is another image. But
unclipped, an x_0 from eps is divided by sqrt(alpha_bar_T), nearly 0. So the network says v = a eps - s z_0 in the
place of eps (Salimans & Ho 2022), and z_0 = a z_t - s v at every t: the one deviation, also of Stable Diffusion 2.

Symbols: N images, K classes, c a class as one-hot vector, a = sqrt(alpha_bar_t), s = sqrt(1 - alpha_bar_t), w how much
guidance. Read before this: diffusion/first_stage.py, classifier_free.py. Read next:
../text_to_image/stable_diffusion.py, which is told a caption.
Course: 9.10, 9.12.
"""
from autograd import backend, no_grad
from autograd.backend import asarray, normal

from ...diffusion import Classes, FirstStage, Guided, check_guidance, classifier_free, ddim, denoiser, prediction_error
from ...metrics import Measure, mean_interval
from ...player import Player

EXAMPLES = 500  # that are measured, at most


class LatentDiffusion(Guided):
    """first_stage: a FirstStage, scaled. network(z_t, t, condition=c (N, K), dropped=(N,) booleans) -> v, on latents,
    for instance UNet(c, ..., condition=K). labels: Space of the classes. p_uncond: the share of images that are told
    nothing in training. w, sampler, steps: how `sample` draws."""

    judged = 1000

    def __init__(self, first_stage, network, schedule, labels, p_uncond=0.1, w=1.0, sampler=ddim, steps=50):
        if not isinstance(first_stage, FirstStage):
            raise ValueError(f"LatentDiffusion: first_stage is a {type(first_stage).__name__}; pass FirstStage(Frozen("
                             "autoencoder)).scaled_by(images, rng)")
        check_guidance("LatentDiffusion", p_uncond, w)
        self.first_stage, self.network, self.schedule = first_stage, network, schedule
        self.space, self.labels, self.told = first_stage.space, labels, Classes(labels)
        self.p_uncond, self.w, self.sampler, self.levels = p_uncond, w, sampler, schedule.levels(steps)

    def players(self):
        return [Player("diffusion", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        """Eq. 3, for v."""
        z_0, told = self.first_stage.latents(batch["x"], rng), self.told(batch["y"])
        dropped = rng.random(len(z_0)) < self.p_uncond  # of each image on its own
        return {"L_LDM": self.error(z_0, rng, dropped=dropped, **told).mean()}  # course 9.12

    def error(self, z_0, rng, **told):
        """|v - v_theta|^2 at a random t of each of the latents z_0 (N, c, h, w): a Tensor (N,)."""
        return prediction_error(self.network, "v", self.schedule, z_0, rng, **told)

    def guided(self, y, w):
        """The denoiser of latents for classes y (N,). It is not clipped."""
        return classifier_free(denoiser(self.network, "v", **self.told(y)), denoiser(self.network, "v"), w)

    def draw(self, y, w, rng):
        """Latents (N, c, h, w) of classes y (N,)."""
        z_T = normal(rng, (len(y), *self.first_stage.shape))
        return self.sampler(self.guided(y, w), z_T, self.levels, rng=rng)

    def images(self, z_0):
        return self.first_stage.images(z_0)

    def reconstruct(self, x):
        return self.first_stage.reconstruct(x)

    def measure(self, batch, rng):
        """The deviation of the scaled latents, and the loss where the network is told the class, and nothing."""
        x, y = batch["x"][:EXAMPLES], batch["y"][:EXAMPLES]
        z_0, seed = self.first_stage.all_latents(x, rng), int(rng.integers(2**31))
        with no_grad():
            told, untold = (self.error(asarray(z_0), backend.rng(seed), **condition).numpy()
                            for condition in (self.told(y), {}))
        detail = f"|v - v_theta|^2, N = {len(x):,}, one level and one noise each"
        return [Measure("sd of latents", float(z_0.std()), None, "", f"scaled, {z_0[0].size} numbers an image"),
                Measure("L_LDM", *mean_interval(told), "", f"told the class; {detail}"),
                Measure("what the class is worth", *mean_interval(untold - told), "", "lost without it")]
