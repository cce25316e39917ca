"""Recipes of autoregressive models: exact likelihoods, one number after the other."""
from ..models.autoregressive import GatedPixelCNN, ImageTransformer, PixelCNN
from ..optim import adamw, cosine_decay, linear_warmup
from ..train import one_stage
from .registry import IMAGES, LABELLED, few_levels, recipe

LARGE = "cifar10", "critters", "kinds"  # 3,072 numbers that all look at each other: a step would take a minute


@recipe("PixelCNN: masked convolutions, all conditionals in one pass", "van den Oord et al. 2016a")
def pixelcnn(data, rng):
    space = data.spaces["x"]
    if few_levels(space):
        return of_few(PixelCNN(space, width=16, blocks=4, dropout=0.5, rng=rng), 4e-3)
    levels, embedded = bits_or_colours(space)
    model = PixelCNN(space, levels, width=16, blocks=7, embedded=embedded, rng=rng)  # the paper's: 15, and 128 channels
    return one_stage(model, adamw(cosine_decay(4e-3)), steps=2000, batch_size=32, ema=0.99, clip=1.0)


@recipe("gated PixelCNN: two stacks, so that no earlier pixel is out of sight", "van den Oord et al. 2016b")
def gated_pixelcnn(data, rng):
    return gated(data, None, rng)


@recipe("gated PixelCNN of a class, p(x | y)", "van den Oord et al. 2016b", accepts=LABELLED)
def conditional_pixelcnn(data, rng):
    return gated(data, {"y": data.spaces["y"]}, rng)


def gated(data, conditions, rng):
    space = data.spaces["x"]
    if few_levels(space):
        return of_few(GatedPixelCNN(space, conditions=conditions, width=16, blocks=3, dropout=0.5, rng=rng), 6e-3)
    levels, embedded = bits_or_colours(space)
    model = GatedPixelCNN(space, levels, conditions, width=24, blocks=4, embedded=embedded, rng=rng)
    return one_stage(model, adamw(cosine_decay(4e-3)), steps=1500, batch_size=32, ema=0.99, clip=1.0)


def of_few(model, rate):
    """So much dropout and decay because there are 1,000 digits, which a network could learn by heart."""
    return one_stage(model, adamw(cosine_decay(rate), weight_decay=1.0), steps=600, batch_size=50, ema=0.99, clip=1.0)


def bits_or_colours(space):
    """(levels, embedded): gray images as bits, drawn anew each time, as published numbers of MNIST have them, and a
    level of 256 takes longer to learn; colour images by all of their levels, which go in as numbers."""
    return (2, None) if space.shape[0] == 1 else (None, False)


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
    if space.size < 200:
        model = ImageTransformer(space, None, conditions, width=64, blocks=3, heads=4, dropout=0.2, rng=rng)
        rate, steps, batch_size = 2e-3, 1000, 50
    else:  # bits, dynamically binarized: 784 tokens cost 150 times as much attention as 64, so a smaller network
        model = ImageTransformer(space, 2, conditions, width=48, blocks=2, heads=2, dropout=0.0, rng=rng)
        rate, steps, batch_size = 3e-3, 600, 16
    return one_stage(model, adamw(linear_warmup(cosine_decay(rate), 0.05), weight_decay=0.1), steps, batch_size,
                     ema=0.99, clip=1.0)
