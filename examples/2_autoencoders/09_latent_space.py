"""A walk through a latent space of two numbers: where digits lie, what is between, and how to turn a 0 into a
6.

Resynthesis: encode an image, shift its code by the way from the mean 0 to the mean 6, decode. Nothing was
trained for it; the direction is simply there. Writes 09_latent_space.png.
Course: 4.7.
"""
import matplotlib.pyplot as plt

from autograd.backend import rng
from minigen import data, latents, plot
from minigen.models.autoencoders import VAE
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS = 1500
FROM, TO = 0, 6

digits, test = data.load("digits"), data.load("digits", "test")
noise = rng(0)
model = VAE(digits.spaces["x"], "categorical", latent=2, hidden=(256,), rng=noise)
train(Run(one_stage(model, adam(cosine_decay(3e-3)), STEPS, batch_size=100), digits, rng=noise))
print(test.note)
print(model.measure(test.columns, noise, k=100)[0])

first, last = (digits["x"][digits["y"] == y] for y in (FROM, TO))
shift = latents.direction(model, first, last)
moved = latents.resynthesize(model, test["x"][test["y"] == FROM][:8], shift, steps=8)
print(f"from {FROM} to {TO}: shift the code by ({shift[0]:.2f}, {shift[1]:.2f})")

figure, axes = plt.subplots(1, 3, figsize=(15, 5), layout="constrained", width_ratios=[1.15, 1, 1])
left, middle, right = axes
colours = left.scatter(*model.encode(test["x"]).T, c=test["y"], cmap="tab10", vmin=-0.5, vmax=9.5, s=12)
figure.colorbar(colours, ax=left, ticks=range(10))
start = model.encode(first).mean(axis=0)
left.annotate("", start + shift, start, arrowprops={"arrowstyle": "-|>", "linewidth": 2})
left.set(title="codes of the test digits", xlabel="z1", ylabel="z2")
middle.imshow(plot.sheet(latents.manifold(model, steps=12)))
middle.set(title="decoded at equal shares of the prior", xlabel="z1", ylabel="z2", xticks=[], yticks=[])
right.imshow(plot.sheet(moved))
right.set(title=f"test digits {FROM}, shifted towards {TO}", xticks=[], yticks=[])
figure.savefig("09_latent_space.png", dpi=120)
print("wrote 09_latent_space.png")
