"""To take noise out of digits is to know what digits look like, well enough to draw some.

A denoising autoencoder sees digits under heavy noise and is to give back the clean ones. It does so better than any
linear map: the error of the best one, Wiener's filter, is printed beside its own. What it learned is enough to draw.
From noise alone, take a small step towards what it takes for the digit, add a little noise, and again: what it takes
for the digit is a smear at first, and then more and more often one. Writes 12_denoising.png.
"""
import numpy as np

from autograd.backend import rng, to_numpy
from minigen import data, plot, recipes
from minigen.train import train

STEPS = 800
WALK = 20, 200  # steps at which the drawing is shown

recipe = recipes.find("denoising_ae")
digits, test = data.load("mnist10k"), data.load("mnist10k", "test")

noise = rng(0)
model = recipe.model(digits, noise)
optimizer = recipe.optimizers["autoencoder"](model.parameters())
train(model, data.Batches(digits, recipe.batch_size, noise), {"autoencoder": optimizer}, STEPS, rng=noise)
print(test.note)
print(model.evaluate(test.x, test.y, noise)[0])

variances = np.linalg.eigvalsh(np.cov(to_numpy(model.unit(digits.x)).T))  # along the principal axes
print(f"Wiener's filter  {(variances * model.sigma**2 / (variances + model.sigma**2)).sum():.2f}")


def images(rows):
    return rows.reshape(-1, *model.shape)


spoiled = model.spoil(model.unit(test.x[:36]), noise)
pictures = {"test digits under noise": images(spoiled), "denoised": images(model.denoise(spoiled))}
x, walked = model.spoil(np.zeros((36, model.D), np.float32), noise), 0
for steps in WALK:
    x, walked = model.walk(x, steps - walked, noise), steps
    pictures[f"drawn from noise, {steps} steps"] = images(model.denoise(x))
plot.sheets(pictures, "12_denoising.png")
print("wrote 12_denoising.png")
