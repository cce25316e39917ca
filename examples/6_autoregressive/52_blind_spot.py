"""The blind spot of PixelCNN: what the conditional of one pixel sees, layer by layer, and how two stacks mend it.

For each depth there is a network with random weights. The gradient of its logits at the marked pixel, with respect to
the image, is not 0 exactly where the pixel sees something. Everything before it, in reading order, may count, and
nothing after it. PixelCNN never sees what lies far to the right in the rows above, however deep it is: its layers would
have to go back along a row. The gated one has a stack that may, as the rows it is given are whole. Writes
52_blind_spot.png.
Course: 6.2.
"""
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from autograd import grad, parameter
from autograd.backend import normal, rng
from minigen.data import Space
from minigen.models.autoregressive import GatedPixelCNN, PixelCNN

H, W = 11, 17
ROW, COLUMN = 7, 8  # of the pixel
BLOCKS = [0, 1, 2, 4, 8]  # of 3x3, after the first layer of 7x7
COLOURS = ListedColormap(["#dddddd", "#e07b28", "#2a6fb0", "black"])  # later, not seen, seen, the pixel itself


def seen(model, draws=8):
    """Where the gradient is not 0 for some of several random images, (H, W)."""
    x = parameter(normal(rng(1), (draws, 1, H, W)))
    logits = model.network(x)[:, :, ROW, COLUMN]  # (draws, 2)
    cotangent = normal(rng(2), logits.shape)  # not ones: the gradient of a sum can be 0 by chance
    return (grad((logits * cotangent).sum(), x).numpy() != 0).any(axis=(0, 1))


earlier = (np.arange(H * W) < ROW * W + COLUMN).reshape(H, W)
figure, panels = plt.subplots(2, len(BLOCKS), figsize=(15, 4.9), layout="constrained")
for kind, row in zip((PixelCNN, GatedPixelCNN), panels):
    for blocks, axes in zip(BLOCKS, row):
        found = seen(kind(Space((1, H, W), 2), width=8, blocks=blocks, rng=rng(0)))
        assert not (found & ~earlier).any()
        share = found.sum() / earlier.sum()
        print(f"{kind.__name__:14} layers: {blocks + 1}, sees {found.sum():3} of {earlier.sum()} earlier pixels")
        picture = np.where(found, 2, np.where(earlier, 1, 0))
        picture[ROW, COLUMN] = 3
        axes.imshow(picture, cmap=COLOURS, vmin=0, vmax=3)
        axes.set_xticks(np.arange(W + 1) - 0.5, [])
        axes.set_yticks(np.arange(H + 1) - 0.5, [])
        axes.grid(color="white", linewidth=1)
        axes.tick_params(length=0)
        axes.set_title(f"{blocks + 1} layer{'s' * (blocks > 0)}: {share:.0%}", fontsize=11)
    row[0].set_ylabel(kind.__name__, fontsize=12)
handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS(i)) for i in (3, 2, 1, 0)]
figure.legend(handles, ["the pixel", "seen", "earlier, and not seen", "later"], loc="outside lower center", ncols=4,
              frameon=False, fontsize=11)
figure.savefig("52_blind_spot.png", dpi=110)
print("wrote 52_blind_spot.png")
