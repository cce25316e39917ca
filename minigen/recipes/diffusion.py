"""Recipes of diffusion models."""
from ..diffusion import (
    VE,
    Classes,
    FirstStage,
    ancestral_tilde,
    cosine_schedule,
    dynamically_clipped,
    geometric_levels,
    rate_for,
    straight_levels,
)
from ..models.diffusion import (
    DDPM,
    EDM,
    NCSN,
    Cascade,
    ClassifierFree,
    ClassifierGuided,
    Consistency,
    FlowMatching,
    ImprovedDDPM,
    InpaintingDDPM,
    LatentDiffusion,
    Progressive,
    Rectified,
    ScoreSDE,
    Small,
    SuperResolution,
    SuperResolutionUNet,
)
from ..models.diffusion.cascade import halved_space
from ..nn import DiT, TimedMLP, UNet, thawed
from ..optim import adam, cosine_decay, linear_warmup
from ..train import Plan, Stage, one_stage
from .registry import IMAGES, LABELLED, POINTS, recipe


def small(space):
    """Whether images are as small as 8x8."""
    return space.shape[1] < 16


def unet(space, rng, out=1, condition=None, beside=0):
    """The network of these recipes: 0.2 M parameters for small images, about 1 M for others, on squares of 2x2 pixels,
    where a third level, of 4x4 such squares, is cheap and sees the whole image. out: images that it returns; beside:
    channels that it sees beside x_t."""
    C = space.shape[0]
    settings = dict(width=16, multipliers=(1, 2)) if small(space) else dict(width=24, multipliers=(1, 2, 3),
                                                                            attention=(1,), patch=2)
    return UNet(C + beside, out * C, blocks=1, condition=condition, rng=rng, **settings)


def pace(space):
    """(learning rate, steps, decay of the average) of the recipes that train this network to predict eps."""
    if small(space):
        return linear_warmup(cosine_decay(2e-3, final=1e-4), 0.05), 1800, 0.995
    return linear_warmup(cosine_decay(1.5e-3, final=5e-5), 0.015), 7000, 0.999


@recipe("denoising diffusion: a U-Net takes noise out of images, step by step", "Ho et al. 2020")
def ddpm(data, rng):
    """The schedule is Improved DDPM's, for small images: alpha_bar is below 0.01 in a third of the linear one's steps,
    where there is little to learn."""
    space = data.spaces["x"]
    network = unet(space, rng)
    rate, steps, decay = pace(space)
    model = DDPM(network, cosine_schedule(1000), space, sampler=ancestral_tilde, steps=50)
    return one_stage(model, adam(rate), steps, batch_size=64, ema=(network, decay), clip=1.0,
                     captured=model.captured_step)


@recipe("a DDPM that learns the variance of its steps too: lower bounds, and few steps", "Nichol & Dhariwal 2021")
def improved_ddpm(data, rng):
    """As ddpm, but for the second image that the network returns."""
    space = data.spaces["x"]
    network = unet(space, rng, out=2)
    rate, steps, decay = pace(space)
    model = ImprovedDDPM(network, cosine_schedule(1000), space)
    return one_stage(model, adam(rate), steps, batch_size=64, ema=(network, decay), clip=1.0)


@recipe("one network for the scores under many levels of noise, and a walk down them", "Song & Ermon 2019",
        accepts=IMAGES + POINTS)
def ncsn(data, rng):
    space = data.spaces["x"]
    if not space.is_image:
        model = NCSN(TimedMLP(space.size, rng=rng), geometric_levels(12, 0.05, 6.0), space, steps=50)
        return one_stage(model, adam(cosine_decay(5e-3)), steps=4000, batch_size=256, ema=(model.network, 0.99))
    # sigma_1 is about the largest distance between two images (Song & Ermon 2020, technique 1), not 1
    levels = geometric_levels(20, 0.03, 8.0 if small(space) else 20.0)
    steps = 5  # 100 passes through the network, where the paper's 100 of each level are 2,000
    model = NCSN(unet(space, rng), levels, space, steps=steps, rate=rate_for(levels, steps))
    return one_stage(model, adam(linear_warmup(cosine_decay(2e-3), 0.05)), steps=2500 if small(space) else 7000,
                     batch_size=32,  # each with two draws of the noise
                     ema=(model.network, 0.995), clip=0.5 * space.size)  # the loss is a sum over pixels


@recipe("the scores of a continuum of levels: samples and likelihoods by differential equations", "Song et al. 2021",
        accepts=IMAGES + POINTS)
def ve_sde(data, rng):
    space = data.spaces["x"]
    if not space.is_image:
        model = ScoreSDE(TimedMLP(space.size, rng=rng), VE(), space, steps=200)
        return one_stage(model, adam(cosine_decay(5e-3)), steps=4000, batch_size=256, ema=(model.network, 0.99))
    model = ScoreSDE(unet(space, rng), VE(), space, steps=100, sampler=ancestral_tilde)  # the paper: 500 and more
    return one_stage(model, adam(linear_warmup(cosine_decay(2e-3), 0.05)), steps=2500 if small(space) else 7000,
                     batch_size=64, ema=(model.network, 0.995), clip=0.5 * space.size)


