"""Convolution layers, with torch.nn's names, arguments, layouts and initial distributions.

Weights and biases start as U(-b, b) with b = 1 / sqrt(fan_in), fan_in = weight.shape[1] times the size of the kernel.
(For a transposed convolution that is not the number of inputs an output sees; it is what torch computes.)

Symbols: N batch, C / O channels in / out, H W image, R S kernel. Read before this: autograd/conv.py, layers.py.
"""
import math

from autograd import conv1d, conv2d, conv_transpose1d, conv_transpose2d, parameter

from . import init
from .module import Module


class _Conv(Module):
    """What all have in common. Subclasses say how many axes an image has, and how the weight is laid out."""

    dims = 2

    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, rng):
        kernel = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * self.dims
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"{type(self).__name__}: in_channels={in_channels} and out_channels={out_channels} must "
                             f"both divide by groups={groups}")
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        shape = (*self.channels(), *kernel)
        b = 1.0 / math.sqrt(math.prod(shape[1:]))
        self.weight = parameter(init.uniform(shape, -b, b, rng=rng))
        self.bias = parameter(init.uniform((out_channels,), -b, b, rng=rng)) if bias else None

    def channels(self):
        """The first two sizes of the weight."""
        return self.out_channels, self.in_channels // self.groups

    def extra_repr(self):
        optional = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
        shown = [f"{name}={getattr(self, name)}" for name, default in optional.items()
                 if getattr(self, name, default) != default]
        shown += ["bias=False"] if self.bias is None else []
        return ", ".join([f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}", *shown])


class Conv2d(_Conv):
    """(N, C, H, W) -> (N, O, P, Q). Weight (O, C / groups, R, S). stride, padding, dilation: an int or a pair;
    padding also 'same' or 'valid'."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, *,
                 rng):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, rng)

    def forward(self, input):
        return conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv1d(_Conv):
    """(N, C, L) -> (N, O, P). Weight (O, C / groups, R)."""

    dims = 1

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, *,
                 rng):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, rng)

    def forward(self, input):
        return conv1d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class ConvTranspose2d(_Conv):
    """The transpose of a Conv2d from O to C channels: (N, C, P, Q) -> (N, O, H, W). Weight (C, O / groups, R, S).

    stride enlarges the image; output_padding chooses among the sizes that the convolution would map to P, Q.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1,
                 bias=True, dilation=1, *, rng):
        self.output_padding = output_padding
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, rng)

    def channels(self):
        return self.in_channels, self.out_channels // self.groups

    def forward(self, input):
        return conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, self.output_padding,
                                self.groups, self.dilation)


class ConvTranspose1d(_Conv):
    """The transpose of a Conv1d: (N, C, P) -> (N, O, L). Weight (C, O / groups, R)."""

    dims = 1

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1,
                 bias=True, dilation=1, *, rng):
        self.output_padding = output_padding
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, rng)

    def channels(self):
        return self.in_channels, self.out_channels // self.groups

    def forward(self, input):
        return conv_transpose1d(input, self.weight, self.bias, self.stride, self.padding, self.output_padding,
                                self.groups, self.dilation)


def halved(size, times, round_up=False):
    """The sizes (H, W) of an image that is halved so many times, its own first: times + 1 of them. An odd side loses
    its last pixel, or with round_up gets one more."""
    found = [tuple(size)]
    for _ in range(times):
        found.append(tuple((side + round_up) // 2 for side in found[-1]))
    return found
