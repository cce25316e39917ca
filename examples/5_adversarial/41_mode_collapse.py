"""Mode collapse: a generator that outruns its discriminator puts all samples in one place.

For a D that stands still, the best G puts every sample on the one point where D is highest. A slow D nearly stands
still: it finds that point out only after a while, and lowers it; the samples move on together, and the modes are
never covered at once. A D that learns ten times as fast as before fills the holes before G has gone through them.
The film 41_mode_collapse.gif has both side by side: on the left G chases the place where D is highest, and D chases G.
All samples may be good and G still useless: count the modes too. Writes 41_mode_collapse.png.
Course: 7.3.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.data import EIGHT_CENTRES, EIGHT_SIGMA
from minigen.metrics import modes
from minigen.optim import adam
from minigen.train import Run, one_stage

STEPS = 1500
LR = {"collapse: D slower than G": {"D": 1e-4, "G": 1e-3}, "cure: D faster than G": {"D": 1e-3, "G": 5e-4}}

points = data.load("eight_gaussians")
film = {name: [] for name in LR}
density = lambda x: np.histogram2d(*x.T, bins=48, range=[(-4.5, 4.5)] * 2)[0].T[None, ::-1]  # (1, 48, 48)
figure, rows = plt.subplots(2, 6, figsize=(20, 6.9), layout="constrained", width_ratios=[1, 1, 1, 1, 1.2, 1.2])
for row, (name, lr) in zip(rows, LR.items()):
    noise = rng(0)
    model = recipes.find("gan").plan(points, noise).model
    optimizers = {player: adam(rate, betas=(0.5, 0.999)) for player, rate in lr.items()}
    run = Run(one_stage(model, optimizers, STEPS, batch_size=256), points, rng=noise)
    steps, covered, share = [], [], []
    for part in range(30):
        for _ in range(STEPS // 30):
            run.advance()
        x = model.sample(1000, rng(1))
        good, found = modes(x, EIGHT_CENTRES, EIGHT_SIGMA)
        steps.append(run.step)
        covered.append(found.sum())
        share.append(good.mean())
        film[name].append(np.minimum(density(x) / 5, 1))
        if part in (14, 19, 24, 29):
            axes = row[(part - 14) // 5]
            axes.scatter(*points["x"][:1000].T, s=3, color="0.8")
            axes.scatter(*x.T, s=3)
            axes.set(title=f"step {steps[-1]:,}", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), xticks=[], yticks=[])
    print(f"{name:26} at the end: {covered[-1]} of 8 modes, {share[-1]:.1%} of the samples are good")
    row[0].set_ylabel(name, fontsize=12)
    row[4].plot(steps, covered, "o-", markersize=3)
    row[4].set(title="modes covered", xlabel="step", ylim=(-0.4, 8.4))
    row[5].plot(steps, share, "o-", markersize=3)
    row[5].axhline(modes(points["x"], EIGHT_CENTRES, EIGHT_SIGMA)[0].mean(), color="k", linestyle=":", label="data")
    row[5].legend(loc="lower right", frameon=False)
    row[5].set(title="share of good samples", xlabel="step", ylim=(-0.05, 1.05))
figure.savefig("41_mode_collapse.png", dpi=100)
plot.gif([np.stack(both) for both in zip(*film.values())], "41_mode_collapse.gif", columns=2, seconds=6)
print("wrote 41_mode_collapse.png")
