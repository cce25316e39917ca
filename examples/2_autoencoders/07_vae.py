"""A variational autoencoder on digits: its bound on the likelihood, and what it draws.

The model and its settings are the recipe's, so this is `minigen train vae` as a program. Unlike the
autoencoder, the VAE knows where codes lie, N(0, I): draws from there decode to digits, and so does what lies
between two codes. Writes 07_vae.png.
"""
from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.ema import EMA
from minigen.models.autoencoders import latent
from minigen.train import in_use, train

STEPS = 700

recipe = recipes.find("vae")
digits, test = data.load("digits"), data.load("digits", "test")

noise = rng(0)
model = recipe.model(digits, noise)
ema = EMA(model, recipe.ema)
optimizer = recipe.optimizers["vae"](model.parameters())
train(model, data.Batches(digits, recipe.batch_size, noise), {"vae": optimizer}, STEPS, rng=noise, ema=ema)

with in_use(model, ema):
    print(test.note)
    for figure in model.evaluate(test.x, test.y, noise, k=100):
        print(figure)
    plot.sheets({
        "test digits, reconstructions below": (latent.reconstructions(model, test.x[:32], columns=8), 8),
        "samples": model.sample(64, noise),
        "from one test digit to another": (latent.interpolate(model, test.x[:8], test.x[8:16], steps=8), 8),
        "one latent a row, from low to high": (latent.traverse(model, test.x, rows=8, steps=8), 8),
    }, "07_vae.png")
print("wrote 07_vae.png")
