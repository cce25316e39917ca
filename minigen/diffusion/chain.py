"""A chain of models: the first draws small images, each of the others images of twice the sides of what it is given.

Each has a `space`, and draw(told, w, rng) or, given images, draw(x, told, w, rng), on [-1, 1]. Read next:
models/diffusion/cascade.py, models/text_to_image/imagen_cascade.py.
"""


def drawn(base, upsamplers, told, w, rng):
    """Images on [-1, 1], one model's given to the next. told: what all are told, a row for each; w: how far beyond what
    is said of it."""
    x = base.draw(told, w, rng)
    for upsampler in upsamplers:
        x = upsampler.draw(x, told, w, rng)
    return x


def check_sizes(name, base, upsamplers):
    """ValueError, of the model of this name, unless each upsampler makes images of twice the sides of those before."""
    shape = base.space.shape
    for upsampler in upsamplers:
        C, H, W = shape
        if upsampler.space.shape != (C, 2 * H, 2 * W):
            raise ValueError(f"{name}: after images of {shape} comes an upsampler to {upsampler.space.shape}, expected "
                             f"{(C, 2 * H, 2 * W)}")
        shape = upsampler.space.shape
