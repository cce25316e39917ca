"""Recipes of models with discrete codes, and of the priors over these codes."""
from ..data import Space
from ..models.codes import DVAE
from ..models.codes.dvae import grid_pair
from ..nn.conv import halved
from ..optim import adam, cosine_decay, linear_warmup
from ..quantize.gumbel import annealed
from ..train import one_stage
from .autoencoders import few_levels
from .registry import recipe


@recipe("VAE with a code of categories, by Gumbel-softmax", "Jang et al. 2017", data="mnist10k")
def dvae(data, rng):
    """Code, prior and tau of the paper, between hidden layers of 200; Adam in the place of its SGD with momentum, as
    the time is short."""
    space = data.spaces["x"]
    model = DVAE(space, Space((20,), 10), "categorical" if few_levels(space) else "bernoulli",
                 tau=annealed(1.0, 0.5), rng=rng)
    if few_levels(space):  # 1,000 digits are soon learned by heart
        return one_stage(model, adam(cosine_decay(3e-3)), steps=1000, batch_size=100)
    return one_stage(model, adam(cosine_decay(3e-3)), steps=3000 if len(data) < 20_000 else 50_000, batch_size=100)


@recipe("image tokenizer: a grid of categories, by Gumbel-softmax", "Ramesh et al. 2021 (DALL-E)", data="mnist10k")
def conv_dvae(data, rng):
    """A grid of 7 x 7 codes for 28 x 28 pixels, 4 x 4 for the small digits. tau, beta's way and the uniform prior are
    DALL-E's, but not the value that beta ends with, 6.6 there: 1 is the bound."""
    space = data.spaces["x"]
    small = few_levels(space)
    grid = halved(space.shape[1:], 1 if small else 2)[-1]
    model = DVAE(space, Space((1, *grid), 64), "categorical" if small else "bernoulli", grid_pair,
                 tau=cosine_decay(1.0, final=1 / 16), beta=linear_warmup(1.0, 0.1), prior="uniform",
                 measured=500, rng=rng)  # 1,000 draws for each of so many take a minute or two
    return one_stage(model, adam(cosine_decay(3e-3)), steps=2000, batch_size=64)
