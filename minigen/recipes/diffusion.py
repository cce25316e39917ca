"""Recipes of diffusion models."""
from ..diffusion import VE, ancestral_tilde, cosine_schedule, geometric_levels
from ..models.diffusion import DDPM, NCSN, ScoreSDE
from ..nn import TimedMLP, UNet
from ..optim import adam, cosine_decay, linear_warmup
from ..train import one_stage
from .registry import IMAGES, POINTS, recipe


def small(space):
    """Whether images are as small as 8x8."""
    return space.shape[1] < 16


def unet(space, rng, out=1, condition=None):
    """The network of these recipes: 0.2 M parameters for small images, about 1 M for others, on squares of 2x2 pixels,
    where a third level, of 4x4 such squares, is cheap and sees the whole image. out: images that it returns."""
    C = space.shape[0]
    settings = dict(width=16, multipliers=(1, 2)) if small(space) else dict(width=24, multipliers=(1, 2, 3),
                                                                            attention=(1,), patch=2)
    return UNet(C, out * C, blocks=1, condition=condition, rng=rng, **settings)


@recipe("denoising diffusion: a U-Net takes noise out of images, step by step", "Ho et al. 2020")
def ddpm(data, rng):
    """The schedule is Improved DDPM's, for small images: alpha_bar is below 0.01 in a third of the linear one's steps,
    where there is little to learn."""
    space = data.spaces["x"]
    network = unet(space, rng)
    if small(space):
        rate, steps, decay = linear_warmup(cosine_decay(2e-3, final=1e-4), 0.05), 1800, 0.995
    else:
        rate, steps, decay = linear_warmup(cosine_decay(1.5e-3, final=5e-5), 0.015), 7000, 0.999
    model = DDPM(network, cosine_schedule(1000), space, sampler=ancestral_tilde, steps=50)
    return one_stage(model, adam(rate), steps, batch_size=64, ema=(network, decay), clip=1.0,
                     captured=model.captured_step)


@recipe("one network for the scores under many levels of noise, and a walk down them", "Song & Ermon 2019",
        accepts=IMAGES + POINTS)
def ncsn(data, rng):
    space = data.spaces["x"]
    if not space.is_image:
        model = NCSN(TimedMLP(space.size, rng=rng), geometric_levels(12, 0.05, 6.0), space, steps=50)
        return one_stage(model, adam(cosine_decay(5e-3)), steps=4000, batch_size=256, ema=(model.network, 0.99))
    # sigma_1 is about the largest distance between two images (Song & Ermon 2020, technique 1), not 1
    levels = geometric_levels(20, 0.03, 8.0 if small(space) else 20.0)
    model = NCSN(unet(space, rng), levels, space,
                 steps=10)  # the paper's 100 take as many passes as there are steps, times L
    return one_stage(model, adam(linear_warmup(cosine_decay(2e-3), 0.05)), steps=2500 if small(space) else 7000,
                     batch_size=32,  # each with two draws of the noise
                     ema=(model.network, 0.995), clip=0.5 * space.size)  # the loss is a sum over pixels


@recipe("the scores of a continuum of levels: samples and likelihoods by differential equations", "Song et al. 2021",
        accepts=IMAGES + POINTS)
def ve_sde(data, rng):
    space = data.spaces["x"]
    if not space.is_image:
        model = ScoreSDE(TimedMLP(space.size, rng=rng), VE(), space, steps=200)
        return one_stage(model, adam(cosine_decay(5e-3)), steps=4000, batch_size=512, ema=(model.network, 0.99))
    model = ScoreSDE(unet(space, rng), VE(), space)
    return one_stage(model, adam(linear_warmup(cosine_decay(2e-3), 0.05)), steps=2500 if small(space) else 7000,
                     batch_size=64, ema=(model.network, 0.995), clip=0.5 * space.size)
