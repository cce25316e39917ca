"""What the tests of PixelCNN and Gated PixelCNN share: what each output depends on, and convolutions with plain loops.

Nothing here uses the masks of the models: which number may see which is said by the order of the numbers alone.
"""
import itertools

import numpy as np

from autograd import grad, parameter
from autograd.backend import asarray, to_numpy


def rng(seed=0):
    return np.random.default_rng(seed)


def dependence(model, draws=16):
    """Whether the logits of number i have a gradient with respect to what is put in for number j: bool (D, D), both in
    the order of drawing.

    At random inputs, with random cotangents: D copies of an image, of which the i-th is asked about number i. Several
    draws, as a relu may be at rest. The networks are to be narrow, since Winograd's convolution leaves rounding where
    there should be 0.
    """
    D, (C, H, W), inputs = model.D, model.space.shape, len(model.input_colours)
    seen = np.zeros((D, D), bool)
    for seed in range(draws):
        noise = rng(seed)
        x = parameter(asarray(np.repeat(noise.standard_normal((1, inputs, H, W)), D, axis=0), np.float32))
        u = np.zeros((D, D, model.K), np.float32)
        u[range(D), range(D)] = noise.standard_normal((D, model.K))
        g = to_numpy(grad((model.in_order(model.network(x)) * asarray(u)).sum(), x).data)
        seen |= model.to_sequence((g.reshape(D, C, inputs // C, H, W) != 0).any(axis=2))
    return seen


def earlier(D):
    """The whole causal set: j < i."""
    return np.tri(D, k=-1, dtype=bool)


def every(space):
    """All examples of a space, (K^D, *shape)."""
    return np.array(list(itertools.product(range(space.levels), repeat=space.size))).reshape(-1, *space.shape)


def colour_of(channel, channels, colours):
    """The colour of a channel, where those of a colour lie side by side."""
    return int(np.floor(channel * colours / channels))


def convolve(x, weight, bias, allowed):
    """A convolution with zeros around x (N, C, H, W), tap by tap. allowed(dr, dc, o, c): whether channel o may see
    channel c at a pixel dr rows below and dc columns to the right."""
    N, C, H, W = x.shape
    O, _, R, S = weight.shape
    y = np.zeros((N, O, H, W)) + bias[:, None, None]
    for o, c, r, s in itertools.product(range(O), range(C), range(R), range(S)):
        dr, dc = r - R // 2, s - S // 2
        if allowed(dr, dc, o, c):
            for i, j in itertools.product(range(H), range(W)):
                if 0 <= i + dr < H and 0 <= j + dc < W:
                    y[:, o, i, j] += weight[o, c, r, s] * x[:, c, i + dr, j + dc]
    return y


def causal(kind, O, C, colours, halves=1):
    """The rule of mask A or B for `convolve`; with halves=2, of O channels that are twice as many."""
    def allowed(dr, dc, o, c):
        if (dr, dc) != (0, 0):
            return (dr, dc) < (0, 0)  # rows first
        mine, other = colour_of(o % (O // halves), O // halves, colours), colour_of(c, C, colours)
        return other < mine or kind == "B" and other == mine
    return allowed


def arrays(layer):
    """Weight and bias of a layer, float64."""
    weight = np.float64(layer.weight.numpy())
    return weight, np.zeros(len(weight)) if layer.bias is None else np.float64(layer.bias.numpy())


def assert_pixel_by_pixel(model):
    """That its predictor gives the logits of the whole network, to rounding; and that with the same chance both draw the
    same images, the part of them that is kept included."""
    noise = rng(1)
    x = noise.integers(0, model.K, (4, *model.space.shape))
    told = {name: noise.integers(0, of.levels, (4, *of.shape)) for name, of in model.conditions.items()}
    sequence, predict, slow = to_numpy(model.to_sequence(x)), model.predictor(4, **told), model.recompute(**told)
    drawn = asarray(np.zeros_like(sequence))
    for i in range(model.D):
        np.testing.assert_allclose(to_numpy(predict(i, drawn)), to_numpy(slow(i, drawn)), atol=2e-5)
        drawn[:, i] = asarray(sequence[:, i])
    draw = lambda: model.draw(4, rng(2), given=x, known=3, **told)
    fast, model.predictor = draw(), lambda n, **condition: model.recompute(**condition)
    np.testing.assert_array_equal(fast, draw())
