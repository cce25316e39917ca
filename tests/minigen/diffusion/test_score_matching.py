"""Score matching by quadrature: with weights of a grid for expectations, the objectives differ by constants, exactly."""
import itertools

import numpy as np
import pytest

from autograd import Tensor, backend, grad, parameter, silu
from autograd.backend import asarray, to_numpy
from minigen.diffusion import Level, Mixture
from minigen.diffusion.score_matching import denoising, exact_trace, explicit, implicit, projected_trace, signs, sliced
from minigen.nn import MLP

PLANE = Mixture([0.8, 0.2], [[1.0, 0.5], [-1.0, -0.5]], 0.6)
LINE = Mixture([0.8, 0.2], [[1.0], [-1.0]], 0.5)


def fields(D, count=3):
    """Small networks with random weights, in float64, scaled up so that they are no near-constant."""
    networks = []
    for seed in range(count):
        network = MLP((D, 8, D), silu, rng=backend.rng(seed))
        for p in network.parameters():
            p.data = asarray(2.0 * p.data, np.float64)
        networks.append(network)
    return networks


def grid(mixture, edge=5.0, cells=61):
    """Points and weights of the expectation under a mixture: the trapezoid rule, which is exact for what is smooth."""
    D = mixture.means.shape[1]
    at = np.linspace(-edge, edge, cells)
    x = np.stack(np.meshgrid(*[at] * D, indexing="ij"), axis=-1).reshape(-1, D)
    p = np.exp(mixture.log_p(x).numpy()) * (at[1] - at[0]) ** D
    return x, p


def gaps(objective, against, x, p, D=2):
    """E[objective] - E[against] for each of the fields: one number, if they differ by a constant."""
    mean = lambda loss: float((asarray(p) * loss.data).sum())
    return [mean(objective(f)) - mean(against(f)) for f in fields(D)]


def test_the_mixtures_score_is_the_gradient_of_its_density():
    x, level = backend.rng(0).standard_normal((20, 2)), Level(0.7, 0.4, 0)
    steps = 1e-5 * np.eye(2)
    slope = np.stack([(PLANE.log_p(x + h, level) - PLANE.log_p(x - h, level)).numpy() / 2e-5 for h in steps], axis=1)
    np.testing.assert_allclose(PLANE.score(x, level), slope, rtol=1e-6, atol=1e-8)
    tweedie = (x + level.s**2 * PLANE.score(x, level)) / level.a
    np.testing.assert_allclose(PLANE.denoise(x, level), tweedie, rtol=1e-9, atol=1e-12)
    assert grid(PLANE)[1].sum() == pytest.approx(1.0, abs=1e-8)


def test_implicit_is_explicit_but_for_a_constant():
    """Theorem 1 of Hyvarinen: the constant is -1/2 E |grad log p|^2."""
    x, p = grid(PLANE)
    truth = PLANE.score(x)
    constant = -0.5 * (p * (truth**2).sum(axis=1)).sum()
    np.testing.assert_allclose(gaps(lambda f: implicit(f, x), lambda f: explicit(f, x, truth), x, p), constant, rtol=1e-6)


def test_their_gradients_are_the_same():
    """Third derivatives of a network: the trace's own gradient."""
    x, p = grid(PLANE)
    (f, *_), truth, weights = fields(2), PLANE.score(x), Tensor(asarray(p))
    one, other = (grad((weights * loss).sum(), f.parameters()) for loss in (implicit(f, x), explicit(f, x, truth)))
    for a, b in zip(one, other):
        np.testing.assert_allclose(to_numpy(a.data), to_numpy(b.data), rtol=1e-5, atol=1e-7)


def test_sliced_is_implicit_on_average():
    """Over all four pairs of signs the mean is that of E[v v^T] = I, exactly."""
    x = backend.rng(1).standard_normal((7, 2))
    for f in fields(2):
        losses = [sliced(f, x, np.broadcast_to(np.array(v, float), x.shape)).numpy()
                  for v in itertools.product((-1, 1), repeat=2)]
        np.testing.assert_allclose(np.mean(losses, axis=0), implicit(f, x).numpy(), rtol=1e-10)


