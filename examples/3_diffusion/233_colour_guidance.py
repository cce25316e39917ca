"""Guidance in colour, and what keeps it within the range of images: critters of 14 bodies, a column each.

They are drawn by a cascade. On the left w = 0, 1 and 3: do bodies become more like their class? On the right w = 5,
which leads x_0 out of [-1, 1]: kept by nothing, only the finished image is cut off; clipped in every step; and by
dynamic thresholds, which pull each image in as a whole, so that least of it is at the ends of the range, at the price
of its colours. Printed are how often the shipped classifier sees the body that was asked for, and the share of
saturated numbers, within a thousandth of the ends. Writes 233_colour_guidance.png.
Course: 9.10, 10.5.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.diffusion import clipped, dynamically_clipped
from minigen.metrics import mean_interval
from minigen.models.classifiers import pretrained
from minigen.models.diffusion import Cascade
from minigen.nn import Frozen
from minigen.train import Run, train

SECONDS, SAMPLES, DOWN = 240.0, 84, 15  # of computing, for all parts; DOWN: steps of drawing
SHARES = {"cascade_base": 0.4, "upsampler_to_half": 0.25, "upsampler_to_whole": 0.35}

critters, judge = data.load("critters"), pretrained("critters").judge
space, labels = critters.spaces["x"], critters.spaces["y"]


def trained(name, share):
    noise = rng(0)
    run = train(Run(recipes.find(name).plan(critters, noise), critters, rng=noise, budget=share * SECONDS),
                clock=time.process_time)
    print(f"{name}: {run.step} steps in {run.seconds:.0f} s", flush=True)
    return run.settled()


def unlimited(denoise):
    return denoise


def described(x, y):
    """In words: the share of images x (N, C, H, W) that show y, and that of numbers at an end of the range [0, 1]."""
    shown, saturated = judge(x)[1].argmax(axis=1) == y, (np.abs(2 * x - 1) > 0.999).mean(axis=(1, 2, 3))
    return "the body {:.3f} ± {:.3f}, saturated {:.3f} ± {:.3f}".format(*mean_interval(shown),
                                                                        *mean_interval(saturated))


base, to_half, to_whole = (trained(name, share) for name, share in SHARES.items())
cascade, y = Cascade(Frozen(base), [Frozen(to_half), Frozen(to_whole)]), np.arange(SAMPLES) % labels.levels
figure, axes = plt.subplots(3, 2, figsize=(15, 5.4), layout="constrained")
asked = [(0, clipped), (1, clipped), (3, clipped), (5, unlimited), (5, clipped), (5, dynamically_clipped)]
for ax, (w, limit) in zip(axes.T.flat, asked):
    for model in (base.model, to_half.model, to_whole):
        model.limit, model.levels = limit, model.schedule.levels(DOWN)
    x, title = cascade.sample(SAMPLES, rng(1), y=y, w=w), f"w = {w}, {limit.__name__.replace('_', ' ')}"
    print(f"{title}: {described(x, y)}", flush=True)
    ax.imshow(plot.sheet(x[:42], columns=14), interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=[])
print(f"training images: {described(space.drawn(critters['x'][:400]), critters['y'][:400])}")
figure.savefig("233_colour_guidance.png", dpi=110)
print("wrote 233_colour_guidance.png")
