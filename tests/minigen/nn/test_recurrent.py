"""GRU against PyTorch's, and against the equations in NumPy."""
import numpy as np
import pytest

from autograd import grad, parameter
from minigen.nn import GRU

try:
    import torch
except ImportError:
    torch = None


def rng(seed=0):
    return np.random.default_rng(seed)


def by_hand(layer, x, h):
    """One example at a time, one step at a time."""
    W, U, b, c = (p.numpy().astype(np.float64) for p in (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0,
                                                        layer.bias_hh_l0))
    H, sigmoid = len(h[0]), lambda a: 1 / (1 + np.exp(-a))
    states = np.zeros((*x.shape[:2], H))
    for i, state in enumerate(h.astype(np.float64)):
        for t in range(x.shape[1]):
            a, u = W @ x[i, t] + b, U @ state + c
            r, z = sigmoid(a[:H] + u[:H]), sigmoid(a[H:2 * H] + u[H:2 * H])
            state = (1 - z) * np.tanh(a[2 * H:] + r * u[2 * H:]) + z * state
            states[i, t] = state
    return states


def test_states_are_those_of_the_equations():
    layer, x, h = GRU(3, 4, rng=rng()), np.float32(rng(1).standard_normal((2, 5, 3))), np.float32(rng(2).random((2, 4)))
    states, last = layer(x, h)
    np.testing.assert_allclose(states.numpy(), by_hand(layer, x, h), atol=1e-6)
    np.testing.assert_array_equal(last.numpy(), states.numpy()[:, -1])
    np.testing.assert_allclose(layer(x)[0].numpy(), by_hand(layer, x, 0 * h), atol=1e-6)
    np.testing.assert_allclose(layer.step(x[:, 0], h).numpy(), states.numpy()[:, 0], atol=1e-6)


@pytest.mark.skipif(torch is None, reason="needs PyTorch")
def test_states_and_gradients_are_those_of_pytorch():
    layer, theirs = GRU(3, 4, rng=rng()), torch.nn.GRU(3, 4, batch_first=True)
    assert {name: p.shape for name, p in layer.named_parameters()} == {
        name: tuple(p.shape) for name, p in theirs.named_parameters()}
    layer.load_state_dict(theirs.state_dict())
    x, h = parameter(np.float32(rng(1).standard_normal((2, 5, 3)))), parameter(np.float32(rng(2).random((2, 4))))
    u = np.float32(rng(3).standard_normal((2, 5, 4)))
    states, _ = layer(x, h)
    ours = grad((states * u).sum(), [x, h, *layer.parameters()])
    tx, th = torch.tensor(x.numpy(), requires_grad=True), torch.tensor(h.numpy()[None], requires_grad=True)
    expected, _ = theirs(tx, th)
    (expected * torch.tensor(u)).sum().backward()
    np.testing.assert_allclose(states.numpy(), expected.detach().numpy(), atol=1e-6)
    for g, p in zip(ours, [tx, th, *theirs.parameters()]):
        np.testing.assert_allclose(g.numpy(), p.grad.numpy().reshape(g.shape), atol=1e-5)


def test_refuses():
    with pytest.raises(ValueError, match=r"x has shape \(2, 3\), expected \(N, T, 3\)"):
        GRU(3, 4, rng=rng())(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="from 3 to 0 numbers"):
        GRU(3, 0, rng=rng())
