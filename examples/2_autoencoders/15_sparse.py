"""What single units look for: a dense code, one whose units are rarely active, and one of the 25 largest.

Each small picture is the pattern that one unit adds to an image where it is active. Where all units may be active at
once, a pattern alone means nothing. Where only 25 may, each must be worth having alone: strokes appear, for a price
that PCA too would pay if it chose 25 of its directions for each image. The KL penalty asks for a small mean activity
and not for zeros: with large weights small activities say a lot, so its error is small and its patterns are mixed.
Sparse is not success in itself: a unit that is never active is sparsest, so the share of dead ones and of pairs that do
the same is printed beside the error. Writes 15_sparse.png.
Course: 3.4.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng, to_numpy
from minigen import data
from minigen.metrics import Measure, mean_interval
from minigen.models.autoencoders import KSparseAutoencoder, SparseAutoencoder
from minigen.models.autoencoders.linear_ae import pca
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS, UNITS, K = 3000, 256, 25

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
space = digits.spaces["x"]
models = {"dense: no penalty": (SparseAutoencoder(space, UNITS, rho=0.5, beta=0.0, rng=rng(0)), 3e-3),
          "KL penalty, rho = 0.05": (SparseAutoencoder(space, UNITS, rng=rng(0)), 3e-3),
          f"k-sparse, k = {K}": (KSparseAutoencoder(space, UNITS, K, rng=rng(0)), 2e-3)}
print(test.note)
seen, x = (to_numpy(space.rows(split["x"])) for split in (digits, test))
mean, basis = pca(seen, UNITS)
x = x - mean
largest = np.sort((x @ basis) ** 2, axis=1)[:, -K:]  # of the coefficients, those that an image can do least without
print(f"the best {K} of {UNITS} directions of PCA for each image: squared error",
      Measure("", *mean_interval((x**2).sum(axis=1) - largest.sum(axis=1))).number())
figure, panels = plt.subplots(1, 3, figsize=(15, 6.2), layout="constrained")
for axes, (name, (model, lr)) in zip(panels, models.items()):
    noise = rng(1)
    train(Run(one_stage(model, adam(cosine_decay(lr)), STEPS, batch_size=100), digits, rng=noise))
    measures = model.eval().measure(test.columns, noise)
    rho_hat = model.encode(test["x"]).mean(axis=0)
    print(name, *measures, f"mean activities of the units {rho_hat.min():.3f} to {rho_hat.max():.3f}", sep="\n    ")

    weights = model.encoder.weight if name.startswith("k") else model.decoder.weight.T
    patterns = weights.numpy()[:100].reshape(10, 10, 28, 28)
    patterns = patterns / np.abs(patterns).max(axis=(2, 3), keepdims=True)
    framed = np.pad(patterns, ((0, 0), (0, 0), (1, 1), (1, 1)))
    axes.imshow(framed.transpose(0, 2, 1, 3).reshape(300, 300), cmap="RdBu_r", vmin=-1, vmax=1)
    error, active, dead, alike = (measure.value for measure in measures)
    axes.set_title(f"{name}\nsquared error {error:.1f}, active {active:.0%}, dead {dead:.0%}, alike {alike:.1%}")
    axes.set_axis_off()
figure.savefig("15_sparse.png", dpi=100)
print("wrote 15_sparse.png")
