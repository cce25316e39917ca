"""PixelCNN: which pixels each conditional sees, its blind spot, normalization, and a sampler that recomputes little."""
import itertools
import runpy
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from autograd import Tensor, grad
from autograd.backend import asarray, to_numpy
from minigen import data
from minigen.autoregressive.masked_conv import Cache, MaskedConv2d
from minigen.autoregressive.masks import causal_mask, colours_of
from minigen.data import Space
from minigen.models.autoregressive import PixelCNN, pixelcnn
from minigen.optim import Adam

TOOLS = runpy.run_path(str(Path(__file__).with_name("causality.py")))
dependence, earlier, every = (TOOLS[name] for name in ("dependence", "earlier", "every"))
BITS, COLOURS = Space((1, 6, 9), 2), Space((3, 3, 5), 4)


def rng(seed=0):
    return np.random.default_rng(seed)


def small(space=BITS, kind=PixelCNN, **options):
    return kind(space, **{"width": 6, "blocks": 3, **options}, rng=rng())


def reachable(space, blocks):
    """Which numbers each can hear of at all, bool (D, D): paths through a first layer of 7x7 and blocks of 3x3, by
    their offsets alone. Of a block a number hears what a pixel at an offset of 3x3 heard in the layer below."""
    C, H, W = space.shape
    numbers = list(itertools.product(range(H), range(W), range(C)))  # in the order of drawing
    near = lambda a, b, reach: abs(a[0] - b[0]) <= reach and abs(a[1] - b[1]) <= reach
    pixel = lambda a: a[:2]
    heard = {a: {b for b in numbers if near(a, b, 3) and (pixel(b) < pixel(a) or pixel(b) == pixel(a) and b < a)}
             for a in numbers}
    for _ in range(blocks):
        heard = {a: set().union(*(heard[b] for b in numbers if near(a, b, 1) and b <= a)) for a in numbers}
    return np.array([[b in heard[a] for b in numbers] for a in numbers])


@pytest.mark.parametrize("space, options", [(BITS, {}), (BITS, {"blocks": 0}), (BITS, {"blocks": 1}),
                                            (COLOURS, {"embedded": False}), (COLOURS, {"width": 7, "blocks": 1})])
def test_gradients_reach_exactly_what_the_masks_let_through(space, options):
    model = small(space, **options)
    np.testing.assert_array_equal(dependence(model), reachable(space, len(model.blocks)))


def test_the_blind_spot():
    """However deep: r rows above, what is more than r + 2 columns to the right."""
    W = BITS.shape[2]
    unseen = earlier(54) & ~dependence(small(blocks=8))
    for i, j in itertools.product(range(54), repeat=2):
        (row, column), (row_j, column_j) = divmod(i, W), divmod(j, W)
        assert unseen[i, j] == (j < i and column_j - column > row - row_j + 2)
    assert unseen.any()


class MaskAWithin(PixelCNN):
    """Mask A on the 1x1 convolutions."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        for block in self.blocks:
            block.reduce.mask[...] = 0


class MaskBFirst(PixelCNN):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        O, C = self.first.mask.shape[:2]
        colours = self.space.shape[0]
        self.first.mask = asarray(causal_mask("B", colours_of(O, colours), colours_of(C, colours), (7, 7)))


class BlueFirst(PixelCNN):
    """The colours' order in the masks is B, G, R; that of drawing is R, G, B."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        for layer in [self.first, self.hidden, self.head, *(c for block in self.blocks for c in block.children())]:
            if isinstance(layer, MaskedConv2d):
                layer.mask = layer.mask[::-1, ::-1].copy()


class ColoursLast(PixelCNN):
    """Logits as the channels have them, all of red first."""

    def in_order(self, h):
        N, _, H, W = h.shape
        return h.reshape(N, self.space.shape[0], self.K, H, W).transpose(0, 1, 3, 4, 2).reshape(N, -1, self.K)


@pytest.mark.parametrize("broken, space", [(MaskAWithin, BITS), (MaskBFirst, BITS), (MaskBFirst, COLOURS),
                                           (BlueFirst, COLOURS), (ColoursLast, COLOURS)])
