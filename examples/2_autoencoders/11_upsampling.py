"""Four ways to double the sides of an image: nearest, bilinear, unpooling, transposed convolution; and checkerboards.

Top: a digit, halved twice by max pooling and doubled twice. Unpooling needs to be told where each maximum was. A
transposed convolution puts a stamp, here an even one, for every pixel, two pixels apart: stamps of 3 x 3 overlap
unevenly, those of 4 x 4 do not. Middle: autoencoders that double in these ways, before training. Stride 2 makes four
kinds of pixels that see different weights, so even 4 x 4 draw a pattern, which training must remove; the first two ways
draw none. Bottom: after training. Writes 11_upsampling.png.
Course: 2.2.
"""
import matplotlib.pyplot as plt

from autograd import grad, interpolate, max_pool2d, max_unpool2d, no_grad, relu
from autograd.backend import rng, xp
from minigen import data
from minigen.nn import Conv2d, ConvTranspose2d, Module
from minigen.optim import Adam, cosine_decay

STEPS = 400
WAYS = {"nearest": None, "bilinear": None, "unpooling": None, "transposed 3 x 3": 3, "transposed 4 x 4": 4}  # stamps


class Codec(Module):
    """28 x 28 -> 14 x 14 -> 7 x 7 and back, with so many channels."""

    def __init__(self, way, channels, rng):
        self.way, k = way, WAYS[way]
        self.down1, self.down2 = (Conv2d(C, channels, 3, padding=1, rng=rng) for C in (1, channels))
        self.up1, self.up2 = (
            ConvTranspose2d(channels, C, k, stride=2, padding=1, output_padding=k % 2, rng=rng) if k else
            Conv2d(channels, C, 3, padding=1, rng=rng) for C in (channels, 1))

    def forward(self, x):
        h, first = max_pool2d(relu(self.down1(x)), 2, return_indices=True)  # first: where the maxima were
        h, second = max_pool2d(relu(self.down2(h)), 2, return_indices=True)
        return self.up2(self.doubled(relu(self.up1(self.doubled(h, second))), first))

    def doubled(self, h, places):
        if self.way == "unpooling":
            return max_unpool2d(h, places, 2)
        return h if WAYS[self.way] else interpolate(h, scale_factor=2, mode=self.way)  # the stamps double themselves


digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
unit = digits.spaces["x"].unit  # pixels on [0, 1]
x_test = unit(test["x"][:200])
figure, panels = plt.subplots(3, 5, figsize=(12.5, 8), layout="constrained")
for column, (way, k) in zip(panels.T, WAYS.items()):
    plain = Codec(way, 1, rng(0))  # its convolutions change nothing, and its stamps are even
    for name, p in plain.named_parameters():
        p.data[...] = 0 if name.endswith("bias") else 4 / k**2 if k and "up" in name else xp.eye(9)[4].reshape(3, 3)
    codec, batches = Codec(way, 4, rng(0)), digits.batches(64, rng(1))
    adam = Adam(codec.parameters(), cosine_decay(1e-2))
    with no_grad():
        pictures = [model(x_test[3:4]).numpy() for model in (plain, codec)]
    for step in range(STEPS):
        x = unit(next(batches)["x"])
        adam.step(grad(((codec(x) - x) ** 2).sum(axis=(1, 2, 3)).mean(), adam.params), done=step / STEPS)
    with no_grad():
        x_hat = codec(x_test)
    error = f"squared error {((x_hat - x_test) ** 2).sum(axis=(1, 2, 3)).mean().item():.1f}"
    print(f"{way:20} {error} on {len(x_test)} test digits")
    for axes, picture, below in zip(column, [*pictures, x_hat[3:4].numpy()], ("", "", error)):
        axes.imshow(picture[0, 0], cmap="gray")
        axes.set(xticks=[], yticks=[], xlabel=below)
    column[0].set_title(way)
for axes, beside in zip(panels[:, 0], ("nothing learned", "before training", "after training")):
    axes.set_ylabel(beside)
figure.savefig("11_upsampling.png", dpi=100)
print("wrote 11_upsampling.png")
