"""Colour for a line drawing: what L1 alone makes of it, and what changes when a discriminator looks, too.

A drawing of a heart does not say that it is red. L1 asks for the median of all colours that it may have, so that its
pictures are pale and brown; with D they take a side, and are coloured as real ones are, often in other colours than
the truth. That costs some L1, which is no reason to leave it out. Floors: white, and the median of all pictures, which
do not look at the drawing; and a linear map from it (ridge regression). Writes 49_pix2pix.png.
Course: 7.5.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.judges import pair_measures
from minigen.train import Run, train

STEPS, SHOWN = 600, 16

emoji, test = data.load("emoji"), data.load("emoji", "test")
x, true = (split.spaces["x"].drawn(split["x"]) for split in (emoji, test))
lines, drawn = (split.spaces["source"].drawn(split["source"]) for split in (emoji, test))

models, pictures = {"L1 alone": False, "with D": True}, {}
for name, judged in models.items():
    noise = rng(0)
    plan = recipes.find("pix2pix").plan(emoji, noise)
    if not judged:
        plan.model.discriminator = None
    run = train(Run(plan, emoji, rng=noise, steps=STEPS))
    with run.evaluating():
        pictures[name] = run.model.translate(test["source"], rng(1))
        change = run.model.measure(test.columns, rng(2))[0]
    print(f"{name}: {run.seconds:.0f} s; {test.note}", change, *pair_measures(pictures[name], true, x), sep="\n  ")

A, B = (np.concatenate([image.reshape(len(image), -1), np.ones((len(image), 1))], axis=1) for image in (lines, drawn))
W = np.linalg.solve(A.T @ A + 100 * np.eye(A.shape[1]), A.T @ x.reshape(len(x), -1))
print("a linear map:", *pair_measures((B @ W).clip(0, 1).reshape(true.shape), true, x), sep="\n  ")

rows = [drawn[:SHOWN].repeat(3, axis=1), *(images[:SHOWN] for images in pictures.values()), true[:SHOWN]]
figure, axes = plt.subplots(figsize=(14, 4), layout="constrained")
axes.imshow(plot.sheet(np.concatenate(rows), columns=SHOWN))
axes.set_yticks((np.arange(4) + 0.5) * axes.get_ylim()[0] / 4, ["drawing", *pictures, "truth"])
axes.set(xticks=[], title="emoji of the test split")
figure.savefig("49_pix2pix.png", dpi=110)
print("wrote 49_pix2pix.png")
