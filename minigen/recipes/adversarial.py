"""Recipes of adversarial models: two players each."""
from ..adversarial.styles import StyleGenerator
from ..models.adversarial import (
    GAN,
    WGANGP,
    ConvDiscriminator,
    ConvGenerator,
    MLPDiscriminator,
    MLPGenerator,
    ProDiscriminator,
    ProGAN,
    ProGenerator,
    StyleGAN,
)
from ..optim import adam, cosine_decay
from ..train import Plan, Stage, one_stage
from .registry import IMAGES, POINTS, recipe

SQUARES = "digits", "faces", "critters", "kinds", "cifar10", "shapes16", "shapes32"  # of 2^k x 2^k pixels


@recipe("generative adversarial networks, plain ones", "Goodfellow et al. 2014", data="eight_gaussians",
        accepts=IMAGES + POINTS)
def gan(data, rng):
    space = data.spaces["x"]
    latent, hidden, batch_size = (32, (256, 256), 64) if space.is_image else (8, (128, 128), 256)
    generator = MLPGenerator(latent, space.shape, hidden, rng=rng)
    model = GAN(generator, MLPDiscriminator(space.shape, hidden, rng=rng), space)
    return one_stage(model, adam(cosine_decay(1e-3), betas=(0.5, 0.999)), steps=5000, batch_size=batch_size,
                     ema=(generator, 0.999))


@recipe("the same game with convolutions", "Radford et al. 2016")
def dcgan(data, rng):
    space = data.spaces["x"]
    generator = ConvGenerator(64, space.shape, width=32, rng=rng)
    model = GAN(generator, ConvDiscriminator(space.shape, width=32, rng=rng), space)
    optimizers = {"D": adam(2e-4, betas=(0.5, 0.999)),
                  "G": adam(1e-3, betas=(0.5, 0.999))}  # the paper has 2e-4 for G too: legible much later
    return one_stage(model, optimizers, steps=3000 if data.name == "digits" else 20_000, batch_size=64,
                     ema=(generator, 0.99))


@recipe("a critic of slope 1 measures the earth mover's distance", "Gulrajani et al. 2017", accepts=IMAGES + POINTS)
def wgan_gp(data, rng):
    """The networks of `gan` for points, those of `dcgan` for images, but for the normalization of the critic."""
    space = data.spaces["x"]
    if not space.is_image:
        # lambda as in the paper's code for points: at 10 a critic is so smooth that G overshoots, round and round
        generator = MLPGenerator(8, space.shape, rng=rng)
        model = WGANGP(generator, MLPDiscriminator(space.shape, rng=rng), space, penalty=0.1)
        return one_stage(model, adam(cosine_decay(1e-3), betas=(0.5, 0.9)), steps=3000, batch_size=256,
                         ema=(generator, 0.999))
    critic = ConvDiscriminator(space.shape, width=32, norm=None, rng=rng)
    generator = ConvGenerator(64, space.shape, width=32, rng=rng)
    return one_stage(WGANGP(generator, critic, space, penalty=10.0), adam(1e-3, betas=(0.0, 0.9)),
                     steps=1000 if data.name == "digits" else 10_000, batch_size=64, ema=(generator, 0.99))


@recipe("networks that begin at 4x4 pixels, and grow", "Karras et al. 2018", data="critters", accepts=SQUARES)
def progan(data, rng):
    space = data.spaces["x"]
    generator = ProGenerator(64, space.shape, width=64, rng=rng)  # the paper: 512 and 512
    model = ProGAN(generator, ProDiscriminator(space.shape, width=64, rng=rng), space)
    optimizers = adam(1e-3, betas=(0.0, 0.99))
    return Plan(model, [Stage(name, model.players, optimizers, steps, batch_size=32, begin=begin, ema=(generator, 0.99))
                        for name, steps, begin in growing(model, space.shape[1], steps=1000)])


def growing(model, side, steps) -> list:
    """(name, steps, begin) of each stage of a model that grows to images of this side: a fade to each resolution, and
    as many steps at it."""
    stages, reached = [("4 x 4", steps, None)], 4
    while reached < side:
        reached *= 2
        size = f"{reached} x {reached}"
        stages += [(f"fade to {size}", steps, model.grow), (size, steps, model.settle)]
    return stages


@recipe("the latent sets the style of each layer", "Karras et al. 2019, 2020", data="critters", accepts=SQUARES)
def stylegan(data, rng):
    space = data.spaces["x"]
    generator = StyleGenerator(64, space.shape, width=64, style=64, depth=4, rng=rng)  # the paper: 512, and 8 layers
    discriminator = ProDiscriminator(space.shape, width=64, rng=rng)
    while discriminator.side < space.shape[1]:
        discriminator.grow()
    # the paper's gamma is 10 at 256 pixels, and less with fewer; few images are soon known by heart
    model = StyleGAN(generator, discriminator, space, gamma=1.0, augment=len(data) < 5000)
    return one_stage(model, adam(1e-3, betas=(0.0, 0.99)), steps=3000, batch_size=32, ema=(generator, 0.995))
