"""Pixels have neighbours: an autoencoder of convolutions beside one of linear layers, with codes of the same size.

Convolutions use the same small filters everywhere: there is far less to learn, and the error on new digits is smaller.
That is because of what they take for granted, that pixels near each other belong together. Where this is false they
lose: on the right the pixels of all images were shuffled, in one order (undone for the picture). To linear layers, for
which an image is a list of numbers, the shuffled images would be as easy as the others. Writes 10_conv_autoencoder.png.
Course: 2.1, 3.3.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, latents, plot
from minigen.models.autoencoders import Autoencoder
from minigen.nn.autoencoder import conv_pair, mlp_pair
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS = 700

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
space = digits.spaces["x"]
in_order, shuffled = np.arange(28 * 28), rng(1).permutation(28 * 28)
runs = {"linear layers": ((256,), mlp_pair, in_order),
        "convolutions": ((16, 32), conv_pair, in_order),
        "convolutions, pixels shuffled": ((16, 32), conv_pair, shuffled)}


def reordered(images, order):
    """Images (N, C, H, W) with their pixels in another order."""
    return images.reshape(len(images), -1)[:, order].reshape(images.shape)


print(test.note)
figure, panels = plt.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
for axes, (name, (hidden, networks, order)) in zip(panels, runs.items()):
    noise = rng(0)
    model = Autoencoder(space, 16, hidden, networks, rng=noise)
    dataset = data.Dataset(digits.name, "train", {"x": reordered(digits["x"], order)}, {"x": space}, digits.note)
    train(Run(one_stage(model, adam(cosine_decay(2e-3)), STEPS, batch_size=64), dataset, rng=noise))
    x = reordered(test["x"], order)
    error = model.measure({"x": x}, noise)[0]
    print(f"{name}, {model.num_parameters():,} parameters: {error}")

    images = reordered(latents.reconstructions(model, x[:24], columns=8), np.argsort(order))
    axes.imshow(plot.sheet(images, columns=8))
    axes.set_title(f"{name}, {model.num_parameters():,} parameters\nsquared error {error.number()}")
    axes.set_axis_off()
figure.savefig("10_conv_autoencoder.png", dpi=110)
print("wrote 10_conv_autoencoder.png")
