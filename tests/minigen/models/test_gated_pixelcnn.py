"""Gated PixelCNN: no blind spot and no leak, its equations by plain loops, conditions, and its sampler."""
import itertools
import runpy
from pathlib import Path

import numpy as np
import pytest

from autograd import Tensor, concatenate, grad
from autograd.backend import asarray
from minigen import data
from minigen.autoregressive.masks import causal_mask, colours_of
from minigen.data import Space
from minigen.models.autoregressive import GatedPixelCNN, PixelCNN, gated_pixelcnn
from minigen.models.classifiers import pretrained
from minigen.optim import Adam

TOOLS = runpy.run_path(str(Path(__file__).with_name("causality.py")))
dependence, earlier, every = (TOOLS[name] for name in ("dependence", "earlier", "every"))
BITS, COLOURS = Space((1, 5, 6), 2), Space((3, 3, 4), 4)
TOLD = {"y": Space((), 3), "source": Space((1, 2, 3), 9)}


def rng(seed=0):
    return np.random.default_rng(seed)


def small(space=BITS, kind=GatedPixelCNN, **options):
    return kind(space, **{"width": 6 if space.shape[0] == 1 else 11, "blocks": 2, **options}, rng=rng())


def stirred(model, factor=3):
    for p in model.parameters():
        p.data[...] *= factor
    return model


@pytest.mark.parametrize("space, options", [(BITS, {}), (COLOURS, {}), (COLOURS, {"embedded": False, "width": 12}),
                                            (Space((1, 4, 4), 50), {"blocks": 1})])
def test_gradients_reach_all_that_came_before_and_nothing_else(space, options):
    np.testing.assert_array_equal(dependence(small(space, **options)), earlier(space.size))


def test_how_far_a_shallow_one_sees():
    """k layers: in its own row 3 + (k - 1) to the left; above, as far up and to both sides."""
    H, W, blocks = 6, 12, 1
    reach = 3 + blocks
    for i, seen in enumerate(dependence(small(Space((1, H, W), 2), blocks=blocks))):
        row, column = divmod(i, W)
        for j in range(H * W):
            up, right = row - j // W, j % W - column
            left_in_row = up == 0 and 0 < -right <= reach
            assert seen[j] == (left_in_row or 0 < up <= reach + 1 and abs(right) <= reach)


class MaskAWithin(GatedPixelCNN):
    """Mask A on the 1x1 convolutions."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        for layer in self.layers:
            layer.out.mask[...] = 0


class MaskBFirst(GatedPixelCNN):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        colours, features = self.space.shape[0], np.tile(colours_of(self.width, self.space.shape[0]), 2)
        into = colours_of(len(self.input_colours), colours)
        self.layers[0].row_conv.mask = asarray(causal_mask("B", features, into, (1, 7)))


class NotMovedDown(GatedPixelCNN):
    """The vertical stack is given row i at row i."""

    def network(self, x, s=None):
        return self.horizontal(x, self.vertical(x, s))


class HorizontalToVertical(GatedPixelCNN):
    """What the horizontal stack has found is added to the vertical one."""

    def network(self, x, s=None):
        h, v = x, gated_pixelcnn.moved_down(x)
        for layer in self.layers:
            v, from_above = layer.vertical(v, s)
            h = layer.horizontal(h, from_above)
            v = v + h
        return self.head(self.hidden(h))


class ResidualFirst(GatedPixelCNN):
    """A residual around the first layer: it needs as many channels as come in, here 1."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.layers[0].residual = True


