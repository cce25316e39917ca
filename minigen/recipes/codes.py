"""Recipes of models with discrete codes, and of the priors over these codes."""
from ..adversarial.patch import PatchDiscriminator
from ..data import Space
from ..models.autoregressive import GatedPixelCNN, ImageTransformer
from ..models.codes import DVAE, VQGAN, VQVAE, VQVAE2, CodePrior, TwoLevelPrior
from ..models.codes.dvae import grid_pair
from ..nn.conv import halved
from ..optim import adam, cosine_decay, linear_warmup
from ..quantize import EMACodebook
from ..quantize.gumbel import annealed
from ..train import Plan, Stage, one_stage
from .registry import CAPTIONED, LABELLED, few_levels, recipe


@recipe("autoencoder whose code is a grid of integers", "van den Oord et al. 2017", data="mnist10k")
def vqvae(data, rng):
    space = data.spaces["x"]
    halvings = 1 if min(space.shape[1:]) < 16 else 2
    codebook = EMACodebook(codes=64, dim=8, rng=rng)  # the paper has 512 of 64, for larger images
    model = VQVAE(space, codebook, width=32, halvings=halvings, rng=rng).scaled_by(data["x"])
    return one_stage(model, adam(cosine_decay(2e-3)), steps=3000, batch_size=64)


@recipe("PixelCNN as the prior of such codes: draws images", "van den Oord et al. 2017", data="mnist10k",
        needs={"autoencoder": "vqvae"})
def vq_pixelcnn(data, rng, autoencoder):
    prior = GatedPixelCNN(autoencoder.codes, width=32, blocks=5, dropout=0.2, rng=rng)
    return trained_on_codes(CodePrior(autoencoder, prior), adam(linear_warmup(cosine_decay(2e-3), 0.05)), steps=3000)


@recipe("a transformer as that prior", "Esser et al. 2021", data="mnist10k", needs={"autoencoder": "vqvae"})
def vq_transformer(data, rng, autoencoder):
    prior = ImageTransformer(autoencoder.codes, width=64, blocks=4, heads=4, dropout=0.1, rng=rng)
    return trained_on_codes(CodePrior(autoencoder, prior), adam(linear_warmup(cosine_decay(2e-3), 0.1)), steps=3000)


@recipe("codes at two levels, the fine ones told the coarse ones", "Razavi et al. 2019", data="critters")
def vqvae2(data, rng):
    space = data.spaces["x"]
    halvings = 2 if min(space.shape[1:]) >= 32 else 1  # so that the sides of the bottom grid are even
    top, bottom = (EMACodebook(codes=64, dim=8, rng=rng) for _ in range(2))
    model = VQVAE2(space, top, bottom, width=32, halvings=halvings, rng=rng).scaled_by(data["x"])
    return one_stage(model, adam(cosine_decay(4e-3)), steps=4000, batch_size=64)


@recipe("PixelCNN for each level, from the top down", "Razavi et al. 2019", data="critters",
        needs={"autoencoder": "vqvae2"})
def vq2_pixelcnn(data, rng, autoencoder):
    top, bottom = autoencoder.codes["top"], autoencoder.codes["bottom"]
    model = TwoLevelPrior(autoencoder, GatedPixelCNN(top, width=32, blocks=3, dropout=0.2, rng=rng),
                          GatedPixelCNN(bottom, conditions={"source": top}, width=32, blocks=5, dropout=0.2, rng=rng))
    return trained_on_codes(model, adam(linear_warmup(cosine_decay(2e-3), 0.05)), steps=2500)


@recipe("VQ-VAE that must look right to a classifier and to a discriminator", "Esser et al. 2021", data="critters",
        accepts=LABELLED, needs={"classifier": "classifier"})
def vqgan(data, rng, classifier):
    space = data.spaces["x"]
    halvings = 1 if min(space.shape[1:]) < 16 else 2
    codebook = EMACodebook(codes=64, dim=8, rng=rng)  # the paper has 1024 and more, for images of 256 x 256
    discriminator = PatchDiscriminator(space.shape, width=16, halvings=1, rng=rng)
    model = VQGAN(space, codebook, discriminator, classifier, width=32, halvings=halvings,
                  perceptual=0.5,  # the paper's 1, of another distance: here L1 suffers
                  weight=0.8, rng=rng).scaled_by(data["x"])
    pixels = Stage("pixels", model.lone_player, adam(2e-3), steps=4000, batch_size=32)
    optimizers = {"D": adam(cosine_decay(7e-4), betas=(0.5, 0.99)),
                  "autoencoder": adam(cosine_decay(2e-3), betas=(0.5, 0.99))}
    return Plan(model, [pixels, Stage("adversarial", model.players, optimizers, steps=3000, batch_size=16)])


@recipe("transformer as the prior of the codes of a VQ-GAN: draws images", "Esser et al. 2021", data="critters",
        accepts=LABELLED, needs={"autoencoder": "vqgan"})
def vqgan_transformer(data, rng, autoencoder):
    prior = ImageTransformer(autoencoder.codes, width=64, blocks=4, heads=4, dropout=0.1, rng=rng)
    return trained_on_codes(CodePrior(autoencoder, prior), adam(linear_warmup(cosine_decay(2e-3), 0.1)), steps=2000)


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
    """A grid of 7 x 7 codes for 28 x 28 pixels, of half the sides for images of up to 16. tau, beta's way and the
    uniform prior are DALL-E's, but not the value that beta ends with, 6.6 there: 1 is the bound. Of captioned shapes
    it is a tenth, and there are twice the codes: outlines are worth few nats."""
    space = data.spaces["x"]
    small = few_levels(space)
    grid = halved(space.shape[1:], 1 if min(space.shape[1:]) <= 16 else 2)[-1]
    codes, beta = (128, 0.1) if data.name in CAPTIONED else (64, 1.0)
    model = DVAE(space, Space((1, *grid), codes), "categorical" if small else "bernoulli", grid_pair,
                 tau=cosine_decay(1.0, final=1 / 16), beta=linear_warmup(beta, 0.1), prior="uniform",
                 measured=500, rng=rng)  # 1,000 draws for each of so many take a minute or two
    return one_stage(model, adam(cosine_decay(3e-3)), steps=2000, batch_size=64)


def trained_on_codes(model, optimizer, steps):
    """The plan of a prior: the images are encoded once, when the stage begins."""
    return one_stage(model, optimizer, steps, batch_size=64, view=model.view, ema=0.99, clip=1.0)