@recipe("a denoiser whose network sees and says numbers of one size at every noise", "Karras et al. 2022",
        accepts=IMAGES + POINTS)
def edm(data, rng):
    space = data.spaces["x"]
    sd = float(space.signed(data["x"][:2000]).std())  # the paper: 0.5, that of its images
    if not space.is_image:
        model = EDM(TimedMLP(space.size, rng=rng), space, sd=sd)
        return one_stage(model, adam(cosine_decay(5e-3)), steps=4000, batch_size=256, ema=(model.network, 0.99))
    rate, steps, decay = pace(space)
    model = EDM(unet(space, rng), space, sd=sd)
    return one_stage(model, adam(rate), steps, batch_size=64, ema=(model.network, decay), clip=1.0)


@recipe("straight lines from data to noise, and the velocity along them", "Lipman et al. 2023", accepts=IMAGES + POINTS)
def flow_matching(data, rng):
    space = data.spaces["x"]
    if not space.is_image:
        model = FlowMatching(TimedMLP(space.size, rng=rng), space, steps=40)
        return one_stage(model, adam(cosine_decay(5e-3)), steps=4000, batch_size=256, ema=(model.network, 0.99))
    rate, steps, decay = pace(space)
    model = FlowMatching(unet(space, rng), space)
    return one_stage(model, adam(rate), steps, batch_size=64, ema=(model.network, decay), clip=1.0)


@recipe("a flow of the pairs that another flow makes: straighter, so that few steps do", "Liu et al. 2023",
        data="two_moons", accepts=POINTS, needs={"flow": "flow_matching"})
def rectified_flow(data, rng, flow):
    network = thawed(flow).network  # from where the first one stands
    model = Rectified(network, flow, straight_levels(10))
    return one_stage(model, adam(cosine_decay(2e-3)), steps=2000, batch_size=256, ema=(network, 0.99))


@recipe("told the class or nothing, and led by the difference", "Ho & Salimans 2022", accepts=LABELLED)
def classifier_free(data, rng):
    """As ddpm, told the class."""
    space, labels = data.spaces["x"], data.spaces["y"]
    network = unet(space, rng, condition=labels.levels)
    rate, steps, decay = pace(space)
    model = ClassifierFree(network, cosine_schedule(1000), space, labels)
    return one_stage(model, adam(rate), steps, batch_size=64, ema=(network, decay), clip=1.0)


@recipe("a transformer in the place of the U-Net, told the class or nothing", "Peebles & Xie 2023", accepts=LABELLED)
def dit(data, rng):
    """As classifier_free, with another network: 0.3 M parameters, where the paper's smallest has 33 M."""
    space, labels = data.spaces["x"], data.spaces["y"]
    network = DiT(space.shape[0], width=64, blocks=4, heads=4, patch=2 if small(space) else 4,
                  condition=labels.levels, rng=rng)
    rate, steps, decay = pace(space)
    model = ClassifierFree(network, cosine_schedule(1000), space, labels)
    return one_stage(model, adam(rate), steps, batch_size=64, ema=(network, decay), clip=1.0)


@recipe("a diffusion that was told no class, led to one by a classifier of noisy images", "Dhariwal & Nichol 2021",
        accepts=LABELLED, needs={"diffusion": "ddpm", "classifier": "noisy_classifier"})
def classifier_guided(data, rng, diffusion, classifier):
    return Plan(ClassifierGuided(diffusion, classifier))  # both were trained: nothing is left to be


@recipe("a DDPM that is trained on to see what is known of an image, and which pixels", "Nichol et al. 2021",
        accepts=("digits", "mnist", "critters", "kinds"), needs={"diffusion": "ddpm"})
def inpainting_ddpm(data, rng, diffusion):
    """As many steps again as ddpm took: it knows what images are like, and learns to look."""
    space = data.spaces["x"]
    network = unet(space, rng, beside=space.shape[0] + 1)
    _, steps, decay = pace(space)
    return one_stage(InpaintingDDPM(network, diffusion), adam(cosine_decay(2e-3)), steps, batch_size=64,
                     ema=(network, decay), clip=1.0)


# A cascade, 8 -> 16 -> 32 pixels: three networks that are trained apart

COLOURED = ("critters", "kinds")


@recipe("the first of a cascade: images at a quarter of their resolution", "Ho et al. 2022", data="critters",
        accepts=COLOURED)
def cascade_base(data, rng):
    space, labels = halved_space(data.spaces["x"], 2), data.spaces["y"]
    network = UNet(space.shape[0], width=32, multipliers=(1, 2), blocks=1, condition=labels.levels, rng=rng)
    model = ClassifierFree(network, cosine_schedule(1000), space, labels, steps=25, limit=dynamically_clipped)
    return one_stage(Small(model, 2), adam(linear_warmup(cosine_decay(2e-3, final=1e-4), 0.05)), steps=4000,
                     batch_size=32, ema=(network, 0.998), clip=1.0)


