"""DALL-E: a caption and the codes of a picture are one row of tokens, which a transformer continues.

First the floor: a dVAE makes 8 x 8 codes of each picture, and what is lost there no transformer can draw. Its
reconstructions are read back: how often is the caption still true of them? Then the transformer: how many nats does a
code cost under its own caption, and how many more under another's? A gap of 0 would mean that it does not read. Last,
of eight pictures of each caption the one is kept that CLIP finds most like it. CLIP reads colours, and nearly no
relations: so more of the former should be right, and not of the latter. The last two captions of the sheet name a pair
of shape and colour that was never trained on. Writes 123_dalle.png. Course: 10.2.
"""
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.data.shapes.captions import encode
from minigen.nn import Frozen
from minigen.recipes import find
from minigen.shapes_judge import shape_measures

STEPS, SAMPLES = 2000, 300  # half as many for DALL-E
CANDIDATES, SHOWN = 8, 8
CAPTIONS = ("a red circle", "a large blue cross at the top", "a small green triangle", "two yellow squares",
            "a magenta circle above a blue cross", "a red square", "a cyan circle")


def trained(name, data, steps=STEPS, **parts):
    return Frozen(find(name).trained(data, steps, **parts))


def main():
    shapes, test = data.load("shapes16"), data.load("shapes16", "test").first(SAMPLES)
    x, text = np.asarray(test.spaces["x"].drawn(test["x"])), test["text"]
    accuracy = lambda pictures: "\n".join(map(str, shape_measures(pictures, x, text, text)))

    tokenizer = trained("conv_dvae", shapes)
    print(f"reconstructions from {tokenizer.codes.size} codes of {tokenizer.codes.levels}")
    print(accuracy(tokenizer.decode(tokenizer.encode(test["x"]))))
    clip, dalle = trained("clip", shapes), trained("dalle", shapes, STEPS // 2, tokenizer=tokenizer)
    print(*dalle.measure(test.columns, rng(0)), sep="\n")
    print("one picture of each caption")
    print(accuracy(dalle.sample(len(text), rng(1), text=text)))
    print(f"the best of {CANDIDATES} by CLIP")
    print(accuracy(dalle.best_of(CANDIDATES, clip, rng(1), text)))
    asked = encode(CAPTIONS).repeat(SHOWN, axis=0)
    plot.captioned(dalle.sample(len(asked), rng(2), text=asked), CAPTIONS, "123_dalle.png")
    print("wrote 123_dalle.png")


if __name__ == "__main__":
    main()
