"""Recipes of autoregressive models: exact likelihoods, one number after the other."""
from ..models.autoregressive import GatedPixelCNN, PixelCNN
from ..optim import adamw, cosine_decay
from ..train import one_stage
from .registry import LABELLED, recipe


@recipe("PixelCNN: masked convolutions, all conditionals in one pass", "van den Oord et al. 2016a")
def pixelcnn(data, rng):
    space = data.spaces["x"]
    if few_levels(space):
        return of_few(PixelCNN(space, width=16, blocks=4, dropout=0.5, rng=rng), 4e-3, decay=1.0, steps=600)
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
        model = GatedPixelCNN(space, conditions=conditions, width=24, blocks=4, dropout=0.5, rng=rng)
        return of_few(model, 8e-3, decay=0.5, steps=300)
    levels, embedded = bits_or_colours(space)
    model = GatedPixelCNN(space, levels, conditions, width=24, blocks=4, embedded=embedded, rng=rng)
    return one_stage(model, adamw(cosine_decay(4e-3)), steps=1500, batch_size=32, ema=0.99, clip=1.0)


def of_few(model, rate, decay, steps):
    """So much dropout and decay, and no more steps, as there are 1,000 digits, which a network learns by heart: the
    valid split says when."""
    return one_stage(model, adamw(cosine_decay(rate), weight_decay=decay), steps, batch_size=50, ema=0.99, clip=1.0)


def few_levels(space):
    """Whether a probability for each gray level is soon learned."""
    return 2 < space.levels < 32


def bits_or_colours(space):
    """(levels, embedded): gray images as bits, drawn anew each time, as published numbers of MNIST have them, and a
    level of 256 takes longer to learn; colour images by all of their levels, which go in as numbers."""
    return (2, None) if space.shape[0] == 1 else (None, False)
