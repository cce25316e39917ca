"""ImagePool: samples of earlier steps, so that a discriminator does not forget what the generator used to draw.

Half of what D is shown is new, half is taken from the pool, where what was new takes its place. D's verdicts then
change more slowly, and two players chase each other less.

The pool is a buffer of the module: it is saved with the weights, as a run that goes on without it would be another run.
Source: Shrivastava et al. 2017, section 2.3; Zhu et al. 2017, section 4 (50 images). Symbols: N images.
"""
import numpy as np

from autograd.backend import asarray, default_dtype, xp
from autograd.batch import own, whole

from ..nn import Module


class ImagePool(Module):
    """shape: of an image. size: how many it holds."""

    def __init__(self, shape, size=50):
        if size < 1:
            raise ValueError(f"ImagePool: size is {size}, expected at least 1")
        self.size = size
        self.register_buffer("images", xp.zeros((size, *shape), default_dtype))
        self.register_buffer("filled", xp.zeros((), np.int64))

    def exchange(self, fresh, rng):
        """fresh (N, ...), or in the place of about half of them others that were so before; NumPy or CuPy arrays. Until
        the pool is full it only takes."""
        shown = []
        for image in whole(asarray(fresh)):
            filled = int(self.filled)
            if filled < self.size:
                self.images[filled] = image
                self.filled += 1
            elif rng.random() < 0.5:
                place = int(rng.integers(self.size))
                image, self.images[place] = self.images[place].copy(), image
            shown.append(image)
        return own(xp.stack(shown))
