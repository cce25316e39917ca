"""MADE: masks that leave only paths from what was before, and one network for sixteen orders.

Left, a network small enough to be looked at, in two orders. Each hidden unit has a degree, how many numbers it may know
of; the product of its masks counts the paths from inputs to outputs. Sorted by the order it is a triangle without its
diagonal: no number is told of itself. Then 17 gray levels of real digits, learned in one order, and in sixteen with the
same weights: one of these orders alone is worse, as the units are shared, but their mixture is better than the network
with one order, which has learned its 1,000 digits by heart. Writes 51_made.png.
Course: 12.9.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import logsumexp, no_grad
from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.autoregressive.masks import degree_masks, hidden_degrees, input_degrees
from minigen.metrics import mean_interval
from minigen.models.autoregressive import MADE
from minigen.optim import adamw, cosine_decay
from minigen.train import Run, one_stage, train

STEPS = 300
D = 8

figure = plt.figure(figsize=(19, 5.2), layout="constrained")
left, middle, right = figure.subfigures(1, 3, width_ratios=[1.5, 1, 1])
for panels, order in zip(left.subplots(2, 4, width_ratios=[1, 2, 1.1, 1.1]), (np.arange(D), rng(3).permutation(D))):
    m0, m1 = input_degrees(order), np.sort(hidden_degrees(D, (16,), rng(0))[0])  # sorted, to be looked at
    hidden, output = (mask.astype(int) for mask in degree_masks([m0, m1]))
    paths = output @ hidden
    shown = {"$M^W$, 16 x 8": hidden, "$M^V$, 8 x 16": output, "paths, as numbered": paths,
             "paths, as drawn": paths[order][:, order]}
    for axes, (title, mask) in zip(panels, shown.items()):
        axes.imshow(mask, cmap="Blues", vmin=0, vmax=mask.max())
        axes.set(title=title, xticks=[], yticks=[])
    panels[0].set_ylabel("order " + " ".join(str(i + 1) for i in order))

digits, test = data.load("digits"), data.load("digits", "test")
print(test.note)


def trained(plan, noise):
    run = train(Run(plan, digits, rng=noise, steps=STEPS))
    with run.evaluating() as model, no_grad():
        log_p = np.array([model.in_order(r).log_prob(test["x"]).numpy() for r in range(len(model.orders))])
        return log_p, model.sample(64, noise)  # (R, N)


noise = rng(0)
one = MADE(digits.spaces["x"], (500,), rng=noise)
alone, _ = trained(one_stage(one, adamw(cosine_decay(5e-3), weight_decay=2.0), STEPS, batch_size=100, ema=0.97), noise)
noise = rng(0)
many, samples = trained(recipes.find("made").plan(digits, noise), noise)
counts = np.arange(1, len(many) + 1)
mixtures = [mean_interval(np.log(n) - logsumexp(many[:n], axis=0).numpy()) for n in counts]
(nll, error), (best, best_error) = mean_interval(-alone[0]), mixtures[-1]
print(f"one order: {nll:.1f} ± {error:.1f} nats; one of sixteen {mixtures[0][0]:.1f} ± {mixtures[0][1]:.1f}; "
      f"the mixture of sixteen {best:.1f} ± {best_error:.1f}, which gains "
      "{:.1f} ± {:.1f}".format(*mean_interval(logsumexp(many, axis=0).numpy() - np.log(len(many)) - alone[0])))

axes = middle.subplots()
axes.axhline(nll, color="C1", linestyle="--", label=f"trained in one order: {nll:.1f} ± {error:.1f}")
axes.plot(counts, [value for value, _ in mixtures], "o-", label=f"trained in sixteen: {best:.1f} ± {best_error:.1f}")
axes.set(title="-log p of test digits, 17 gray levels", xlabel="orders in the mixture", ylabel="nats")
axes.legend(frameon=False)
axes = right.subplots()
axes.imshow(plot.sheet(samples))
axes.set(title="samples, each in one of the orders", xticks=[], yticks=[])
figure.savefig("51_made.png", dpi=95)
print("wrote 51_made.png")
