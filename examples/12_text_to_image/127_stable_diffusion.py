"""Stable Diffusion on captioned shapes: what it draws, where it looked, and what becomes of a picture that it edits.

An autoencoder makes 4 x 8 x 8 numbers of a picture, CLIP's frozen text encoder a vector of each word, and every place
of the latents asks the words. An exact reader then says of how many pictures their caption is true; the autoencoder's
own reconstructions are the ceiling. Left: pictures, and where the network looked for the words of their colours. Right:
an edit begins at a picture that is there, noised, and is told another caption. Of strength 0 it is the picture, but for
the autoencoder; of strength 1 a new one. Writes 127_stable_diffusion.png.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data
from minigen.data.shapes.captions import encode
from minigen.data.shapes.drawing import COLOURS
from minigen.judges import judge_reconstructions
from minigen.nn import Frozen
from minigen.recipes import find
from minigen.shapes_judge import looking_measure, shape_measures
from minigen.train import Run, train

SECONDS = 900  # of computing, for the diffusion; its parts have a third of it each
STEPS, SAMPLES = 80, 300  # calls of the network for a picture, two for each step; pictures
ASKED = ["a large red circle left of a small blue square", "a green cross above a yellow triangle", "a magenta circle"]

shapes, test = data.load("shapes16"), data.load("shapes16", "test").first(SAMPLES)
x, text = test.spaces["x"].drawn(test["x"]), test["text"]


def trained(name, seconds, **parts):
    noise = rng(0)
    run = train(Run(find(name).plan(shapes, noise, **parts), shapes, rng=noise, budget=seconds),
                clock=time.process_time)
    print(f"{name}: {run.step:,} steps in {seconds:g} s, {run.model.num_parameters():,} parameters", flush=True)
    if run.ema:
        run.ema.settle()
    return run.model.eval()


autoencoder, clip = Frozen(trained("kl_ae", SECONDS / 3)), Frozen(trained("clip", SECONDS / 3))
print(*judge_reconstructions(autoencoder.reconstruct(test["x"]), shapes, test), sep="\n")
model = trained("stable_diffusion", SECONDS, autoencoder=autoencoder, clip=clip)
model.levels = model.schedule.levels(STEPS // 2)
for w in 0.0, model.w:
    drawn, maps = model.attended(text, rng(1), w=w)
    measures = *shape_measures(drawn, x, text, text), looking_measure(drawn, text, maps)
    print(f"s = 1 + w = {1 + w:g}", *measures, sep="\n  ")

figure = plt.figure(figsize=(15, 5.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(3, 4))
drawn, maps = model.attended(encode(ASKED), rng(2))
for row, picture, looked, caption in zip(left.subplots(3, 3), drawn, maps, ASKED):
    words = [i for i, word in enumerate(caption.split()) if word in COLOURS]
    row[0].set_title(caption, fontsize=8)
    for axes, image in zip(row, [picture.transpose(1, 2, 0), *looked[words]]):
        axes.imshow(image, cmap="magma")
    for axes, i in zip(row[1:], words):
        axes.set_title(f'looked at "{caption.split()[i]}"', fontsize=8)
    for axes in row:
        axes.set_axis_off()
grid = right.subplots(3, 6)
for column, strength in zip(grid.T, np.linspace(0, 1, 6)):
    for axes, image in zip(column, model.edit(test["x"][:3], encode(ASKED), strength, rng(3))):
        axes.imshow(image.transpose(1, 2, 0))
        axes.set_title(f"strength {strength:.1f}", fontsize=8)
        axes.set_axis_off()
figure.savefig("127_stable_diffusion.png", dpi=100)
print("wrote 127_stable_diffusion.png")
