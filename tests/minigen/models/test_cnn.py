"""The classifier: what it is trained on, what is shipped, and what it reports."""
import numpy as np
import pytest

from autograd import backend, grad
from minigen import checkpoint, data
from minigen.data import Space
from minigen.models.classifiers import CNN, pretrained
from minigen.models.classifiers.cnn import SHIPPED, WEIGHTS, shifted
from minigen.optim import Adam


def test_shifted_moves_every_image_and_fills_with_zeros():
    """One lit pixel each: it moves by up to 2 both ways, every way occurs, and nothing else appears."""
    x = np.zeros((2000, 3, 7, 9), np.float32)
    x[:, 1, 3, 4] = np.arange(1, 2001)
    moved = shifted(x, 2, backend.rng(0))
    assert moved.shape == x.shape
    n, c, row, column = np.nonzero(moved)
    np.testing.assert_array_equal(n, np.arange(2000))
    np.testing.assert_array_equal(moved[n, c, row, column], np.arange(1, 2001))
    assert set(c) == {1} and set(zip(row - 3, column - 4)) == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}
    x = np.ones((50, 1, 4, 4), np.float32)
    assert {0.25, 1.0} <= set(shifted(x, 2, backend.rng(1)).mean(axis=(1, 2, 3)).round(4).tolist())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 9, 14)])
def test_any_size(shape):
    model = CNN(Space(shape, 256), Space((), 7), rng=backend.rng(0))
    features, p = model.eval().judge(np.random.default_rng(0).random((3, *shape)))
    assert features.shape == (3, 64) and p.shape == (3, 7)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert model.num_parameters() < 250_000


def test_it_learns():
    """Which half of the image is bright: in twenty steps."""
    rng = backend.rng(0)
    y = rng.integers(0, 2, 300)
    x = rng.integers(0, 100, (300, 1, 8, 8)).astype(np.uint8)
    x[y == 1, :, :4] += 100
    x[y == 0, :, 4:] += 100
    model = CNN(Space((1, 8, 8), 256), Space((), 2), rng=rng)
    optimizer = Adam(model.parameters(), 1e-2)
    for _ in range(20):
        optimizer.step(grad(model.loss({"x": x[:200], "y": y[:200]}, rng)["cross entropy"], optimizer.params))
    accuracy, _ = model.eval().measure({"x": x[200:], "y": y[200:]}, rng)
    assert accuracy.value > 0.95


def test_it_learns_several_parts():
    """Which half is bright, and whether the left column is: the loss is the mean of both cross entropies."""
    rng = backend.rng(0)
    parts = rng.integers(0, 2, (300, 2))
    x = rng.integers(0, 100, (300, 1, 8, 8)).astype(np.uint8)
    x[parts[:, 0] == 1, :, :4] += 60
    x[parts[:, 0] == 0, :, 4:] += 60
    x[parts[:, 1] == 1, :, :, :2] += 90
    model = CNN(Space((1, 8, 8), 256), Space((2,), 3), shift=0, rng=rng)
    optimizer = Adam(model.parameters(), 1e-2)
    for _ in range(30):
        loss = model.loss({"x": x[:200], "parts": parts[:200]}, rng)["cross entropy"]
        optimizer.step(grad(loss, optimizer.params))
    accuracy, nll = model.eval().measure({"x": x[200:], "parts": parts[200:]}, rng)
    assert accuracy.value > 0.9 and "by part" in accuracy.detail
    logits = np.float64(model(model.space.unit(x[200:])).numpy())  # (N, K, A)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -np.mean([log_p[i, parts[200 + i, a], a] for i in range(100) for a in range(2)])
    assert nll.value == pytest.approx(expected, abs=1e-6)  # of a float32 probability near 1
    assert model.judge(model.space.drawn(x[200:]))[1].shape == (100, 3)
    with pytest.raises(ValueError, match="in column 'parts'"):
        model.loss({"x": x, "y": parts[:, 0]}, rng)


@pytest.mark.parametrize("name, least", [("digits", 0.97), ("mnist", 0.992), ("critters", 0.9)])
def test_shipped_classifier(name, least):
    """As accurate on the test split as its file says, and under 1 MB."""
    file = WEIGHTS / SHIPPED[name][0]
    assert file.stat().st_size < 1_000_000
    try:
        test = data.load(name, "test")
    except FileNotFoundError:
        pytest.skip(f"{name} is not on this machine")
    accuracy, _ = pretrained(name).measure(test.columns, backend.rng(0))
    assert accuracy.value >= least
    _, about = checkpoint.load(file)
    assert str(accuracy) == about[test.note][0] and about["command"].startswith("python -m minigen train classifier")


def test_its_own_images_are_no_digits():
    """Noise moved uphill until the classifier is certain: certainty is no sign of a digit."""
    model = pretrained("digits")
    x = model.imagine(20, backend.rng(0))
    _, p = model.judge(x)
    assert p[np.arange(20), np.arange(20) % 10].mean() > 0.9
    assert 0 <= x.min() and x.max() <= 1


@pytest.mark.parametrize("call, message", [
    (lambda m: m.loss({"x": np.zeros((2, 1, 8, 8), np.uint8)}, backend.rng(0)), "these images have no labels"),
    (lambda m: m.loss({"x": np.zeros((2, 1, 8, 8), np.uint8), "y": np.array([0, 10])}, backend.rng(0)),
     "y holds values from 0 to 10, expected 0 to 9"),
    (lambda m: m.loss({"x": np.zeros((2, 1, 9, 8), np.uint8), "y": np.array([0, 1])}, backend.rng(0)),
     "x has shape (2, 1, 9, 8), expected (N, 1, 8, 8)"),
    (lambda m: CNN(Space((1, 7, 8), 17), rng=backend.rng(0)), "at least 8 x 8"),
    (lambda m: CNN(Space((2,)), rng=backend.rng(0)), "expected images"),
    (lambda m: pretrained("cifar10"), "no classifier is shipped for cifar10; there is one for mnist"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call(CNN(Space((1, 8, 8), 17), rng=backend.rng(0)))
    assert message in str(error.value)
