"""Recipes: a name for each thing that can be trained, and all that training it needs, as data.

A recipe's settings are defaults that work in a short time on the data that minigen ships; the command line
can change data, steps and budget. Whatever else one wants to try is a change here, or a few lines of Python:
see examples/.

Read before this: train.py. Read next: the file of the model that you want to know.
"""
import difflib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from autograd import silu

from .data.energies import ENERGIES
from .data.images import IMAGE_SETS
from .data.toys import EIGHT_CENTRES, EIGHT_SIGMA, TOYS
from .diffusion import ancestral_tilde
from .diffusion import cosine as cosine_schedule
from .models.autoencoders import VAE, Autoencoder, DenoisingAutoencoder, LinearAutoencoder
from .models.basics import IndependentPixels, MarkovChain
from .models.classifiers import CNN, sample_judge
from .models.diffusion import DDPM
from .models.flows import Glow, Planar, PlanarOnEnergy, RealNVP
from .models.flows.realnvp import network
from .models.adversarial import GAN, WGANGP, ConvDiscriminator, ConvGenerator, MLPDiscriminator, MLPGenerator
from .adversarial.judge import mode_judge
from .nn import MLP, Sequential, UNet
from .nn.autoencoder import conv_pair
from .flows.dequantization import UniformDequantization, VariationalDequantization
from .optim import Adam, AdamW, cosine, linear_warmup, step_decay

IMAGES, POINTS = tuple(IMAGE_SETS), tuple(TOYS)  # what a recipe may accept


@dataclass(frozen=True)
class Recipe:
    """How to train one model.

    model(dataset, rng) -> a Module with players(), sample(n, rng) and evaluate(x, y, rng), made to fit the
    Dataset. data: the name of the data set it is trained on if nothing else is asked for; accepts: all that
    it can be. optimizers: player's name -> function from the player's params to an optimizer. ema: decay of
    the average of the weights that samples are drawn with, None for none. clip: largest norm of a gradient,
    None for any. elsewhere: another data set's name -> the settings that are different there.
    """

    name: str
    summary: str
    paper: str
    model: Callable
    optimizers: dict
    steps: int
    batch_size: int
    data: str = "digits"
    accepts: tuple = IMAGES
    ema: float | None = None
    clip: float | None = None
    elsewhere: dict = field(default_factory=dict)

    def on(self, name):
        """The recipe as it is for the data set of this name."""
        return replace(self, data=name, **self.elsewhere.get(name, {}))


def counted(model, dataset):
    """A model that is fitted in one pass over the data; such a recipe has no optimizers and no steps."""
    model.fit(dataset.x)
    return model


def vae(dataset, rng):
    """The decoder that suits the data: categorical for few gray levels, Bernoulli for bits and for many."""
    shape, levels = dataset.image_shape, dataset.levels
    if levels is None:
        return VAE(shape, levels, "gaussian", latent=2, hidden=(128, 128), rng=rng)
    if 2 < levels < 32:
        return VAE(shape, levels, "categorical", latent=12, hidden=(512,), rng=rng)
    return VAE(shape, levels, "bernoulli", latent=40, hidden=(500, 500), rng=rng)


def conv_vae(dataset, rng):
    """`vae` with convolutions."""
    shape, levels = dataset.image_shape, dataset.levels
    if 2 < levels < 32:
        return VAE(shape, levels, "categorical", latent=12, hidden=(32, 64), networks=conv_pair, rng=rng)
    return VAE(shape, levels, "bernoulli", latent=20, hidden=(16, 32), networks=conv_pair, rng=rng)


def denoising_ae(dataset, rng):
    """Images pass through convolutions and a code that is wide, as narrow ones blur; the small digits bear less
    noise."""
    shape, levels = dataset.image_shape, dataset.levels
    if levels is None:
        return DenoisingAutoencoder(MLP((2, 128, 128, 2), silu, rng=rng), shape, levels, sigma=0.3)
    networks = conv_pair(shape, (16, 32), code=128, latent=128, rng=rng)
    sigma = 0.3 if min(shape[1:]) < 16 else 0.5
    return DenoisingAutoencoder(Sequential(*networks), shape, levels, sigma)