def noisy_grid(sigma):
    """Pairs (x, eps) on a line, and their weights."""
    (x, p), (eps, q) = grid(LINE, cells=121), grid(Mixture([1.0], [[0.0]], 1.0), 6.0, 121)
    i, j = (index.ravel() for index in np.indices((len(x), len(eps))))
    return x[i], eps[j], p[i] * q[j]


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_denoising_is_explicit_on_the_blurred_density_but_for_a_constant(sigma):
    """Vincent 2011: the constant is what is left at the best field, 1/2 E |eps / sigma|^2 - 1/2 E |grad log p_sigma|^2."""
    level, (x, eps, p) = Level(1.0, sigma, 0), noisy_grid(sigma)
    truth = LINE.score(x + sigma * eps, level)
    constant = 0.5 / sigma**2 - 0.5 * (p * truth[:, 0] ** 2).sum()
    found = gaps(lambda f: denoising(f, x, eps, sigma), lambda f: explicit(f, x + sigma * eps, truth), x, p, D=1)
    np.testing.assert_allclose(found, constant, rtol=1e-6)


@pytest.mark.parametrize("broken", ["no trace", "half a trace", "no square", "other sign", "not blurred"])
def test_a_wrong_objective_is_noticed(broken):
    """It differs from the explicit one by another number for each field."""
    x, p = grid(PLANE)
    truth, objective = PLANE.score(x), {
        "no trace": lambda f: implicit(f, x) - trace(f, x),
        "half a trace": lambda f: implicit(f, x) - 0.5 * trace(f, x),
        "no square": lambda f: trace(f, x),
        "other sign": lambda f: implicit(f, x) - 2.0 * trace(f, x)}.get(broken)
    if broken == "not blurred":  # denoising, taken for the score of p itself
        x, eps, p = noisy_grid(0.5)
        truth = LINE.score(x + 0.5 * eps)
        objective = lambda f: denoising(f, x, eps, 0.5)
        found = gaps(objective, lambda f: explicit(f, x + 0.5 * eps, truth), x, p, D=1)
    else:
        found = gaps(objective, lambda f: explicit(f, x, truth), x, p)
    assert np.ptp(found) > 1e-2


def trace(f, x):
    leaf = parameter(asarray(x))
    return exact_trace(f(leaf), leaf)


def test_traces_of_images():
    """y = A x on images of four numbers: tr A for every image, exactly and on average over signs."""
    rng = backend.rng(2)
    A, x = rng.standard_normal((4, 4)), parameter(asarray(rng.standard_normal((3, 1, 2, 2))))
    y = (x.reshape(3, 4) @ Tensor(asarray(A))).reshape(3, 1, 2, 2)
    np.testing.assert_allclose(exact_trace(y, x).numpy(), np.trace(A), rtol=1e-12)
    means = [projected_trace(y, x, np.broadcast_to(np.reshape(v, (1, 2, 2)), x.shape)).numpy()
             for v in itertools.product((-1.0, 1.0), repeat=4)]
    np.testing.assert_allclose(np.mean(means, axis=0), np.trace(A), rtol=1e-12)
    v = to_numpy(signs(rng, (20_000, 2), np.float32))
    assert set(np.unique(v)) == {-1, 1} and np.abs(v.T @ v / len(v) - np.eye(2)).max() < 0.04


def test_mistakes_are_named():
    for objective in (lambda f, x: implicit(f, x), lambda f, x: sliced(f, x, x), lambda f, x: denoising(f, x, x, 0.1)):
        with pytest.raises(ValueError, match=r"score has shape \(4, 1\), expected that of x, \(4, 2\)"):
            objective(lambda x: x[:, :1], np.ones((4, 2)))
    with pytest.raises(ValueError, match="expected a weight for each mean, of sum 1"):
        Mixture([0.5, 0.4], np.zeros((2, 2)), 1.0)
