"""PixelCNN: masked convolutions give all conditionals of an image in one pass.

van den Oord, Kalchbrenner & Kavukcuoglu, "Pixel recurrent neural networks", ICML 2016; equation numbers are that
paper's.

    p(x) = prod_i p(x_i | x_1 .. x_{i-1})                                                           (eq. 1)
    p(x_i | x_<i) = p(x_i,R | x_<i) p(x_i,G | x_<i, x_i,R) p(x_i,B | x_<i, x_i,R, x_i,G)            (eq. 2)

each a softmax over K levels. The network (table 1, sections 3.3 to 3.5), of 2h channels, h = `width`:

    x -> 7x7 mask A -> blocks -> relu, 1x1 -> relu, 1x1 -> K logits for each colour
    block: y + 1x1(relu(3x3 mask B(relu(1x1(relu(y))))))        2h -> h -> h -> 2h channels

A 1x1 convolution looks at no pixel but its own, where mask B lets pass all but later colours; without colours it has
no mask at all. (Mask A there would let nothing pass.)

It has a blind spot. What lies to the right can be seen in rows above only, and a layer of 3x3 comes one column further
to the right by going up one row. So r rows above, whatever is more than r + 2 columns to the right (the 2 are the first
filter's) is never seen, however deep the network: up to a quarter of all that came before. The example 52_blind_spot.py
draws it, gated_pixelcnn.py mends it.

The paper tells the model nothing; here what it is told is added in every block, as in gated_pixelcnn.py.

Symbols: N examples, K levels, C H W image, s what is told, as a map. Read before this: autoregressive/chain.py,
masks.py, masked_conv.py, image_model.py. Read next: gated_pixelcnn.py.
Course: 6.2.
"""
from autograd import relu

from ...autoregressive.image_model import ImageModel
from ...autoregressive.masked_conv import Cache, MaskedConv2d
from ...autoregressive.masks import causal_mask, colours_of
from ...nn import Conv2d, Dropout, Module, ModuleList


class PixelCNN(ImageModel):
    """space: of images or codes. levels, conditions: see Autoregressive. width: h. embedded: see image_model.py."""

    def __init__(self, space, levels=None, conditions=None, width=16, blocks=7, embedded=None, dropout=0.0, *, rng):
        super().__init__(space, levels, conditions, width, embedded, rng=rng)
        C = space.shape[0]
        wide, outputs = colours_of(2 * width, C), colours_of(C * self.K, C)
        told = width if self.conditions else None
        self.first = MaskedConv2d(causal_mask("A", wide, self.input_colours, (7, 7)), rng=rng)
        self.blocks = ModuleList(ResidualBlock(width, C, told, dropout, rng=rng) for _ in range(blocks))
        self.hidden = MaskedConv2d(causal_mask("B", wide, wide, (1, 1)), rng=rng)
        self.head = MaskedConv2d(causal_mask("B", outputs, wide, (1, 1)), rng=rng)

    def network(self, x, s=None, cache=None):
        y = self.first(x, cache)  # (N, 2h, H, W)
        for block in self.blocks:
            y = block(y, s, cache)
        return self.head(relu(self.hidden(relu(y))))  # (N, C K, H, W)

    def predictor(self, n, **condition):
        """The network at one pixel, with a cache of what its layers were given at those before."""
        cache, s = Cache(*self.space.shape[1:]), self.told_everywhere(n, condition)

        def predict(i, x):
            image, before, now = self.from_sequence(x), self.place(max(i - 1, 0)), self.place(i)
            cache.put(self.first, self.embed(image[before]), before)  # which is whole now, its last colour too
            cache.place = now
            y = self.network(self.embed(image[now]), None if s is None else s[now], cache)  # (n, C K, 1, 1)
            return self.in_order(y).data[:, i % self.space.shape[0]]
        return predict


class ResidualBlock(Module):
    """(N, 2h, H, W) -> (N, 2h, H, W): figure 5, left. told: channels of s; None if there is none."""

    def __init__(self, width, colours, told=None, dropout=0.0, *, rng):
        narrow, wide = colours_of(width, colours), colours_of(2 * width, colours)
        self.reduce = MaskedConv2d(causal_mask("B", narrow, wide, (1, 1)), rng=rng)
        self.conv = MaskedConv2d(causal_mask("B", narrow, narrow, (3, 3)), rng=rng)
        self.told = Conv2d(told, width, 1, bias=False, rng=rng) if told else None
        self.dropout = Dropout(dropout, rng=rng)
        self.expand = MaskedConv2d(causal_mask("B", wide, narrow, (1, 1)), rng=rng)

    def forward(self, y, s=None, cache=None):
        h = self.conv(relu(self.reduce(relu(y))), cache)  # (N, h, H, W)
        if self.told:
            h = h + self.told(s)
        return y + self.expand(self.dropout(relu(h)))
