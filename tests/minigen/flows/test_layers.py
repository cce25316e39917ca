"""Every invertible layer against the definition: its log-determinant is slogdet of its Jacobian, its inverse inverts.

The Jacobian is the engine's, row by row, and the parameters are random: at their initial values many layers
are the identity, and a forgotten term would not show.
"""
import math

import numpy as np
import pytest

from autograd import Tensor, grad, no_grad, parameter, relu
from autograd.backend import rng as generator
from autograd.tensor import is_parameter
from minigen.data import Space
from minigen.flows.dequantization import UniformDequantization, VariationalDequantization
from minigen.flows.layers import (
    ActNorm,
    Chain,
    ChannelCoupling,
    Inverse,
    InvertibleConv1x1,
    Logit,
    MaskedCoupling,
    MultiScale,
    Squeeze,
    checkerboard,
    half_of,
)
from minigen.models.flows.planar import PlanarLayers, ToSquare
from minigen.nn import MLP, Conv2d, Sequential


def conv(C, O, rng):
    return Sequential(Conv2d(C, 8, 3, padding=1, rng=rng), relu, Conv2d(8, O, 3, padding=1, rng=rng))


def dense(C, O, rng):
    return MLP((C, 8, O), relu, rng=rng)


def multi_scale(rng):
    first = Chain(Logit(0.05), Squeeze(), ActNorm(4), InvertibleConv1x1(4, rng=rng))
    second = Chain(MaskedCoupling(checkerboard(2, 2), conv(2, 4, rng)), Squeeze())
    return MultiScale([first, second], [(4, 2, 2), (8, 1, 1)])


IMAGE, POINTS = (4, 2, 4), (4,)
LAYERS = {  # name -> (layer, shape of an example)
    "masked coupling, checkerboard": (lambda rng: MaskedCoupling(checkerboard(2, 4), conv(4, 8, rng)), IMAGE),
    "masked coupling, other checkerboard": (lambda rng: MaskedCoupling(checkerboard(2, 4, 0), conv(4, 8, rng)), IMAGE),
    "masked coupling, channels": (
        lambda rng: MaskedCoupling(half_of(4).reshape(4, 1, 1), conv(4, 8, rng)), IMAGE),
    "masked coupling, points": (lambda rng: MaskedCoupling(half_of(4), dense(4, 8, rng)), POINTS),
    "channel coupling": (lambda rng: ChannelCoupling(4, conv(2, 4, rng)), IMAGE),
    "channel coupling, points": (lambda rng: ChannelCoupling(4, dense(2, 4, rng)), POINTS),
    "actnorm": (lambda rng: ActNorm(4), IMAGE),
    "actnorm, points": (lambda rng: ActNorm(4), POINTS),
    "invertible 1x1 convolution": (lambda rng: InvertibleConv1x1(4, rng=rng), IMAGE),
    "invertible 1x1 convolution, points": (lambda rng: InvertibleConv1x1(4, rng=rng), POINTS),
    "squeeze": (lambda rng: Squeeze(), IMAGE),
    "logit": (lambda rng: Logit(0.05), IMAGE),
    "to the square": (lambda rng: ToSquare(4.0), POINTS),
    "planar": (lambda rng: PlanarLayers(6, D=4, rng=rng), POINTS),
    "planar, inverse": (lambda rng: Inverse(PlanarLayers(6, D=4, rng=rng)), POINTS),
    "chain": (lambda rng: Chain(ActNorm(4), InvertibleConv1x1(4, rng=rng), ChannelCoupling(4, conv(2, 4, rng))), IMAGE),
    "multi-scale": (multi_scale, (1, 4, 4)),
}
MOVES_NUMBERS_ONLY = ("permutation", "squeeze")


def randomized(layer, rng, dtype=np.float64, scale=0.3):
    """The layer in eval mode, with random numbers added to its parameters and running moments, in this dtype."""
    for _, module in layer.named_modules():
        for name, value in list(vars(module).items()):
            if is_parameter(value):
                setattr(module, name, parameter(value.numpy() + scale * rng.standard_normal(value.shape), dtype))
            elif name in module._buffers and value.dtype.kind == "f":
                setattr(module, name, value.astype(dtype))
    return layer.eval()


def example(name, N=3, dtype=np.float64):
    """A layer in float64 or float32, and N inputs for it."""
    rng = generator(7)
    make, shape = LAYERS[name]
    layer = randomized(make(rng), rng, dtype)
    x = rng.random((N, *shape)) if name in ("logit", "multi-scale") else rng.standard_normal((N, *shape))
    return layer, x.astype(dtype)


