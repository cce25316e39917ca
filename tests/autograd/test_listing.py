"""Listing names each op, its caller, its numbers and its gradient, and nothing is listed, or slower, elsewhere."""
import numpy as np

import autograd as ag
from autograd import grad, no_grad, parameter
from autograd.listing import listing
from autograd.mode import mode


class Layer:
    def __init__(self):
        self.w = parameter(np.array([[1.0, 2.0], [3.0, 4.0]]))

    def forward(self, x):
        return ag.relu(x @ self.w)


def test_ops_in_order_with_numbers_and_gradients():
    layer, x = Layer(), np.array([[1.0, -1.0]])
    with listing() as seen:
        y = layer.forward(ag.Tensor(x)).sum() * 3.0
        seen.sweep_begins()
        g = grad(y, layer.w)
    assert [op.name for op in seen.ops] == ["matmul", "relu", "sum", "mul"]
    matmul, relu, total, scaled = seen.ops
    assert matmul.shape == (1, 2) and (matmul.mean, matmul.deviation) == (-2.0, 0.0)  # 1 - 3 and 2 - 4
    assert relu.mean == 0.0 and scaled.gradient == 1.0 and total.gradient == 3.0
    np.testing.assert_allclose(relu.gradient, 3 * np.sqrt(2))  # of ones, twice
    assert matmul.gradient == 0.0 and not g.numpy().any()
    assert all(op.recorded and not op.in_sweep and op.seconds > 0 for op in seen.ops)
    assert all(op.back_seconds > 0 for op in seen.ops)
    assert matmul.file.endswith("test_listing.py") and matmul.owners[0] is layer
    assert matmul.owner({id(layer): "layer"}) == "layer" and scaled.owner({id(layer): "layer"}, "?") == "?"


def test_bytes_views_and_what_is_kept():
    w = parameter(np.ones((4, 5)))
    with listing() as seen:
        seen.ignore([w.data])
        h = ag.exp(w)
        (h.reshape(20) * np.ones(20)).sum()
    exp, view, product, total = seen.ops
    assert exp.size == 160 and view.size == 0 and product.size == 160 and total.size == 8
    assert product.kept == 160 and view.kept == total.kept == 0  # the factor; w is there anyway


def test_a_gradient_within_the_loss_is_listed_and_that_of_the_loss_is_not():
    x = parameter(np.array([0.5, 2.0]))
    with listing() as seen:
        slope = grad((x * x * x).sum(), x, create_graph=True)
        inner = [op for op in seen.ops if op.in_sweep]
        loss = (slope * slope).sum()
        before = len(seen.ops)
        seen.sweep_begins()
        grad(loss, x)
    assert inner and all(op.name in ("mul", "add", "broadcast_to", "reshape") or op.name.startswith("_") for op in inner)
    assert len(seen.ops) == before
    assert any(op.in_sweep and op.gradient for op in seen.ops)  # it is differentiated as any other


def test_constants_are_listed_without_a_gradient():
    x = parameter(np.ones(3))
    with listing() as seen, no_grad():
        ag.exp(x)
    assert not seen.ops[0].recorded and seen.ops[0].gradient is None


def test_moments_are_of_finite_numbers():
    with listing() as seen, np.errstate(all="ignore"):
        ag.log(ag.Tensor(np.array([0.0, 1.0, 1.0])))
    assert (seen.ops[0].mean, seen.ops[0].deviation) == (0.0, 0.0)


def test_look_sees_every_result():
    shapes = []
    with listing(lambda op, y: shapes.append((op.name, y.shape))):
        ag.exp(ag.Tensor(np.ones((2, 3)))).sum()
    assert shapes == [("exp", (2, 3)), ("sum", ())]


def test_nothing_is_listed_afterwards():
    with listing() as seen:
        ag.exp(parameter(1.0))
    ag.exp(parameter(1.0))
    assert len(seen.ops) == 1 and mode.get() is None  # which is all that `record` asks: no cost without a listing
