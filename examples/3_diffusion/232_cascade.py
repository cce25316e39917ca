"""A cascade against one network, in equal computing time: 8 x 8, 16 x 16 and 32 x 32 pixels, or 32 x 32 at once.

Half of the time goes to a diffusion of whole images. The other half is shared by three small networks: one draws
critters of 8 x 8 pixels, where what they are about shows already, two draw images at twice their size. The sliced
Wasserstein distance tells the two apart by scale: are patches alike at 16 pixels, and at 32? Printed beside it is that
of training images. The last upsampler alone, on true images at half the resolution, is compared with bicubic
interpolation, which knows nothing of critters. Last, how far upsamplers should trust what they are given: the level of
the noise that is added to it. Writes 232_cascade.png.
Course: 10.5.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.models.diffusion import Cascade
from minigen.nn import Frozen
from minigen.sliced import sliced_distances
from minigen.train import Run, train

SECONDS, SAMPLES, DOWN = 180.0, 140, 25  # of computing, for all of them; DOWN: steps of drawing
SHARES = {"cascade_base": 0.2, "upsampler_to_half": 0.15, "upsampler_to_whole": 0.15, "classifier_free": 0.5}
LEVELS = [1, 300]  # of that noise, of 1000; it is 100 else

critters, valid = data.load("critters"), data.load("critters", "valid").first(SAMPLES)
space, y = critters.spaces["x"], valid["y"]


def trained(name, share):
    noise = rng(0)
    plan = recipes.find(name).plan(critters, noise)
    run = train(Run(plan, critters, rng=noise, budget=share * SECONDS), clock=time.process_time)
    print(f"{name}: {run.step} steps in {run.seconds:.0f} s, {run.model.num_parameters():,} parameters", flush=True)
    return run.settled()


base, to_half, to_whole, direct = (trained(name, share) for name, share in SHARES.items())
for model in (base.model, to_half.model, to_whole, direct):
    model.levels = model.schedule.levels(DOWN)
cascade = Cascade(Frozen(base), [Frozen(to_half), Frozen(to_whole)])
for measure in to_whole.measure(valid.columns, rng(1)):
    print(f"the last upsampler alone: {measure}")


def judged(name, images):
    """Prints its sliced distances from the valid images."""
    distances = sliced_distances(images, space.drawn(valid["x"]), np.random.default_rng(0))
    shown = ", ".join(f"{distance:.3f} at {side} pixels" for side, distance in distances.items())
    print(f"{name}: sliced distance {shown}", flush=True)
    return images


drawn = {"8 x 8": base.sample(42, rng(2), w=0.0),
         "the cascade": judged("cascade", cascade.sample(len(y), rng(2), y=y, w=0.0)),
         "one network": judged("one network", direct.sample(len(y), rng(2), y=y, w=0.0)),
         "training images": judged("training images", space.drawn(critters["x"][:len(y)]))}
for level in LEVELS:
    to_half.model.augmentation = to_whole.augmentation = level
    judged(f"cascade, noise to step {level}", cascade.sample(len(y), rng(2), y=y, w=0.0))

figure, axes = plt.subplots(1, 4, figsize=(15, 4.4), layout="constrained")
for ax, (title, images) in zip(axes, drawn.items()):
    ax.imshow(plot.sheet(images[:42], columns=6), interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=[])
figure.savefig("232_cascade.png", dpi=110)
print("wrote 232_cascade.png")
