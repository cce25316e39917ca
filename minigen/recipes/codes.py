"""Recipes of models with discrete codes, and of the priors over these codes."""
from ..data import Space
from ..models.codes import DVAE, VQVAE, VQVAE2
from ..optim import adam, cosine_decay
from ..quantize import EMACodebook
from ..quantize.gumbel import annealed
from ..train import one_stage
from .registry import recipe


@recipe("autoencoder whose code is a grid of integers", "van den Oord et al. 2017", data="mnist10k")
def vqvae(data, rng):
    space = data.spaces["x"]
    halvings = 1 if min(space.shape[1:]) < 16 else 2
    codebook = EMACodebook(codes=64, dim=8, rng=rng)  # the paper has 512 of 64, for ImageNet
    model = VQVAE(space, codebook, width=32, halvings=halvings, rng=rng).scaled_by(data["x"])
    return one_stage(model, adam(cosine_decay(2e-3)), steps=4000, batch_size=64)


@recipe("codes at two levels, the fine ones told the coarse ones", "Razavi et al. 2019", data="critters")
def vqvae2(data, rng):
    space = data.spaces["x"]
    halvings = 2 if min(space.shape[1:]) >= 32 else 1  # so that the sides of the bottom grid are even
    top, bottom = (EMACodebook(codes=64, dim=8, rng=rng) for _ in range(2))
    model = VQVAE2(space, top, bottom, width=32, halvings=halvings, rng=rng).scaled_by(data["x"])
    return one_stage(model, adam(cosine_decay(2e-3)), steps=4000, batch_size=64)


@recipe("VAE with a code of categories, by Gumbel-softmax", "Jang et al. 2017", data="mnist10k")
def dvae(data, rng):
    space = data.spaces["x"]
    model = DVAE(space, Space((20,), 10), tau=annealed(1.0, 0.5), rng=rng)
    return one_stage(model, adam(cosine_decay(1e-3)), steps=30_000, batch_size=100)