VAE_ELSEWHERE = {
    **dict.fromkeys(("binarized_mnist", "mnist", "fashion_mnist", "mnist10k", "cifar10"), {
        "optimizers": {"vae": lambda params: Adam(params, step_decay(1e-3, every=20_000, factor=0.3))},
        "steps": 30_000, "batch_size": 128, "ema": None}),
    **dict.fromkeys(POINTS, {
        "optimizers": {"vae": lambda params: Adam(params, cosine(2e-3, 3000))}, "steps": 3000}),
}


def realnvp(dataset, rng):
    if dataset.levels is None:
        return RealNVP(dataset.image_shape, width=64, rng=rng)
    return RealNVP(dataset.image_shape, UniformDequantization(dataset.levels), rng=rng)


def realnvp_variational(dataset, rng):
    """Real NVP whose noise, too, is drawn by a flow."""
    net = lambda C, O: network(C, O, *dataset.image_shape[1:], width=32, rng=rng)
    dequantization = VariationalDequantization(dataset.image_shape, dataset.levels, net)
    return RealNVP(dataset.image_shape, dequantization, rng=rng)


def glow(dataset, rng):
    if dataset.levels is None:
        return Glow(dataset.image_shape, rng=rng)
    return Glow(dataset.image_shape, UniformDequantization(dataset.levels), rng=rng)


FLOW_ELSEWHERE = {
    **dict.fromkeys(("binarized_mnist", "mnist", "fashion_mnist", "mnist10k", "cifar10"), {
        "optimizers": {"flow": lambda params: Adam(params, linear_warmup(cosine(1e-3, 8000, final=5e-5), 200))},
        "steps": 8000, "batch_size": 64, "ema": 0.999, "clip": 1000.0}),
    **dict.fromkeys(POINTS, {
        "optimizers": {"flow": lambda params: Adam(params, linear_warmup(cosine(5e-3, 1000), 50))},
        "steps": 1000, "batch_size": 256, "ema": None, "clip": 10.0}),
}


def ddpm(dataset, rng):
    """A network of 0.2 M parameters for the 8x8 digits; of about 1 M, on squares of four pixels, for larger images.
    There a third level, of 4x4 such squares, costs little and sees the whole image. The schedule is Improved DDPM's,
    for small images: alpha_bar is below 0.01 in a third of the linear one's steps, where there is little to learn."""
    C, H, _ = dataset.image_shape
    small, large = {"width": 16, "multipliers": (1, 2)}, {"width": 24, "multipliers": (1, 2, 3), "attention": (1,)}
    network = UNet(C, **(small if H < 16 else large | {"patch": 2}), blocks=1, rng=rng)
    sampler = partial(ancestral_tilde, steps=50)
    return DDPM(network, cosine_schedule(1000), dataset.image_shape, dataset.levels, sampler, sample_judge(dataset))


def gan_judge(dataset):
    """Counts modes where they are known; asks a classifier where there is one."""
    return mode_judge(EIGHT_CENTRES, EIGHT_SIGMA) if dataset.name == "eight_gaussians" else sample_judge(dataset)


def gan(dataset, rng):
    shape, levels = dataset.image_shape, dataset.levels
    latent, hidden = (8, (128, 128)) if levels is None else (32, (256, 256))
    networks = MLPGenerator(latent, shape, hidden, rng=rng), MLPDiscriminator(shape, hidden, rng=rng)
    return GAN(*networks, levels, judge=gan_judge(dataset))


def dcgan(dataset, rng):
    shape = dataset.image_shape
    networks = ConvGenerator(64, shape, width=32, rng=rng), ConvDiscriminator(shape, width=32, rng=rng)
    return GAN(*networks, dataset.levels, judge=gan_judge(dataset))


def wgan_gp(dataset, rng):
    """The networks of `gan` for points, those of `dcgan` for images, but for the normalization of the critic. For
    points lambda is 0.1, as in the paper's code: at 10 a critic that is so smooth lets G overshoot, round and round."""
    shape, levels = dataset.image_shape, dataset.levels
    if levels is None:
        networks, penalty = (MLPGenerator(8, shape, rng=rng), MLPDiscriminator(shape, rng=rng)), 0.1
    else:
        critic = ConvDiscriminator(shape, width=32, norm=None, rng=rng)
        networks, penalty = (ConvGenerator(64, shape, width=32, rng=rng), critic), 10.0
    return WGANGP(*networks, levels, penalty=penalty, judge=gan_judge(dataset))


LABELLED = ("digits", "mnist", "fashion_mnist", "mnist10k", "cifar10")

