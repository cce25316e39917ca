"""Real NVP: a flow of affine couplings, as fast backwards as forwards.

Dinh, Sohl-Dickstein & Bengio, "Density estimation using Real NVP", ICLR 2017 (arXiv:1605.08803); equation
numbers are that paper's.

    log p(x) = log p_Z(f(x)) + log |det df/dx|,  p_Z = N(0, I)        (eq. 3)
    y = b x + (1 - b) (x exp(s(b x)) + t(b x))                        (eq. 9): a coupling; b is a mask, 0 and 1
    log |det dy/dx| = sum of s over 1 - b                             (eq. 6): the Jacobian is triangular
    x = b y + (1 - b) (y - t(b y)) exp(-s(b y))                       (eq. 8): s and t are never inverted

What one coupling keeps the next one changes. For images, at each scale:

    3 couplings, checkerboard masks          neighbours predict each other
    squeeze: 2x2 pixels -> 4 channels        (section 3.6)
    3 couplings, channel masks
    half of the channels is done (eq. 14), the other half goes on to the next scale;
    the last scale has 4 checkerboard couplings and no more

f maps data to latents; samples are f^-1(z), z ~ N(0, I). The parts are in flows/layers.py, the loss, -log p(x)
itself or for images its bound by dequantization, and sampling in flows/normalizing_flow.py.

Deviations: the networks have no weight or batch normalization inside, and start at s = t = 0. Between
couplings there is activation normalization (Glow, section 3.1) in the place of batch normalization (section
3.7). The logit's alpha is a sixth of a gray level, not 0.05, which leaves black, most
of a drawn digit, on a sliver of the line.

Symbols: N batch, C H W image, D numbers of an example, v pixels in [0, 1). Read before this: flows/layers.py.
Read next: glow.py.
Course: 8.1, 12.6.
"""
from autograd import pixel_shuffle, pixel_unshuffle, relu

from ...flows.layers import ActNorm, Chain, Logit, MaskedCoupling, MultiScale, Squeeze, checkerboard, half_of
from ...flows.normalizing_flow import NormalizingFlow
from ...nn import MLP, Conv2d, Linear, Module, ModuleList, Sequential
from ...nn.init import zeroed


class RealNVP(NormalizingFlow):
    """space: of points, or of images, which need a dequantization too.

    width: of the networks in the couplings. couplings: for points only. scales: for images only; the image
    is halved between them, so that H and W must divide by 2^(scales - 1). By default as often as that gives
    4x4 or more.
    """

    def __init__(self, space, dequantization=None, width=32, couplings=8, scales=None, *, rng):
        if space.is_image:
            scales = times_halved(*space.shape[1:]) + 1 if scales is None else scales
            flow = for_images(space, scales, width, rng)
        else:
            flow = for_points(space.size, couplings, width, rng)
        super().__init__(flow, space, dequantization)


def for_points(D, couplings, width, rng):
    """Couplings that change one half of the D coordinates and then the other."""
    if couplings < 2:
        raise ValueError(f"RealNVP: couplings is {couplings}; one alone leaves half of the coordinates as they "
                         "are, pass 2 or more")
    layers = []
    for i in range(couplings):
        net = Sequential(MLP((D, width, width), relu, rng=rng), relu, zeroed(Linear(width, 2 * D, rng=rng)))
        layers += [MaskedCoupling(half_of(D, first=i % 2), net), ActNorm(D)]
    return Chain(*layers)


def for_images(space, scales, width, rng):
    """The multi-scale flow of section 3.6."""
    C, H, W = space.shape
    if scales < 1 or H % 2 ** (scales - 1) or W % 2 ** (scales - 1):
        raise ValueError(f"RealNVP: images of {H}x{W} cannot be halved {scales - 1} times, as scales={scales} "
                         f"asks for; pass scales=1 to {times_halved(H, W, least=1) + 1}")
    parts, shapes = [], []
    for scale in range(scales):
        layers = [Logit(alpha=1 / (6 * space.levels))] if scale == 0 else []
        last = scale == scales - 1
        for i in range(4 if last else 3):
            mask = checkerboard(H, W, first=i % 2)
            layers += [MaskedCoupling(mask, network(C, 2 * C, H, W, width, rng)), ActNorm(C)]
        if not last:
            layers.append(Squeeze())
            C, H, W = 4 * C, H // 2, W // 2
            for i in range(3):
                mask = half_of(C, first=i % 2).reshape(C, 1, 1)
                layers += [MaskedCoupling(mask, network(C, 2 * C, H, W, width, rng)), ActNorm(C)]
        parts.append(Chain(*layers))
        shapes.append((C, H, W))
        C //= 2
    return MultiScale(parts, shapes)


def times_halved(H, W, least=4):
    """How often H and W can be halved and stay at or above `least`."""
    n = 0
    while H % 2 == 0 and W % 2 == 0 and min(H, W) // 2 >= least:
        n, H, W = n + 1, H // 2, W // 2
    return n


def network(C, O, H, W, width, rng):
    """s and t of a coupling for images of this size. On blocks of pixels, large ones cost a quarter."""
    return ResNet(C, O, width, r=2 if times_halved(H, W, least=8) else 1, rng=rng)


class ResNet(Module):
    """3x3 convolutions around skip connections, (N, C, H, W) -> (N, O, H, W). Zero at first.

    r: it works on r x r blocks of pixels, as channels.
    """

    def __init__(self, C, O, width, r=1, blocks=1, *, rng):
        conv = lambda C, O: Conv2d(C, O, 3, padding=1, rng=rng)
        self.r = r
        self.first = conv(r * r * C, width)
        self.blocks = ModuleList(Sequential(relu, conv(width, width), relu, conv(width, width))
                                 for _ in range(blocks))
        self.last = zeroed(Conv2d(width, r * r * O, 1, rng=rng))

    def forward(self, x):
        h = self.first(pixel_unshuffle(x, self.r))  # (N, width, H/r, W/r)
        for block in self.blocks:
            h = h + block(h)
        return pixel_shuffle(self.last(relu(h)), self.r)