def jacobians(f, x):
    """dy/dx of each example, (N, D, D): one sweep per row, examples side by side."""
    x = parameter(x)
    y = f(x)
    N, D = len(x), x[0].size
    rows = []
    for i in range(D):
        g = np.zeros((N, D))
        g[:, i] = 1
        rows.append(grad(y, x, g.reshape(y.shape), create_graph=True).numpy().reshape(N, D))
    return np.stack(rows, axis=1)


@pytest.mark.parametrize("name", LAYERS)
def test_log_determinant_is_that_of_the_jacobian(name):
    layer, x = example(name)
    sign, expected = np.linalg.slogdet(jacobians(lambda x: layer(x)[0], x))
    logdet = layer(Tensor(x))[1].numpy()
    assert logdet.shape == (len(x),) and (sign != 0).all()
    np.testing.assert_allclose(logdet, expected, atol=1e-9)
    if name in MOVES_NUMBERS_ONLY:
        assert (logdet == 0).all()
    else:
        assert np.abs(logdet).min() > 1e-3  # so that a term left out would have been seen


@pytest.mark.parametrize("name", LAYERS)
def test_inverse(name):
    layer, x = example(name, N=50)
    with no_grad():
        y = layer(Tensor(x))[0]
        np.testing.assert_allclose(layer.inverse(y).numpy(), x, atol=1e-11)
        np.testing.assert_allclose(layer(layer.inverse(y))[0].numpy(), y.numpy(), atol=1e-11)


@pytest.mark.parametrize("name", LAYERS)
def test_inverse_in_float32(name):
    layer, x = example(name, N=50, dtype=np.float32)
    with no_grad():
        y, logdet = layer(Tensor(x))
        back = layer.inverse(y)
    assert y.dtype == logdet.dtype == back.dtype == np.float32
    assert np.abs(back.numpy() - x).max() < 1e-4  # inputs are of size 1 to 4


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_pass_through_the_inverse(name):
    """d x / d y is the inverse matrix of d y / d x."""
    layer, x = example(name)
    y = layer(Tensor(x))[0].numpy()
    product = jacobians(layer.inverse, y) @ jacobians(lambda x: layer(x)[0], x)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(x[0].size), product.shape), atol=1e-8)


# Change of variables


def test_four_times_a_uniform_variable_has_density_one_eighth():
    """X = 4 Z, Z uniform on [0, 2] with density 1/2. p_X(x) = p_Z(x / 4) |dz/dx| = 1/8: the factor 1/4 makes up for
    X being spread over [0, 8]."""
    layer = randomized(ActNorm(1), generator(0))
    layer.s.data[:], layer.b.data[:] = -math.log(4), 0
    x = np.linspace(0.1, 7.9, 50)[:, None]
    z, logdet = layer(Tensor(x))
    assert (0 < z.data.min()) and (z.data.max() < 2)
    np.testing.assert_allclose(0.5 * np.exp(logdet.numpy()), 1 / 8, rtol=1e-14)


# What single layers promise


def test_actnorm_normalizes_its_first_batch_and_no_other():
    rng = generator(0)
    layer, x = ActNorm(3), Tensor(5 + 2 * rng.standard_normal((40, 3, 4, 4)))
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].numpy(), x.numpy())  # evaluation sets nothing
    layer.train()
    y = layer(x)[0].numpy()
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), 1, atol=1e-5)
    s = layer.s.numpy().copy()
    layer(Tensor(3 * x.numpy()))
    np.testing.assert_array_equal(layer.s.numpy(), s)


def test_actnorm_remembers_that_it_was_set():
    layer, copy = ActNorm(2), ActNorm(2)
    layer(Tensor(generator(0).standard_normal((9, 2))))
    copy.load_state_dict(layer.state_dict())
    copy(Tensor(np.full((4, 2), 7.0) * [[1], [2], [3], [4]]))
    np.testing.assert_array_equal(copy.s.numpy(), layer.s.numpy())


def test_invertible_convolution_starts_as_a_rotation_and_counts_its_determinant_by_the_diagonal():
    rng = generator(0)
    layer = InvertibleConv1x1(6, rng=rng)
    W = layer.weight().numpy().astype(np.float64)
    np.testing.assert_allclose(W @ W.T, np.eye(6), atol=1e-6)
    layer = randomized(layer, rng)
    W = layer.weight().numpy()
    x = rng.standard_normal((2, 6, 3, 5))
    y, logdet = layer(Tensor(x))
    np.testing.assert_allclose(y.numpy(), np.einsum("oc,nchw->nohw", W, x), atol=1e-12)
    np.testing.assert_allclose(logdet.numpy(), 15 * np.linalg.slogdet(W)[1], rtol=1e-12)


