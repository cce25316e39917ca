"""Imagen's cascade: what a caption says is drawn at 16 x 16 pixels, and enlarged by a network that is told it too.

A language model reads the captions. One diffusion draws small pictures of them, another learned to enlarge true ones,
with noise in them, so that it does not trust every pixel of what the first one drew. Each is led by w, its x_0 kept in
range by dynamic thresholds. Left of each enlarged picture is the small one that it was made of. An exact reader says
how many captions are true, of the enlarged pictures, and of the small ones enlarged by a formula: what is gained by
drawing the details. Writes 129_imagen_cascade.png.
Course: 10.5.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng, to_numpy
from minigen import data, plot
from minigen.data.shapes.captions import encode
from minigen.models.diffusion.super_resolution import enlarged
from minigen.nn import Frozen
from minigen.recipes import find
from minigen.shapes_judge import shape_measures

STEPS, SAMPLES = 2800, 200
SCALES = 0, 1, 3  # w
PROMPTS = ("a red circle", "three small yellow squares", "a blue square above a green cross",
           "a large cyan triangle left of a red circle", "four magenta circles", "a red square")  # the last is withheld

shapes, test = data.load("shapes32"), data.load("shapes32", "test").first(SAMPLES)
pictures = test.spaces["x"].drawn(test["x"])
asked = np.concatenate([encode(PROMPTS), test["text"]])

reader = Frozen(find("caption_lm").trained(shapes, STEPS // 3))
base = Frozen(find("imagen_base").trained(shapes, STEPS, encoder=reader))
upsampler = Frozen(find("imagen_upsampler").trained(shapes, STEPS, encoder=reader))
cascade = find("imagen_cascade").plan(shapes, rng(0), base=base, upsampler=upsampler).model
print(*upsampler.measure(data.load("shapes32", "valid").first(SAMPLES).columns, rng(1)), sep="\n")


def judged(x):
    """Measures by name, of signed images for all captions of the test."""
    found = shape_measures(cascade.space.from_signed(x[len(PROMPTS):]), pictures, test["text"], test["text"])
    return {measure.name: measure for measure in found}


figure, axes = plt.subplots(1, len(SCALES), figsize=(12, 5.2), layout="constrained")
for cell, w in zip(axes, SCALES):
    small = base.draw(asked, w, rng(1))
    x = upsampler.draw(small, asked, w, rng(2))
    by_formula, by_network = judged(enlarged(small, (32, 32), "bicubic").clip(-1, 1)), judged(x)
    for name, found in {"enlarged by bicubic interpolation": by_formula, "enlarged by a diffusion": by_network}.items():
        print(f"w = {w}, {name}", *found.values(), sep="\n    ", flush=True)
    shown = [to_numpy(each[:len(PROMPTS)]) for each in (enlarged(small, (32, 32), "nearest"), x)]
    tiles = np.stack(shown, axis=1).reshape(-1, 3, 32, 32)  # small and large of each prompt, one after the other
    cell.imshow(sheet := plot.sheet(cascade.space.from_signed(tiles), columns=2), interpolation="nearest")
    right, flagged = (by_network[key].value for key in ("caption accuracy", "flagged"))
    cell.set(title=f"w = {w}: true {right:.2f}, flagged {flagged:.2f}\n(bicubic: "
                   f"{by_formula['caption accuracy'].value:.2f}, {by_formula['flagged'].value:.2f})", xticks=[])
    places = (np.arange(len(PROMPTS)) + 0.5) * len(sheet) / len(PROMPTS)
    cell.set_yticks(places, PROMPTS if w == SCALES[0] else [""] * len(PROMPTS))
    cell.tick_params(length=0)
figure.savefig("129_imagen_cascade.png", dpi=100)
print("wrote 129_imagen_cascade.png")
