"""The same 384 bits for an image, spent by three autoencoders: VQ-VAE, VQ-VAE-2 and VQ-GAN, after as much time each.

A VQ-VAE has the least squared error in mind: where its 64 codes leave open how an edge runs, it draws the mean of all
ways, a blur. A VQ-VAE-2 spends the same bits at two levels. A VQ-GAN is asked for something else: an image that a
classifier and a discriminator of patches take for the right one. Its edges are sharper, if not always where they were,
and in so short a time the dislike of blurs also leaves specks. So no single number says which is best: L1 punishes an
edge that has moved, the Frechet distance (how far the reconstructions, as a set, are from the images) one that is
blurred. The classifier that VQ-GAN learns from is not the one that judges it. Writes 63_vqgan.png.
Course: 5.4.
"""
import time

import matplotlib.pyplot as plt

from autograd.backend import rng
from minigen import data, plot
from minigen.judges import judge_reconstructions
from minigen.models.codes import VQVAE2
from minigen.nn import Frozen
from minigen.optim import adam, cosine_decay
from minigen.quantize import EMACodebook
from minigen.quantize.measures import sharpness_measures
from minigen.recipes import find
from minigen.train import Run, one_stage, train

STEPS = 3000  # of the VQ-VAE; the others make as many as take the same time
COST = {"VQ-VAE": 1.0, "VQ-VAE-2": 1.3, "VQ-GAN": 1.0}  # of a step, in those of the VQ-VAE; its batches are the larger

critters, test = data.load("critters"), data.load("critters", "test")
space, noise = critters.spaces["x"], rng(1)
seeing = find("classifier").plan(critters, noise)
train(Run(seeing, critters, rng=noise, steps=max(10, STEPS // 6)))

noise = rng(0)
top, bottom = (EMACodebook(K, 8, rng=noise) for K in (16, 32))  # 16 codes of 4 bits and 64 of 5
two_levels = VQVAE2(space, top, bottom, rng=noise).scaled_by(critters["x"])
plans = {"VQ-VAE": find("vqvae").plan(critters, noise),  # 64 codes of 6 bits, as VQ-GAN
         "VQ-VAE-2": one_stage(two_levels, adam(cosine_decay(2e-3)), STEPS, batch_size=64),
         "VQ-GAN": find("vqgan").plan(critters, noise, classifier=Frozen(seeing.model))}

images, seen = space.drawn(test["x"]), space.drawn(critters["x"][:len(test)])
(floor,) = judge_reconstructions(seen, critters, test)  # other images of the same kind
rows = {f"test images; as many training images have a Frechet distance of {floor.value:,.0f}": images}
for name, plan in plans.items():
    began = time.process_time()
    run = train(Run(plan, critters, rng=noise, steps=max(10, round(STEPS / COST[name]))))
    seconds = time.process_time() - began
    with run.evaluating():
        x_hat = plan.model.reconstruct(test["x"])
    measures = [*sharpness_measures(space, test["x"], x_hat), *judge_reconstructions(x_hat, critters, test)]
    print(f"{name}: {plan.model.bits:.0f} bits, {run.step} steps, {seconds:.0f} s", *measures, sep="\n  ")
    L1, energy, distance = (measure.value for measure in measures)
    rows[f"{name}:  L1 {L1:.4f},  gradient energy {energy:.2f},  Frechet distance {distance:,.0f}"] = x_hat

figure, panels = plt.subplots(4, 1, figsize=(13, 6.6), layout="constrained")
for axes, (title, images) in zip(panels, rows.items()):
    axes.imshow(plot.sheet(images[:12], columns=12))
    axes.set_title(title, loc="left", fontsize=13)
    axes.set_axis_off()
figure.savefig("63_vqgan.png", dpi=100)
print("wrote 63_vqgan.png")
