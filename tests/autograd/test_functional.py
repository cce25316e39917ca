"""Dropout, embeddings and losses, by their definitions."""
import numpy as np
import pytest
import scipy.special

import autograd as ag
from autograd import grad, parameter

RNG = np.random.default_rng(0)


# Dropout


def test_dropout_keeps_the_mean_and_scales_the_gradient_alike():
    x = parameter(np.ones((200, 200)))
    y = ag.dropout(x, 0.3, rng=np.random.default_rng(0))
    assert set(np.unique(y.numpy())) == {0.0, 1.0 / 0.7}
    assert abs(y.numpy().mean() - 1.0) < 5 * np.sqrt(0.3 / 0.7 / 40_000)
    np.testing.assert_array_equal(grad(y.sum(), x).numpy(), y.numpy())


def test_dropout_ends_of_the_range():
    x = parameter(RNG.standard_normal((3, 4)))
    rng = np.random.default_rng(0)
    assert ag.dropout(x, 0.0, rng=rng) is x and ag.dropout(x, 0.5, training=False, rng=None) is x
    y = ag.dropout(x, 1.0, rng=rng)
    np.testing.assert_array_equal(y.numpy(), np.zeros((3, 4)))
    np.testing.assert_array_equal(grad(y.sum(), x).numpy(), np.zeros((3, 4)))


