"""Recipes of models with discrete codes, and of the priors over these codes."""
from ..data import Space
from ..models.codes import DVAE
from ..optim import adam, cosine_decay
from ..quantize.gumbel import annealed
from ..train import one_stage
from .registry import recipe


@recipe("VAE with a code of categories, by Gumbel-softmax", "Jang et al. 2017", data="mnist10k")
def dvae(data, rng):
    space = data.spaces["x"]
    model = DVAE(space, Space((20,), 10), tau=annealed(1.0, 0.5), rng=rng)
    return one_stage(model, adam(cosine_decay(1e-3)), steps=30_000, batch_size=100)
