"""Guidance: samples that look more like their class than data do, at the price of looking more like each other.

Classifier-free, one network is told the class or, in training, now and then nothing, and w says how far to go from
the one answer beyond the other: w = 0 is the conditional model itself. By a classifier, a network that never heard of
classes is led uphill on log p(y | x_t), w times: w = 0 is the unconditional model. Accuracy, by the shipped
classifier of clean digits, rises with w, and within a class samples spread less. The Frechet distance to the valid
digits, in the features of that classifier, sees both. Led by the classifier it is least where samples spread about as
data do, at w of about 5. Classifier-free, after 350 steps of training, it is least at w of about 1, where guidance
makes up for what was not learned; after 900 the conditional model itself is as near as the training digits are, and w
only takes away. Writes 29_guidance.png.
Course: 9.9, 9.10, 11.2.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.ema import evaluating
from minigen.metrics import frechet_distance, mean_interval
from minigen.models.classifiers import pretrained
from minigen.models.diffusion import ClassifierGuided
from minigen.nn import Frozen
from minigen.train import Run, train

STEPS, SAMPLES = 900, 300
SCALES = [0, 0.5, 1, 2, 3, 5], [0, 0.3, 1, 2], [0, 1, 3, 5, 10]  # w
SHOWN = {"classifier-free": [0, 1, 3], "by a classifier": [0, 3, 10]}

digits, valid = data.load("digits"), data.load("digits", "valid").first(SAMPLES)
space, judge, y = digits.spaces["x"], pretrained("digits").judge, valid["y"]
features = judge(space.drawn(valid["x"]))[0]
spread = lambda z: np.mean([z[y == k].var(axis=0).sum() for k in np.unique(y)])  # within a class
floor = frechet_distance(judge(space.drawn(digits["x"][:SAMPLES]))[0], features)


def trained(name, steps=STEPS):
    noise = rng(0)
    run = train(Run(recipes.find(name).plan(digits, noise), digits, rng=noise, steps=steps))
    return run.settled()


free, begun = trained("classifier_free"), trained("classifier_free", STEPS * 7 // 18)
led = ClassifierGuided(Frozen(trained("ddpm")), Frozen(trained("noisy_classifier")))
top, bottom = (figure := plt.figure(figsize=(15, 7.6), layout="constrained")).subfigures(2, 1)
(accuracy, distance, variance), grids = top.subplots(1, 3), iter(bottom.subplots(2, 3).flat)
for name, model, scales in zip(("classifier-free", "after 350 steps", "by a classifier"), (free, begun, led), SCALES):
    model.levels, rows = model.levels[::2], []
    for w in scales:
        with evaluating(model):
            x = model.sample(len(y), rng(1), y=y, w=w)
        z, p = judge(x)
        right, half_width = mean_interval(p.argmax(axis=1) == y)
        rows.append([right, frechet_distance(z, features), spread(z) / spread(features)])
        print(f"{name}, w = {w:4}: accuracy {right:.3f} ± {half_width:.3f}, Frechet distance {rows[-1][1]:.2f}, "
              f"variance within a class {rows[-1][2]:.2f} of the data's", flush=True)
        if w in SHOWN.get(name, ()):
            picked = np.argsort(y)[np.linspace(0, len(y) - 1, 40).astype(int)].reshape(10, 4).T.ravel()
            (grid := next(grids)).imshow(plot.sheet(x[picked], columns=10), interpolation="nearest")
            grid.set(title=f"{name}, w = {w}", xticks=[], yticks=[])
    for axes, values in zip((accuracy, distance, variance), np.array(rows).T):
        axes.plot(scales, values, "o-", label=name)
print(f"the training digits: Frechet distance {floor:.2f}")
distance.axhline(floor, color="k", linestyle=":", label="training digits")
for axes, title in ((accuracy, "accuracy"), (distance, f"Frechet distance, N = {len(y)}"),
                    (variance, "variance of the features within a class, over the data's")):
    axes.set(title=title, xlabel="w")
    axes.grid(alpha=0.3)
    axes.legend()
figure.savefig("29_guidance.png", dpi=100)
print("wrote 29_guidance.png")
