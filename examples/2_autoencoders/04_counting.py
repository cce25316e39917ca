"""Models that are fitted by counting: independent pixels, and the Markov chain in its two forms.

What a model believes is what it draws. Independent pixels know where ink is likely; the shared chain knows
which gray follows which, and not where it is; the chain with a table for each place knows both, but never the
row above. Writes 04_counting.png.
"""
from autograd.backend import rng
from minigen import data, plot
from minigen.models.basics import IndependentPixels, MarkovChain

train, test = data.load("digits"), data.load("digits", "test")
shape, levels = train.image_shape, train.levels

models = {
    "independent pixels": IndependentPixels(shape, levels),
    "Markov chain, one table": MarkovChain(shape, levels, shared=True),
    "Markov chain, a table per place": MarkovChain(shape, levels),
}
pictures = {"digits": data.to_unit(train.x[:36], levels)}
for name, model in models.items():
    model.fit(train.x)
    nll, parameters = model.evaluate(test.x, test.y, rng(0))
    print(f"{name:32} {nll.measure()}, {parameters.value:,} parameters")
    pictures[f"{name}\n{nll.measure()}, {parameters.value:,} parameters"] = model.sample(36, rng(0))

print(test.note)
plot.sheets(pictures, "04_counting.png")
print("wrote 04_counting.png")
