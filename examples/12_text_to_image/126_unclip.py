"""unCLIP: a caption becomes CLIP's vector of a picture, and this vector a picture.

The prior draws the vector; does it read? Its draws should be nearer to the vector of the caption's own picture than to
that of another. Then pictures are drawn three ways and read back: from vectors of the prior; from the caption's own
vector, as if it were a picture's; and from the true picture's, which is the most that a prior could give. CLIP
hardly tells which shape has which colour, so the vector hardly says: is it pictures of two objects that fail first?

The sheet: pictures of captions, the last of a pair that was never trained on; variations of a test picture, of the same
vector from other noise, which keep what CLIP reads; the way from one picture to another around the sphere; and a
picture that is turned by the difference of two captions. Writes 126_unclip.png. Course: 10.4.
"""
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.data.shapes.captions import encode
from minigen.data.shapes.reader import read
from minigen.nn import Frozen
from minigen.recipes import find
from minigen.shapes_judge import shape_measures

STEPS, SAMPLES = 4000, 300  # half as many for CLIP and the prior
SHOWN = 8
CAPTIONS = ("a red circle", "a large blue cross at the top", "two yellow squares",
            "a magenta circle above a blue cross", "a red square")
BEFORE, AFTER = "a red circle", "a blue circle"


def trained(name, data, steps=STEPS, **parts):
    return Frozen(find(name).trained(data, steps, **parts))


def main():
    shapes, test = data.load("shapes16"), data.load("shapes16", "test").first(SAMPLES)
    prior = trained("clip_prior", shapes, STEPS // 2, clip=trained("clip", shapes, STEPS // 2))
    unclip = trained("unclip", shapes, prior=prior)
    print(*prior.measure(test.columns, rng(0)), *unclip.measure(test.columns, rng(0)), sep="\n")
    x, text = np.asarray(test.spaces["x"].drawn(test["x"])), test["text"]
    vectors = {"the prior's vectors": prior.draw(text, rng(1)), "the captions' own": prior.of_captions(text),
               "the true pictures'": unclip.encode(test["x"])}
    for name, z in vectors.items():
        print(f"from {name}:", *shape_measures(unclip.decode(z, rng(2)), x, text, text), sep="\n  ")

    asked = encode(CAPTIONS).repeat(SHOWN, axis=0)
    first, second = test["x"][:2], test["x"][2:4]
    varied = unclip.variations(first, SHOWN - 1, rng(4)).reshape(2, SHOWN - 1, *x.shape[1:])
    between = unclip.interpolate(first, second, SHOWN)
    red = np.rint(255 * unclip.sample(1, rng(3), text=encode([BEFORE]))).astype(np.uint8)
    turned = unclip.text_difference(red, encode([BEFORE]), encode([AFTER]), theta=0.6, steps=SHOWN)
    on_the_way = between.reshape(2, SHOWN, *x.shape[1:])[:, 1:-1].reshape(-1, *x.shape[1:])
    clean = np.mean([not read(picture).complaints for picture in on_the_way])
    print(f"between two pictures: {clean:.3f} are clean scenes, of {len(on_the_way)}")
    rows = [unclip.sample(len(asked), rng(3), text=asked), np.concatenate([x[:2, None], varied], axis=1), between,
            turned]
    names = (*CAPTIONS, *["a picture, and variations"] * 2, *["from one to another"] * 2, f"{BEFORE}, to {AFTER}")
    plot.captioned(np.concatenate([row.reshape(-1, *x.shape[1:]) for row in rows]), names, "126_unclip.png")
    print("wrote 126_unclip.png")


if __name__ == "__main__":
    main()
