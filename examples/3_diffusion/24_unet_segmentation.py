"""What the U-Net was invented for: to mark, pixel by pixel, what belongs to the thing one looks for.

Here a digit lies somewhere among fragments of other digits, which look just like it from close up. To tell them apart
the network must see how far a stroke goes on; to mark the edge it must see single pixels: the way down and the
bridges across. IoU is the number of pixels that prediction and truth share, over the number that either has. The
baseline calls everything bright a digit. One minute on two cores. Writes 24_unet_segmentation.png.
Course: 2.3.
"""
import numpy as np

from autograd import binary_cross_entropy_with_logits, grad, no_grad
from autograd.backend import rng
from minigen import data, plot
from minigen.nn import UNet
from minigen.optim import Adam, cosine_decay

STEPS, SAMPLES = 300, 300
BATCH, SIZE, FRAGMENTS = 32, 40, 6


def scenes(digits, n, rng):
    """Images (n, 1, SIZE, SIZE) on [0, 1], and masks of the same shape: 1 where the whole digit is."""
    x = digits.spaces["x"].drawn(digits["x"])[:, 0]  # (N, 28, 28)
    images, masks = np.zeros((2, n, 1, SIZE, SIZE), np.float32)
    for image, mask in zip(images[:, 0], masks[:, 0]):
        for _ in range(FRAGMENTS):
            r, c = rng.integers(4, 16, 2)
            paste(image, x[rng.integers(len(x)), r : r + 8, c : c + 8], rng)
        paste(mask, x[rng.integers(len(x))], rng)
        np.maximum(image, mask, out=image)
    return images, np.float32(masks > 0.5)


def paste(canvas, piece, rng):
    size = len(piece)
    r, c = rng.integers(0, SIZE - size + 1, 2)
    place = canvas[r : r + size, c : c + size]
    np.maximum(place, piece, out=place)


def iou(predicted, mask):
    return (predicted & (mask > 0)).sum() / (predicted | (mask > 0)).sum()


noise = rng(0)
unet = UNet(1, 1, width=16, multipliers=(1, 2, 4), blocks=1, patch=2, time=False, rng=noise)
print(f"U-Net of {unet.num_parameters():,} parameters")
train = data.load("mnist10k")
optimizer = Adam(unet.parameters(), cosine_decay(3e-3))
for step in range(STEPS):
    x, mask = scenes(train, BATCH, noise)
    loss = binary_cross_entropy_with_logits(unet(x), mask)
    optimizer.step(grad(loss, optimizer.params), done=step / STEPS)
    if step % 25 == 0:
        print(f"step {step:3}: cross entropy {loss.item():.3f} nats per pixel", flush=True)

x, mask = scenes(data.load("mnist10k", "test"), SAMPLES, rng(1))
with no_grad():
    predicted = np.concatenate([unet(x[i : i + 50]).numpy() > 0 for i in range(0, len(x), 50)])
print(f"IoU on {SAMPLES} test scenes: {iou(predicted, mask):.3f}; of the baseline: {iou(x > 0.5, mask):.3f}")
plot.sheets({"scenes": x[:25], "digit": mask[:25], "predicted": predicted[:25]}, "24_unet_segmentation.png")
print("wrote 24_unet_segmentation.png")
