"""Two levels of codes: what the coarse grid says of a picture, and what the fine one adds.

A creature becomes 4 x 4 codes at the top and 8 x 8 at the bottom, 480 bits. Each level is looked at by taking the codes
of the other from another creature: what stays as it was is what the level carries. The rival has one level, in as many
bits and seconds: 64 codes out of 181. On drawings as small as these its error is the smaller one.
Writes 62_vqvae2.png.
Course: 5.2.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.models.codes import VQVAE
from minigen.optim import adam, cosine_decay
from minigen.quantize import EMACodebook
from minigen.train import Run, one_stage, train

STEPS = 1200

critters, test = data.load("critters"), data.load("critters", "test")
noise = rng(0)
run = train(Run(recipes.find("vqvae2").plan(critters, noise), critters, rng=noise, steps=STEPS))
two = run.model.eval()

noise = rng(0)
one = VQVAE(critters.spaces["x"], EMACodebook(181, 8, rng=noise), width=32, rng=noise).scaled_by(critters["x"])
plan = one_stage(one, adam(cosine_decay(4e-3)), STEPS, batch_size=64)
rival = train(Run(plan, critters, rng=noise, budget=run.seconds))
one.eval()
for name, each in (("two levels", run), ("one level", rival)):
    print(f"{name}: {each.step:,} steps in {each.seconds:.0f} s", *each.model.measure(test.columns, noise), sep="\n  ")

x = test["x"][:10]
top, bottom = two.encode(x)
other = lambda codes: np.roll(codes, 1, axis=0)
rows = {"creature": two.space.drawn(x), "two levels": two.decode(top, bottom), "one level": one.reconstruct(x),
        "its top, bottom of\nits left neighbour": two.decode(top, other(bottom)),
        "its bottom, top of\nits left neighbour": two.decode(other(top), bottom)}
figure, axes = plt.subplots(figsize=(13, 6.8), layout="constrained")
axes.imshow(plot.sheet(np.concatenate(list(rows.values())), columns=len(x)))
axes.set_xticks([])
axes.set_yticks((np.arange(len(rows)) + 0.5) * axes.get_ylim()[0] / len(rows), list(rows))
figure.savefig("62_vqvae2.png", dpi=100)
print("wrote 62_vqvae2.png")
