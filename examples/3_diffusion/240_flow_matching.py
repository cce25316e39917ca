"""Straight lines between noise and data, the bent flow that they make, and the straight one that this flow makes.

Eight Gaussians, whose best denoiser is a formula, so that the two upper rows are without a network. A diffusion's x_t
goes round a circle of a and s; flow matching's is on a straight line from data to noise. But lines cross, and points of
a flow do not: both flows bend. A network is then trained on the pairs that the second makes of noise and data: a
rectified flow. S is 0 for straight paths passed at one speed. Below: the distance to data of samples by few steps of
Euler's method, the floor that of other examples. Writes 240_flow_matching.png.
Course: 12.10.
"""
import math

import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import normal, rng, to_numpy
from minigen import data
from minigen.data import Space
from minigen.diffusion import CLEAN, Level, Mixture, euler, recorded, straight_levels
from minigen.models.diffusion import Rectified, straightness
from minigen.nn import Frozen, Module, TimedMLP
from minigen.optim import adam, cosine_decay
from minigen.sliced import sliced_wasserstein
from minigen.train import Run, one_stage, train

STEPS, SAMPLES, FEW, CURVE = 1500, 2000, [1, 2, 4, 8], [1, 2, 3, 4, 6, 8, 16, 32]


class Exact(Module):  # a flow that another one can be made of
    space, p = Space((2,)), Mixture(np.full(8, 1 / 8), data.EIGHT_CENTRES, data.EIGHT_SIGMA)
    denoise = p.denoise


def circle(steps):
    """Variance preserving levels, in even steps on the circle of a and s."""
    u = np.linspace(1.0, 0.0, steps + 1)[:-1].tolist()
    return [*(Level(math.cos(u * math.pi / 2), math.sin(u * math.pi / 2), u) for u in u), CLEAN]


p, noise = Exact.p, rng(0)
model = Rectified(TimedMLP(2, (64, 64, 64), rng=noise), Frozen(Exact()), straight_levels(12))
plan = one_stage(model, adam(cosine_decay(5e-3)), STEPS, batch_size=256, ema=(model.network, 0.99))
run = train(Run(plan, data.load("eight_gaussians"), rng=noise))  # its player draws its own pairs: no data are used

x_T, truth, others = normal(rng(1), (SAMPLES, 2)), *(p.draw(SAMPLES, rng(seed))[0] for seed in (2, 3))
distance = lambda x: sliced_wasserstein(np.float64(x), truth, rng(4))
print(f"sliced Wasserstein distance of other examples, N = {SAMPLES}: {(floor := distance(others)):.3f}")
WAYS = {"diffusion": (p.denoise, circle), "flow matching": (p.denoise, straight_levels),
        "rectified flow": (model.denoise, straight_levels)}
above, below = (figure := plt.figure(figsize=(15, 11.5), layout="constrained")).subfigures(2, 1, height_ratios=[3, 1.1])
rows, curves = above.subplots(3, 5, sharex=True, sharey=True), below.subplots()
for (name, (denoise, way)), row in zip(WAYS.items(), rows):
    with run.evaluating():
        S, frames = straightness(denoise, x_T, way(60)), []
        euler(recorded(denoise, frames), x_T[:40], way(60))
        drawn = {steps: to_numpy(euler(denoise, x_T, way(steps))) for steps in CURVE}
    for path in np.stack([to_numpy(x) for _, x, _ in frames], axis=1):  # (60, 2)
        row[0].plot(*path.T, "C0", linewidth=0.8)
        row[0].plot(*path[0], "k.", markersize=4)
    row[0].set(ylabel=name, title=f"paths: S = {S:.3f}")
    for axes, steps in zip(row[1:], FEW):
        axes.scatter(*drawn[steps].T, s=2, alpha=0.5)
        axes.set(title=f"{steps} steps", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), aspect="equal")
    distances = [distance(x) for x in drawn.values()]
    print(f"{name:14} S = {S:.3f}; by steps", *(f"{steps}: {each:.3f}" for steps, each in zip(CURVE, distances)))
    curves.loglog(CURVE, distances, "o-", label=name)
curves.axhline(floor, color="k", linestyle=":", label="other examples")
curves.set(xlabel="steps of Euler's method", title="sliced Wasserstein distance", xticks=CURVE, xticklabels=CURVE)
curves.legend()
figure.savefig("240_flow_matching.png", dpi=80)
print("wrote 240_flow_matching.png")
