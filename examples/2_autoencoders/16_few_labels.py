"""What is a code good for? Classification with few labels, by codes that were learned without any.

A VAE and a plain autoencoder see all training images, and no label. Then a linear classifier is given the labels of
some images, in each draw of others, and either their pixels or their codes. The same labels for all, so that
differences are paired. Pixels are hard to beat: codes of 8 or 16 numbers do about as well with 20 labels, and worse
with more, as so few numbers do not part ten classes by planes. But an encoder can go on learning: fine-tuned on the
labels, it is better than the same network from scratch. Writes 16_few_labels.png.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng, to_numpy
from minigen import data, recipes
from minigen.data import balanced
from minigen.metrics import mean_interval
from minigen.nn import Linear, Sequential
from minigen.probes import few_label_errors, fine_tune
from minigen.train import Run, train

STEPS = 1000
DRAWS = max(2, STEPS // 100)
COUNTS = 20, 100, 300

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
space, y, y_test = digits.spaces["x"], digits["y"], test["y"]
pixels = [to_numpy(space.rows(split["x"])) for split in (digits, test)]
features = {"pixels": pixels}
for name in ("ae", "vae"):
    noise = rng(0)
    run = train(Run(recipes.find(name).plan(digits, noise), digits, rng=noise, steps=STEPS))
    with run.evaluating() as model:
        features[f"codes of the {name}"] = [model.encode(split["x"]) for split in (digits, test)]

print(f"{test.note}: share of wrong classes, {DRAWS} draws of labels")
errors = {n: few_label_errors(features, y, y_test, n, DRAWS, rng=rng(n)) for n in COUNTS}
for n, of in errors.items():
    for name, values in of.items():
        gain, half_width = mean_interval(of["pixels"] - values)
        print(f"{n:4} labels, {name:16} {values.mean():.3f}; better than pixels by {gain:+.3f} ± {half_width:.3f}, "
              f"in {(values < of['pixels']).sum()} of {DRAWS} draws")

tuned = {"the VAE's encoder": [], "from scratch": []}
for draw in range(DRAWS):
    rows = balanced(y, 100, 10, rng(draw))
    for name, values in tuned.items():
        encoder = recipes.find("vae").plan(digits, rng(draw)).model.encoder
        if name != "from scratch":
            encoder.load_state_dict(model.encoder.state_dict())
        network = Sequential(*encoder.children()[:-1], Linear(500, 10, rng=rng(draw)))
        classify = fine_tune(network, pixels[0][rows], y[rows], steps=STEPS // 5)
        values.append((classify(pixels[1]) != y_test).mean())
    print(*(f"{name} {values[-1]:.3f}" for name, values in tuned.items()), sep=", ")
gain, half_width = mean_interval(np.subtract(tuned["from scratch"], tuned["the VAE's encoder"]))
print(f"100 labels, the whole network: better from the VAE's encoder on by {gain:+.3f} ± {half_width:.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", width_ratios=[1.6, 1])
for name in features:
    mean, half = np.array([mean_interval(errors[n][name]) for n in COUNTS]).T
    left.errorbar(COUNTS, mean, half, marker="o", capsize=3, label=name)
left.set(xscale="log", xticks=COUNTS, xticklabels=COUNTS, xlabel="labels", ylabel="share of wrong classes",
         ylim=(0, None), title=f"logistic regression, mean of {DRAWS} draws of labels")
left.minorticks_off()
left.legend(frameon=False)
for pair in zip(*tuned.values()):
    right.plot(range(2), pair, color="0.7", marker="o", markersize=4)
right.set(xticks=range(2), xticklabels=tuned, xlim=(-0.4, 1.4), ylim=(0, None),
          title="the whole network, 100 labels:\na line for each draw of them")
figure.savefig("16_few_labels.png", dpi=110)
print("wrote 16_few_labels.png")
