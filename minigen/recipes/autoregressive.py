"""Recipes of autoregressive models: exact likelihoods, one number after the other."""
from ..models.autoregressive import ImageTransformer
from ..optim import adamw, cosine_decay, linear_warmup
from ..train import one_stage
from .registry import IMAGES, LABELLED, recipe

LARGE = ("cifar10",)  # 3,072 numbers that all look at each other: 15 times the work of 28x28, itself at the limit


@recipe("transformer over pixels, one number after the other", "Chen et al. 2020",
        accepts=[name for name in IMAGES if name not in LARGE])
def transformer(data, rng):
    return image_transformer(data, {}, rng)


@recipe("the same, told the class in its start token", "Chen et al. 2020; Esser et al. 2021",
        accepts=[name for name in LABELLED if name not in LARGE])
def class_transformer(data, rng):
    return image_transformer(data, {"y": data.spaces["y"]}, rng)


def image_transformer(data, conditions, rng):
    space = data.spaces["x"]
    if space.size < 200:  # dropout and decay, as 1,000 digits are soon learned by heart
        model = ImageTransformer(space, None, conditions, width=64, blocks=3, heads=4, dropout=0.15, rng=rng)
        rate, steps, batch_size = 2e-3, 1200, 50
    else:  # two levels, dynamically binarized: 784 tokens cost 150 times the attention of 64, so a small network
        model = ImageTransformer(space, 2, conditions, width=48, blocks=2, heads=2, dropout=0.0, rng=rng)
        rate, steps, batch_size = 3e-3, 600, 16
    return one_stage(model, adamw(linear_warmup(cosine_decay(rate), 0.05), weight_decay=0.1), steps, batch_size,
                     ema=0.99, clip=1.0)
