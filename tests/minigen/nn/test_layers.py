"""Layers against their formulas in NumPy, against torch where it is installed, and by gradcheck."""
import math

import numpy as np
import pytest

from autograd import grad, gradcheck, parameter, relu, sigmoid, tanh
from autograd.backend import to_numpy
from minigen import nn
from minigen.nn import MLP, Apply, Dropout, Embedding, LayerNorm, Linear, ModuleList, Sequential, init


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def set_parameters(module, **values):
    """The module with other Tensors for parameters, so that gradcheck reaches them."""
    for name, value in values.items():
        setattr(module, name, value)
    return module


# Linear


@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 3, 5), (0, 5)])
def test_linear_value(rng, shape):
    layer, x = Linear(5, 7, rng=rng), normal(rng, *shape)
    expected = np.einsum("...i,oi->...o", x, layer.weight.numpy()) + layer.bias.numpy()
    y = layer(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-6)
    layer = Linear(5, 7, bias=False, rng=rng)
    assert layer.bias is None and [name for name, _ in layer.named_parameters()] == ["weight"]
    np.testing.assert_allclose(layer(x).numpy(), x @ layer.weight.numpy().T, atol=1e-6)


def test_linear_gradient(rng):
    layer = Linear(5, 7, rng=rng)
    inputs = [rng.standard_normal(shape) for shape in ((2, 3, 5), (7, 5), (7,))]
    gradcheck(lambda x, w, b: set_parameters(layer, weight=w, bias=b)(x), inputs, rng)


def test_linear_starts_as_kaiming_uniform_with_a_sqrt_5():
    layer = Linear(300, 200, rng=np.random.default_rng(3))
    expected = to_numpy(init.kaiming_uniform((200, 300), a=math.sqrt(5), rng=np.random.default_rng(3)))
    np.testing.assert_allclose(layer.weight.numpy(), expected, rtol=1e-5, atol=1e-8)
    bound = 1 / math.sqrt(300)
    assert 0.95 * bound < abs(layer.bias.numpy()).max() <= bound
    assert layer.bias.numpy().var() == pytest.approx(bound**2 / 3, rel=0.2)


def test_linear_names_the_shapes_that_do_not_fit(rng):
    with pytest.raises(ValueError, match=r"linear: input \(4, 6\) and weight \(7, 5\)"):
        Linear(5, 7, rng=rng)(normal(rng, 4, 6))


# Embedding


def test_embedding(rng):
    layer = Embedding(50, 400, rng=rng)
    index = np.array([[3, 0, 3], [49, 1, 3]])
    np.testing.assert_array_equal(layer(index).numpy(), layer.weight.numpy()[index])
    g = grad(layer(index).sum(), layer.weight).numpy()[:, 0]
    assert g[3] == 3 and g[0] == g[1] == g[49] == 1 and g.sum() == 6  # a repeated row adds its gradients
    assert layer.weight.numpy().std() == pytest.approx(1.0, rel=0.03)
    with pytest.raises(IndexError, match="embedding"):
        layer(np.array([50]))


# Dropout


def test_dropout_in_training(rng):
    x = np.full((400, 250), 2.0, np.float32)
    y = Dropout(0.3, rng=rng)(x).numpy()
    assert set(np.unique(y)) == {np.float32(0.0), np.float32(2.0 / 0.7)}
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)  # seven standard errors
    assert y.mean() == pytest.approx(2.0, rel=0.01)


def test_dropout_in_evaluation_and_without_probability(rng):
    x = normal(rng, 4, 5)
    np.testing.assert_array_equal(Dropout(0.3, rng=rng).eval()(x).numpy(), x)
    np.testing.assert_array_equal(Dropout(0.0, rng=rng)(x).numpy(), x)
    np.testing.assert_array_equal(Dropout(1.0, rng=rng)(x).numpy(), np.zeros_like(x))