def test_couplings_leave_what_they_keep():
    for name, kept in (("masked coupling, points", slice(0, 2)), ("channel coupling, points", slice(2, 4))):
        layer, x = example(name)
        y = layer(Tensor(x))[0].numpy()
        changed = np.ones(4, bool)
        changed[kept] = False
        np.testing.assert_array_equal(y[:, kept], x[:, kept])
        assert (y[:, changed] != x[:, changed]).all()


def test_masks():
    np.testing.assert_array_equal(checkerboard(2, 3), [[[1, 0, 1], [0, 1, 0]]])
    np.testing.assert_array_equal(checkerboard(2, 3, first=0), [[[0, 1, 0], [1, 0, 1]]])
    np.testing.assert_array_equal(half_of(4), [1, 1, 0, 0])
    np.testing.assert_array_equal(half_of(4, first=0), [0, 0, 1, 1])


def test_multi_scale_sends_half_of_the_channels_out_first():
    layer = MultiScale([Chain(), Chain()], [(4, 1, 2), (2, 1, 2)])
    x = np.arange(8.0).reshape(1, 4, 1, 2)
    y, _ = layer(Tensor(x))
    np.testing.assert_array_equal(y.numpy(), x.reshape(1, 8))


# What cannot be inverted is refused


@pytest.mark.parametrize("build, message", [
    (lambda: MaskedCoupling([0.5, 1.0], None), "cannot be undone"),
    (lambda: MaskedCoupling([1, 1], None), "a part to change"),
    (lambda: MaskedCoupling([0, 0], None), "a part to keep"),
    (lambda: ChannelCoupling(3, None), "3 channels have no two equal halves"),
    (lambda: half_of(5), "5 channels have no two equal halves"),
    (lambda: checkerboard(1, 1), "1x1"),
    (lambda: Logit(0.0), "alpha is 0.0"),
    (lambda: Logit(0.5), "alpha is 0.5"),
    (lambda: Squeeze()(Tensor(np.zeros((1, 1, 3, 4)))), "3x4 do not divide"),
    (lambda: MultiScale([Chain(), Chain()], [(3, 2, 2), (1, 2, 2)]), "3x2x2"),
    (lambda: PlanarLayers(0, rng=generator(0)), "K is 0"),
    (lambda: UniformDequantization(Space((2,))), "levels is None"),
    (lambda: UniformDequantization(Space((1, 8, 8), 1000)), "levels is 1000"),
    (lambda: VariationalDequantization(Space((1, 8, 8), 1000), None), "levels is 1000"),
    (lambda: UniformDequantization(Space((1, 8, 8), 17))(np.zeros((3, 1, 8, 9), np.uint8), generator(0)),
     r"x has shape \(3, 1, 8, 9\), expected \(N, 1, 8, 8\)")])
def test_errors(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# Dequantization


def test_uniform_dequantization():
    x = generator(1).integers(0, 17, (5, 1, 8, 8), dtype=np.uint8)
    v, log_q = UniformDequantization(Space((1, 8, 8), 17))(x, generator(0))
    np.testing.assert_array_equal(np.floor(v.numpy() * 17), x)
    np.testing.assert_allclose(log_q.numpy(), 64 * math.log(17), rtol=1e-6)


def test_variational_dequantization_is_a_density_on_the_cell():
    """v lies in x's cell, and E_q[1 / q; the middle of the cell] is the volume of the middle."""
    rng = generator(3)
    layer = randomized(VariationalDequantization(Space((1, 1, 2), 5), lambda C, O: conv(C, O, rng), couplings=3), rng)
    for x in [[2, 4]], [[0, 1]]:
        x = np.broadcast_to(np.array(x, np.uint8), (40_000, 1, 1, 2))
        with no_grad():
            v, log_q = (t.numpy() for t in layer(x, rng))
        assert (x <= 5 * v).all() and (5 * v <= x + 1).all()
        inside = (np.abs(5 * v - x - 0.5) < 0.3).all(axis=(1, 2, 3))  # 1 / q has no variance near the edges
        weight = inside * np.exp(-log_q - 2 * math.log(1 / 5))
        assert abs(weight.mean() - 0.6**2) < 5 * weight.std() / math.sqrt(len(weight))
        assert weight[inside].std() > 0.1  # q is not the uniform density
