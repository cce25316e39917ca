"""Many ways to draw from one diffusion: how many steps each sampler needs, on two schedules of the noise.

The ancestral sampler of DDPM, with variance beta, needs hundreds of steps: over few its noise is far too large, the
more so on the linear schedule it came with, which hurries where there is little noise (alpha_bar is above 0.9 in a
tenth of its steps, in a fifth of the cosine one's). DDIM adds none: in 20 steps it is as good as in any number, and on
the cosine schedule nearly as good as a thousand ancestral ones. As a measure, the Frechet distance to the test digits
in the features of the shipped classifier; the dotted line is that of the training digits, which no model can be
expected to beat. Some six minutes on two cores; with a run of `minigen train ddpm --data mnist` as its argument,
python examples/23_samplers.py runs/ddpm, a quarter of an hour. Writes 23_samplers.png.
"""
import sys

import matplotlib.pyplot as plt

from autograd.backend import normal, rng
from minigen import data, plot, recipes
from minigen.cli import load_run
from minigen.diffusion import ancestral, ancestral_tilde, cosine, ddim, linear
from minigen.ema import EMA
from minigen.metrics import frechet_distance
from minigen.models.classifiers import pretrained
from minigen.train import in_use, train

STEPS, SAMPLES = 1800, 447
RUNS = {  # sampler -> numbers of steps
    "ancestral, beta": (ancestral, [10, 20, 50, 100, 1000]),
    "ancestral, beta tilde": (ancestral_tilde, [10, 20, 50, 100]),
    "DDIM": (ddim, [5, 10, 20, 50, 100]),
}


def trained(schedule):
    """(model, its averaged weights): the recipe for the digits, on this schedule."""
    recipe, digits, noise = recipes.find("ddpm"), data.load("digits"), rng(0)
    model = recipe.model(digits, noise)
    model.schedule = schedule
    ema = EMA(model, recipe.ema)
    optimizer = recipe.optimizers["ddpm"](model.network.parameters())
    train(model, data.Batches(digits, recipe.batch_size, noise), {"ddpm": optimizer}, STEPS, rng=noise, ema=ema,
          clip=recipe.clip)
    return model, ema


if len(sys.argv) > 1:
    model, ema, real, _ = load_run(sys.argv[1])
    models = {"the run": (model, ema)}
else:
    models, real = {"linear": trained(linear(1000)), "cosine": trained(cosine(1000))}, data.load("digits")

test = data.load(real.name, "test")
features = lambda images: pretrained(real.name).judge(images)[0]
held_out = features(data.to_unit(test.x[:SAMPLES], test.levels))
floor = frechet_distance(features(data.to_unit(real.x[:SAMPLES], real.levels)), held_out)
print(f"Frechet distance in the classifier's features, N = {SAMPLES}; training against test digits: {floor:.2f}")

figure = plt.figure(figsize=(14, 7), layout="constrained")
curves, pictures = figure.subfigures(2, 1, height_ratios=[1, 0.8])
shown = []
panels = curves.subplots(1, len(models), sharey=True, squeeze=False)[0]
for axes, (schedule, (model, ema)) in zip(panels, models.items()):
    for name, (sampler, numbers) in RUNS.items():
        distances = []
        for steps in numbers:
            x_T = normal(rng(1), (SAMPLES, *real.image_shape))
            with in_use(model, ema):
                images = (sampler(model.denoise, x_T, model.schedule, steps, rng=rng(2)).clip(-1, 1) + 1) / 2
            distances.append(frechet_distance(features(images), held_out))
            print(f"{schedule:8} {name:22} {steps:4} steps: {distances[-1]:.2f}")
            if (name, steps) in [("ancestral, beta", 20), ("DDIM", 20), ("ancestral, beta", 1000)]:
                shown.append((f"{schedule}: {name}, {steps} steps", images[:36]))
        axes.loglog(numbers, distances, "o-", label=name)
    axes.axhline(floor, color="k", linestyle=":", label="training digits")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set(xlabel="steps", title=f"{schedule}: Frechet distance, N = {SAMPLES}")
    axes.legend(fontsize=8)
for axes, (title, images) in zip(pictures.subplots(1, len(shown)), shown):
    axes.imshow(plot.sheet(images), interpolation="nearest")
    axes.set_title(title, fontsize=8)
    axes.set(xticks=[], yticks=[])
figure.savefig("23_samplers.png", dpi=110)
print("wrote 23_samplers.png")
