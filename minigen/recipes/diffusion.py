"""Recipes of diffusion models."""
from ..diffusion import ancestral_tilde, cosine_schedule
from ..models.diffusion import DDPM
from ..nn import UNet
from ..optim import adam, cosine_decay, linear_warmup
from ..train import one_stage
from .registry import recipe


@recipe("denoising diffusion: a U-Net takes noise out of images, step by step", "Ho et al. 2020")
def ddpm(data, rng):
    """The schedule is Improved DDPM's, for small images: alpha_bar is below 0.01 in a third of the linear one's steps,
    where there is little to learn."""
    space = data.spaces["x"]
    C, H, _ = space.shape
    if H < 16:
        network = UNet(C, width=16, multipliers=(1, 2), blocks=1, rng=rng)  # 0.2 M parameters
        rate, steps, decay = linear_warmup(cosine_decay(2e-3, final=1e-4), 0.05), 1800, 0.995
    else:  # about 1 M, on squares of 2x2 pixels; a third level, of 4x4 such squares, is cheap and sees the whole image
        network = UNet(C, width=24, multipliers=(1, 2, 3), attention=(1,), patch=2, blocks=1, rng=rng)
        rate, steps, decay = linear_warmup(cosine_decay(1.5e-3, final=5e-5), 0.015), 7000, 0.999
    model = DDPM(network, cosine_schedule(1000), space, sampler=ancestral_tilde, steps=50)
    return one_stage(model, adam(rate), steps, batch_size=64, ema=(network, decay), clip=1.0,
                     captured=model.captured_step)
