"""Recipes of normalizing flows."""
from ..data.energies import ENERGIES
from ..flows.dequantization import UniformDequantization, VariationalDequantization
from ..models.flows import Glow, Planar, PlanarOnEnergy, RealNVP
from ..models.flows.realnvp import network
from ..optim import adam, cosine_decay, linear_warmup
from ..train import one_stage
from .registry import IMAGES, POINTS, recipe


@recipe("planar flow by maximum likelihood, inverted numerically", "Rezende & Mohamed 2015", data="two_moons",
        accepts=POINTS)
def planar(data, rng):
    return one_stage(Planar(data.spaces["x"], rng=rng), adam(linear_warmup(cosine_decay(1e-2), 0.03)), steps=3000,
                     batch_size=256, clip=10.0)


@recipe("planar flow fitted to an energy without data", "Rezende & Mohamed 2015", data="u1", accepts=tuple(ENERGIES))
def planar_energy(data, rng):
    return one_stage(PlanarOnEnergy(data.name, rng=rng), adam(linear_warmup(cosine_decay(1e-2), 0.0125)), steps=8000,
                     batch_size=256, clip=10.0)


@recipe("flow of affine couplings at several scales", "Dinh et al. 2017", accepts=IMAGES + POINTS)
def realnvp(data, rng):
    space = data.spaces["x"]
    if not space.is_image:
        return points(RealNVP(space, width=64, rng=rng))
    model = RealNVP(space, UniformDequantization(space), rng=rng)
    return digits(model, steps=400) if small(space) else images(model)


@recipe("the same, with learned noise between the gray levels", "Ho et al. 2019 (Flow++)")
def realnvp_variational(data, rng):
    """Real NVP whose noise, too, is drawn by a flow."""
    space = data.spaces["x"]

    def net(C, O):
        return network(C, O, *space.shape[1:], width=32, rng=rng)

    model = RealNVP(space, VariationalDequantization(space, net), rng=rng)
    return digits(model, steps=400) if small(space) else images(model)


@recipe("flow with activation normalization and learned 1x1 convolutions", "Kingma & Dhariwal 2018",
        accepts=IMAGES + POINTS)
def glow(data, rng):
    space = data.spaces["x"]
    if not space.is_image:
        return points(Glow(space, rng=rng))
    model = Glow(space, UniformDequantization(space), rng=rng)
    return digits(model, steps=600) if small(space) else images(model)


def small(space):
    return min(space.shape[1:]) < 16


def digits(model, steps):
    """The 1,000 small digits are soon learned by heart: few steps, on average weights."""
    return one_stage(model, adam(linear_warmup(cosine_decay(2e-3), 0.1)), steps, batch_size=100, ema=0.99, clip=100.0)


def images(model):
    return one_stage(model, adam(linear_warmup(cosine_decay(1e-3, final=5e-5), 0.025)), steps=8000, batch_size=64,
                     ema=0.999, clip=1000.0)


def points(model):
    return one_stage(model, adam(linear_warmup(cosine_decay(5e-3), 0.05)), steps=1000, batch_size=256, clip=10.0)
