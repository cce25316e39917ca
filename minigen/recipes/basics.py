"""Recipes of models that are fitted by counting, or by keeping the data: plans without a stage."""
from ..models.basics import IndependentPixels, KernelDensity, MarkovChain, NGram
from ..train import Plan
from .registry import IMAGES, POINTS, TEXTS, recipe


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


@recipe("every example a small Gaussian: the data learned by heart", "Parzen 1962", data="two_moons",
        accepts=IMAGES + POINTS)
def kernel_density(data, rng):
    return Plan(KernelDensity(data.spaces["x"], data["x"]))


@recipe("each character given the three before it, by counting", "Shannon 1948", data="qm9", accepts=TEXTS)
def ngram(data, rng):
    return Plan(NGram(data.spaces["x"], data["x"], order=4))
