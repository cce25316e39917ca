"""Inside Glow: what each kind of layer does to digits, and what the latents of each level hold.

Left: log |det| of every layer, whose sum is what the flow adds to log N(z). Middle: learned 1x1
convolutions, which started as rotations, with all singular values 1. Right: the latents of one level are
drawn anew, those of the other stay: detail and shape live on different levels. Writes 34_glow_anatomy.png.
Course: 12.6.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import no_grad
from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.flows.layers import InvertibleConv1x1
from minigen.train import Run, train

STEPS = 300

digits, test = data.load("digits"), data.load("digits", "test")
noise = rng(0)
run = train(Run(recipes.find("glow").plan(digits, noise), digits, rng=noise, steps=STEPS))
model = run.model.eval()
print(model.measure(test.columns, noise)[0], f"on the {test.note}")

names, log_determinants = [], []  # of every layer, the mean over the test images
with no_grad():
    h, _ = model.dequantization(test["x"], noise)
    for level in model.flow.levels:
        for layer in level:
            h, logdet = layer(h)
            names.append(type(layer).__name__)
            log_determinants.append(logdet.numpy().mean())
        h = h[:, h.shape[1] // 2 :]  # the half that stays

figure = plt.figure(figsize=(17, 4.4), layout="constrained")
left, middle, right = figure.subfigures(1, 3, width_ratios=[1.2, 0.8, 2.2])
panel = left.subplots()
for kind in dict.fromkeys(names):
    places = [i for i, name in enumerate(names) if name == kind]
    values = [log_determinants[i] for i in places]
    panel.bar(places, values, label=kind)
    print(f"log |det| of {kind:18} {sum(values):8.1f} nats")
panel.set(xlabel="layer", ylabel="mean log |det| (nats)")
panel.legend(frameon=False, fontsize=8)
mixing = [layer for level in model.flow.levels for layer in level if isinstance(layer, InvertibleConv1x1)]
for panel, layer in zip(middle.subplots(2, 2).flat, (mixing[0], mixing[7], mixing[8], mixing[15])):
    panel.imshow(layer.weight().numpy(), cmap="RdBu", vmin=-1.5, vmax=1.5)
    s = np.linalg.svd(layer.weight().numpy(), compute_uv=False)
    panel.set(xticks=[], yticks=[], title=f"W: singular values\n{s[-1]:.2f} to {s[0]:.2f}")
z = np.repeat(model.encode(test["x"][:8]), 8, axis=0)  # (64, 64): eight digits, eight times each
new = noise.standard_normal((64, 32))
sheets = {"test digits": test.spaces["x"].drawn(test["x"][:8].repeat(8, axis=0)),
          "first level drawn anew": model.decode(np.concatenate([new, z[:, 32:]], axis=1)),
          "second level drawn anew": model.decode(np.concatenate([z[:, :32], new], axis=1))}
for panel, (name, images) in zip(right.subplots(1, 3), sheets.items()):
    panel.imshow(plot.sheet(images))
    panel.set(xticks=[], yticks=[], title=name)
figure.savefig("34_glow_anatomy.png", dpi=110)
print("wrote 34_glow_anatomy.png")
