"""A convolutional VAE on MNIST: the model of example 7 with other networks, and nothing else changed.

The VAE asks of its networks only what goes in and what comes out. Of convolutions it is as well served as of linear
layers like those of the paper, which have more than ten times the numbers to learn. Writes 14_conv_vae.png.
Course: 3.3, 4.2.
"""
from autograd.backend import rng
from minigen import data, latents, plot, recipes
from minigen.train import Run, train

STEPS = 2000

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")

noise = rng(0)
run = train(Run(recipes.find("conv_vae").plan(digits, noise), digits, rng=noise, steps=STEPS))

with run.evaluating() as model:
    print(f"{model.num_parameters():,} parameters; the first 200 of {test.note}")
    for measure in model.measure(test.first(200).columns, noise, k=50):
        print(measure)
    z = model.encode(test["x"][:16])
    plot.sheets({
        "test digits, reconstructions below": (latents.reconstructions(model, test["x"][:32], columns=8), 8),
        "samples": model.sample(64, noise),
        "from one test digit to another": (latents.interpolate(model, z[:8], z[8:], steps=8), 8),
    }, "14_conv_vae.png")
print("wrote 14_conv_vae.png")
