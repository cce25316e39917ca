"""Models that are fitted by counting: independent pixels, and the Markov chain in its two forms.

What a model believes is what it draws. Independent pixels know where ink is likely; the shared chain knows
which gray follows which, and not where it is; the chain with a table for each place knows both, but never the
row above. Writes 04_counting.png.
Course: 1.2, 1.3, 1.4.
"""
from autograd.backend import rng
from minigen import data, plot
from minigen.models.basics import IndependentPixels, MarkovChain

train, test = data.load("digits"), data.load("digits", "test")
space = train.spaces["x"]

models = {
    "independent pixels": IndependentPixels(space),
    "Markov chain, one table": MarkovChain(space, shared=True),
    "Markov chain, a table per place": MarkovChain(space),
}
pictures = {"digits": space.drawn(train["x"][:36])}
for name, model in models.items():
    model.fit(train["x"])
    nll, parameters = model.measure(test.columns, rng(0))
    print(f"{name:32} {nll.number()}, {parameters.value:,} parameters")
    pictures[f"{name}\n{nll.number()}, {parameters.value:,} parameters"] = model.sample(36, rng(0))

print(test.note)
plot.sheets(pictures, "04_counting.png")
print("wrote 04_counting.png")
