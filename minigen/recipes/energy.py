"""Recipes of energy-based models."""
from ..models.energy import EBM, MLPEnergy
from ..optim import adam, cosine_decay
from ..train import one_stage
from .registry import IMAGES, POINTS, recipe


@recipe("a network is the energy, samples are where it is low", "Du & Mordatch 2019", accepts=IMAGES + POINTS)
def ebm(data, rng):
    space = data.spaces["x"]
    if not space.is_image:
        # a true Langevin walk, noise sqrt(step), so that exp(-E) is the density: short steps for the narrow modes
        model = EBM(MLPEnergy(space.shape, rng=rng), space, steps=10, step=0.02, noise=None, clip=None, draws=1000,
                    reference=2.5,
                    alpha=0.0,  # the reference holds E already
                    capacity=2000, restarts=0.01,  # soon all visited; ten steps are too few to begin anew often
                    rng=rng)
        return one_stage(model, adam(cosine_decay(1e-2)), steps=2500, batch_size=256, ema=(model.network, 0.99))
    model = EBM(MLPEnergy(space.shape, (256, 256), rng=rng), space,
                alpha=0.01,  # so small are energies here that a larger weight holds them at 0
                capacity=10_000 if space.size < 1000 else 1000,  # of colour pictures, all of which are saved
                rng=rng)
    # the paper has no momentum either: the slope of the loss changes its sign all the time
    return one_stage(model, adam(cosine_decay(1e-3), betas=(0.0, 0.999)), steps=1500, batch_size=64, clip=1.0,
                     ema=(model.network, 0.99))
