"""Super-resolution: a diffusion model of images that is told each at half the resolution, and draws the details.

    z       = q(z_s | z_0),   z_0 the image at half the resolution           conditioning augmentation, section 4.2
    D       = x^ + c F_theta(x_t, t, up(z), s, y)                            what x_0 is expected to be
    loss    |F_theta - (x_0 - x^) / c|^2,   s ~ U{1, ..., S}                 anew for each image
    draw    z_0 -> z_s at one fixed s, once -> x_0 ~ p_theta(x | z_s, y), by any sampler

In a cascade z_0 is what another model drew, which is not quite what images are like. A network that was trained on true
ones trusts every pixel of it, errors as well. With noise in z it learns to trust the coarse of it alone; and as it is
told how much noise there is, s, how far it trusts is chosen when images are drawn. The network sees z enlarged,
bilinearly, as further channels beside x_t; it is told the class too, or with probability p_uncond the null, so that an
upsampler can be guided like any model of classes.

The paper's network predicts eps, and learns in days to take from z what x_t does not tell. Here that needs no learning:
x^ is the best guess without a network, x_t and up(z) weighted by their precisions, and c its error; F says what is
missing, in units of c. That is the preconditioning of EDM, of two images in the place of one. So the network begins as
an enlargement with noise for details.

Sources: Ho, Saharia et al. 2022, "Cascaded diffusion models for high fidelity image generation"; Karras et al. 2022
(EDM), section 5. Symbols: N images, C channels, y class, K classes, D width of the code, s the step of the noise in z,
which the network is told as `level`. Read before this: classifier_free.py, diffusion/guidance.py. Read next:
cascade.py, which puts them one after another.
Course: 9.10, 10.5.
"""
import numpy as np

from autograd import Tensor, as_tensor, concatenate, mse_loss, no_grad, silu
from autograd.backend import asarray, normal, to_numpy
from autograd.resample import avg_pool2d, interpolate

from ...diffusion import ancestral_tilde, classifier_free, dynamically_clipped
from ...diffusion.levels import signal_and_noise
from ...metrics import Measure, mean_interval
from ...nn import Linear, Module, Sequential, UNet, sinusoidal_code
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 250  # images that are drawn at a time
DETAIL = 0.15  # deviation of x_0 - up(z_0) on [-1, 1]: 0.144 to 0.167 of critters and kinds, at 16 and 32 pixels


class SuperResolutionUNet(UNet):
    """(x_t, low (N, C, H, W), t, level (N,)) -> (N, C, H, W): a U-Net that sees a second image, and is told its level
    of noise as it is told t. settings: the U-Net's."""

    def __init__(self, channels, *, rng, **settings):
        super().__init__(2 * channels, channels, rng=rng, **settings)
        D = 4 * self.width
        self.level = Sequential(Linear(self.width, D, rng=rng), silu, Linear(D, D, rng=rng))

    def forward(self, x_t, t, low, level, condition=None, **told):
        beside = concatenate([as_tensor(x_t), as_tensor(low)], axis=1)  # (N, 2 C, H, W)
        code = self.level(Tensor(sinusoidal_code(np.asarray(level), self.width)))  # (N, D)
        return super().forward(beside, t, condition, code=code, **told)


