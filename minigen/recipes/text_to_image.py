"""Recipes of models of images and captions."""
from ..data.catalog import NAMED
from ..data.shapes.pairs import contrasted, fresh
from ..diffusion import FirstStage, cosine_schedule
from ..models.adversarial import ConvDiscriminator, ConvGenerator
from ..models.diffusion import Small, SuperResolution, SuperResolutionUNet
from ..models.diffusion.cascade import halved_space
from ..models.text_to_image import (
    CLIP,
    DALLE,
    GLIDE,
    CaptionLM,
    ClipPrior,
    GLIDEEditor,
    Imagen,
    ImagenCascade,
    MatchingDiscriminator,
    NoisedCLIP,
    StableDiffusion,
    TextGAN,
    UnCLIP,
)
from ..nn import Frozen, UNet
from ..optim import adam, adamw, cosine_decay, linear_warmup
from ..text_to_image import Captions, TextEncoder
from ..train import Plan, one_stage
from .registry import CAPTIONED, recipe


@recipe("images and captions as vectors that agree where they belong together", "Radford et al. 2021",
        data="shapes16", accepts=CAPTIONED + NAMED)
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


@recipe("a language model of captions: it reads for imagen", "Saharia et al. 2022", data="shapes16", accepts=CAPTIONED)
def caption_lm(data, rng):
    return language_model(data.spaces["text"], 64, rng)


def language_model(text, width, rng):
    """A CaptionLM of this width for captions of this Space, and how it is trained."""
    model = CaptionLM(text, width, rng=rng)
    return one_stage(model, adam(linear_warmup(cosine_decay(3e-3), 0.05)), steps=1000, batch_size=128, view=fresh)


def prompted_unet(space, words, rng, beside=0, width=24):
    """The network of text-conditional diffusions: 1.2 M parameters, attention at the two coarser of three resolutions.
    words: the width of their vectors; beside: channels that it is given with x_t's."""
    C = space.shape[0]
    return UNet(C + beside, C, width=width, multipliers=(1, 2, 3), blocks=1, attention=(1, 2), heads=4,
                patch=1 if space.shape[1] <= 16 else 2,  # squares of 2 x 2 make ragged edges of so few
                condition=words, context=words, rng=rng)


@recipe("a diffusion that is told captions by a frozen language model", "Saharia et al. 2022", data="shapes16",
        accepts=CAPTIONED, needs={"encoder": "caption_lm"})
def imagen(data, rng, encoder):
    model, plan = imagen_of(data.spaces["x"], encoder, rng)
    return plan(model)


def imagen_of(space, encoder, rng, width=24):
    """(an Imagen of images of this space, and how the model that it is, or is in, is trained). width: the U-Net's."""
    network = prompted_unet(space, encoder.width, rng, width=width)
    model = Imagen(network, encoder, cosine_schedule(1000), space,
                   percentile=95.0)  # the paper's 99.5: of 768 numbers four are left out, and backgrounds turn gray
    return model, lambda model: one_stage(
        model, adam(linear_warmup(cosine_decay(2e-3, final=5e-5), 0.02)), steps=2800,
        batch_size=64,  # 5,000 of 32 are cleaner, and fewer are what was asked for
        ema=(network, 0.998), clip=1.0, view=fresh)


@recipe("the first of Imagen's cascade: pictures at half the resolution", "Saharia et al. 2022", data="shapes32",
        accepts=("shapes32",), needs={"encoder": "caption_lm"})
def imagen_base(data, rng, encoder):
    model, plan = imagen_of(halved_space(data.spaces["x"]), encoder, rng)
    return plan(Small(model, 1))


@recipe("the second of Imagen's cascade: told the caption, from half the resolution to the whole",
        "Saharia et al. 2022", data="shapes32", accepts=("shapes32",), needs={"encoder": "caption_lm"})
def imagen_upsampler(data, rng, encoder):
    space = data.spaces["x"]
    network = SuperResolutionUNet(space.shape[0], width=24, multipliers=(1, 2), blocks=1, attention=(1,), heads=4,
                                  patch=2, condition=encoder.width, context=encoder.width, rng=rng)
    model = SuperResolution(network, cosine_schedule(1000), space, Captions(encoder), steps=10)  # much is known already
    return one_stage(model, adam(linear_warmup(cosine_decay(2e-3, final=1e-4), 0.05)), steps=3000, batch_size=16,
                     ema=(network, 0.998), clip=1.0, view=fresh)


