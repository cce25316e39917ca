"""Dropout, embeddings, directions and the standard losses, with torch.nn.functional's names, arguments and defaults.

Symbols: N batch, K classes. Losses are in nats. Read before this: ops.py, reduce.py.
"""
import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from .activations import softplus
from .backend import uniform, xp
from .ops import abs, exp, log, where
from .reduce import log_softmax, mean, sum, vector_norm
from .shape import getitem, moveaxis
from .sweep import broadcast_to
from .tensor import Tensor, as_tensor, operands


def dropout(input, p=0.5, training=True, *, rng):
    """Zeroes each element with probability p and scales the others by 1 / (1 - p), so that the mean is kept."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is {p}, expected a probability from 0 to 1")
    input, p = as_tensor(input), float(p)
    if not training or p == 0.0:
        return input
    dropout_mask = (uniform(rng, input.shape, input.dtype) >= p).astype(input.dtype)
    return input * (dropout_mask * (1.0 / (1.0 - p) if p < 1.0 else 0.0))


def embedding(input, weight, padding_idx=None):
    """Rows of weight (K, D) at the integers of input (...): (..., D). The row padding_idx gets no gradient."""
    input, weight = _integers(input, "embedding", "input"), as_tensor(weight)
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight has shape {weight.shape}, expected (K, D)")
    K = weight.shape[0]
    _check_range(input, K, "embedding", "input")
    rows = getitem(weight, input)
    if padding_idx is None:
        return rows
    if not -K <= padding_idx < K:
        raise IndexError(f"embedding: padding_idx is {padding_idx}, weight {weight.shape} has rows 0 to {K - 1}")
    return where((input == padding_idx % K)[..., None], rows.detach(), rows)


def one_hot(input, num_classes):
    """Indicators of the integers of input (...): float32 constants of shape (..., num_classes)."""
    input = _integers(input, "one_hot", "input")
    _check_range(input, num_classes, "one_hot", "input")
    return Tensor((input[..., None] == xp.arange(num_classes)).astype(np.float32))


def normalize(input, p=2.0, dim=1, eps=1e-12):
    """input / max(its norm along dim, eps): what is not shorter than eps gets norm 1.

    Zeros stay zeros, with a gradient of 0. (PyTorch's is there g / eps, 10^12 times too large to be of use.)
    """
    x = as_tensor(input)
    norm = vector_norm(x, normalize_axis_tuple(dim, x.ndim, "normalize: dim"), keepdims=True, ord=p)
    return where(norm.data == 0, 0.0, x / where(norm.data < eps, eps, norm))


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The cosine of the angle between x1 and x2 along dim; norms below eps count as eps, and zeros as in normalize."""
    x1, x2 = as_tensor(x1), as_tensor(x2)
    try:
        shape = np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError as error:
        raise ValueError(f"cosine_similarity: x1 {x1.shape} and x2 {x2.shape} do not broadcast") from error
    dim = normalize_axis_index(dim, len(shape), "cosine_similarity") - len(shape)
    x1, x2 = (broadcast_to(x, shape) for x in (x1, x2))
    return sum(normalize(x1, dim=dim, eps=eps) * normalize(x2, dim=dim, eps=eps), dim)


def l1_loss(input, target, reduction="mean"):
    """|input - target|."""
    input, target = _same_shape(input, target, "l1_loss")
    return _reduce(abs(input - target), reduction, "l1_loss")


def huber_loss(input, target, reduction="mean", delta=1.0):
    """(input - target)^2 / 2 where it is at most delta^2 / 2, else delta (|input - target| - delta / 2)."""
    input, target = _same_shape(input, target, "huber_loss")
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is {delta}, expected a positive number")
    difference, delta = input - target, float(delta)
    size = abs(difference)
    loss = where(size.data <= delta, 0.5 * difference * difference, delta * (size - 0.5 * delta))
    return _reduce(loss, reduction, "huber_loss")


def kl_div(input, target, reduction="mean", log_target=False):
    """target (log target - input), whose sum is KL(target || e^input): input holds log-probabilities, target
    probabilities, or their logarithms with log_target.

    reduction: also "batchmean", the sum over the first size, which is the mean divergence. "mean", the default and
    PyTorch's, is over all elements.
    """
    input, target = _same_shape(input, target, "kl_div")
    if log_target:
        loss = exp(target) * (target - input)
    else:
        positive = target.data > 0  # 0 log 0 = 0
        loss = where(positive, target * (log(where(positive, target, 1.0)) - input), 0.0 * target)
    if reduction == "batchmean":
        return sum(loss) / (input.shape[0] if input.ndim else 1)
    return _reduce(loss, reduction, "kl_div")


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
    a, b = (x.data for x in operands(input, target))
    if xp.shape(a) != xp.shape(b):
        raise ValueError(f"{name}: input has shape {xp.shape(a)}, target {xp.shape(b)}; they must be equal")
    dtype = np.result_type(*(x.dtype if isinstance(x, xp.ndarray) else x for x in (a, b)))
    return [x if isinstance(x, Tensor) else Tensor(xp.asarray(x, dtype)) for x in (input, target)]


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
