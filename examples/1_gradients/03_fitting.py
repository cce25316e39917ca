"""Fitting: a line, then a small network, to noisy points of a sine. Both by the same five lines.

    loss = mean (y - f(x))^2,   theta <- theta - lr dloss/dtheta

Writes 03_fitting.png.
Course: 12.1.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import grad, tanh
from minigen.nn import MLP, Linear
from minigen.optim import SGD, Adam

STEPS = 500

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (80, 1)).astype(np.float32)  # (N, 1)
y = np.sin(x) + 0.15 * rng.standard_normal(x.shape, dtype=np.float32)  # (N, 1)


def fit(model, optimizer):
    losses = []
    for _ in range(STEPS):
        loss = ((y - model(x)) ** 2).mean()
        optimizer.step(grad(loss, optimizer.params))
        losses.append(loss.item())
    return losses


line = Linear(1, 1, rng=rng)
network = MLP((1, 32, 32, 1), tanh, rng=rng)
losses = {"line, SGD": fit(line, SGD(line.parameters(), lr=0.05)),
          "network, Adam": fit(network, Adam(network.parameters(), lr=3e-3))}

slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()  # least squares, in closed form
print(f"slope of the line: descent {line.weight.item():.5f}, closed form {slope:.5f}")
for name, values in losses.items():
    print(f"loss of the {name:14} {values[-1]:.4f}; the noise has variance {0.15**2:.4f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
t = np.linspace(-3.3, 3.3, 200, dtype=np.float32)[:, None]
left.plot(x, y, "o", color="#9a9a9a", markersize=4, label="data")
left.plot(t, np.sin(t), "k:", label="sin x, without noise")
left.plot(t, line(t).numpy(), label="line")
left.plot(t, network(t).numpy(), label="network, 1-32-32-1")
left.set(xlabel="x", ylabel="y")
left.legend(frameon=False)
for name, values in losses.items():
    right.loglog(np.arange(1, STEPS + 1), values, label=name)
right.axhline(0.15**2, color="k", linestyle=":", label="variance of the noise")
right.set(xlabel="step", ylabel="mean squared error")
right.legend(frameon=False)
figure.savefig("03_fitting.png", dpi=120)
print("wrote 03_fitting.png")