@recipe("Imagen at 32 x 32 pixels: one network draws small pictures, another enlarges them", "Saharia et al. 2022",
        data="shapes32", accepts=("shapes32",), needs={"base": "imagen_base", "upsampler": "imagen_upsampler"})
def imagen_cascade(data, rng, base, upsampler):
    return Plan(ImagenCascade(base, [upsampler]))  # both were trained: nothing is left to be


@recipe("a diffusion that is told captions by an encoder of its own", "Nichol et al. 2022", data="shapes16",
        accepts=CAPTIONED)
def glide(data, rng):
    """As imagen."""
    space = data.spaces["x"]
    encoder = TextEncoder(data.spaces["text"], std=1.0, rng=rng)
    model = GLIDE(prompted_unet(space, encoder.width, rng), encoder, cosine_schedule(1000), space)
    return one_stage(model, adam(linear_warmup(cosine_decay(2e-3, final=5e-5), 0.02)), steps=5000, batch_size=32,
                     ema=0.998, clip=1.0, view=fresh)


@recipe("CLIP of images with noise, told how much: it leads a diffusion", "Nichol et al. 2022", data="shapes16",
        accepts=CAPTIONED)
def noised_clip(data, rng):
    """As clip; the schedule is that of glide."""
    model = NoisedCLIP(data.spaces["x"], data.spaces["text"], cosine_schedule(1000), rng=rng)
    return one_stage(model, adamw(linear_warmup(cosine_decay(5e-4), 0.05), weight_decay=0.05), steps=4000,
                     batch_size=128, view=fresh)


@recipe("GLIDE that draws anew what a mask hides, as a caption says", "Nichol et al. 2022", data="shapes16",
        accepts=CAPTIONED, needs={"glide": "glide"})
def glide_editor(data, rng, glide):
    space, encoder = data.spaces["x"], TextEncoder(data.spaces["text"], std=1.0, rng=rng)
    network = prompted_unet(space, encoder.width, rng, beside=space.shape[0] + 1)
    model = GLIDEEditor(network, encoder, glide)
    return one_stage(model, adam(linear_warmup(cosine_decay(1e-3, final=5e-5), 0.02)), steps=2000, batch_size=32,
                     ema=0.998, clip=1.0, view=fresh)


@recipe("a diffusion of latents whose every place looks at the words of a caption", "Rombach et al. 2022",
        data="shapes16", accepts=CAPTIONED, needs={"autoencoder": "kl_ae", "clip": "clip"})
def stable_diffusion(data, rng, autoencoder, clip):
    first_stage = FirstStage(autoencoder).scaled_by(data["x"], rng)
    network = UNet(first_stage.shape[0], width=48, multipliers=(1, 2), blocks=1, attention=(0, 1), heads=4,
                   context=clip.text_encoder.width, rng=rng)
    model = StableDiffusion(first_stage, Frozen(clip.text_encoder), network, cosine_schedule(1000))
    return one_stage(model, adam(linear_warmup(cosine_decay(2e-3, final=5e-5), 0.02)), steps=4000, batch_size=32,
                     ema=(network, 0.998), clip=1.0, view=fresh)  # no pair comes twice


@recipe("a diffusion of CLIP's vectors of images, told the caption: the prior of unCLIP", "Ramesh et al. 2022",
        data="shapes16", accepts=(*CAPTIONED, "emoji_people"), needs={"clip": "clip"})
def clip_prior(data, rng, clip):
    model = ClipPrior(clip, cosine_schedule(1000), width=96, blocks=3, heads=4, rng=rng)  # the paper has 24 of 2,048
    return one_stage(model, adamw(linear_warmup(cosine_decay(1e-3), 0.05), weight_decay=0.05), steps=2500,
                     batch_size=128, ema=(model.network, 0.995), clip=1.0, view=fresh)


@recipe("DALL-E 2: a vector of CLIP's is drawn for the caption, and decoded", "Ramesh et al. 2022", data="shapes16",
        accepts=(*CAPTIONED, "emoji_people"), needs={"prior": "clip_prior"})
def unclip(data, rng, prior):
    """CLIP comes with the prior: the decoder learns to invert the very one whose vectors the prior draws."""
    network = UNet(prior.space.shape[0], width=24, multipliers=(1, 2, 3), blocks=1, attention=(1, 2),
                   condition=prior.d, rng=rng)
    model = UnCLIP(network, cosine_schedule(1000), prior)
    return one_stage(model, adam(linear_warmup(cosine_decay(1.5e-3, final=5e-5), 0.02)), steps=2000, batch_size=64,
                     ema=(network, 0.998), clip=1.0, view=fresh)
