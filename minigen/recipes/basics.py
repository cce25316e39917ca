"""Recipes of models that are fitted by counting, in one pass over the data: plans without a stage."""
from ..models.basics import IndependentPixels, MarkovChain
from ..train import Plan
from .registry import recipe


@recipe("a distribution for each pixel on its own, by counting", "textbook")
def independent_pixels(data, rng):
    model = IndependentPixels(data.spaces["x"])
    model.fit(data["x"])
    return Plan(model)


@recipe("each pixel given the one before it, by counting", "textbook")
def markov_chain(data, rng):
    space = data.spaces["x"]
    model = MarkovChain(space, shared=space.levels > 32)  # else 51 M numbers for MNIST
    model.fit(data["x"])
    return Plan(model)
