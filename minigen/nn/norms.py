"""Normalization layers, with torch.nn's names, arguments and layouts; LayerNorm is in layers.py.

    y = (x - mean) / sqrt(var + eps) * weight + bias

They differ in what mean and variance are taken over: a channel of the whole batch (BatchNorm), some channels of one
image (GroupNorm), one channel of one image (InstanceNorm), the last axes (LayerNorm; RMSNorm, without the mean).
Weights start as 1 and biases as 0, so nothing here is random.

Symbols: N batch, C channels. Sources: see autograd/norm.py. Read before this: layers.py.
"""
import numpy as np

from autograd import parameter
from autograd.backend import default_dtype, xp
from autograd.norm import batch_norm, group_norm, instance_norm, rms_norm

from .module import Module


class _Norm(Module):
    """weight and bias (C,), or None."""

    def __init__(self, num_features, eps, affine):
        self.num_features, self.eps = num_features, eps
        self.weight = parameter(xp.ones(num_features, default_dtype)) if affine else None
        self.bias = parameter(xp.zeros(num_features, default_dtype)) if affine else None


class _RunningNorm(_Norm):
    """With buffers for the statistics that evaluation uses, running_mean and running_var (C,), which in training move
    towards those of the batch by `momentum`; num_batches_tracked is there because torch has it."""

    ndims = ()  # how many axes the input may have
    layout = ""

    def __init__(self, num_features, eps, momentum, affine, track_running_stats):
        super().__init__(num_features, eps, affine)
        self.momentum, self.track_running_stats = momentum, track_running_stats
        self.running_mean = self.running_var = None
        if track_running_stats:
            self.register_buffer("running_mean", xp.zeros(num_features, default_dtype))
            self.register_buffer("running_var", xp.ones(num_features, default_dtype))
            self.register_buffer("num_batches_tracked", xp.zeros((), np.int64))

    def _check(self, input):
        if len(input.shape) not in self.ndims or input.shape[1] != self.num_features:
            raise ValueError(f"{type(self).__name__}: input has shape {input.shape}, expected {self.layout} with "
                             f"C = {self.num_features}")

    def extra_repr(self):
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class _BatchNorm(_RunningNorm):
    """momentum None: the running statistics are the plain average over all batches so far."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input):
        self._check(input)
        momentum = self.momentum
        if self.training and self.track_running_stats:
            self.num_batches_tracked += 1
            momentum = 1.0 / int(self.num_batches_tracked) if momentum is None else momentum
        by_batch = self.training or not self.track_running_stats
        return batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, by_batch, momentum or 0.0,
                          self.eps)


class BatchNorm1d(_BatchNorm):
    """Vectors (N, C) or sequences (N, C, L): each channel over the batch, and L."""

    ndims, layout = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Images (N, C, H, W): each channel over the batch and its pixels. Ioffe & Szegedy 2015."""

    ndims, layout = (4,), "(N, C, H, W)"


class InstanceNorm2d(_RunningNorm):
    """Images (N, C, H, W): each channel of each image over its own pixels. Ulyanov et al. 2016."""

    ndims, layout = (4,), "(N, C, H, W)"

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input):
        self._check(input)
        by_image = self.training or not self.track_running_stats
        return instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias, by_image,
                             self.momentum, self.eps)


class GroupNorm(_Norm):
    """(N, C, ...): each image over its pixels and C / num_groups channels at a time. Wu & He 2018."""

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True):
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_channels={num_channels} do not divide into num_groups={num_groups}")
        super().__init__(num_channels, eps, affine)
        self.num_groups = num_groups

    def forward(self, input):
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.num_groups}, {self.num_features}, eps={self.eps}"


class RMSNorm(Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last axes. eps None: that of the dtype. Zhang & Sennrich 2019."""

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True):
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = parameter(xp.ones(self.normalized_shape, default_dtype)) if elementwise_affine else None

    def forward(self, input):
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}"
