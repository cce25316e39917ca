"""Many ways to draw from one diffusion: how many steps each sampler needs, on two schedules of the noise.

The ancestral sampler of DDPM, with variance beta, needs hundreds of steps: over few its noise is far too large, the
more so on the linear schedule it came with, which hurries where there is little noise (alpha_bar is above 0.9 in a
tenth of its steps, in a fifth of the cosine one's). DDIM adds none: in 20 steps it is as good as in any number, and on
the cosine schedule nearly as good as a thousand ancestral ones. As a measure, the Frechet distance to the test digits
in the features of the shipped classifier; the dotted line is that of the training digits, which no model can be
expected to beat. Some nine minutes on one core. Writes 23_samplers.png.
"""
import matplotlib.pyplot as plt

from autograd.backend import normal, rng
from minigen import data, plot, recipes
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
SHOWN = [("ancestral, beta", 20), ("DDIM", 20), ("ancestral, beta", 1000)]

recipe, digits, test = recipes.find("ddpm"), data.load("digits"), data.load("digits", "test")
features = lambda images: pretrained("digits").judge(images)[0]
held_out = features(data.to_unit(test.x[:SAMPLES], test.levels))
floor = frechet_distance(features(data.to_unit(digits.x[:SAMPLES], digits.levels)), held_out)
print(f"Frechet distance in the classifier's features, N = {SAMPLES}; training against test digits: {floor:.2f}")

figure = plt.figure(figsize=(14, 7), layout="constrained")
curves, pictures = figure.subfigures(2, 1, height_ratios=[1, 0.8])
panels, grids = curves.subplots(1, 2, sharey=True), iter(pictures.subplots(1, 2 * len(SHOWN)))
for axes, (schedule_name, schedule) in zip(panels, {"linear": linear(1000), "cosine": cosine(1000)}.items()):
    noise = rng(0)
    model = recipe.model(digits, noise)
    model.schedule, ema = schedule, EMA(model, recipe.ema)
    optimizer = recipe.optimizers["ddpm"](model.network.parameters())
    train(model, data.Batches(digits, recipe.batch_size, noise), {"ddpm": optimizer}, STEPS, rng=noise, ema=ema,
          clip=recipe.clip)
    for name, (sampler, numbers) in RUNS.items():
        distances = []
        for steps in numbers:
            x_T = normal(rng(1), (SAMPLES, *digits.image_shape))
            with in_use(model, ema):
                images = (sampler(model.denoise, x_T, schedule, steps, rng=rng(2)).clip(-1, 1) + 1) / 2
            distances.append(frechet_distance(features(images), held_out))
            print(f"{schedule_name} schedule, {name:22} {steps:4} steps: {distances[-1]:.2f}")
            if (name, steps) in SHOWN:
                grid = next(grids)
                grid.imshow(plot.sheet(images[:36]), interpolation="nearest")
                grid.set_title(f"{schedule_name}: {name}, {steps} steps", fontsize=8)
                grid.set(xticks=[], yticks=[])
        axes.loglog(numbers, distances, "o-", label=name)
    axes.axhline(floor, color="k", linestyle=":", label="training digits")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set(xlabel="steps", title=f"{schedule_name} schedule: Frechet distance, N = {SAMPLES}")
    axes.legend(fontsize=8)
figure.savefig("23_samplers.png", dpi=110)
print("wrote 23_samplers.png")
