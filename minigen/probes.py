"""Probes: what representations are good for, measured by what a classifier makes of few labels.

    errors = few_label_errors({"pixels": (x, x_test), "codes": (z, z_test)}, y, y_test, labels=100, draws=10, rng=rng)
    mean_interval(errors["pixels"] - errors["codes"])          # paired: the same labels for both

A code that was learned from all images, without a label, has done a part of the work if images of one class lie
together in it: then a linear classifier needs few labels. Which images are labelled matters more than what is compared,
so the same draws are used for all, the differences are paired, and their interval is over draws. The strength of the
classifier's weight decay is chosen for each draw by cross-validation among its labels, and no others are looked at: a
validation set of thousands of labels would be the very thing that is missing.

    p(y | x) = softmax(W x + b)                                    logistic regression
    loss = mean of -log p(y | x) + decay/2 |W|^2                   convex: one minimum, found by L-BFGS

A code of few numbers does not part ten classes by planes, but images that are near each other in it are mostly of one
class. `nearness` says how near each is to some centres, which are found without labels; then planes do.

    f_k = max(0, mean_j d_j - d_k),  d_k = |z - c_k|               c_k the centres of k-means; about half of f are 0

The other way is to go on: `fine_tune` trains a whole network, which may begin with an encoder's weights, on the labels.

Source: Kingma et al. 2014 (M1), section 4.1, for codes with few labels; Coates, Lee & Ng 2011, section 3.2, for f
("triangle"); Erhan et al. 2010 for fine-tuning.
Symbols: N examples, D features, K classes. Read before this: models/autoencoders/vae.py, data/labels.py.
"""
import numpy as np
from scipy.optimize import minimize

from autograd import Tensor, cross_entropy, grad, no_grad, parameter
from autograd.backend import asarray, default_dtype, to_numpy

from .data import balanced
from .ema import evaluating
from .nn.chunks import in_chunks
from .optim import Adam, cosine_decay

DECAYS = (1e-3, 1e-2, 1e-1, 1.0)  # that are tried
FOLDS = 5
EXAMPLES = 1000  # that are classified at a time
ROUNDS = 15  # of k-means


def few_label_errors(features, y, y_test, labels=100, draws=10, *, rng) -> dict:
    """name -> the shares of wrong classes on the test examples, (draws,).

    features: name -> (those of the training examples, of the test examples), arrays (N, ...). y (N,), y_test: classes.
    labels: how many training examples a draw may see the label of, the same number of each class.
    """
    classes = int(max(y.max(), y_test.max())) + 1
    for name, (x, x_test) in features.items():
        if len(x) != len(y) or len(x_test) != len(y_test):
            raise ValueError(f"few_label_errors: {name} has {len(x)} training and {len(x_test)} test examples, and "
                             f"there are {len(y)} and {len(y_test)} labels")
    errors = {name: [] for name in features}
    for _ in range(draws):
        rows = balanced(y, labels, classes, rng)
        for name, (x, x_test) in features.items():
            classify = logistic_regression(x[rows], y[rows], classes)
            errors[name].append((classify(x_test) != y_test).mean())  # course 3.5
    return {name: np.array(values) for name, values in errors.items()}


def logistic_regression(x, y, classes, decay=None):
    """The function from examples (N, ...) to classes (N,) that was fitted to x (n, ...) with classes y (n,).

    Features are centred, and divided by one number. decay: left out, the one of DECAYS with which FOLDS parts of the
    examples are each classified best by the others.
    """
    x = np.float64(x).reshape(len(x), -1)
    mean = x.mean(axis=0)
    scale = np.sqrt(((x - mean) ** 2).mean()) or 1.0
    rows = lambda x: (np.float64(x).reshape(len(x), -1) - mean) / scale
    if decay is None:
        decay = min(DECAYS, key=lambda decay: _errors_among(rows(x), y, classes, decay))
    W, b = _fit(rows(x), y, classes, decay)
    return lambda x: (rows(x) @ W + b).argmax(axis=1)


def _errors_among(x, y, classes, decay):
    """How many examples are classified wrongly by what the other folds say; they are in no order."""
    wrong, fold = 0, np.arange(len(y)) % FOLDS
    for k in range(min(FOLDS, len(y))):
        W, b = _fit(x[fold != k], y[fold != k], classes, decay)
        wrong += ((x[fold == k] @ W + b).argmax(axis=1) != y[fold == k]).sum()
    return wrong


def _fit(x, y, classes, decay):
    """W (D, K) and b (K,) of the least loss. Each column of W is a sum of rows of x, as all else would only add to
    |W|^2: so it is looked for in their span, which has n dimensions where the features have many more."""
    V = np.linalg.svd(x, full_matrices=False)[2]  # (min(n, D), D), orthonormal rows
    x, D = x @ V.T, len(V)

    def loss_and_gradient(w):
        w = parameter(asarray(w.reshape(D + 1, classes)))
        loss = cross_entropy(Tensor(asarray(x)) @ w[:-1] + w[-1], asarray(y)) + 0.5 * decay * (w[:-1] ** 2).sum()
        return loss.item(), np.float64(to_numpy(grad(loss, w).data)).ravel()

    w = minimize(loss_and_gradient, np.zeros((D + 1) * classes), jac=True, method="L-BFGS-B").x.reshape(D + 1, classes)
    return V.T @ w[:-1], w[-1]


def nearness(z, others, centres=150, *, rng):
    """f (N, K) of features z (N, D), and (M, K) of others (M, D), to K centres among z."""
    z, others = (np.float32(x).reshape(len(x), -1) for x in (z, others))
    c = z[rng.permutation(len(z))[:centres]]
    for _ in range(ROUNDS):
        nearest = _distances(z, c).argmin(axis=1)
        c = np.stack([z[nearest == k].mean(axis=0) if (nearest == k).any() else c[k] for k in range(len(c))])
    return [np.maximum(0.0, d.mean(axis=1, keepdims=True) - d) for d in (_distances(z, c), _distances(others, c))]


def _distances(x, c):
    """|x_i - c_k|, (N, K)."""
    square = (x * x).sum(axis=1)[:, None] + (c * c).sum(axis=1) - 2.0 * (x @ c.T)
    return np.sqrt(np.maximum(square, 0.0))


def fine_tune(network, x, y, steps=200, lr=1e-3):
    """Trains a network, a Module from rows x (n, D) to logits (n, K), on all of few examples at once, by Adam with a
    learning rate that falls to 0. Returns the function from rows (N, D) to classes (N,)."""
    optimizer = Adam(network.parameters(), cosine_decay(lr))
    x, y = asarray(x, default_dtype), asarray(y)
    for step in range(steps):
        optimizer.step(grad(cross_entropy(network(x), y), optimizer.params), done=step / steps)  # course 3.5

    def classify(x):
        with evaluating(network), no_grad():
            return in_chunks(lambda x: network(asarray(x, default_dtype)).data.argmax(axis=1), x, EXAMPLES)

    return classify
