"""A transformer in the place of the U-Net: patches as tokens, and all that it is told sets how far its gates open.

Both networks are trained on digits by the same loss, told the class or nothing, for the same time of computing, and led
to the class by w. On the left are the gates of the transformer's blocks, which all began as 0, when it is told t alone.
Accuracy and Frechet distance to the valid digits are by the shipped classifier. Writes 243_dit.png.
Course: 12.15.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd import no_grad, silu
from autograd.backend import rng, to_numpy
from minigen import data, plot, recipes
from minigen.metrics import frechet_distance, mean_interval
from minigen.models.classifiers import pretrained
from minigen.train import Run, train

SECONDS, SAMPLES, SCALES, CALLS = 150, 350, [0, 1, 3], 20

digits, valid = data.load("digits"), data.load("digits", "valid").first(SAMPLES)
space, judge, y = digits.spaces["x"], pretrained("digits").judge, valid["y"]
held_out = judge(space.drawn(valid["x"]))[0]
floor = frechet_distance(judge(space.drawn(digits["x"][:len(valid)]))[0], held_out)
print(f"Frechet distance to {len(valid)} digits of the valid split: of training digits {floor:.2f}")


def trained(name):
    noise = rng(0)
    run = Run(recipes.find(name).plan(digits, noise), digits, rng=noise, budget=SECONDS)
    train(run, clock=time.process_time)
    print(f"{name}: {run.model.network.num_parameters():,} parameters, {run.step:,} steps", flush=True)
    return run.settled()


def gates(network, t):
    """Mean |gate| over the width, (2, blocks, len(t)): of attention, and of the network after it."""
    with no_grad():
        c = silu(network._code(t, None, None))
        opened = [to_numpy(block.modulation(c).data).reshape(len(t), 6, -1)[:, [2, 5]] for block in network.blocks]
    return np.abs(opened).mean(axis=-1).transpose(2, 0, 1)


top, bottom = (figure := plt.figure(figsize=(14, 8), layout="constrained")).subfigures(2, 1)
(opened, accuracy, distance), grids = top.subplots(1, 3), bottom.subplots(2, 3)
for row, (label, name) in zip(grids, (("DiT", "dit"), ("U-Net", "classifier_free"))):
    model, points = trained(name), []
    model.levels = model.schedule.levels(CALLS)
    for w in SCALES:
        z, p = judge(images := model.sample(len(y), rng(1), y=y, w=w))
        right, half = mean_interval(p.argmax(axis=1) == y)
        points.append([right, frechet_distance(z, held_out)])
        print(f"{label:5} w = {w}: accuracy {right:.3f} ± {half:.3f}, distance {points[-1][1]:.2f}", flush=True)
        in_order = images[np.argsort(y)[np.linspace(0, len(y) - 1, 40).astype(int)].reshape(10, 4).T.ravel()]
        row[SCALES.index(w)].imshow(plot.sheet(in_order, columns=10), interpolation="nearest")
        row[SCALES.index(w)].set(title=f"{label}, w = {w}", xticks=[], yticks=[])
    for axes, values in zip((accuracy, distance), np.array(points).T):
        axes.plot(SCALES, values, "o-", label=label)
    if name == "dit":
        t = np.arange(1, 1001, 20)
        for style, part, of in zip(("-", "--"), ("attention", "mlp"), gates(model.network, t)):
            for block, openness in enumerate(of):
                opened.plot(t, openness, f"C{block}{style}", label=f"block {block + 1}: {part}")
distance.axhline(floor, color="k", linestyle=":", label="training digits")
for axes, title in ((opened, "DiT: |gate|, over t"), (accuracy, "accuracy, over w"), (distance, "distance, over w")):
    axes.set_title(title)
    axes.legend(fontsize=7)
figure.savefig("243_dit.png", dpi=90)
print("wrote 243_dit.png")
