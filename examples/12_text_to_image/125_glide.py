"""GLIDE: led by captions in two ways; and edits by mask and caption.

Classifier-free guidance goes beyond what the caption changes; CLIP's climbs what a CLIP of noisy images, told how much
noise there is, thinks of the picture; a third climbs a CLIP that knows clean images only. Every picture is read back,
without a learned part. Diversity is that of what a caption leaves open: the entropy of colours and sizes in pictures of
"a circle", over the most there can be. Then it is trained on, to draw another object in a mask. Writes 125_glide.png.
Course: 10.3.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.data.shapes.captions import decode, encode, parse
from minigen.data.shapes.reader import read
from minigen.nn import Frozen
from minigen.recipes import find
from minigen.shapes_judge import diversity, edit_tasks, redrawn_measures, shape_measures

STEPS, SAMPLES = 5000, 300
OPEN = "a circle", "a blue shape", "a yellow shape at the left"

shapes, test = data.load("shapes16"), data.load("shapes16", "test").first(SAMPLES)
pictures, text = test.spaces["x"].drawn(test["x"]), test["text"]
asked = np.concatenate([text, encode(OPEN).repeat(SAMPLES // 15, axis=0)])


glide = find("glide").trained(shapes, STEPS)
noised, clean = (find(name).trained(shapes, STEPS // 3) for name in ("noised_clip", "clip"))
print(*noised.measure(test.columns, rng(1)), sep="\n")
ways = {"classifier-free": ([0, 1, 2, 4], lambda w: glide.sample(len(asked), rng(1), text=asked, w=w)),
        "by CLIP": ([1, 4, 16], lambda w: glide.sample_by_clip(noised, rng(1), asked, w)),
        "by a CLIP of clean images": ([4], lambda w: glide.sample_by_clip(clean, rng(1), asked, w))}
top, bottom = (figure := plt.figure(figsize=(13, 9), layout="constrained")).subfigures(2, 1)
panels = top.subplots(1, 2)
for (name, (scales, sample)), marker in zip(ways.items(), "os^"):  # scales: of w
    rows = []
    for w in scales:
        drawn, open_ = np.split(sample(w), [len(text)])
        found = {measure.name: measure.value for measure in shape_measures(drawn, pictures, text, text)}
        spread = [even for caption, some in zip(OPEN, np.split(open_, len(OPEN)))
                  for even in diversity(parse(caption), [read(x) for x in some]).values() if even == even]
        score = np.diag(clean.similarity(np.rint(255 * drawn).astype(np.uint8), text)).mean()
        rows.append([found["caption accuracy"], np.mean(spread or [0]), found["flagged"]])
        print(f"{name}, w = {w}: accuracy {rows[-1][0]:.3f}, diversity {rows[-1][1]:.3f}, flagged {rows[-1][2]:.3f}, "
              f"cosine of a clean CLIP {score:.3f}", flush=True)
    for axes, values in zip(panels, np.array(rows).T[1:]):
        axes.plot(np.array(rows)[:, 0], values, marker + "-", label=name)
for axes, title in zip(panels, ("diversity of what the caption leaves open", "flagged: no clean scene")):
    axes.set(title=title, xlabel="caption accuracy")
axes.legend()
editor = find("glide_editor").trained(shapes, STEPS // 3, glide=Frozen(glide))
print(*redrawn_measures(lambda x, m, words: editor.redraw(x, m, words, rng(2)), test["x"], pictures, text), sep="\n")
rows, m, new = (each[:6] for each in edit_tasks(pictures, text))
redrawn = [editor.redraw(test["x"][rows], m, new, rng(seed)) for seed in range(3)]
for axes, old, words, *shown in zip(bottom.subplots(2, 3).flat, decode(text[rows]), decode(new),
                                    pictures[rows], np.where(m, pictures[rows], 0.5), *redrawn):
    axes.imshow(plot.sheet(np.stack(shown), columns=len(shown)), interpolation="nearest")
    axes.set_title(f"{old}\n{words}", fontsize=9)
    axes.set_axis_off()
figure.savefig("125_glide.png", dpi=100)
print("wrote 125_glide.png")
