"""Recipes of classifiers: not generative, but they judge what is."""
from ..models.classifiers import CNN
from ..optim import adam, cosine_decay
from ..train import one_stage
from .registry import LABELLED, recipe


@recipe("convolutional classifier: the judge of what the others draw", "LeCun et al. 1998", accepts=LABELLED)
def classifier(data, rng):
    labels = data.spaces["parts"] if "parts" in data.spaces else data.spaces["y"]
    model = CNN(data.spaces["x"], labels, rng=rng)
    return one_stage(model, adam(cosine_decay(2e-3)), steps=600 if data.name == "digits" else 3500, batch_size=100)
