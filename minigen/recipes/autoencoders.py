"""Recipes of autoencoders, from the linear one to the VAE."""
from autograd import silu

from ..models.autoencoders import VAE, Autoencoder, DenoisingAutoencoder, LinearAutoencoder, MoleculeVAE
from ..nn import MLP, Sequential
from ..nn.autoencoder import conv_pair
from ..optim import adam, adamw, cosine_decay, linear_warmup, step_decay
from ..train import one_stage
from .registry import IMAGES, POINTS, TEXTS, recipe


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


@recipe("molecules as points in a space, and their properties", "Gomez-Bombarelli et al. 2018", data="qm9",
        accepts=TEXTS)
def molecule_vae(data, rng):
    model = MoleculeVAE(data.spaces["x"], data["properties"],
                        beta=0.1,  # at 1 no code says anything: the decoder is a language model of its own
                        rng=rng)
    return one_stage(model, adam(linear_warmup(cosine_decay(3e-3), 0.05)), steps=1200, batch_size=256, clip=5.0,
                     ema=0.99)


def few_levels(space):
    """Whether a probability for each gray level is affordable."""
    return 2 < space.levels < 32
