"""A linear autoencoder finds the plane of principal component analysis, but not its axes.

Descent knows nothing of eigenvectors, yet the columns of W_d end up in the span of the leading ones: the
largest principal angle between the two planes goes to zero. Writes 05_linear_autoencoder.png.
Course: 3.2.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import grad
from autograd.backend import rng, to_numpy
from minigen import data
from minigen.models.autoencoders import LinearAutoencoder
from minigen.models.autoencoders.linear_ae import largest_angle, pca
from minigen.optim import Adam, cosine_decay

LATENT, STEPS = 6, 1000

digits = data.load("digits")
space = digits.spaces["x"]
model = LinearAutoencoder(space, LATENT, rng=rng(0)).center(digits["x"])
x = to_numpy(space.rows(digits["x"]))  # (N, D)
mean, axes_of_pca = pca(x, LATENT)  # (D,), (D, Z)

optimizer = Adam(model.parameters(), cosine_decay(0.03))
angles = []
for step in range(STEPS):
    loss = model.loss(digits.columns, None)["squared error"]
    optimizer.step(grad(loss, optimizer.params), done=step / STEPS)
    angles.append(largest_angle(model.decoder.weight.data, axes_of_pca))
print(f"largest angle between the planes: {angles[0]:.3f} rad at first, {angles[-1]:.1e} rad at the end")
print(f"loss {loss.item():.5f}, and {((x - mean) ** 2).sum(1).mean():.5f} without a code")

columns = model.decoder.weight.numpy()  # (D, Z)
orthonormal, _ = np.linalg.qr(columns)
rows = {"axes of PCA": axes_of_pca,
        "columns of W_d": columns / np.linalg.norm(columns, axis=0),
        "axes of PCA,\nprojected on the\nspan of W_d": orthonormal @ (orthonormal.T @ axes_of_pca)}

figure = plt.figure(figsize=(11, 4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.5])
curve = left.subplots()
curve.semilogy(angles)
curve.axhline(1e-3, color="k", linestyle=":")
curve.set(xlabel="step", ylabel="largest principal angle (rad)")
panels = right.subplots(len(rows), LATENT)
for (name, vectors), row in zip(rows.items(), panels):
    for j, axes in enumerate(row):
        axes.imshow(vectors[:, j].reshape(8, 8), cmap="RdBu", vmin=-0.3, vmax=0.3)
        axes.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
figure.savefig("05_linear_autoencoder.png", dpi=120)
print("wrote 05_linear_autoencoder.png")
