"""Other hair, glasses, a hat: one translator for all edits, learned from faces that nobody has seen edited.

It is told the labels that a face is to have. As these faces are composed of parts, the face with glasses is known to
the pixel, and a reader says of any picture what it shows: so two numbers tell all, the share of edits that were made,
and the distance to the truth beside that of doing nothing. Labels that are to stay say little: a translator that copies
has them all. Writes 111_stargan.png.
Course: 7.7.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.data.translations import HAIR, LABELS
from minigen.evaluate import evaluate
from minigen.train import Run, train

STEPS, SHOWN = 400, 10

faces, test = data.load("face_edits"), data.load("face_edits", "test")
noise = rng(0)
run = train(Run(recipes.find("stargan").plan(faces, noise), faces, rng=noise, steps=STEPS))
source, labels = test["source"][:SHOWN], test["labels"][:SHOWN]
rows = {"face": source / 255}
with run.evaluating():
    print(f"{run.seconds:.0f} s; {test.note}", *evaluate(run.model, test, rng(1), faces), sep="\n  ")
    for column, name in enumerate(LABELS):
        edit = labels.copy()
        if column < len(HAIR):
            edit[:, :len(HAIR)] = np.eye(len(HAIR))[column]
            rows[name] = run.model.translate(source, edit)
        else:
            edit[:, column] = 1 - edit[:, column]
            rows[f"{name} on, or off"] = run.model.translate(source, edit)
    asked = run.model.translate(source, test["edit"][:SHOWN])
truth = {"face": source / 255, "edited": asked, "the truth": test["x"][:SHOWN] / 255}

figure, axes = plt.subplots(1, 2, figsize=(15, 5.4), layout="constrained")
for panel, shown, title in zip(axes, (rows, truth), ("each label in turn", "the edits of the test split")):
    panel.imshow(plot.sheet(np.concatenate(list(shown.values())), columns=SHOWN))
    panel.set_yticks((np.arange(len(shown)) + 0.5) * panel.get_ylim()[0] / len(shown), list(shown))
    panel.set(xticks=[], title=title)
figure.savefig("111_stargan.png", dpi=100)
print("wrote 111_stargan.png")