RECIPES = {recipe.name: recipe for recipe in [
    Recipe(
        "independent_pixels", "a distribution for each pixel on its own, by counting", "textbook",
        model=lambda data, rng: counted(IndependentPixels(data.image_shape, data.levels), data),
        optimizers={}, steps=0, batch_size=100),
    Recipe(
        "markov_chain", "each pixel given the one before it, by counting", "textbook",
        model=lambda data, rng: counted(
            MarkovChain(data.image_shape, data.levels, shared=data.levels > 32), data),  # else 51 M numbers
        optimizers={}, steps=0, batch_size=100),
    Recipe(
        "linear_ae", "linear autoencoder: finds the plane of PCA", "Baldi & Hornik 1989",
        model=lambda data, rng: LinearAutoencoder(
            data.image_shape, data.levels, 2 if data.levels else 1, rng=rng).center(data.x),
        optimizers={"autoencoder": lambda params: Adam(params, cosine(1e-2, 2000))}, steps=2000, batch_size=100,
        accepts=IMAGES + POINTS),
    Recipe(
        "ae", "autoencoder: a code of few numbers for each image", "Hinton & Salakhutdinov 2006",
        model=lambda data, rng: Autoencoder(data.image_shape, data.levels, 16 if data.levels else 1, rng=rng),
        optimizers={"autoencoder": lambda params: Adam(params, cosine(1e-3, 2000))}, steps=2000, batch_size=100,
        accepts=IMAGES + POINTS),
    Recipe(
        "vae", "variational autoencoder, on a bound of the likelihood", "Kingma & Welling 2014",
        model=vae, optimizers={"vae": lambda params: AdamW(params, cosine(2e-3, 700), weight_decay=1.0)},
        steps=700, batch_size=100, ema=0.99, accepts=IMAGES + POINTS, elsewhere=VAE_ELSEWHERE),
    Recipe(
        "conv_ae", "autoencoder of convolutions and transposed convolutions", "Masci et al. 2011",
        model=lambda data, rng: Autoencoder(data.image_shape, data.levels, 16, (16, 32), conv_pair, rng=rng),
        optimizers={"autoencoder": lambda params: Adam(params, cosine(3e-3, 2000))}, steps=2000, batch_size=64,
        data="mnist10k"),
    Recipe(
        "denoising_ae", "denoising autoencoder: learns the score, draws by it", "Alain & Bengio 2014",
        model=denoising_ae, optimizers={"autoencoder": lambda params: Adam(params, cosine(2e-3, 2000))}, steps=2000,
        batch_size=64, data="mnist10k", accepts=IMAGES + POINTS, elsewhere=dict.fromkeys(POINTS, {
            "optimizers": {"autoencoder": lambda params: Adam(params, cosine(1e-2, 4000))}, "steps": 4000,
            "batch_size": 500})),
    Recipe(
        "conv_vae", "variational autoencoder of convolutions", "Kingma & Welling 2014",
        model=conv_vae, optimizers={"vae": lambda params: Adam(params, cosine(3e-3, 2000))}, steps=2000,
        batch_size=64, data="mnist10k", ema=0.99, elsewhere={"digits": {
            "optimizers": {"vae": lambda params: AdamW(params, cosine(2e-3, 1500), weight_decay=1.0)}, "steps": 1500,
            "batch_size": 100}}),
    Recipe(
        "planar", "planar flow by maximum likelihood, inverted numerically", "Rezende & Mohamed 2015",
        model=lambda data, rng: Planar(data.image_shape, rng=rng),
        optimizers={"flow": lambda params: Adam(params, linear_warmup(cosine(1e-2, 3000), 100))},
        steps=3000, batch_size=256, data="two_moons", accepts=POINTS, clip=10.0),
    Recipe(
        "planar_energy", "planar flow fitted to an energy without data", "Rezende & Mohamed 2015",
        model=lambda data, rng: PlanarOnEnergy(data.name, rng=rng),
        optimizers={"flow": lambda params: Adam(params, linear_warmup(cosine(1e-2, 8000), 100))},
        steps=8000, batch_size=256, data="u1", accepts=tuple(ENERGIES), clip=10.0),
    Recipe(
        "realnvp", "flow of affine couplings at several scales", "Dinh et al. 2017",
        model=realnvp, optimizers={"flow": lambda params: Adam(params, linear_warmup(cosine(2e-3, 400), 50))},
        steps=400, batch_size=100, ema=0.99, clip=100.0, accepts=IMAGES + POINTS, elsewhere=FLOW_ELSEWHERE),
    Recipe(
        "realnvp_variational", "the same, with learned noise between the gray levels", "Ho et al. 2019 (Flow++)",
        model=realnvp_variational,
        optimizers={"flow": lambda params: Adam(params, linear_warmup(cosine(2e-3, 400), 50))},
        steps=400, batch_size=100, ema=0.99, clip=100.0,
        elsewhere={name: settings for name, settings in FLOW_ELSEWHERE.items() if name in IMAGES}),
    Recipe(
        "glow", "flow with activation normalization and learned 1x1 convolutions", "Kingma & Dhariwal 2018",
        model=glow, optimizers={"flow": lambda params: Adam(params, linear_warmup(cosine(2e-3, 600), 50))},
        steps=600, batch_size=100, ema=0.99, clip=100.0, accepts=IMAGES + POINTS, elsewhere=FLOW_ELSEWHERE),
    Recipe(
        "gan", "generative adversarial networks, plain ones", "Goodfellow et al. 2014",
        model=gan, optimizers=dict.fromkeys("DG", lambda params: Adam(params, cosine(1e-3, 5000), betas=(0.5, 0.999))),
        steps=5000, batch_size=256, data="eight_gaussians", ema=0.999, accepts=IMAGES + POINTS,
        elsewhere=dict.fromkeys(IMAGES, {"batch_size": 64})),
    Recipe(
        "dcgan", "the same game with convolutions", "Radford et al. 2016",
        model=dcgan, optimizers={  # the paper's for D; for G it has 2e-4 too, which is legible much later
            "D": lambda params: Adam(params, 2e-4, betas=(0.5, 0.999)),
            "G": lambda params: Adam(params, 1e-3, betas=(0.5, 0.999))},
        steps=3000, batch_size=64, ema=0.99,
        elsewhere={name: {"steps": 20_000} for name in IMAGES if name != "digits"}),
    Recipe(
        "wgan_gp", "a critic of slope 1 measures the earth mover's distance", "Gulrajani et al. 2017",
        model=wgan_gp, optimizers=dict.fromkeys(("critic", "G"), lambda params: Adam(params, 1e-3, betas=(0.0, 0.9))),
        steps=1000, batch_size=64, ema=0.99, accepts=IMAGES + POINTS, elsewhere={
            **dict.fromkeys(POINTS, {"steps": 3000, "batch_size": 256, "ema": 0.999, "optimizers": {
                "critic": lambda params: Adam(params, cosine(1e-3, 15_000), betas=(0.5, 0.9)),  # five steps in each
                "G": lambda params: Adam(params, cosine(1e-3, 3000), betas=(0.5, 0.9))}}),
            **{name: {"steps": 10_000} for name in IMAGES if name != "digits"}}),
    Recipe(
        "ddpm", "denoising diffusion: a U-Net takes noise out of images, step by step", "Ho et al. 2020",
        model=ddpm,
        optimizers={"ddpm": lambda params: Adam(params, linear_warmup(cosine(2e-3, 1800, final=1e-4), 100))},
        steps=1800, batch_size=64, ema=0.995, clip=1.0, elsewhere={name: {
            "optimizers": {"ddpm": lambda params: Adam(params, linear_warmup(cosine(1.5e-3, 7000, final=5e-5), 100))},
            "steps": 7000, "ema": 0.999}
            for name in IMAGES if name != "digits"}),
    Recipe(
        "classifier", "convolutional classifier: the judge of what the others draw", "LeCun et al. 1998",
        model=lambda data, rng: CNN(data.image_shape, data.levels, rng=rng),
        optimizers={"classifier": lambda params: Adam(params, cosine(2e-3, 600))}, steps=600, batch_size=100,
        accepts=LABELLED, elsewhere={name: {
            "optimizers": {"classifier": lambda params: Adam(params, cosine(2e-3, 3500))}, "steps": 3500}
            for name in LABELLED if name != "digits"}),
]}


def find(name: str) -> Recipe:
    """The recipe of this name. ValueError suggests the nearest."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(RECIPES)}"
        raise ValueError(f"no recipe is called '{name}'; {hint}")
    return RECIPES[name]
