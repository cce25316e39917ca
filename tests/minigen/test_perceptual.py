"""The perceptual distance: eq. 1 of LPIPS in loops, its gradient, and what it must not depend on."""
import numpy as np
import pytest

from autograd import grad, no_grad, parameter, relu
from autograd.backend import asarray
from minigen import data
from minigen.data import Space
from minigen.models.classifiers import CNN, pretrained
from minigen.models.classifiers.cnn import half_resolution
from minigen.nn import Conv2d, Frozen, Sequential
from minigen.perceptual import EPS, PerceptualDistance, feature_maps

IMAGES = Space((2, 8, 8), 9)


def rng(seed=0):
    return np.random.default_rng(seed)


def classifier(seed=0):
    return Frozen(CNN(IMAGES, widths=(3, 4), features=6, rng=rng(seed)))


def pair(n=3):
    return rng(1).random((2, n, 2, 8, 8), dtype=np.float32)


def in_loops(maps_a, maps_b):
    """Place by place, of lists of feature maps (C, H, W) of two images."""
    d = 0.0
    for a, b in zip(maps_a, maps_b):
        C, H, W = a.shape
        for i in range(H):
            for j in range(W):
                u, v = (f[:, i, j] / np.sqrt(sum(f[c, i, j] ** 2 for c in range(C)) + EPS) for f in (a, b))
                d += sum((u[c] - v[c]) ** 2 for c in range(C)) / (H * W)
    return d


def test_it_is_the_equation_in_loops():
    see, (x, y) = PerceptualDistance(classifier()), pair()
    with no_grad():
        maps = [[np.float64(f.numpy()) for f in feature_maps(see.classifier.body, asarray(z))] for z in (x, y)]
        d = see(x, y).numpy()
    assert [f.shape for f in maps[0]] == [(3, 3, 8, 8), (3, 4, 4, 4)]
    expected = [in_loops([f[n] for f in maps[0]], [f[n] for f in maps[1]]) for n in range(3)]
    np.testing.assert_allclose(d, expected, rtol=1e-4)
    assert d.min() > 0.01 and np.abs(see(x, x).numpy()).max() == 0
    np.testing.assert_allclose(see(y, x).numpy(), d, rtol=1e-5)


def test_its_maps_are_those_before_each_halving():
    """Of the shipped classifier: after the second convolution of each pair and its relu, layers 5, 12 and 19."""
    judge, x = pretrained("mnist10k"), asarray(data.load("mnist10k").spaces["x"].drawn(data.load("mnist10k")["x"][:2]))
    with no_grad():
        maps = feature_maps(judge.body, x)
        for f, depth in zip(maps, (5, 12, 19)):
            np.testing.assert_array_equal(f.numpy(), judge.body[: depth + 1](x).numpy())
    assert [f.shape for f in maps] == [(2, 16, 28, 28), (2, 32, 14, 14), (2, 64, 7, 7)]


def test_its_gradient_is_its_slope():
    """Along random directions, by central differences in float64, for either image."""
    model = CNN(IMAGES, widths=(3, 4), features=6, rng=rng())
    for p in model.parameters():
        p.data = asarray(np.float64(p.numpy()))
    see, (x, y) = PerceptualDistance(Frozen(model)), np.float64(pair())
    u, w = rng(2).standard_normal(x.shape), rng(3).standard_normal(3)
    g_x, g_y = (parameter(z) for z in (x, y))
    g_x, g_y = (np.float64(g.numpy()) for g in grad((see(g_x, g_y) * w).sum(), [g_x, g_y]))
    slope = lambda f: ((f(1e-5) - f(-1e-5)) @ w) / 2e-5
    with no_grad():
        assert (g_x * u).sum() == pytest.approx(slope(lambda t: np.float64(see(x + t * u, y).numpy())), rel=1e-3)
        assert (g_y * u).sum() == pytest.approx(slope(lambda t: np.float64(see(x, y + t * u).numpy())), rel=1e-3)


class Louder(PerceptualDistance):
    """The broken one: its vectors are as long as the classifier makes them."""

    def directions(self, x):
        return feature_maps(self.classifier.body, asarray(x))


def test_a_loud_place_counts_as_much_as_a_quiet_one():
    """Twice the contrast in front of a classifier without biases is the same direction; but for EPS."""
    def made(kind):
        part = classifier()
        part.module.body = Sequential(Conv2d(2, 5, 3, padding=1, bias=False, rng=rng()), relu, half_resolution)
        return kind(part)

    x, y = 30 * pair()
    with no_grad():
        for kind, same in ((PerceptualDistance, True), (Louder, False)):
            one, two = (made(kind)(scale * x, scale * y).numpy() for scale in (1, 2))
            assert np.allclose(one, two, rtol=0.02) == same


def test_where_nothing_answers_the_gradient_stays_finite():
    """A relu network may be silent; the square root alone has no gradient there."""
    model = CNN(IMAGES, widths=(3, 4), features=6, rng=rng())
    for p in model.parameters():
        p.assign(0.0)
    x, y = parameter(asarray(pair()[0])), pair()[1]
    distance = PerceptualDistance(Frozen(model))(x, y)
    assert np.all(distance.numpy() == 0) and np.isfinite(grad(distance.sum(), x).numpy()).all()


def test_bad_input():
    with pytest.raises(ValueError, match=r"classifier is a CNN, .* pass Frozen\(classifier\)"):
        PerceptualDistance(CNN(IMAGES, widths=(3,), rng=rng()))
    with pytest.raises(ValueError, match=r"images have shape \(2, 1, 8, 8\), .* made for \(N, 2, 8, 8\)"):
        PerceptualDistance(classifier())(np.zeros((2, 1, 8, 8), np.float32), pair()[0])
