"""Half of a digit is hidden, and a diffusion draws it: three ways to make it fit to the half that is known.

Replacement puts the known pixels into every step, as noisy as the others are then: they are decided apart, and there is
a seam. RePaint goes up and down again in each step, ten times, until they fit. The third network was trained on, to see
the known pixels and the mask. Printed are the seam, the difference across the border over that of whole digits, and how
often the completed digit is of the true class; beside it, of the 15 training digits whose known halves are nearest, the
commonest class, and the class of one at random: who draws digits draws their class too. Of a run that is there already:
`trained = runs.load("runs/ddpm")`, `with trained.evaluating(): images = fill_in(trained.model, x, mask, rng)`.
Writes 230_inpainting.png.
Course: 9.11.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.diffusion import fill_in, seam
from minigen.metrics import mean_interval, ratio_interval
from minigen.models.classifiers import pretrained
from minigen.nn import Frozen
from minigen.train import Run, train

STEPS, SAMPLES, DOWN = 900, 350, 25  # DOWN: steps from noise to an image

digits, valid = data.load("digits"), data.load("digits", "valid").first(SAMPLES)
space, x, y, judge = digits.spaces["x"], valid["x"], valid["y"], pretrained("digits").judge
known = np.arange(8)[:, None].repeat(8, axis=1) < 4  # the upper half


def trained(name, steps, **parts):
    noise = rng(0)
    run = train(Run(recipes.find(name).plan(digits, noise, **parts), digits, rng=noise, steps=steps))
    return run.settled()


ddpm = trained("ddpm", STEPS)
ddpm.levels = ddpm.schedule.levels(DOWN)
seeing = trained("inpainting_ddpm", STEPS, diffusion=Frozen(ddpm))
half = np.where(known, space.drawn(x), 0.5)
completed = {
    "replacement": fill_in(ddpm, x, known, rng(1), resample=1),
    "RePaint, r = 10": fill_in(ddpm, x, known, rng(1), resample=10),
    "trained to see the mask": seeing.complete(x, known, rng(1)),
}

halves, asked = (np.float64(images[:, 0, :4]).reshape(len(images), -1) for images in (digits["x"], x))
nearest = ((asked[:, None] - halves) ** 2).sum(axis=2).argsort(axis=1)[:, :15]
classes = digits["y"][nearest]  # (N, 15)
majority = np.array([np.bincount(row).argmax() for row in classes])
floors = {"the majority given the half": majority == y, "one at random": (classes == y[:, None]).mean(axis=1),
          "whole digits": judge(space.drawn(x))[1].argmax(axis=1) == y}
for name, right in floors.items():
    print("{}: the true class {:.3f} ± {:.3f}".format(name, *mean_interval(right)))
for name, images in completed.items():
    assert (images[:, :, known] == half[:, :, known]).all()  # bit for bit
    right = mean_interval(judge(images)[1].argmax(axis=1) == y)
    ratio = ratio_interval(seam(images, known), seam(space.drawn(x), known))
    print("{}: the true class {:.3f} ± {:.3f}, seam {:.2f} ± {:.2f} of whole digits'".format(name, *right, *ratio))

shown = np.argsort(y)[np.linspace(0, len(y) - 1, 20).astype(int)]
panels = {"known": half, **completed, "the digits": space.drawn(x)}
figure, axes = plt.subplots(1, len(panels), figsize=(15, 4.4), layout="constrained")
for ax, (title, images) in zip(axes, panels.items()):
    ax.imshow(plot.sheet(images[shown], columns=4), interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=[])
figure.savefig("230_inpainting.png", dpi=110)
print("wrote 230_inpainting.png")
