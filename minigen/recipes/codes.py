"""Recipes of models with discrete codes, and of the priors over these codes."""
from ..adversarial.patch import PatchDiscriminator
from ..data import Space
from ..models.autoregressive import ImageTransformer
from ..models.codes import DVAE, VQGAN, VQVAE, VQVAE2, CodePrior
from ..optim import adam, adamw, cosine_decay, linear_warmup
from ..quantize import EMACodebook
from ..quantize.gumbel import annealed
from ..train import Plan, Stage, one_stage
from .registry import LABELLED, recipe


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


@recipe("VQ-VAE that must look right to a classifier and to a discriminator", "Esser et al. 2021", data="critters",
        accepts=LABELLED, needs={"classifier": "classifier"})
def vqgan(data, rng, classifier):
    space = data.spaces["x"]
    halvings = 1 if min(space.shape[1:]) < 16 else 2
    codebook = EMACodebook(codes=64, dim=8, rng=rng)  # the paper has 1024 and more, for images of 256 x 256
    discriminator = PatchDiscriminator(space.shape, width=16, halvings=1, rng=rng)
    model = VQGAN(space, codebook, discriminator, classifier, width=32, halvings=halvings, rng=rng).scaled_by(data["x"])
    pixels = Stage("pixels", model.lone_player, adam(2e-3), steps=3000, batch_size=32)
    optimizers = {"D": adam(cosine_decay(1e-3), betas=(0.5, 0.99)),
                  "autoencoder": adam(cosine_decay(1e-3), betas=(0.5, 0.99))}  # the paper's: (0.5, 0.9)
    return Plan(model, [pixels, Stage("adversarial", model.players, optimizers, steps=1200, batch_size=16)])


@recipe("transformer as the prior of the codes of a VQ-GAN: draws images", "Esser et al. 2021", data="critters",
        accepts=LABELLED, needs={"autoencoder": "vqgan"})
def vqgan_transformer(data, rng, autoencoder):
    prior = ImageTransformer(autoencoder.codes, width=64, blocks=3, heads=4, dropout=0.1, rng=rng)
    model = CodePrior(autoencoder, prior)
    return one_stage(model, adamw(linear_warmup(cosine_decay(2e-3), 0.05), weight_decay=0.1), steps=2000, batch_size=50,
                     view=model.view, ema=0.99, clip=1.0)
