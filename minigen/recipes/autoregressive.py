"""Recipes of autoregressive models: exact likelihoods, one number after the other."""
from ..models.autoregressive import MADE, NADE, RNADE, GatedPixelCNN, ImageTransformer, PixelCNN
from ..optim import adam, adamw, cosine_decay, linear_warmup
from ..train import one_stage
from .registry import IMAGES, LABELLED, POINTS, few_levels, recipe

# 3,072 numbers that all look at each other: 15 times the work of 28x28, itself at the limit
LARGE = "cifar10", "critters", "kinds", "shapes32"


@recipe("each bit from a hidden layer that has seen those before it", "Larochelle & Murray 2011", data="mnist10k")
def nade(data, rng):
    """More than two gray levels are drawn as bits."""
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
        model = MADE(space, hidden=(500,), orders=16, levels=None if few_levels(space) else 2, rng=rng)
        return one_stage(model, adamw(cosine_decay(5e-3), weight_decay=2.0), steps=300, batch_size=100, ema=0.97)
    if len(data) < 20_000:
        model = MADE(space, hidden=(500,), orders=16, levels=2, rng=rng)
        return one_stage(model, adamw(cosine_decay(2e-3), weight_decay=0.5), steps=4000, batch_size=50, ema=0.99)
    model = MADE(space, hidden=(500,), levels=2, rng=rng)
    return one_stage(model, adam(cosine_decay(2e-3)), steps=20_000, batch_size=50, ema=0.99)


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
    # 15 layers for MNIST, as published; five wider ones were worse after as many minutes
    width, blocks = (16, 14) if levels == 2 else (24, 4)
    model = GatedPixelCNN(space, levels, conditions, width, blocks, embedded=embedded, rng=rng)
    return one_stage(model, adamw(cosine_decay(4e-3)), steps=1500, batch_size=32, ema=0.99, clip=1.0)


def of_few(model, rate, decay, steps):
    """So much dropout and decay, and no more steps, as there are 1,000 digits, which a network learns by heart: the
    valid split says when."""
    return one_stage(model, adamw(cosine_decay(rate), weight_decay=decay), steps, batch_size=50, ema=0.99, clip=1.0)


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
    if space.size < 200:  # dropout and decay, as 1,000 digits are soon learned by heart
        model = ImageTransformer(space, None, conditions, width=64, blocks=3, heads=4, dropout=0.15, rng=rng)
        rate, steps, batch_size = 2e-3, 1200, 50
    else:  # two levels, dynamically binarized: 784 tokens cost 150 times the attention of 64, so a small network
        model = ImageTransformer(space, 2, conditions, width=48, blocks=2, heads=2, dropout=0.0, rng=rng)
        rate, steps, batch_size = 3e-3, 600, 16
    return one_stage(model, adamw(linear_warmup(cosine_decay(rate), 0.05), weight_decay=0.1), steps, batch_size,
                     ema=0.99, clip=1.0)
