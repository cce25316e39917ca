"""A graph that is cut at the images gives the gradients of the whole, and the weight of eq. 7."""
import numpy as np
import pytest

from autograd import grad, parameter, tanh
from autograd.backend import asarray
from minigen.adversarial.balance import adaptive_weight, cut, with_gradient
from minigen.nn import Conv2d


def parts(seed=0):
    """(x_hat of a last layer, the layer, what lies below it, two terms of x_hat)."""
    rng = np.random.default_rng(seed)
    below = parameter(asarray(rng.standard_normal((2, 3, 5, 5), dtype=np.float32)))
    last = Conv2d(3, 2, 3, padding=1, rng=rng)
    target, direction = rng.standard_normal((2, 2, 2, 5, 5), dtype=np.float32)
    return last(tanh(below)), last, below, lambda y: abs(y - target).mean(), lambda y: (direction * y * y).sum()


def test_cut_and_joined_it_is_as_if_whole():
    x_hat, last, below, rec, gan = parts()
    (a, g_a), (b, g_b) = cut(rec, x_hat), cut(gan, x_hat)
    assert a.node is None and a.item() == pytest.approx(rec(x_hat).item())
    joined = with_gradient(a + 0.3 * b, x_hat, g_a + 0.3 * g_b) * 2.0 + (below * below).sum()
    whole = 2.0 * (rec(x_hat) + 0.3 * gan(x_hat)) + (below * below).sum()
    assert joined.item() == pytest.approx(whole.item(), rel=1e-5)
    found = [g.numpy() for g in grad(joined, [last.weight, last.bias, below])]
    x_hat, last, below, rec, gan = parts()
    whole = 2.0 * (rec(x_hat) + 0.3 * gan(x_hat)) + (below * below).sum()
    for mine, theirs in zip(found, grad(whole, [last.weight, last.bias, below])):
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-4, atol=1e-5)


def test_the_weight_is_equation_7_and_leaves_the_graph():
    x_hat, last, below, rec, gan = parts()
    norms = []
    for f in (rec, gan):
        y, layer, *_ = parts()
        norms.append(np.linalg.norm(grad(f(y), layer.weight).numpy()))
    expected = norms[0] / (norms[1] + 1e-6)
    g_rec, g_gan = (cut(f, x_hat)[1] for f in (rec, gan))
    assert adaptive_weight(x_hat, last.weight, g_rec, g_gan) == pytest.approx(expected, rel=1e-4)
    assert adaptive_weight(x_hat, last.weight, g_rec, g_gan, most=expected / 2) == pytest.approx(expected / 2)
    assert adaptive_weight(x_hat, last.weight, g_rec, 0 * g_gan) == pytest.approx(norms[0] / 1e-6, rel=1e-4)
    assert np.any(grad(x_hat, below, grad_outputs=g_rec).numpy() != 0)  # it can still be swept
