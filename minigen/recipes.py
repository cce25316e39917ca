"""Recipes: a name for each thing that can be trained, and all that training it needs, as data.

A recipe's settings are defaults that work in a short time on the data that minigen ships; the command line
can change data, steps and budget. Whatever else one wants to try is a change here, or a few lines of Python:
see examples/.

Read before this: train.py. Read next: the file of the model that you want to know.
"""
import difflib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .data.energies import ENERGIES
from .data.images import IMAGE_SETS
from .data.toys import TOYS
from .models.autoencoders import VAE, Autoencoder, LinearAutoencoder
from .models.basics import IndependentPixels, MarkovChain
from .models.flows import Glow, Planar, PlanarOnEnergy, RealNVP
from .models.flows.realnvp import ResNet
from .nn.dequantization import UniformDequantization, VariationalDequantization
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
    net = lambda C, O: ResNet(C, O, width=32, r=2 if min(dataset.image_shape[1:]) > 16 else 1, rng=rng)
    dequantization = VariationalDequantization(dataset.image_shape, dataset.levels, net)
    return RealNVP(dataset.image_shape, dequantization, rng=rng)


def glow(dataset, rng):
    if dataset.levels is None:
        return Glow(dataset.image_shape, rng=rng)
    return Glow(dataset.image_shape, UniformDequantization(dataset.levels), rng=rng)


FLOW_ELSEWHERE = {
    **dict.fromkeys(("binarized_mnist", "mnist", "fashion_mnist", "mnist10k", "cifar10"), {
        "optimizers": {"flow": lambda params: Adam(params, linear_warmup(cosine(1e-3, 15_000, final=1e-4), 200))},
        "steps": 15_000, "batch_size": 64, "ema": 0.999, "clip": 1000.0}),
    **dict.fromkeys(POINTS, {
        "optimizers": {"flow": lambda params: Adam(params, linear_warmup(cosine(5e-3, 1000), 50))},
        "steps": 1000, "batch_size": 256, "ema": None, "clip": 10.0}),
}


RECIPES = {recipe.name: recipe for recipe in [
    Recipe(
        "independent_pixels", "a distribution for each pixel on its own, by counting", "textbook",
        model=lambda data, rng: counted(IndependentPixels(data.image_shape, data.levels), data),
        optimizers={}, steps=0, batch_size=100),
    Recipe(
        "markov_chain", "each pixel given the one before it, by counting", "textbook",
        model=lambda data, rng: counted(MarkovChain(data.image_shape, data.levels), data),
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
        "planar", "planar flow by maximum likelihood, inverted numerically", "Rezende & Mohamed 2015",
        model=lambda data, rng: Planar(data.image_shape, rng=rng),
        optimizers={"flow": lambda params: Adam(params, linear_warmup(cosine(1e-2, 3000), 100))},
        steps=3000, batch_size=256, data="two_moons", accepts=POINTS, clip=10.0),
    Recipe(
        "planar_energy", "planar flow fitted to an energy without data", "Rezende & Mohamed 2015",
        model=lambda data, rng: PlanarOnEnergy(data.name, rng=rng),
        optimizers={"flow": lambda params: Adam(params, linear_warmup(cosine(1e-2, 6000), 100))},
        steps=6000, batch_size=256, data="u1", accepts=tuple(ENERGIES)),
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
]}


def find(name: str) -> Recipe:
    """The recipe of this name. ValueError suggests the nearest."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(RECIPES)}"
        raise ValueError(f"no recipe is called '{name}'; {hint}")
    return RECIPES[name]
