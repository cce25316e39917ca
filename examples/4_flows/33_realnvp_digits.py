"""Real NVP on digits: a likelihood that can be compared, samples, and a walk through the latents.

The bound on -log P(x) is that of the integers, in nats; beside it stands that of a Gaussian with the full
covariance of the pixels, fitted to images with the same noise. The latents have as many numbers as the
image and lose nothing: test digits come back exactly. Writes 33_realnvp_digits.png.
Course: 12.6, 12.7.
"""
import math

import numpy as np

from autograd.backend import rng
from minigen import data, latents, plot, recipes
from minigen.train import Run, train

STEPS = 400

digits, test = data.load("digits"), data.load("digits", "test")
noise = rng(0)

# The yardstick: log N(x + u) is a bound on log P(x) too
train_v = (digits["x"] + noise.random(digits["x"].shape)).reshape(len(digits), -1)
mean, covariance = train_v.mean(axis=0), np.cov(train_v.T)
d = (test["x"] + noise.random(test["x"].shape)).reshape(len(test), -1) - mean
gaussian = 0.5 * (d * np.linalg.solve(covariance, d.T).T).sum(axis=1)
gaussian += 0.5 * (64 * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1])

run = train(Run(recipes.find("realnvp").plan(digits, noise), digits, rng=noise, steps=STEPS))

with run.evaluating() as model:
    print(test.note)
    print(f"Gaussian, full covariance: {gaussian.mean():.1f} nats")
    for measure in model.measure(test.columns, noise):
        print(measure)
    drawn = test.spaces["x"].drawn(test["x"])
    same = (model.reconstruct(test["x"]) == drawn).all(axis=(1, 2, 3))
    print(f"test digits that come back exactly: {same.mean():.1%}")

    z = model.encode(test["x"][:16])  # (16, 64)
    walk = latents.interpolate(model, z[:8], z[8:], path=latents.slerp)  # a line would leave the shell where N(0, I) is
    plot.sheets({
        "test digits": drawn[:64],
        "samples, z from N(0, I)": model.sample(64, noise),
        "temperature 0.7": model.sample(64, noise, temperature=0.7),
        "from one test digit to another": (walk, 8),
    }, "33_realnvp_digits.png")
print("wrote 33_realnvp_digits.png")