def test_dropout_draws_from_the_generator_only():
    x = np.ones(50, np.float32)
    first, again, other = (ag.dropout(x, 0.5, rng=np.random.default_rng(s)).numpy() for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    rng = np.random.default_rng(0)
    assert (ag.dropout(x, 0.5, rng=rng).numpy() != ag.dropout(x, 0.5, rng=rng).numpy()).any()
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    ag.dropout(x, 0.5, rng=rng)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


# Embedding and one_hot


def test_embedding_is_one_hot_times_weight():
    weight, labels = parameter(RNG.standard_normal((5, 3)).astype(np.float32)), np.array([[4, 0], [4, 1]])
    y = ag.embedding(labels, weight)
    np.testing.assert_allclose(y.numpy(), ag.one_hot(labels, 5).numpy() @ weight.numpy())
    g = grad(y.sum(), weight).numpy()
    np.testing.assert_array_equal(g, np.array([1, 1, 0, 0, 2.0])[:, None] * np.ones(3))


def test_one_hot():
    y = ag.one_hot(np.array([[2], [0]]), 3)
    np.testing.assert_array_equal(y.numpy(), [[[0, 0, 1]], [[1, 0, 0]]])
    assert y.dtype == np.float32 and not y.requires_grad
    assert ag.one_hot(np.zeros((0, 2), int), 3).shape == (0, 2, 3)


@pytest.mark.parametrize("call, message", [
    (lambda: ag.embedding([0, 5], np.ones((5, 2))), "embedding: input holds values from 0 to 5, expected 0 to 4"),
    (lambda: ag.embedding([-1], np.ones((5, 2))), "embedding: input holds values from -1 to -1, expected 0 to 4"),
    (lambda: ag.embedding([0.5], np.ones((5, 2))), "embedding: input has dtype float.*, expected integers"),
    (lambda: ag.one_hot([3], 3), "one_hot: input holds values from 3 to 3, expected 0 to 2"),
    (lambda: ag.cross_entropy(np.ones((2, 3)), [0, 3]), "cross_entropy: target holds values from 0 to 3, expected"),
    (lambda: ag.cross_entropy(np.ones((2, 3)), [0]), r"target has shape \(1,\), expected \(2,\) for input \(2, 3\)"),
    (lambda: ag.cross_entropy(np.ones((2, 3)), np.ones((2, 4))), "probabilities need the input's shape, class labels"),
    (lambda: ag.mse_loss(np.ones((2, 3)), np.ones(3)), r"mse_loss: input has shape \(2, 3\), target \(3,\)"),
    (lambda: ag.mse_loss([1.0], [1.0], reduction="avg"), "reduction is 'avg', expected 'mean', 'sum' or 'none'"),
    (lambda: ag.dropout([1.0], 2, rng=None), "dropout: p is 2, expected a probability from 0 to 1"),
])
def test_messages(call, message):
    with pytest.raises((ValueError, IndexError, TypeError), match=message):
        call()


# Losses


def test_mse():
    a, b = RNG.standard_normal((2, 3)), RNG.standard_normal((2, 3))
    assert ag.mse_loss(a, b).item() == pytest.approx(((a - b) ** 2).mean())
    assert ag.mse_loss(a, b, reduction="sum").item() == pytest.approx(((a - b) ** 2).sum())
    np.testing.assert_allclose(ag.mse_loss(a, b, reduction="none").numpy(), (a - b) ** 2)


def test_binary_cross_entropy_is_minus_the_log_likelihood():
    x, t, w, p = RNG.standard_normal((3, 4)), RNG.random((3, 4)), RNG.random(4) + 0.5, RNG.random(4) + 0.5
    log_p, log_q = np.log(scipy.special.expit(x)), np.log(scipy.special.expit(-x))
    expected = -w * (p * t * log_p + (1 - t) * log_q)
    y = ag.binary_cross_entropy_with_logits(x, t, weight=w, pos_weight=p, reduction="none")
    np.testing.assert_allclose(y.numpy(), expected)
    assert ag.binary_cross_entropy_with_logits(x, t, w, "mean", p).item() == pytest.approx(expected.mean())
    logits = parameter(x)
    g = grad(ag.binary_cross_entropy_with_logits(logits, t, reduction="sum"), logits)
    np.testing.assert_allclose(g.numpy(), scipy.special.expit(x) - t)


def nll(x, labels):
    return -np.take_along_axis(scipy.special.log_softmax(x, 1), labels[:, None], 1)[:, 0]


def test_cross_entropy_is_minus_the_log_probability_of_the_class():
    x, labels = RNG.standard_normal((5, 3)), np.array([2, 0, 1, 1, 2])
    np.testing.assert_allclose(ag.cross_entropy(x, labels, reduction="none").numpy(), nll(x, labels))
    p = parameter(x)
    g = grad(ag.cross_entropy(p, labels, reduction="sum"), p).numpy()
    np.testing.assert_allclose(g, scipy.special.softmax(x, 1) - np.eye(3)[labels])
    images = np.moveaxis(x.reshape(1, 5, 3), -1, 1)  # (N, K, L): classes on axis 1
    np.testing.assert_allclose(ag.cross_entropy(images, labels[None], reduction="none").numpy()[0], nll(x, labels))
    assert ag.cross_entropy(x[0], np.array(2)).item() == pytest.approx(nll(x[:1], labels[:1])[0])


def test_class_labels_are_one_hot_probabilities():
    x, labels, w = RNG.standard_normal((5, 3)), np.array([2, 0, 1, 1, 2]), np.array([0.5, 1.0, 2.0])
    for smoothing in (0.0, 0.2):
        a, b = (ag.cross_entropy(x, target, w, reduction="none", label_smoothing=smoothing).numpy()
                for target in (labels, np.eye(3)[labels]))
        np.testing.assert_allclose(a, b)


def test_weights_are_the_denominator_of_the_mean():
    x, labels, w = RNG.standard_normal((4, 3)), np.array([2, 0, 1, 1]), np.array([0.5, 1.0, 2.0])
    loss = ag.cross_entropy(x, labels, weight=w).item()
    assert loss == pytest.approx((w[labels] * nll(x, labels)).sum() / w[labels].sum())


@pytest.mark.parametrize("ignore_index", [-100, -1, 1])
def test_ignored_targets_count_for_nothing(ignore_index):
    x, labels = RNG.standard_normal((4, 3)), np.array([2, ignore_index, 0, ignore_index])
    p = parameter(x)
    loss = ag.cross_entropy(p, labels, ignore_index=ignore_index, label_smoothing=0.1)
    alone = ag.cross_entropy(x[[0, 2]], labels[[0, 2]], label_smoothing=0.1)
    assert loss.item() == pytest.approx(alone.item())
    np.testing.assert_array_equal(grad(loss, p).numpy()[[1, 3]], np.zeros((2, 3)))


@pytest.mark.parametrize("reduction, expected", [("mean", np.nan), ("sum", 0.0), ("none", [0.0, 0.0])])
def test_everything_ignored(reduction, expected):
    """The mean over nothing is undefined, but moves no weights: its gradient is 0."""
    p = parameter(RNG.standard_normal((2, 3)))
    loss = ag.cross_entropy(p, np.array([-100, -100]), reduction=reduction)
    np.testing.assert_array_equal(loss.numpy(), expected)
    np.testing.assert_array_equal(grad(loss, p, np.ones(loss.shape)).numpy(), np.zeros((2, 3)))


def test_empty_batches():
    x = parameter(np.ones((0, 3)))
    for loss, empty in ((ag.cross_entropy(x, np.zeros(0, int)), np.nan), (ag.mse_loss(x, x), np.nan),
                        (ag.cross_entropy(x, np.zeros(0, int), reduction="sum"), 0.0)):
        np.testing.assert_array_equal(loss.numpy(), empty)
        assert grad(loss, x).shape == (0, 3)


def test_integers_as_lists_and_tensors():
    x = RNG.standard_normal((2, 3))
    a, b, c = (ag.cross_entropy(x, labels).item() for labels in ([0, 2], ag.Tensor([0, 2]), np.array([0, 2], np.uint8)))
    assert a == b == c
