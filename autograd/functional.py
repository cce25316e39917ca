"""Dropout, embeddings and the standard losses, with torch.nn.functional's names, arguments and defaults.

Symbols: N batch, K classes. Losses are in nats. Read before this: ops.py, reduce.py.
"""
import numpy as np

from .backend import uniform, xp
from .ops import softplus
from .reduce import log_softmax, mean, sum
from .shape import getitem, moveaxis
from .tensor import Tensor, as_tensor, operands


def dropout(input, p=0.5, training=True, *, rng):
    """Zeroes each element with probability p and scales the others by 1 / (1 - p), so that the mean is kept."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is {p}, expected a probability from 0 to 1")
    input, p = as_tensor(input), float(p)
    if not training or p == 0.0:
        return input
    kept = (uniform(rng, input.shape, input.dtype) >= p).astype(input.dtype)
    return input * (kept * (1.0 / (1.0 - p) if p < 1.0 else 0.0))


def embedding(input, weight):
    """Rows of weight (K, D) at the integers of input (...): (..., D)."""
    input, weight = _integers(input, "embedding", "input"), as_tensor(weight)
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight has shape {weight.shape}, expected (K, D)")
    _check_range(input, weight.shape[0], "embedding", "input")
    return getitem(weight, input)


def one_hot(input, num_classes):
    """Indicators of the integers of input (...): float32 constants of shape (..., num_classes)."""
    input = _integers(input, "one_hot", "input")
    _check_range(input, num_classes, "one_hot", "input")
    return Tensor((input[..., None] == xp.arange(num_classes)).astype(np.float32))


def mse_loss(input, target, reduction="mean"):
    """(input - target)^2."""
    input, target = _same_shape(input, target, "mse_loss")
    difference = input - target
    return _reduce(difference * difference, reduction, "mse_loss")


def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    """-log Bernoulli(target | p = sigmoid(input)), for any logits without overflow.

    -[t log p + (1 - t) log(1 - p)] = (1 - t) x + softplus(-x), with pos_weight w times the first term:
    (1 - t) x + (1 - t + w t) softplus(-x).
    """
    x, t = _same_shape(input, target, "binary_cross_entropy_with_logits")
    for argument, w in (("weight", weight), ("pos_weight", pos_weight)):
        if w is not None:
            _check_broadcasts(w, x, "binary_cross_entropy_with_logits", argument)
    positive = softplus(-x) if pos_weight is None else (1.0 - t + t * pos_weight) * softplus(-x)
    loss = (1.0 - t) * x + positive
    return _reduce(loss if weight is None else loss * weight, reduction, "binary_cross_entropy_with_logits")


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """-log softmax(input)[target], classes on axis 1: input (N, K, ...) or (K,), target (N, ...) or ().

    target: integers in 0..K-1 or ignore_index, or probabilities of input's shape. weight (K,) scales each class; the
    mean is then over the weights. label_smoothing mixes the target with the uniform distribution.
    """
    input = as_tensor(input)
    target = target if isinstance(target, Tensor) else Tensor(target)
    if input.ndim == 0:
        raise ValueError("cross_entropy: input is a scalar, expected logits (N, K, ...) or (K,)")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing is {label_smoothing}, expected 0 to 1")
    axis = 1 if input.ndim > 1 else 0
    K = input.shape[axis]
    if weight is not None and xp.shape(as_tensor(weight).data) != (K,):
        raise ValueError(f"cross_entropy: weight has shape {as_tensor(weight).shape}, expected one per class, ({K},)")
    log_p = moveaxis(log_softmax(input, axis), axis, -1)  # (N, ..., K)
    class_weight = 1.0 if weight is None else as_tensor(weight)

    if target.dtype.kind == "f":  # probabilities
        if target.shape != input.shape:
            raise ValueError(f"cross_entropy: target has shape {target.shape}, input {input.shape}; probabilities "
                             "need the input's shape, class labels an integer dtype")
        q = moveaxis(target, axis, -1) * (1.0 - label_smoothing) + label_smoothing / K
        loss = -sum(q * log_p * class_weight, axis=-1)
        return _reduce(loss, reduction, "cross_entropy", count=input.size / K)

    expected = input.shape[:axis] + input.shape[axis + 1 :]
    if target.shape != expected:
        raise ValueError(f"cross_entropy: target has shape {target.shape}, expected {expected} for input {input.shape}")
    labels = target.data
    counted = labels != ignore_index
    _check_range(labels[counted], K, "cross_entropy", "target")
    labels = xp.where(counted, labels, 0)
    places = tuple(xp.arange(n).reshape((-1,) + (1,) * (labels.ndim - i - 1)) for i, n in enumerate(labels.shape))
    weights = counted.astype(input.dtype) * (1.0 if weight is None else as_tensor(weight).data[labels])
    loss = -getitem(log_p, (*places, labels)) * weights
    if label_smoothing:
        uniform_loss = -sum(log_p * class_weight, axis=-1) * counted.astype(input.dtype)
        loss = (1.0 - label_smoothing) * loss + (label_smoothing / K) * uniform_loss
    return _reduce(loss, reduction, "cross_entropy", count=weights.sum())


def _reduce(loss, reduction, name, count=None):
    if reduction == "none":
        return loss
    if reduction == "sum":
        return sum(loss)
    if reduction == "mean":
        if count is None:
            return mean(loss)
        return sum(loss) * (1.0 / float(count)) if count else sum(loss) + float("nan")  # all ignored: gradient 0
    raise ValueError(f"{name}: reduction is {reduction!r}, expected 'mean', 'sum' or 'none'")


def _same_shape(input, target, name):
    input, target = operands(input, target)
    if xp.shape(input.data) != xp.shape(target.data):
        shapes = xp.shape(input.data), xp.shape(target.data)
        raise ValueError(f"{name}: input has shape {shapes[0]}, target {shapes[1]}; they must be equal")
    return input, target


def _check_broadcasts(x, to, name, argument):
    shape = as_tensor(x).shape
    try:
        np.broadcast_shapes(shape, to.shape)
    except ValueError as error:
        raise ValueError(f"{name}: {argument} has shape {shape}, which does not broadcast to {to.shape}") from error


def _integers(x, name, argument):
    x = x.data if isinstance(x, Tensor) else xp.asarray(x)
    if x.dtype.kind not in "iu":
        raise TypeError(f"{name}: {argument} has dtype {x.dtype}, expected integers")
    return x


def _check_range(labels, count, name, argument):
    if labels.size and not (0 <= int(labels.min()) and int(labels.max()) < count):
        raise IndexError(f"{name}: {argument} holds values from {labels.min()} to {labels.max()}, "
                         f"expected 0 to {count - 1}")
