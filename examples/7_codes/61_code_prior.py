"""A prior on the codes of a VQ-VAE: a PixelCNN learns which of 64^49 grids are digits, and draws new ones.

The autoencoder alone draws nothing: each of its codes is a good stroke, and 49 strokes at random are no digit. Nor are
they if each place of the grid has its own right frequencies. What makes a digit is how the codes go together, and that
is what an autoregressive model learns, 49 numbers in the place of 784 pixels. Writes 61_code_prior.png.
Course: 5.1, 6.2.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.models.classifiers import pretrained
from minigen.nn import Frozen
from minigen.train import Run, train

STEPS = 1500

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
noise = rng(0)
first = train(Run(recipes.find("vqvae").plan(digits, noise), digits, rng=noise, steps=STEPS))
autoencoder = Frozen(first.model)

plan = recipes.find("vq_pixelcnn").plan(digits, noise, autoencoder=autoencoder)
run = train(Run(plan, digits, rng=noise, steps=STEPS))
model = run.model
with run.evaluating():
    print(f"autoencoder {first.seconds:.0f} s, prior {run.seconds:.0f} s; {test.note}")
    print(*model.measure(test.columns, noise), sep="\n")
    drawn = model.sample(64, noise)
    upper = model.autoencoder.encode(test["x"][:8]).repeat(8, axis=0)  # eight digits, each completed eight times
    completed = model.autoencoder.decode(model.prior.draw(64, noise, given=upper, known=21))

codes = autoencoder.encode(digits["x"])  # (N, 1, 7, 7)
shuffled = np.stack([rng(i).permutation(codes[:, 0, i // 7, i % 7])[:64] for i in range(49)], axis=1)
sheets = {"49 codes at random": model.autoencoder.sample(64, rng(1)),
          "each code as frequent as at its place": autoencoder.decode(shuffled.reshape(64, 1, 7, 7)),
          "codes from the prior": drawn, "upper 3 rows given, of a test digit each": completed}
classifier = pretrained("mnist10k")
figure, axes = plt.subplots(1, 4, figsize=(17, 4.6), layout="constrained")
for panel, (title, images) in zip(axes, sheets.items()):
    legible = (classifier.judge(images)[1].max(axis=1) >= 0.9).mean()
    print(f"{title}: {legible:.0%} legible")
    panel.imshow(plot.sheet(images, columns=8))
    panel.set(title=title, xlabel=f"{legible:.0%} legible", xticks=[], yticks=[])
figure.savefig("61_code_prior.png", dpi=100)
print("wrote 61_code_prior.png")
