"""One trained diffusion, many ways to draw from it: how many steps each sampler needs.

The ancestral sampler as DDPM has it, with variance beta, needs hundreds of steps: over few its noise is far too large.
DDIM, which adds none, does nearly as well in 20 steps as in any number. As a measure, the Frechet distance to the test
digits in the features of the shipped classifier; the dotted line is that of the training digits, which no model can be
expected to beat. About three minutes on two cores; with a run of `minigen train ddpm --data mnist` as its argument,
python examples/23_samplers.py runs/ddpm, half an hour. Writes 23_samplers.png.
"""
import sys

import matplotlib.pyplot as plt

from autograd.backend import normal, rng
from minigen import data, plot, recipes
from minigen.cli import load_run
from minigen.diffusion import ancestral, ancestral_tilde, ddim
from minigen.ema import EMA
from minigen.metrics import frechet_distance
from minigen.models.classifiers import pretrained
from minigen.train import in_use, train

STEPS, SAMPLES = 1800, 447
RUNS = {  # sampler -> numbers of steps
    "ancestral, beta": (ancestral, [10, 20, 50, 100, 300, 1000]),
    "ancestral, beta tilde": (ancestral_tilde, [10, 20, 50, 100]),
    "DDIM": (ddim, [5, 10, 20, 50, 100]),
}

if len(sys.argv) > 1:
    model, ema, real, _ = load_run(sys.argv[1])
else:
    recipe, real, noise = recipes.find("ddpm"), data.load("digits"), rng(0)
    model = recipe.model(real, noise)
    ema = EMA(model, recipe.ema)
    optimizer = recipe.optimizers["ddpm"](model.network.parameters())
    train(model, data.Batches(real, recipe.batch_size, noise), {"ddpm": optimizer}, STEPS, rng=noise, ema=ema,
          clip=recipe.clip)

test = data.load(real.name, "test")
features = lambda images: pretrained(real.name).judge(images)[0]
held_out = features(data.to_unit(test.x[:SAMPLES], test.levels))
floor = frechet_distance(features(data.to_unit(real.x[:SAMPLES], real.levels)), held_out)
print(f"Frechet distance in the classifier's features, N = {SAMPLES}; training against test digits: {floor:.2f}")

figure = plt.figure(figsize=(14, 4.6), layout="constrained")
curve, *panels = figure.subplots(1, 4, width_ratios=[1.3, 1, 1, 1])
grids = {}
with in_use(model, ema):
    for name, (sampler, numbers) in RUNS.items():
        distances = []
        for steps in numbers:
            x_T = normal(rng(1), (SAMPLES, *real.image_shape))
            images = (sampler(model.denoise, x_T, model.schedule, steps, rng=rng(2)).clip(-1, 1) + 1) / 2
            distances.append(frechet_distance(features(images), held_out))
            grids[f"{name}, {steps} steps"] = images[:36]
            print(f"{name:22} {steps:4} steps: {distances[-1]:.2f}")
        curve.loglog(numbers, distances, "o-", label=name)
curve.axhline(floor, color="k", linestyle=":", label="training digits")
curve.set(xlabel="steps", title=f"Frechet distance, N = {SAMPLES}")
curve.legend(fontsize=8)
for axes, title in zip(panels, ("ancestral, beta, 20 steps", "DDIM, 20 steps", "ancestral, beta, 1000 steps")):
    axes.imshow(plot.sheet(grids[title]), interpolation="nearest")
    axes.set(title=title, xticks=[], yticks=[])
figure.savefig("23_samplers.png", dpi=110)
print("wrote 23_samplers.png")