def test_the_check_of_gradients_notices(broken, space):
    model = small(space, broken)
    assert not np.array_equal(dependence(model), reachable(space, len(model.blocks)))


def by_loops(model, x):
    """The logits of numbers on [-1, 1], x (N, C, H, W), by section 3 of the paper and plain loops: (N, D, K)."""
    convolve, causal, arrays = (TOOLS[name] for name in ("convolve", "causal", "arrays"))
    C, K, positive = model.space.shape[0], model.K, lambda y: np.maximum(y, 0)

    def masked(y, layer, kind="B"):
        weight, bias = arrays(layer)
        return convolve(y, weight, bias, causal(kind, *weight.shape[:2], C))
    y = masked(x, model.first, "A")
    for block in model.blocks:
        y = y + masked(positive(masked(positive(masked(positive(y), block.reduce)), block.conv)), block.expand)
    y = masked(positive(masked(positive(y), model.hidden)), model.head)  # (N, C K, H, W)
    numbers = [y[:, c * K:(c + 1) * K, i, j] for i in range(y.shape[2]) for j in range(y.shape[3]) for c in range(C)]
    return np.stack(numbers, axis=1)


class MaskATwice(PixelCNN):
    """Mask A in the blocks too."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        for block in self.blocks:
            _, _, R, S = block.conv.mask.shape
            colours = colours_of(self.width, self.space.shape[0])
            block.conv.mask = asarray(causal_mask("A", colours, colours, (R, S)))


@pytest.mark.parametrize("space", [Space((1, 3, 4), 5), Space((3, 2, 3), 4)])
def test_network_against_loops(space):
    x = rng().integers(0, space.levels, (2, *space.shape))
    numbers = 2 * x / (space.levels - 1) - 1
    model = small(space, embedded=False, blocks=2)
    np.testing.assert_allclose(model.logits(x).numpy(), by_loops(model, numbers), atol=1e-5)
    twice = small(space, MaskATwice, embedded=False, blocks=2)
    assert np.abs(twice.logits(x).numpy() - by_loops(twice, numbers)).max() > 1e-3


TINY = [Space((1, 2, 3), 2), Space((1, 2, 2), 3), Space((3, 1, 2), 2)]


def stirred(model, factor=2.5):
    """Larger weights: conditionals that are far from uniform, and depend on what came before."""
    for p in model.parameters():
        p.data[...] *= factor
    return model


@pytest.mark.parametrize("space", TINY)
def test_probabilities_sum_to_one(space):
    total = lambda model: np.exp(np.float64(model.log_prob(asarray(every(space))).numpy())).sum()
    assert total(stirred(small(space))) == pytest.approx(1, abs=1e-5)
    assert abs(total(stirred(small(space, MaskBFirst))) - 1) > 1e-3  # a pixel that sees itself


@pytest.mark.parametrize("space", TINY)
def test_probabilities_sum_to_one_under_each_condition(space):
    conditions = {"y": Space((), 3), "source": Space((1, 1, 1), 2)}
    model, x, found = stirred(small(space, width=12, conditions=conditions)), asarray(every(space)), []
    for y, code in itertools.product(range(3), range(2)):
        told = {"y": np.full(len(x), y), "source": np.full((len(x), 1, 1, 1), code)}
        found.append(np.float64(model.log_prob(x, **told).numpy()))
        assert np.exp(found[-1]).sum() == pytest.approx(1, abs=1e-5)
    assert all(np.abs(a - b).max() > 1e-2 for a, b in itertools.combinations(found, 2))  # and each is another one


class Unscaled(PixelCNN):
    """Draws from integers as they are, where training has them on [-1, 1]."""

    def predictor(self, n, **condition):
        self.embed, predict = lambda x: Tensor(asarray(x, np.float32)), super().predictor(n, **condition)
        return predict


@pytest.mark.parametrize("space", TINY)
def test_draws_have_the_probabilities(space):
    def p_value(model):
        x = to_numpy(asarray(every(space)))
        p = np.exp(np.float64(model.log_prob(asarray(x)).numpy()))
        drawn = model.draw(4000, rng(1)).reshape(4000, -1)
        observed = np.bincount(drawn @ space.levels ** np.arange(space.size)[::-1], minlength=len(x))
        return scipy.stats.chisquare(observed, 4000 * p / p.sum()).pvalue
    assert p_value(stirred(small(space, embedded=False))) > 1e-3
    assert p_value(stirred(small(space, Unscaled, embedded=False))) < 1e-6


@pytest.mark.parametrize("space, options", [
    (Space((1, 4, 5), 2), {}), (Space((1, 4, 5), 64), {}), (Space((1, 4, 5), 256), {"embedded": False}),
    (Space((3, 3, 4), 5), {}), (Space((1, 4, 5), 5), {"levels": 2}),
    (Space((1, 4, 6), 7), {"conditions": {"y": Space((), 3), "source": Space((1, 2, 3), 9)}}),
])
def test_pixel_by_pixel_is_the_whole_network(space, options):
    TOOLS["assert_pixel_by_pixel"](stirred(small(space, **options)))


class Forgetful(Cache):
    """Keeps only what layers are given on the way through the network."""

    on_the_way = False

    def window(self, layer, x):
        self.on_the_way = True
        return super().window(layer, x)

    def put(self, layer, x, place):
        if self.on_the_way:
            super().put(layer, x, place)
        self.on_the_way = False


def test_the_first_layer_must_be_told_what_was_drawn_last(monkeypatch):
    """Blue is drawn after its pixel was computed for the last time."""
    model = stirred(small(COLOURS))
    x = model.to_sequence(rng(1).integers(0, 4, (3, *COLOURS.shape)))

    def last():
        """The logits of the fourth pixel's red."""
        predict = model.predictor(3)
        return to_numpy([predict(i, asarray(np.where(np.arange(45) < i, x, 0))) for i in range(10)][9])
    slow = to_numpy(model.recompute()(9, asarray(x)))
    np.testing.assert_allclose(last(), slow, atol=2e-5)
    monkeypatch.setattr(pixelcnn, "Cache", Forgetful)
    assert np.abs(last() - slow).max() > 1e-3


