"""What is told of captions by a language model that was trained before, and stays what it was.

A network looks at the words by cross-attention, at all up to the end and at nothing behind it, and is told their mean
with the time (Saharia et al. 2022, section 2.4).

Symbols: N captions, T tokens, D width. Read before this: text_encoder.py. Read next: models/text_to_image/imagen.py.
"""
import numpy as np

from autograd import no_grad
from autograd.backend import asarray

from ..nn import Frozen
from .text_encoder import Reader, padding


class FrozenReader(Reader):
    """A Reader by `encoder`, a Frozen language model, tokens (N, T) -> h (N, T, D), with its Space `text`."""

    def read(self, text):
        with no_grad():
            return self.encoder(text).detach()

    def pooled(self, h, text):
        """The mean of the words up to the end: (N, D)."""
        inside = asarray(~padding(text), np.float32)[:, :, None]  # (N, T, 1)
        return (h * inside).sum(axis=1) / inside.sum(axis=1)


class Captions(FrozenReader):
    """What a network is told of captions. encoder: see FrozenReader; column: of a batch, where they are."""

    column = "text"

    def __init__(self, encoder):
        self.encoder, self.text = frozen("Captions", encoder), encoder.text

    def __call__(self, text):
        """The network's keyword arguments, of captions (N, T)."""
        return self.words(text)


def frozen(name, encoder):
    """The encoder of the model of this name. ValueError if its weights could still move."""
    if not isinstance(encoder, Frozen):
        raise ValueError(f"{name}: the encoder is a {type(encoder).__name__} that could be trained along; pass "
                         "Frozen(encoder)")
    return encoder
