"""Few calls of the network: samplers that follow a diffusion's equation better, and a student that knows where it ends.

The teacher is a DDPM. DDIM, Heun's method and DPM++ follow its equation without noise, the ancestral sampler that with
noise; whatever the order, some calls are needed, since the paths bend. A consistency model is a second network, which
learns from the teacher's paths to jump to their ends: one call draws an image, and each further one puts noise back and
jumps again. The measure is the Frechet distance to the test split in the features of the shipped classifier; the dotted
line is that of the training split. Give another data set as argument: mnist10k. Writes 242_few_calls.png.
Course: 12.14.
"""
import sys

import matplotlib.pyplot as plt

from autograd.backend import normal, rng
from minigen import data, plot, recipes
from minigen.diffusion import ancestral_tilde, ddim, dpm_pp, heun
from minigen.metrics import frechet_distance, mean_interval
from minigen.models.classifiers import pretrained
from minigen.nn import Frozen
from minigen.train import Run, train

STEPS, SAMPLES = 1800, 447
METHODS = {"ancestral, beta tilde": (ancestral_tilde, [2, 4, 10, 20]), "DDIM": (ddim, [1, 2, 4, 10, 20]),
           "Heun": (heun, [1, 3, 5, 9, 19]), "DPM++": (dpm_pp, [2, 4, 10, 20]), "consistency": (None, [1, 2, 3, 4])}
SHOWN = [*(("DDIM", calls) for calls in (1, 2, 4, 20)), *(("consistency", calls) for calls in (1, 2, 4)), ("DPM++", 20)]

name = sys.argv[1] if len(sys.argv) > 1 else "digits"
train_split, test = data.load(name), data.load(name, "test").first(SAMPLES)
space, judge = train_split.spaces["x"], pretrained(name).judge
held_out = judge(space.drawn(test["x"]))[0]
floor = frechet_distance(judge(space.drawn(train_split["x"][:len(test)]))[0], held_out)
print(f"Frechet distance in the classifier's features to the {test.note}: of training images {floor:.2f}")


def trained(recipe, steps, **parts):
    plan = recipes.find(recipe).plan(train_split, noise := rng(0), **parts)
    run = train(Run(plan, train_split, rng=noise, steps=steps if name == "digits" else 4 * steps))
    return run.settled()


teacher = trained("ddpm", STEPS)
student = trained("consistency", STEPS // 2, teacher=Frozen(teacher))


def draw(sampler, calls):
    steps = (calls + 1) // 2 if sampler is heun else calls  # Heun's last step is one call, each other two
    x_T = normal(rng(1), (len(test), *space.shape))
    return space.from_signed(sampler(teacher.denoise, x_T, teacher.schedule.levels(steps), rng=rng(2)))


top, bottom = (figure := plt.figure(figsize=(14, 8), layout="constrained")).subfigures(2, 1)
axes, grids = top.subplots(), dict(zip(SHOWN, bottom.subplots(2, 4).flat))
for method, (sampler, numbers) in METHODS.items():
    distances = []
    for calls in numbers:
        z, p = judge(images := draw(sampler, calls) if sampler else student.sample(len(test), rng(1), steps=calls))
        distances.append(frechet_distance(z, held_out))
        share, half = mean_interval(p.max(axis=1) >= 0.9)
        print(f"{method:21} {calls:2} calls: {distances[-1]:6.2f}, legible {share:.3f} ± {half:.3f}", flush=True)
        if (method, calls) in grids:
            grids[method, calls].imshow(plot.sheet(images[:24], columns=8), interpolation="nearest")
            grids[method, calls].set(title=f"{method}, {calls} call{'s' * (calls > 1)}", xticks=[], yticks=[])
    axes.loglog(numbers, distances, "o-", label=method)
axes.axhline(floor, color="k", linestyle=":", label="training images")
axes.set(xlabel="calls of the network", title=f"{name}: Frechet distance, N = {len(test)}", xticks=[1, 2, 4, 10, 20])
axes.xaxis.set_major_formatter("{x:g}")
axes.yaxis.set(major_formatter="{x:g}", minor_formatter="{x:g}")
axes.legend()
figure.savefig("242_few_calls.png", dpi=90)
print("wrote 242_few_calls.png")