def test_dropout_draws_anew_and_repeats_from_a_restored_generator(rng):
    layer, x = Dropout(0.5, rng=rng), np.ones((10, 10), np.float32)
    state = rng.bit_generator.state
    first, second = layer(x).numpy(), layer(x).numpy()
    assert not np.array_equal(first, second)
    rng.bit_generator.state = state
    np.testing.assert_array_equal(layer(x).numpy(), first)


def test_dropout_rejects_what_is_no_probability(rng):
    with pytest.raises(ValueError, match="Dropout: p is 1.05"):
        Dropout(1.05, rng=rng)


# LayerNorm


@pytest.mark.parametrize("normalized_shape", [6, (6,), (5, 6)])
def test_layer_norm_value(rng, normalized_shape):
    layer, x = LayerNorm(normalized_shape), 3.0 + 2.0 * normal(rng, 4, 5, 6)
    axes = (-1,) if layer.normalized_shape == (6,) else (-2, -1)
    layer.load_state_dict({name: normal(rng, *layer.normalized_shape) for name in ("weight", "bias")})
    expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    expected = expected * layer.weight.numpy() + layer.bias.numpy()
    assert layer(x).dtype == np.float32
    np.testing.assert_allclose(layer(x).numpy(), expected, atol=2e-6)


def test_layer_norm_starts_as_identity_of_the_normalized(rng):
    layer = LayerNorm(6)
    assert (layer.weight.numpy() == 1).all() and (layer.bias.numpy() == 0).all()
    plain = LayerNorm(6, elementwise_affine=False)
    assert plain.parameters() == [] and len(LayerNorm(6, bias=False).parameters()) == 1
    x = normal(rng, 4, 6)
    np.testing.assert_allclose(layer(x).numpy(), plain(x).numpy(), atol=1e-6)
    flat = np.full((1, 6), 5.0, np.float32)  # its variance is 0: eps keeps the quotient finite
    np.testing.assert_array_equal(layer(flat).numpy(), np.zeros((1, 6)))


def test_layer_norm_gradient(rng):
    layer = LayerNorm((5, 6))
    inputs = [rng.standard_normal(shape) for shape in ((3, 5, 6), (5, 6), (5, 6))]
    gradcheck(lambda x, w, b: set_parameters(layer, weight=w, bias=b)(x), inputs, rng)


# Sequential and MLP


def test_sequential_applies_modules_and_functions_in_order(rng):
    a, b, x = Linear(3, 4, rng=rng), Linear(4, 2, rng=rng), normal(rng, 5, 3)
    net = Sequential(a, tanh, b, lambda y: y * 2.0)
    np.testing.assert_array_equal(net(x).numpy(), (b(tanh(a(x))) * 2.0).numpy())
    assert isinstance(net, ModuleList) and [type(m) for m in net] == [Linear, Apply, Linear, Apply]
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert net.append(sigmoid) is net and len(net) == 5


def test_a_slice_of_sequential_is_one_that_shares_parameters(rng):
    net, x = MLP([3, 4, 2], relu, rng=rng), normal(rng, 5, 3)
    head = net[:2]
    assert isinstance(head, Sequential) and head[0] is net[0]
    np.testing.assert_array_equal(net[2](head(x)).numpy(), net(x).numpy())


def test_sequential_rejects_what_cannot_be_called():
    with pytest.raises(TypeError, match="function is 3, expected a Module or a function"):
        Sequential(3)


def test_mlp(rng):
    net, x = MLP([3, 8, 4, 2], tanh, rng=rng, final_activation=sigmoid), normal(rng, 5, 3)
    y = x
    for i in (0, 2, 4):
        y = y @ net[i].weight.numpy().T + net[i].bias.numpy()
        y = np.tanh(y) if i < 4 else 1 / (1 + np.exp(-y))
    np.testing.assert_allclose(net(x).numpy(), y, atol=1e-6)
    assert len(MLP([3, 8, 4, 2], tanh, rng=rng)) == 5  # nothing after the last layer
    assert len(MLP([3, 2], tanh, rng=rng)) == 1
    with pytest.raises(ValueError, match=r"MLP: sizes is \[3\]"):
        MLP([3], relu, rng=rng)


# All of them


