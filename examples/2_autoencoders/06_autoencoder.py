"""An autoencoder with a code of two numbers: what it keeps, and what it makes of codes that no image has.

The codes of the ten digits lie wherever descent has put them, with holes in between. A code from a hole gives
an image of nothing: an autoencoder reconstructs, it does not generate. Writes 06_autoencoder.png.
Course: 3.1.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, latents, plot
from minigen.models.autoencoders import Autoencoder
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS = 3000

digits, test = data.load("digits"), data.load("digits", "test")
noise = rng(0)
model = Autoencoder(digits.spaces["x"], latent=2, hidden=(256, 128), rng=noise)
train(Run(one_stage(model, adam(cosine_decay(2e-3)), STEPS, batch_size=100), digits, rng=noise))
print(test.note)
print(model.measure(test.columns, noise)[0])

z = model.encode(digits["x"])  # (N, 2)
low, high = z.min(axis=0), z.max(axis=0)
grid = np.stack(np.meshgrid(np.linspace(low[0], high[0], 16), np.linspace(high[1], low[1], 16)), axis=-1)

figure, axes = plt.subplots(1, 3, figsize=(15, 5), layout="constrained", width_ratios=[1.15, 1, 1])
colours = axes[0].scatter(*z.T, c=digits["y"], cmap="tab10", vmin=-0.5, vmax=9.5, s=8)
figure.colorbar(colours, ax=axes[0], ticks=range(10))
axes[0].set(title="codes of the training digits", xlabel="z1", ylabel="z2")
axes[1].imshow(plot.sheet(model.decode(grid.reshape(-1, 2))))
axes[1].set(title="what is decoded over the same range", xlabel="z1", ylabel="z2", xticks=[], yticks=[])
axes[2].imshow(plot.sheet(latents.reconstructions(model, test["x"][:32], columns=8), columns=8))
axes[2].set(title="test digits, reconstructions below", xticks=[], yticks=[])
figure.savefig("06_autoencoder.png", dpi=120)
print("wrote 06_autoencoder.png")
