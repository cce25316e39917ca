"""Inversion: from an image to the noise of which DDIM makes it.

DDIM without fresh noise follows dx = x_0 da + eps ds (samplers.py), which can be followed upward as well:

    x_t = t.a x_0 + t.s eps,   x_0 = denoise(x_s, s),   eps = (x_s - s.a x_0) / s.s          from s up to t

An image itself has no noise from which eps could be read: at the lowest level it is taken to be 0. Down again, DDIM
returns to the image but for errors that fall with the length of the steps.

Sources: Song, Meng & Ermon 2021 (DDIM), section 4.3; Dhariwal & Nichol 2021, appendix F. Read before this: samplers.py.
"""
from .levels import CLEAN
from .samplers import descent


def inverted(denoise, x, levels):
    """The x_T (N, ...) that `ddim` turns into images x (N, ...) on its way down the same levels, which end with the
    image itself. ValueError if they do not."""
    if levels[-1][:2] != CLEAN[:2]:
        raise ValueError(f"inverted: the levels end with ({levels[-1]}), expected the image itself: {CLEAN}")
    steps = descent(levels)[::-1]
    x = steps[0][0].a * x
    for t, s in steps[1:]:
        x_0 = denoise(x, s)
        x = t.a * x_0 + t.s * ((x - s.a * x_0) / s.s)
    return x
