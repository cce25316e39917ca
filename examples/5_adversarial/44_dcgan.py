"""DCGAN: the game with convolutions, on digits; the same twelve latents from the first steps to the last.

Fractionally strided convolutions, batch normalization and Adam with beta1 = 0.5 made the game work on images. There is
no likelihood to report: a classifier that never saw a sample says how many are legible, and whether every class is
drawn. What to look at as well: samples that are the same, which no average shows. Writes 44_dcgan.png.
Course: 7.4, 11.2.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.evaluate import evaluate
from minigen.train import Run

STEPS = 3000

digits, test = data.load("digits"), data.load("digits", "test")
noise = rng(0)
run = Run(recipes.find("dcgan").plan(digits, noise), digits, rng=noise, steps=STEPS)
model = run.model

z, rows, said = model.noise(12, rng(1)), [], {"D(x)": [], "D(G(z))": []}
stages = [STEPS // 100, STEPS // 30, STEPS // 10, STEPS // 3, STEPS]
for until in stages:
    while run.step < until:
        terms = run.advance()
        for name, values in said.items():
            values.append(terms[f"D: {name}"])
    with run.evaluating():
        rows.append(model.decode(z))

with run.evaluating():
    print(test.note)
    for measure in evaluate(model, test, noise, train=digits):
        print(measure)
    samples = model.sample(100, noise)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(18, 5), layout="constrained", width_ratios=[2, 1, 1.3])
left.imshow(plot.sheet(np.concatenate(rows), columns=12))
left.set(title="the same twelve z as G learns", xticks=[], ylabel="step")
left.set_yticks((np.arange(5) + 0.5) * left.get_ylim()[0] / 5, [f"{step:,}" for step in stages])
middle.imshow(plot.sheet(samples))
middle.set(title="samples", xticks=[], yticks=[])
for colour, (name, values) in zip(("C0", "C1"), said.items()):
    right.plot(values, linewidth=0.3, alpha=0.5, color=colour)
    wide = max(1, STEPS // 40)
    mean = np.convolve(values, np.ones(wide) / wide, "valid")
    right.plot(np.arange(len(mean)) + wide / 2, mean, color=colour, label=name)
right.axhline(0.5, color="k", linestyle=":")
right.set(title="what D says of digits and of samples", xlabel="step", ylim=(0, 1))
right.legend(frameon=False)
figure.savefig("44_dcgan.png", dpi=100)
print("wrote 44_dcgan.png")
