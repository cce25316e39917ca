"""Guidance in colour, and what it does to contrast: critters of 14 bodies, a column for each.

On the left w = 0, 1 and 3: bodies become clearer, colours stronger. On the right w = 5, where x_0 would leave [-1, 1]
in every step: kept by nothing, only the finished image is cut off; by clipping, all that is beyond becomes black or
glaring; by dynamic thresholds, each image is pulled in as a whole. Printed are how often the shipped classifier sees
the body that was asked for, and the share of saturated numbers, within a thousandth of the range's ends. Writes
233_colour_guidance.png.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.diffusion import clipped, cosine_schedule, dynamically_clipped
from minigen.metrics import mean_interval
from minigen.models.classifiers import pretrained
from minigen.models.diffusion import ClassifierFree
from minigen.nn import UNet
from minigen.optim import adam, cosine_decay, linear_warmup
from minigen.train import Run, one_stage, train

SECONDS, SAMPLES = 240.0, 140

critters, noise = data.load("critters"), rng(0)
space, labels, judge = critters.spaces["x"], critters.spaces["y"], pretrained("critters").judge
network = UNet(3, width=48, multipliers=(1, 2), blocks=1, patch=4,  # squares of 4 x 4 pixels: coarse, and soon trained
               condition=labels.levels, rng=noise)
model = ClassifierFree(network, cosine_schedule(1000), space, labels, steps=25)
rate = linear_warmup(cosine_decay(2e-3, final=1e-4), 0.05)
plan = one_stage(model, adam(rate), 1000, batch_size=64, ema=(network, 0.998), clip=1.0)
run = train(Run(plan, critters, rng=noise, budget=SECONDS), clock=time.process_time)
run.ema.settle()
model.eval()
print(f"{run.step} steps in {run.seconds:.0f} s, {model.num_parameters():,} parameters", flush=True)


def unlimited(denoise):
    return denoise


def saturated(x):
    """The share of numbers of each image (N, C, H, W), on [0, 1], at an end of the range."""
    return (np.abs(2 * x - 1) > 0.999).mean(axis=(1, 2, 3))


y = np.arange(SAMPLES) % labels.levels
figure, axes = plt.subplots(3, 2, figsize=(15, 6.4), layout="constrained")
asked = [(0, clipped), (1, clipped), (3, clipped), (5, unlimited), (5, clipped), (5, dynamically_clipped)]
for ax, (w, model.limit) in zip(axes.T.flat, asked):
    x = model.sample(SAMPLES, rng(1), y=y, w=w)
    title = f"w = {w}, {model.limit.__name__.replace('_', ' ')}"
    print("{}: the body asked for {:.3f} ± {:.3f}, saturated {:.3f} ± {:.3f}".format(
        title, *mean_interval(judge(x)[1].argmax(axis=1) == y), *mean_interval(saturated(x))), flush=True)
    ax.imshow(plot.sheet(x[:42], columns=14), interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=[])
real = space.drawn(critters["x"][:SAMPLES])
print("training images: the body {:.3f} ± {:.3f}, saturated {:.3f} ± {:.3f}".format(
    *mean_interval(judge(real)[1].argmax(axis=1) == critters["y"][:SAMPLES]), *mean_interval(saturated(real))))
figure.savefig("233_colour_guidance.png", dpi=110)
print("wrote 233_colour_guidance.png")
