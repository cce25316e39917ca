"""Progressive GAN: the same latents at each resolution, from 4 x 4 pixels to 32 x 32.

Both networks begin with four by four pixels, and a stage later have twice the resolution, faded in. Below each other:
what the generator draws of the same z at the end of each stage. The patches of samples and of test images are compared,
by the sliced Wasserstein distance, on two scales. Writes 130_progan.png.
Course: 7.9.
"""
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.judges import sliced_measures
from minigen.recipes import find
from minigen.train import Run

STEPS, SAMPLES = 7000, 400
SHOWN = 10

critters, test = data.load("critters"), data.load("critters", "test")
noise = rng(0)
plan = find("progan").plan(critters, noise)
run, z = Run(plan, critters, rng=noise, steps=STEPS), plan.model.noise(SHOWN, rng(1))
rows, names = [], []
plan.model.train()
while not run.over:
    stage = run.stage.name
    terms = run.advance()
    if run.done >= 1.0 and not stage.startswith("fade"):
        print(f"{stage}: " + ", ".join(f"{name} {value:.3g}" for name, value in terms.items()), flush=True)
        with run.evaluating():
            rows.append(plan.model.decode(z))
        names.append(stage)
with run.evaluating():
    drawn = plan.model.sample(SAMPLES, rng(2))
space = critters.spaces["x"]
print(*sliced_measures(drawn, space.drawn(critters["x"][:SAMPLES]), space.drawn(test["x"][:SAMPLES])), sep="\n")
plot.captioned(np.concatenate(rows), names, "130_progan.png")
print("wrote 130_progan.png")
