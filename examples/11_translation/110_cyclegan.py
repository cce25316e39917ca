"""Bold letters from letters in regular weight, by two sets that have no letter in common.

Nobody has shown the translators a letter in both weights. D asks for bold letters; that one must get back to the
letter asks that it stay the same one. With lambda = 0, which takes the identity loss away, too, D is content with what
looks bold. A small cycle error proves nothing by itself: the way back can be hidden in the picture, and a little noise
shows whether it is. Here there is a truth to be held against; its floor is to do nothing. Writes 110_cyclegan.png.
Course: 7.6.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.evaluate import evaluate
from minigen.train import Run, train

STEPS, SHOWN = 400, 20

glyphs, test = data.load("glyphs"), data.load("glyphs", "test")
print(glyphs.note, test.note, sep="\n")


def trained(weight, steps):
    noise = rng(0)
    plan = recipes.find("cyclegan").plan(glyphs, noise)
    plan.model.weight = weight
    return train(Run(plan, glyphs, rng=noise, steps=steps))


rows = {"regular": test["a"][:SHOWN] / 255}
for name, weight, steps in ("translated", 10.0, STEPS), ("without a cycle", 0.0, STEPS // 3):
    run = trained(weight, steps)
    with run.evaluating():
        print(f"{name}: {run.seconds:.0f} s", *evaluate(run.model, test, rng(1), glyphs), sep="\n  ")
        rows[name] = run.model.translate(test["a"][:SHOWN])
    if weight:
        curves = run.history.curves()
rows["bold: the truth"] = test["b"][:SHOWN] / 255

figure, (left, right) = plt.subplots(1, 2, figsize=(16, 3.6), layout="constrained", width_ratios=[3, 1])
left.imshow(plot.sheet(np.concatenate(list(rows.values())), columns=SHOWN), cmap="gray")
left.set_yticks((np.arange(len(rows)) + 0.5) * left.get_ylim()[0] / len(rows), list(rows))
left.set(xticks=[], title="letters of the test split, which no network has seen in either weight")
for name in ("L_cyc", "L_identity", "L_GAN"):
    steps, values = curves[f"train/G and F: {name}"]
    right.plot(steps, values, label=name)
right.set(title="what the translators descend", xlabel="step", yscale="log")
right.legend(frameon=False)
figure.savefig("110_cyclegan.png", dpi=100)
print("wrote 110_cyclegan.png")
