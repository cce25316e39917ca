"""Emoji found by their names: people whose names have a grammar, of which a part was never seen, and all others.

Of the 1,350 people 300 are withheld: each role, gender and tone of skin was seen, but not all three together. CLIP
learns the names of the others, and is asked for those: which of 100 names belongs to the picture, and which of its
three parts are right? Then the other emoji, whose names are whatever they are: so they are read in pieces of words,
learned from the names of the training split, and a name that was never seen is spelled by pieces that were. There is
one picture to a name, and nothing to say what the withheld ones look like but the pieces.

The sheet: for eight withheld names the eight people, of all 1,350, that CLIP finds most like them. Writes
128_emoji_names.png. Course: 10.1.
"""
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.data.named import people
from minigen.data.text import decode, pieces_of
from minigen.judges import judge_similarity
from minigen.recipes import find
from minigen.train import Run, train

STEPS = 400
SETS = {"emoji_people": STEPS, "emoji_names": STEPS // 4}  # these are larger, and there is less to be learned
ASKED, SHOWN = slice(0, 150, 19), 8


def trained(name):
    """CLIP, after so many steps, and the test split."""
    dataset, noise = data.load(name), rng(0)
    plan = find("clip").plan(dataset, noise)
    train(Run(plan, dataset, rng=noise, steps=SETS[name]))
    return plan.model.eval(), data.load(name, "test")


def main():
    for name in SETS:
        clip, test = trained(name)
        space = test.spaces["text"]
        print(f"{name}, {len(test)} withheld pictures and names", *judge_similarity(clip.similarity, test), sep="\n  ")
        if name == "emoji_people":
            pictures, _ = people()
            nearest = np.argsort(-clip.similarity(pictures, test["text"][ASKED]), axis=0)[:SHOWN].T
            shown = test.spaces["x"].drawn(pictures[nearest.ravel()])
            plot.captioned(shown, decode(test["text"][ASKED], space), "128_emoji_names.png")
    for text in decode(test["text"][:4], space):
        print(f"'{text}' is read as {' | '.join(pieces_of(text, space.names))}")
    print("wrote 128_emoji_names.png")


if __name__ == "__main__":
    main()