class SuperResolution(Module):
    """network(x_t, t, low=(N, C, H, W), level=(N,), dropped=(N,) booleans, ...) -> F, on images of this space. told:
    Classes, or what else makes the network's other arguments of a column of a batch. most: S, the step that z is noised
    to at most in training; augmentation: s when images are drawn. limit: what keeps x_0 where images are, however
    strongly it is led to a class."""

    conditions = ("x",)
    judged = 400  # samples for the judges, and images that are enlarged for `measure`

    def __init__(self, network, schedule, space, told, most=None, augmentation=None, p_uncond=0.15,
                 sampler=ancestral_tilde, steps=50, limit=dynamically_clipped):
        if not space.is_image or space.levels is None or space.shape[1] % 2 or space.shape[2] % 2:
            raise ValueError(f"SuperResolution: shape is {space.shape}, expected images (C, H, W) of even H and W")
        self.most = schedule.T // 2 if most is None else most
        self.augmentation = schedule.T // 10 if augmentation is None else augmentation
        if not 1 <= self.augmentation <= self.most <= schedule.T or not 0.0 < p_uncond < 1.0:
            raise ValueError(f"SuperResolution: augmentation is {self.augmentation}, most {self.most}, expected 1 <= "
                             f"augmentation <= most <= T = {schedule.T}; p_uncond is {p_uncond}, between 0 and 1")
        self.network, self.schedule, self.space, self.told = network, schedule, space, told
        self.p_uncond, self.limit = p_uncond, limit
        self.sampler, self.levels = sampler, schedule.levels(steps)

    def players(self):
        return [Player("super-resolution", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        x_0, told = self.space.signed(batch["x"]), self.told(batch[self.told.column])
        N, T = len(x_0), self.schedule.T
        dropped = rng.random(N) < self.p_uncond
        s = rng.integers(1, self.most + 1, size=N)  # of each image on its own
        low = self.seen(half(x_0), s, rng)
        t, eps = rng.integers(1, T + 1, size=N), normal(rng, x_0.shape)
        x_t = self.schedule.q_sample(x_0, t, eps)
        expected, error = self.without_network(x_t, self.schedule.level(t), low, s)
        missing = self.network(Tensor(x_t), t, low=low, level=s, dropped=dropped, **told)
        return {"L_F": mse_loss(missing, Tensor((x_0 - expected) / error))}  # course 10.5

    def seen(self, z_0, s, rng):
        """What the network sees of small images z_0 (N, C, h, w): with noise to step s (N,), and enlarged."""
        C, H, W = self.space.shape
        if z_0.shape[1:] != (C, H // 2, W // 2):
            raise ValueError(f"SuperResolution: small images have shape {z_0.shape}, expected (N, {C}, {H // 2}, "
                             f"{W // 2}), half of {self.space.shape}")
        z_s = self.schedule.q_sample(z_0, s, normal(rng, z_0.shape))
        return enlarged(z_s, (H, W))

    def without_network(self, x_t, level, low, s):
        """(x^ (N, C, H, W), c): what x_0 is by x_t = a x_0 + s eps and by low, if its details are noise."""
        (a, b), (a_s, b_s) = signal_and_noise(level, x_t), signal_and_noise(self.schedule.level(s), low)
        of_x_t, of_low = (a / b) ** 2, 1.0 / ((b_s / a_s) ** 2 + DETAIL**2)  # precisions
        return (a / b**2 * x_t + of_low / a_s * low) / (of_x_t + of_low), (of_x_t + of_low) ** -0.5

    # Drawing

    def draw(self, z_0, y, w, rng):
        """Images (N, C, H, W) of small ones (N, C, H/2, W/2), both on [-1, 1]. y: their classes (N,), or None; w: how
        far beyond what is said of the class."""
        s = np.full(len(z_0), self.augmentation)
        low = self.seen(z_0, s, rng)
        x_T = normal(rng, (len(z_0), *self.space.shape))
        return self.sampler(self.guided(low, s, y, w), x_T, self.levels, rng=rng)

    def guided(self, low, s, y, w):
        """The denoiser that sees low, with noise of step s (N,), and is led to classes y."""
        unconditional = self.denoiser(low, s)
        if y is None:
            return self.limit(unconditional)
        conditional = self.denoiser(low, s, **self.told(y))
        return self.limit(classifier_free(conditional, unconditional, w) if w else conditional)

    def denoiser(self, low, s, **condition):
        """D: (x_t, level) -> x_0."""

        def denoise(x_t, level):
            expected, error = self.without_network(x_t, level, low, s)
            with no_grad():
                missing = self.network(x_t, np.full(len(x_t), level.t), low=low, level=s, **condition).data
            return expected + error * missing

        return denoise

    def sample(self, n, rng, x):
        """Images (n, C, H, W) on [0, 1], each drawn anew from half the resolution of an x (n, C, H, W), told no
        class."""
        draw = lambda part: self.space.from_signed(self.draw(half(self.space.signed(part)), None, 0, rng))
        return in_chunks(draw, np.asarray(x)[:n], CHUNK)

    def measure(self, batch, rng):
        """How far images that are drawn from half the resolution are from the true ones, beside two formulas."""
        x = batch["x"][:self.judged]
        x_0, size = self.space.drawn(x), self.space.shape[1:]
        small = half(x_0)
        drawn = self.sample(len(x), rng, x)
        floors = {mode: enlarged(small, size, mode).clip(0, 1) for mode in ("bicubic", "bilinear")}
        error = lambda a, b: to_numpy(abs(asarray(a) - asarray(b))).mean(axis=(1, 2, 3))
        detail = ", ".join(f"{mode} {error(image, x_0).mean():.4f}" for mode, image in floors.items())
        return [Measure("L1", *mean_interval(error(drawn, x_0)), "", f"to the true image, N = {len(x):,}; {detail}"),
                Measure("L1 at half the resolution", *mean_interval(error(half(drawn), small)), "",
                        "to the image that it was told")]


def half(x):
    """Images (N, C, H, W) at half the resolution: the mean of each 2 x 2 pixels. An array."""
    return avg_pool2d(asarray(x), 2).data


def enlarged(z, size, mode="bilinear"):
    """Images (N, C, h, w) at size (H, W). An array."""
    return interpolate(asarray(z), size=size, mode=mode).data
