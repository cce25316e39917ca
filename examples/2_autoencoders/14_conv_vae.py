"""A convolutional VAE on MNIST: the model of example 7 with other networks, and nothing else changed.

The VAE asks of its networks only what goes in and what comes out. Of convolutions it is as well served as of linear
layers like those of the paper, which have more than ten times the numbers to learn. Writes 14_conv_vae.png.
"""
from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.ema import EMA
from minigen.models.autoencoders import latent
from minigen.train import in_use, train

STEPS = 2000

recipe = recipes.find("conv_vae")
digits, test = data.load("mnist10k"), data.load("mnist10k", "test")

noise = rng(0)
model = recipe.model(digits, noise)
ema = EMA(model, recipe.ema)
optimizer = recipe.optimizers["vae"](model.parameters())
train(model, data.Batches(digits, recipe.batch_size, noise), {"vae": optimizer}, STEPS, rng=noise, ema=ema)

with in_use(model, ema):
    print(f"{model.num_parameters():,} parameters; the first 200 of {test.note}")
    for figure in model.evaluate(test.x[:200], test.y, noise, k=50):
        print(figure)
    plot.sheets({
        "test digits, reconstructions below": (latent.reconstructions(model, test.x[:32], columns=8), 8),
        "samples": model.sample(64, noise),
        "from one test digit to another": (latent.interpolate(model, test.x[:8], test.x[8:16], steps=8), 8),
    }, "14_conv_vae.png")
print("wrote 14_conv_vae.png")