@pytest.mark.parametrize("make", [
    lambda rng: Linear(3, 4, rng=rng), lambda rng: Embedding(3, 4, rng=rng),
    lambda rng: MLP([3, 4, 2], relu, rng=rng),
])
def test_the_same_seed_gives_the_same_layer(make):
    first, second = make(np.random.default_rng(5)), make(np.random.default_rng(5))
    for name, array in first.state_dict().items():
        np.testing.assert_array_equal(array, second.state_dict()[name])


def test_repr(rng):
    assert repr(Linear(3, 4, False, rng=rng)) == "Linear(3, 4, bias=False)  12 parameters"
    assert repr(Embedding(3, 4, rng=rng)) == "Embedding(3, 4)  12 parameters"
    assert repr(Dropout(rng=rng)) == "Dropout(p=0.5)"
    assert repr(LayerNorm(4)) == "LayerNorm((4,), eps=1e-05)  8 parameters"
    assert repr(LayerNorm((4, 2), 0.1, False)) == "LayerNorm((4, 2), eps=0.1, elementwise_affine=False)"


# PyTorch as the oracle


def torch_agrees(ours, theirs, x, rng):
    """Value and all gradients, from a random cotangent, after copying their weights."""
    torch = pytest.importorskip("torch")
    ours.load_state_dict({name: t.numpy() for name, t in theirs.state_dict().items()})
    integers = x.dtype.kind == "i"
    x_ours, x_theirs = (x if integers else parameter(x)), torch.from_numpy(x).requires_grad_(not integers)
    y_ours, y_theirs = ours(x_ours), theirs(x_theirs)
    assert y_ours.dtype == np.float32
    np.testing.assert_allclose(y_ours.numpy(), y_theirs.detach().numpy(), atol=2e-6)
    u = normal(rng, *y_ours.shape)
    inputs = ([] if integers else [x_ours]) + ours.parameters()
    expected = torch.autograd.grad(y_theirs, ([] if integers else [x_theirs]) + list(theirs.parameters()),
                                   torch.from_numpy(u))
    for g, e in zip(grad(y_ours, inputs, [u]), expected, strict=True):
        np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=1e-5, atol=1e-5)


def test_layers_agree_with_torch(rng):
    torch = pytest.importorskip("torch")
    torch_agrees(Linear(6, 5, rng=rng), torch.nn.Linear(6, 5), normal(rng, 2, 3, 6), rng)
    torch_agrees(Linear(6, 5, False, rng=rng), torch.nn.Linear(6, 5, False), normal(rng, 6), rng)
    torch_agrees(Embedding(9, 4, rng=rng), torch.nn.Embedding(9, 4), rng.integers(0, 9, (3, 4)), rng)
    torch_agrees(LayerNorm(6), torch.nn.LayerNorm(6), normal(rng, 3, 6), rng)
    torch_agrees(LayerNorm((5, 6), 0.1), torch.nn.LayerNorm((5, 6), 0.1), normal(rng, 3, 5, 6), rng)
    torch_agrees(MLP([6, 8, 3], relu, rng=rng),
                 torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)),
                 normal(rng, 4, 6), rng)


