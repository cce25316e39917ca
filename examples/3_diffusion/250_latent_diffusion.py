"""Pixels against latents: two diffusions of critters, told their kind, after as many seconds of computing.

One works on 3 x 32 x 32 pixels. Of the time of the other, a quarter goes to an autoencoder that makes 4 x 8 x 8 numbers
of an image, and the rest to the same kind of network on these: a quarter of its places, so a step should cost less, and
so should each of those in which an image is drawn. The latents are divided by their deviation, which is printed, as the
schedule is made for data of size one. What the autoencoder loses no diffusion brings back: its reconstructions are the
floor, and other critters, those of the training set, the floor under that. The Frechet distance sees shapes and kinds,
by a classifier; the sliced Wasserstein distance sees patches, on each scale. Writes 250_latent_diffusion.png.
Course: 9.12.
"""
import time

import matplotlib.pyplot as plt

from autograd.backend import rng
from minigen import data, plot
from minigen.metrics import frechet_distance
from minigen.models.classifiers import pretrained
from minigen.nn import Frozen
from minigen.recipes import find
from minigen.sliced import sliced_distances
from minigen.train import Run, train

SECONDS = 600  # of computing, for each of the two
STEPS, SAMPLES = 100, 400  # calls of the network for an image: half of the steps, as each calls it twice

critters, test = data.load("critters"), data.load("critters", "test").first(SAMPLES)
space, judge, y = critters.spaces["x"], pretrained("critters").judge, test["y"]
images, seen = space.drawn(test["x"]), space.drawn(critters["x"][:SAMPLES])
features = judge(images)[0]


def trained(name, seconds, **parts):
    noise = rng(0)
    run = train(Run(find(name).plan(critters, noise, **parts), critters, rng=noise, budget=seconds),
                clock=time.process_time)
    print(f"{name}: {run.step:,} steps in {seconds:g} s, {run.model.num_parameters():,} parameters", flush=True)
    return run.settled()


autoencoder = trained("kl_ae", SECONDS / 4)
models = {"latents": trained("latent_diffusion", SECONDS * 3 / 4, autoencoder=Frozen(autoencoder)),
          "pixels": trained("classifier_free", SECONDS)}
stage = models["latents"].first_stage
print(f"deviation of the latents {float(stage.sd):.3f}, divided by it {stage.all_latents(test['x'], rng(2)).std():.3f}")

drawn = {"test critters": images, "training critters": seen, "reconstructions": autoencoder.reconstruct(test["x"])}
speed = {}
for name, model in models.items():
    model.levels = model.schedule.levels(STEPS // 2)
    began = time.process_time()
    drawn[name] = model.sample(len(y), rng(1), y=y)
    speed[name] = len(y) / (time.process_time() - began)

figure, panels = plt.subplots(len(drawn), 1, figsize=(13, 8), layout="constrained")
for axes, (name, x) in zip(panels, drawn.items()):
    slices = ", ".join(f"{value:.3f} at {side}" for side, value in sliced_distances(x, images, rng(3)).items())
    said = f"{name}: Frechet distance {frechet_distance(judge(x)[0], features):,.0f}, sliced {slices} pixels"
    said += f", {speed[name]:.1f} images a second" if name in speed else ""
    print(said)
    axes.imshow(plot.sheet(x[:12], columns=12))
    axes.set_title(said if name != "test critters" else "test critters", loc="left")
    axes.set_axis_off()
print(f"latents are drawn {speed['latents'] / speed['pixels']:.1f} times as fast")
figure.savefig("250_latent_diffusion.png", dpi=100)
print("wrote 250_latent_diffusion.png")
