"""The convolutional encoder and decoder: sizes, what each pixel depends on, and how evenly stamps cover an image."""
import itertools

import numpy as np
import pytest

from autograd import Tensor, conv_transpose2d, grad, interpolate, max_pool2d, max_unpool2d, parameter
from autograd.backend import xp
from minigen.nn import ConvTranspose2d
from minigen.nn.autoencoder import ConvDecoder, ConvEncoder, conv_pair, mlp_pair


def rng(seed=0):
    return np.random.default_rng(seed)


def normal(*shape, seed=0):
    return rng(seed).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("networks", [mlp_pair, conv_pair])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 7, 9), (1, 29, 4), (2, 5, 31)])
@pytest.mark.parametrize("outputs", [1, 3])
def test_from_rows_to_codes_and_back(networks, shape, outputs):
    D = int(np.prod(shape))
    encoder, decoder = networks(shape, (4, 6), code=10, latent=5, outputs=outputs, rng=rng())
    assert encoder(normal(2, D)).shape == (2, 10)
    assert decoder(normal(2, 5)).shape == (2, D * outputs)
    z = normal(2, 7, 5)
    np.testing.assert_allclose(decoder(z).numpy(), decoder(z.reshape(14, 5)).numpy().reshape(2, 7, -1), atol=1e-6)


def test_the_encoder_takes_rows_and_images():
    encoder, x = ConvEncoder((3, 8, 8), (4,), 2, rng=rng()), normal(5, 3, 8, 8)
    np.testing.assert_array_equal(encoder(x).numpy(), encoder(x.reshape(5, -1)).numpy())


def test_the_layers_meet_at_the_same_sizes_on_both_ways():
    encoder, decoder = conv_pair((1, 29, 15), (4, 6, 8), code=2, latent=2, rng=rng())
    sizes = []
    x = Tensor(normal(1, 1, 29, 15))
    for layer in encoder.convolutions:
        x = layer(x)
        sizes.append(x.shape[1:])
    assert sizes[::2] == [(4, 14, 7), (6, 7, 3), (8, 3, 1)]
    x, sizes = decoder.project(normal(1, 2)).reshape(1, 8, 3, 1), []
    for layer in decoder.convolutions:
        x = layer(x)
        sizes.append(x.shape[1:])
    assert sizes[1::2] == [(6, 7, 3), (4, 14, 7), (1, 29, 15)]


def test_outputs_of_the_decoder_belong_to_the_pixel_they_stand_at():
    """The last layer's bias is one number per channel and output: in the rows, pixels vary slowest, outputs fastest."""
    decoder = ConvDecoder(2, (4,), (3, 4, 6), outputs=5, rng=rng())
    for p in decoder.parameters():
        p.data[...] = 0
    bias = decoder.convolutions[-1].bias
    bias.data[...] = xp.arange(15)
    h = decoder(normal(1, 2)).numpy().reshape(3, 4, 6, 5)
    np.testing.assert_array_equal(h, np.broadcast_to(np.arange(15).reshape(3, 1, 1, 5), h.shape))


def test_a_pixel_depends_on_no_more_than_the_stamps_near_it():
    decoder = ConvDecoder(2, (4,), (1, 16, 16), outputs=2, rng=rng())
    small = parameter(normal(1, 4, 8, 8))
    for layer in decoder.convolutions[1:]:
        h = layer(small)  # (1, 2, 16, 16)
    g = grad(h[0, 1, 9, 4], small).numpy()
    rows, columns = np.nonzero(np.abs(g[0]).sum(axis=0))
    assert {*rows} == {4, 5} and {*columns} == {1, 2}  # stamps of 4, from 2 i - 1 on: 2 i - 1 <= 9 <= 2 i + 2


def test_features_move_with_the_image():
    """Two halvings: an image moved by 4 pixels gives features moved by 1, where nothing comes in from outside."""
    encoder = ConvEncoder((1, 32, 32), (4, 6), 2, rng=rng())
    x = normal(2, 1, 32, 32)
    moved = np.roll(x, 4, axis=3)
    features, features_moved = (encoder.convolutions(Tensor(a)).numpy() for a in (x, moved))
    np.testing.assert_allclose(features_moved[:, :, 1:-1, 2:-1], features[:, :, 1:-1, 1:-2], atol=1e-6)
    assert np.abs(features).max() > 0.1


@pytest.mark.parametrize("k, stride", [(k, stride) for stride in (2, 3) for k in range(stride, 8)])
def test_stamps_cover_an_image_evenly_if_and_only_if_the_stride_divides_them(k, stride):
    """How often each pixel is stamped: counted, and as the transposed convolution of ones with ones."""
    n = 12
    count = np.zeros(((n - 1) * stride + k,) * 2)
    for i, j in itertools.product(range(n), repeat=2):
        count[i * stride : i * stride + k, j * stride : j * stride + k] += 1
    ones = (np.ones(shape, np.float32) for shape in ((1, 1, n, n), (1, 1, k, k)))
    np.testing.assert_array_equal(conv_transpose2d(*ones, stride=stride).numpy()[0, 0], count)
    inside = count[k:-k, k:-k]
    assert (np.ptp(inside) == 0) == (k % stride == 0)
    if (k, stride) == (3, 2):
        assert {*inside.ravel()} == {1, 2, 4}


def test_the_decoder_covers_evenly_and_neither_interpolation_draws_a_pattern():
    decoder = ConvDecoder(2, (4, 4), (1, 32, 32), rng=rng())
    even = np.ones((1, 1, 10, 10), np.float32)
    for layer in decoder.convolutions:
        if isinstance(layer, ConvTranspose2d):
            covered = conv_transpose2d(even, np.ones((1, 1, *layer.kernel_size), np.float32), stride=layer.stride)
            assert np.ptp(covered.numpy()[..., 4:-4, 4:-4]) == 0
    for mode in ("nearest", "bilinear"):
        assert np.ptp(interpolate(even, scale_factor=2, mode=mode).numpy()) == 0


def test_unpooling_returns_each_maximum_to_its_place():
    x = normal(3, 2, 6, 8)
    largest, places = max_pool2d(x, 2, return_indices=True)
    back = max_unpool2d(largest, places, 2).numpy()
    windows = x.reshape(3, 2, 3, 2, 4, 2)
    is_largest = (windows == windows.max(axis=(3, 5), keepdims=True)).reshape(x.shape)
    np.testing.assert_array_equal(back, np.where(is_largest, x, 0))


@pytest.mark.parametrize("shape, hidden, message", [
    ((1, 3, 28), (4, 4), "images of 3 x 28 cannot be halved 2 times, once for each of hidden; pass fewer, or images "
                         "with sides of at least 4 pixels"),
    ((1, 28, 28), (4,) * 5, "images of 28 x 28 cannot be halved 5 times, .* at least 32 pixels"),
    ((1, 28, 28), (), "hidden is empty, expected the channels after at least one halving"),
    ((2,), (4,), r"shape is \(2,\), expected that of an image, \(C, H, W\)"),
])
def test_sizes_that_cannot_be(shape, hidden, message):
    with pytest.raises(ValueError, match=f"ConvEncoder: {message}"):
        conv_pair(shape, hidden, code=2, latent=2, rng=rng())
    with pytest.raises(ValueError, match=f"ConvDecoder: {message}"):
        ConvDecoder(2, hidden, shape, rng=rng())
