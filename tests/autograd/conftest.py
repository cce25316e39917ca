"""Fixtures for comparing an op with PyTorch's: value, first and second derivative in random directions."""
import ctypes

import numpy as np
import pytest

import autograd as ag
from autograd.backend import asarray, device, xp


@pytest.fixture(scope="session")
def same_as_torch():
    """check(f, torch_f, arrays): both functions agree at float64 arrays, whose memory layout is kept.

    Compares the values; J^T u for a random u, from the plain sweep (u channels-last) and the recorded one;
    and the derivatives of <J^T u, v> with respect to the arrays and to u. Then the values in float32.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    torch.set_num_threads(1)

    def check(f, torch_f, arrays, tolerance=1e-9):
        rng = np.random.default_rng(sum(a.size for a in arrays))
        xs = [_leaf(a) for a in arrays]
        ts = [torch.tensor(np.array(a), requires_grad=True) for a in arrays]
        y, t = f(*xs), torch_f(*ts)
        _close(y, t, tolerance, "value")
        if y.size and t.requires_grad:
            u, vs = rng.standard_normal(y.shape), [rng.standard_normal(a.shape) for a in arrays]
            last = np.moveaxis(np.ascontiguousarray(np.moveaxis(u, 1, -1)), -1, 1) if u.ndim == 4 else u
            first = ag.grad(f(*xs), xs, last)
            cotangent, torch_cotangent = ag.parameter(u), torch.tensor(u, requires_grad=True)
            recorded = ag.grad(y, xs, cotangent, create_graph=True)
            expected = torch.autograd.grad(t, ts, torch_cotangent, create_graph=True)
            for i, (g, h, e) in enumerate(zip(first, recorded, expected)):
                _close(g, e, tolerance, f"gradient of input {i}")
                _close(h, e, tolerance, f"recorded gradient of input {i}")
            s = sum((h * v).sum() for h, v in zip(recorded, vs))
            torch_s = sum((e * torch.tensor(v)).sum() for e, v in zip(expected, vs))
            second = ag.grad(s, [*xs, cotangent], allow_unused=True)
            wanted = torch.autograd.grad(torch_s, [*ts, torch_cotangent], allow_unused=True)
            for i, (g, e) in enumerate(zip(second, wanted)):
                g = np.zeros_like(([*arrays, u])[i]) if g is None else g.numpy()
                _close(g, torch.zeros(g.shape) if e is None else e, tolerance, f"second derivative {i}")
        single = [np.array(a, dtype=np.float32) for a in arrays]
        y, t = f(*single), torch_f(*map(torch.tensor, single))
        assert y.dtype == np.float32
        _close(y, t, 1e-4, "float32 value")

    return check


def _leaf(array):
    """A parameter that keeps the array's strides."""
    x = ag.parameter(array)
    x.data = _on_device(array)
    return x


def _on_device(array):
    """The array on the device in use, with its strides: the memory it spans is copied, and seen in the same way."""
    if device() == "cpu" or array.size == 0:
        return asarray(array)
    low, high = np.lib.array_utils.byte_bounds(array)
    memory = asarray(np.frombuffer((ctypes.c_char * (high - low)).from_address(low), np.uint8))
    return xp.ndarray(array.shape, array.dtype, memory.data + (array.ctypes.data - low), strides=array.strides)


def _close(ours, theirs, tolerance, what):
    ours = ours.numpy() if isinstance(ours, ag.Tensor) else ours
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, PyTorch's is {theirs.shape}"
    scale = max(1.0, np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale, err_msg=what)


@pytest.fixture(scope="session")
def leaf():
    """leaf(array): a parameter that keeps the array's memory layout."""
    return _leaf


@pytest.fixture(scope="session")
def in_layout():
    """in_layout(x, kind): the same numbers as x (N, C, ...), a NumPy array, in another memory layout."""

    def layout(x, kind):
        if kind == "channels-last":
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        if kind == "sliced":
            room = np.full([2 * n + 1 for n in x.shape], np.nan)
            inside = tuple(slice(1, None, 2) for _ in x.shape)
            room[inside] = x
            return room[inside]
        if kind == "reversed":
            return np.flip(np.flip(x).copy())
        if kind == "repeated":
            return np.broadcast_to(x[:1], x.shape)
        return np.ascontiguousarray(x)

    return layout
