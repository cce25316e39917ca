"""CLIP: which caption belongs to which picture, and whether it reads one as more than a bag of words.

Two networks learn to give a picture and its caption vectors that agree, and those of 127 others vectors that do not.
How often is the nearest of 100 captions then a true one, and how often that of two which differ in one word? And if the
shapes of "a red circle above a blue cross" are exchanged: the same words, another picture, for which nearly no batch of
the training asked? Captions that name a pair of shape and colour that was withheld are counted by themselves. Left:
cosines of eight test pictures and captions, right: of each picture with its caption and with the exchanged one.
Writes 121_clip.png.
Course: 10.1.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data
from minigen.data.shapes.captions import decode, encode, exchanged, parse
from minigen.judges import judge_similarity
from minigen.recipes import find
from minigen.train import Run, train

STEPS = 4000
SHOWN = 8

shapes, test = data.load("shapes16"), data.load("shapes16", "test")
noise = rng(0)
plan = find("clip").plan(shapes, noise)
train(Run(plan, shapes, rng=noise, steps=STEPS))
clip = plan.model.eval()
print(*clip.measure(test.columns, noise), *judge_similarity(clip.similarity, test), sep="\n")

captions = [parse(text) for text in decode(test["text"])]
asked = [i for i, caption in enumerate(captions) if exchanged(caption) and not caption.withheld][:SHOWN]
pictures, own = test["x"][asked], [captions[i] for i in asked]
cosines = clip.similarity(pictures, encode(own))
other = np.diag(clip.similarity(pictures, encode([exchanged(caption) for caption in own])))

figure, (left, right) = plt.subplots(1, 2, figsize=(14, 6), layout="constrained", width_ratios=(3, 2))
shown = left.imshow(cosines, cmap="RdBu_r", vmin=-1, vmax=1)
figure.colorbar(shown, ax=left, shrink=0.8, label="cosine")
left.set_xticks(range(SHOWN), [])
left.set_yticks(range(SHOWN), [str(caption) for caption in own], fontsize=9)
for i, picture in enumerate(pictures):  # above its column
    above = left.inset_axes((i / SHOWN + 0.005, 1.01, 1 / SHOWN - 0.01, 1 / SHOWN - 0.01))
    above.imshow(picture.transpose(1, 2, 0))
    above.set_axis_off()
left.set_ylabel("captions")
right.barh(np.arange(SHOWN) - 0.2, np.diag(cosines), 0.36, label="its caption", color="#2a6fb0")
right.barh(np.arange(SHOWN) + 0.2, other, 0.36, label="its shapes exchanged", color="#e07b28")
right.set_yticks(range(SHOWN), [""] * SHOWN)
right.invert_yaxis()
right.set_xlabel("cosine with the picture")
right.legend()
figure.savefig("121_clip.png", dpi=100)
print("wrote 121_clip.png")
