"""A transformer reads digits as texts of 64 numbers, and writes new ones: what it draws, completes and looks at.

Each head of each block looks at the numbers drawn so far; nobody tells it that an image has two dimensions, and some
come to look at the pixel above. Samples may be good where the likelihood is not, and the reverse: so -log p is printed,
beside that of independent pixels and of each pixel given the one before it. With the keys and values of earlier tokens
kept, a number costs one token's work, and the samples stay the same. Writes 54_transformer.png.
Course: 6.3.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd import no_grad
from autograd.backend import asarray, rng, to_numpy
from minigen import data, plot, recipes
from minigen.models.basics import IndependentPixels, MarkovChain
from minigen.train import Run, train

STEPS = 1200
PIXEL = 8 * 5 + 4  # row 5, column 4: the one that is to be drawn next

digits, test = data.load("digits"), data.load("digits", "test")
space, noise = digits.spaces["x"], rng(0)
run = train(Run(recipes.find("transformer").plan(digits, noise), digits, rng=noise, steps=STEPS))

print(test.note)
for counting in (IndependentPixels(space), MarkovChain(space)):
    counting.fit(digits["x"])
    print(f"{type(counting).__name__}: {counting.measure(test.columns, noise)[0]}")

with run.evaluating() as model:
    for measure in model.measure(test.columns, noise):
        print(f"transformer: {measure}")
    began = time.perf_counter()
    samples = model.sample(64, rng(1))
    cached = time.perf_counter() - began
    model.predictor = lambda n: model.recompute()
    same = np.array_equal(model.sample(64, rng(1)), samples)
    uncached = time.perf_counter() - began - cached
    del model.predictor
    print(f"64 samples: {cached:.2f} s cached, {uncached:.2f} s uncached, {'the same' if same else 'others'}")

    chosen = test["x"][:8]
    halves = np.concatenate([model.complete(chosen, 32, noise) for _ in range(3)])
    upper = space.drawn(np.where(np.arange(8)[:, None] < 4, chosen, 8).astype(np.uint8))
    rows = np.concatenate([space.drawn(chosen), upper, halves])
    with no_grad():
        maps = model.transformer.weights(model.inputs(asarray(np.int64(test["x"].reshape(-1, 64)))))

figure = plt.figure(figsize=(15, 5.2), layout="constrained")
left, middle, right = figure.subfigures(1, 3, width_ratios=[1, 1, 1.25])
for part, title, picture in ((left, "samples", plot.sheet(samples)),
                             (middle, "test digits, their upper halves, completed", plot.sheet(rows, columns=8))):
    axes = part.subplots()
    axes.imshow(picture)
    axes.set_axis_off()
    part.suptitle(title)
axes = right.subplots(len(maps), len(maps[0][0]), squeeze=False)
for row, (line, weights) in enumerate(zip(axes, maps)):
    for panel, seen in zip(line, to_numpy(weights)[:, :, PIXEL].mean(axis=0)):  # (heads, 64), over the test digits
        panel.imshow(np.append(seen[1:], 0.0).reshape(8, 8), cmap="Blues", vmin=0)  # input j carries number j - 1
        panel.add_patch(plt.Rectangle((PIXEL % 8 - 0.5, PIXEL // 8 - 0.5), 1, 1, fill=False, color="C3", linewidth=2))
        panel.set(xticks=[], yticks=[], title=f"start {seen[0]:.0%}")
    line[0].set_ylabel(f"block {row + 1}")
right.suptitle("what the heads look at before the red pixel is drawn")
figure.savefig("54_transformer.png", dpi=100)
print("wrote 54_transformer.png")
