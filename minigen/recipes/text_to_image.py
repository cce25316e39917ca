"""Recipes of models of images and captions."""
from ..data.shapes.pairs import contrasted, fresh
from ..diffusion import FirstStage, cosine_schedule
from ..models.adversarial import ConvDiscriminator, ConvGenerator
from ..models.text_to_image import CLIP, DALLE, MatchingDiscriminator, StableDiffusion, TextGAN
from ..nn import Frozen, UNet
from ..optim import adam, adamw, cosine_decay, linear_warmup
from ..train import one_stage
from .registry import CAPTIONED, recipe


@recipe("images and captions as vectors that agree where they belong together", "Radford et al. 2021",
        data="shapes16", accepts=CAPTIONED)
def clip(data, rng):
    model = CLIP(data.spaces["x"], data.spaces["text"], rng=rng)
    # the paper's rate: at ten times that all vectors run to one point, and stay (a test of test_clip.py)
    return one_stage(model, adamw(linear_warmup(cosine_decay(5e-4), 0.05), weight_decay=0.05), steps=4000,
                     batch_size=128,  # the paper's is 32,768
                     view=fresh)  # no pair comes twice: 10,000 are soon known by heart


@recipe("a GAN whose discriminator reads: it sees wrong captions too", "Reed et al. 2016", data="shapes16",
        accepts=CAPTIONED, needs={"clip": "clip"})
def text_gan(data, rng, clip):
    space, D = data.spaces["x"], len(clip.W_t.weight)
    generator = ConvGenerator(32 + D, space.shape, width=32, rng=rng)
    discriminator = MatchingDiscriminator(ConvDiscriminator(space.shape, width=32, rng=rng), D, rng=rng)
    optimizers = {"D": adam(2e-4, betas=(0.5, 0.999)),
                  "G": adam(1e-3, betas=(0.5, 0.999))}  # the paper has 2e-4 for both, as dcgan's
    return one_stage(TextGAN(generator, discriminator, space, clip), optimizers, steps=6000, batch_size=64,
                     ema=(generator, 0.999), view=contrasted)


@recipe("a transformer that writes a caption and then the picture's codes", "Ramesh et al. 2021", data="shapes16",
        accepts=CAPTIONED, needs={"tokenizer": "conv_dvae"})
def dalle(data, rng, tokenizer):
    # the paper has 12 billion weights; codes of fresh pairs are found as they come, 10,000 would be known by heart
    model = DALLE(tokenizer, data.spaces["text"], width=96, blocks=4, heads=4, rng=rng)
    return one_stage(model, adamw(linear_warmup(cosine_decay(1e-3), 0.05), weight_decay=0.05), steps=2000,
                     batch_size=64, ema=0.995, clip=1.0, view=fresh)


@recipe("a diffusion of latents whose every place looks at the words of a caption", "Rombach et al. 2022",
        data="shapes16", accepts=CAPTIONED, needs={"autoencoder": "kl_ae", "clip": "clip"})
def stable_diffusion(data, rng, autoencoder, clip):
    first_stage = FirstStage(autoencoder).scaled_by(data["x"], rng)
    network = UNet(first_stage.shape[0], width=48, multipliers=(1, 2), blocks=1, attention=(0, 1), heads=4,
                   context=clip.text_encoder.width, rng=rng)
    model = StableDiffusion(first_stage, Frozen(clip.text_encoder), network, cosine_schedule(1000))
    return one_stage(model, adam(linear_warmup(cosine_decay(2e-3, final=5e-5), 0.02)), steps=4000, batch_size=32,
                     ema=(network, 0.998), clip=1.0, view=fresh)  # no pair comes twice
