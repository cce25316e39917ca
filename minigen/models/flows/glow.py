"""Glow: a flow that learns how its channels are mixed between couplings.

Kingma & Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions", NeurIPS 2018
(arXiv:1807.03039). A step of the flow is three layers, here with their log-determinants for images of S = H W
pixels (table 1):

    actnorm                y = s x + b         S sum log |s|     s, b per channel: mean 0, variance 1 at first
    invertible 1x1 conv    y = W x             S log |det W|     = S sum log |s| for W = P L (U + diag(s)), eq. 10
    affine coupling        y_a = s x_a + t     sum log |s|       (log s, t) = NN(x_b)
                           y_b = x_b

    L levels of: squeeze, K steps, half of the channels is done                 (figure 2)

Real NVP reverses the channels between couplings, which is a permutation; W is any matrix, starts as a
rotation, and is as cheap. The half z_a that leaves a level is Gaussian given the half h that stays,
N(mu(h), sigma(h)^2), in the authors' code; as a layer that is one more coupling, (z_a - mu(h)) / sigma(h),
and then all latents are N(0, I).

Samples look best at a temperature below 1: z ~ N(0, T^2 I) (section 6). The parts are in flows/layers.py, the
loss and sampling in flows/normalizing_flow.py.

Deviations: a Logit in front and s = alpha tanh(...) in the couplings, both as in Real NVP; the authors have
x / 256 - 1/2 and sigmoid(... + 2). Their last convolutions have a learned scale, exp(3 logs), here they
only start at 0.

Symbols: N batch, C H W image, K steps a level, L levels. Read before this: realnvp.py.
Read next: examples/4_flows/34_glow_anatomy.py.
Course: 12.6.
"""
from autograd import relu

from ...flows.layers import (
    ActNorm,
    Chain,
    ChannelCoupling,
    InvertibleConv1x1,
    Logit,
    MaskedCoupling,
    MultiScale,
    Squeeze,
    half_of,
)
from ...flows.normalizing_flow import NormalizingFlow
from ...nn import MLP, Conv2d, Linear, Sequential
from ...nn.init import zeroed


class Glow(NormalizingFlow):
    """space: of images with H and W divisible by 2^L, which need a dequantization too; or of points, with K steps and
    no levels. width: channels inside the couplings' networks."""

    def __init__(self, space, dequantization=None, K=8, L=2, width=64, *, rng):
        if K < 1 or L < 1:
            raise ValueError(f"Glow: K={K} steps in L={L} levels, expected at least 1 of each")
        if space.is_image:
            flow = for_images(space, K, L, width, rng)
        else:
            flow = Chain(*steps(space.size, K, dense, width, rng))
        super().__init__(flow, space, dequantization)


def for_images(space, K, L, width, rng):
    """The multi-scale flow of figure 2b."""
    C, H, W = space.shape
    if H % 2**L or W % 2**L:
        raise ValueError(f"Glow: images of {H}x{W} cannot be squeezed L={L} times: both sides must divide by "
                         f"{2**L}; pass a smaller L, or pad the images")
    parts, shapes = [], []
    for level in range(L):
        C, H, W = 4 * C, H // 2, W // 2
        layers = [Logit(alpha=1 / (6 * space.levels))] if level == 0 else []
        layers += [Squeeze(), *steps(C, K, convolutional, width, rng)]
        if level + 1 < L:
            prior = zeroed(Conv2d(C, 2 * C, 3, padding=1, rng=rng))  # from h, for the half that leaves
            layers.append(MaskedCoupling(half_of(C, first=0).reshape(C, 1, 1), prior))
        parts.append(Chain(*layers))
        shapes.append((C, H, W))
        C //= 2
    return MultiScale(parts, shapes)


def steps(C, K, network, width, rng):
    """K steps of flow on C channels. Figure 2a."""
    layers = []
    for _ in range(K):
        coupling = ChannelCoupling(C, network(C // 2, C, width, rng))
        layers += [ActNorm(C), InvertibleConv1x1(C, rng=rng), coupling]
    return layers


def convolutional(C, O, width, rng):
    """NN of a coupling for images, section 3.3; with log s = t = 0 at first."""
    return Sequential(Conv2d(C, width, 3, padding=1, rng=rng), relu, Conv2d(width, width, 1, rng=rng), relu,
                      zeroed(Conv2d(width, O, 3, padding=1, rng=rng)))


def dense(C, O, width, rng):
    """NN of a coupling for points."""
    return Sequential(MLP((C, width, width), relu, rng=rng), relu, zeroed(Linear(width, O, rng=rng)))
