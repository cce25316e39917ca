"""Recipes of autoencoders, from the linear one to the VAE."""
from functools import partial

from autograd import silu

from ..autoencoders.priors import Normal, Petals
from ..data import few_labels
from ..data.catalog import CAPTIONED
from ..data.shapes.pairs import fresh
from ..flows.posterior import IAF, Planar
from ..models.autoencoders import (
    AAE,
    IWAE,
    M1M2,
    M2,
    VAE,
    WAEGAN,
    WAEMMD,
    Autoencoder,
    DenoisingAutoencoder,
    FlowVAE,
    HierarchicalVAE,
    KLAutoencoder,
    KSparseAutoencoder,
    LinearAutoencoder,
    LossyVAE,
    MoleculeVAE,
    SparseAutoencoder,
)
from ..models.autoencoders.iwae import later
from ..nn import MLP, Sequential
from ..nn.autoencoder import conv_pair
from ..optim import adam, adamw, cosine_decay, linear_warmup, step_decay
from ..train import one_stage
from .registry import IMAGES, LABELLED, POINTS, TEXTS, few_levels, recipe


@recipe("linear autoencoder: finds the plane of PCA", "Baldi & Hornik 1989", accepts=IMAGES + POINTS)
def linear_ae(data, rng):
    space = data.spaces["x"]
    model = LinearAutoencoder(space, latent=2 if space.is_image else 1, rng=rng).center(data["x"])
    return one_stage(model, adam(cosine_decay(1e-2)), steps=2000, batch_size=100)


@recipe("autoencoder: a code of few numbers for each image", "Hinton & Salakhutdinov 2006", accepts=IMAGES + POINTS)
def ae(data, rng):
    space = data.spaces["x"]
    model = Autoencoder(space, latent=16 if space.is_image else 1, rng=rng)
    return one_stage(model, adam(cosine_decay(1e-3)), steps=2000, batch_size=100)


@recipe("autoencoder of convolutions and transposed convolutions", "Masci et al. 2011", data="mnist10k")
def conv_ae(data, rng):
    model = Autoencoder(data.spaces["x"], latent=16, hidden=(16, 32), networks=conv_pair, rng=rng)
    return one_stage(model, adam(cosine_decay(3e-3)), steps=2000, batch_size=64)


@recipe("denoising autoencoder: learns the score, draws by it", "Alain & Bengio 2014", data="mnist10k",
        accepts=IMAGES + POINTS)
def denoising_ae(data, rng):
    space = data.spaces["x"]
    if not space.is_image:
        model = DenoisingAutoencoder(MLP((2, 128, 128, 2), silu, rng=rng), space, sigma=0.3)
        return one_stage(model, adam(cosine_decay(1e-2)), steps=4000, batch_size=500)
    networks = conv_pair(space.shape, (16, 32), code=128, latent=128, rng=rng)  # a wide code, as narrow ones blur
    sigma = 0.3 if min(space.shape[1:]) < 16 else 0.5  # the small digits bear less noise
    return one_stage(DenoisingAutoencoder(Sequential(*networks), space, sigma), adam(cosine_decay(2e-3)), steps=2000,
                     batch_size=64)


@recipe("sparse autoencoder: each unit active for few images", "Ng 2011", data="mnist10k")
def sparse_ae(data, rng):
    return one_stage(SparseAutoencoder(data.spaces["x"], units=256, rng=rng), adam(cosine_decay(3e-3)), steps=6000,
                     batch_size=100)


@recipe("k-sparse autoencoder: k units active for each image", "Makhzani & Frey 2014", data="mnist10k")
def k_sparse_ae(data, rng):
    return one_stage(KSparseAutoencoder(data.spaces["x"], units=256, k=25, rng=rng), adam(cosine_decay(2e-3)),
                     steps=3000, batch_size=100)


@recipe("variational autoencoder, on a bound of the likelihood", "Kingma & Welling 2014", data="mnist10k",
        accepts=IMAGES + POINTS)
def vae(data, rng):
    """The decoder that suits the data: categorical for few gray levels, Bernoulli for bits and for many."""
    space = data.spaces["x"]
    if not space.is_image:
        model = VAE(space, "gaussian", latent=2, hidden=(128, 128), rng=rng)
        return one_stage(model, adam(cosine_decay(2e-3)), steps=3000, batch_size=100, ema=0.99)
    if few_levels(space):
        model = VAE(space, "categorical", latent=12, hidden=(512,), rng=rng)
        # so strong a decay because there are 1,000 digits, which the network could learn by heart
        return one_stage(model, adamw(cosine_decay(2e-3), weight_decay=1.0), steps=700, batch_size=100, ema=0.99)
    if len(data) < 20_000:  # soon done: few latents, so that what is drawn from the prior looks like what was encoded
        model = VAE(space, "bernoulli", latent=8, hidden=(500, 500), rng=rng)
        return one_stage(model, adam(cosine_decay(2e-3)), steps=1500, batch_size=100, ema=0.99)
    model = VAE(space, "bernoulli", latent=40, hidden=(500, 500), rng=rng)
    return one_stage(model, adam(step_decay(1e-3, at=(2 / 3,), factor=0.3)), steps=30_000, batch_size=128)


