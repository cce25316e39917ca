"""A GAN that is to draw captions: so its discriminator must read, and is shown true pictures with wrong captions.

First CLIP learns to match pictures and captions; its text encoder is then frozen, and tells both players what is asked
for. Every picture that is drawn is read back, without a learned part: is the caption true of it? Beside it stands
chance, the picture under the next one's caption. The last two captions name a pair of shape and colour that was never
trained on. Writes 122_text_gan.png.
Course: 7.7.
"""
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.data.shapes.captions import encode
from minigen.nn import Frozen
from minigen.recipes import find
from minigen.shapes_judge import shape_measures
from minigen.train import Run, train

STEPS, SAMPLES = 6000, 300
SHOWN = 8
CAPTIONS = ("a red circle", "a large blue cross at the top", "a small green triangle", "two yellow squares",
            "a magenta circle above a blue cross", "a red square", "a cyan circle")

shapes, test = data.load("shapes16"), data.load("shapes16", "test").first(SAMPLES)
noise = rng(0)
clip = find("clip").plan(shapes, noise)
train(Run(clip, shapes, rng=noise, steps=STEPS // 2))
noise = rng(0)
plan = find("text_gan").plan(shapes, noise, clip=Frozen(clip.model))
run = train(Run(plan, shapes, rng=noise, steps=STEPS))
with run.evaluating():
    drawn = plan.model.sample(len(test), rng(1), text=test["text"])
    asked = encode(CAPTIONS).repeat(SHOWN, axis=0)
    plot.captioned(plan.model.sample(len(asked), rng(2), text=asked), CAPTIONS, "122_text_gan.png")
print(*shape_measures(drawn, np.asarray(test.spaces["x"].drawn(test["x"])), test["text"], test["text"]), sep="\n")
print("wrote 122_text_gan.png")
