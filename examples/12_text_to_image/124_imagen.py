"""Imagen: a language model that never saw a picture reads the captions, a diffusion draws them, and guidance insists.

First the language model learns which word follows which, and is frozen. Then the diffusion is told its vectors, and for
a tenth of the pictures nothing, so that w can say how far to go beyond what the caption changes. Large w drives x_0 out
of the range of pictures: a static threshold clips it there, the dynamic one pulls all of it in. Every picture is read
back, without a learned part: is the caption true, is it a clean scene? The last prompt names a pair of shape and colour
that was never trained on. Writes 124_imagen.png.
Course: 10.5.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.data.shapes.captions import encode
from minigen.diffusion import clipped
from minigen.nn import Frozen
from minigen.recipes import find
from minigen.shapes_judge import shape_measures

STEPS, SAMPLES = 2800, 300
SCALES = 0, 1, 3, 5  # w
SHOWN = 3
PROMPTS = ("a red circle", "a large cyan triangle at the top", "three small yellow squares",
           "a blue square above a green cross", "a red square")

shapes, test = data.load("shapes16"), data.load("shapes16", "test").first(SAMPLES)
pictures = test.spaces["x"].drawn(test["x"])
asked = np.concatenate([encode(PROMPTS).repeat(SHOWN, axis=0), test["text"]])

reader = find("caption_lm").trained(shapes, STEPS // 3)
print(*reader.measure(data.load("shapes16", "valid").columns, rng(1)))
imagen = find("imagen").trained(shapes, STEPS, encoder=Frozen(reader))
figure, axes = plt.subplots(2, len(SCALES), figsize=(11, 9), layout="constrained")
for row, (name, limited) in zip(axes, {"static": clipped, "dynamic": imagen.limited}.items()):
    imagen.limited = limited
    for cell, w in zip(row, SCALES):
        drawn = imagen.sample(len(asked), rng(1), text=asked, w=w)
        shown, judged = np.split(drawn, [len(asked) - len(test)])
        found = {measure.name: measure for measure in shape_measures(judged, pictures, test["text"], test["text"])}
        print(f"w = {w}, {name} threshold", *found.values(), sep="\n    ", flush=True)
        cell.imshow(sheet := plot.sheet(shown, columns=SHOWN), interpolation="nearest")
        right, flagged = (found[key].value for key in ("caption accuracy", "flagged"))
        cell.set(title=f"w = {w}, {name} threshold\ntrue {right:.2f}, flagged {flagged:.2f}", xticks=[])
        places = (np.arange(len(PROMPTS)) + 0.5) * len(sheet) / len(PROMPTS)
        cell.set_yticks(places, PROMPTS if w == SCALES[0] else [""] * len(PROMPTS))
        cell.tick_params(length=0)
figure.savefig("124_imagen.png", dpi=100)
print("wrote 124_imagen.png")
