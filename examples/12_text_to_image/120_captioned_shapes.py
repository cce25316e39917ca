"""Captioned shapes: every caption has many true pictures, and a reader without a learned part tells which ones are.

Scenes are drawn for six captions; in the last two stands a pair of shape and colour that no training picture has. Then
the reader is held against 500 scenes, whole scenes right and captions found true: on clean pictures, on pictures
blurred and with noise as a model's are, and, as a lower end, with each picture under the caption of another scene.
Writes 120_captioned_shapes.png.
Course: 12.12.
"""
import numpy as np
from scipy import ndimage

from minigen import plot
from minigen.data.shapes.captions import draw_pair, parse
from minigen.data.shapes.drawing import render
from minigen.data.shapes.reader import read
from minigen.shapes_judge import truth

SAMPLES = 500
CAPTIONS = ("a triangle at the left", "two small circles", "three shapes", "a red circle above a blue cross",
            "a large red square", "a yellow cross and a cyan circle")
CHANGES = {
    "clean": lambda x, rng: x,
    "blurred by 0.75 pixels": lambda x, rng: ndimage.gaussian_filter(x, (0, 0.75, 0.75)),
    "noise of deviation 0.1": lambda x, rng: x + 0.1 * rng.standard_normal(x.shape)}


def pictures(text, n, count, rng):
    """Pictures that show what the text says: scenes are drawn until it holds of one."""
    caption, found = parse(text), []
    while len(found) < count:
        _, scene = draw_pair(n, rng, withheld=caption.withheld, form=caption.form)
        if caption.holds(scene, n):
            found.append(render(scene, n))
    return np.stack(found)


def main():
    rng = np.random.default_rng(0)
    plot.captioned(np.concatenate([pictures(text, 32, 8, rng) for text in CAPTIONS]), CAPTIONS,
                   "120_captioned_shapes.png")
    for n in (16, 32):
        captions, scenes = zip(*(draw_pair(n, rng) for _ in range(SAMPLES)))
        for name, change in CHANGES.items():
            readings = [read(change(render(scene, n), rng)) for scene in scenes]
            kinds = lambda things: sorted(thing[:3] for thing in things)
            right = np.mean([kinds(reading.scene) == kinds(scene) for reading, scene in zip(readings, scenes)])
            flagged = np.mean([bool(reading.complaints) for reading in readings])
            print(f"{n} x {n}, {name}: scenes right {right:.3f}, captions true {truth(captions, readings).mean():.3f}, "
                  f"flagged {flagged:.3f}")
        readings = [read(render(scene, n)) for scene in scenes]
        print(f"{n} x {n}, under another's caption: true {truth(captions[1:], readings).mean():.3f}")
    print("wrote 120_captioned_shapes.png")


if __name__ == "__main__":
    main()
