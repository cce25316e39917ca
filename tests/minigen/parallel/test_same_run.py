"""Any number of workers make the run that one makes, up to rounding; and each of the five things that this takes is
missed when it is left out."""
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from autograd import backend, norm
from autograd.batch import current_share, sharing
from minigen import data
from minigen.data import Dataset, Space
from minigen.diffusion import cosine_schedule
from minigen.models.adversarial import GAN, WGANGP, ConvDiscriminator, ConvGenerator
from minigen.models.autoencoders import VAE
from minigen.models.diffusion import DDPM
from minigen.models.flows import RealNVP
from minigen.nn import UNet
from minigen.optim import adam
from minigen.parallel.draws import Draws
from minigen.parallel.world import World
from minigen.train import Run, one_stage

TOOLS = runpy.run_path(str(Path(__file__).with_name("simulated.py")))
Simulated, together = TOOLS["Simulated"], TOOLS["together"]

STEPS = 20
TOLERANCE = 1e-9  # of the largest change of a weight: float64, whose sums are made in another order
NOTICED = 1e-3  # at least, when one of the five is left out


@pytest.fixture(autouse=True)
def float64(monkeypatch):
    TOOLS["in_float64"](monkeypatch)


IMAGES = Space((1, 8, 8), 17)
POINTS = Space((2,))


def vae(rng):
    return VAE(IMAGES, "categorical", latent=2, hidden=(8,), rng=rng), {}


def dcgan(rng):
    return GAN(ConvGenerator(3, IMAGES.shape, width=2, rng=rng),
               ConvDiscriminator(IMAGES.shape, width=2, rng=rng), IMAGES), {}


def wgan_gp(rng):
    return WGANGP(ConvGenerator(3, IMAGES.shape, width=2, rng=rng),
                  ConvDiscriminator(IMAGES.shape, width=2, norm=None, rng=rng), IMAGES, n_critic=2), {}


def realnvp(rng):
    return RealNVP(POINTS, width=8, couplings=2, rng=rng), {}


def ddpm(rng):
    network = UNet(1, width=4, multipliers=(1, 2), blocks=1, groups=2, dropout=0.2, rng=rng)
    return DDPM(network, cosine_schedule(50), IMAGES), {"clip": 0.5, "ema": (network, 0.9)}


def dataset(make):
    draw = np.random.default_rng(1)
    x = np.float32(draw.normal(size=(40, 2))) if make is realnvp else draw.integers(0, 17, (40, 1, 8, 8)).astype(np.uint8)
    space = POINTS if make is realnvp else IMAGES
    return Dataset("noise", "train", {"x": x}, {"x": space}, "noise")


def trained(make, size, batch_size=8, kind=Simulated, run=Run):
    """The weights, averages and loss terms after STEPS steps of `size` workers: in worker 0, after a look at the others,
    who must have the same bit for bit."""

    def work(world):
        rng = world.rng(0)
        model, settings = make(rng)
        sitting = run(one_stage(model, adam(1e-3), STEPS, batch_size, **settings), dataset(make), rng=rng, world=world)
        model.train()
        terms = [sitting.advance() for _ in range(STEPS)]
        weights = {name: np.array(value, np.float64) for name, value in model.state_dict().items()}
        if sitting.ema:
            weights |= {f"ema {name}": value for name, value in sitting.ema.state_dict().items()}
        return weights, [list(each.values()) for each in terms]

    first, *others = together(size, work, kind)
    for weights, _ in others:
        assert all(weights[name].tobytes() == first[0][name].tobytes() for name in weights) or kind is not Simulated
    return first


def difference(make, size, **settings):
    """The largest difference of a weight or a loss term from those of one worker."""
    batch_size = settings.get("batch_size", 8)
    alone, there = trained(make, 1, batch_size), trained(make, size, **settings)
    weights = max(np.abs(alone[0][name] - there[0][name]).max() for name in alone[0])
    return max(weights, np.abs(np.array(alone[1]) - there[1]).max())


@pytest.mark.parametrize("make", [vae, dcgan, wgan_gp, realnvp, ddpm], ids=lambda make: make.__name__)
def test_two_and_three_workers_make_the_run_of_one(make, record_property):
    """Of 8 examples in a batch two workers have 4 each, three have 2, 3 and 3."""
    found = [difference(make, size) for size in (2, 3)]
    record_property("score", f"{make.__name__}: 2 and 3 workers differ from 1 by {found[0]:.1e} and {found[1]:.1e}")
    assert max(found) < TOLERANCE
