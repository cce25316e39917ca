"""Editing faces by arithmetic on their codes, judged by the true pictures of the edits.

The faces are composed of parts, so the face with glasses on, in all else the same, is known. The way from the mean code
of faces without to that of faces with is added to the codes of test faces; what comes out is held against the truth
where the edit changes pixels. It must be nearer than the face as it was, and than that face reconstructed; nearer than
the decoder's picture of the truth itself it cannot be expected to be. Rows of the traversal move one latent each.
Writes 105_faces.png.
Course: 4.7.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, latents, plot
from minigen.data import faces
from minigen.metrics import mean_interval
from minigen.models.autoencoders import VAE
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS = 2500
EDITS = {"glasses on": ("glasses", 3), "blue hair": ("hair colour", 8), "hat on": ("hat", 2)}

train_set, test = data.load("faces"), data.load("faces", "test")
known, attributes = faces.of_split("train"), faces.of_split("test")
noise = rng(0)
model = VAE(train_set.spaces["x"], "gaussian", latent=64, hidden=(512,), rng=noise)
model.likelihood.logvar.data[...] = -3.0  # sigma of 0.2 to begin with, as for 1 it would take long to come down
plan = one_stage(model, adam(cosine_decay(2e-3)), STEPS, batch_size=100, ema=0.99)
train(Run(plan, train_set, rng=noise))
model.eval()

print(f"{test.note}; mean |error| where an edit changes pixels, of 1")
columns = []
for title, (name, value) in EDITS.items():
    has, none = known[name] == value, known[name] == 0 if name in faces.PARTS else known[name] != value
    shift = latents.direction(model, train_set["x"][none], train_set["x"][has])
    truth = faces.compose(faces.edited(attributes, **{name.replace(" ", "_"): value}))
    without = attributes[name] == 0 if name in faces.PARTS else attributes[name] != value
    chosen = np.flatnonzero(without & (truth != test["x"]).any(axis=(1, 2, 3)))
    x, y = test["x"][chosen], truth[chosen]
    errors = latents.edit_errors(model, x, y, shift)
    print(f"{title}, {len(x)} faces: " + ", ".join("{} {:.4f} ± {:.4f}".format(kind, *mean_interval(each))
                                                   for kind, each in errors.items()))
    moved = model.decode(model.encode(x[:6]) + shift)
    columns += [model.space.drawn(x[:6]), model.reconstruct(x[:6]), moved, model.space.drawn(y[:6])]

figure, (left, right) = plt.subplots(1, 2, figsize=(14, 6), layout="constrained", width_ratios=[1.5, 1])
left.imshow(plot.sheet(np.stack(columns, axis=1).reshape(-1, 3, 16, 16), columns=len(columns)))
left.set(title="each: test face, reconstructed, edited, the true edit", yticks=[])
left.set_xticks((np.arange(3) + 0.5) * left.get_xlim()[1] / 3, list(EDITS))
right.imshow(plot.sheet(latents.traverse(model, test["x"], rows=8, steps=9), columns=9))
right.set(title="one latent a row, over ± 2.5 standard deviations", xticks=[], yticks=[])
figure.savefig("105_faces.png", dpi=100)
print("wrote 105_faces.png")
