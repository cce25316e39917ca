"""Cascade: a small image is drawn first, and others then draw it twice as large, again and again.

    p(x) = sum over z of  p(z) p(x | z_s),   z the image at half the resolution, z_s with the noise that the
                                             upsampler was trained with                            section 2.2, 4.2

What an image is about shows at 8 x 8 pixels, where a network is small and sees all of it at once; an upsampler needs to
look at few pixels only. So all are cheap, and they are trained apart, even at the same time: they are parts here, and
nothing is left to train. They meet only when images are drawn, and each is then given what it never saw in training,
another's images: that is what the upsamplers' noise is for (super_resolution.py).

All are told the class, and are led to it by the same w.

Sources: Ho, Saharia et al. 2022, "Cascaded diffusion models for high fidelity image generation"; Saharia et al. 2022,
Imagen (guidance of all parts, with dynamic thresholds). Symbols: N images, y class. Read before this:
super_resolution.py.
Course: 10.5.
"""
from dataclasses import replace

import numpy as np

from ...data import Space
from ...diffusion import Guided
from ...diffusion.chain import check_sizes, drawn
from ...nn import Module


class Cascade(Guided):
    """base: has draw(y, w, rng), signed images, its space and labels; upsamplers: the smallest first, each with
    draw(z_0, y, w, rng). All Frozen. w: the default of all of them."""

    judged = 400  # samples for the judges, and images that are enlarged for `measure`

    def __init__(self, base, upsamplers, w=1.0):
        self.base, self.upsamplers, self.w = base, tuple(upsamplers), w
        check_sizes("Cascade", base, upsamplers)
        self.space, self.labels = self.upsamplers[-1].space, base.labels

    def draw(self, y, w, rng):
        return drawn(self.base, self.upsamplers, y, w, rng)

    def measure(self, batch, rng):
        """The last upsampler's own."""
        return self.upsamplers[-1].measure(batch, rng)


class Small(Module):
    """A model of images that are halved so many times, as one of the images themselves: what it is told of them it sees
    small, and what it draws is shown at their size, each pixel repeated. space: the model's own."""

    def __init__(self, model, times):
        self.model, self.times = model, times
        self.space, self.conditions, self.judged = model.space, model.conditions, 400

    @property
    def labels(self):
        return self.model.labels

    def players(self):
        return [replace(player, loss=self.on_small(player.loss)) for player in self.model.players()]

    def on_small(self, loss):
        return lambda batch, rng: loss(self.shrunk(batch), rng)

    def shrunk(self, batch):
        """A batch with its images halved."""
        return {name: halved(column, self.times) if name == "x" else column for name, column in batch.items()}

    def draw(self, *told):
        """The model's own, images of its size."""
        return self.model.draw(*told)

    def sample(self, n, rng, **told):
        drawn = self.model.sample(n, rng, **self.shrunk(told))
        return drawn.repeat(2**self.times, axis=2).repeat(2**self.times, axis=3)

    def measure(self, batch, rng):
        return self.model.measure(self.shrunk(batch), rng)


def halved(x, times=1):
    """Integer images (N, C, H, W) at half the resolution, so many times: each pixel is the sum of 2 x 2, nothing is
    rounded. Their Space is halved_space.

    >>> halved(np.array([[[[0, 1], [2, 31]]]], np.uint8))
    array([[[[34]]]])
    """
    x = np.int64(x)
    for _ in range(times):
        x = x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]
    return x


def halved_space(space, times=1):
    """The Space of images of `space`, halved. ValueError where they are not to be halved so often.

    >>> halved_space(Space((3, 32, 32), 32), 2)
    Space(shape=(3, 8, 8), levels=497, names=())
    """
    if not space.is_image or space.levels is None or any(side % 2**times for side in space.shape[1:]):
        raise ValueError(f"halved_space: shape is {space.shape}, expected images (C, H, W) that can be halved {times} "
                         "times")
    C, H, W = space.shape
    return Space((C, H >> times, W >> times), 4**times * (space.levels - 1) + 1)
