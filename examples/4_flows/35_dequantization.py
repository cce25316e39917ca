"""Why integers need noise before they have a density, and what learned noise is worth.

A flow that is fitted to the integers themselves piles its density on 17 values: its "likelihood" climbs past any
that a model of integers can have, and is the probability of nothing. With noise that fills the cells, what is
maximized is a bound on the probability of the integers. Uniform noise asks the flow for a flat density in every
cell; noise from a flow of its own goes where the density is, and the bound is tighter. Writes 35_dequantization.png.
Course: 12.7.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import as_tensor, no_grad
from autograd.backend import rng
from minigen import data, recipes
from minigen.flows.dequantization import UniformDequantization
from minigen.train import Run, train

STEPS = 200


class NoNoise(UniformDequantization):
    """What not to do: v at the middle of its cell, and log q as if it had been drawn."""

    def forward(self, x, rng):
        _, log_q = super().forward(x, rng)
        return as_tensor((np.float32(x) + 0.5) / self.levels), log_q


digits, test = data.load("digits"), data.load("digits", "test")
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained")
for name, recipe in {"none": "realnvp", "uniform": "realnvp", "variational": "realnvp_variational"}.items():
    noise = rng(0)
    plan = recipes.find(recipe).plan(digits, noise)
    if name == "none":
        plan.model.dequantization = NoNoise(digits.spaces["x"])
    run = train(Run(plan, digits, rng=noise, steps=STEPS))
    model = run.model.eval()
    print(f"noise {name:12} {model.measure(test.columns, noise)[0].number()}")
    left.plot(*run.history.curves()["train/nats"], label=f"noise: {name}")
left.set(xlabel="step", ylabel="-bound (nats), training", ylim=(40, 180))
left.legend(frameon=False)

x = np.repeat(test["x"][:50], 20, axis=0)
with no_grad():
    v, _ = model.dequantization(x, noise)
for gray, colour in (0, "C0"), (8, "C1"), (16, "C2"):
    right.hist((v.numpy() * 17 - x)[x == gray], bins=40, range=(0, 1), density=True, histtype="step", color=colour,
               label=f"pixels of gray level {gray}")
right.set(xlabel="u, the place in the cell", ylabel="density of the learned noise")
right.legend(frameon=False)
figure.savefig("35_dequantization.png", dpi=110)
print("wrote 35_dequantization.png")