class OneColourForBothGates(GatedPixelCNN):
    """Twice as many channels, coloured as if they were not two halves, for tanh and sigma."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        for kind, layer in zip("ABB", self.layers):
            O, C, R, S = layer.row_conv.mask.shape
            colours = self.space.shape[0]
            layer.row_conv.mask = asarray(causal_mask(kind, colours_of(O, colours), colours_of(C, colours), (R, S)))


@pytest.mark.parametrize("broken, space", [
    (MaskAWithin, BITS), (MaskBFirst, BITS), (MaskBFirst, COLOURS), (NotMovedDown, BITS), (HorizontalToVertical, BITS),
    (ResidualFirst, BITS), (OneColourForBothGates, COLOURS)])
def test_the_check_of_gradients_notices(broken, space):
    assert not np.array_equal(dependence(small(space, broken)), earlier(space.size))


def by_loops(model, x, told=None):
    """The logits of numbers on [-1, 1], x (N, C, H, W), by eqs. 2 and 4, figure 2 and plain loops: (N, D, K).

    told: V s of each layer, (N, 2p), or None.
    """
    convolve, causal, arrays = (TOOLS[name] for name in ("convolve", "causal", "arrays"))
    (C, H, W), K, p, positive = model.space.shape, model.K, model.width, lambda y: np.maximum(y, 0)

    def conv(y, layer, allowed):
        return convolve(y, *arrays(layer), allowed)

    def gate(y):
        return np.tanh(y[:, :p]) / (1 + np.exp(-y[:, p:]))
    anything, rows_above = lambda *_: True, lambda dr, dc, o, c: dr <= 0
    v, h = np.zeros_like(x, dtype=float), np.float64(x)
    v[:, :, 1:] = x[:, :, :-1]
    for i, layer in enumerate(model.layers):
        v_2p = conv(v, layer.rows_conv, rows_above) + (0 if told is None else told[i][:, :, None, None])
        kind = "B" if i else "A"
        h_2p = conv(h, layer.row_conv, causal(kind, 2 * p, h.shape[1], C, halves=2)) + conv(v_2p, layer.hand_over,
                                                                                           anything)
        v = gate(v_2p)
        out = conv(gate(h_2p), layer.out, causal("B", p, p, C))
        h = h + out if i else out
    y = conv(positive(conv(positive(h), model.hidden, causal("B", p, p, C))), model.head, causal("B", C * K, p, C))
    return np.stack([y[:, c * K:(c + 1) * K, i, j] for i in range(H) for j in range(W) for c in range(C)], axis=1)


class AfterTheGate(GatedPixelCNN):
    """The horizontal stack hears from the vertical one what has passed its gate."""

    def vertical(self, v, s=None, cache=None):
        handed = []
        for layer in self.layers:
            v, _ = layer.vertical(v, s, cache)
            handed.append(layer.hand_over(concatenate([v, v], axis=1)))
        return handed


class MaskATwice(GatedPixelCNN):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        features = colours_of(self.width, self.space.shape[0])
        self.layers[1].row_conv.mask = asarray(causal_mask("A", np.tile(features, 2), features, (1, 3)))


@pytest.mark.parametrize("space", [Space((1, 3, 4), 5), Space((3, 2, 3), 4)])
def test_network_against_loops(space):
    x = rng().integers(0, space.levels, (2, *space.shape))
    numbers = 2 * x / (space.levels - 1) - 1
    model = small(space, embedded=False)
    np.testing.assert_allclose(model.logits(x).numpy(), by_loops(model, numbers), atol=1e-5)
    for broken in (AfterTheGate, MaskATwice, NotMovedDown):
        other = small(space, broken, embedded=False)
        assert np.abs(other.logits(x).numpy() - by_loops(other, numbers)).max() > 1e-3


def test_a_label_is_added_before_the_gates():
    """Eq. 4: V^T h, h the label as one of K, is a row of the table times V."""
    model, noise = small(conditions={"y": TOLD["y"]}, embedded=False), rng(1)
    x, y = noise.integers(0, 2, (2, 1, 5, 6)), np.array([2, 0])
    row = np.float64(model.conditioning.parts["y"].embedding.weight.numpy())[y]  # (N, p)
    V = lambda layer: np.float64(layer.weight.numpy())[:, :, 0, 0]
    told = [row @ V(layer.told).T for layer in model.layers]
    np.testing.assert_allclose(model.logits(x, y=y).numpy(), by_loops(model, 2.0 * x - 1, told), atol=1e-5)


def test_a_map_is_told_where_it_matters():
    """A code at the bottom changes nothing in the upper rows: it reaches one code further, and one pixel further. Told
    everywhere, it would."""
    space = Space((1, 8, 4), 2)
    model = small(space, conditions={"source": Space((1, 4, 2), 3)})
    x, codes = rng().integers(0, 2, (1, 1, 8, 4)).repeat(2, axis=0), np.zeros((2, 1, 4, 2), int)
    codes[1, 0, 3, 0] = 1
    changed = lambda: np.ptp(model.logits(x, source=codes).numpy(), axis=0).max(axis=1).reshape(8, 4) > 0
    assert not changed()[:3].any() and changed()[6:].all()
    told = model.told_as_map
    model.told_as_map = lambda condition: told(condition).mean(axis=(2, 3), keepdims=True)
    assert changed().all()


TINY = [Space((1, 2, 3), 2), Space((1, 2, 2), 3), Space((3, 1, 2), 2)]


@pytest.mark.parametrize("space", TINY)
def test_probabilities_sum_to_one_under_each_condition(space):
    x, found = asarray(every(space)), []
    log_p = lambda model, **told: np.float64(model.log_prob(x, **told).numpy())
    assert np.exp(log_p(stirred(small(space)))).sum() == pytest.approx(1, abs=1e-5)
    assert abs(np.exp(log_p(stirred(small(space, MaskBFirst)))).sum() - 1) > 1e-3  # a pixel that sees itself
    model = stirred(small(space, width=12, conditions={"y": Space((), 3), "source": Space((1, 1, 1), 2)}))
    for y, code in itertools.product(range(3), range(2)):
        found.append(log_p(model, y=np.full(len(x), y), source=np.full((len(x), 1, 1, 1), code)))
        assert np.exp(found[-1]).sum() == pytest.approx(1, abs=1e-5)
    assert all(np.abs(a - b).max() > 1e-2 for a, b in itertools.combinations(found, 2))  # and each is another one


@pytest.mark.parametrize("space, options", [
    (Space((1, 4, 5), 2), {}), (Space((1, 4, 5), 64), {}), (Space((1, 4, 5), 256), {"embedded": False}),
    (Space((3, 3, 4), 5), {}), (Space((1, 4, 5), 5), {"levels": 2}), (Space((1, 4, 6), 7), {"conditions": TOLD}),
])
def test_pixel_by_pixel_is_the_whole_network(space, options):
    TOOLS["assert_pixel_by_pixel"](stirred(small(space, **options)))


def test_what_is_kept_is_scaled_as_in_training():
    """A sampler that puts in integers as they are is found out by the same comparison."""
    class Unscaled(GatedPixelCNN):
        def predictor(self, n, **condition):
            embed, predict = self.embed, super().predictor(n, **condition)

            def unscaled(i, x):
                self.embed = lambda x: Tensor(asarray(x, np.float32))
                logits = predict(i, x)
                self.embed = embed
                return logits
            return unscaled

    model = stirred(small(Space((1, 3, 3), 5), Unscaled, embedded=False))
    x = asarray(np.zeros((1, 9), int))
    predict, slow = model.predictor(1), model.recompute()
    assert max(float(abs(predict(i, x) - slow(i, x)).max()) for i in range(9)) > 1e-2


@pytest.mark.parametrize("kind, seen", [(GatedPixelCNN, True), (PixelCNN, False)])
def test_what_a_pixel_in_the_blind_spot_says_is_learned(kind, seen):
    """(1, 0) is a copy of (0, 5), 5 columns to the right and one row above; all else is chance, log 2 a pixel."""
    space, noise = Space((1, 2, 6), 2), rng()
    x = noise.integers(0, 2, (2000, 1, 2, 6))
    x[:, 0, 1, 0] = x[:, 0, 0, 5]
    model = small(space, kind, width=8)
    optimizer = Adam(model.parameters(), 1e-2)
    for step in range(250):
        rows = noise.integers(0, len(x), 50)
        optimizer.step(grad(model.loss({"x": x[rows]}, noise)["nats"], optimizer.params))
    nats = -model.log_conditionals(x[:300]).numpy().mean(axis=0)[6]
    assert nats < 0.1 if seen else nats > 0.6  # log 2 = 0.69


def test_digits_of_the_class_that_is_asked_for():
    """After a few seconds of training the shipped classifier sees it more often than by chance, and NLL is below that
    of independent pixels, 106.4 nats."""
    train, noise = data.load("digits"), rng()
    model = GatedPixelCNN(train.spaces["x"], conditions={"y": train.spaces["y"]}, width=12, blocks=1, rng=noise)
    optimizer, batches = Adam(model.parameters(), 1e-2), train.batches(50, noise)
    for _ in range(100):
        optimizer.step(grad(model.loss(next(batches), noise)["nats"], optimizer.params))
    assert model.measure(data.load("digits", "test").columns, noise)[0].value < 104
    y = np.arange(100) % 10
    _, p = pretrained("digits").judge(model.sample(100, noise, y=y))
    assert (p.argmax(axis=1) == y).mean() > 0.2  # 0.1 by chance, and 0.03 its standard error


def test_every_parameter_is_trained():
    model, noise = small(Space((1, 4, 6), 7), dropout=0.2, conditions=TOLD), rng(1)
    batch = {"x": noise.integers(0, 7, (9, 1, 4, 6)), "y": noise.integers(0, 3, 9),
             "source": noise.integers(0, 9, (9, 1, 2, 3))}
    (player,) = model.players()
    assert all(np.any(g.data != 0) for g in grad(model.loss(batch, noise)["nats"], player.params))


@pytest.mark.parametrize("make, message", [
    (lambda: small(Space((4,), 2)), r"models images \(C, H, W\) or codes \(1, h, w\), and the space has shape \(4,\)"),
    (lambda: small(COLOURS, width=2), "width is 2, expected at least one channel for each of 3 colours"),
    (lambda: small(conditions={"source": Space((1, 4, 4), 3)}), r"expected labels, or codes \(1, h, w\) such that 5 x 6"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