def test_digits_after_some_steps():
    """Below independent pixels, 106.4 nats."""
    train, noise = data.load("digits"), rng()
    model = PixelCNN(train.spaces["x"], width=8, blocks=2, rng=noise)
    optimizer, batches = Adam(model.parameters(), 1e-2), train.batches(50, noise)
    for _ in range(100):
        optimizer.step(grad(model.loss(next(batches), noise)["nats"], optimizer.params))
    assert model.measure(data.load("digits", "test").columns, noise)[0].value < 100
    assert model.sample(3, noise).shape == (3, 1, 8, 8)


def test_every_parameter_is_trained():
    for options in ({}, {"conditions": {"y": Space((), 3), "source": Space((1, 2, 3), 9)}}):
        space = Space((1, 4, 6), 7)
        model, noise = small(space, dropout=0.2, **options), rng(1)
        batch = {"x": noise.integers(0, 7, (9, 1, 4, 6)), "y": noise.integers(0, 3, 9),
                 "source": noise.integers(0, 9, (9, 1, 2, 3))}
        (player,) = model.players()
        assert all(np.any(g.data != 0) for g in grad(model.loss(batch, noise)["nats"], player.params))


@pytest.mark.parametrize("make, message", [
    (lambda: small(Space((4,), 2)), r"models images \(C, H, W\) or codes \(1, h, w\), and the space has shape \(4,\)"),
    (lambda: small(COLOURS, width=2), "width is 2, expected at least one channel for each of 3 colours"),
    (lambda: small(Space((1, 4, 4))), "models integers of no levels"),
    (lambda: small(conditions={"source": Space((1, 5, 5), 3)}), r"expected labels, or codes \(1, h, w\)"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_data():
    model = small(conditions={"y": Space((), 3)})
    x = np.zeros((2, *BITS.shape), int)
    with pytest.raises(ValueError, match="y holds values from 3 to 3, expected 0 to 2"):
        model.sample(2, rng(), y=np.array([3, 3]))
    with pytest.raises(ValueError, match="x holds values from 2 to 2, expected 0 to 1"):
        model.loss({"x": x + 2, "y": np.zeros(2, int)}, rng())
