"""What is a code good for? Classification with 100 labels, by codes that were learned without any.

A VAE of convolutions sees all training images, and no label. Then a linear classifier is given the labels of 100
images, in each draw of others, and either their pixels or their codes. The same labels for all, so that differences are
paired. A code of 20 numbers does not part ten classes by planes well, but images near each other in it are mostly of
one class: described by how near they are to some centres, found without labels too, they need fewer labels; the same
with pixels is the control. To fine-tune the whole network on so few labels is not better than that linear classifier,
and not better from the VAE's encoder on than from scratch. Writes 16_few_labels.png.
Course: 3.5.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng, to_numpy
from minigen import data, recipes
from minigen.data import balanced
from minigen.metrics import mean_interval
from minigen.nn import Linear, Sequential
from minigen.probes import few_label_errors, fine_tune, nearness
from minigen.train import Run, train

STEPS = 1000
LABELS, CENTRES = 100, 150
DRAWS = max(2, STEPS // 100)

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
y, y_test = digits["y"], test["y"]
pixels = [to_numpy(digits.spaces["x"].rows(split["x"])) for split in (digits, test)]
run = train(Run(recipes.find("conv_vae").plan(digits, noise := rng(0)), digits, rng=noise, steps=STEPS))
with run.evaluating() as vae:
    codes = [vae.encode(split["x"]) for split in (digits, test)]
features = {"pixels": pixels, "codes": codes, "nearness\nof pixels": nearness(*pixels, CENTRES, rng=rng(1)),
            "nearness\nof codes": nearness(*codes, CENTRES, rng=rng(1))}

print(f"{test.note}: share of wrong classes, logistic regression, {DRAWS} draws of {LABELS} labels")
errors = few_label_errors(features, y, y_test, LABELS, DRAWS, rng=rng(LABELS))
for name, values in errors.items():
    gain, half_width = mean_interval(errors["pixels"] - values)
    print(f"{' '.join(name.split()):18} {values.mean():.3f}; better than pixels by {gain:+.3f} ± {half_width:.3f}, "
          f"in {(values < errors['pixels']).sum()} of {DRAWS} draws")

tuned = {"from scratch": [], "from the VAE's\nencoder on": []}
for draw in range(DRAWS):
    rows = balanced(y, LABELS, 10, rng(draw))
    for name, values in tuned.items():
        encoder = recipes.find("conv_vae").plan(digits, rng(draw)).model.encoder
        if name != "from scratch":
            encoder.load_state_dict(vae.encoder.state_dict())
        network = Sequential(encoder, Linear(2 * vae.latent, 10, rng=rng(draw)))
        values.append((fine_tune(network, pixels[0][rows], y[rows], STEPS // 10)(pixels[1]) != y_test).mean())
for name, values in tuned.items():
    print(f"the whole network, {' '.join(name.split())} {np.mean(values):.3f}")
gain, half_width = mean_interval(np.subtract(*tuned.values()))
print(f"better from the VAE's encoder on by {gain:+.3f} ± {half_width:.3f}")

figure, panels = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", width_ratios=[1.6, 1], sharey=True)
for axes, of, title in zip(panels, (errors, tuned), ("logistic regression", "the whole network, fine-tuned")):
    for draw in zip(*of.values()):
        axes.plot(range(len(of)), draw, color="0.7", marker="o", markersize=4)
    axes.plot(range(len(of)), [np.mean(values) for values in of.values()], "k_", markersize=40, markeredgewidth=2)
    axes.set(xticks=range(len(of)), xticklabels=of, xlim=(-0.4, len(of) - 0.6), title=title)
panels[0].set(ylim=(0, None), ylabel="share of wrong classes")
figure.suptitle(f"{LABELS} labels: a line for each draw of them, a bar for the mean")
figure.savefig("16_few_labels.png", dpi=110)
print("wrote 16_few_labels.png")