@recipe("the second of a cascade: from 8 x 8 to 16 x 16 pixels", "Ho et al. 2022", data="critters", accepts=COLOURED)
def upsampler_to_half(data, rng):
    model, plan = upsampler(halved_space(data.spaces["x"]), data.spaces["y"], patch=1, rng=rng)
    return plan(Small(model, 1))


@recipe("the third of a cascade: from half the resolution to the whole", "Ho et al. 2022", data="critters",
        accepts=COLOURED)
def upsampler_to_whole(data, rng):
    model, plan = upsampler(data.spaces["x"], data.spaces["y"], patch=2, rng=rng)
    return plan(model)


def upsampler(space, labels, patch, rng):
    """(an upsampler to images of this space, and how the model that it is, or is in, is trained). It looks at a
    neighbourhood, and needs to be no larger at 32 pixels than at 16."""
    network = SuperResolutionUNet(space.shape[0], width=24, multipliers=(1, 2), blocks=1, patch=patch,
                                  condition=labels.levels, rng=rng)
    rate = linear_warmup(cosine_decay(2e-3, final=1e-4), 0.05)
    return (SuperResolution(network, cosine_schedule(1000), space, Classes(labels), steps=10),  # much is known already
            lambda model: one_stage(model, adam(rate), steps=4000, batch_size=16, ema=(network, 0.998), clip=1.0))


@recipe("small images, and others that draw them larger: 8, 16, 32 pixels", "Ho et al. 2022", data="critters",
        accepts=COLOURED,
        needs={"base": "cascade_base", "to_half": "upsampler_to_half", "to_whole": "upsampler_to_whole"})
def cascade(data, rng, base, to_half, to_whole):
    return Plan(Cascade(base, [to_half, to_whole]))  # all were trained: nothing is left to be


def students(teacher):
    """Two networks to distill a ddpm into, which begin as its own. That says eps, and F is -eps at little noise."""
    networks = [thawed(teacher).network for _ in range(2)]
    for network in networks:
        for p in network.head[-1].parameters():
            p.assign(-p.data)
    return networks


@recipe("a diffusion in half its steps, and in half of these, down to one", "Salimans & Ho 2022",
        needs={"teacher": "ddpm"})
def progressive(data, rng, teacher):
    rounds, steps = 4, 400 if small(data.spaces["x"]) else 1500
    model = Progressive(*students(teacher), teacher, teacher.schedule.levels(2**rounds), rounds)
    rate = adam(linear_warmup(cosine_decay(1e-3), 0.05))  # to 0 in each round: its end is the next one's teacher
    names = (f"{2**left} steps" for left in reversed(range(rounds)))
    return Plan(model, [Stage(name, model.players, rate, steps, batch_size=64, begin=model.halve, clip=1.0)
                        for name in names])


@recipe("a diffusion's way from noise to an image as one step, learnt from that diffusion", "Song et al. 2023",
        needs={"teacher": "ddpm"})
def consistency(data, rng, teacher):
    space = data.spaces["x"]
    network, target = students(teacher)
    sd = float(space.signed(data["x"][:2000]).std())
    model = Consistency(network, target, teacher, teacher.schedule.levels(18), sd=sd)
    return one_stage(model, adam(linear_warmup(cosine_decay(1e-3), 0.05)), steps=1500 if small(space) else 5000,
                     batch_size=64, ema=(network, 0.99), clip=1.0)


@recipe("a diffusion of the small images that an autoencoder makes, told the class", "Rombach et al. 2022",
        data="critters", accepts=("digits", "mnist10k", "mnist", "fashion_mnist", "critters", "kinds"),
        needs={"autoencoder": "kl_ae"})
def latent_diffusion(data, rng, autoencoder):
    return latents(data, rng, autoencoder)


@recipe("diffusion on what a VQ-VAE's encoder says before it is rounded", "Rombach et al. 2022", data="critters",
        accepts=("critters", "kinds"), needs={"autoencoder": "vqvae"})
def vq_latent_diffusion(data, rng, autoencoder):
    return latents(data, rng, autoencoder)


def latents(data, rng, autoencoder):
    first_stage, labels = FirstStage(autoencoder).scaled_by(data["x"], rng), data.spaces["y"]
    network = latent_unet(first_stage.shape, rng, condition=labels.levels)
    model = LatentDiffusion(first_stage, network, cosine_schedule(1000), labels)
    rate = linear_warmup(cosine_decay(2e-3, final=5e-5), 0.02)
    return one_stage(model, adam(rate), steps=3000 if small(data.spaces["x"]) else 7000, batch_size=32,
                     ema=(network, 0.998), clip=1.0)


def latent_unet(shape, rng, **told):
    """`unet` for latents (c, h, w): the squares of pixels are in their channels already, and with 4 x 4 places at the
    second level, attention in the middle alone will do."""
    settings = dict(width=16, multipliers=(1, 2)) if shape[1] < 7 else dict(width=24, multipliers=(1, 2, 3))
    return UNet(shape[0], blocks=1, rng=rng, **settings, **told)
