"""Inpainting, learned: a trained DDPM is trained on, to see the known pixels of an image and the mask beside x_t.

    eps_theta([x_t, m x_0, m], t),   m mask, 1 where a pixel is known          further channels of the first layer
    loss    |(1 - m) (eps - eps_theta)|^2 / alpha_bar_t,                       with a mask drawn anew for each image

A diffusion that was not trained for it sees known pixels only as they are at t, with the noise of t (replacement,
diffusion/inpainting.py): while what is drawn is being decided, they can hardly be told apart. Here they are seen as
they are, from the first step on.

The paper's loss is that of DDPM, of all pixels. The noise of known ones is no question, as they are seen without it and
are put back anyway: so only hidden ones count here. And that the known half is a 7's shows at large t, where an
error in x_0 is hardly one in eps; over alpha_bar it is an error in v (diffusion/predict.py), which counts it in full.

The weights of the new channels begin as 0. So training begins at the pretrained network, exactly, whatever the mask,
and does not first undo the harm of new weights.

Source: Nichol et al. 2021 (GLIDE), section 2 (image inpainting). Symbols: N images, m mask. Read before this: ddpm.py,
diffusion/inpainting.py.
Course: 9.11.
"""
import numpy as np

from autograd import Tensor, concatenate
from autograd.backend import asarray, default_dtype, normal, xp
from autograd.batch import denominator

from ...diffusion import clipped, denoiser, random_masks, repaint, seam, take_over
from ...metrics import Measure, ratio_interval
from ...nn import Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 250  # images that are drawn at a time
LEAST = 0.05  # alpha_bar below which an error in eps counts no more


class InpaintingDDPM(Module):
    """network: a U-Net as that of `diffusion`, a Frozen DDPM, but for C + 1 channels more that it sees; it takes over
    its weights. `sample` completes images whose lower half is hidden."""

    conditions = ("x",)
    judged = 1000  # samples for the judges

    def __init__(self, network, diffusion):
        self.network, self.space, self.schedule = network, diffusion.space, diffusion.schedule
        self.sampler, self.levels = diffusion.sampler, diffusion.levels
        take_over(network, diffusion.network)

    def players(self):
        return [Player("inpainting", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        x_0 = self.space.signed(batch["x"])
        N, _, H, W = x_0.shape
        m = random_masks(N, H, W, rng)
        t, eps = rng.integers(1, self.schedule.T + 1, size=N), normal(rng, x_0.shape)
        guess = self.told(x_0, m)(Tensor(self.schedule.q_sample(x_0, t, eps)), t)
        weight = ~m / np.maximum(self.schedule.alpha_bar[t], LEAST)[:, None, None, None]  # (N, 1, H, W)
        weight = asarray(weight / (denominator(weight.sum()) * x_0.shape[1]), default_dtype)
        return {"L_v": (weight * (guess - Tensor(eps)) ** 2).sum()}

    def told(self, known, m):
        """The network, told the pixels of known (N, C, H, W), on [-1, 1], where m (N, 1, H, W) is True: (x_t, t) ->
        eps. Of the others it learns nothing."""
        m = asarray(m, default_dtype)
        return lambda x_t, t: self.network(concatenate([x_t, Tensor(m * known), Tensor(m)], axis=1), t)  # course 9.11

    def complete(self, x, mask, rng):
        """Images as they are drawn, whose pixels in mask, booleans (H, W), are those of x (N, C, H, W)."""
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != self.space.shape[1:]:
            raise ValueError(f"complete: mask is {mask.dtype} of shape {mask.shape}, expected booleans, True where a "
                             f"pixel is known, of shape {self.space.shape[1:]}")

        def draw(part):
            known = self.space.signed(part)
            m = xp.broadcast_to(asarray(mask, bool), (len(known), 1, *mask.shape))
            denoise = clipped(denoiser(self.told(known, m), "eps"))
            drawn = repaint(denoise, normal(rng, known.shape), self.levels, rng=rng, known=known, mask=m, resample=1,
                            sampler=self.sampler)
            return np.where(mask, self.space.drawn(part), self.space.from_signed(drawn))

        return in_chunks(draw, np.asarray(x), CHUNK)

    def sample(self, n, rng, x):
        """Images (n, C, H, W) on [0, 1] with the upper halves of x (n, C, H, W)."""
        return self.complete(x[:n], upper_half(*self.space.shape[1:]), rng)

    def measure(self, batch, rng):
        """Whether there is a seam."""
        x, mask = batch["x"][:self.judged], upper_half(*self.space.shape[1:])
        drawn, real = seam(self.sample(len(x), rng, x), mask), seam(self.space.drawn(x), mask)
        return [Measure("seam", *ratio_interval(drawn, real), "", f"difference across the border, over that of the "
                        f"whole images, lower half drawn, N = {len(x):,}")]


def upper_half(H, W):
    """Booleans (H, W), True in the upper half."""
    return np.arange(H)[:, None].repeat(W, axis=1) < H // 2
