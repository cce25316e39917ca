"""Gated PixelCNN: two stacks of convolutions, so that no earlier pixel is out of sight, and gates in place of relu.

van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves & Kavukcuoglu, "Conditional image generation with PixelCNN
decoders", NeurIPS 2016; equation numbers are that paper's.

    y = tanh(W_f * x) . sigma(W_g * x)                                                              (eq. 2)
    p(x | y) = prod_i p(x_i | x_1 .. x_{i-1}, y)                                                    (eq. 3)
    y = tanh(W_f * x + V_f s) . sigma(W_g * x + V_g s)                                              (eq. 4)

`*` is a masked convolution, `.` a product of numbers. What is told, s, is the same at all pixels for a label (eq. 4),
or a map, s = m(codes), so that it matters where something is (section 2.3): conditioning.py makes both.

PixelCNN cannot see a part of the rows above (its blind spot), for nothing may travel to the left along a row: there are
pixels in it that are still to come. So the work is shared out (figures 1 and 2):

    vertical stack      is given the image moved down by one row, and at row i all it has are rows above i, which are
                        whole: it may look left and right, with no mask but for what is below
    horizontal stack    looks left along row i, and nowhere else; it hears from the vertical stack of all rows above

    v_2p = n x n(v) + V s              h_2p = 1 x n mask B(h) + 1 x 1(v_2p)          2p channels, p = `width`
    v = gate(v_2p)                     h = h + 1 x 1(gate(h_2p))                     the residual is horizontal only

The other way, from the horizontal stack to the vertical, nothing may be handed over: the vertical stack looks to the
right, and a pixel would see itself on a detour. What is handed over is v_2p, before its gate, and V s in it, so that s
reaches both gates. In the first layer the filters are 7 wide, the horizontal mask is A, and there is no residual: with
it a pixel would see itself. (The paper moves what is handed over down by a row, and not the image: the same rows are
seen.)

Symbols: N examples, K levels, C H W image, p width, n size of a filter, s what is told. Read before this: pixelcnn.py.
Read next: nothing; examples/6_autoregressive/53_gated_pixelcnn.py draws with it.
Course: 6.2.
"""
import numpy as np

from autograd import pad, relu, sigmoid, split, tanh

from ...autoregressive.image_model import ImageModel
from ...autoregressive.masked_conv import Cache, MaskedConv2d
from ...autoregressive.masks import causal_mask, colours_of, rows_mask
from ...nn import Conv2d, Dropout, Module, ModuleList


class GatedPixelCNN(ImageModel):
    """space: of images or codes. levels, conditions: see Autoregressive. width: p. blocks: layers after the first.
    embedded: see image_model.py."""

    def __init__(self, space, levels=None, conditions=None, width=32, blocks=5, embedded=None, dropout=0.0, *, rng):
        super().__init__(space, levels, conditions, width, embedded, rng=rng)
        C = space.shape[0]
        features, outputs = colours_of(width, C), colours_of(C * self.K, C)
        told = width if self.conditions else None
        first = GatedLayer("A", self.input_colours, width, C, 7, told, dropout, rng=rng)
        later = [GatedLayer("B", features, width, C, 3, told, dropout, rng=rng) for _ in range(blocks)]
        self.layers = ModuleList([first, *later])
        self.hidden = MaskedConv2d(causal_mask("B", features, features, (1, 1)), rng=rng)
        self.head = MaskedConv2d(causal_mask("B", outputs, features, (1, 1)), rng=rng)

    def network(self, x, s=None):
        return self.horizontal(x, self.vertical(moved_down(x), s))

    def vertical(self, v, s=None, cache=None):
        """The vertical stack: what it hands to each layer of the horizontal one, (N, 2p, h, w) each."""
        handed = []
        for layer in self.layers:
            v, from_above = layer.vertical(v, s, cache)
            handed.append(from_above)
        return handed

    def horizontal(self, h, handed, cache=None):
        """The horizontal stack, and what it ends in: (N, C K, h, w)."""
        for layer, from_above in zip(self.layers, handed):
            h = layer.horizontal(h, from_above, cache)
        return self.head(relu(self.hidden(relu(h))))

    def predictor(self, n, **condition):
        """The vertical stack at one row whenever a row begins; the horizontal one at one pixel."""
        C, H, W = self.space.shape
        cache, s, handed = Cache(H, W), self.told_everywhere(n, condition), []

        def predict(i, x):
            image, before, now = self.from_sequence(x), self.place(max(i - 1, 0)), self.place(i)
            _, _, rows, columns = now
            if i % (W * C) == 0:
                two_rows = moved_down(self.embed(image[:, :, max(rows.start - 1, 0) : rows.stop]))  # or the first row
                cache.place = (*now[:3], slice(0, W))
                handed[:] = self.vertical(two_rows[:, :, -1:], None if s is None else s[cache.place], cache)
            cache.put(self.layers[0].row_conv, self.embed(image[before]), before)  # which is whole now
            cache.place = now
            above_here = [from_above[:, :, :, columns] for from_above in handed]
            y = self.horizontal(self.embed(image[now]), above_here, cache)  # (n, C K, 1, 1)
            return self.in_order(y).data[:, i % C]
        return predict


class GatedLayer(Module):
    """A layer of both stacks (figure 2). kind: mask "A" or "B". input_colours: of the channels that come in. size: n of
    the filters. told: channels of s, None if there is none."""

    def __init__(self, kind, input_colours, width, colours, size, told=None, dropout=0.0, *, rng):
        features = colours_of(width, colours)  # for tanh, and once more for sigma
        self.rows_conv = MaskedConv2d(rows_mask(2 * width, len(input_colours), (size, size)), rng=rng)
        self.row_conv = MaskedConv2d(causal_mask(kind, np.tile(features, 2), input_colours, (1, size)), rng=rng)
        self.hand_over = Conv2d(2 * width, 2 * width, 1, rng=rng)  # rows above are whole: no mask
        self.out = MaskedConv2d(causal_mask("B", features, features, (1, 1)), rng=rng)
        self.told = Conv2d(told, 2 * width, 1, bias=False, rng=rng) if told else None  # V
        self.dropout = Dropout(dropout, rng=rng)
        self.residual = kind == "B"

    def vertical(self, v, s=None, cache=None):
        """v of the next layer (N, p, h, w), and what is handed over in this one (N, 2p, h, w)."""
        v_2p = self.rows_conv(v, cache)
        if self.told:
            v_2p = v_2p + self.told(s)
        return gate(v_2p), self.hand_over(v_2p)

    def horizontal(self, h, from_above, cache=None):
        """h of the next layer, (N, p, h, w)."""
        y = self.out(self.dropout(gate(self.row_conv(h, cache) + from_above)))
        return h + y if self.residual else y


def gate(x):
    """tanh . sigma of the halves of x (N, 2p, h, w): (N, p, h, w), eq. 2."""
    f, g = split(x, 2, axis=1)
    return tanh(f) * sigmoid(g)


def moved_down(x):
    """x (N, C, H, W) one row lower, with zeros above."""
    return pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]
