"""Change of variables: where a map stretches space, it thins the density by the same factor.

    p_X(x) = p_Z(z) |det dz/dx|,   z = f^-1(x)

First a line. Z is uniform on [0, 2], with density 1/2. X = 4 Z is uniform on [0, 8], with density 1/8: had
it kept 1/2, as p_Z(x / 4) does, its mass would be 4. Then the plane: a map that bends it, and what becomes
of the density of a Gaussian, from the engine's Jacobian. Writes 30_change_of_variables.png.
Course: 8.1.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import Tensor, concatenate, exp, grad, parameter, sin
from autograd.backend import rng

N = 1_000_000
CELLS = {"C1": (2, 12), "C2": (14, 12)}  # two places on the grid, to follow through the map


def f(z):
    """x1 = z1 + sin(z2),  x2 = z2 exp(x1 / 2). (N, 2) -> (N, 2)"""
    x1 = z[:, :1] + sin(z[:, 1:])
    return concatenate([x1, z[:, 1:] * exp(0.5 * x1)], axis=1)


noise = rng(0)
share, edges = np.histogram(4 * noise.uniform(0, 2, N), bins=40, range=(-1, 9), density=True)
print(f"X = 4 Z: density measured {share[10:30].mean():.4f}, p_Z |dz/dx| = 1/2 1/4 = {1 / 8}, and not {1 / 2}")

z = noise.standard_normal((N, 2))
leaf = parameter(z)
y = f(leaf)
rows = [grad(y, leaf, np.eye(2)[[i] * N], create_graph=True).numpy() for i in range(2)]  # the gradients of x_i
log_det, x = np.linalg.slogdet(np.stack(rows, axis=1))[1], y.numpy()  # of (N, 2, 2)
print(f"log |det dx/dz|: engine and x1 / 2, by hand, differ by {np.abs(log_det - x[:, 0] / 2).max():.0e}")
p_x = np.exp(-0.5 * (z**2).sum(axis=1) - log_det) / (2 * np.pi)
near = (np.abs(x - (-1.0, -0.5)) < 0.1).all(axis=1)
print(f"around (-1, -0.5): share of samples / area {near.mean() / 0.2**2:.3f}, p_Z |det dz/dx| {p_x[near].mean():.3f}")

figure, axes = plt.subplots(1, 4, figsize=(17, 4.6), layout="constrained", width_ratios=[1.2, 1, 1, 1.15])
axes[0].stairs(share, edges, fill=True, color="#9a9a9a", label="samples of X = 4 Z")
axes[0].plot([0, 0, 8, 8], [0, 1 / 8, 1 / 8, 0], linewidth=2, label="p_Z(x / 4) / 4 = 1/8")
axes[0].plot([0, 0, 8, 8], [0, 1 / 2, 1 / 2, 0], "--", linewidth=2, label="p_Z(x / 4) = 1/2 has mass 4")
axes[0].set(title="X = 4 Z, Z uniform on [0, 2]", xlabel="x", ylabel="density", ylim=(0, 0.75))
axes[0].legend(frameon=False)
t = np.linspace(-2.5, 2.5, 21)
for panel, move, name in (axes[1], lambda z: z, "z"), (axes[2], lambda z: f(Tensor(z)).numpy(), "x"):
    nodes = move(np.stack(np.meshgrid(t, t, indexing="ij"), axis=-1).reshape(-1, 2)).reshape(21, 21, 2)
    for lines in nodes, nodes.swapaxes(0, 1):
        panel.plot(lines[..., 0], lines[..., 1], color="#9a9a9a", linewidth=0.6)
    for colour, (i, j) in CELLS.items():
        corners = nodes[[i, i + 2, i + 2, i], [j, j, j + 2, j + 2]]  # (4, 2), of a cell of half a unit
        area = np.linalg.det([corners[2] - corners[0], corners[3] - corners[1]]) / 2  # from the diagonals
        panel.fill(*corners.T, color=colour, label=f"area {area:.3f}")
    panel.set(title=f"squares in {name}", xlabel=f"{name}1", ylabel=f"{name}2")
    panel.legend(frameon=False)
figure.colorbar(axes[3].scatter(*x[:20_000].T, c=p_x[:20_000], s=1), label="p_X(x) = p_Z(z) |det dz/dx|")
axes[3].set(title="samples of X, coloured by density", xlabel="x1", ylabel="x2")
plt.setp(axes[1:], xlim=(-3.5, 3.5), ylim=(-5, 5))
figure.savefig("30_change_of_variables.png", dpi=110)
print("wrote 30_change_of_variables.png")
