"""To take noise out of digits is to know what digits look like, well enough to draw some.

A denoising autoencoder sees digits under heavy noise and is to give back the clean ones. It does so better than any
linear map: the error of the best one, Wiener's filter, is printed beside its own. What it learned is enough to draw.
From noise alone, take a small step towards what it takes for the digit, add a little noise, and again: what it takes
for the digit is a smear at first, and then more and more often one. Writes 12_denoising.png.
Course: 3.4.
"""
import numpy as np

from autograd.backend import rng, to_numpy
from minigen import data, plot, recipes
from minigen.train import Run, train

STEPS = 800
WALK = 20, 200  # steps at which the drawing is shown

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")

noise = rng(0)
run = train(Run(recipes.find("denoising_ae").plan(digits, noise), digits, rng=noise, steps=STEPS))
model, space = run.model, digits.spaces["x"]
print(test.note)
print(model.measure(test.columns, noise)[0])

variances = np.linalg.eigvalsh(np.cov(to_numpy(space.rows(digits["x"])).T))  # along the principal axes
print(f"Wiener's filter  {(variances * model.sigma**2 / (variances + model.sigma**2)).sum():.2f}")

corrupted = model.corrupt(space.rows(test["x"][:36]), noise)
pictures = {"test digits under noise": space.from_unit(corrupted),
            "denoised": space.from_unit(model.denoise(corrupted))}
x, walked = model.corrupt(np.zeros((36, space.size), np.float32), noise), 0
for steps in WALK:
    x, walked = model.walk(x, steps - walked, noise), steps
    pictures[f"drawn from noise, {steps} steps"] = space.from_unit(model.denoise(x))
plot.sheets(pictures, "12_denoising.png")
print("wrote 12_denoising.png")
