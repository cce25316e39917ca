"""Recipes of adversarial models: two players each, or more."""
from functools import partial

from ..adversarial.patch import PatchDiscriminator
from ..adversarial.styles import StyleGenerator
from ..adversarial.translators import ResNetTranslator, UNetTranslator
from ..models.adversarial import (
    GAN,
    WGANGP,
    Concatenation,
    ConditionalGAN,
    ConvDiscriminator,
    ConvGenerator,
    CycleGAN,
    InfoGAN,
    MLPDiscriminator,
    MLPGenerator,
    Pix2Pix,
    ProDiscriminator,
    ProGAN,
    ProGenerator,
    Projection,
    Puzzle,
    Solver,
    StarDiscriminator,
    StarGAN,
    StyleGAN,
)
from ..nn import GroupNorm, InstanceNorm2d
from ..optim import adam, cosine_decay, linear_decay
from ..train import Plan, Stage, one_stage
from .registry import IMAGES, LABELLED, POINTS, recipe

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


@recipe("both players are told the class", "Mirza & Osindero 2014", accepts=LABELLED)
def conditional_gan(data, rng):
    (C, *size), K = data.spaces["x"].shape, data.spaces["y"].levels
    return _conditional(data, Concatenation(ConvDiscriminator((C + K, *size), width=32, rng=rng), K), rng)


@recipe("the same, with the class as a direction among D's features", "Miyato & Koyama 2018", accepts=LABELLED)
def projection_gan(data, rng):
    network = ConvDiscriminator(data.spaces["x"].shape, width=32, rng=rng)
    return _conditional(data, Projection(network, data.spaces["y"].levels, rng=rng), rng)


def _conditional(data, discriminator, rng):
    """Networks and learning rates as those of `dcgan`."""
    space, K = data.spaces["x"], data.spaces["y"].levels
    generator = ConvGenerator(64 + K, space.shape, width=32, rng=rng)
    model = ConditionalGAN(generator, discriminator, space, K)
    optimizers = {"D": adam(2e-4, betas=(0.5, 0.999)), "G": adam(1e-3, betas=(0.5, 0.999))}
    return one_stage(model, optimizers, steps=1500 if data.name == "digits" else 20_000, batch_size=64,
                     ema=(generator, 0.99))


@recipe("some latents are codes that the images must show", "Chen et al. 2016")
def infogan(data, rng):
    """Ten categories and two uniform codes; learning rates as in the paper."""
    space = data.spaces["x"]
    generator = ConvGenerator(62 + 10 + 2, space.shape, width=32, rng=rng)
    model = InfoGAN(generator, ConvDiscriminator(space.shape, width=32, rng=rng), space, rng=rng)
    optimizers = {"D": adam(2e-4, betas=(0.5, 0.999)), "G": adam(1e-3, betas=(0.5, 0.999))}
    return one_stage(model, optimizers, steps=1500 if data.name == "digits" else 20_000, batch_size=64,
                     ema=(generator, 0.99))


@recipe("drawings into pictures, by a distance and a discriminator of patches", "Isola et al. 2017", data="emoji",
        accepts=("emoji",))
def pix2pix(data, rng):
    source, space = data.spaces["source"], data.spaces["x"]
    generator = UNetTranslator(source.shape, space.shape, width=32, rng=rng)
    # normalized within an image, as G is; the paper has batches of one, for which that is the same
    D = PatchDiscriminator((source.shape[0] + space.shape[0], *space.shape[1:]), width=32, halvings=1,
                           norm=partial(GroupNorm, 8), rng=rng)
    # the paper has 100, with which these small networks, in so few steps, stay as pale as with L1 alone
    model = Pix2Pix(generator, D, source, space, weight=30.0)
    # the paper has 2e-4 for both, and a hundred times the steps
    optimizers = {"D": adam(2e-4, betas=(0.5, 0.999)), "G": adam(cosine_decay(1e-3), betas=(0.5, 0.999))}
    return one_stage(model, optimizers, steps=1000, batch_size=16)


@recipe("two sets of images without pairs, translated there and back", "Zhu et al. 2017", data="glyphs",
        accepts=("glyphs",))
def cyclegan(data, rng):
    a, b = data.spaces["a"], data.spaces["b"]
    (C_a, *_), (C_b, *_) = a.shape, b.shape
    G, F = (ResNetTranslator(c_in, c_out, width=16, rng=rng) for c_in, c_out in ((C_a, C_b), (C_b, C_a)))
    norm = partial(InstanceNorm2d, affine=True)
    D_a, D_b = (PatchDiscriminator(space.shape, width=32, halvings=1, norm=norm, rng=rng) for space in (a, b))
    # the paper has 2e-4, and a hundred times the steps
    slow, fast = (adam(linear_decay(rate), betas=(0.5, 0.999)) for rate in (5e-4, 1e-3))
    return one_stage(CycleGAN(G, F, D_a, D_b, a, b), {"D_a": slow, "D_b": slow, "G and F": fast}, steps=1200,
                     batch_size=16)


@recipe("one translator for all edits, told the labels that an image is to have", "Choi et al. 2018", data="face_edits",
        accepts=("face_edits",))
def stargan(data, rng):
    space, labels = data.spaces["x"], data.spaces["labels"]
    C, K = space.shape[0], labels.size
    G = ResNetTranslator(C + K, C, width=16, rng=rng)
    model = StarGAN(G, StarDiscriminator(space.shape, K, width=32, rng=rng), space, labels)
    # the paper has 1e-4, and two hundred times the steps
    return one_stage(model, adam(linear_decay(1e-3), betas=(0.5, 0.999)), steps=1000, batch_size=16)


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


@recipe("pieces of a cut image, put in order", "Noroozi & Favaro 2016; Li et al. 2022", data="critters",
        accepts=[name for name in IMAGES if name != "digits"])  # of pieces of 2 x 2 pixels nobody makes an image
def puzzle(data, rng):
    space = data.spaces["x"]
    solver = lambda shape, pieces: Solver(shape, pieces, width=64, blocks=2, rng=rng)
    discriminator = lambda shape: PatchDiscriminator(shape, width=16, halvings=1, norm=None, rng=rng)
    return one_stage(Puzzle(space, solver, discriminator), {"D": adam(2e-4, betas=(0.5, 0.999)),
                                                            "solver": adam(cosine_decay(2e-3))}, steps=400,
                     batch_size=32)