LAYERS = {  # a layer here, and in torch.nn
    "Linear": (lambda nn, **k: nn.Linear(6, 5, **k), True),
    "Linear without bias": (lambda nn, **k: nn.Linear(6, 5, bias=False, **k), True),
    "Embedding": (lambda nn, **k: nn.Embedding(7, 3, **k), True),
    "Embedding with padding": (lambda nn, **k: nn.Embedding(7, 3, padding_idx=2, **k), True),
    "LayerNorm": (lambda nn: nn.LayerNorm((5, 6)), False),
    "RMSNorm": (lambda nn: nn.RMSNorm(6), False),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 6), False),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(6), False),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(6), False),
    "InstanceNorm2d": (lambda nn: nn.InstanceNorm2d(6, affine=True, track_running_stats=True), False),
    "Conv1d": (lambda nn, **k: nn.Conv1d(4, 6, 3, groups=2, **k), True),
    "Conv2d": (lambda nn, **k: nn.Conv2d(4, 6, (3, 2), **k), True),
    "ConvTranspose1d": (lambda nn, **k: nn.ConvTranspose1d(4, 6, 3, **k), True),
    "ConvTranspose2d": (lambda nn, **k: nn.ConvTranspose2d(4, 6, (3, 2), groups=2, **k), True),
    "MultiheadAttention": (lambda nn, **k: nn.MultiheadAttention(6, 2, **k), True),
    "MultiheadAttention of other widths": (lambda nn, **k: nn.MultiheadAttention(6, 2, kdim=5, vdim=4, **k), True),
    "Dropout": (lambda nn, **k: nn.Dropout(0.5, **k), "rng"),
    "Sequential": (lambda nn, **k: nn.Sequential(nn.Linear(3, 4, **k), nn.LayerNorm(4), nn.Linear(4, 2, **k)), True),
    "ModuleList": (lambda nn, **k: nn.ModuleList([nn.Linear(3, 4, **k), nn.Linear(4, 2, **k)]), True),
    "ModuleDict": (lambda nn, **k: nn.ModuleDict({"up": nn.Linear(3, 4, **k), "down": nn.Linear(4, 3, **k)}), True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_weights_travel_both_ways(name, rng):
    torch = pytest.importorskip("torch")
    make, draws = LAYERS[name]
    ours = make(nn, rng=rng) if draws else make(nn)
    theirs = make(torch.nn) if draws != "rng" else torch.nn.Dropout(0.5)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    random = lambda a: rng.standard_normal(a.shape) if a.dtype.kind == "f" else np.array(3)
    state = {key: torch.tensor(random(a), dtype=getattr(torch, str(a.dtype))) for key, a in ours.state_dict().items()}
    theirs.load_state_dict(state)
    ours.load_state_dict(theirs.state_dict())  # torch tensors as they are
    for key, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, state[key].numpy(), err_msg=key)
    changed = {key: np.array(random(a), a.dtype) for key, a in ours.state_dict().items()}
    ours.load_state_dict(changed)
    theirs.load_state_dict({key: torch.from_numpy(a) for key, a in ours.state_dict().items()})
    for key, tensor in theirs.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), changed[key], err_msg=key)


def test_every_layer_of_torch_is_in_the_table():
    """Upsample, here a part of the U-Net with a convolution, and Transformer, here blocks of one kind, share their names
    only; the GRU has a file of its own, test_recurrent.py."""
    torch = pytest.importorskip("torch")
    layers = {name for name, value in vars(nn).items() if isinstance(value, type) and hasattr(torch.nn, name)}
    assert layers - {"Module", "Upsample", "Transformer", "GRU"} == {name.split()[0] for name in LAYERS}


def test_embedding_with_padding(rng):
    layer = Embedding(5, 3, padding_idx=-1, rng=rng)
    assert (layer.weight.numpy()[4] == 0).all() and (layer.weight.numpy()[:4] != 0).all()
    g = grad(layer(np.array([4, 0, 4, 1])).sum(), layer.weight).numpy()
    np.testing.assert_array_equal(g[:, 0], [1, 1, 0, 0, 0])
    assert repr(layer) == "Embedding(5, 3, padding_idx=-1)  15 parameters"
    with pytest.raises(ValueError, match="Embedding: padding_idx is 5, expected a row of 5"):
        Embedding(5, 3, 5, rng=rng)


def test_zeroed(rng):
    for layer in (Linear(3, 4, rng=rng), Linear(3, 4, bias=False, rng=rng)):
        assert init.zeroed(layer) is layer
        assert all((p.numpy() == 0).all() for p in layer.parameters())


def test_linear_starts_with_the_distribution_of_torch(rng):
    torch = pytest.importorskip("torch")
    ours, theirs = Linear(4, 40_000, rng=rng), torch.nn.Linear(4, 40_000)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        p, q = np.sort(p.numpy().ravel()), np.sort(q.detach().numpy().ravel())
        np.testing.assert_allclose(p, q, atol=0.05 * q.max())  # the same quantiles, to six standard errors
