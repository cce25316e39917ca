"""Score matching: four ways to fit a vector field s(x) to grad log p(x), of a density that only examples are known of.

    explicit    1/2 |s(x) - grad log p(x)|^2                                what is meant; p must be known
    implicit    tr(ds/dx) + 1/2 |s(x)|^2                                    Hyvarinen 2005, theorem 1
    sliced      v.(ds/dx) v + 1/2 |s(x)|^2,  E[v v^T] = I                   Song et al. 2019, of less variance
    denoising   1/2 |s(x~) + eps / sigma|^2,  x~ = x + sigma eps            Vincent 2011

Their means over x ~ p have the same minimum: they differ by numbers that do not depend on s. From the first to the
second by parts, as p vanishes far away:

    -E[s . grad log p] = -int s . grad p dx = int p tr(ds/dx) dx = E[tr(ds/dx)]

In D dimensions the trace takes D sweeps, and each of its gradients another. A random direction v takes one, and is
right on average. Denoising takes none: given x, the score of x~ is -eps / sigma, and the mean of that over all x that
x~ may come from is the score of the blurred density p_sigma. So it fits grad log p_sigma, not grad log p: with a small
sigma they are close, but -eps / sigma is then nearly all noise. That its loss stays at D / (2 sigma^2), whatever is
learnt, says nothing; the field does.

Each function returns a loss for each example, Tensor (N,). score: x Tensor (N, ...) -> Tensor of its shape; x, eps, v
arrays. Symbols: N examples, D numbers in each. Read before this: autograd/sweep.py (create_graph). Read next:
models/diffusion/ncsn.py.
"""
from autograd import Tensor, grad, parameter
from autograd.backend import asarray


def explicit(score, x, truth):
    """truth: grad log p at x, an array of its shape."""
    return 0.5 * _square(score(Tensor(asarray(x))) - truth)


def implicit(score, x):
    leaf = parameter(asarray(x))
    s = _checked(score(leaf), leaf)
    return exact_trace(s, leaf) + 0.5 * _square(s)


def sliced(score, x, v):
    """v: of x's shape, each row drawn from what has covariance I, e.g. signs."""
    leaf = parameter(asarray(x))
    s = _checked(score(leaf), leaf)
    return projected_trace(s, leaf, v) + 0.5 * _square(s)


def denoising(score, x, eps, sigma):
    """eps: of x's shape, from N(0, I)."""
    x, eps = asarray(x), asarray(eps)
    noisy = Tensor(x + sigma * eps)
    return 0.5 * _square(_checked(score(noisy), noisy) + eps / sigma)  # course 9.5


# The trace of a Jacobian


def exact_trace(y, x):
    """sum_i dy_i / dx_i for each example, Tensor (N,), in D sweeps. y: computed from x, of its shape, each example on
    its own."""
    rows, total = y.reshape(len(y), -1), 0.0
    for i in range(rows.shape[1]):
        total = total + grad(rows[:, i].sum(), x, create_graph=True).reshape(len(y), -1)[:, i]
    return total


def projected_trace(y, x, v):
    """v.(dy/dx) v for each example, Tensor (N,): the trace on average, by one sweep (Hutchinson 1990)."""
    return (grad((y * v).sum(), x, create_graph=True) * v).reshape(len(y), -1).sum(axis=1)


def signs(rng, shape, dtype):
    """Independent signs: E[v v^T] = I, and of all such v those whose projected traces vary least."""
    return asarray(2 * rng.integers(2, size=shape) - 1, dtype)


def _square(y):
    return (y * y).reshape(len(y), -1).sum(axis=1)


def _checked(s, x):
    if s.shape != x.shape:
        raise ValueError(f"score matching: score has shape {s.shape}, expected that of x, {x.shape}: a slope for each "
                         "number of x")
    return s
