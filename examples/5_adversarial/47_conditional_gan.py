"""The class that is asked for: told to D as further channels, or as a direction among its features, or not at all.

Three games with the same generator. A discriminator that is told the class sees to it that p(x | y) is drawn. One that
is not, but is to name it, as in the ACGAN, asks for images whose class is plain, and so for ones that are all alike. By
the accuracy of a classifier the three cannot be told apart: it takes the spread within classes, too.
Writes 47_conditional_gan.png.
Course: 1.1, 7.5.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.judges import image_measures, spread_measure
from minigen.models.adversarial import (
    ACGAN,
    Concatenation,
    ConditionalGAN,
    ConvDiscriminator,
    ConvGenerator,
    Projection,
)
from minigen.models.classifiers import pretrained
from minigen.optim import adam
from minigen.train import Run, one_stage, train

STEPS, Z, K = 1200, 64, 10

digits, test = data.load("digits"), data.load("digits", "test")
space, real = digits.spaces["x"], test.spaces["x"].drawn(test["x"])


def model(name, noise):
    G = ConvGenerator(Z + K, space.shape, width=32, rng=noise)
    if name == "concatenation":
        return ConditionalGAN(G, Concatenation(ConvDiscriminator((1 + K, 8, 8), 32, rng=noise), K), space, K)
    D = ConvDiscriminator(space.shape, width=32, rng=noise)
    if name == "projection":
        return ConditionalGAN(G, Projection(D, K, rng=noise), space, K)
    return ACGAN(G, D, space, K, weight=5.0, rng=noise)


figure, axes = plt.subplots(1, 4, figsize=(18, 5), layout="constrained")
for panel, name in zip(axes, ("concatenation", "projection", "ACGAN")):
    noise = rng(0)
    game = model(name, noise)
    optimizers = {"D": adam(2e-4, betas=(0.5, 0.999)), "G": adam(1e-3, betas=(0.5, 0.999))}
    run = train(Run(one_stage(game, optimizers, STEPS, 64, ema=(game.generator, 0.99)), digits, rng=noise))
    with run.evaluating():
        samples = game.sample(len(test), noise, y=test["y"])
        sheet = game.sample(8 * K, rng(1), y=np.repeat(np.arange(K), 8))
    measures = image_measures(pretrained("digits").judge, samples, space.drawn(digits["x"]), real, test["y"])
    accuracy, spread = measures[-1], spread_measure(samples, real, test["y"])
    print(f"{name}: {run.seconds:.0f} s; {test.note}", accuracy, spread, *measures[:1], sep="\n  ")
    panel.imshow(plot.sheet(sheet, columns=8))
    panel.set(title=f"{name}: a row for each class", xticks=[], yticks=[])
    axes[3].errorbar(spread.value, accuracy.value, accuracy.half_width, spread.half_width, "o", capsize=3, label=name)
right = pretrained("digits").judge(real)[1].argmax(axis=1) == test["y"]
axes[3].plot(1, right.mean(), "k*", markersize=12, label="test digits")
axes[3].set(title="as accurate, not as varied", ylabel="class accuracy", xlim=(0, 1.1), ylim=(0.8, 1),
            xlabel="spread within classes, over that of test digits")
axes[3].legend(frameon=False)
figure.savefig("47_conditional_gan.png", dpi=100)
print("wrote 47_conditional_gan.png")