@recipe("variational autoencoder of convolutions", "Kingma & Welling 2014", data="mnist10k")
def conv_vae(data, rng):
    """`vae` with convolutions."""
    space = data.spaces["x"]
    if few_levels(space):
        model = VAE(space, "categorical", latent=12, hidden=(32, 64), networks=conv_pair, rng=rng)
        return one_stage(model, adamw(cosine_decay(2e-3), weight_decay=1.0), steps=1500, batch_size=100, ema=0.99)
    model = VAE(space, "bernoulli", latent=20, hidden=(16, 32), networks=conv_pair, rng=rng)
    return one_stage(model, adam(cosine_decay(3e-3)), steps=2000, batch_size=64, ema=0.99)


@recipe("VAE trained on the bound of several draws", "Burda et al. 2016", data="mnist10k")
def iwae(data, rng):
    space = data.spaces["x"]
    if few_levels(space):
        model = IWAE(space, "categorical", latent=12, hidden=(512,), k=later(5, 0.6), rng=rng)
        return one_stage(model, adamw(cosine_decay(2e-3), weight_decay=1.0), steps=700, batch_size=100, ema=0.99)
    # one draw for the first part, as in minutes a VAE learns more from it; the paper has 5 or 50 all the time, for days
    model = IWAE(space, latent=50, hidden=(200, 200), k=later(5, 0.6), rng=rng)
    return one_stage(model, adam(cosine_decay(2e-3)), steps=5000 if len(data) < 20_000 else 30_000, batch_size=100)


@recipe("VAE of two layers of latents, kept alive by a warm-up", "Sonderby et al. 2016", data="mnist10k")
def hierarchical_vae(data, rng):
    space = data.spaces["x"]
    if few_levels(space):
        model = HierarchicalVAE(space, "categorical", latents=(12, 6), hidden=((512,), (64,)), rng=rng)
        return one_stage(model, adamw(cosine_decay(2e-3), weight_decay=1.0), steps=1000, batch_size=100, ema=0.99)
    model = HierarchicalVAE(space, latents=(50, 20), hidden=((200, 200), (100,)), rng=rng)
    return one_stage(model, adam(cosine_decay(1e-3)), steps=5000 if len(data) < 20_000 else 25_000, batch_size=100)


@recipe("VAE whose posterior is a planar flow", "Rezende & Mohamed 2015", data="mnist10k")
def planar_vae(data, rng):
    return flow_vae(data, partial(Planar, K=10), rng)


@recipe("VAE whose posterior is an inverse autoregressive flow", "Kingma et al. 2016", data="mnist10k")
def iaf_vae(data, rng):
    return flow_vae(data, partial(IAF, steps=2, hidden=(200,)), rng)


def flow_vae(data, flow, rng):
    space = data.spaces["x"]
    if few_levels(space):
        model = FlowVAE(space, flow, "categorical", latent=12, hidden=(512,), rng=rng)
        return one_stage(model, adamw(cosine_decay(2e-3), weight_decay=1.0), steps=700, batch_size=100, ema=0.99)
    model = FlowVAE(space, flow, latent=40, hidden=(200, 200), rng=rng)
    return one_stage(model, adam(cosine_decay(1e-3)), steps=5000 if len(data) < 20_000 else 25_000, batch_size=100)


@recipe("VAE with a decoder that could do without its code", "Chen et al. 2017",
        accepts=("digits", "mnist", "binarized_mnist"))
def lossy_vae(data, rng):
    space = data.spaces["x"]
    model = LossyVAE(space, latent=8, least=0.5, rng=rng)  # of free bits, or no latent is in use
    decay = 1.0 if len(data) < 5000 else 0.01  # 1,000 digits are learned by heart
    return one_stage(model, adamw(cosine_decay(2e-3), weight_decay=decay), steps=1500, batch_size=100, ema=0.99)


@recipe("adversarial autoencoder: codes that a discriminator takes for draws of a Gaussian", "Makhzani et al. 2015",
        data="mnist10k")
def aae(data, rng):
    space = data.spaces["x"]
    hidden = (256,) if min(space.shape[1:]) < 16 else (500, 500)  # the paper has 1,000 units a layer
    model = AAE(space, Normal(8), hidden, rng=rng)
    return one_stage(model, three_phases(), steps=3000, batch_size=200)


@recipe("adversarial autoencoder in the plane, each class a petal of a flower", "Makhzani et al. 2015", data="mnist10k",
        accepts=LABELLED)
