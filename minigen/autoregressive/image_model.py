"""What autoregressive models of images by convolutions share: how integers go in, and how logits come out in order.

A level, 0 .. K - 1, goes in either as a number on [-1, 1] or as a row of a table that is learned (*embedded*). A number
says that 17 is between 16 and 18, so that the network need not learn 256 levels of gray one by one; but codes that an
autoencoder gave have no order. The rule: two levels are a number, as a table could say no more of them; others are
embedded; `embedded=False` is for gray levels so many that a table of them would be slow to learn.

Out come K logits for each colour of each pixel: the distribution of a number is free to have any shape.

Symbols: N examples, D numbers of an example, K levels, C H W image, s what is told, as a map.
Read before this: chain.py, masked_conv.py, conditioning.py. Read next: models/autoregressive/pixelcnn.py.
"""
from autograd import as_tensor
from autograd.backend import asarray, xp

from ..data import Space
from ..nn import Embedding
from .chain import Autoregressive
from .conditioning import Conditioning
from .masked_conv import pixel
from .masks import colours_of

TABLE = 16  # numbers in a row of the table of levels


class ImageModel(Autoregressive):
    """A model defines `network(x, s)`, (N, channels of embed, H, W) -> (N, C K, H, W), and its predictor.

    width: channels of a layer, and of s. embedded: whether levels are; see above.
    """

    judged = 500  # samples take long

    def __init__(self, space, levels=None, conditions=None, width=16, embedded=None, *, rng):
        name = type(self).__name__
        if not space.is_image:
            raise ValueError(f"{name}: models images (C, H, W) or codes (1, h, w), and the space has shape "
                             f"{space.shape}")
        super().__init__(space, levels, conditions)
        C, H, W = space.shape
        if width < C:
            raise ValueError(f"{name}: width is {width}, expected at least one channel for each of {C} colours")
        self.width = width
        embedded = self.K > 2 if embedded is None else embedded
        self.embedding = Embedding(self.K, TABLE, rng=rng) if embedded else None
        self.input_colours = colours_of(C * TABLE if self.embedding else C, C)  # of the channels of `embed`
        self.conditioning = Conditioning(self.conditions, (H, W), width, rng=rng) if self.conditions else None

    def embed(self, x):
        """Integers (N, C, h, w) of all of the image or a part, as the network sees them: Tensor (N, channels, h, w)."""
        N, C, h, w = x.shape
        if not self.embedding:
            return as_tensor(Space((C, h, w), self.K).signed(x))
        return self.embedding(asarray(x)).transpose(0, 1, 4, 2, 3).reshape(N, C * TABLE, h, w)

    def told_as_map(self, condition):
        """s, (N, D, H, W) or (N, D, 1, 1); None if there is nothing to be told."""
        return self.conditioning(condition) if self.conditioning else None

    def logits(self, x, **condition):
        return self.in_order(self.network(self.embed(x), self.told_as_map(condition)))

    def in_order(self, h):
        """(N, C K, h, w) -> (N, h w C, K): rows, columns, colours."""
        N, _, H, W = h.shape
        C = self.space.shape[0]
        return h.reshape(N, C, self.K, H, W).transpose(0, 3, 4, 1, 2).reshape(N, H * W * C, self.K)

    def told_everywhere(self, n, condition):
        """told_as_map for n images, as an array (n, D, H, W) to cut from; None if there is nothing to be told."""
        s = self.told_as_map(condition)
        return None if s is None else xp.broadcast_to(s.data, (n, self.width, *self.space.shape[1:]))

    def place(self, i):
        """The index of the pixel of number i in images."""
        C, _, W = self.space.shape
        return pixel(*divmod(i // C, W))
