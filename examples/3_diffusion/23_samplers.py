"""Many ways to draw from one diffusion: how far each sampler comes with so many calls of the network, on two schedules.

With variance beta the ancestral sampler of DDPM needs hundreds of steps: over few its noise is far too large, the more
so on the linear schedule it came with, which hurries where there is little noise (alpha_bar is above 0.9 in a tenth of
its steps, in a fifth of the cosine one's). DDIM, Heun's method (two calls a step) and DPM++ (one, and the memory of the
last) follow a differential equation without noise: of them DPM++ comes far with five or ten calls, and all end at one
distance, since from each x_T there is one solution. Fresh noise of the right size, beta tilde, makes up for errors of
the network, and ends nearer. The measure is the Frechet distance to the test digits in the features of the shipped
classifier; the dotted line is that of the training digits. Eight minutes on two cores. Writes 23_samplers.png.
Course: 9.2, 9.8, 11.2.
"""
import matplotlib.pyplot as plt

from autograd.backend import normal, rng
from minigen import data, plot, recipes
from minigen.diffusion import ancestral, ancestral_tilde, cosine_schedule, ddim, dpm_pp, heun, linear_schedule
from minigen.metrics import frechet_distance
from minigen.models.classifiers import pretrained
from minigen.train import Run, train

STEPS, SAMPLES, T = 1800, 447, 1000
FEW = [5, 10, 20, 50]  # calls of the network
RUNS = {"ancestral": (ancestral, [*FEW, T]), "ancestral, beta tilde": (ancestral_tilde, FEW), "DDIM": (ddim, FEW),
        "Heun": (heun, FEW), "DPM++": (dpm_pp, FEW)}
SHOWN = [*((name, 10) for name in RUNS), ("ancestral", T)]

digits, test = data.load("digits"), data.load("digits", "test").first(SAMPLES)
space = digits.spaces["x"]
features = lambda images: pretrained("digits").judge(images)[0]
held_out = features(space.drawn(test["x"]))
floor = frechet_distance(features(space.drawn(digits["x"][:SAMPLES])), held_out)
print(f"Frechet distance in the classifier's features to the {test.note}: of the training digits {floor:.2f}")


def draw(model, sampler, calls):
    steps = (calls + 1) // 2 if sampler is heun else calls  # Heun's last step is one call, each other two
    x_T = normal(rng(1), (SAMPLES, *space.shape))
    return space.from_signed(sampler(model.denoise, x_T, model.schedule.levels(steps), rng=rng(2)))


figure = plt.figure(figsize=(14, 7), layout="constrained")
curves, pictures = figure.subfigures(2, 1, height_ratios=[1, 0.75])
panels, grids = curves.subplots(1, 2, sharey=True), iter(pictures.subplots(2, len(SHOWN)).flat)
for axes, schedule_name, schedule in zip(panels, ("linear", "cosine"), (linear_schedule(T), cosine_schedule(T))):
    noise = rng(0)
    plan = recipes.find("ddpm").plan(digits, noise)
    plan.model.schedule = schedule
    run = train(Run(plan, digits, rng=noise, steps=STEPS))
    for name, (sampler, numbers) in RUNS.items():
        distances = []
        for calls in numbers:
            with run.evaluating():
                images = draw(run.model, sampler, calls)
            distances.append(frechet_distance(features(images), held_out))
            print(f"{schedule_name} schedule, {name:21} {calls:4} calls: {distances[-1]:.2f}", flush=True)
            if (name, calls) in SHOWN:
                grid = next(grids)
                grid.imshow(plot.sheet(images[:24], columns=8), interpolation="nearest")
                grid.set_title(f"{schedule_name}: {name}, {calls} calls", fontsize=8)
                grid.set(xticks=[], yticks=[])
        axes.loglog(numbers, distances, "o-", label=name)
    axes.axhline(floor, color="k", linestyle=":", label="training digits")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set(xlabel="calls of the network", title=f"{schedule_name} schedule: Frechet distance, N = {SAMPLES}")
    axes.legend(fontsize=8)
figure.savefig("23_samplers.png", dpi=110)
print("wrote 23_samplers.png")
