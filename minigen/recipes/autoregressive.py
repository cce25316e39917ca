"""Recipes of autoregressive models: exact likelihoods, one number after the other."""
from ..models.autoregressive import MADE, NADE, RNADE
from ..optim import adam, adamw, cosine_decay
from ..train import one_stage
from .registry import POINTS, recipe


@recipe("each bit from a hidden layer that has seen those before it", "Larochelle & Murray 2011", data="mnist10k")
def nade(data, rng):
    """More than two gray levels are drawn as bits. Small batches: half the batch takes two thirds of the time."""
    space = data.spaces["x"]
    if min(space.shape[1:]) < 16:
        # a weight decay, as in those below, where there are few images, which the network could learn by heart
        return one_stage(NADE(space, hidden=100, rng=rng), adamw(cosine_decay(1e-2), weight_decay=1.0), steps=400,
                         batch_size=50, ema=0.97)
    if len(data) < 20_000:
        return one_stage(NADE(space, hidden=200, rng=rng), adamw(cosine_decay(2e-3), weight_decay=0.5), steps=4000,
                         batch_size=50, ema=0.99)
    return one_stage(NADE(space, hidden=500, rng=rng), adam(cosine_decay(2e-3)), steps=10_000, batch_size=50, ema=0.99)


@recipe("NADE for real numbers: each a mixture of Gaussians", "Uria et al. 2013", accepts=("digits", *POINTS))
def rnade(data, rng):
    space = data.spaces["x"]
    model = RNADE(space, hidden=50, components=10, rng=rng).standardize(data["x"], rng)
    if not space.is_image:
        return one_stage(model, adam(cosine_decay(1e-2)), steps=1500, batch_size=256, ema=0.99)
    return one_stage(model, adamw(cosine_decay(2e-2), weight_decay=0.6), steps=120, batch_size=100, ema=0.97)


@recipe("autoencoder with masked weights, for several orders", "Germain et al. 2015")
def made(data, rng):
    """All gray levels where there are few; of many, bits are drawn."""
    space = data.spaces["x"]
    if min(space.shape[1:]) < 16:
        model = MADE(space, hidden=(500,), orders=16, levels=None if space.levels < 32 else 2, rng=rng)
        return one_stage(model, adamw(cosine_decay(5e-3), weight_decay=2.0), steps=300, batch_size=100, ema=0.97)
    if len(data) < 20_000:
        model = MADE(space, hidden=(500,), orders=16, levels=2, rng=rng)
        return one_stage(model, adamw(cosine_decay(2e-3), weight_decay=0.5), steps=4000, batch_size=50, ema=0.99)
    model = MADE(space, hidden=(500,), levels=2, rng=rng)
    return one_stage(model, adam(cosine_decay(2e-3)), steps=20_000, batch_size=50, ema=0.99)