def labelled_aae(data, rng):
    space = data.spaces["x"]
    hidden = (256,) if min(space.shape[1:]) < 16 else (500, 500)
    model = AAE(space, Petals(data.spaces["y"].levels), hidden, labels=True, rng=rng)
    return one_stage(model, three_phases(), steps=3000, batch_size=200)


def three_phases():
    """Optimizers of the three players of an AAE. With beta_1 = 0.9 players who oppose each other overshoot. D is the
    fastest, and still moves when the others come to rest: so they rest where it can tell nothing. The encoder follows D
    faster than the reconstruction: Adam's steps do not know which loss is the steeper."""
    rates = {"autoencoder": cosine_decay(5e-4), "D": cosine_decay(2e-3, final=1e-3), "encoder": cosine_decay(1e-3)}
    return {name: adam(rate, betas=(0.5, 0.999)) for name, rate in rates.items()}


@recipe("Wasserstein autoencoder: codes near a Gaussian by their MMD", "Tolstikhin et al. 2018", data="mnist10k")
def wae_mmd(data, rng):
    # the paper's lambda is 10, with which codes stay further from the prior
    model = WAEMMD(data.spaces["x"], Normal(8), weight=300.0, rng=rng)
    return one_stage(model, adam(cosine_decay(3e-3)), steps=2500, batch_size=200, ema=0.99)


@recipe("Wasserstein autoencoder: codes near a Gaussian by an adversary", "Tolstikhin et al. 2018", data="mnist10k")
def wae_gan(data, rng):
    model = WAEGAN(data.spaces["x"], Normal(8), weight=10.0, rng=rng)
    optimizers = {"D": adam(cosine_decay(2e-3, final=1e-3), betas=(0.5, 0.999)),  # as in three_phases
                  "autoencoder": adam(cosine_decay(2e-3), betas=(0.5, 0.999))}
    return one_stage(model, optimizers, steps=2500, batch_size=200, ema=0.99)


@recipe("autoencoder whose code is a small image, for a diffusion to draw", "Rombach et al. 2022", data="critters")
def kl_ae(data, rng):
    space = data.spaces["x"]
    twice = min(space.shape[1:]) >= 28 and not any(side % 4 for side in space.shape[1:])
    model = KLAutoencoder(space, channels=4 if twice or space.shape[0] == 3 else 2, width=32,  # fewer than pixels
                          halvings=2 if twice else 1,
                          weight=2e-3, rng=rng)  # the paper's 1e-6 leaves the scale of z to chance
    # many small batches at a high rate: in as much time, larger ones make fewer steps
    return one_stage(model, adam(linear_warmup(cosine_decay(1e-2), 0.05)), steps=3600, batch_size=8,
                     view=fresh if data.name in CAPTIONED else None, ema=0.99, clip=1.0)


@recipe("VAE with the label as a latent: classifies from 100 labels", "Kingma et al. 2014", data="mnist10k",
        accepts=LABELLED)
def m2(data, rng):
    view, labels = hundred_labels(data, rng)
    model = M2(data.spaces["x"], data.spaces["y"].levels, share=labels / len(data), rng=rng)
    return one_stage(model, adam(cosine_decay(1e-3)), steps=4000, batch_size=labels, view=view)


@recipe("the same on the codes of a VAE", "Kingma et al. 2014", data="mnist10k", accepts=LABELLED,
        needs={"features": "vae"})
def m1_m2(data, rng, features):
    view, labels = hundred_labels(data, rng)
    model = M1M2(features, data.spaces["x"], data.spaces["y"].levels, share=labels / len(data), rng=rng)
    return one_stage(model, adam(cosine_decay(1e-3)), steps=4000, batch_size=labels, view=view)


def hundred_labels(data, rng):
    """(a Stage's view in which about 100 examples have labels, how many)."""
    view = partial(few_labels, n=100, seed=int(rng.integers(2**31)))
    return view, len(view(data).sets["labelled"])


@recipe("molecules as points in a space, and their properties", "Gomez-Bombarelli et al. 2018", data="qm9",
        accepts=TEXTS)
def molecule_vae(data, rng):
    return molecules(data, beta=0.1, steps=1700, rng=rng)  # at 1 no code says anything


@recipe("the same with all of the KL: molecules from the prior, and codes that say nothing",
        "Gomez-Bombarelli et al. 2018", data="qm9", accepts=TEXTS)
def molecule_elbo(data, rng):
    return molecules(data, beta=1.0, steps=1100, rng=rng)


def molecules(data, beta, steps, rng):
    model = MoleculeVAE(data.spaces["x"], data["properties"], beta=beta, rng=rng)
    return one_stage(model, adam(linear_warmup(cosine_decay(3e-3), 0.05)), steps, batch_size=128, clip=5.0, ema=0.99)
