"""Real NVP on digits: a likelihood that can be compared, samples, and a walk through the latents.

The bound on -log P(x) is that of the integers, in nats; beside it stands that of a Gaussian with the full
covariance of the pixels, fitted to images with the same noise. The latents have as many numbers as the
image and lose nothing: test digits come back exactly. Writes 33_realnvp_digits.png.
"""
import math

import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.ema import EMA
from minigen.train import in_use, train

STEPS = 400

digits, test = data.load("digits"), data.load("digits", "test")
recipe, noise = recipes.find("realnvp"), rng(0)

# The yardstick: log N(x + u) is a bound on log P(x) too
train_v = (digits.x + noise.random(digits.x.shape)).reshape(len(digits), -1)
mean, covariance = train_v.mean(axis=0), np.cov(train_v.T)
d = (test.x + noise.random(test.x.shape)).reshape(len(test), -1) - mean
gaussian = 0.5 * (d * np.linalg.solve(covariance, d.T).T).sum(axis=1)
gaussian += 0.5 * (64 * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1])

model = recipe.model(digits, noise)
ema = EMA(model, recipe.ema)
optimizers = {"flow": recipe.optimizers["flow"](model.parameters())}
batches = data.Batches(digits, recipe.batch_size, noise)
train(model, batches, optimizers, STEPS, rng=noise, ema=ema, clip=recipe.clip)

with in_use(model, ema):
    print(test.note)
    print(f"Gaussian, full covariance: {gaussian.mean():.1f} nats")
    for figure in model.evaluate(test.x, test.y, noise):
        print(figure)
    same = (model.reconstruct(test.x) == data.to_unit(test.x, 17)).all(axis=(1, 2, 3))
    print(f"test digits that come back exactly: {same.mean():.1%}")

    z0, z1 = model.encode(test.x[:8])[:, None], model.encode(test.x[8:16])[:, None]  # (8, 1, 64)
    t = np.linspace(0, math.pi / 2, 8)[:, None]  # on an arc: a straight line would leave the shell where N(0, I) is
    walk = model.decode((np.cos(t) * z0 + np.sin(t) * z1).reshape(-1, 64))
    plot.sheets({
        "test digits": data.to_unit(test.x[:64], 17),
        "samples, z from N(0, I)": model.sample(64, noise),
        "temperature 0.7": model.sample(64, noise, temperature=0.7),
        "from one test digit to another": (walk, 8),
    }, "33_realnvp_digits.png")
print("wrote 33_realnvp_digits.png")
