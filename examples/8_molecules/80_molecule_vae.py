"""Molecules as points: what comes back, what the prior draws, and a walk uphill on a property, checked by true values.

A code is a molecule: steps along the slope of what the predictor says of the gap between two orbitals lead to others.
What they really have is not asked of the predictor, which was climbed, but looked up in the half of QM9 that was not
used for training. Walks as long in random directions are the control. Writes 80_molecule_vae.png.
Course: 4.8.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, judges, plot, recipes
from minigen.data.molecules import PROPERTIES, decode
from minigen.data.smiles import fingerprint, is_valid, parse
from minigen.evaluate import structure
from minigen.metrics import mean_interval
from minigen.train import Run, train

STEPS = 1200
SAMPLES = 1000
ROWS = 4  # molecules that are shown
GAP = PROPERTIES.index("gap")
LENGTHS = np.arange(0, 6) * 1.0  # how far the walks go, in units of the prior's standard deviation

molecules, test, noise = data.load("qm9"), data.load("qm9", "test"), rng(0)
run = train(Run(recipes.find("molecule_vae").plan(molecules, noise), molecules, rng=noise, steps=STEPS))
known = {fingerprint(parse(text)): gap for text, gap in zip(decode(test["x"]), test["properties"][:, GAP])}
sd = molecules["properties"][:, GAP].std()


def true_gap(texts):
    """The gap of each line that is a molecule of the test split, NaN for the others."""
    return np.array([known.get(fingerprint(parse(text)), np.nan) if is_valid(text) else np.nan for text in texts])


with run.evaluating():
    model = run.model
    for measure in model.measure(test.first(SAMPLES).columns, rng(1)):
        print(measure)
    for measure in judges.judge(model.sample(SAMPLES, rng(2)), molecules, test, {}):
        print(measure)
    start, origin = model.encode(test["x"][:SAMPLES]), test["properties"][:SAMPLES, GAP]
    direction = rng(3).standard_normal(start.shape).astype(np.float32)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    walks = {"uphill on the gap": lambda far: model.ascend(start, GAP, 10, far / 10),
             "in a random direction": lambda far: start + far * direction}
    gaps = {name: [true_gap(decode(model.decode(walk(far)))) for far in LENGTHS] for name, walk in walks.items()}
    said = [model.predict(walks["uphill on the gap"](far))[:, GAP].mean() for far in LENGTHS]
    texts = [decode(model.decode(model.ascend(start[:ROWS], GAP, 10, far / 10))) for far in LENGTHS]

figure = plt.figure(figsize=(15, 7), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.6])
axes = left.subplots()
for name, found in gaps.items():
    moved = [(after - origin)[np.isfinite(after)] / sd for after in found]
    means = np.array([mean_interval(values) if len(values) > 1 else (np.nan, 0) for values in moved])
    axes.errorbar(LENGTHS, means[:, 0], means[:, 1], marker="o", capsize=3, label=f"true gap, {name}")
    print(f"{name}: true gap moved by (sd)", *(f"{mean:.2f} ± {half:.2f}" for mean, half in means),
          "; found", *map(len, moved))
axes.plot(LENGTHS, (np.array(said) - said[0]) / sd, "k:", label="what the predictor says, uphill")
axes.set(xlabel="length of the walk in the space of codes", ylabel="change in standard deviations of the gap")
axes.legend(frameon=False)
right.suptitle("uphill from four molecules of the test split, to the right")
for place, panel in enumerate(right.subplots(ROWS, len(LENGTHS)).flat):
    plot.molecule(panel, *structure(texts[place % len(LENGTHS)][place // len(LENGTHS)]))
figure.savefig("80_molecule_vae.png", dpi=100)
print("wrote 80_molecule_vae.png")
