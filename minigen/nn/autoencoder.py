"""Encoder and decoder: the two networks of an autoencoder, of fully connected layers or of convolutions.

    encoder    x (N, D) -> code (N, code)                decoder    z (..., Z) -> h (..., D outputs)

`mlp_pair` takes a pixel for a number like any other. `conv_pair` knows that pixels have neighbours, and that a stroke
is a stroke wherever it is. For images of 28 x 28 and hidden = (16, 32):

    (C, 28, 28) -> (16, 14, 14) -> (32, 7, 7) -> code             convolutions of stride 2
    (C, 28, 28) <- (16, 14, 14) <- (32, 7, 7) <- z                their transposes: the same sizes on the way back

A transposed convolution puts a stamp, its filter, on the larger image for every pixel of the smaller one, `stride`
apart, and adds them up where they overlap. Stamps of 4 x 4 at stride 2 cover every pixel four times, except along the
border; of 3 x 3, once, twice or four times by turns, and that pattern is what one sees in images (Odena et al. 2016,
"Deconvolution and checkerboard artifacts"). An odd size loses its last row or column on the way down, 7 -> 3; on the
way up output_padding makes 7 of 3 and not 6.

Sources: Masci et al. 2011 (convolutional autoencoder); Zeiler et al. 2010 and Dumoulin & Visin 2016 (transposed
convolution). Symbols: N examples, D pixels, C channels, H W image, Z latent. Read before this: conv.py.
Read next: models/autoencoders/ae.py and vae.py, which take either pair.
"""
import itertools
import math

from autograd import flatten, relu

from .conv import Conv2d, ConvTranspose2d, halved
from .layers import MLP, Linear, Sequential
from .module import Module

HALVING = {"kernel_size": 4, "stride": 2, "padding": 1}  # n pixels -> n // 2, and transposed n -> 2 n


def mlp_pair(shape, hidden, code, latent, outputs=1, *, rng):
    """(encoder, decoder) of linear layers with relu between them. shape: of an example. hidden: widths of the encoder's
    hidden layers; the decoder has them in reverse. code: numbers that the encoder gives; latent: those that the decoder
    takes. outputs: numbers that it gives for each pixel."""
    D = math.prod(shape)
    return MLP((D, *hidden, code), relu, rng=rng), MLP((latent, *hidden[::-1], D * outputs), relu, rng=rng)


def conv_pair(shape, hidden, code, latent, outputs=1, *, rng):
    """mlp_pair for images, with convolutions. hidden: channels after each halving of the image."""
    return ConvEncoder(shape, hidden, code, rng=rng), ConvDecoder(latent, hidden[::-1], shape, outputs, rng=rng)


class ConvEncoder(Module):
    """Images (N, C, H, W), or as rows (N, D), -> (N, code). `hidden`: channels after each halving."""

    def __init__(self, shape, hidden, code, *, rng):
        self.shape = tuple(shape)
        H, W = sizes("ConvEncoder", shape, hidden)[-1]
        self.convolutions = Sequential()
        for C_in, C_out in itertools.pairwise((shape[0], *hidden)):
            self.convolutions.append(Conv2d(C_in, C_out, **HALVING, rng=rng)).append(relu)
        self.code = Linear(hidden[-1] * H * W, code, rng=rng)

    def forward(self, x):
        return self.code(flatten(self.convolutions(x.reshape(len(x), *self.shape)), 1))  # course 3.3


class ConvDecoder(Module):
    """z (..., Z) -> images as rows with so many outputs for each pixel, (..., D outputs). `hidden`: channels before
    each doubling."""

    def __init__(self, latent, hidden, shape, outputs=1, *, rng):
        self.shape, self.outputs = tuple(shape), outputs
        *larger, first = sizes("ConvDecoder", shape, hidden)
        self.first = hidden[0], *first
        self.project = Linear(latent, math.prod(self.first), rng=rng)
        self.convolutions = Sequential()
        for C_in, C_out, (H, W) in zip(hidden, (*hidden[1:], shape[0] * outputs), larger[::-1]):
            self.convolutions.append(relu)
            self.convolutions.append(ConvTranspose2d(C_in, C_out, **HALVING, output_padding=(H % 2, W % 2), rng=rng))

    def forward(self, z):
        batch, (C, H, W) = z.shape[:-1], self.shape
        h = self.convolutions(self.project(z).reshape(math.prod(batch), *self.first))  # (N, C outputs, H, W)
        h = h.reshape(len(h), C, self.outputs, H * W).swapaxes(2, 3)  # (N, C, H W, outputs)
        return h.reshape(*batch, C * H * W * self.outputs)


def sizes(name, shape, hidden):
    """The sizes (H, W) of an image of this shape, halved once for each of hidden: one more than there are of these."""
    if len(shape) != 3:
        raise ValueError(f"{name}: shape is {tuple(shape)}, expected that of an image, (C, H, W)")
    if not hidden:
        raise ValueError(f"{name}: hidden is empty, expected the channels after at least one halving of the image")
    times = len(hidden)
    if min(shape[1:]) < 2**times:
        raise ValueError(f"{name}: images of {shape[1]} x {shape[2]} cannot be halved {times} times, once for each of "
                         f"hidden; pass fewer, or images with sides of at least {2**times} pixels")
    return halved(shape[1:], times)
