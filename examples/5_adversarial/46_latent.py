"""The space of z: from one digit to another, and arithmetic with kinds of digits.

Nothing told G to put like next to like, but it is continuous: on the way from one z to another every z is drawn as
some digit. And directions have a meaning: what heavy digits have and light ones of the same class have not, in z, is
added to light digits of another class. An image has no z here, so the z of a kind are found by looking: draw, decode,
keep (a classifier looks). One z says little, the mean of many what they share. Writes 46_latent.png.
Course: 4.7, 7.4.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, latents, plot, recipes
from minigen.models.classifiers import pretrained
from minigen.train import Run, train

STEPS = 3000
FROM, TO = 3, 0  # the classes
MANY = 60  # z of each kind

digits = data.load("digits")
noise = rng(0)
run = train(Run(recipes.find("dcgan").plan(digits, noise), digits, rng=noise, steps=STEPS))
model = run.model
classifier = pretrained("digits")
ink = lambda images: images.mean(axis=(1, 2, 3))


def kind(c, sign):
    """Of the images shown at a time, those most like class c, and of these the heaviest (sign 1) or lightest (-1)."""

    def wanted(images):
        p, weight = classifier.judge(images)[1][:, c], sign * ink(images)
        most = p >= np.quantile(p, 0.94)
        return most & (weight >= np.quantile(weight[most], 0.7))

    return wanted


with run.evaluating():
    z = model.noise(16, rng(1))
    walk = latents.interpolate(model, z[:8], z[8:], steps=9, path=latents.slerp)
    heavy, light, other = (latents.draw_like(model, kind(c, sign), MANY, rng(2))
                           for c, sign in ((FROM, 1), (FROM, -1), (TO, -1)))
    moved = np.stack([latents.arithmetic(heavy, light, one[None]) for one in other])  # one by one, not their mean only
    before, after = model.decode(other), model.decode(moved)
    means = model.decode(np.stack([heavy.mean(axis=0), light.mean(axis=0), other.mean(axis=0),
                                   latents.arithmetic(heavy, light, other)]))
for name, images in ("before", before), ("after", after):
    share = (classifier.judge(images)[1].argmax(axis=1) == TO).mean()
    print(f"light {TO}s {name}: mean gray {ink(images).mean():.3f}, {share:.0%} are taken for a {TO}")

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(17, 5.6), layout="constrained", width_ratios=[9, 4, 8])
left.imshow(plot.sheet(walk, columns=9))
left.set(title="from one z to another, on the sphere", xticks=[], yticks=[])
middle.imshow(plot.sheet(means, columns=1))
middle.set(title="G of mean z", xticks=[])
middle.set_yticks((np.arange(4) + 0.5) * middle.get_ylim()[0] / 4,
                  [f"A: heavy {FROM}", f"B: light {FROM}", f"C: light {TO}", "A - B + C"])
shape = model.space.shape
pairs = np.stack([before[:24].reshape(3, 8, *shape), after[:24].reshape(3, 8, *shape)], axis=1)
right.imshow(plot.sheet(pairs.reshape(-1, *shape), columns=8))
right.set(title=f"light {TO}s, and below each the same z + mean A - mean B", xticks=[], yticks=[])
figure.savefig("46_latent.png", dpi=100)
print("wrote 46_latent.png")
