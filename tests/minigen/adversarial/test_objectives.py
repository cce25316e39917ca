"""The hinge: its optimal discriminator and the value there, over distributions on a few points, by trying all logits."""
import numpy as np
import pytest

from autograd import grad, parameter
from minigen.adversarial.objectives import hinge_discriminator, hinge_generator


def test_the_hinge_of_numbers():
    a, b = np.float32([2.0, 0.5, -3.0]), np.float32([[-2.0, 0.0], [0.5, -1.0]])
    assert hinge_discriminator(parameter(a), parameter(b)).item() == pytest.approx((0 + 0.5 + 4) / 3 + (1 + 1.5) / 4)
    assert hinge_generator(parameter(b)).item() == pytest.approx(2.5 / 4)


def test_the_best_discriminator_is_the_sign_and_its_loss_twice_the_overlap():
    """min over a of p max(0, 1 - a) + q max(0, 1 + a) is at a = sign(p - q), and sums to 2 sum min(p, q): 2 where p = q,
    0 where nothing overlaps."""
    n, logits = 12, np.linspace(-2, 2, 81)
    counts = np.random.default_rng(0).multinomial(n, [0.25] * 4, 2)  # of data, and of samples, on four points
    p, q = counts / n

    def loss(k, a):
        return (p[k] * hinge_discriminator(parameter([a]), parameter([-9.0]))
                + q[k] * hinge_discriminator(parameter([9.0]), parameter([a]))).item()

    best = [logits[int(np.argmin([loss(k, a) for a in logits]))] for k in range(4)]
    total = sum(min(loss(k, a) for a in logits) for k in range(4))
    assert total == pytest.approx(2 * np.minimum(p, q).sum(), abs=1e-6)
    assert [abs(a) <= 1 if x == y else a == pytest.approx(np.sign(x - y)) for a, x, y in zip(best, p, q)] == [True] * 4
    assert np.any(p != q) and np.minimum(p, q).sum() > 0


def test_beyond_the_margin_there_is_nothing_to_gain():
    a, b = parameter(np.float32([1.5, 0.5])), parameter(np.float32([-1.5, -0.5]))
    g_a, g_b = grad(hinge_discriminator(a, b), [a, b])
    np.testing.assert_allclose(g_a.numpy(), [0, -0.5])
    np.testing.assert_allclose(g_b.numpy(), [0, 0.5])
