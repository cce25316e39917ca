"""Planar flows of 2, 8 and 32 layers, fitted to four energies without a single sample of them.

Each layer squeezes or stretches the plane along one line, so it takes many to fold a Gaussian into two
arcs. What is minimized is KL(q || p), estimated from draws of the flow itself. Figure 3 of Rezende &
Mohamed 2015, with the numbers that it leaves out; a Gaussian with the right mean and covariance has 0.81 to
0.97 nats. About six minutes. Writes 31_planar_flow.png.
Course: 8.2.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import no_grad
from autograd.backend import rng
from minigen.data import load
from minigen.data.energies import EDGE, log_density
from minigen.models.flows import PlanarOnEnergy
from minigen.optim import adam, cosine_decay, linear_warmup
from minigen.train import Run, one_stage, train

STEPS = 8000
ENERGIES, LAYERS = ("u1", "u2", "u3", "u4"), (2, 8, 32)

at = EDGE * (2 * (np.arange(200) + 0.5) / 200 - 1)
grid = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(4, 5, figsize=(13, 10.6), layout="constrained")


def show(panel, log_p, title):
    panel.imshow(np.exp(log_p).reshape(200, 200), origin="lower", extent=[-EDGE, EDGE] * 2)
    panel.set_title(title)


for row, name in zip(axes, ENERGIES):
    show(row[0], log_density(name)(grid), f"target {name.upper()}")
    for K, panel in zip(LAYERS, row[1:]):
        noise = rng(0)
        model = PlanarOnEnergy(name, K, rng=noise)
        plan = one_stage(model, adam(linear_warmup(cosine_decay(1e-2), 0.0125)), STEPS, batch_size=256, clip=10.0)
        train(Run(plan, load(name), rng=noise))
        drawn, summed, forward = model.eval().measure(load(name, "test").columns, noise, cells=200)
        print(f"{name}, K = {K:2}: KL(q || p) {drawn.number()}, {summed.value:.3f} on a grid; "
              f"KL(p || q) {forward.number()}")
        with no_grad():
            show(panel, model.log_prob(grid).numpy(), f"K = {K}: KL {summed.value:.3f} nats")
    row[-1].plot(*model.sample(3000, noise).T, ".", markersize=2, alpha=0.6)
    row[-1].set(title=f"samples, K = {K}", xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), aspect="equal")
for panel in axes.flat:
    panel.set(xticks=[], yticks=[])
figure.savefig("31_planar_flow.png", dpi=100)
print("wrote 31_planar_flow.png")
