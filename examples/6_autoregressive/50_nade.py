"""NADE: digits drawn pixel by pixel, half a digit completed, and what the hidden units look at.

The likelihood is exact, and a sum over the pixels: so one can see where it is paid, next to nothing at the margin, most
where a stroke may be or not. As an image is drawn in the order in which one reads, its upper half can be given and the
lower one drawn, again and again. Each hidden unit has a weight for every pixel: these are images, too, as the paper
shows them. Writes 50_nade.png.
Course: 6.1.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import no_grad
from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.train import Run, train

STEPS = 4000
HALF = 14 * 28

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
noise = rng(0)
run = train(Run(recipes.find("nade").plan(digits, noise), digits, rng=noise, steps=STEPS))

p = (digits["x"].mean(axis=0) / 255).clip(1e-4, 1 - 1e-4)  # of white, each pixel on its own
gray = test["x"] / 255
alone = -(gray * np.log(p) + (1 - gray) * np.log(1 - p)).sum(axis=(1, 2, 3)).mean()

with run.evaluating() as model:
    nats, _ = model.measure(test.columns, noise)
    print(f"{test.note}\n{nats}\nindependent pixels: {alone:.1f} nats")
    x = model.observe(test["x"][:6], noise)
    rows = []
    for one in x:
        given = np.float32(one)
        given[:, 14:] = 0.5
        rows += [given, *model.complete(np.stack([one] * 6), HALF, noise), np.float32(one)]
    with no_grad():
        surprise = -model.log_conditionals(model.observe(test["x"], noise)).numpy().mean(axis=0).reshape(28, 28)
    samples = model.sample(64, noise)

W = run.model.W.numpy().T.reshape(-1, 1, 28, 28)
W = W[np.argsort(-np.square(W).sum(axis=(1, 2, 3)))[:64]]
W = 0.5 + 0.5 * W / np.abs(W).max(axis=(1, 2, 3), keepdims=True)

figure, panels = plt.subplots(1, 4, figsize=(21, 5), layout="constrained", width_ratios=[1, 1.33, 1, 1.15])
for axes, picture, title in (
    (panels[0], plot.sheet(samples), f"samples ({nats.number()}; pixels alone {alone:.0f})"),
    (panels[1], plot.sheet(np.stack(rows), columns=8), "upper half given; six ways to go on; the digit itself"),
    (panels[2], plot.sheet(W), "weights $W$ of the 64 strongest hidden units"),
):
    axes.imshow(picture)
    axes.set_title(title)
image = panels[3].imshow(surprise, cmap="magma")
figure.colorbar(image, ax=panels[3], shrink=0.9)
panels[3].set_title("nats per pixel: where test digits surprise")
plt.setp(panels, xticks=[], yticks=[])
figure.savefig("50_nade.png", dpi=90)
print("wrote 50_nade.png")
