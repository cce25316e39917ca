"""Stable Diffusion on captioned shapes: what it draws, where it looked, and what becomes of a picture that it edits.

An autoencoder makes 4 x 8 x 8 numbers of a picture, CLIP's frozen text encoder a vector of each word, and every place
of the latents asks the words. An exact reader then says of how many pictures their caption is true; the autoencoder's
own reconstructions are the ceiling. Left: pictures, and where the network looked for the words of their colours. Right:
an edit begins at a picture that is there, noised, and is told another caption. Of strength 0 it is the picture, but for
the autoencoder; of strength 1 a new one. Writes 127_stable_diffusion.png.
Course: 9.12.
"""
import time
from textwrap import fill

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

SECONDS = 900  # of computing, for the diffusion; a third of it for each part
STEPS, SAMPLES = 80, 300  # calls of the network for a picture, two for each step; pictures
ASKED = ["a red circle left of a blue square", "a green cross above a yellow triangle", "a cyan cross and a red circle"]

shapes, test = data.load("shapes16"), data.load("shapes16", "test").first(SAMPLES)
x, text = test.spaces["x"].drawn(test["x"]), test["text"]


def trained(name, seconds, **parts):
    noise = rng(0)
    run = train(Run(find(name).plan(shapes, noise, **parts), shapes, rng=noise, budget=seconds),
                clock=time.process_time)
    print(f"{name}: {run.step:,} steps in {seconds:g} s, {run.model.num_parameters():,} parameters", flush=True)
    return run.settled()


autoencoder, clip = Frozen(trained("kl_ae", SECONDS / 3)), Frozen(trained("clip", SECONDS / 3))
print(*judge_reconstructions(autoencoder.reconstruct(test["x"]), shapes, test), sep="\n")
model = trained("stable_diffusion", SECONDS, autoencoder=autoencoder, clip=clip)
model.levels = model.schedule.levels(STEPS // 2)
for w in 0.0, model.w:
    drawn, maps = model.attended(text, rng(1), w=w)
    measures = *shape_measures(drawn, x, text, text), looking_measure(drawn, text, maps)
    print(f"s = 1 + w = {1 + w:g}", *measures, sep="\n  ")

figure = plt.figure(figsize=(15, 5.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(3, 5))


def show(axes, image, title="", said=""):
    axes.imshow(image, cmap="magma")
    axes.set(title=title, ylabel=fill(said, 20), xticks=[], yticks=[])


drawn, maps = model.attended(encode(ASKED), rng(2))
for row, picture, looked, caption in zip(left.subplots(3, 3), drawn, maps, ASKED):
    show(row[0], picture.transpose(1, 2, 0), said=caption)
    for axes, word in zip(row[1:], [word for word in caption.split() if word in COLOURS]):
        show(axes, looked[caption.split().index(word)], f'"{word}"')
for column, strength in zip(right.subplots(3, 6).T, np.linspace(0, 1, 6)):
    for i, (axes, image) in enumerate(zip(column, model.edit(test["x"][:3], encode(ASKED[::-1]), strength, rng(3)))):
        show(axes, image.transpose(1, 2, 0), "" if i else f"strength {strength:.1f}", "" if strength else ASKED[-1 - i])
figure.savefig("127_stable_diffusion.png", dpi=100)
print("wrote 127_stable_diffusion.png")
