"""What a model of images is told, p(x | y), as a map that its convolutions can add: s, (N, D, H, W).

    a label         a row of a table, the same at every pixel                          s = (N, D, 1, 1)
    a map of codes  (1, h, w), of a coarser level for instance: a row of a table for each code, made as large as the
                    image by a small network, so that every pixel is told what is there      s = (N, D, H, W)

If it is told several things, s is their sum.

Source: van den Oord et al. 2016, "Conditional image generation with PixelCNN decoders", section 2.3.
Symbols: N examples, D width of s, H W image. Read before this: data/space.py. Read next: image_model.py.
"""
from autograd import relu
from autograd.backend import asarray

from ..nn import Conv2d, Embedding, Module, ModuleDict, Upsample


class Conditioning(Module):
    """condition -> s. conditions: name -> Space of what is told; size: (H, W)."""

    def __init__(self, conditions, size, width, *, rng):
        self.parts = ModuleDict()
        for name, space in conditions.items():
            if space.levels is None or space.shape != () and not _fits(space.shape, size):
                raise ValueError(f"Conditioning: {name} has shape {space.shape} and {space.levels or 'no'} levels; "
                                 f"expected labels, or codes (1, h, w) such that {size[0]} x {size[1]} pixels are "
                                 "whole multiples of h x w")
            self.parts[name] = (CodeMap(space.levels, size, width, rng=rng) if space.is_image else
                                Label(space.levels, width, rng=rng))

    def forward(self, condition):
        maps = [part(asarray(condition[name])) for name, part in self.parts.items()]
        return sum(maps[1:], maps[0])


class Label(Module):
    """Labels (N,) -> (N, D, 1, 1)."""

    def __init__(self, classes, width, *, rng):
        self.embedding = Embedding(classes, width, rng=rng)

    def forward(self, y):
        return self.embedding(y)[:, :, None, None]


class CodeMap(Module):
    """Codes (N, 1, h, w) -> (N, D, H, W). Each code hears of its neighbours, once before and once after it has become
    a block of pixels."""

    def __init__(self, codes, size, width, *, rng):
        self.size = tuple(size)
        self.embedding = Embedding(codes, width, rng=rng)
        self.conv = Conv2d(width, width, 3, padding=1, rng=rng)
        self.upsample = Upsample(width, rng=rng)

    def forward(self, codes):
        s = self.embedding(codes[:, 0]).transpose(0, 3, 1, 2)  # (N, D, h, w)
        return self.upsample(relu(self.conv(s)), self.size)


def _fits(shape, size):
    return len(shape) == 3 and shape[0] == 1 and all(big % small == 0 for big, small in zip(size, shape[1:]))
