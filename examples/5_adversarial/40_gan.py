"""The game of a GAN on eight Gaussians: what D makes of the plane, and where G goes.

D(x) is how sure D is that a point x is data and no sample. G moves its samples to where D is high; D then learns
that samples are there now, and lowers it. The game is over where neither can gain: then the samples are distributed
as the data are, D says 1/2 wherever there are any, and its value V is -log 4. Writes 40_gan.png.
Course: 7.1, 7.2.
"""
import math

import matplotlib.pyplot as plt
import numpy as np

from autograd import Tensor, no_grad, sigmoid
from autograd.backend import rng
from minigen import data, recipes
from minigen.evaluate import evaluate
from minigen.train import Run

STEPS = 5000

points, test = data.load("eight_gaussians"), data.load("eight_gaussians", "test")
noise = rng(0)
run = Run(recipes.find("gan").plan(points, noise), points, rng=noise, steps=STEPS)
model = run.model

figure, panels = plt.subplots(1, 5, figsize=(20, 4.3), layout="constrained", width_ratios=[1, 1, 1, 1, 1.1])
at = np.linspace(-4.5, 4.5, 120, dtype=np.float32)
plane, V = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2), []
for axes, until in zip(panels, (STEPS // 100, STEPS // 20, STEPS // 5, STEPS)):
    while run.step < until:
        V.append(-run.advance()["D: -V"])
    with no_grad():
        D = sigmoid(model.discriminator(Tensor(plane))).numpy().reshape(120, 120)
    image = axes.imshow(D, origin="lower", extent=[-4.5, 4.5] * 2, vmin=0, vmax=1, cmap="coolwarm")
    axes.scatter(*points["x"][:500].T, s=4, color="gold", linewidths=0)
    axes.scatter(*model.sample(500, rng(1)).T, s=4, color="black", linewidths=0)
    axes.set(title=f"after {until:,} steps", xlabel="x1", ylabel="x2", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5))
figure.colorbar(image, ax=panels[:4], shrink=0.8, label="D(x); gold: data, black: samples")

with run.evaluating():
    for measure in evaluate(model, test, noise, train=points):
        print(measure)
print(f"V at the end: {np.mean(V[-STEPS // 10:]):.3f}; -log 4 = {-math.log(4):.3f}")
panels[4].plot(V, linewidth=0.8)
panels[4].axhline(-math.log(4), color="k", linestyle="--", label="-log 4: samples like data, D = 1/2")
panels[4].axhline(0, color="0.6", linestyle=":", label="0: D knows all samples")
panels[4].set(title="V(D, G)", xlabel="step")
panels[4].legend(frameon=False, loc="center right")
figure.savefig("40_gan.png", dpi=100)
print("wrote 40_gan.png")
