"""Perceptual distance: how differently a classifier sees two images.

    d(x, x_hat) = sum_l 1/(H_l W_l) sum_hw |f_l(x)_hw / |f_l(x)_hw| - f_l(x_hat)_hw / |f_l(x_hat)_hw||^2

f_l is the last feature map before the l-th halving, f_l_hw its vector of channels at one place. Pixel by pixel, an edge
that is moved by one pixel costs as much as an edge that is missing, and an image between all that are possible, a
blurred one, costs least. To the channels of a classifier, which answer to edges and to what they form, a moved edge is
still an edge.

The vectors have length 1, so that every place counts the same, and a channel that is loud everywhere drowns no other.
That is eq. 1 of Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018
(LPIPS), without its learned weights of the channels; and with the project's own classifier in the place of one trained
on photographs.

Symbols: N images, C H W image, l a depth. Read before this: models/classifiers/cnn.py, nn/frozen.py.
Read next: models/codes/vqgan.py.
"""
from autograd import as_tensor, sqrt

from .nn import Frozen

EPS = 1e-2  # below |f|^2 of about 1: where no channel answers there is no direction, and none should be made up


class PerceptualDistance:
    """classifier: a Frozen with `space` (of images) and `body`, a Sequential that takes images on [0, 1]."""

    def __init__(self, classifier):
        if not isinstance(classifier, Frozen):
            raise ValueError(f"PerceptualDistance: classifier is a {type(classifier).__name__}, whose weights a loss "
                             "would move until it sees no difference; pass Frozen(classifier)")
        self.classifier = classifier

    def __call__(self, x, x_hat):
        """d of images (N, C, H, W) on [0, 1], arrays or Tensors: a Tensor (N,), differentiable in both."""
        pairs = zip(self.directions(x), self.directions(x_hat))
        return sum(((a - b) ** 2).sum(axis=1).mean(axis=(1, 2)) for a, b in pairs)

    def directions(self, x):
        """The feature maps of images, (N, C_l, H_l, W_l) for each l, whose vectors of channels have length 1."""
        x = as_tensor(x)
        if x.shape[1:] != self.classifier.space.shape:
            raise ValueError(f"PerceptualDistance: images have shape {x.shape}, and the classifier was made for "
                             f"(N, {', '.join(map(str, self.classifier.space.shape))})")
        return [f / sqrt((f * f).sum(axis=1, keepdims=True) + EPS) for f in feature_maps(self.classifier.body, x)]


def feature_maps(body, x):
    """The last feature map (N, C_l, H_l, W_l) before each halving in a Sequential that takes images, the finest
    first."""
    maps = []
    for layer in body:
        y = layer(x)
        if y.ndim != 4:  # flattened
            break
        if x.shape[2:] != y.shape[2:]:
            maps.append(x)
        x = y
    return maps
