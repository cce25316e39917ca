"""Gated PixelCNN on digits: an exact likelihood, samples, lower halves for given upper halves, and digits on demand.

A network is asked for one pixel after the other, so a sampler that computes all of it each time makes 64 passes over 64
pixels; one that keeps what its layers were given makes 64 passes over one pixel, and draws the same images. On 28 x 28
pixels it is tens of times faster, and the more so the more images it draws at once. Writes 53_gated_pixelcnn.png.
Course: 1.1, 6.2.
"""
import time

import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.data import Space
from minigen.judges import image_measures
from minigen.models.autoregressive import PixelCNN
from minigen.models.classifiers import pretrained
from minigen.train import Run, train

STEPS, SAMPLES = 300, 447

digits, test = data.load("digits"), data.load("digits", "test")
space, noise = digits.spaces["x"], rng(0)
plain, of_class = (train(Run(recipes.find(name).plan(digits, noise), digits, rng=noise, steps=STEPS))
                   for name in ("gated_pixelcnn", "conditional_pixelcnn"))


def seconds(f):
    begun = time.perf_counter()
    return f(), time.perf_counter() - begun


print(f"{test.note}\npublished: independent pixels 106.4 nats, mixture of categoricals 100.7, causal convolution 86.6")
with plain.evaluating() as model:
    print("p(x)    ", model.measure(test.columns, noise)[0])
    samples = model.sample(64, noise)
    chosen = test["x"][[np.flatnonzero(test["y"] == k)[0] for k in range(8)]]  # one of each class, up to 7
    halves = model.complete(chosen.repeat(6, axis=0), model.D // 2, noise).reshape(8, 6, 1, 8, 8)
with of_class.evaluating() as model:
    print("p(x | y)", model.measure(test.columns, noise)[0])
    y = test["y"][:SAMPLES]
    drawn, seen = model.sample(len(y), noise, y=y), space.drawn(digits["x"])
    for measure in image_measures(pretrained("digits").judge, drawn, seen, space.drawn(test["x"]), y):
        print(measure)
    spread = lambda x, y: np.mean([x[y == k].var(axis=0).sum() for k in range(10)])
    print(f"variance within a class: {spread(drawn, y):.2f}, of the training digits {spread(seen, digits['y']):.2f}")
    rows = model.sample(80, noise, y=np.arange(10).repeat(8))

# The two samplers: 16 images of 28 x 28 by a network of 7 blocks; of the slow one's 784 passes, 8 are timed
large, x = PixelCNN(Space((1, 28, 28), 2), rng=rng(0)).eval(), np.zeros((16, 784), int)
slow = large.recompute()
fast_time = seconds(lambda: large.draw(16, rng(1)))[1] / 16
slow_time = seconds(lambda: [slow(i, x) for i in range(8)])[1] / 8 * 784 / 16
print(f"28 x 28: {fast_time:.3f} s an image, and {slow_time:.3f} s by computing everything anew: "
      f"{slow_time / fast_time:.0f} times")

whole = space.drawn(chosen)
known = np.where(np.arange(8)[:, None] < 4, whole, 0.5)  # gray: to be drawn
completed = np.concatenate([whole[:, None], known[:, None], halves], axis=1).reshape(64, 1, 8, 8)
plot.sheets({"samples": samples, "a test digit, its upper half, and six completions": (completed, 8),
             "a class a row": (rows, 8)}, "53_gated_pixelcnn.png")
print("wrote 53_gated_pixelcnn.png")
