"""Recipes of classifiers: not generative, but they judge what is."""
from ..diffusion import cosine_schedule
from ..models.classifiers import CNN, NoisyClassifier
from ..optim import adam, cosine_decay
from ..train import one_stage
from .registry import LABELLED, recipe


@recipe("convolutional classifier: the judge of what the others draw", "LeCun et al. 1998", accepts=LABELLED)
def classifier(data, rng):
    labels = data.spaces["parts"] if "parts" in data.spaces else data.spaces["y"]
    model = CNN(data.spaces["x"], labels, rng=rng)
    return one_stage(model, adam(cosine_decay(2e-3)), steps=600 if data.name == "digits" else 3500, batch_size=100)


@recipe("classifier of noisy images, told the time: leads a diffusion to a class", "Dhariwal & Nichol 2021",
        accepts=LABELLED)
def noisy_classifier(data, rng):
    space = data.spaces["x"]
    small = space.shape[1] < 16
    model = NoisyClassifier(space, data.spaces["y"], cosine_schedule(1000), multipliers=(1, 2) if small else (1, 2, 4),
                            rng=rng)  # the schedule is that of ddpm
    return one_stage(model, adam(cosine_decay(2e-3)), steps=1500 if small else 3000, batch_size=64, ema=0.995)
